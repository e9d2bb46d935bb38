//! Which key does what: the one table that the keys are looked up in and the help is made of.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::composer::Edit;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the draft.
    Send,
    /// A line break in the draft.
    Newline,
    /// Close what is open, or leave.
    Escape,
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
    LookBack,
    /// Look for a later line, while one is looked for.
    LookOn,
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
    /// The next key is one of the [`CHORDS`].
    Chord,
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
    /// Select the line above.
    SelectOlder,
    /// Select the line below.
    SelectNewer,
    /// To the oldest message.
    Oldest,
    /// To the newest message.
    Newest,
    /// Show or hide the participants.
    Participants,
    /// Show the messages only, or all.
    Bare,
    /// Take the mouse, or leave it to the terminal.
    Mouse,
    /// Show people who come and go one by one, or a run of them as a line.
    Expand,
    /// A change of the draft or of its caret.
    Edit(Edit),
}

/// Keys that do the same.
pub struct Binding {
    /// The keys.
    pub keys: &'static [(KeyCode, KeyModifiers)],
    /// What they do.
    pub action: Action,
    /// The help's row for it; `None`: another binding's row speaks for this one as well.
    pub help: Option<Help>,
}

/// A row of the help.
#[derive(Clone, Copy)]
pub struct Help {
    /// The keys or the command, as people write them.
    pub keys: &'static str,
    /// What they do.
    pub what: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const SHIFT: KeyModifiers = KeyModifiers::SHIFT;

const fn row(keys: &'static str, what: &'static str) -> Help {
    Help { keys, what }
}

const fn bind(
    keys: &'static [(KeyCode, KeyModifiers)],
    action: Action,
    help: Option<Help>,
) -> Binding {
    Binding { keys, action, help }
}

use Action::{Edit as E, End, Home};
use KeyCode::Char;

/// Every key but the plain characters, in the order of the help.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[(KeyCode::Enter, NONE), (Char('j'), CTRL), (Char('m'), CTRL)],
        Action::Send,
        Some(row("Enter", "send the line")),
    ),
    bind(
        &[(KeyCode::Enter, ALT), (KeyCode::Enter, SHIFT)],
        Action::Newline,
        Some(row("Alt-Enter", "a line break")),
    ),
    bind(
        &[(KeyCode::Tab, NONE), (Char('i'), CTRL)],
        Action::Complete,
        Some(row("Tab, Shift-Tab", "the rest of a name, a command")),
    ),
    bind(
        &[(KeyCode::BackTab, SHIFT), (KeyCode::Tab, SHIFT)],
        Action::CompleteBack,
        None,
    ),
    bind(
        &[(KeyCode::Esc, NONE), (Char('['), CTRL), (Char('c'), CTRL)],
        Action::Escape,
        Some(row("Esc, Ctrl-C", "leave (with a draft: twice)")),
    ),
    bind(
        &[(Char('d'), CTRL)],
        Action::EndOfInput,
        Some(row("Ctrl-D", "leave, on an empty line")),
    ),
    bind(
        &[(Char('z'), CTRL)],
        Action::Suspend,
        Some(row("Ctrl-Z", "to the shell; fg comes back")),
    ),
    bind(
        &[(KeyCode::F(1), NONE)],
        Action::Help,
        Some(row("F1", "this help")),
    ),
    bind(
        &[(KeyCode::F(2), NONE)],
        Action::Diagram,
        Some(row("F2", "the diagram of logical time")),
    ),
    bind(
        &[(KeyCode::PageUp, NONE)],
        Action::PageUp,
        Some(row("PageUp, PageDown", "scroll by a page")),
    ),
    bind(&[(KeyCode::PageDown, NONE)], Action::PageDown, None),
    bind(
        &[(KeyCode::Up, SHIFT), (KeyCode::Up, ALT)],
        Action::RowUp,
        Some(row("Shift-Up, -Down", "scroll by a row")),
    ),
    bind(
        &[(KeyCode::Down, SHIFT), (KeyCode::Down, ALT)],
        Action::RowDown,
        None,
    ),
    bind(
        &[(KeyCode::Home, NONE)],
        Home,
        Some(row("Home, End", "oldest, newest (empty line)")),
    ),
    bind(&[(KeyCode::End, NONE)], End, None),
    bind(
        &[(KeyCode::Home, CTRL)],
        Action::Oldest,
        Some(row("Ctrl-Home, -End", "oldest, newest (always)")),
    ),
    bind(&[(KeyCode::End, CTRL)], Action::Newest, None),
    bind(
        &[(Char('f'), CTRL)],
        Action::Search,
        Some(row("Ctrl-F", "search what was said")),
    ),
    bind(
        &[(KeyCode::Up, CTRL)],
        Action::SelectOlder,
        Some(row("Ctrl-Up", "select a line, to copy it")),
    ),
    bind(&[(KeyCode::Down, CTRL)], Action::SelectNewer, None),
    bind(
        &[(KeyCode::F(3), NONE)],
        Action::Participants,
        Some(row("F3", "participants on or off")),
    ),
    bind(
        &[(KeyCode::F(4), NONE)],
        Action::Bare,
        Some(row("F4", "messages only, to select them")),
    ),
    bind(
        &[(KeyCode::F(5), NONE)],
        Action::Mouse,
        Some(row("F5", "mouse here, or the terminal's")),
    ),
    bind(
        &[(KeyCode::F(6), NONE)],
        Action::Expand,
        Some(row("F6", "joined and left one by one")),
    ),
    bind(
        &[(KeyCode::Up, NONE)],
        Action::Up,
        Some(row("Up, Down", "lines sent before")),
    ),
    bind(&[(KeyCode::Down, NONE)], Action::Down, None),
    bind(&[(Char('p'), CTRL)], Action::Earlier, None),
    bind(&[(Char('n'), CTRL)], Action::Later, None),
    bind(
        &[(Char('r'), CTRL)],
        Action::LookBack,
        Some(row("Ctrl-R", "look for a line sent before")),
    ),
    bind(&[(Char('s'), CTRL)], Action::LookOn, None),
    bind(
        &[(Char('g'), CTRL)],
        Action::Cancel,
        Some(row("Ctrl-G", "close what is open")),
    ),
    bind(
        &[(Char('x'), CTRL)],
        Action::Chord,
        Some(row("Ctrl-X Ctrl-E", "write in your $EDITOR")),
    ),
    bind(
        &[(Char('a'), CTRL)],
        E(Edit::LineStart),
        Some(row("Ctrl-A, Ctrl-E", "start, end of the line")),
    ),
    bind(&[(Char('e'), CTRL)], E(Edit::LineEnd), None),
    bind(
        &[(Char('<'), ALT)],
        E(Edit::Start),
        Some(row("Alt-<, Alt->", "start, end of all lines")),
    ),
    bind(&[(Char('>'), ALT)], E(Edit::End), None),
    bind(
        &[
            (Char('b'), ALT),
            (KeyCode::Left, CTRL),
            (KeyCode::Left, ALT),
        ],
        E(Edit::WordLeft),
        Some(row("Alt-B, Alt-F", "back, on by a word")),
    ),
    bind(
        &[
            (Char('f'), ALT),
            (KeyCode::Right, CTRL),
            (KeyCode::Right, ALT),
        ],
        E(Edit::WordRight),
        None,
    ),
    bind(
        &[(Char('w'), CTRL)],
        E(Edit::CutSpacedLeft),
        Some(row("Ctrl-W, Alt-D", "cut the word before, behind")),
    ),
    bind(
        &[(KeyCode::Backspace, ALT), (KeyCode::Backspace, CTRL)],
        E(Edit::CutWordLeft),
        None,
    ),
    bind(
        &[(Char('d'), ALT), (KeyCode::Delete, CTRL)],
        E(Edit::CutWordRight),
        None,
    ),
    bind(
        &[(Char('u'), CTRL)],
        E(Edit::CutLineLeft),
        Some(row("Ctrl-U, Ctrl-K", "cut to the start, to the end")),
    ),
    bind(&[(Char('k'), CTRL)], E(Edit::CutLineRight), None),
    bind(
        &[(Char('y'), CTRL)],
        E(Edit::Yank),
        Some(row("Ctrl-Y, Alt-Y", "put back what was cut, earlier")),
    ),
    bind(&[(Char('y'), ALT)], E(Edit::YankEarlier), None),
    bind(
        // What Ctrl-_ and Ctrl-/ send is Ctrl-7 by its other name.
        &[(Char('7'), CTRL), (Char('_'), CTRL), (Char('/'), CTRL)],
        E(Edit::Undo),
        Some(row("Ctrl-_, Alt-_", "undo, redo")),
    ),
    bind(&[(Char('_'), ALT)], E(Edit::Redo), None),
    bind(
        &[(Char('t'), CTRL)],
        E(Edit::Transpose),
        Some(row("Ctrl-T, Alt-T", "swap characters, words")),
    ),
    bind(&[(Char('t'), ALT)], E(Edit::TransposeWords), None),
    bind(
        &[(Char('u'), ALT)],
        E(Edit::Uppercase),
        Some(row("Alt-U, -L, -C", "a word in ABC, abc, Abc")),
    ),
    bind(&[(Char('l'), ALT)], E(Edit::Lowercase), None),
    bind(&[(Char('c'), ALT)], E(Edit::Capitalize), None),
    bind(
        &[(KeyCode::Left, NONE), (Char('b'), CTRL)],
        E(Edit::Left),
        None,
    ),
    bind(&[(KeyCode::Right, NONE)], E(Edit::Right), None),
    bind(
        &[
            (KeyCode::Backspace, NONE),
            (KeyCode::Backspace, SHIFT),
            (Char('h'), CTRL),
        ],
        E(Edit::DeleteLeft),
        None,
    ),
    bind(&[(KeyCode::Delete, NONE)], E(Edit::DeleteRight), None),
    bind(
        &[(Char('l'), CTRL)],
        Action::Repaint,
        Some(row("Ctrl-L", "draw the screen anew")),
    ),
];

