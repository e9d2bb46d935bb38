//! Drawing the screen, and the sequences beside it.

use std::{io, time::Duration};

use chitty_app::{ExitReason, Input};
use ratatui::{backend::Backend, layout::Rect};
use tokio::time::Instant;

use super::ScreenClient;
use crate::{
    osc::{self, LinkCells, RESTORE_CURSOR, SAVE_CURSOR},
    session::Ended,
    terminal, view,
};

impl<B: Backend> ScreenClient<'_, B> {
    pub(super) fn draw_within(&mut self, pace: Duration) {
        let at = self.drawn_at + pace;
        self.draw_at = Some(self.draw_at.map_or(at, |already| already.min(at)));
    }

    /// Writes the window's title if it changed.
    pub(super) fn write_title(&mut self) {
        if self.title != self.title_written
            && let Some(title) = &self.title
        {
            self.write_sequence(&osc::title(title));
            self.title_written.clone_from(&self.title);
        }
    }

    /// Writes an escape sequence. The next frame notices if the terminal is gone.
    pub(super) fn write_sequence(&self, sequence: &str) {
        let _ = (self.host.write_sequence)(sequence);
    }

    pub(super) fn repaint(&mut self) {
        self.links.forget();
        self.rows.forget();
        // Clears the screen without asking the terminal for the cursor's position, as
        // `Terminal::clear` does: the answer would arrive among the keys.
        if let Ok(size) = self.terminal.size() {
            let _ = self
                .terminal
                .resize(Rect::from((ratatui::layout::Position::ORIGIN, size)));
        }
    }

    pub(super) fn draw_if_due(&mut self) {
        if terminal::panicked() {
            let why = "an internal error, which is reported above".into();
            self.outcome = Some(ExitReason::Over(Ended::Failed(why)));
            return;
        }
        let now = Instant::now();
        if self.hangs() || self.away() || self.draw_at.is_none_or(|at| at > now) {
            return;
        }
        (self.draw_at, self.drawn_at) = (None, now);
        let (app, theme) = (&self.app, self.theme);
        let (rows, mut links) = (&mut self.rows, Vec::new());
        let drawn = self.terminal.draw(|frame| {
            links = view::draw(app, theme, frame);
            rows.take_out(frame.buffer_mut());
        });
        let complete = match drawn {
            Ok(frame) => {
                let pieces = self.links.show(links, frame.buffer, self.rows.are_due());
                let pieces = self.rows.take_links(pieces);
                self.complete(&pieces)
            }
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        };
        if complete.and_then(|()| (self.host.present)()).is_err() {
            // The terminal is gone.
            let effects = self.app.update(Input::Leave, self.now());
            self.apply(effects, Duration::from_secs(3600));
            return;
        }
        self.write_title();
        if !self.asked {
            // Asked after the first frame, so that the frame waits for nothing.
            self.asked = true;
            (self.host.query_key_reports)();
        }
    }

    /// Writes what ratatui gets wrong or has no place for: rows of doubtful width, and hyperlinks.
    /// The cursor stays where it is.
    fn complete(&mut self, pieces: &[LinkCells]) -> io::Result<()> {
        if pieces.is_empty() && !self.rows.are_due() {
            return Ok(());
        }
        let out = &mut *(self.host.frame)();
        let backend = self.terminal.backend_mut();
        out.write_all(SAVE_CURSOR.as_bytes())?;
        self.rows.write(backend, out)?;
        osc::write_links(pieces, backend, out)?;
        out.write_all(RESTORE_CURSOR.as_bytes())
    }

    /// Whether the terminal has not taken the last frame yet, so that the next one has to wait.
    pub(super) fn hangs(&self) -> bool {
        *self.unwritten.borrow() > 0
    }
}
