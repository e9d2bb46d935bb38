//! Write-ahead logs, journals and marks that lie beside a chat, and whose they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chitty_chat::{EventKind, secret::os_random};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{
    log::tests::ALL,
    replay::{recover, replay},
};
use chitty_room::Fold;

/// A folder with a chat of so many events that was closed, and its file.
async fn closed(count: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = serve(folder.path()).expect("new");
    append(&log, count).await;
    drop(log);
    let path = folder.path().join("chat.db");
    assert!(!beside(&path, "-wal").exists(), "folded in");
    (folder, path)
}

/// As far as this position.
async fn append(log: &SqliteLog, to: u64) {
    let head = log.extent().head;
    let all = records(to);
    let more = &all[usize::try_from(head.get()).expect("small")..];
    log.append(head, more.into()).await.expect("appended");
}

fn serve(folder: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::serve::<Fold>(&DataDir::open(folder).expect("ours"), &mut os_random)
}

/// The epoch, and how many events there are.
async fn what_is_served(folder: &Path) -> (String, u64) {
    let log = serve(folder).expect("in order");
    let fold = replay(&log).await.expect("in order");
    let all = log.read(Position::ZERO, ALL).await.expect("readable");
    assert_eq!(all, records(fold.head().get()));
    (log.epoch().to_string(), fold.head().get())
}

fn epoch(path: &Path) -> String {
    check::<Fold>(path).expect("in order").epoch.to_string()
}

fn was_put_aside(path: &Path, suffix: &str) -> bool {
    beside(path, &format!("{suffix}.aside-1")).exists()
}

#[tokio::test]
async fn the_write_ahead_log_of_another_chat_is_put_aside() {
    let (folder, path) = closed(20).await;
    let own = epoch(&path);
    let other = tempfile::tempdir().expect("a folder");
    let log = serve(other.path()).expect("new");
    append(&log, 30).await;
    // So that the row about the chat is in its write-ahead log, too.
    log.keep_snapshot(30.into(), Box::new(|| Fold::default().encode()))
        .await
        .expect("kept");
    let foreign = beside(&other.path().join("chat.db"), "-wal");
    fs::copy(&foreign, beside(&path, "-wal")).expect("copied");
    let said = check::<Fold>(&path).expect_err("not alone").to_string();
    assert!(said.contains("belongs to another file"), "{said}");
    let rescued = folder.path().join("rescued.db");
    let recovered = recover(&path, &rescued, &mut os_random).expect("whole");
    assert_eq!(recovered.positions.1.get(), 20);
    assert_eq!(what_is_served(folder.path()).await, (own, 20));
    assert!(was_put_aside(&path, "-wal"));
}

#[tokio::test]
async fn an_older_write_ahead_log_of_the_same_chat_is_put_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let log = serve(folder.path()).expect("new");
    append(&log, 10).await;
    let old = folder.path().join("old");
    fs::copy(beside(&path, "-wal"), &old).expect("copied");
    append(&log, 20).await;
    let own = log.epoch().to_string();
    drop(log);
    // Without the mark nobody knows that there were more than ten.
    fs::remove_file(beside(&path, "-mark")).expect("there");
    fs::rename(&old, beside(&path, "-wal")).expect("renamed");
    assert_eq!(what_is_served(folder.path()).await, (own, 20));
    assert!(was_put_aside(&path, "-wal"));
}

/// The same events but for what is said.
fn other_words(count: u64) -> Vec<Record> {
    let mut all = records(count);
    for record in &mut all {
        if let EventKind::Message { text, .. } = &mut record.event.kind {
            *text = "something else".into();
        }
    }
    all
}

#[tokio::test]
async fn the_write_ahead_log_of_another_chat_says_nothing_of_this_ones_end() {
    let (folder, path) = closed(20).await;
    let own = epoch(&path);
    let other = tempfile::tempdir().expect("a folder");
    let log = serve(other.path()).expect("new");
    let appended = log.append(0.into(), other_words(30).into()).await;
    appended.expect("appended");
    log.keep_snapshot(30.into(), Box::new(|| Fold::default().encode()))
        .await
        .expect("kept");
    let foreign = beside(&other.path().join("chat.db"), "-wal");
    fs::copy(&foreign, beside(&path, "-wal")).expect("copied");
    assert!(beside(&path, "-mark").exists());
    assert_eq!(what_is_served(folder.path()).await, (own, 20));
    assert!(was_put_aside(&path, "-wal"));
}

