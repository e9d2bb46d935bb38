//! Which messages crossed, judged by what each author had seen.

use chitty_chat::{
    Event, EventKind,
    causality::{Relation, Sending, Window},
};

use super::{Timeline, entry::TimelineEntry};

/// How many entries above a message are examined for crossings; what is further away no longer
/// matters.
const NEAR: usize = 200;

impl Timeline {
    /// How many messages above this one its author had not seen.
    pub(super) fn crossed(&self, index: usize, event: &Event) -> usize {
        let Some(sending) = Sending::of(event) else {
            return 0;
        };
        let Some(seen) = sending.seen() else {
            return 0;
        };
        // From the newest up, and no further than what the author had seen: usually a handful.
        let mut above: Vec<_> = self
            .entries()
            .range(index.saturating_sub(NEAR)..index)
            .rev()
            .filter_map(TimelineEntry::event)
            .take_while(|event| event.position > seen)
            .filter_map(Sending::of)
            .collect();
        above.reverse();
        Window::new(&above).unseen(sending).count()
    }

    /// How the sending of this event is related to that of the selected message.
    pub(super) fn relation_to_selected(&self, event: &Event) -> Option<Relation> {
        let selected = self
            .selected()
            .filter(|_| self.selection.shows_relations())
            .filter(|selected| matches!(selected.kind, EventKind::Message { .. }))?;
        let selected = Sending::of(selected)?;
        // No request led to it: it precedes everything of those that have seen it.
        let Some(sending) = Sending::of(event) else {
            let seen = selected.seen()?;
            return Some(if event.position <= seen {
                Relation::Before
            } else {
                Relation::Unknown
            });
        };
        Some(sending.relation(&selected))
    }
}
