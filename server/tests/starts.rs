//! The real binary, started in ways that cannot work: its message must help a user, also one who
//! reads it in a file.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output},
};

use chitty_testing::server::process::ServerChild;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

const SESSION: &str = "0123456789abcdef0123456789abcdef";

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .output()
        .expect("it runs")
}

/// The message of a failed start: one line, or a few of clap's, without colours or a backtrace.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = text.lines().filter(|line| !line.is_empty()).count();
    assert!(matches!(output.status.code(), Some(1 | 2 | 75)), "{text}");
    let usage = output.status.code() == Some(2);
    assert!(lines == 1 || (usage && lines <= 4), "{text}");
    assert!(
        !text.contains('\u{1b}') && !text.contains("backtrace"),
        "{text}"
    );
    if let Some(cause) = text.find("(os error") {
        let code = &text[cause..=cause + text[cause..].find(')').expect("closed")];
        assert_eq!(text.matches(code).count(), 1, "{text}");
    }
    text
}

#[test]
fn a_start_that_cannot_work_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("file"), "").expect("written");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|at| (taken, at.to_string()))
        .expect("bound");
    let (file, data, logs) = (path("file"), path("data"), path("logs"));
    let serve = |listen: &str, data: &str, logs: &str, parts: &[&str]| {
        let args = ["--listen", listen, "--data", data, "--log-dir", logs];
        let text = complaint(&run(&args, &[]));
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    };
    serve(
        &taken.1,
        &data,
        &logs,
        &["another program listens there", "--listen"],
    );
    serve(
        "192.0.2.1:1",
        &data,
        &logs,
        &["no address of this machine", "--listen"],
    );
    serve(
        "nowhere.invalid:1",
        &data,
        &logs,
        &["address of nowhere.invalid", "--listen"],
    );
    serve("localhost", &data, &logs, &["such as localhost:50051"]);
    serve(":1", &data, &logs, &["0.0.0.0:1 for others"]);
    serve("1", &data, &logs, &["0.0.0.0:1 for others"]);
    serve("::1:1", &data, &logs, &["[::1]:50051"]);
    serve("http://localhost:1", &data, &logs, &["without http://"]);
    serve(
        "127.0.0.1:0",
        &file,
        &logs,
        &[&file, "it is not a folder", "--data"],
    );
    serve(
        "127.0.0.1:0",
        &data,
        &file,
        &[&file, "it is not a folder", "--log-dir"],
    );
    serve(
        "127.0.0.1:0",
        "~ada/chat",
        &logs,
        &["~ada is not looked up"],
    );
    serve(
        "127.0.0.1:0",
        &data,
        "$HOME/logs",
        &["$HOME is not replaced"],
    );
    for (variable, value, parts) in [
        (
            "CHITTY_LISTEN",
            "50051",
            ["--listen", "CHITTY_LISTEN is set to that"],
        ),
        (
            "CHITTY_GRACE",
            "long",
            ["number of seconds", "CHITTY_GRACE is set to that"],
        ),
        (
            "CHITTY_DATA",
            "~ada/chat",
            ["~ada", "CHITTY_DATA is set to that"],
        ),
        (
            "CHITTY_EPHEMERAL",
            "maybe",
            ["maybe", "CHITTY_EPHEMERAL is set to that"],
        ),
    ] {
        let text = complaint(&run(&[], &[(variable, value)]));
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn home_is_known_where_no_shell_reads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().display().to_string();
    let output = Command::new(PROGRAM)
        .args(["check", "--data", "~/chat"])
        .current_dir(folder.path())
        .env("HOME", &home)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&format!("{home}/chat/chat.db")), "{text}");
    assert!(!folder.path().join("~").exists());
}

#[tokio::test]
async fn health_is_told_by_the_exit_status() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = ServerChild::start(folder.path(), "");
    let address = server.url.trim_start_matches("http://").to_owned();
    let (_, port) = address.rsplit_once(':').expect("a port");
    let everywhere = format!("0.0.0.0:{port}");
    for (args, environment) in [
        (vec!["health", &*address], vec![]),
        // In a container, the address is in the environment.
        (vec!["health"], vec![("CHITTY_LISTEN", &*everywhere)]),
    ] {
        let asked = run(&args, &environment);
        assert_eq!(
            asked.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&asked.stderr)
        );
    }
    let _stream = server.join(SESSION).await;
    server.kill().await;
    let gone = complaint(&run(&["health", &address], &[]));
    assert!(
        gone.contains("does not serve: Connection refused"),
        "{gone}"
    );

    // Something else, which takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = silent
        .local_addr()
        .map(|at| (silent, at.to_string()))
        .expect("bound");
    let printed = complaint(&run(&["health", "--within", "0.2", &silent.1], &[]));
    assert!(
        printed.contains("does not serve: no answer for 0.2 s"),
        "{printed}"
    );
}
