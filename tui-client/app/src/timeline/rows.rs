//! Entries as blocks, and how many rows they have. A height is measured once for each layout, so that
//! scrolling and drawing cost only what is visible.

use chitty_chat::Event;

use super::{
    Timeline,
    block::Block,
    entry::{EntryContent, PresenceRun, TimelineEntry},
    runs,
};

impl Timeline {
    /// The blocks on screen, from the top, and how many rows of the first one are above the pane.
    /// The cost depends only on what is visible.
    pub fn visible(&self) -> (Vec<Block<'_>>, usize) {
        let (from, to, above) = self.rows_on_screen();
        let mut blocks = Vec::new();
        for index in from..to {
            if self.height(index) > 0 {
                let first = blocks.is_empty();
                blocks.extend(self.block(index, first).map(|block| self.marked(block)));
            }
        }
        (blocks, above)
    }

    /// The block of an entry or, with an index after the entries, of a pending line. The first one
    /// on screen names its author.
    pub(super) fn block(&self, index: usize, first: bool) -> Option<Block<'_>> {
        #[cfg(test)]
        self.layout.laid_out.update(|laid_out| laid_out + 1);
        let columns = self.layout.columns();
        let Some(entry) = self.entries().get(index) else {
            let line = self.pending.get(index - self.entries().len())?;
            let block = Block::pending(columns, self.own.as_str(), line.text.as_str());
            return Some(block.stamped(line.at, false));
        };
        // A name in a column of its own takes no space from the text. If there is no space for it
        // on the top row either, each line has it.
        let named = !entry.follows
            || (first && columns.name().is_some())
            || (columns.name().is_none() && columns.time().is_none());
        let mut block = match &entry.content {
            EntryContent::Event(_) | EntryContent::Past(_) if self.is_folded(index) => {
                Block::run(columns, &runs::summary(self.run(index)))
            }
            EntryContent::Event(event) | EntryContent::Past(event) => {
                Block::event(columns, event, self.own.as_str(), named)
            }
            EntryContent::Notice(text) => Block::notice(columns, text),
            EntryContent::Rejected { text, reason } => {
                Block::rejected(columns, (self.own.as_str(), text), reason)
            }
        };
        block.unread = self.is_first_unread(index);
        block.selected = self.selection.entry() == Some(self.entries().number(index));
        if let EntryContent::Event(event) = &entry.content
            && !self.is_folded(index)
        {
            block.crossed = self.crossed(index, event);
            block.relation = self.relation_to_selected(event);
        }
        Some(block.stamped(entry.at, entry.new_day))
    }

    pub(super) fn is_folded(&self, index: usize) -> bool {
        !self.layout.is_expanded()
            && self
                .entries()
                .get(index)
                .is_some_and(|entry| matches!(entry.run, PresenceRun::Head(_)))
    }

    /// The events of the run that begins at this index.
    pub(super) fn run(&self, head: usize) -> impl Iterator<Item = &Event> {
        let len = match self.entries().get(head).map(|entry| entry.run) {
            Some(PresenceRun::Head(len)) => len,
            _ => 0,
        };
        self.entries()
            .range(head..head + len)
            .filter_map(TimelineEntry::any_event)
    }

    pub(super) fn height(&self, index: usize) -> usize {
        let known = if let Some(entry) = self.entries().get(index) {
            if entry.run == PresenceRun::Member && !self.layout.is_expanded() {
                return 0;
            }
            &entry.height
        } else {
            match self.pending.get(index.saturating_sub(self.entries().len())) {
                Some(line) => &line.height,
                None => return 0,
            }
        };
        // The rows above the entry are not part of the measured height: a date comes and goes with
        // the entries around it.
        let measure = || self.block(index, false).map_or(0, |block| block.body());
        self.head(index) + self.layout.height(known, measure)
    }

    /// The number of rows above an entry's own: the date, and the unread line.
    pub(super) fn head(&self, index: usize) -> usize {
        let new_day = self.entries().get(index).is_some_and(|entry| entry.new_day);
        usize::from(new_day) + usize::from(self.is_first_unread(index))
    }

    /// Whether this is the first entry that arrived after the user looked away.
    fn is_first_unread(&self, index: usize) -> bool {
        let entry = self.entries().get(index);
        entry.is_some_and(|entry| self.unread.first() == Some(entry.arrival))
    }
}
