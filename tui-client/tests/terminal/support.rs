//! The real binary in a real pseudo-terminal, and its screen as text.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    num::NonZeroU16,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use chitty_chat::logging::{Line, parse_line};
use chitty_trace::{chat::Facts, check::check, cli::write_report, read::Trace};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;

/// Longer than anything here should take; only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary: the one that cargo names in a test, otherwise the one beside this program's folder.
fn chitty() -> PathBuf {
    option_env!("CARGO_BIN_EXE_chitty").map_or_else(
        || {
            let own = std::env::current_exe().expect("this program has a path");
            own.ancestors()
                .nth(2)
                .expect("it is in target/*/examples")
                .join("chitty")
        },
        PathBuf::from,
    )
}

#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// Polls until the condition holds, or fails with what is there instead.
pub(crate) fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    let (now, sleep) = (std::time::Instant::now, thread::sleep);
    let end = now() + PATIENCE;
    loop {
        match ask() {
            Ok(value) => return value,
            Err(instead) if now() >= end => panic!("{what}: not so; instead:\n{instead}"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

/// The folders of one test.
pub(crate) struct World {
    folder: TempDir,
    /// The rows and columns of its terminals.
    size: (u16, u16),
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_size(24, 120)
    }

    pub(crate) fn with_size(rows: u16, columns: u16) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            size: (rows, columns),
        }
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The lines of a log file so far; each must be complete.
    pub(crate) fn log(&self, who: &str) -> Vec<Line> {
        let text =
            std::fs::read_to_string(self.logs().join(format!("{who}.log"))).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| parse_line(line).unwrap_or_else(|| panic!("not a log line: {line}")))
            .collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> CommandBuilder {
        let mut command = CommandBuilder::new(chitty());
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("TZ", "UTC");
        command.env("HOME", self.folder.path());
        command.env("TMPDIR", self.folder.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.cwd(self.folder.path());
        command.arg("--log-dir");
        command.arg(self.logs());
        command
    }

    /// A client of this server.
    pub(crate) fn client(&self, server: &str, arguments: &[&str]) -> Terminal {
        let mut command = self.command();
        command.args(["--server", server]);
        command.args(arguments);
        Terminal::start(command, self.size)
    }

    /// A client of this server whose user has this script as the editor.
    pub(crate) fn client_with_editor(&self, server: &str, name: &str, script: &str) -> Terminal {
        let path = self.path("editor");
        std::fs::write(&path, script).expect("written");
        let mut command = self.command();
        command.env("VISUAL", format!("sh {}", path.display()));
        command.args(["--server", server, "--name", name]);
        Terminal::start(command, self.size)
    }

    /// A client of this server that a shell starts with `"$@"`.
    pub(crate) fn client_of_shell(&self, server: &str, name: &str, script: &str) -> Terminal {
        let mut command = self.command();
        let shell = ["sh", "-c", script, "sh"].map(Into::into);
        command.get_argv_mut().splice(0..0, shell);
        command.args(["--server", server, "--name", name]);
        Terminal::start(command, self.size)
    }

    /// A client of this server in a window of its own: this terminal runs the window's process, and
    /// killing that closes the client's terminal, as the end of a terminal emulator does.
    pub(crate) fn client_in_window(&self, server: &str, name: &str) -> Terminal {
        // The words go through another shell; none of them has a space.
        let script = "exec script --quiet --command \"$*\" /dev/null";
        self.client_of_shell(server, name, script)
    }

    /// Waits until no process of this test has this name any more.
    pub(crate) fn wait_for_end_of(&self, name: &str) {
        wait_until("it ends", || {
            let commands = std::fs::read_dir("/proc").expect("the system tells");
            let mut commands = commands.filter_map(|process| {
                let command = std::fs::read(process.ok()?.path().join("cmdline")).ok()?;
                Some(String::from_utf8_lossy(&command).into_owned())
            });
            let logs = self.logs().display().to_string();
            let own = format!("\0--name\0{name}\0");
            let running = commands.find(|words| words.contains(&logs) && words.contains(&own));
            running.map_or(Ok(()), Err)
        });
    }

    /// Another test of this program, which is ignored otherwise.
    pub(crate) fn own_test(&self, name: &str, server: &str) -> Terminal {
        let mut command = self.command();
        let own = std::env::current_exe().expect("this program has a path");
        *command.get_argv_mut() = vec![own.into()];
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        command.env("CHITTY_TEST_SERVER", server);
        Terminal::start(command, self.size)
    }

    /// A path in this test's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that looks for a local server at this address.
    pub(crate) fn local_client(&self, address: &str, arguments: &[&str]) -> Terminal {
        let mut command = self.command();
        command.args(["--local", address]);
        command.arg("--data");
        command.arg(self.data());
        command.args(arguments);
        Terminal::start(command, self.size)
    }

    /// A server on a free port, by the same binary.
    pub(crate) fn server(&self, arguments: &[&str]) -> Server {
        self.server_on("127.0.0.1:0", arguments)
    }

    /// A server on this address.
    pub(crate) fn server_on(&self, address: &str, arguments: &[&str]) -> Server {
        let mut child = Command::new(chitty())
            .args(["serve", "--listen", address, "--log-dir"])
            .arg(self.logs())
            .arg("--data")
            .arg(self.data())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(output)
            .read_line(&mut line)
            .expect("a first line");
        let address = line.trim().rsplit(' ').next().expect("an address");
        Server {
            url: format!("http://{address}"),
            child,
        }
    }
}

/// Whatever happened, the logs keep every rule of logical time. The processes have ended before,
/// because they are dropped first.
impl Drop for World {
    fn drop(&mut self) {
        // The files of a failed test are kept to show the reason.
        self.folder.disable_cleanup(thread::panicking());
        if thread::panicking() || !self.logs().exists() {
            return;
        }
        let trace = Trace::read(&[self.logs()]).expect("readable logs");
        let facts = Facts::of(&trace);
        let report = check(&facts);
        if report.violations.is_empty() {
            return;
        }
        self.folder.disable_cleanup(true);
        let mut said = Vec::new();
        write_report(&facts, &report, &mut said).expect("memory can be written");
        panic!("{}", String::from_utf8_lossy(&said));
    }
}

/// A server process, killed when this is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    child: std::process::Child,
}

impl Server {
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn terminate(&mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn login_name() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(status.expect("kill is there").success(), "{name}");
}

/// A client in a pseudo-terminal.
pub(crate) struct Terminal {
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

    pub(crate) fn screen(&self) -> String {
        lock(&self.screen).screen().contents()
    }

    /// The screen's cells, with their colours.
    pub(crate) fn cells(&self) -> vt100::Screen {
        lock(&self.screen).screen().clone()
    }

    /// The cursor's row and column.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        lock(&self.screen).screen().cursor_position()
    }

    /// Every byte that the program wrote.
    pub(crate) fn raw(&self) -> Vec<u8> {
        lock(&self.raw.0).clone()
    }

    /// Waits until this is written after the first `from` bytes. Returns the number of bytes by
    /// then.
    pub(crate) fn wait_written(&self, from: usize, sequence: &str) -> usize {
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
    pub(crate) fn line_settings(&self) -> (&str, String) {
        (&self.settings, format!("{:?}", self.master.get_termios()))
    }

    /// Types this, byte for byte.
    pub(crate) fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
        self.keys.flush().expect("it reads");
    }

    /// Types a line and Enter.
    pub(crate) fn say(&mut self, line: &str) {
        self.send(line);
        self.send("\r");
    }

    /// Leaves with this key, after the pause in which it does nothing because it closed something.
    /// The first press may only return to the newest line.
    pub(crate) fn leave_by(&mut self, key: &str) {
        for _ in 0..2 {
            pause(Duration::from_millis(1100));
            self.send(key);
        }
    }

    /// Waits until the screen shows this.
    pub(crate) fn wait_for(&self, text: &str) {
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
    pub(crate) fn wait_without(&self, text: &str) {
        wait_until(&format!("without {text}"), || {
            let screen = self.screen();
            if screen.contains(text) {
                Err(screen)
            } else {
                Ok(())
            }
        });
    }

    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        lock(&self.screen)
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        self.tell_size(rows, columns);
    }

    /// Reports another size to the program than the screen has.
    pub(crate) fn tell_size(&self, rows: u16, columns: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master.resize(size).expect("resized");
    }

    /// Makes the terminal hang, as if stopped, until this is called with `true`.
    pub(crate) fn read(&self, reads: bool) {
        *lock(&self.reads.0) = reads;
        self.reads.1.notify_all();
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    pub(crate) fn kill(&mut self) {
        signal(self.process(), "KILL");
        let _ = self.child.wait();
    }

    /// Waits until the process has ended and all its output is on the screen. Returns its exit
    /// code.
    pub(crate) fn wait(&mut self) -> u32 {
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
