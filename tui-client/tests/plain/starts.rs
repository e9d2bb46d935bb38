//! Starts that must fail: the message must help the user, even in a file.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use chitty_testing::terminal::World;

use crate::text;

/// The message: one line, or clap's usage, with each cause once and no colours.
fn complaint(world: &World, args: &[&str], environment: &[(&str, &str)]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_chitty"))
        .args(args)
        .env("HOME", world.folder())
        .current_dir(world.folder())
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let said = text(&done.stderr);
    // The warning about a network comes before any complaint about the server there.
    let is_complaint = |line: &&str| !line.is_empty() && !line.contains("nothing is encrypted");
    let lines = said.lines().filter(is_complaint).count();
    assert!(matches!(done.status.code(), Some(1 | 2 | 69)), "{said}");
    let usage = done.status.code() == Some(2);
    // clap prints each option of a conflict on a line of its own.
    assert!(lines == 1 || (usage && lines <= 8), "{said}");
    assert!(
        !said.contains('\u{1b}') && !said.contains("backtrace"),
        "{said}"
    );
    if let Some(cause) = said.find("(os error") {
        let code = &said[cause..=cause + said[cause..].find(')').expect("closed")];
        assert_eq!(said.matches(code).count(), 1, "{said}");
    }
    said
}

#[test]
fn a_start_that_cannot_work_says_why_and_what_to_do() {
    let world = World::new();
    let path = |name: &str| world.path(name).display().to_string();
    for (name, bytes) in [
        ("file", &b""[..]),
        ("unknown.toml", b"name = \"ada\"\nnmae = \"bob\"\n"),
        ("folder.toml", b"log-dir = \"~bob/logs\"\n"),
        ("broken.toml", b"name = \n"),
        ("binary.toml", b"\xff\xfe"),
    ] {
        fs::write(path(name), bytes).expect("written");
    }
    let (file, unknown, folder) = (path("file"), path("unknown.toml"), path("folder.toml"));
    let (broken, binary, none) = (path("broken.toml"), path("binary.toml"), path("none.toml"));
    let here = path("");
    let cases: [(&[&str], &[&str]); 21] = [
        (
            &["--config", &none],
            &["none.toml: No such file", "--config"],
        ),
        (&["--config", &here], &["Is a directory", "--config"]),
        (&["--config", &binary], &["UTF-8", "--config"]),
        (
            &["--config", &unknown],
            &["line 2, nmae", "config --example"],
        ),
        (
            &["--config", &folder],
            &["line 1, log-dir", "~bob is not looked up"],
        ),
        (&["--config", &broken], &["line 1, name ="]),
        (&["--log-dir", &file], &["it is not a folder", "--log-dir"]),
        (&["--log-dir", "~bob/logs"], &["~bob is not looked up"]),
        (&["--data", "$HOME/chat"], &["$HOME is not replaced"]),
        (&["--name", ""], &["at least one character", "--name"]),
        (&["--name", "server"], &["the chat's own server", "--name"]),
        (
            &["--server", "https://chat:1"],
            &["https is not supported", "chitty://", "--server"],
        ),
        (
            &["--server", "chat.invalid"],
            &["chat.invalid is not known yet", "chitty join"],
        ),
        (&["chat"], &["chat is not known yet", "chitty --help"]),
        (
            &["http://127.0.0.1:1"],
            &["no server listens on 127.0.0.1:1"],
        ),
        (
            &["chitty://chat.invalid/#2222222222222222222222.2222"],
            &["its last 18 characters are missing"],
        ),
        (&["--backlog", "all"], &["whole number", "--backlog"]),
        (
            &["--server", "127.0.0.1:1"],
            &["no server listens on 127.0.0.1:1", "--server"],
        ),
        (
            &["--server", "http://nowhere.invalid:1"],
            &[
                "nothing is encrypted on the way to nowhere.invalid:1",
                "cannot reach nowhere.invalid:1",
                "--server",
            ],
        ),
        (&["--local", "0.0.0.0:50051"], &["chitty-server for others"]),
        (&["--local", "localhost"], &["127.0.0.1:50051"]),
    ];
    for (args, parts) in cases {
        let plain = ["--plain", "--wait", "0", "--name", "bot"];
        // In two cases the message repeats the name, which is another matter.
        let plain = if args[0] == "--name" {
            &plain[..3]
        } else {
            &plain
        };
        let said = complaint(&world, &[plain, args].concat(), &[]);
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let said = complaint(&world, &[], &[("CHITTY_BACKLOG", "many")]);
    assert!(said.contains("CHITTY_BACKLOG is set to that"), "{said}");
    let said = complaint(&world, &["--backlog", "many"], &[]);
    assert!(!said.contains("CHITTY_BACKLOG"), "{said}");
}

#[test]
fn home_is_known_where_no_shell_reads_it() {
    let world = World::new();
    let server = world.server(&[]);
    let config = world.path("config.toml");
    fs::write(&config, "log-dir = \"~/written\"\n").expect("written");
    let run = |args: &[&str], environment: &[(&str, &str)]| {
        let done = Command::new(env!("CARGO_BIN_EXE_chitty"))
            .args(["--plain", "--server", server.address(), "--name", "bot"])
            .args(args)
            .env("HOME", world.folder())
            .current_dir(world.folder())
            .envs(environment.iter().copied())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{}", text(&done.stderr));
    };
    run(&["--config", &config.display().to_string()], &[]);
    run(&[], &[("CHITTY_LOG_DIR", "~/set")]);
    run(&["--log-dir=~/said"], &[]);
    for folder in ["written", "set", "said"] {
        let log = world.path(folder).join("bot.log");
        let mode = fs::metadata(&log).expect(folder).permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(!world.path("~").exists());
}

/// A user whose client starts a server reads one message, from one program.
#[test]
fn a_server_that_cannot_be_started_is_told_once() {
    let world = World::new();
    fs::write(world.path("file"), "").expect("written");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    let done = Command::new(env!("CARGO_BIN_EXE_chitty"))
        .args(["--plain", "--name", "bot", "--local", &address, "--data"])
        .arg(world.path("file"))
        .env("HOME", world.folder())
        .current_dir(world.folder())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let said = text(&done.stderr);
    let last = said.lines().last().unwrap_or_default();
    let start = "chitty: the server could not be started: cannot use the folder";
    assert!(last.starts_with(start), "{said}");
    assert!(last.contains("it is not a folder"), "{said}");
}
