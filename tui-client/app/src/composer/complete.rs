//! Completion of the name or command at the caret.

use std::ops::Range;

use chitty_chat::text::caseless::{self, Needle};

use crate::commands::COMMANDS;

/// The largest number of offers; another letter narrows them down.
const MOST: usize = 64;
/// The longest name, in characters.
const LONGEST: usize = 32;

/// The possible completions of one word.
#[derive(Debug)]
pub struct Completion {
    /// The range of the word in the draft, in bytes; it follows the chosen offer.
    pub(super) place: Range<usize>,
    /// The typed word, followed by the offers.
    words: Vec<String>,
    /// The index in `words` of the word that is in the draft.
    at: usize,
    /// What is inserted after a completed word.
    suffix: &'static str,
}

/// Which completion is offered next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompletionStep {
    /// The one after the current one.
    Next,
    /// The one before it.
    Previous,
}

impl Completion {
    /// The completions of the word that ends at the caret, or `None` if there are none.
    pub(super) fn new<'a>(
        before: &str,
        after: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let spaced = before.contains(char::is_whitespace);
        if before.starts_with('/') && !before.starts_with("//") && !spaced {
            return Self::command(before, after);
        }
        let names: Vec<&str> = names
            .filter(|name| !name.contains(char::is_control))
            .collect();
        starts(before).find_map(|start| {
            let typed = &before[start..];
            // Many chats mention people as @ada.
            let at = if typed.starts_with('@') { "@" } else { "" };
            let needle = Needle::new(&typed[at.len()..]);
            let mut words: Vec<String> = names
                .iter()
                .filter(|name| needle.begins(name))
                .map(|name| format!("{at}{name}"))
                .collect();
            words.sort_by_cached_key(|name| (caseless::key(name), name.clone()));
            let first = at.is_empty() && (before[..start].ends_with('\n') || start == 0);
            let suffix = match (first, after.starts_with(char::is_whitespace)) {
                (true, false) => ": ",
                (true, true) => ":",
                (false, false) => " ",
                (false, true) => "",
            };
            Self::of(start..before.len(), typed, words, suffix)
        })
    }

    fn command(before: &str, after: &str) -> Option<Self> {
        let mut suffix = "";
        let words: Vec<String> = COMMANDS
            .iter()
            .filter_map(|help| {
                let mut parts = help.command.split_whitespace();
                let command = parts.next().filter(|word| !word.starts_with("//"))?;
                let wanted = command.starts_with(before);
                if wanted && parts.next().is_some() && !after.starts_with(' ') {
                    suffix = " ";
                }
                wanted.then(|| command.to_owned())
            })
            .collect();
        if words.len() > 1 {
            suffix = "";
        }
        Self::of(0..before.len(), before, words, suffix)
    }

    fn of(
        place: Range<usize>,
        typed: &str,
        mut words: Vec<String>,
        suffix: &'static str,
    ) -> Option<Self> {
        words.dedup();
        words.truncate(MOST);
        if words.is_empty() {
            return None;
        }
        // The typed word is the first of the words: going round the offers comes back to it.
        words.insert(0, typed.to_owned());
        Some(Self {
            place,
            words,
            at: 0,
            suffix,
        })
    }

    /// The offered words.
    pub fn offers(&self) -> &[String] {
        &self.words[1..]
    }

    /// The index of the offer that is in the draft, or `None` if it is the typed word.
    pub fn taken(&self) -> Option<usize> {
        self.at.checked_sub(1)
    }

    /// Moves to the next or the previous word. Returns the text to put in the word's place.
    pub(super) fn turn(&mut self, step: CompletionStep) -> String {
        let count = self.words.len();
        // The typed word is one of them, so that going round returns to it.
        let by = match step {
            CompletionStep::Next => 1,
            CompletionStep::Previous => count - 1,
        };
        self.at = (self.at + by) % count;
        let suffix = if self.at == 0 { "" } else { self.suffix };
        format!("{}{suffix}", self.words[self.at])
    }

    /// The word as the user typed it.
    pub(super) fn typed(&self) -> &str {
        &self.words[0]
    }
}

