//! Files that change under a server, and files that are put in the place of others.

use std::{fs, process::Command};

use super::*;

#[tokio::test]
async fn files_that_change_under_a_server_end_it() {
    for (change, named) in [
        ("rm data/chat.db", "chat.db"),
        ("mv data/chat.db data/elsewhere", "chat.db"),
        ("rm data/chat.db-wal", "chat.db-wal"),
        ("rm data/chat.db-shm", "chat.db-shm"),
        ("rm data/chat.db-mark", "chat.db-mark"),
        ("rm data/lock", "lock"),
        ("mv data elsewhere", "data"),
        ("mv data elsewhere; cp -a elsewhere data", "data"),
        ("rm -r data", "data"),
        ("cp data/chat.db copy; mv copy data/chat.db", "chat.db"),
        ("cp other data/chat.db", "chat.db"),
        ("truncate -s 4096 data/chat.db", "chat.db"),
        ("truncate -s 100 data/chat.db-wal", "chat.db-wal"),
        ("cp other data/chat.db-wal", "chat.db-wal"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut server, mut client, _) = start(folder.path()).await;
        publish(&mut client, 0..3).await;
        fs::write(folder.path().join("other"), "something else".repeat(5000)).expect("written");
        shell(folder.path(), change);
        let status = server.ended().await;
        assert_eq!(status.code(), Some(1), "{change}");
        for file in ["stderr", "logs/server.log"] {
            let said = fs::read_to_string(folder.path().join(file)).expect("readable");
            assert!(
                said.contains("the chat cannot be written any more") && said.contains(named),
                "{change}: {file}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_backup_that_is_laid_over_a_chat_becomes_the_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| path(folder.path(), name);
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    backup(folder.path());
    publish(&mut client, 3..6).await;
    server.kill().await;
    let log = fs::read(path("data/chat.db-wal")).expect("it was killed");
    fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
    let output = run(&["check", "--data", &path("data")]);
    assert!(
        stderr(&output).contains("chat.db-wal"),
        "{}",
        stderr(&output)
    );

    let (mut server, mut client, restored) = start(folder.path()).await;
    assert_ne!(restored, epoch);
    assert_eq!(lines(&mut client).await, numbered(0..3));
    let aside = path("data/chat.db-wal.aside-1");
    assert_eq!(fs::read(&aside).expect("kept"), log);
    let said = said(folder.path());
    assert!(said.contains("chat.db-wal.aside-1"), "{said}");
    // It goes on as any other chat, also if it is killed at once.
    publish(&mut client, 6..7).await;
    server.kill().await;
    let (_server, mut client, again) = start(folder.path()).await;
    assert_eq!(again, restored);
    let expected = [numbered(0..3), numbered(6..7)].concat();
    assert_eq!(lines(&mut client).await, expected);
}

#[tokio::test]
async fn a_backup_that_is_laid_over_a_chat_that_goes_on_becomes_the_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| path(folder.path(), name);
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    backup(folder.path());
    publish(&mut client, 3..6).await;
    fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
    // The server may get the signal to end before it notices the change. Even then it must not
    // write to the file.
    server.end().await;
    let (_server, mut client, restored) = start(folder.path()).await;
    assert_ne!(restored, epoch);
    assert_eq!(lines(&mut client).await, numbered(0..3));
}

#[tokio::test]
async fn a_first_start_on_a_backup_may_be_killed_at_any_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| path(folder.path(), name);
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..30).await;
    backup(folder.path());
    server.kill().await;
    for delay in 0..12 {
        fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
        let mut child = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0", "--data", &path("data")])
            .args(["--log-dir", &path("logs-of-the-killed")])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        tokio::time::sleep(std::time::Duration::from_millis(3 * delay)).await;
        child.kill().expect("killed");
        child.wait().expect("ended");
        let (mut server, mut client, restored) = start(folder.path()).await;
        assert_ne!(restored, epoch);
        assert_eq!(lines(&mut client).await, numbered(0..30), "{delay}");
        server.kill().await;
    }
}

#[tokio::test]
async fn another_chats_file_is_that_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = tempfile::tempdir().expect("a folder");
    let (chat, epoch) = killed(folder.path()).await;
    let (mut server, mut client, other_epoch) = start(other.path()).await;
    publish(&mut client, 10..20).await;
    server.end().await;
    fs::copy(other.path().join("data/chat.db"), &chat).expect("copied");
    let (_server, mut client, now) = start(folder.path()).await;
    assert_ne!(now, epoch);
    assert_eq!(now, other_epoch);
    assert_eq!(lines(&mut client).await, numbered(10..20));
    assert!(names(&folder.path().join("data")).contains(&"chat.db-wal.aside-1".into()));
}
