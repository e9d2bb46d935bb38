//! Rows that contain text on whose width terminals disagree.
//!
//! ratatui writes only the cells that changed, and assumes that a grapheme fills as many cells as
//! it computes (<https://github.com/ratatui/ratatui/issues/2585>). A terminal that places each
//! character by itself, or counts differently for another reason, then shows the rest of the row at
//! another place, and leaves parts of it beside whatever is written there later.
//!
//! A row with such a grapheme is therefore excluded from ratatui's comparison. When it changes, it
//! is cleared and written as a whole, and the cursor is placed again after each doubtful grapheme:
//! whatever the terminal makes of one, what follows stands where it belongs, and nothing is left
//! over in the next frame. Other rows, above all those of ASCII, are not affected.

use std::io::{self, Write};

use chitty_app::glyphs;
use ratatui::{
    backend::Backend,
    buffer::{Buffer, Cell, CellDiffOption, CellWidth as _},
    layout::Rect,
    style::Color,
};

use crate::osc::{self, LinkCells};

/// The rows of doubtful width on screen, and those to be written.
#[derive(Debug, Default)]
pub(super) struct DoubtfulRows {
    /// Whether East Asian ambiguous characters may take two cells.
    ambiguous_is_wide: bool,
    area: Rect,
    /// For each row of the screen, its cells if it has a doubtful grapheme.
    shown: Vec<Option<Vec<Cell>>>,
    /// The rows to write after this frame, with their cells, from top to bottom.
    due: Vec<(u16, Vec<Cell>)>,
    /// The hyperlinks in these rows.
    links: Vec<LinkCells>,
}

impl DoubtfulRows {
    pub(super) fn new(ambiguous_is_wide: bool) -> Self {
        Self {
            ambiguous_is_wide,
            ..Self::default()
        }
    }

    /// Forgets the rows, because the screen is empty.
    pub(super) fn forget(&mut self) {
        self.shown.clear();
    }

    /// Excludes from ratatui's next comparison the rows that [`DoubtfulRows::write`] will write
    /// after it.
    pub(super) fn take_out(&mut self, next: &mut Buffer) {
        self.due.clear();
        self.links.clear();
        if self.area != next.area {
            self.area = next.area;
            self.forget();
        }
        let width = usize::from(self.area.width);
        if width == 0 {
            return;
        }
        let wide = self.ambiguous_is_wide;
        self.shown.resize(self.area.height.into(), None);
        let rows = next.content.chunks_mut(width).zip(&mut self.shown);
        let mut flowed_over = false;
        for (y, (row, shown)) in (self.area.y..).zip(rows) {
            let is_doubtful = row.iter().any(|cell| is_doubtful(cell, wide));
            let differs = match shown {
                Some(shown) => shown != row,
                None => is_doubtful,
            };
            if differs || flowed_over {
                self.due.push((y, row.to_vec()));
            }
            flowed_over = differs && is_doubtful && flows_over(row, wide);
            if differs {
                *shown = is_doubtful.then(|| row.to_vec());
            }
            if is_doubtful || differs {
                for cell in row {
                    cell.set_diff_option(CellDiffOption::Skip);
                }
            }
        }
    }

    /// Whether there are rows to write.
    pub(super) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Takes the hyperlinks in such rows over; written separately they would have the wrong length
    /// again. Returns the others.
    pub(super) fn take_links(&mut self, links: Vec<LinkCells>) -> Vec<LinkCells> {
        let (own, others): (Vec<_>, _) = links.into_iter().partition(|link| self.has(link.row()));
        for y in own.iter().map(LinkCells::row) {
            let shown = usize::from(y - self.area.y);
            if let Some(Some(row)) = self.shown.get(shown)
                && !self.due.iter().any(|(due, _)| *due == y)
            {
                self.due.push((y, row.clone()));
            }
        }
        self.links = own;
        others
    }