#[tokio::test]
async fn a_chat_that_went_on_otherwise_than_was_acknowledged_is_refused() {
    let (folder, path) = closed(10).await;
    let fork = tempfile::tempdir().expect("a folder");
    fs::copy(&path, fork.path().join("chat.db")).expect("copied");
    let log = serve(folder.path()).expect("in order");
    append(&log, 20).await;
    drop(log);
    let log = serve(fork.path()).expect("in order");
    let appended = log.append(10.into(), other_words(30)[10..].into()).await;
    appended.expect("appended");
    drop(log);
    fs::copy(fork.path().join("chat.db"), &path).expect("copied");
    let error = serve(folder.path()).err().expect("refused");
    let OpenError::Incomplete { problem, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        matches!(**problem, Problem::Diverged { position } if position.get() == 20),
        "{error}"
    );
}

#[tokio::test]
async fn a_write_ahead_log_without_another_event_belongs_to_its_chat() {
    let (folder, path) = closed(20).await;
    let own = epoch(&path);
    let killed = tempfile::tempdir().expect("a folder");
    let left = killed.path().join("chat.db");
    let snapshot = {
        let log = serve(folder.path()).expect("in order");
        let snapshot = replay(&log).await.expect("in order").encode();
        let kept = snapshot.clone();
        log.keep_snapshot(20.into(), Box::new(|| kept))
            .await
            .expect("kept");
        for suffix in ["", "-wal", "-mark"] {
            fs::copy(beside(&path, suffix), beside(&left, suffix)).expect("copied");
        }
        snapshot
    };
    let log = serve(killed.path()).expect("in order");
    assert_eq!(log.epoch().to_string(), own);
    assert_eq!(log.snapshot().await.expect("readable"), Some(snapshot));
    drop(log);
    assert!(!was_put_aside(&left, "-wal"));
}

#[tokio::test]
async fn the_first_change_of_a_file_may_be_cut_off_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new.db");
    let killed = tempfile::tempdir().expect("a folder");
    let left = killed.path().join("chat.db");
    {
        let connection = Connection::open(&path).expect("made");
        connection
            .execute_batch("VACUUM; PRAGMA cache_size = 2; BEGIN; CREATE TABLE records (record);")
            .expect("under way");
        for _ in 0..50 {
            connection
                .execute("INSERT INTO records VALUES (zeroblob(3000))", [])
                .expect("under way");
        }
        for suffix in ["", "-journal"] {
            fs::copy(beside(&path, suffix), beside(&left, suffix)).expect("copied");
        }
    }
    assert!(fs::metadata(&left).expect("there").len() > 4096);
    assert_eq!(what_is_served(killed.path()).await.1, 0);
    assert!(!was_put_aside(&left, "-journal"));
}

#[tokio::test]
async fn a_backup_that_is_laid_over_a_chat_takes_nothing_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let copy = folder.path().join("copy.db");
    let (old_log, own);
    {
        let log = serve(folder.path()).expect("new");
        append(&log, 20).await;
        backup::<Fold>(&path, &copy, &mut os_random).expect("copied");
        append(&log, 30).await;
        old_log = fs::read(beside(&path, "-wal")).expect("there");
        own = log.epoch().to_string();
    }
    fs::rename(&copy, &path).expect("renamed");
    fs::write(beside(&path, "-wal"), old_log).expect("written");
    let (epoch, count) = what_is_served(folder.path()).await;
    assert_eq!(count, 20);
    assert_ne!(epoch, own);
    assert!(was_put_aside(&path, "-wal"));
    // From now on it is a chat like any other.
    assert_eq!(what_is_served(folder.path()).await, (epoch, 20));
}

