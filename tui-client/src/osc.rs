//! Escape sequences beside the screen: the window's title, the clipboard, notifications,
//! hyperlinks. Text from outside is cut and cleaned here once more, so that it can neither end a
//! sequence nor begin another.

use std::io::{self, Write};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use chitty_app::glyphs;
use ratatui::{
    backend::Backend,
    buffer::{Buffer, Cell},
};

use crate::view::Hyperlink;

/// The largest text that is copied, in bytes: a terminal may refuse more.
const MAX_COPY: usize = 64 * 1024;
/// The longest title or notification, in columns.
const MAX_TEXT: usize = 200;

const END: &str = "\x1b\\";

/// Saves the terminal's own title.
pub(crate) const SAVE_TITLE: &str = "\x1b[22;0t";
/// Restores the saved title.
pub(crate) const RESTORE_TITLE: &str = "\x1b[23;0t";
/// Turns on reports of buttons and the wheel, in the encoding for screens of any size.
pub(crate) const TAKE_MOUSE: &str = "\x1b[?1000h\x1b[?1006h";
/// Turns the reports off.
pub(crate) const LEAVE_MOUSE: &str = "\x1b[?1006l\x1b[?1000l";
/// Rings the bell.
pub(crate) const BELL: &str = "\x07";

/// OSC 2: sets the window's title.
pub(crate) fn title(text: &str) -> String {
    format!("\x1b]2;{}{END}", clean(text))
}

/// OSC 52: copies to the clipboard, also over SSH.
pub(crate) fn copy(text: &str) -> String {
    let mut end = text.len().min(MAX_COPY);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let encoded = Base64Display::new(&text.as_bytes()[..end], &STANDARD);
    format!("\x1b]52;c;{encoded}{END}")
}

/// The sequence by which a terminal shows a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notifier {
    /// OSC 9, which most terminals know.
    #[default]
    Osc9,
    /// OSC 777, for rxvt and foot.
    Osc777,
}

impl Notifier {
    /// The sequence for a terminal of this type (`TERM`).
    pub fn of(term: &str) -> Self {
        if term.starts_with("rxvt") || term.starts_with("foot") {
            Self::Osc777
        } else {
            Self::Osc9
        }
    }

    pub(crate) fn notify(self, text: &str) -> String {
        let text = clean(text);
        match self {
            // To some terminals a text that begins with a number means something else.
            Self::Osc9 => format!("\x1b]9;Chitty-Chat: {text}{END}"),
            Self::Osc777 => {
                let text = text.replace(';', ",");
                format!("\x1b]777;notify;Chitty-Chat;{text}{END}")
            }
        }
    }
}

fn clean(text: &str) -> String {
    let safe = glyphs::safe(text);
    glyphs::fit(&safe, MAX_TEXT).into_owned()
}

/// The hyperlinks on screen. A frame has no place for them, so they are written over what it drew.
#[derive(Debug, Default)]
pub(crate) struct Links {
    shown: Vec<LinkCells>,
}

/// A part of a hyperlink with the cells that were drawn for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkCells {
    link: Hyperlink,
    cells: Vec<Cell>,
    /// Whether it still opens; otherwise its cells become plain text again.
    opens: bool,
}

impl Links {
    /// What has to be written so that the screen has exactly these hyperlinks. `rewritten` means
    /// that some cells may have been written again with the same text.
    pub(crate) fn show(
        &mut self,
        links: Vec<Hyperlink>,
        drawn: &Buffer,
        rewritten: bool,
    ) -> Vec<LinkCells> {
        let piece = |link, opens| LinkCells {
            cells: cells(&link, drawn),
            link,
            opens,
        };
        let new: Vec<_> = links.into_iter().map(|link| piece(link, true)).collect();
        if new == self.shown && !rewritten {
            return Vec::new();
        }
        // Cells that are no part of a hyperlink any more must be written again without it.
        let old = std::mem::replace(&mut self.shown, new);
        let gone = old.into_iter().filter(|old| !self.shown.contains(old));
        let gone = gone.map(|old| piece(old.link, false));
        // All of them, because one may overlap another that was removed.
        gone.chain(self.shown.iter().cloned()).collect()
    }

    /// Forgets what is on screen, because the screen is drawn again.
    pub(crate) fn forget(&mut self) {
        self.shown.clear();
    }
}