/// The positions at which a name that ends at the caret may begin. A name can contain spaces, so
/// the longest candidate comes first.
fn starts(before: &str) -> impl Iterator<Item = usize> {
    let from = before
        .char_indices()
        .rev()
        .nth(LONGEST - 1)
        .map_or(0, |(start, _)| start);
    let begins = move |&start: &usize| {
        before.is_char_boundary(start)
            && (start == 0 || before[..start].ends_with(char::is_whitespace))
            && !before[start..].starts_with(char::is_whitespace)
    };
    (from..=before.len()).filter(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["bob", "Bea", "eve", "Mary Ann", "Mary Sue"];

    #[test]
    fn a_name_goes_on_however_it_is_written() {
        let names = ["Zoe\u{308}", "Στέλιος", "Strauß"];
        for (typed, name) in [
            ("zo\u{eb}", "Zoe\u{308}: "),
            ("ΣΤΈΛΙΟΣ", "Στέλιος: "),
            ("STRAUSS", "Strauß: "),
        ] {
            let mut completion = Completion::new(typed, "", names.into_iter()).expect(typed);
            assert_eq!(completion.turn(CompletionStep::Next), name);
        }
    }

    fn all(before: &str, after: &str) -> Vec<String> {
        let Some(mut completion) = Completion::new(before, after, NAMES.into_iter()) else {
            return Vec::new();
        };
        let head = &before[..completion.place.start];
        let count = completion.offers().len();
        (0..count)
            .map(|_| format!("{head}{}", completion.turn(CompletionStep::Next)))
            .collect()
    }

    #[test]
    fn names_go_on_in_any_case_with_a_colon_only_at_the_start() {
        assert_eq!(all("e", ""), ["eve: "]);
        assert_eq!(all("b", ""), ["Bea: ", "bob: "]);
        assert_eq!(all("hi B", ""), ["hi Bea ", "hi bob "]);
        assert_eq!(all("hi e", " x"), ["hi eve"]);
        assert_eq!(all("hi\ne", ""), ["hi\neve: "]);
        assert_eq!(all("x", ""), [""; 0]);
        assert_eq!(
            all("hi ", "").len(),
            5,
            "a word that is not begun is anybody's"
        );
    }

    #[test]
    fn a_name_goes_on_after_an_at_sign() {
        assert_eq!(all("@b", ""), ["@Bea ", "@bob "]);
        assert_eq!(all("hi @mary s", ""), ["hi @Mary Sue "]);
        assert_eq!(all("@", "").len(), 5);
        assert_eq!(all("mail@b", ""), [""; 0]);
    }

    #[test]
    fn a_name_can_have_spaces() {
        assert_eq!(all("mary", ""), ["Mary Ann: ", "Mary Sue: "]);
        assert_eq!(all("hi mary s", ""), ["hi Mary Sue "]);
    }

    #[test]
    fn commands_are_offered_where_they_are_commands() {
        assert_eq!(all("/q", ""), ["/quit"]);
        assert_eq!(all("/m", ""), ["/me "]);
        assert!(all("/", "").len() >= 3);
        assert_eq!(all("/me hugs e", ""), ["/me hugs eve "]);
        assert_eq!(all("//q", ""), [""; 0]);
    }

    #[test]
    fn around_and_back() {
        use CompletionStep::{Next, Previous};

        let mut completion =
            Completion::new("b", "", NAMES.into_iter()).expect("two begin with it");
        let turns: Vec<_> = [Next, Next, Next, Previous, Previous]
            .map(|step| completion.turn(step))
            .into();
        assert_eq!(turns, ["Bea: ", "bob: ", "b", "bob: ", "Bea: "]);
        assert_eq!(completion.taken(), Some(0));
    }
}
