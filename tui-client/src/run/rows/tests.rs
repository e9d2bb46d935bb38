//! Frames in a terminal that places each character by itself (vt100).

use std::{
    num::NonZeroU16,
    sync::{Arc, Mutex},
};

use chitty_app::glyphs;
use proptest::prelude::*;
use ratatui::{Terminal, backend::CrosstermBackend, style::Style};

use super::*;

const WIDTH: u16 = 40;
const HEIGHT: u16 = 6;

/// Texts that terminals draw with different widths.
const DOUBTFUL: [&str; 14] = [
    "नमस्ते दुनिया, क्या हाल है?",
    "สวัสดีชาวโลก น้ำ กำลัง",
    "வணக்கம் நண்பர்களே",
    "សួស្តី ពិភពលោក ខ្មែរ",
    "বাংলা ভাষায় কথা",
    "👩‍👩‍👧 and 🏳️‍🌈",
    "👩🏽‍🚀 👨‍👩‍👧‍👦",
    "🇩🇰 🇩🇪 flags",
    "❤️ ☀️ ✂️ 1️⃣",
    "e\u{301}a\u{308} n\u{303} marks",
    "日本語のテキスト",
    "한글 각",
    "🫨 new, ☺ old",
    "a\u{20dd} \u{e0b0} \u{1f3f4}",
];

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn side(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a screen has some")
}

/// A screen that is read back after each frame.
struct Screen {
    written: Written,
    terminal: Terminal<CrosstermBackend<Written>>,
    rows: DoubtfulRows,
    model: vt100::Parser,
}

impl Screen {
    fn new() -> Self {
        let written = Written::default();
        let options = ratatui::TerminalOptions {
            viewport: ratatui::Viewport::Fixed(Rect::new(0, 0, WIDTH, HEIGHT)),
        };
        let backend = CrosstermBackend::new(written.clone());
        Self {
            terminal: Terminal::with_options(backend, options).expect("a terminal in memory"),
            written,
            rows: DoubtfulRows::new(false),
            model: vt100::Parser::new(side(HEIGHT), side(WIDTH), 0),
        }
    }

    fn draw(&mut self, lines: &[&str]) -> Buffer {
        let rows = &mut self.rows;
        let drawn = self.terminal.draw(|frame| {
            let buffer = frame.buffer_mut();
            for (y, line) in (0..HEIGHT).zip(lines) {
                // The model drops this character, and its marks go to the one before it.
                let safe = glyphs::safe(line).replace('\u{fffd}', "?");
                buffer.set_stringn(0, y, &safe, WIDTH.into(), Style::new());
                // The text at the end of a row has to stay there.
                buffer.set_string(WIDTH - 6, y, "|", Style::new());
            }
            rows.take_out(buffer);
        });
        let drawn = drawn.expect("drawn in memory").buffer.clone();
        let mut out = self.written.clone();
        self.rows
            .write(self.terminal.backend_mut(), &mut out)
            .expect("written in memory");
        let bytes = std::mem::take(&mut *self.written.0.lock().expect("whole"));
        self.model.process(&bytes);
        drawn
    }

    /// The rows that are excluded from ratatui's comparison.
    fn due(&self) -> Vec<u16> {
        self.rows.due.iter().map(|(y, _)| *y).collect()
    }

    /// The cells whose text differs from what was drawn, if all terminals agree on it. Beside a
    /// grapheme on which they do not, an empty cell may have a part of it.
    fn wrong(&self, drawn: &Buffer) -> Vec<(u16, u16, String, String)> {
        let mut wrong = Vec::new();
        for y in 0..HEIGHT {
            let (mut covered, mut spared) = (0, 0);
            for x in 0..WIDTH {
                let symbol = drawn[(x, y)].symbol();
                if x < covered || x < spared && symbol == " " {
                    continue;
                }
                spared = 0;
                if glyphs::is_doubtful(symbol, false) {
                    covered = x + drawn[(x, y)].cell_width();
                    spared = x + u16::try_from(glyphs::widest(symbol)).expect("it is short");
                    continue;
                }
                let cell = self.model.screen().cell(y, x).expect("on the screen");
                let shown = match cell.contents() {
                    "" => " ",
                    shown => shown,
                };
                if shown != symbol {
                    wrong.push((x, y, symbol.to_owned(), shown.to_owned()));
                }
            }
        }
        wrong
    }
}

#[test]
fn nothing_of_a_text_is_left_in_the_next_frame_or_beside_it() {
    for text in DOUBTFUL {
        let mut screen = Screen::new();
        for lines in [
            [text, "plain", "", text, "plain", text],
            // Scrolled, cut, and gone.
            ["plain", "", text, "plain", text, "ab"],
            ["a", "b", "c", "d", "", ""],
            [text; 6],
            ["", "", "", "", "", ""],
        ] {
            let drawn = screen.draw(&lines);
            assert_eq!(screen.wrong(&drawn), [], "{text}: {lines:?}");
        }
    }
}

