//! All actions that keys can have, with their default keys.

use super::Action::{
    self, Cancel, Complete, CompleteBack, CopyText, CopyTime, Diagram, Down, Earlier, Edit as E,
    Editor, End, EndOfInput, Expand, FindNewer, FindOlder, Help, Home, Later, Leave, MessagesOnly,
    Mouse, Newest, Newline, Oldest, PageDown, PageUp, Participants, ParticipantsDown,
    ParticipantsUp, Repaint, RowDown, RowUp, Search, SearchHistory, SearchHistoryNewer,
    SelectNewer, SelectOlder, Send, Suspend, Up,
};
use crate::composer::Edit;

/// The situation in which a binding applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyContext {
    /// In the chat, whatever is on screen.
    Chat,
    /// While a line is selected; these bindings take precedence over those of the chat.
    Selected,
}

impl KeyContext {
    /// The rows of the help for this context.
    pub fn rows(self) -> &'static [KeyRow] {
        match self {
            Self::Chat => CHAT,
            Self::Selected => SELECTED,
        }
    }

    /// The bindings of this context, one by one.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        self.rows().iter().flat_map(|row| row.bindings)
    }
}

/// Bindings that belong together: a row of the help.
#[derive(Debug)]
pub struct KeyRow {
    /// What the bindings do, for the help.
    pub what: &'static str,
    /// The help leaves the row out as long as its keys are the defaults, which everybody tries.
    pub obvious: bool,
    /// The bindings of the row.
    pub bindings: &'static [Binding],
}

/// An action with its default keys.
#[derive(Debug)]
pub struct Binding {
    /// The name of the binding in the configuration file.
    pub name: &'static str,
    /// The action that the keys have.
    pub action: Action,
    /// The default keys, in the notation of the configuration file.
    pub keys: &'static [&'static str],
}

const fn row(what: &'static str, bindings: &'static [Binding]) -> KeyRow {
    KeyRow {
        what,
        obvious: false,
        bindings,
    }
}

const fn obvious(what: &'static str, bindings: &'static [Binding]) -> KeyRow {
    KeyRow {
        what,
        obvious: true,
        bindings,
    }
}

