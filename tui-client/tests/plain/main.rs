//! The real binary without a terminal: lines in, lines out.

mod started;
mod starts;
mod waiting;

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use chitty_testing::terminal::{World, wait_until};

/// `chitty --plain` with a clean environment.
fn client(world: &World, server: &str, name: &str) -> Command {
    let mut client = Command::new(env!("CARGO_BIN_EXE_chitty"));
    client
        .env_clear()
        .env("TZ", "UTC")
        .env("HOME", world.logs())
        .arg("--log-dir")
        .arg(world.logs())
        .args(["--plain", "--server", server, "--name", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    client
}

/// Pipes this into `chitty --plain`, and waits for it to end.
fn pipe(world: &World, server: &str, name: &str, input: &[u8], arguments: &[&str]) -> Output {
    let mut client = client(world, server, name)
        .args(arguments)
        .spawn()
        .expect("it starts");
    let mut stdin = client.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It reads on only while its output is read.
    let written = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = client.wait_with_output().expect("it ends");
    written.join().expect("no panic");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn a_script_sends_a_line_and_is_gone() {
    let world = World::new();
    let server = world.server(&[]);
    let ada = world.client(server.address(), &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let done = pipe(&world, server.address(), "bot", b"the build is done\n", &[]);
    let (output, errors) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{output}{errors}");
    let lines: Vec<_> = output.lines().map(|line| &line[6..]).collect();
    assert_eq!(
        lines[..2],
        [
            "L5 Participant bot joined Chitty-Chat at Lamport time 5",
            "L9 bot: the build is done",
        ]
    );
    assert_eq!(errors, "chitty: connected\n");
    ada.wait_for("the build is done");
    ada.wait_for("Participant bot left Chitty-Chat at Lamport time");
    wait_until("its log tells the message", || {
        let log = world.log("bot");
        let there = log
            .iter()
            .any(|line| (&*line.call, &*line.step) == ("Broadcast", "received"));
        there.then_some(()).ok_or_else(|| format!("{log:?}"))
    });
}

#[test]
fn what_cannot_be_sent_makes_it_fail() {
    let world = World::new();
    let server = world.server(&[]);
    let mut input = format!("{}\n\nfine\n", "x".repeat(129)).into_bytes();
    input.extend_from_slice(b"bad \xff\n");
    let done = pipe(&world, server.address(), "bot", &input, &[]);
    let (output, errors) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{output}{errors}");
    assert!(output.contains("bot: fine\n"), "{output}");
    assert!(
        errors.contains("line 1 is not sent: 1 too many"),
        "{errors}"
    );
    assert!(
        errors.contains("line 4 is not sent: it is not UTF-8"),
        "{errors}"
    );
}

#[test]
fn it_shows_what_was_said_before_where_it_is_asked_to() {
    let world = World::new();
    let server = world.server(&[]);
    pipe(&world, server.address(), "ada", b"first\n", &[]);
    let later = pipe(&world, server.address(), "bob", b"", &[]);
    assert!(!text(&later.stdout).contains("first"));
    let told = pipe(&world, server.address(), "eve", b"", &["--backlog", "100"]);
    assert!(text(&told.stdout).contains("ada: first\n"));
}

/// The output must not depend on how quickly the end of the input is noticed.
#[test]
fn all_that_was_asked_for_is_shown_before_it_leaves() {
    const LINES: usize = 3000;
    let world = World::new();
    let server = world.server(&["--publish-rate", "off"]);
    let lines: Vec<_> = (0..LINES).map(|number| format!("line {number}")).collect();
    let lines = lines.join("\n");
    pipe(&world, server.address(), "ada", lines.as_bytes(), &[]);
    for _ in 0..5 {
        let backlog = ["--backlog", "100000"];
        let told = pipe(&world, server.address(), "eve", b"", &backlog);
        assert!(told.status.success());
        let text = text(&told.stdout);
        let said = text
            .lines()
            .filter(|line| line.contains("ada: line"))
            .count();
        assert_eq!(said, LINES);
    }
}

#[test]
fn variables_say_yes_and_no_in_every_common_way() {
    let world = World::new();
    let server = world.server(&[]);
    let run = |value: &str| {
        Command::new(env!("CARGO_BIN_EXE_chitty"))
            .env_clear()
            .env("HOME", world.logs())
            .env("CHITTY_PLAIN", value)
            // An empty variable is one that is not set.
            .env("CHITTY_BACKLOG", "")
            .env("CHITTY_LOCAL", "")
            .arg("--log-dir")
            .arg(world.logs())
            .args(["--server", server.address(), "--name", "bot"])
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    };
    for yes in ["1", "yes", "true", "ON"] {
        let done = run(yes);
        assert!(done.status.success(), "{yes}: {}", text(&done.stderr));
        assert!(text(&done.stdout).contains("Participant bot joined"));
    }
    for no in ["0", "no", "false", ""] {
        let done = run(no);
        assert!(!done.status.success());
        let errors = text(&done.stderr);
        assert!(errors.contains("must be a terminal"), "{no}: {errors}");
    }
    let done = run("maybe");
    let errors = text(&done.stderr);
    assert!(
        errors.contains("maybe") && errors.contains("--plain"),
        "{errors}"
    );
}

#[test]
fn a_name_that_is_taken_is_said() {
    let world = World::new();
    let server = world.server(&[]);
    let ada = world.client(server.address(), &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let done = pipe(&world, server.address(), "ada", b"hi\n", &[]);
    assert_eq!(done.status.code(), Some(1));
    let errors = text(&done.stderr);
    assert!(errors.contains("the name \"ada\" is refused"), "{errors}");
}

/// Puts something in place of the client's log that it must not write to.
fn block(world: &World, name: &str) {
    std::fs::create_dir_all(world.logs()).expect("made");
    let log = world.logs().join(format!("{name}.log"));
    std::os::unix::fs::symlink(world.path("victim"), log).expect("made");
}

#[test]
fn a_log_that_cannot_be_opened_is_said_and_the_line_is_sent() {
    let world = World::new();
    let server = world.server(&[]);
    block(&world, "bot");
    let done = pipe(&world, server.address(), "bot", b"the build is done\n", &[]);
    let (output, errors) = (text(&done.stdout), text(&done.stderr));
    assert!(done.status.success(), "{output}{errors}");
    assert!(output.contains("bot: the build is done\n"), "{output}");
    assert!(
        errors.contains("bot.log: it is a symbolic link, which is not followed"),
        "{errors}"
    );
    assert!(!world.path("victim").exists());
}

#[test]
fn a_log_folder_in_which_others_can_rename_files_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let server = world.server(&[]);
    let open = world.path("open");
    std::fs::create_dir(&open).expect("made");
    let everybody = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(&open, everybody).expect("ours");
    let folder = open.display().to_string();
    let more = ["--log-dir", folder.as_str()];
    let client = Command::new(env!("CARGO_BIN_EXE_chitty"))
        .args(["--plain", "--server", server.address(), "--name", "bot"])
        .args(more)
        .output()
        .expect("it starts");
    let errors = text(&client.stderr);
    assert_eq!(client.status.code(), Some(1), "{errors}");
    assert!(errors.contains("others can write to it"), "{errors}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_without_its_threads_says_so() {
    let world = World::new();
    let server = world.server(&[]);
    let program = world.path("chitty");
    std::fs::copy(env!("CARGO_BIN_EXE_chitty"), &program).expect("copied");
    // Run as a user without other threads. The limit does not apply to root, and only root can
    // change the user.
    let script = format!(
        "chmod 755 {0} && setpriv --reuid {1} --regid {1} --clear-groups true",
        world.folder().display(),
        200_000 + std::process::id(),
    );
    let is_possible = Command::new("sh").args(["-c", &script]).status();
    if !is_possible.expect("there is a shell").success() {
        eprintln!("not tried: only root can become another user");
        return;
    }
    for threads in [1, 2, 3, 7, 8] {
        let script = format!(
            "exec timeout 20 setpriv --reuid {user} --regid {user} --clear-groups \
             prlimit --nproc={threads} {} --plain --server {} --name ada --log-dir {}/l </dev/null",
            program.display(),
            server.address(),
            world.folder().display(),
            user = 200_000 + std::process::id(),
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .env_remove("XDG_CONFIG_HOME")
            // A place without a configuration that is closed to that user.
            .env("HOME", world.folder())
            .output();
        let output = output.expect("there is a shell");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{threads}: {told}");
        assert!(
            told.contains("a client needs 8 threads"),
            "{threads}: {told}"
        );
        assert!(!told.contains("panicked"), "{threads}: {told}");
    }
}