#[test]
fn where_there_is_room_a_terminal_shows_what_it_makes_of_a_text() {
    let mut screen = Screen::new();
    screen.draw(&["ស្តី", "👩‍👩‍👧     x", "", "", "", ""]);
    let contents = screen.model.screen().contents();
    assert!(contents.contains("ស្តី"), "{contents}");
    assert!(contents.contains("👩‍👩‍👧 x"), "{contents}");
}

#[test]
fn a_text_at_the_end_of_a_row_leaves_the_next_one_alone() {
    let mut screen = Screen::new();
    let edge = format!("{}👨‍👩‍👧‍👦", "x".repeat(usize::from(WIDTH) - 2));
    let [before, after] =
        ["plain", &edge].map(|second| ["plain", second, "the next row stays", "", "", ""]);
    for lines in [before, after, before, after, after] {
        let rows = &mut screen.rows;
        let drawn = screen.terminal.draw(|frame| {
            for (y, line) in (0..HEIGHT).zip(lines) {
                frame
                    .buffer_mut()
                    .set_stringn(0, y, line, WIDTH.into(), Style::new());
            }
            rows.take_out(frame.buffer_mut());
        });
        let drawn = drawn.expect("drawn in memory").buffer.clone();
        let mut out = screen.written.clone();
        let backend = screen.terminal.backend_mut();
        screen.rows.write(backend, &mut out).expect("written");
        let bytes = std::mem::take(&mut *screen.written.0.lock().expect("whole"));
        screen.model.process(&bytes);
        assert_eq!(screen.wrong(&drawn), []);
    }
}

#[test]
fn rows_of_ascii_are_left_to_ratatui() {
    let mut screen = Screen::new();
    for lines in [
        ["one", "two", "", "", "", "│ ┴ ─ é Я"],
        ["two", "one", "", "", "", "x"],
    ] {
        screen.draw(&lines);
        assert_eq!(screen.due(), [0_u16; 0]);
    }
    screen.draw(&["one", "नमस्ते", "", "", "", ""]);
    assert_eq!(screen.due(), [1]);
    screen.draw(&["two", "नमस्ते", "", "", "", ""]);
    assert_eq!(screen.due(), [0_u16; 0], "it is as it was");
    screen.rows.forget();
    screen.draw(&["two", "नमस्ते", "", "", "", ""]);
    assert_eq!(screen.due(), [1], "the screen was cleared");
}

#[test]
fn an_address_in_such_a_row_opens_and_moves_nothing() {
    let mut screen = Screen::new();
    let line = "https://km.example/ភាសាខ្មែរ after";
    for frame in 0..2 {
        let rows = &mut screen.rows;
        let drawn = screen.terminal.draw(|frame| {
            let buffer = frame.buffer_mut();
            buffer.set_stringn(0, 1, line, WIDTH.into(), Style::new());
            rows.take_out(buffer);
        });
        let drawn = drawn.expect("drawn in memory").buffer.clone();
        let end = u16::try_from(glyphs::width(line) - 6).expect("it is short");
        let link = crate::view::Hyperlink {
            y: 1,
            columns: 0..end,
            address: "https://km.example/".into(),
            id: (1, 0),
        };
        let pieces = osc::Links::default().show(vec![link], &drawn, screen.rows.are_due());
        assert_eq!(screen.rows.take_links(pieces), []);
        let mut out = screen.written.clone();
        let backend = screen.terminal.backend_mut();
        screen.rows.write(backend, &mut out).expect("written");
        let bytes = std::mem::take(&mut *screen.written.0.lock().expect("whole"));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (_, rest) = text.split_once("]8;id=1-0;https").expect("it opens");
        let (inside, rest) = rest.split_once(osc::CLOSE).expect("it closes");
        assert!(
            inside.contains("ខ្មែ") && !inside.contains("after"),
            "{frame}: {inside:?}"
        );
        assert!(rest.contains("after"), "{rest:?}");
        screen.model.process(&bytes);
        assert_eq!(screen.wrong(&drawn), []);
    }
}

proptest! {
    #[test]
    fn whatever_is_drawn_after_whatever(
        frames in prop::collection::vec(
            prop::collection::vec(
                prop_oneof![
                    prop::sample::select(DOUBTFUL.to_vec()).prop_map(str::to_owned),
                    "[a-z ]{0,34}",
                    "\\PC{0,20}",
                ],
                usize::from(HEIGHT),
            ),
            1..5,
        ),
    ) {
        let mut screen = Screen::new();
        for frame in &frames {
            let lines: Vec<_> = frame.iter().map(String::as_str).collect();
            let drawn = screen.draw(&lines);
            prop_assert_eq!(screen.wrong(&drawn), [], "{:?}", frames);
        }
    }
}