    fn has(&self, y: u16) -> bool {
        let shown = y.checked_sub(self.area.y).map(usize::from);
        let is_shown = shown.and_then(|y| self.shown.get(y)?.as_ref()).is_some();
        is_shown || self.due.iter().any(|(due, _)| *due == y)
    }

    /// Writes the excluded rows. It moves the cursor.
    pub(super) fn write<B: Backend>(&self, backend: &mut B, out: &mut dyn Write) -> io::Result<()> {
        for (y, row) in &self.due {
            // Overflowing the last row would scroll the whole screen.
            let held = y + 1 == self.area.bottom() && flows_over(row, self.ambiguous_is_wide);
            if held {
                out.write_all(NO_WRAP.as_bytes())?;
            }
            self.write_row(*y, row, backend, out)?;
            if held {
                out.write_all(WRAP.as_bytes())?;
            }
        }
        Ok(())
    }

    fn write_row<B: Backend>(
        &self,
        y: u16,
        row: &[Cell],
        backend: &mut B,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let link = |x| {
            let mut links = self.links.iter();
            links.position(|link| link.row() == y && link.opens_at(x))
        };
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        let nothing = (self.area.left()..self.area.right()).map(|x| (x, y, &Cell::EMPTY));
        backend.draw(nothing).map_err(gone)?;
        let cells = self.cells(row);
        for cells in cells.chunk_by(|(left, _), (right, _)| link(*left) == link(*right)) {
            let link = cells.first().and_then(|(x, _)| link(*x));
            if let Some(link) = link {
                out.write_all(self.links[link].opening().as_bytes())?;
            }
            let cells = cells.iter().map(|&(x, cell)| (x, y, cell));
            backend.draw(cells).map_err(gone)?;
            if link.is_some() {
                out.write_all(osc::CLOSE.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The cells of a cleared row in the order in which they are written. A backend places the
    /// cursor before each cell that does not follow the previous one.
    fn cells<'a>(&self, row: &'a [Cell]) -> Vec<(u16, &'a Cell)> {
        let mut cells = Vec::with_capacity(row.len());
        // `covered` is where the cells of the last grapheme end. `spared` is how far a terminal may
        // draw it; blank cells up to there are not written, so that the letters stay readable.
        let (mut covered, mut spared) = (0, 0);
        for (x, cell) in row.iter().enumerate() {
            if x < covered || x < spared && is_blank(cell) {
                continue;
            }
            let at = u16::try_from(x)
                .unwrap_or(u16::MAX)
                .saturating_add(self.area.x);
            cells.push((at, cell));
            (covered, spared) = (x + usize::from(cell.cell_width().max(1)), 0);
            if !is_doubtful(cell, self.ambiguous_is_wide) {
                continue;
            }
            spared = x + glyphs::widest(cell.symbol());
            if let Some(next) = row
                .get(covered)
                .filter(|next| covered == x + 1 && !is_blank(next))
            {
                // Written first where the cursor happens to be, the cell is then written again at
                // its own place.
                cells.push((at + 1, next));
            }
        }
        cells
    }
}

/// Whether the cell looks like an empty one.
fn is_blank(cell: &Cell) -> bool {
    let Cell {
        fg, bg, modifier, ..
    } = cell;
    cell.symbol() == " " && (*fg, *bg) == (Color::Reset, Color::Reset) && modifier.is_empty()
}

/// Called for each cell of each frame, so it checks the length first: most cells have one byte.
fn is_doubtful(cell: &Cell, wide: bool) -> bool {
    let symbol = cell.symbol();
    symbol.len() > 1 && glyphs::is_doubtful(symbol, wide)
}

/// Whether a terminal may draw beyond the end of the row, into the next one.
fn flows_over(row: &[Cell], wide: bool) -> bool {
    row.iter()
        .enumerate()
        .any(|(x, cell)| is_doubtful(cell, wide) && x + glyphs::widest(cell.symbol()) > row.len())
}

/// DECAWM: turns autowrap off and on (DEC STD 070).
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

#[cfg(test)]
mod tests;
