//! The user's lines that the log has not shown yet. They stand below everything else, in the order
//! in which they were sent.

use std::collections::VecDeque;

use chitty_chat::MessageText;
use jiff::civil::DateTime;

use super::row_layout::MeasuredHeight;
use crate::port::{MAX_PENDING, Ticket};

/// A line of the user's that the log has not shown yet.
#[derive(Debug)]
pub(super) struct PendingLine {
    pub(super) ticket: Ticket,
    pub(super) text: MessageText,
    pub(super) at: DateTime,
    pub(super) height: MeasuredHeight,
}

/// All pending lines.
#[derive(Debug, Default)]
pub(super) struct PendingLines(VecDeque<PendingLine>);

impl PendingLines {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&PendingLine> {
        self.0.get(index)
    }

    /// Whether another line may wait.
    pub(super) fn has_space(&self) -> bool {
        self.0.len() < MAX_PENDING
    }

    pub(super) fn push(&mut self, ticket: Ticket, text: MessageText, at: DateTime) {
        self.0.push_back(PendingLine {
            ticket,
            text,
            at,
            height: MeasuredHeight::default(),
        });
    }

    /// Removes the line with this ticket, and returns its text.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<MessageText> {
        let index = self.0.iter().position(|line| line.ticket == ticket)?;
        self.0.remove(index).map(|line| line.text)
    }
}
