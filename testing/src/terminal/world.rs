//! The world of one test: its folders, and the servers and clients that run in them.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use chitty_chat::logging::{Line, parse_line};
use chitty_trace::{chat::TraceIndex, check::check, cli::write_report, read::Trace};
use portable_pty::CommandBuilder;
use tempfile::TempDir;

use super::{
    Terminal,
    process::{signal, wait_until},
};

/// The program `chitty`. Newer versions of Cargo name it to tests. Otherwise it is beside the
/// folder of this program, which is `deps` for a test and `examples` for an example.
fn chitty() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_chitty").map_or_else(
        || {
            let own = std::env::current_exe().expect("this program has a path");
            let folder = own.ancestors().nth(2).expect("it is in target/*/*");
            folder.join("chitty")
        },
        PathBuf::from,
    )
}

/// The folders of one test, and the processes that run in them.
pub struct World {
    folder: TempDir,
    /// The rows and columns of its terminals.
    size: (u16, u16),
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Makes the folders, for terminals of 24 rows and 120 columns.
    pub fn new() -> Self {
        Self::with_size(24, 120)
    }

    /// Makes the folders, for terminals of this size.
    pub fn with_size(rows: u16, columns: u16) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            size: (rows, columns),
        }
    }

    /// The folder of all log files.
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// The folder of the server's data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The lines of a log file so far; each must be complete.
    pub fn log(&self, who: &str) -> Vec<Line> {
        let text =
            std::fs::read_to_string(self.logs().join(format!("{who}.log"))).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| parse_line(line).unwrap_or_else(|| panic!("not a log line: {line}")))
            .collect()
    }

    /// The folder that contains everything, and is the home of all processes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> CommandBuilder {
        let mut command = CommandBuilder::new(chitty());
        // Nothing of the user's environment may change what a screen shows.
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

    /// The program with these arguments and these variables, in a terminal.
    pub fn terminal(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Terminal {
        let mut command = self.command();
        // As a variable, because a command of the program may not have the option.
        command.get_argv_mut().truncate(1);
        command.env("CHITTY_LOG_DIR", self.logs());
        command.args(arguments);
        for (name, value) in variables {
            command.env(name, value);
        }
        Terminal::start(command, self.size)
    }

    /// The program with these arguments, without a terminal.
    pub fn plain(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(chitty());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("CHITTY_LOG_DIR", self.logs())
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// A client of this server.
    pub fn client(&self, server: &str, arguments: &[&str]) -> Terminal {
        let mut command = self.command();
        command.args(["--server", server]);
        command.args(arguments);
        Terminal::start(command, self.size)
    }

    /// A client of this server whose user has this script as the editor.
    pub fn client_with_editor(&self, server: &str, name: &str, script: &str) -> Terminal {
        let path = self.path("editor");
        std::fs::write(&path, script).expect("written");
        let mut command = self.command();
        command.env("VISUAL", format!("sh {}", path.display()));
        command.args(["--server", server, "--name", name]);
        Terminal::start(command, self.size)
    }

    /// A client of this server that a shell starts with `"$@"`.
    pub fn client_of_shell(&self, server: &str, name: &str, script: &str) -> Terminal {
        let mut command = self.command();
        let shell = ["sh", "-c", script, "sh"].map(Into::into);
        command.get_argv_mut().splice(0..0, shell);
        command.args(["--server", server, "--name", name]);
        Terminal::start(command, self.size)
    }

    /// A client of this server in a window of its own: this terminal runs the window's process, and
    /// killing that closes the client's terminal, as the end of a terminal emulator does.
    pub fn client_in_window(&self, server: &str, name: &str) -> Terminal {
        // The words go through another shell; none of them has a space.
        let script = "exec script --quiet --command \"$*\" /dev/null";
        self.client_of_shell(server, name, script)
    }

    /// Waits until no process of this test has this name any more.
    pub fn wait_for_end_of(&self, name: &str) {
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
    pub fn own_test(&self, name: &str, server: &str) -> Terminal {
        let mut command = self.command();
        let own = std::env::current_exe().expect("this program has a path");
        *command.get_argv_mut() = vec![own.into()];
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        command.env("CHITTY_TEST_SERVER", server);
        Terminal::start(command, self.size)
    }

    /// A path in this test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client that looks for a local server at this address.
    pub fn local_client(&self, address: &str, arguments: &[&str]) -> Terminal {
        let mut command = self.command();
        command.args(["--local", address]);
        command.arg("--data");
        command.arg(self.data());
        command.args(arguments);
        Terminal::start(command, self.size)
    }

    /// A server on a free port, by the same binary.
    pub fn server(&self, arguments: &[&str]) -> ServerProcess {
        self.server_on("127.0.0.1:0", arguments)
    }

    /// A server on this address.
    pub fn server_on(&self, address: &str, arguments: &[&str]) -> ServerProcess {
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
        ServerProcess {
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
        let index = TraceIndex::of(&trace);
        let report = check(&index);
        if report.violations.is_empty() {
            return;
        }
        self.folder.disable_cleanup(true);
        let mut said = Vec::new();
        write_report(&index, &report, &mut said).expect("memory can be written");
        panic!("{}", String::from_utf8_lossy(&said));
    }
}

/// A server process, killed when this is dropped.
pub struct ServerProcess {
    /// Its address as clients take it, `http://…`.
    pub url: String,
    child: std::process::Child,
}

impl ServerProcess {
    /// Its address without `http://`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it by SIGTERM. Returns its exit status; `None` if a signal ended it.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
