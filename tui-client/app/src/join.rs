//! The join screen, which asks for a name.

use std::time::Duration;

use chitty_chat::ParticipantName;

use super::composer::{Edit, Editor};
use crate::port::NameRefusal;

/// The longest content of the field, in characters: enough to see that a name is too long.
const MAX_FIELD: usize = 64;

/// The name field, and what was wrong with the last name.
#[derive(Debug)]
pub struct JoinForm {
    editor: Editor,
    /// The name in the field is a proposal, which typed text replaces.
    offered: bool,
    refusal: Option<String>,
    free_at: Option<Duration>,
    trying: bool,
}

impl JoinForm {
    /// A field that proposes this name. It behaves like selected text: the first typed character
    /// replaces it, and moving the caret keeps it.
    pub(super) fn offering(name: &str) -> Self {
        let mut join = Self::new(name);
        join.offered = !join.name().is_empty();
        join
    }

    /// A field that contains this name.
    pub(super) fn new(name: &str) -> Self {
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        Self {
            editor: Editor::new(&name, MAX_FIELD),
            offered: false,
            refusal: None,
            free_at: None,
            trying: false,
        }
    }

    /// The content of the field.
    pub fn name(&self) -> &str {
        self.editor.draft().text()
    }

    /// The text before the caret, and the text after it.
    pub fn halves(&self) -> (&str, &str) {
        self.editor.draft().halves()
    }

    /// Whether the name in the field is a proposal.
    pub fn is_offered(&self) -> bool {
        self.offered && !self.trying
    }

    /// Whether a name was sent and no answer has come.
    pub fn trying(&self) -> bool {
        self.trying
    }

    /// What was wrong with the last name, and how long until it may be free.
    pub fn refusal(&self, now: Duration) -> Option<(&str, Option<Duration>)> {
        let wait = self
            .free_at
            .map(|at| at.saturating_sub(now))
            .filter(|wait| !wait.is_zero());
        self.refusal.as_deref().map(|refusal| (refusal, wait))
    }

    /// Whether the countdown is over: the name may be free now.
    pub fn may_be_free(&self, now: Duration) -> bool {
        self.free_at.is_some_and(|at| at <= now)
    }

    /// The time at which the countdown ends.
    pub(super) fn free_at(&self) -> Option<Duration> {
        self.free_at
    }

    pub(super) fn edit(&mut self, edit: Edit) {
        // A name has no line breaks.
        let breaks = matches!(edit, Edit::Insert(c) if c.is_control());
        if self.trying || breaks {
            return;
        }
        let replaces = matches!(
            edit,
            Edit::Insert(_) | Edit::DeleteLeft | Edit::DeleteRight | Edit::Yank
        );
        // Any edit accepts or replaces the proposal, which is an ordinary name from then on.
        if std::mem::take(&mut self.offered) && replaces {
            self.editor = Editor::new("", MAX_FIELD);
            if matches!(edit, Edit::DeleteLeft | Edit::DeleteRight) {
                return;
            }
        }
        self.editor.edit(edit);
    }

    pub(super) fn paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        if !self.trying {
            if std::mem::take(&mut self.offered) {
                self.editor = Editor::new("", MAX_FIELD);
            }
            self.editor.insert(&line);
        }
    }

    /// The name to send, if it is valid; otherwise the screen explains what is wrong.
    pub(super) fn submit(&mut self) -> Option<ParticipantName> {
        if self.trying {
            return None;
        }
        self.free_at = None;
        // Completion on a phone leaves a space behind.
        match ParticipantName::parse(self.name().trim()) {
            Ok(name) => {
                self.refusal = None;
                self.offered = false;
                self.trying = true;
                Some(name)
            }
            Err(error) => {
                self.refusal = Some(sentence(&error.to_string()));
                None
            }
        }
    }

    pub(super) fn refused(&mut self, refusal: &NameRefusal, now: Duration) {
        *self = Self::new(&refusal.name);
        // With a countdown the server's advice ("… or try again in 8 s") would be a second one, and
        // stand still.
        let reason = match (refusal.retry_in, refusal.reason.rsplit_once("; ")) {
            (Some(_), Some((what, _advice))) => what,
            _ => &refusal.reason,
        };
        self.refusal = Some(sentence(reason));
        self.free_at = refusal.retry_in.map(|wait| now.saturating_add(wait));
    }
}

/// Adds a capital and a full stop, because the reason stands alone.
fn sentence(reason: &str) -> String {
    let reason = reason.trim();
    let mut chars = reason.chars();
    let mut sentence: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_is_explained_and_not_tried() {
        let mut join = JoinForm::new("");
        assert_eq!(join.submit(), None);
        let (why, _) = join.refusal(Duration::ZERO).expect("a reason");
        assert!(why.starts_with("A name") && why.ends_with('.'), "{why}");
        assert!(!join.trying());
    }

    #[test]
    fn a_refused_name_can_be_changed() {
        let mut join = JoinForm::new("ada");
        assert_eq!(
            join.submit().map(|name| name.as_str().to_owned()),
            Some("ada".into())
        );
        assert_eq!(join.submit(), None, "one at a time");
        join.edit(Edit::Insert('x'));
        assert_eq!(join.name(), "ada");
        let now = Duration::from_secs(5);
        join.refused(
            &NameRefusal {
                name: "ada".into(),
                reason: "the name is taken".into(),
                retry_in: Some(Duration::from_secs(8)),
            },
            now,
        );
        let (why, wait) = join.refusal(now).expect("a reason");
        assert!(!join.may_be_free(now) && join.may_be_free(now * 3));
        assert_eq!(
            (why, wait),
            ("The name is taken.", Some(Duration::from_secs(8)))
        );
        assert_eq!(join.refusal(now * 3).and_then(|(_, wait)| wait), None);
        join.edit(Edit::Insert('2'));
        assert_eq!(
            join.submit().map(|name| name.as_str().to_owned()),
            Some("ada2".into())
        );
    }

    #[test]
    fn one_countdown_is_enough() {
        let mut join = JoinForm::new("");
        let refusal = |retry_in| NameRefusal {
            name: "ada".into(),
            reason: "the name ada is taken; choose another, or try again in 8 s".into(),
            retry_in,
        };
        join.refused(&refusal(Some(Duration::from_secs(8))), Duration::ZERO);
        let (why, _) = join.refusal(Duration::ZERO).expect("a reason");
        assert_eq!(why, "The name ada is taken.");
        join.refused(&refusal(None), Duration::ZERO);
        let (why, _) = join.refusal(Duration::ZERO).expect("a reason");
        assert!(why.contains("choose another"), "{why}");
    }

    #[test]
    fn spaces_around_a_name_are_none_of_it() {
        let mut join = JoinForm::new(" ada ");
        let name = join.submit().map(|name| name.as_str().to_owned());
        assert_eq!(name.as_deref(), Some("ada"));
    }

    #[test]
    fn the_field_is_bounded_and_takes_one_line() {
        let mut join = JoinForm::new(&"x".repeat(1000));
        assert_eq!(join.name().len(), MAX_FIELD);
        join.edit(Edit::Insert('y'));
        assert_eq!(join.name().len(), MAX_FIELD);
        let mut join = JoinForm::new("");
        join.paste("ada\nsecret");
        assert_eq!(join.name(), "ada");
    }
}
