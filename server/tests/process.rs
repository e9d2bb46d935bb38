//! The real binary: a disk that is full, a damaged file, backups beside a live server.

use std::{
    fs,
    process::{Command, Output},
    time::Duration,
};

use chitty_chat::proto::v1::{HistoryRequest, PublishRequest, broadcast::Kind, closing};
use chitty_testing::server::{PATIENCE, process::ServerChild};
use tokio::time::{sleep, timeout};
use tonic::Code;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn request(session: &str, number: usize) -> PublishRequest {
    PublishRequest {
        session: session.into(),
        text: format!("line {number}"),
        id: format!("{number:016}"),
        lamport: 1,
        ..PublishRequest::default()
    }
}

const SESSION: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_full_disk_ends_the_server_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    // Files end at 256 KiB, or half of that: the write-ahead log, which is the first to get there,
    // cannot grow, as on a full disk.
    let mut server = ServerChild::start(folder.path(), "trap '' XFSZ; ulimit -f 256;");
    let (mut client, mut stream, _) = server.join(SESSION).await;
    let mut acknowledged = Vec::new();
    let status = loop {
        assert!(acknowledged.len() < 10_000, "the disk is never full");
        let number = acknowledged.len();
        match client.publish(request(SESSION, number)).await {
            Ok(reply) => acknowledged.push(reply.into_inner()),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(acknowledged.len() > 10);
    let mut shown = 0;
    let closing = loop {
        let message = timeout(PATIENCE, stream.message()).await.expect("in time");
        match message.expect("a message").and_then(|m| m.kind) {
            Some(Kind::Event(event)) => shown = event.position,
            Some(Kind::Closing(closing)) => break closing,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closing.reason(), closing::Reason::Shutdown);
    let last = acknowledged.last().expect("some").position;
    assert_eq!((closing.position, shown), (last, last));
    let end = timeout(PATIENCE, stream.message()).await.expect("in time");
    assert_eq!(end.expect_err("a status").code(), Code::Unavailable);
    assert!(!server.ended().await.success());

    let server = ServerChild::start(folder.path(), "");
    let (mut client, _stream, welcome) = server.join(SESSION).await;
    assert!(welcome.resumed);
    for (number, reply) in acknowledged.iter().enumerate() {
        // Its retry finds it where it was said to be.
        let again = client.publish(request(SESSION, number)).await;
        assert_eq!(again.expect("known").into_inner(), *reply);
    }
    // The one whose outcome was unknown is there once, whatever it was.
    let number = acknowledged.len();
    let outcome = client.publish(request(SESSION, number)).await;
    assert_eq!(outcome.expect("accepted").into_inner().position, last + 1);
    let page = HistoryRequest {
        session: SESSION.into(),
        after: last - 1,
        ..HistoryRequest::default()
    };
    let page = client.history(page).await.expect("readable").into_inner();
    assert_eq!(page.events.len(), 2);
}

#[tokio::test]
async fn a_chat_is_copied_and_checked_while_its_server_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut server = ServerChild::start(folder.path(), "");
    let (mut client, _stream, welcome) = server.join(SESSION).await;
    let writer = tokio::spawn(async move {
        let mut number = 0;
        while let Ok(reply) = client.publish(request(SESSION, number)).await {
            assert_eq!(reply.into_inner().position, number as u64 + 2);
            number += 1;
        }
        number
    });
    for number in 0..5 {
        sleep(Duration::from_millis(100)).await;
        let (data, copy) = (path("data"), path(&format!("copy-{number}.db")));
        let output = run(&["backup", "--data", &data, &copy]);
        assert!(output.status.success(), "{}", stderr(&output));
        let output = run(&["backup", "--data", &data, &copy]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("there already"));
        for args in [vec!["check", &copy], vec!["check", "--data", &data]] {
            let output = run(&args);
            assert!(output.status.success(), "{}", stderr(&output));
        }
    }
    server.kill().await;
    assert!(writer.await.expect("it ran") > 0);
    // The dead server has left it like this: with a write-ahead log.
    let output = run(&["check", "--data", &path("data")]);
    assert!(output.status.success(), "{}", stderr(&output));

    fs::create_dir_all(path("restored/data")).expect("made");
    fs::copy(path("copy-4.db"), path("restored/data/chat.db")).expect("copied");
    let server = ServerChild::start(&folder.path().join("restored"), "");
    let (.., again) = server.join(SESSION).await;
    assert_ne!(again.epoch, welcome.epoch);
}

#[test]
fn a_damaged_chat_is_said_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir_all(path("data")).expect("made");
    let chat = path("data/chat.db");
    fs::write(
        &chat,
        b"SQLite format 3\0 and then nothing that makes sense".repeat(200),
    )
    .expect("written");
    let before = fs::read(&chat).expect("readable");
    let (data, logs) = (path("data"), path("logs"));
    for args in [
        vec![
            "--listen",
            "127.0.0.1:0",
            "--data",
            &data,
            "--log-dir",
            &logs,
        ],
        vec!["check", &chat],
        vec!["check", "--data", &data],
        vec!["backup", "--data", &data, &path("copy.db")],
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains("chat.db"), "{}", stderr(&output));
        assert_eq!(fs::read(&chat).expect("readable"), before);
    }
    assert!(!folder.path().join("copy.db").exists());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hang_up_ends_it_in_order_unless_it_is_to_be_ignored() {
    // Whatever this test was started with, such as nohup, is no part of it.
    for (runner, ends_by) in [
        ("env --default-signal=HUP", "SIGHUP"),
        ("env --ignore-signal=HUP", "SIGTERM"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = ServerChild::start_under(folder.path(), "", runner);
        let (_client, mut stream, _) = server.join(SESSION).await;
        server.signal("HUP");
        if ends_by == "SIGTERM" {
            // It goes on as if nothing was.
            let (mut client, ..) = server.join(SESSION).await;
            let reply = client.publish(request(SESSION, 1)).await;
            reply.expect("still here");
            server.signal("TERM");
        }
        while let Ok(Some(_)) = timeout(PATIENCE, stream.message()).await.expect("in time") {}
        assert!(server.ended().await.success());
        let log = fs::read_to_string(folder.path().join("logs/server.log")).expect("a log");
        let stopping = format!("Server stopping signal={ends_by}");
        assert!(log.contains(&stopping), "{log}");
    }
}
