//! Files of older versions, damaged files, backups.

mod beside;
mod chats;
mod flip;
mod opening;

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use chitty_chat::{Event, EventKind, ParticipantNumber, Session, secret::os_random};
use rusqlite::Connection;

use super::*;
use crate::replay::replay;
use chitty_room::Fold;

/// ada joins, and writes the rest.
pub(crate) fn records(count: u64) -> Vec<Record> {
    let session = Session::parse("0123456789abcdef012345")
        .expect("a session")
        .hash();
    let mut fold = Fold::default();
    (1..=count)
        .map(|position| {
            let kind = if position == 1 {
                EventKind::Joined {
                    name: "ada".into(),
                    member: None,
                }
            } else {
                EventKind::Message {
                    author: "ada".into(),
                    text: format!("line {position}, and some more of it").into(),
                    id: format!("{position:016}").as_str().into(),
                    seen: Position::ZERO,
                    participant: ParticipantNumber::new(1),
                    member: None,
                }
            };
            let event = Event {
                position: position.into(),
                lamport: fold.next_time(1.into()),
                at: UNIX_EPOCH,
                request: 1.into(),
                kind,
            };
            let record = Record {
                event,
                session: (position == 1).then_some(session),
                generation: 0,
                private: None,
            };
            fold.apply(&record).expect("by the rules");
            record
        })
        .collect()
}

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open::<Fold>(path, &mut os_random)
}

/// A chat of so many events, closed; and its epoch.
async fn chat(folder: &Path, count: u64) -> (PathBuf, Arc<str>) {
    let path = folder.join("chat.db");
    let log = open(&path).expect("new");
    log.append(Position::ZERO, records(count).into())
        .await
        .expect("appended");
    (path, log.epoch())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// As version 1 of the schema was.
pub(crate) fn old_chat(path: &Path, records: &[Record]) {
    let connection = Connection::open(path).expect("made");
    connection
        .execute_batch(schema::MIGRATIONS[0])
        .expect("made");
    connection
        .execute(
            "INSERT INTO chat (id, epoch, first, base) VALUES (1, 'old', 1, 0)",
            [],
        )
        .expect("made");
    for record in records {
        let row = (rows::signed(record.event.position), record.encode());
        connection
            .execute("INSERT INTO records VALUES (?1, ?2)", row)
            .expect("made");
    }
    connection
        .pragma_update(None, "application_id", 0x4368_6974)
        .expect("made");
    connection
        .pragma_update(None, "user_version", 1)
        .expect("made");
}

#[tokio::test]
async fn a_chat_of_the_first_schema_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    old_chat(&path, &records(9));
    assert_eq!(check::<Fold>(&path).expect("in order").schema, 1);
    let log = open(&path).expect("migrated");
    assert_eq!((&*log.epoch(), log.extent().head), ("old", 9.into()));
    assert_eq!(replay(&log).await.expect("in order").head(), 9.into());
    drop(log);
    let summary = check::<Fold>(&path).expect("in order");
    assert_eq!((summary.schema, summary.backup), (4, false));
    assert_eq!(&*open(&path).expect("again").epoch(), "old");
}

#[test]
fn a_damaged_chat_of_the_first_schema_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let mut records = records(9);
    records.remove(4);
    old_chat(&path, &records);
    let before = fs::read(&path).expect("readable");
    let error = open(&path).err().expect("damaged");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().contains("has position 6 where 5 follows"),
        "{error}"
    );
    assert_eq!(fs::read(&path).expect("readable"), before);
}

#[tokio::test]
async fn a_backup_of_a_live_chat_is_another_life_of_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let log = open(&path).expect("new");
    log.append(Position::ZERO, records(500).into())
        .await
        .expect("appended");
    // A name that has to be escaped where it is part of a URI.
    let copy = folder.path().join("a copy?of=50%#1.db");
    backup::<Fold>(&path, &copy, &mut os_random).expect("copied");
    let mode = fs::metadata(&copy).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = backup::<Fold>(&path, &copy, &mut os_random);
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");

    let summary = check::<Fold>(&copy).expect("in order");
    assert!(summary.backup);
    assert_eq!((summary.extent, summary.epoch), (log.extent(), log.epoch()));
    assert_eq!(summary.present, 1);
    // The original goes on, and so does the copy, but not as the same log.
    let restored = open(&copy).expect("a chat");
    assert_ne!(restored.epoch(), log.epoch());
    let fold = replay(&restored).await.expect("in order");
    assert_eq!(fold, replay(&log).await.expect("in order"));
    let epoch = restored.epoch();
    drop(restored);
    assert!(!check::<Fold>(&copy).expect("in order").backup);
    assert_eq!(open(&copy).expect("again").epoch(), epoch);
    drop(log);
    assert_eq!(names(folder.path()), ["a copy?of=50%#1.db", "chat.db"]);
}