#[tokio::test]
async fn a_journal_that_nobody_needs_is_put_aside() {
    let (folder, path) = closed(20).await;
    let own = epoch(&path);
    let journal = beside(&path, "-journal");
    fs::write(&journal, [0xd9; 2000]).expect("written");
    assert_eq!(what_is_served(folder.path()).await, (own.clone(), 20));
    assert!(was_put_aside(&path, "-journal") && !journal.exists());
    // Committed, as its first byte says: SQLite leaves such a file.
    fs::write(&journal, [0; 2000]).expect("written");
    assert_eq!(what_is_served(folder.path()).await, (own, 20));
    assert!(!beside(&path, "-journal.aside-2").exists());
}

#[tokio::test]
async fn a_change_that_was_cut_off_is_rolled_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("new");
    append(&log, 500).await;
    let own = log.epoch().to_string();
    drop(log);
    let killed = tempfile::tempdir().expect("a folder");
    let left = killed.path().join("chat.db");
    {
        let connection = Connection::open(&path).expect("opened");
        connection
            .pragma_update(None, "journal_mode", "DELETE")
            .and_then(|()| connection.pragma_update(None, "cache_size", 2))
            .expect("set");
        connection
            .execute_batch("BEGIN; UPDATE records SET record = x'00', checksum = 7;")
            .expect("under way");
        for suffix in ["", "-journal"] {
            fs::copy(beside(&path, suffix), beside(&left, suffix)).expect("copied");
        }
    }
    assert_eq!(what_is_served(killed.path()).await, (own, 500));
    assert!(!was_put_aside(&left, "-journal"));
}

#[tokio::test]
async fn what_is_said_of_the_chat_as_a_whole_is_verified_at_the_start() {
    for change in [
        "UPDATE chat SET base = 1",
        "UPDATE chat SET epoch = 'another'",
        "UPDATE chat SET chain = 7",
        "UPDATE chat SET snapshot = x'00'",
        "UPDATE chat SET checksum = checksum + 1",
        "UPDATE records SET checksum = checksum + 1 WHERE position = 20",
        "DELETE FROM records WHERE position = 7",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END",
    ] {
        let (folder, path) = closed(20).await;
        let connection = Connection::open(&path).expect("opened");
        connection.execute_batch(change).expect("changed");
        drop(connection);
        let error = serve(folder.path()).err().expect(change);
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{change}: {error}"
        );
        check::<Fold>(&path).expect_err(change);
    }
}

#[tokio::test]
async fn a_chat_in_which_nothing_was_ever_said_may_begin_anew() {
    for is_empty in [true, false] {
        let (folder, path) = closed(0).await;
        if is_empty {
            fs::write(&path, "").expect("written");
        } else {
            fs::remove_file(&path).expect("there");
        }
        let log = serve(folder.path()).expect("new");
        assert_eq!(log.extent().head, Position::ZERO);
    }
}

/// The mark is read first, and the chat goes on before it is read itself.
#[tokio::test]
async fn the_mark_of_a_chat_that_goes_on_may_be_older_than_the_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let mark = beside(&path, "-mark");
    let data = DataDir::open(folder.path()).expect("ours");
    let log = SqliteLog::serve::<Fold>(&data, &mut os_random).expect("new");
    append(&log, 10).await;
    let old = fs::read(&mark).expect("there");
    append(&log, 20).await;
    fs::write(&mark, old).expect("written");
    assert_eq!(check::<Fold>(&path).expect("in order").marked, Marked::All);
    drop((log, data));
    let marked = check::<Fold>(&path).expect("in order").marked;
    assert_eq!(marked, Marked::UpTo(10.into()));
}

#[test]
fn what_a_mark_says_of_a_chat() {
    let marked = mark::Acknowledged {
        epoch: "a".into(),
        position: 5.into(),
        chain: 7,
    };
    let of = |epoch, head: u64, kind| Marked::of(Some(&marked), epoch, head.into(), kind);
    let says = [
        of("a", 5, (false, 3)),
        of("a", 6, (false, 3)),
        of("b", 6, (false, 3)),
    ];
    assert_eq!(says, [Marked::All, Marked::UpTo(5.into()), Marked::Another]);
    assert_eq!(Marked::of(None, "a", 5.into(), (false, 3)), Marked::Nothing);
    // A backup, a chat of a version without marks, and one without events.
    for (head, kind) in [(5, (true, 3)), (5, (false, 2)), (0, (false, 3))] {
        assert_eq!(of("b", head, kind), Marked::Needless);
    }
}
