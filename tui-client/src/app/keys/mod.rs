//! Which key does what: one table, with what the user changes about it. The keys are looked up in
//! it, and the help, the hints, the example of a configuration and the manual are made of it.

mod key;
mod map;
mod table;

#[cfg(test)]
mod tests;

pub use self::{
    key::{KeyChord, KeyError, KeySequence},
    map::{KeyChange, KeyConflict, Keymap},
    table::{Binding, CHAT, KeyRow, Mode, SELECTED},
};
use super::composer::Edit;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the draft.
    Send,
    /// A line break in the draft.
    Newline,
    /// Close what is open, or leave.
    Leave,
    /// Leave when the draft is empty, else delete the character under the caret.
    EndOfInput,
    /// Show or hide the help.
    Help,
    /// Show or hide the space-time diagram.
    Diagram,
    /// Draw the whole screen anew.
    Repaint,
    /// To the row above; from the first one, an earlier line of one's own into the draft.
    Up,
    /// To the row below; from the last one, a later line of one's own into the draft.
    Down,
    /// An earlier line of one's own, into the draft.
    Earlier,
    /// A later line of one's own, into the draft.
    Later,
    /// Look for an earlier line.
    SearchHistory,
    /// Look for a later line, while one is looked for.
    SearchHistoryNewer,
    /// The rest of a name or a command.
    Complete,
    /// The name or command that was offered before.
    CompleteBack,
    /// Close what is open, and nothing else.
    Cancel,
    /// The draft in the user's own editor.
    Editor,
    /// Back to the shell, for a while.
    Suspend,
    /// The next key belongs to this one.
    Prefix(KeyChord),
    /// Scroll towards older messages, by a page.
    PageUp,
    /// Scroll towards newer messages, by a page.
    PageDown,
    /// Scroll towards older messages, by a row.
    RowUp,
    /// Scroll towards newer messages, by a row.
    RowDown,
    /// To the start of the draft; of the messages when it is empty.
    Home,
    /// To the end of the draft; of the messages when it is empty.
    End,
    /// Look for something that was said.
    Search,
    /// The next find, older.
    FindOlder,
    /// The next find, newer.
    FindNewer,
    /// Select the line above.
    SelectOlder,
    /// Select the line below.
    SelectNewer,
    /// The text of the selected line, into the clipboard.
    CopyText,
    /// The time of the selected line, into the clipboard.
    CopyTime,
    /// To the oldest message.
    Oldest,
    /// To the newest message.
    Newest,
    /// Show or hide the participants.
    Participants,
    /// The participants above, by a page.
    ParticipantsUp,
    /// The participants below, by a page.
    ParticipantsDown,
    /// Show the messages only, or all.
    MessagesOnly,
    /// Take the mouse, or leave it to the terminal.
    Mouse,
    /// Show people who come and go one by one, or a run of them as a line.
    Expand,
    /// A change of the draft or of its caret.
    Edit(Edit),
}