#[tokio::test]
async fn a_failed_backup_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = chat(folder.path(), 9).await;
    for (source, target) in [
        (folder.path().join("none.db"), folder.path().join("copy.db")),
        (path, folder.path().join("no/such/folder.db")),
    ] {
        backup::<Fold>(&source, &target, &mut os_random).expect_err("impossible");
    }
    assert_eq!(names(folder.path()), ["chat.db"]);
}

#[tokio::test]
async fn a_check_reads_all_and_touches_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, epoch) = chat(folder.path(), 300).await;
    let log = open(&path).expect("the same");
    let fold = replay(&log).await.expect("in order");
    let snapshot = fold.encode();
    log.keep_snapshot(300.into(), Box::new(|| snapshot))
        .await
        .expect("kept");
    log.trim(Keep::Events(100), 300.into())
        .await
        .expect("trimmed");
    drop(log);
    let before = fs::read(&path).expect("readable");
    let summary = check::<Fold>(&path).expect("in order");
    assert_eq!(summary.epoch, epoch);
    assert_eq!(
        (summary.extent.first, summary.extent.head),
        (201.into(), 300.into())
    );
    assert_eq!(summary.lamport, fold.now());
    assert_eq!(fs::read(&path).expect("readable"), before);
    assert_eq!(names(folder.path()), ["chat.db"]);
}

/// What is wrong after this change to the rows of a chat of 50 events.
async fn problem_after(change: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = chat(folder.path(), 50).await;
    let connection = Connection::open(&path).expect("opened");
    connection.execute_batch(change).expect("changed");
    drop(connection);
    check::<Fold>(&path).expect_err("damaged").to_string()
}

#[tokio::test]
async fn a_check_finds_what_is_wrong() {
    for (change, problem) in [
        (
            "DELETE FROM records WHERE position = 7",
            "has position 8 where 7 follows",
        ),
        (
            "UPDATE records SET record = (SELECT record FROM records WHERE position = 8)
             WHERE position = 9",
            "the record of position 8 is at position 9",
        ),
        (
            "UPDATE records SET record = x'0aff' WHERE position = 7",
            "position 7: not a record",
        ),
        (
            "UPDATE records SET record = x'' WHERE position = 7",
            "position 7: a record of the log without an event",
        ),
        ("UPDATE chat SET base = 5", "position 1 has Lamport time 3"),
        ("UPDATE chat SET first = 2", "its snapshot is of position 0"),
        (
            "UPDATE chat SET snapshot = x'ff'",
            "its snapshot is damaged",
        ),
        ("DROP TABLE chat", "cannot be read: no such table: chat"),
    ] {
        let found = problem_after(change).await;
        assert!(found.contains(problem), "{change}: {found}");
    }
}

#[tokio::test]
async fn bytes_that_flip_are_said_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = chat(folder.path(), 2000).await;
    let whole = fs::read(&path).expect("readable");
    let page = 4096;
    assert!(whole.len() > 20 * page);
    // In the middle of a page are records; at its beginning is where these are.
    for (from, to) in [
        (10 * page + 1500, 10 * page + 2500),
        (10 * page, 10 * page + 100),
    ] {
        let mut damaged = whole.clone();
        for byte in &mut damaged[from..to] {
            *byte ^= 0xa5;
        }
        fs::write(&path, &damaged).expect("written");
        let error = match open(&path) {
            Ok(log) => replay(&log).await.expect_err("damaged").to_string(),
            Err(error) => error.to_string(),
        };
        assert!(
            ["damaged", "malformed", "not a record"]
                .iter()
                .any(|word| error.contains(word)),
            "{error}"
        );
        check::<Fold>(&path).expect_err("damaged");
        assert_eq!(fs::read(&path).expect("readable"), damaged);
        assert_eq!(names(folder.path()), ["chat.db"]);
    }
}

/// At the last number the sums of the rules stand still, which no time may.
#[tokio::test]
async fn a_check_finds_a_time_that_stands_still() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let mut records = records(3);
    for (record, lamport) in records.iter_mut().zip([u64::MAX - 1, u64::MAX, u64::MAX]) {
        record.event.request = (u64::MAX - 3).into();
        record.event.lamport = lamport.into();
    }
    let log = open(&path).expect("new");
    log.append(Position::ZERO, records[..2].to_vec().into())
        .await
        .expect("written");
    let summary = check::<Fold>(&path).expect("in order until then");
    assert_eq!(summary.lamport.get(), u64::MAX);
    log.append(2.into(), records[2..].to_vec().into())
        .await
        .expect("written");
    let error = check::<Fold>(&path).expect_err("damaged").to_string();
    assert!(error.contains("time stands still"), "{error}");
}
