//! The server that a client starts inherits nothing from the client's caller.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use chitty_testing::terminal::{World, signal, wait_until};

use crate::text;

/// A local server, which a client starts from a script with `"$@"`.
struct Own {
    world: World,
    address: String,
}

impl Own {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let world = World::new();
        std::fs::create_dir(world.path("here")).expect("made");
        Self { world, address }
    }

    fn run(&self, script: &str) -> Child {
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(env!("CARGO_BIN_EXE_chitty"))
            .args(["--plain", "--name", "ada", "--local", &self.address])
            // Longer than any test.
            .args(["--idle-exit", "3600", "--data"])
            .arg(self.world.data())
            .arg("--log-dir")
            .arg(self.world.logs())
            .current_dir(self.world.path("here"))
            .env("HOME", self.world.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell")
    }

    /// Waits for a script to end after its client has ended.
    fn ended(&self, mut shell: Child) {
        let status = wait_until("it ends before the server does", || {
            let status = shell.try_wait().expect("a child");
            status.ok_or_else(|| "it goes on".to_owned())
        });
        let errors = shell.wait_with_output().expect("it has ended").stderr;
        assert!(status.success(), "{}", text(&errors));
        assert!(self.proc("status").exists(), "the server has ended");
    }

    /// The server's process, if one ran.
    fn process(&self) -> Option<u32> {
        let lock = std::fs::read_to_string(self.world.data().join("lock"));
        lock.ok()?.lines().next()?.parse().ok()
    }

    /// What Linux reports of the server.
    fn proc(&self, what: &str) -> PathBuf {
        let process = self.process().unwrap_or(0);
        format!("/proc/{process}/{what}").into()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(process) = self.process().filter(|_| self.proc("status").exists()) {
            signal(process, "KILL");
        }
    }
}

#[test]
fn no_lock_and_no_pipe_is_held() {
    let own = Own::new();
    let lock = own.world.path("job.lock");
    // The pipes of the pipeline and of $( ) are open in the client, too, under other numbers.
    let script = format!(
        "exec 9>&1; flock {0} \"$@\" 8>&1 | cat; x=$(\"$@\" 7>&1 2>&1); flock --nonblock {0} true",
        lock.display()
    );
    own.ended(own.run(&script));
}

#[cfg(target_os = "linux")]
#[test]
fn it_is_nowhere_and_has_nothing_but_its_own() {
    let own = Own::new();
    let marks = own.world.path("marks");
    std::fs::create_dir(&marks).expect("made");
    // Descriptors with two digits, for which sh has no syntax.
    let script = format!(
        "umask 000; exec 3>{0}/a 5<{0} 9>>{0}/b; exec env --block-signal=TERM,USR1 bash -c \
         'exec 42>{0}/c; exec \"$@\"' bash \"$@\"",
        marks.display()
    );
    own.ended(own.run(&script));
    let link = |path: PathBuf| std::fs::read_link(path).expect("readable");
    assert_eq!(link(own.proc("cwd")), PathBuf::from("/"));
    for file in std::fs::read_dir(own.proc("fd")).expect("readable") {
        let file = file.expect("readable");
        let number = file.file_name();
        let name = link(file.path()).display().to_string();
        let own_file = [own.world.data(), own.world.logs()]
            .iter()
            .any(|folder| name.starts_with(&folder.display().to_string()));
        let inner = ["socket:", "anon_inode:", "pipe:", "/proc/"]
            .iter()
            .any(|kind| name.starts_with(kind));
        let standard = ["0", "1", "2"].map(Into::into).contains(&number);
        assert!(
            if standard {
                name == "/dev/null"
            } else {
                own_file || inner
            },
            "{number:?} is {name}"
        );
    }
    let status = std::fs::read_to_string(own.proc("status")).expect("readable");
    let field = |name: &str| {
        let mut lines = status.lines();
        lines
            .find_map(|line| line.strip_prefix(name))
            .expect(name)
            .trim()
            .to_owned()
    };
    assert_eq!(field("Umask:"), "0077");
    assert_eq!(field("SigBlk:"), "0000000000000000");
    // The leader of a session has the number of that: the sixth field, after the name in brackets.
    let stat = std::fs::read_to_string(own.proc("stat")).expect("readable");
    let session = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().nth(3));
    assert_eq!(session, own.process().map(|id| id.to_string()).as_deref());
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_does_no_harm() {
    let own = Own::new();
    own.ended(own.run("TMPDIR=/nowhere/at/all exec \"$@\""));
}