const fn on(name: &'static str, action: Action, keys: &'static [&'static str]) -> Binding {
    Binding { name, action, keys }
}

/// The bindings of the chat, in the order of the help.
#[rustfmt::skip]
pub const CHAT: &[KeyRow] = &[
    row("send the line", &[on("send", Send, &["Enter", "Ctrl-J"])]),
    row("a line break", &[on("newline", Newline, &["Alt-Enter", "Shift-Enter"])]),
    row("the rest of a name, a command", &[
        on("complete", Complete, &["Tab"]),
        on("complete-back", CompleteBack, &["Shift-Tab"]),
    ]),
    row("close; leave (twice: at once)", &[on("leave", Leave, &["Esc", "Ctrl-C"])]),
    row("leave, on an empty line", &[on("end-of-input", EndOfInput, &["Ctrl-D"])]),
    row("to the shell; fg comes back", &[on("suspend", Suspend, &["Ctrl-Z"])]),
    row("this help", &[on("help", Help, &["F1"])]),
    row("the diagram of logical time", &[on("diagram", Diagram, &["F2"])]),
    row("scroll by a page", &[
        on("page-up", PageUp, &["PageUp"]),
        on("page-down", PageDown, &["PageDown"]),
    ]),
    row("scroll up by a row", &[on("row-up", RowUp, &["Shift-Up", "Alt-Up"])]),
    row("scroll down by a row", &[on("row-down", RowDown, &["Shift-Down", "Alt-Down"])]),
    row("oldest, newest (empty line)", &[
        on("home", Home, &["Home"]),
        on("end", End, &["End"]),
    ]),
    row("oldest, newest (always)", &[
        on("oldest", Oldest, &["Ctrl-Home"]),
        on("newest", Newest, &["Ctrl-End"]),
    ]),
    row("search what was said", &[on("search", Search, &["Ctrl-F"])]),
    row("select a line, to copy it", &[
        on("select-older", SelectOlder, &["Ctrl-Up"]),
        on("select-newer", SelectNewer, &["Ctrl-Down"]),
    ]),
    row("participants on or off", &[on("participants", Participants, &["F3"])]),
    row("scroll the participants", &[
        on("participants-up", ParticipantsUp, &["Alt-PageUp"]),
        on("participants-down", ParticipantsDown, &["Alt-PageDown"]),
    ]),
    row("messages only, to select them", &[on("bare", MessagesOnly, &["F4"])]),
    row("mouse here, or the terminal's", &[on("mouse", Mouse, &["F5"])]),
    row("joined and left one by one", &[on("expand", Expand, &["F6"])]),
    row("lines sent before", &[
        on("up", Up, &["Up"]),
        on("down", Down, &["Down"]),
    ]),
    obvious("the same, wherever the caret is", &[
        on("earlier", Earlier, &["Ctrl-P"]),
        on("later", Later, &["Ctrl-N"]),
    ]),
    row("look for a line sent before", &[on("look-back", SearchHistory, &["Ctrl-R"])]),
    obvious("while looking for one: a later one", &[on("look-on", SearchHistoryNewer, &["Ctrl-S"])]),
    row("close what is open", &[on("cancel", Cancel, &["Ctrl-G"])]),
    row("write in your $EDITOR", &[on("editor", Editor, &["Ctrl-X Ctrl-E", "Ctrl-X e"])]),
    obvious("back, on by a character", &[
        on("left", E(Edit::Left), &["Left", "Ctrl-B"]),
        on("right", E(Edit::Right), &["Right"]),
    ]),
    row("start, end of the line", &[
        on("line-start", E(Edit::LineStart), &["Ctrl-A"]),
        on("line-end", E(Edit::LineEnd), &["Ctrl-E"]),
    ]),
    row("start, end of all lines", &[
        on("start", E(Edit::Start), &["Alt-<"]),
        on("finish", E(Edit::End), &["Alt->"]),
    ]),
    row("back by a word", &[
        on("word-left", E(Edit::WordLeft), &["Alt-B", "Ctrl-Left", "Alt-Left"]),
    ]),
    row("on by a word", &[
        on("word-right", E(Edit::WordRight), &["Alt-F", "Ctrl-Right", "Alt-Right"]),
    ]),
    obvious("delete the character before, after", &[
        on("delete-left", E(Edit::DeleteLeft), &["Backspace", "Shift-Backspace", "Ctrl-H"]),
        on("delete-right", E(Edit::DeleteRight), &["Delete"]),
    ]),
    row("cut the word before", &[on("cut-spaced-left", E(Edit::CutSpacedLeft), &["Ctrl-W"])]),
    row("cut the word after", &[
        on("cut-word-right", E(Edit::CutWordRight), &["Alt-D", "Ctrl-Delete"]),
    ]),
    obvious("cut the letters before", &[
        on("cut-word-left", E(Edit::CutWordLeft), &["Alt-Backspace", "Ctrl-Backspace"]),
    ]),
    row("cut to the start, to the end", &[
        on("cut-line-left", E(Edit::CutLineLeft), &["Ctrl-U"]),
        on("cut-line-right", E(Edit::CutLineRight), &["Ctrl-K"]),
    ]),
    row("put back what was cut, earlier", &[
        on("yank", E(Edit::Yank), &["Ctrl-Y"]),
        on("yank-earlier", E(Edit::YankEarlier), &["Alt-Y"]),
    ]),
    row("undo", &[on("undo", E(Edit::Undo), &["Ctrl-_", "Ctrl-X Ctrl-U", "Ctrl-X u"])]),
    row("redo", &[on("redo", E(Edit::Redo), &["Alt-_"])]),
    row("swap characters, words", &[
        on("transpose", E(Edit::Transpose), &["Ctrl-T"]),
        on("transpose-words", E(Edit::TransposeWords), &["Alt-T"]),
    ]),
    row("a word in ABC, abc, Abc", &[
        on("uppercase", E(Edit::Uppercase), &["Alt-U"]),
        on("lowercase", E(Edit::Lowercase), &["Alt-L"]),
        on("capitalize", E(Edit::Capitalize), &["Alt-C"]),
    ]),
    row("draw the screen anew", &[on("repaint", Repaint, &["Ctrl-L"])]),
];

/// The bindings on a selected line; characters type nothing there.
#[rustfmt::skip]
pub const SELECTED: &[KeyRow] = &[
    row("the line above, below", &[
        on("older", SelectOlder, &["Up"]),
        on("newer", SelectNewer, &["Down"]),
    ]),
    row("copy the text", &[on("copy", CopyText, &["Enter", "c", "y"])]),
    row("copy its time, as L412", &[on("copy-time", CopyTime, &["l", "L"])]),
    row("search, next older, newer", &[
        on("search", Search, &["/"]),
        on("find-older", FindOlder, &["n"]),
        on("find-newer", FindNewer, &["N"]),
    ]),
];
