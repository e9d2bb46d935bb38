//! All that keys can do, and the keys that do it where the user wants no others.

use super::Action::{
    self, Bare, Cancel, Complete, CompleteBack, CopyText, CopyTime, Diagram, Down, Earlier,
    Edit as E, Editor, End, EndOfInput, Expand, FindNewer, FindOlder, Help, Home, Later, Leave,
    LookBack, LookOn, Mouse, Newest, Newline, Oldest, PageDown, PageUp, Participants,
    ParticipantsDown, ParticipantsUp, Repaint, RowDown, RowUp, Search, SelectNewer, SelectOlder,
    Send, Suspend, Up,
};
use crate::app::composer::Edit;

/// When keys do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever is on screen.
    Chat,
    /// While a line is selected, before what they do otherwise.
    Selected,
}

impl Mode {
    /// All that keys can do then.
    pub fn rows(self) -> &'static [Row] {
        match self {
            Self::Chat => CHAT,
            Self::Selected => SELECTED,
        }
    }

    /// Each of them by itself.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        self.rows().iter().flat_map(|row| row.bindings)
    }
}

/// Things that go together: a row of the help.
#[derive(Debug)]
pub struct Row {
    /// What they do.
    pub what: &'static str,
    /// How many keys of each the help shows; none: it does without the row.
    pub shown: usize,
    /// The things.
    pub bindings: &'static [Binding],
}

/// A thing, and the keys for it.
#[derive(Debug)]
pub struct Binding {
    /// As the configuration calls it.
    pub name: &'static str,
    /// The thing.
    pub action: Action,
    /// The keys, as the configuration writes them.
    pub keys: &'static [&'static str],
}

const fn row(what: &'static str, shown: usize, bindings: &'static [Binding]) -> Row {
    Row {
        what,
        shown,
        bindings,
    }
}

