//! Key bindings: one table, with the user's changes. Keys are looked up in it, and the help, the
//! hints, the example configuration and the manual are made from it.

mod key;
mod map;
mod table;

#[cfg(test)]
mod tests;

pub use self::{
    key::{KeyChord, KeyError, KeySequence},
    map::{KeyChange, KeyConflict, Keymap},
    table::{Binding, CHAT, KeyContext, KeyRow, SELECTED},
};
use super::composer::Edit;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the draft.
    Send,
    /// Insert a line break into the draft.
    Newline,
    /// Close what is open, or leave.
    Leave,
    /// Leave if the draft is empty; otherwise delete the character after the caret.
    EndOfInput,
    /// Show or hide the help.
    Help,
    /// Show or hide the space-time diagram.
    Diagram,
    /// Draw the whole screen again.
    Repaint,
    /// Move up by a row; from the first row, recall an earlier line.
    Up,
    /// Move down by a row; from the last row, recall a later line.
    Down,
    /// Recall an earlier line into the draft.
    Earlier,
    /// Recall a later line into the draft.
    Later,
    /// Search the lines sent before, towards older ones.
    SearchHistory,
    /// Search the lines sent before, towards newer ones.
    SearchHistoryNewer,
    /// Complete a name or a command.
    Complete,
    /// Go back to the completion offered before.
    CompleteBack,
    /// Close what is open, but do not leave.
    Cancel,
    /// Open the draft in the user's own editor.
    Editor,
    /// Suspend the client and return to the shell.
    Suspend,
    /// Wait for a second key: this one begins a key sequence.
    Prefix(KeyChord),
    /// Scroll by a page towards older messages.
    PageUp,
    /// Scroll by a page towards newer messages.
    PageDown,
    /// Scroll by a row towards older messages.
    RowUp,
    /// Scroll by a row towards newer messages.
    RowDown,
    /// Go to the start of the draft, or of the messages if the draft is empty.
    Home,
    /// Go to the end of the draft, or of the messages if the draft is empty.
    End,
    /// Search the messages.
    Search,
    /// Go to the next older match.
    FindOlder,
    /// Go to the next newer match.
    FindNewer,
    /// Select the line above the selected one.
    SelectOlder,
    /// Select the line below the selected one.
    SelectNewer,
    /// Copy the text of the selected line.
    CopyText,
    /// Copy the Lamport time of the selected line.
    CopyTime,
    /// Scroll to the oldest message.
    Oldest,
    /// Scroll to the newest message.
    Newest,
    /// Show or hide the participants.
    Participants,
    /// Scroll the participants up by a page.
    ParticipantsUp,
    /// Scroll the participants down by a page.
    ParticipantsDown,
    /// Show only the messages, or everything again.
    MessagesOnly,
    /// Capture the mouse, or leave it to the terminal.
    Mouse,
    /// Show joins and leaves one by one, or a run of them as one line.
    Expand,
    /// Edit the draft or move its caret.
    Edit(Edit),
}

impl Action {
    /// Whether it scrolls the messages.
    pub(super) fn scrolls(self) -> bool {
        matches!(
            self,
            Self::PageUp
                | Self::PageDown
                | Self::RowUp
                | Self::RowDown
                | Self::Newest
                | Self::Oldest
        )
    }

    /// Whether it moves the user to another part of the chat.
    pub(super) fn moves(self) -> bool {
        self.scrolls() || matches!(self, Self::SelectOlder | Self::SelectNewer)
    }
}
