//! The size of the terminal, even if the terminal does not report one, or reports an impossible
//! one.

use std::{
    cell::Cell as Remembered,
    io::{self, Write},
};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::Cell,
    layout::{Position, Size},
};
use rustix::{stdio, termios::tcgetwinsize};

/// The size if nothing reports one, as terminals had for decades.
const USUAL: Size = Size {
    width: 80,
    height: 24,
};
/// The largest plausible number of columns or rows.
const MAX_SIDE: u16 = 10_000;
/// The largest number of cells that is drawn; each costs memory twice.
const MAX_CELLS: u32 = 1 << 18;
const MAX_ROWS: u16 = 1000;

/// crossterm's backend, with a size that can be drawn on.
///
/// crossterm passes on what the terminal reports: 0 by 0 on a serial line, or whatever was set.
pub(crate) struct Measured<W: Write> {
    backend: CrosstermBackend<W>,
    /// The values of `COLUMNS` and `LINES`; 0 if they are not set.
    environment: Size,
    known: Remembered<Size>,
}

impl<W: Write> Measured<W> {
    pub(super) fn new(out: W, environment: Size) -> Self {
        Self {
            backend: CrosstermBackend::new(out),
            environment,
            known: Remembered::new(Size::ZERO),
        }
    }
}

/// The size in `COLUMNS` and `LINES`; 0 for what is not set.
pub(super) fn environment(variable: impl Fn(&str) -> Option<String>) -> Size {
    let number = |name| {
        let value = variable(name)?;
        value.trim().parse::<u16>().ok()
    };
    Size {
        width: number("COLUMNS").unwrap_or(0),
        height: number("LINES").unwrap_or(0),
    }
}

/// The first plausible value, for columns and rows each: what the terminal reports now, what it
/// reported before, the environment.
fn settle(now: Size, before: Size, environment: Size) -> Size {
    let reported = [now, before, environment, USUAL];
    let first = |pick: fn(&Size) -> u16| {
        let mut reported = reported.iter().map(pick);
        reported.find(|&side| is_reported(side)).unwrap_or(1)
    };
    Size {
        width: first(|size| size.width),
        height: first(|size| size.height),
    }
}

fn is_reported(side: u16) -> bool {
    (1..=MAX_SIDE).contains(&side)
}

/// As much of the size as can be drawn on.
fn bounded(size: Size) -> Size {
    let height = size.height.min(MAX_ROWS);
    let most = MAX_CELLS / u32::from(height.max(1));
    Size {
        width: u16::try_from(most).map_or(size.width, |most| size.width.min(most)),
        height,
    }
}

impl<W: Write> Backend for Measured<W> {
    type Error = io::Error;

    fn size(&self) -> io::Result<Size> {
        let now = tcgetwinsize(stdio::stdout()).map_or(Size::ZERO, |reported| Size {
            width: reported.ws_col,
            height: reported.ws_row,
        });
        let size = settle(now, self.known.get(), self.environment);
        if is_reported(now.width) && is_reported(now.height) {
            self.known.set(now);
        }
        Ok(bounded(size))
    }

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.backend.draw(content)
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.backend.append_lines(lines)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.backend.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.backend.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.backend.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.backend.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.backend.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.backend.clear_region(region)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.backend.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn size(width: u16, height: u16) -> Size {
        Size { width, height }
    }

    #[test]
    fn who_tells_first_is_believed() {
        let environment = size(100, 30);
        assert_eq!(settle(size(80, 20), size(1, 1), environment), size(80, 20));
        assert_eq!(settle(Size::ZERO, size(90, 25), environment), size(90, 25));
        assert_eq!(settle(Size::ZERO, Size::ZERO, environment), environment);
        assert_eq!(settle(size(0, 50), Size::ZERO, size(100, 0)), size(100, 50));
        assert_eq!(settle(Size::ZERO, Size::ZERO, Size::ZERO), USUAL);
        let absurd = size(u16::MAX, u16::MAX);
        assert_eq!(settle(absurd, Size::ZERO, absurd), USUAL);
    }

    #[test]
    fn the_environment_tells_numbers() {
        let of = |columns: &str, lines: &str| {
            environment(|name| match name {
                "COLUMNS" => Some(columns.to_owned()),
                "LINES" => Some(lines.to_owned()),
                _ => None,
            })
        };
        assert_eq!(of("100", " 30 "), size(100, 30));
        assert_eq!(of("", "many"), Size::ZERO);
        assert_eq!(of("-1", "70000"), Size::ZERO);
    }

    #[test]
    fn what_cannot_be_is_cut() {
        assert_eq!(bounded(size(80, 24)), size(80, 24));
        assert_eq!(bounded(size(10_000, 3)), size(10_000, 3));
        assert_eq!(bounded(size(1, 1)), size(1, 1));
        for large in [size(10_000, 10_000), size(3, 10_000), size(10_000, 24)] {
            let Size { width, height } = bounded(large);
            assert!(
                u32::from(width) * u32::from(height) <= MAX_CELLS,
                "{large:?}"
            );
            assert!(width > 0 && height > 0);
        }
    }
}