const fn on(name: &'static str, action: Action, keys: &'static [&'static str]) -> Binding {
    Binding { name, action, keys }
}

/// In the order of the help.
#[rustfmt::skip]
pub const CHAT: &[Row] = &[
    row("send the line", 1, &[on("send", Send, &["Enter", "Ctrl-J"])]),
    row("a line break", 1, &[on("newline", Newline, &["Alt-Enter", "Shift-Enter"])]),
    row("the rest of a name, a command", 1, &[
        on("complete", Complete, &["Tab"]),
        on("complete-back", CompleteBack, &["Shift-Tab"]),
    ]),
    row("close; leave (twice: at once)", 2, &[on("leave", Leave, &["Esc", "Ctrl-C"])]),
    row("leave, on an empty line", 1, &[on("end-of-input", EndOfInput, &["Ctrl-D"])]),
    row("to the shell; fg comes back", 1, &[on("suspend", Suspend, &["Ctrl-Z"])]),
    row("this help", 1, &[on("help", Help, &["F1"])]),
    row("the diagram of logical time", 1, &[on("diagram", Diagram, &["F2"])]),
    row("scroll by a page", 1, &[
        on("page-up", PageUp, &["PageUp"]),
        on("page-down", PageDown, &["PageDown"]),
    ]),
    row("scroll by a row", 1, &[
        on("row-up", RowUp, &["Shift-Up", "Alt-Up"]),
        on("row-down", RowDown, &["Shift-Down", "Alt-Down"]),
    ]),
    row("oldest, newest (empty line)", 1, &[
        on("home", Home, &["Home"]),
        on("end", End, &["End"]),
    ]),
    row("oldest, newest (always)", 1, &[
        on("oldest", Oldest, &["Ctrl-Home"]),
        on("newest", Newest, &["Ctrl-End"]),
    ]),
    row("search what was said", 1, &[on("search", Search, &["Ctrl-F"])]),
    row("select a line, to copy it", 1, &[
        on("select-older", SelectOlder, &["Ctrl-Up"]),
        on("select-newer", SelectNewer, &["Ctrl-Down"]),
    ]),
    row("participants on or off", 1, &[on("participants", Participants, &["F3"])]),
    row("scroll the participants", 1, &[
        on("participants-up", ParticipantsUp, &["Alt-PageUp"]),
        on("participants-down", ParticipantsDown, &["Alt-PageDown"]),
    ]),
    row("messages only, to select them", 1, &[on("bare", Bare, &["F4"])]),
    row("mouse here, or the terminal's", 1, &[on("mouse", Mouse, &["F5"])]),
    row("joined and left one by one", 1, &[on("expand", Expand, &["F6"])]),
    row("lines sent before", 1, &[
        on("up", Up, &["Up"]),
        on("down", Down, &["Down"]),
    ]),
    row("the same, wherever the caret is", 0, &[
        on("earlier", Earlier, &["Ctrl-P"]),
        on("later", Later, &["Ctrl-N"]),
    ]),
    row("look for a line sent before", 1, &[on("look-back", LookBack, &["Ctrl-R"])]),
    row("while looking for one: a later one", 0, &[on("look-on", LookOn, &["Ctrl-S"])]),
    row("close what is open", 1, &[on("cancel", Cancel, &["Ctrl-G"])]),
    row("write in your $EDITOR", 1, &[on("editor", Editor, &["Ctrl-X Ctrl-E", "Ctrl-X e"])]),
    row("back, on by a character", 0, &[
        on("left", E(Edit::Left), &["Left", "Ctrl-B"]),
        on("right", E(Edit::Right), &["Right"]),
    ]),
    row("start, end of the line", 1, &[
        on("line-start", E(Edit::LineStart), &["Ctrl-A"]),
        on("line-end", E(Edit::LineEnd), &["Ctrl-E"]),
    ]),
    row("start, end of all lines", 1, &[
        on("start", E(Edit::Start), &["Alt-<"]),
        on("finish", E(Edit::End), &["Alt->"]),
    ]),
    row("back, on by a word", 1, &[
        on("word-left", E(Edit::WordLeft), &["Alt-B", "Ctrl-Left", "Alt-Left"]),
        on("word-right", E(Edit::WordRight), &["Alt-F", "Ctrl-Right", "Alt-Right"]),
    ]),
    row("delete the character before, behind", 0, &[
        on("delete-left", E(Edit::DeleteLeft), &["Backspace", "Shift-Backspace", "Ctrl-H"]),
        on("delete-right", E(Edit::DeleteRight), &["Delete"]),
    ]),
    row("cut the word before, behind", 1, &[
        on("cut-spaced-left", E(Edit::CutSpacedLeft), &["Ctrl-W"]),
        on("cut-word-right", E(Edit::CutWordRight), &["Alt-D", "Ctrl-Delete"]),
    ]),
    row("cut the letters before", 0, &[
        on("cut-word-left", E(Edit::CutWordLeft), &["Alt-Backspace", "Ctrl-Backspace"]),
    ]),
    row("cut to the start, to the end", 1, &[
        on("cut-line-left", E(Edit::CutLineLeft), &["Ctrl-U"]),
        on("cut-line-right", E(Edit::CutLineRight), &["Ctrl-K"]),
    ]),
    row("put back what was cut, earlier", 1, &[
        on("yank", E(Edit::Yank), &["Ctrl-Y"]),
        on("yank-earlier", E(Edit::YankEarlier), &["Alt-Y"]),
    ]),
    row("undo, redo", 1, &[
        on("undo", E(Edit::Undo), &["Ctrl-_", "Ctrl-X Ctrl-U", "Ctrl-X u"]),
        on("redo", E(Edit::Redo), &["Alt-_"]),
    ]),
    row("swap characters, words", 1, &[
        on("transpose", E(Edit::Transpose), &["Ctrl-T"]),
        on("transpose-words", E(Edit::TransposeWords), &["Alt-T"]),
    ]),
    row("a word in ABC, abc, Abc", 1, &[
        on("uppercase", E(Edit::Uppercase), &["Alt-U"]),
        on("lowercase", E(Edit::Lowercase), &["Alt-L"]),
        on("capitalize", E(Edit::Capitalize), &["Alt-C"]),
    ]),
    row("draw the screen anew", 1, &[on("repaint", Repaint, &["Ctrl-L"])]),
];

/// While a line is selected; characters alone write nothing then.
#[rustfmt::skip]
pub const SELECTED: &[Row] = &[
    row("the line above, below", 1, &[
        on("older", SelectOlder, &["Up"]),
        on("newer", SelectNewer, &["Down"]),
    ]),
    row("copy the text", 2, &[on("copy", CopyText, &["Enter", "c", "y"])]),
    row("copy its time, as L412", 1, &[on("copy-time", CopyTime, &["l", "L"])]),
    row("search, next older, newer", 1, &[
        on("search", Search, &["/"]),
        on("find-older", FindOlder, &["n"]),
        on("find-newer", FindNewer, &["N"]),
    ]),
];
