//! While another program has the terminal: a shell, or the user's editor.

use std::{future::pending, io, process::ExitStatus, time::Duration};

use chitty_app::{Effect, Input};
use ratatui::backend::Backend;

use super::{ScreenClient, editor::Editing, signals::ProcessSignal};

/// Waits until the editor ends; pending forever if there is none.
pub(super) async fn editor_ends(editing: &mut Option<Editing>) -> io::Result<ExitStatus> {
    match editing {
        Some(editing) => editing.wait().await,
        None => pending().await,
    }
}

impl<B: Backend> ScreenClient<'_, B> {
    /// Whether another program has the terminal, so that nothing may be drawn.
    pub(super) fn away(&self) -> bool {
        self.suspended || self.editing.is_some()
    }

    pub(super) fn signal(&mut self, signal: ProcessSignal) {
        match signal {
            ProcessSignal::Resized => self.resized(),
            ProcessSignal::Leave => {
                if let Some(editing) = &self.editing {
                    editing.terminate();
                }
                self.input(Input::Leave);
            }
            // The key was meant for the editor, which is in the foreground.
            ProcessSignal::Interrupted if self.editing.is_some() => {}
            ProcessSignal::Interrupted => self.input(Input::Leave),
            ProcessSignal::Stop => self.suspend(),
            ProcessSignal::Continued => self.back(),
        }
    }

    pub(super) fn suspend(&mut self) {
        self.suspended = true;
        (self.host.give_up)();
        // `ProcessSignal::Continued` brings the client back.
        if !(self.host.stop)() {
            self.back();
            self.input(Input::NoShell);
        }
    }

    /// Takes the terminal back, whatever is on it now.
    fn back(&mut self) {
        self.suspended = false;
        // The shell has continued the editor, which keeps the terminal.
        if self.editing.is_some() {
            return;
        }
        if (self.host.take)().is_err() {
            return self.input(Input::Leave);
        }
        // The other program may have changed the title.
        self.title_written = None;
        self.resized();
        self.repaint();
        self.apply(vec![Effect::Draw], Duration::ZERO);
    }

    pub(super) fn edit(&mut self, draft: &str) {
        if self.editing.is_some() {
            return;
        }
        (self.host.give_up)();
        match Editing::start(&self.editor, draft) {
            Ok(editing) => self.editing = Some(editing),
            Err(error) => {
                self.back();
                self.input(Input::Edited(Err(error.to_string())));
            }
        }
    }

    pub(super) fn edited(&mut self, status: io::Result<ExitStatus>) {
        if let Some(editing) = self.editing.take() {
            let edited = editing.result(status).map_err(|error| error.to_string());
            self.back();
            self.input(Input::Edited(edited));
        }
    }

    /// Ends the editor, which must not outlive this program, and restores the terminal.
    pub(super) async fn close_editor(&mut self) {
        if let Some(editing) = self.editing.take() {
            editing.close().await;
            let _ = (self.host.take)();
        }
    }
}
