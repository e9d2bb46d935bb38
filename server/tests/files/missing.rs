//! A chat that is less than what was acknowledged, and a mark that cannot tell.

use std::fs;

use super::*;

#[tokio::test]
async fn an_end_that_is_missing_is_said_and_can_be_done_without() {
    for change in [
        "rm data/chat.db-wal",
        "truncate -s 5000 data/chat.db-wal",
        "cp old.db data/chat.db; rm data/chat.db-wal",
        "rm data/chat.db",
        "rm data/chat.db data/chat.db-wal",
        ": > data/chat.db",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut server, mut client, _) = start(folder.path()).await;
        // One line is in the chat's file, which a server that ends leaves complete.
        publish(&mut client, 0..1).await;
        server.end().await;
        let chat = folder.path().join("data/chat.db");
        fs::copy(&chat, folder.path().join("old.db")).expect("copied");
        let (mut server, mut client, _) = start(folder.path()).await;
        // Two more are in SQLite's log only, because the server is killed.
        publish(&mut client, 1..3).await;
        server.kill().await;

        // Something that was acknowledged is lost: the server does not go on without it.
        shell(folder.path(), change);
        let error = refused(folder.path());
        assert!(error.contains("was acknowledged"), "{change}: {error}");
        if !chat.exists() || fs::metadata(&chat).expect("there").len() == 0 {
            continue;
        }

        // `check` finds that, too. `recover` makes a chat of what is there.
        let path = |name| path(folder.path(), name);
        let output = run(&["check", "--data", &path("data")]);
        assert_eq!(output.status.code(), Some(1));
        succeeds(&["recover", &path("data/chat.db"), "--to", &path("new.db")]);
        fs::rename(path("new.db"), &chat).expect("ours");
        let (_server, mut client, _) = start(folder.path()).await;
        let found = lines(&mut client).await;
        assert!(numbered(0..3).starts_with(&found), "{change}: {found:?}");
        assert!(!found.is_empty(), "{change}");
    }
}

/// Starts a server on this chat. Returns what it prints, and before that `check` about the mark.
async fn starts(folder: &Path) -> (String, Option<String>) {
    let checked = succeeds(&["check", "--data", &path(folder, "data")]);
    assert_eq!(succeeds(&["check", &path(folder, "data")]), checked);
    let mark = checked.lines().find(|line| line.contains("mark:"));
    let (mut server, ..) = start(folder).await;
    server.end().await;
    (said(folder), mark.map(str::to_owned))
}

#[tokio::test]
async fn a_mark_that_cannot_tell_is_said_once() {
    // What `check` reports of the mark, and what the server says that starts with it.
    for (change, checks, says) in [
        ("rm data/chat.db-mark", "is not beside it", "not there"),
        (": > data/chat.db-mark", "is not beside it", "not there"),
        (
            "cp old-mark data/chat.db-mark",
            "reaches to position 4 only",
            "reaches to position 4 only",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut server, mut client, _) = start(folder.path()).await;
        // ada's Joined and three lines: the mark that is kept for later is at position 4.
        publish(&mut client, 0..3).await;
        server.kill().await;
        shell(folder.path(), "cp data/chat.db-mark old-mark");
        let (mut server, mut client, _) = start(folder.path()).await;
        publish(&mut client, 3..6).await;
        server.kill().await;
        let printed = said(folder.path());
        assert_eq!(printed, "", "a kill leaves the mark at the end");

        // Without the mark at the end, the server starts all the same, and says why.
        shell(folder.path(), change);
        let (started, checked) = starts(folder.path()).await;
        assert!(
            started.contains(says) && started.contains("chat.db-mark"),
            "{change}: {started}"
        );
        let checked = checked.unwrap_or_default();
        assert!(checked.contains(checks), "{change}: {checked}");

        // It has written a new mark, so the next start has nothing to say.
        let again = starts(folder.path()).await;
        assert_eq!(again, (String::new(), None), "{change}");
    }
}

#[tokio::test]
async fn a_backup_has_no_mark_and_needs_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut server, mut client, _) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    backup(folder.path());
    server.end().await;
    shell(folder.path(), "rm data/*; cp backup.db data/chat.db");
    assert_eq!(starts(folder.path()).await, (String::new(), None));
    assert_eq!(starts(folder.path()).await, (String::new(), None));
}
