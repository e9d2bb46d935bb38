//! What a plain client waits for, and that it always ends when it is asked to.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::{Child, Command, ExitStatus, Stdio},
};

use chitty_testing::terminal::{ServerProcess, World, signal, wait_until};

use crate::{client, pipe, text};

/// Waits for the process to end.
fn ended(child: &mut Child) -> ExitStatus {
    wait_until("it ends", || {
        let status = child.try_wait().expect("a child");
        status.ok_or_else(|| "it goes on".to_owned())
    })
}

/// A chat with this many lines.
fn chat(world: &World, lines: usize) -> ServerProcess {
    let server = world.server(&["--publish-rate", "off"]);
    let lines = vec!["x".repeat(120); lines].join("\n");
    let done = pipe(world, server.address(), "ada", lines.as_bytes(), &[]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    server
}

/// More lines than pipes and the client hold.
const MANY: usize = 3000;

/// The same command, run by `env` with this option about the signals that it inherits.
fn with_signals(option: &str, command: &Command) -> Command {
    let mut env = Command::new("env");
    env.env_clear()
        .arg(option)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => env.env(name, value),
            None => env.env_remove(name),
        };
    }
    env
}

#[test]
fn a_reader_that_stalls_does_not_keep_a_client_that_is_to_end() {
    let world = World::new();
    let server = chat(&world, MANY);
    for name in ["TERM", "INT", "HUP"] {
        // Its error output is not read either.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut bob = client(&world, server.address(), "bob");
        bob.args(["--backlog", "100000"]);
        if cfg!(target_os = "linux") {
            // The tests themselves may have been started by `nohup`, or in the background.
            bob = with_signals("--default-signal=HUP,INT", &bob);
            bob.stdin(Stdio::piped());
        }
        let mut stalled = bob
            .stdout(writer.try_clone().expect("a descriptor"))
            .stderr(writer)
            .spawn()
            .expect("it starts");
        wait_until("it is in the chat", || {
            let log = std::fs::read_to_string(world.logs().join("bob.log")).unwrap_or_default();
            let run = log
                .rsplit_once("Link connecting")
                .map_or("", |(_, run)| run);
            let there = run.matches("Broadcast received").count() > 500;
            there.then_some(()).ok_or_else(|| "it is not".to_owned())
        });
        signal(stalled.id(), name);
        ended(&mut stalled);
        drop(reader);
        // It has left properly, so the name is free.
        let done = pipe(&world, server.address(), "bob", b"", &[]);
        assert!(done.status.success(), "{name}: {}", text(&done.stderr));
        assert!(!text(&done.stderr).contains("waiting"), "{name}");
        std::fs::remove_file(world.logs().join("bob.log")).expect("it is there");
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_in_order() {
    let world = World::new();
    let server = chat(&world, MANY);
    let mut bob = client(&world, server.address(), "bob")
        .args(["--backlog", "100000"])
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(bob.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("it writes");
    // The reader of its output is gone, while its input is open.
    assert_eq!(ended(&mut bob).code(), Some(0));
    let again = pipe(&world, server.address(), "bob", b"", &[]);
    assert!(!text(&again.stderr).contains("waiting"));
}

fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

#[test]
fn a_server_that_is_not_there_is_given_up() {
    let world = World::new();
    for (wait, lines, after) in [("0", 1, "at the first failure"), ("1.5", 2, "after 1.5 s")] {
        let done = pipe(&world, &nowhere(), "bot", b"hi\n", &["--wait", wait]);
        let errors = text(&done.stderr);
        assert_eq!(done.status.code(), Some(69), "{errors}");
        assert_eq!(errors.lines().count(), lines, "{errors}");
        assert!(errors.contains("no server listens on"), "{errors}");
        assert!(errors.contains(&format!("given up {after}: ")), "{errors}");
    }
    let wrong = pipe(&world, &nowhere(), "bot", b"", &["--wait", "long"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn what_waits_for_a_server_ends_when_it_is_told_to() {
    let world = World::new();
    let server = nowhere();
    let waits = client(&world, &server, "bot")
        .args(["--wait", "forever"])
        .spawn();
    let mut waits = waits.expect("it starts");
    let mut line = String::new();
    BufReader::new(waits.stderr.as_mut().expect("a pipe"))
        .read_line(&mut line)
        .expect("it speaks");
    assert!(line.contains("trying again"), "{line}");
    signal(waits.id(), "TERM");
    assert_eq!(ended(&mut waits).code(), Some(1));
}

#[test]
fn the_name_of_a_client_that_was_killed_is_waited_for() {
    let world = World::new();
    let server = world.server(&["--grace", "3"]);
    let ada = client(&world, server.address(), "ada").spawn();
    let mut ada = ada.expect("it starts");
    let mut line = String::new();
    BufReader::new(ada.stdout.as_mut().expect("a pipe"))
        .read_line(&mut line)
        .expect("it speaks");
    ada.kill().expect("a child");
    ada.wait().expect("it ends");
    let again = pipe(&world, server.address(), "ada", b"here again\n", &[]);
    let (output, errors) = (text(&again.stdout), text(&again.stderr));
    assert!(again.status.success(), "{errors}");
    assert!(output.contains("ada: here again\n"), "{output}");
    assert_eq!(
        errors.matches("waiting until the name is free").count(),
        1,
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2, "{errors}");
}

#[test]
fn what_cannot_be_read_is_no_end() {
    let world = World::new();
    let server = world.server(&[]);
    let done = client(&world, server.address(), "bot")
        .stdin(File::open("/").expect("a folder"))
        .output()
        .expect("it runs");
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("cannot read the input: Is a directory"),
        "{errors}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_is_said() {
    let world = World::new();
    let server = world.server(&[]);
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("it is there");
    let done = client(&world, server.address(), "bot")
        .stdout(full)
        .stdin(Stdio::null())
        .output();
    let done = done.expect("it runs");
    let errors = text(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("cannot write the output: No space left"),
        "{errors}"
    );
}

/// As started by `nohup`, or by a shell in the background.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_are_to_be_ignored_are() {
    let world = World::new();
    let server = world.server(&[]);
    let chitty = client(&world, server.address(), "bot");
    let mut bot = with_signals("--ignore-signal=HUP,INT", &chitty)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = BufReader::new(bot.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("it speaks");
    signal(bot.id(), "HUP");
    signal(bot.id(), "INT");
    let mut input = bot.stdin.take().expect("a pipe");
    input.write_all(b"still here\n").expect("it reads");
    line.clear();
    output.read_line(&mut line).expect("it speaks");
    assert!(line.ends_with("bot: still here\n"), "{line}");
    signal(bot.id(), "TERM");
    assert_eq!(ended(&mut bot).code(), Some(0));
}