/// Writes hyperlinks over what was drawn. It moves the cursor.
pub(crate) fn write_links<B: Backend>(
    pieces: &[LinkCells],
    backend: &mut B,
    out: &mut dyn Write,
) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    for piece in pieces {
        out.write_all(piece.opening().as_bytes())?;
        backend.draw(piece.visible()).map_err(gone)?;
        out.write_all(CLOSE.as_bytes())?;
    }
    Ok(())
}

/// DECSC: saves the position of the cursor.
pub(crate) const SAVE_CURSOR: &str = "\x1b7";
/// DECRC: restores the position of the cursor.
pub(crate) const RESTORE_CURSOR: &str = "\x1b8";
/// OSC 8: ends a hyperlink.
pub(crate) const CLOSE: &str = "\x1b]8;;\x1b\\";

/// OSC 8: begins a hyperlink.
fn open(link: &Hyperlink) -> String {
    let (position, which) = link.id;
    let address: String = link
        .address
        .chars()
        .filter(char::is_ascii_graphic)
        .collect();
    format!("\x1b]8;id={position}-{which};{address}{END}")
}

fn cells(link: &Hyperlink, drawn: &Buffer) -> Vec<Cell> {
    let cells = link
        .columns
        .clone()
        .map(|x| drawn.cell((x, link.y)).cloned());
    cells.map(Option::unwrap_or_default).collect()
}

impl LinkCells {
    /// The row on the screen.
    pub(crate) fn row(&self) -> u16 {
        self.link.y
    }

    /// Whether it opens at this column.
    pub(crate) fn opens_at(&self, x: u16) -> bool {
        self.opens && self.link.columns.contains(&x)
    }

    /// The sequence that makes a hyperlink of what is written next.
    pub(crate) fn opening(&self) -> String {
        if self.opens {
            open(&self.link)
        } else {
            String::new()
        }
    }

    /// Its cells without the ones that wide characters cover.
    fn visible(&self) -> impl Iterator<Item = (u16, u16, &Cell)> {
        let mut skip = 0;
        let columns = self.link.columns.clone();
        let cells = columns.zip(&self.cells).filter(move |(_, cell)| {
            let shown = skip == 0;
            skip = if shown {
                glyphs::width(cell.symbol()).max(1) - 1
            } else {
                skip - 1
            };
            shown
        });
        cells.map(|(x, cell)| (x, self.link.y, cell))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::layout::Rect;

    use super::*;

    fn link(from: u16, address: &str) -> Hyperlink {
        Hyperlink {
            y: 0,
            columns: from..from + 3,
            address: address.into(),
            id: (7, 0),
        }
    }

    #[test]
    fn what_is_an_address_no_more_is_written_without() {
        let drawn = Buffer::with_lines(["abcdefgh"]);
        let mut links = Links::default();
        let shown = links.show(vec![link(1, "http://a")], &drawn, false);
        assert_eq!(shown.len(), 1);
        assert_eq!(links.show(vec![link(1, "http://a")], &drawn, false), []);
        let again = links.show(vec![link(1, "http://a")], &drawn, true);
        assert_eq!(again, shown, "its row was written anew");
        let moved = links.show(vec![link(4, "http://a")], &drawn, false);
        let all: Vec<_> = moved
            .iter()
            .map(|piece| (piece.link.columns.start, piece.opens))
            .collect();
        assert_eq!(all, [(1, false), (4, true)]);
        let small = Buffer::empty(Rect::new(0, 0, 2, 1));
        assert_eq!(
            links.show(vec![link(4, "http://a")], &small, false).len(),
            2,
            "a smaller screen"
        );
        assert_eq!(
            open(&link(0, "http://a\x1b]0;x")),
            "\x1b]8;id=7-0;http://a]0;x\x1b\\"
        );
    }

    proptest! {
        /// Whatever it is about, a sequence ends where it should and contains no other.
        #[test]
        fn no_text_breaks_out(text in any::<String>(), hostile in "[\\x00-\\x{9f}]{0,40}") {
            for text in [text, hostile] {
                for whole in [title(&text), copy(&text), Notifier::Osc9.notify(&text), Notifier::Osc777.notify(&text)] {
                    let inner = whole.strip_prefix("\x1b]").and_then(|rest| rest.strip_suffix(END));
                    prop_assert!(inner.is_some_and(|inner| !inner.contains(char::is_control)), "{whole:?}");
                }
            }
        }
    }
}