/// What the keys do behind Ctrl-X.
pub const CHORDS: &[Binding] = &[
    bind(
        &[(Char('e'), CTRL), (Char('e'), NONE)],
        Action::Editor,
        None,
    ),
    bind(&[(Char('u'), CTRL), (Char('u'), NONE)], E(Edit::Undo), None),
];

/// What a key asks for; `None`: nothing.
pub fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    bound(BINDINGS, key).or(match (key.code, key.modifiers) {
        // Ctrl and Alt together are AltGr on some keyboards.
        (Char(c), modifiers)
            if modifiers.difference(SHIFT).is_empty() || modifiers == CTRL | ALT =>
        {
            Some(E(Edit::Insert(c)))
        }
        _ => None,
    })
}

/// What a key asks for behind Ctrl-X; `None`: nothing.
pub fn chord(key: KeyEvent) -> Option<Action> {
    bound(CHORDS, key)
}

fn bound(bindings: &[Binding], key: KeyEvent) -> Option<Action> {
    bindings
        .iter()
        .find(|binding| binding.keys.contains(&(key.code, key.modifiers)))
        .map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        for table in [BINDINGS, CHORDS] {
            let mut seen = HashSet::new();
            for &(code, modifiers) in table.iter().flat_map(|binding| binding.keys) {
                assert!(seen.insert((code, modifiers)), "{code:?} {modifiers:?}");
            }
        }
    }

    #[test]
    fn characters_are_typed_and_releases_ignored() {
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(action(key(Char('Ä'), SHIFT)), Some(E(Edit::Insert('Ä'))));
        assert_eq!(action(key(Char('x'), ALT)), None);
        assert_eq!(action(key(KeyCode::F(12), NONE)), None);
        let release = KeyEvent::new_with_kind(KeyCode::Esc, NONE, KeyEventKind::Release);
        assert_eq!(action(release), None);
    }
}
