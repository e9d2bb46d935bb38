//! Real programs in real pseudo-terminals, and their screens as text.

mod process;
mod world;

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use self::process::PATIENCE;
pub use self::{
    process::{login_name, pause, signal, wait_until},
    world::{ServerProcess, World},
};

/// A client in a pseudo-terminal.
pub struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    /// Every byte that was written, with a signal for more.
    raw: Arc<(Mutex<Vec<u8>>, Condvar)>,
    /// Whether the terminal reads what the program writes.
    reads: Arc<(Mutex<bool>, Condvar)>,
    /// The line settings before the program started.
    settings: String,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    reader: thread::JoinHandle<()>,
    keys: Box<dyn std::io::Write + Send>,
}

impl Terminal {
    /// Starts a program in a terminal of this many rows and columns.
    fn start(command: CommandBuilder, (rows, columns): (u16, u16)) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let settings = format!("{:?}", pair.master.get_termios());
        let child = pair.slave.spawn_command(command).expect("it starts");
        // While this process holds the slave, too, the end of the program is not seen.
        drop(pair.slave);
        let mut written = pair.master.try_clone_reader().expect("readable");
        let keys = pair.master.take_writer().expect("writable");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(
            cells(rows),
            cells(columns),
            0,
        )));
        let raw = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (drawn, kept) = (Arc::clone(&screen), Arc::clone(&raw));
        let reads = Arc::new((Mutex::new(true), Condvar::new()));
        let reading = Arc::clone(&reads);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            let mut shown = Vec::new();
            loop {
                drop(reading.1.wait_while(lock(&reading.0), |reads| !*reads));
                let Ok(count @ 1..) = written.read(&mut buffer) else {
                    break;
                };
                shown.extend_from_slice(&buffer[..count]);
                // The screen first: a test that waits for bytes may read the screen at once.
                lock(&drawn).process(&drawable(&mut shown));
                lock(&kept.0).extend_from_slice(&buffer[..count]);
                kept.1.notify_all();
            }
        });
        Self {
            screen,
            raw,
            reads,
            settings,
            child,
            master: pair.master,
            reader,
            keys,
        }
    }

    /// The screen's text, a line for each row.
    pub fn screen(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// The screen's cells, with their colours.
    pub fn cells(&self) -> vt100::Screen {
        lock(&self.screen).screen().clone()
    }

    /// The cursor's row and column.
    pub fn cursor(&self) -> (u16, u16) {
        lock(&self.screen).screen().cursor_position()
    }

    /// Every byte that the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        lock(&self.raw.0).clone()
    }

    /// Waits until this is written after the first `from` bytes. Returns the number of bytes by
    /// then.
    pub fn wait_written(&self, from: usize, sequence: &str) -> usize {
        let (raw, more) = &*self.raw;
        let missing = |raw: &mut Vec<u8>| {
            let mut places = raw[from..].windows(sequence.len());
            !places.any(|place| place == sequence.as_bytes())
        };
        let waited = more.wait_timeout_while(lock(raw), PATIENCE, missing);
        let (raw, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !waited.timed_out(),
            "{sequence:?} is not written, but {:?}",
            String::from_utf8_lossy(&raw[from..])
        );
        raw.len()
    }

    /// The line settings before the program started, and now.
    pub fn line_settings(&self) -> (&str, String) {
        (&self.settings, format!("{:?}", self.master.get_termios()))
    }

    /// Types this, byte for byte.
    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
        self.keys.flush().expect("it reads");
    }

    /// Types a line and Enter.
    pub fn say(&mut self, line: &str) {
        self.send(line);
        self.send("\r");
    }

    /// Leaves with this key, after the pause in which it does nothing because it closed something.
    /// The first press may only return to the newest line.
    pub fn leave_by(&mut self, key: &str) {
        for _ in 0..2 {
            pause(Duration::from_millis(1100));
            self.send(key);
        }
    }

    /// Waits until the screen shows this.
    pub fn wait_for(&self, text: &str) {
        wait_until(text, || {
            let screen = self.screen();
            if screen.contains(text) {
                Ok(())
            } else {
                Err(screen)
            }
        });
    }

    /// Waits until the screen does not show this any more.
    pub fn wait_without(&self, text: &str) {
        wait_until(&format!("without {text}"), || {
            let screen = self.screen();
            if screen.contains(text) {
                Err(screen)
            } else {
                Ok(())
            }
        });
    }

    /// Changes the size of the screen, and reports it to the program.
    pub fn resize(&self, rows: u16, columns: u16) {
        lock(&self.screen)
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.tell_size(rows, columns);
    }

    /// Reports another size to the program than the screen has.
    pub fn tell_size(&self, rows: u16, columns: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master.resize(size).expect("resized");
    }

    /// Makes the terminal hang, as if stopped, until this is called with `true`.
    pub fn read(&self, reads: bool) {
        *lock(&self.reads.0) = reads;
        self.reads.1.notify_all();
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// Kills the process, and waits for its end.
    pub fn kill(&mut self) {
        signal(self.process(), "KILL");
        let _ = self.child.wait();
    }

    /// Waits until the process has ended and all its output is on the screen. Returns its exit
    /// code.
    pub fn wait(&mut self) -> u32 {
        let status = wait_until("the process ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(self.screen()),
            Err(error) => panic!("{error}"),
        });
        wait_until("all is read", || {
            let is_read = self.reader.is_finished();
            is_read.then_some(()).ok_or_else(|| self.screen())
        });
        status.exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The complete part of the bytes, with another sign for U+FFFD, for which vt100 has no cell.
fn drawable(bytes: &mut Vec<u8>) -> Vec<u8> {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    let begun = (1..REPLACEMENT.len()).rev();
    let begun = begun.filter(|&len| bytes.ends_with(&REPLACEMENT[..len]));
    let rest = bytes.split_off(bytes.len() - begun.max().unwrap_or(0));
    let whole = std::mem::replace(bytes, rest);
    let mut drawn = Vec::with_capacity(whole.len());
    let mut left = &whole[..];
    while let Some((first, behind)) = left.split_first() {
        if let Some(behind) = left.strip_prefix(REPLACEMENT) {
            drawn.push(b'?');
            left = behind;
        } else {
            drawn.push(*first);
            left = behind;
        }
    }
    drawn
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}
