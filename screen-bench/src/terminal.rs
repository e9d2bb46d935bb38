//! A program in a pseudo-terminal; observing its output costs next to nothing.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::edge;

pub(crate) const ROWS: u16 = 40;
pub(crate) const COLUMNS: u16 = 120;

/// Longer than anything that is waited for should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. It is killed when this is dropped.
pub(crate) struct BenchTerminal {
    output: Arc<Output>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    started: Instant,
    _master: Box<dyn MasterPty + Send>,
}

#[derive(Default)]
struct Output {
    seen: Mutex<ScreenSeen>,
    changed: Condvar,
}

/// What has been written so far.
#[derive(Default)]
struct ScreenSeen {
    bytes: u64,
    /// The bytes that are waited for.
    needle: Vec<u8>,
    /// The end of the output, which may be the beginning of the needle.
    tail: Vec<u8>,
    found: Option<Instant>,
    /// The screen, while it is being observed.
    screen: Option<vt100::Parser>,
    /// When the screen first had text on it.
    first_text: Option<Instant>,
    ended: bool,
}

impl BenchTerminal {
    pub(crate) fn start(command: CommandBuilder) -> Result<Self> {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .map_err(|error| eyre!("cannot open a pseudo-terminal: {error}"))?;
        let output = Arc::new(Output::default());
        let cells = |count| NonZeroU16::new(count).unwrap_or(NonZeroU16::MIN);
        output.seen().screen = Some(vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0));
        let reader = pair
            .master
            .try_clone_reader()
            .map_err(|error| eyre!("cannot read from a pseudo-terminal: {error}"))?;
        let keys = pair
            .master
            .take_writer()
            .map_err(|error| eyre!("cannot write to a pseudo-terminal: {error}"))?;
        let eye = Arc::clone(&output);
        thread::spawn(move || eye.watch(reader));
        let started = edge::now();
        let program = command.get_argv().first().cloned().unwrap_or_default();
        let child = pair
            .slave
            .spawn_command(command)
            .map_err(|error| eyre!("cannot start {}: {error}", program.display()))?;
        Ok(Self {
            output,
            child,
            keys,
            started,
            _master: pair.master,
        })
    }

    pub(crate) fn process(&self) -> Result<u32> {
        self.child
            .process_id()
            .ok_or_else(|| eyre!("the program has ended"))
    }

    /// How many bytes it has written.
    pub(crate) fn bytes(&self) -> u64 {
        self.output.seen().bytes
    }

    pub(crate) fn send(&mut self, keys: &str) -> Result<()> {
        self.keys
            .write_all(keys.as_bytes())
            .wrap_err("the program reads no keys")
    }

    /// The time from the start until the screen had text on it.
    pub(crate) fn first_text(&self) -> Result<Duration> {
        let shown = |seen: &mut ScreenSeen| seen.first_text;
        let at = self.wait("anything on the screen", PATIENCE, shown)?;
        Ok(at - self.started)
    }

    /// Waits until the screen shows this.
    pub(crate) fn wait_for(&self, text: &str) -> Result<()> {
        self.wait(text, PATIENCE, |seen| {
            let screen = seen.screen.as_ref()?.screen();
            screen.contents().contains(text).then_some(())
        })
    }

    /// Whether the screen shows this.
    pub(crate) fn shows(&self, text: &str) -> bool {
        let seen = self.output.seen();
        let screen = seen.screen.as_ref();
        screen.is_some_and(|parser| parser.screen().contents().contains(text))
    }

    /// Stops observing the screen: from now on bytes are only counted and searched for a needle.
    pub(crate) fn look_away(&self) {
        self.output.seen().screen = None;
    }

    /// Searches the output from now on for this.
    pub(crate) fn expect(&self, needle: &str) {
        let mut seen = self.output.seen();
        seen.needle = needle.as_bytes().to_vec();
        seen.tail.clear();
        seen.found = None;
    }

    /// The time at which the needle was found.
    pub(crate) fn found(&self, patience: Duration) -> Result<Instant> {
        self.wait("what was expected", patience, |seen| seen.found)
    }

    /// Waits until nothing has been written for this long.
    pub(crate) fn quiet(&self, time: Duration) {
        loop {
            let before = self.bytes();
            edge::sleep(time);
            if self.bytes() == before {
                return;
            }
        }
    }

    fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut(&mut ScreenSeen) -> Option<T>,
    ) -> Result<T> {
        let end = edge::now() + patience;
        let mut seen = self.output.seen();
        loop {
            if let Some(answer) = ask(&mut seen) {
                return Ok(answer);
            }
            let left = end.saturating_duration_since(edge::now());
            if left.is_zero() || seen.ended {
                let screen = seen.screen.as_ref();
                let screen = screen.map_or_else(String::new, |parser| parser.screen().contents());
                bail!("{what}: it did not come; the screen:\n{screen}");
            }
            let waited = self.output.changed.wait_timeout(seen, left);
            seen = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for BenchTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn seen(&self) -> MutexGuard<'_, ScreenSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, mut reader: impl Read) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let at = edge::now();
            self.seen().take(&buffer[..count], at);
            self.changed.notify_all();
        }
        self.seen().ended = true;
        self.changed.notify_all();
    }
}

impl ScreenSeen {
    fn take(&mut self, bytes: &[u8], at: Instant) {
        self.bytes += bytes.len() as u64;
        if let Some(parser) = &mut self.screen {
            parser.process(bytes);
            if self.first_text.is_none() && !parser.screen().contents().trim().is_empty() {
                self.first_text = Some(at);
            }
        }
        if self.needle.is_empty() || self.found.is_some() {
            return;
        }
        self.tail.extend_from_slice(bytes);
        let length = self.needle.len();
        if self
            .tail
            .windows(length)
            .any(|window| window == self.needle)
        {
            self.found = Some(at);
        }
        let kept = self.tail.len().min(length - 1);
        self.tail.drain(..self.tail.len() - kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_however_it_is_cut() {
        let at = edge::now();
        for cut in 0..=4 {
            let mut seen = ScreenSeen {
                needle: "αβ".into(),
                ..ScreenSeen::default()
            };
            let bytes = "αβ".as_bytes();
            seen.take(b"before ", at);
            seen.take(&bytes[..cut], at);
            assert_eq!(seen.found.is_some(), cut == 4, "cut at {cut}");
            seen.take(&bytes[cut..], at);
            assert_eq!(seen.found, Some(at), "cut at {cut}");
        }
    }

    #[test]
    fn another_text_is_not_what_was_expected() {
        let mut seen = ScreenSeen {
            needle: "αβ".into(),
            ..ScreenSeen::default()
        };
        seen.take("αγ β α".as_bytes(), edge::now());
        assert_eq!(seen.found, None);
    }
}
