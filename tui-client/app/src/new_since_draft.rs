//! Counts the messages of others since the draft was begun, so that an author notices that the last
//! question is no longer the one being answered.

use chitty_chat::{Event, EventKind};

/// Counts the messages of others.
#[derive(Debug, Default)]
pub(super) struct NewSinceDraft {
    messages: u64,
    /// The count at the time the draft was begun.
    at_start: Option<u64>,
}

impl NewSinceDraft {
    /// Takes an event that is not the user's own.
    pub(super) fn event(&mut self, event: &Event) {
        self.messages += u64::from(matches!(event.kind, EventKind::Message { .. }));
    }

    /// Takes note of whether the draft is empty.
    pub(super) fn draft(&mut self, empty: bool) {
        self.at_start = (!empty).then(|| self.at_start.unwrap_or(self.messages));
    }

    /// How many messages have come since the draft was begun.
    pub(super) fn count(&self) -> u64 {
        self.at_start.map_or(0, |start| self.messages - start)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    #[test]
    fn only_messages_since_the_start_of_the_draft_count() {
        let mut new_since_draft = NewSinceDraft::default();
        new_since_draft.event(&message(3, 9, "bob", "before"));
        new_since_draft.draft(true);
        assert_eq!(new_since_draft.count(), 0);
        new_since_draft.draft(false);
        new_since_draft.event(&joined(4, 11, "eve"));
        new_since_draft.event(&message(5, 13, "bob", "meanwhile"));
        new_since_draft.draft(false);
        assert_eq!(new_since_draft.count(), 1);
        new_since_draft.draft(true);
        new_since_draft.draft(false);
        assert_eq!(new_since_draft.count(), 0);
    }
}
