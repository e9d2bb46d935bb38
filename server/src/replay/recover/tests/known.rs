//! What is believed of a damaged file about the chat as a whole.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use chitty_chat::{
    EventKind, Session,
    proto::{log_v1, v1},
    secret::os_random,
};
use prost::Message as _;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

const COUNT: u64 = 600;
/// Positions up to here are dropped of a chat that is trimmed.
const DROPPED: u64 = 500;

/// ada writes, and bob, who joined second, never says anything: only a snapshot knows of him after
/// his Joined is dropped.
fn with_bob() -> Vec<Record> {
    let session = Session::parse("abcdef0123456789abcdef").expect("a session");
    let mut all = records(COUNT);
    all[1].event.kind = EventKind::Joined {
        name: "bob".into(),
        member: None,
    };
    all[1].session = Some(session.hash());
    all
}

fn fold(records: &[Record]) -> Fold {
    let mut fold = Fold::default();
    for record in records {
        fold.apply(record).expect("by the rules");
    }
    fold
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("chat.db")
}

/// A chat of which only the last hundred are kept, and a snapshot of position `covered`.
async fn trimmed(folder: &TempDir, covered: u64) -> SqliteLog {
    let all = with_bob();
    let log = SqliteLog::open::<Fold>(&path(folder), &mut os_random).expect("new");
    log.append(Position::ZERO, all.clone().into())
        .await
        .expect("appended");
    let covered_count = usize::try_from(covered).expect("small");
    let snapshot = fold(&all[..covered_count]).encode();
    log.keep_snapshot(covered.into(), Box::new(|| snapshot))
        .await
        .expect("kept");
    log.trim(Keep::Events(COUNT - DROPPED), covered.into())
        .await
        .expect("trimmed");
    log
}

fn change(path: &Path, sql: &str) {
    let connection = Connection::open(path).expect("opened");
    connection.execute_batch(sql).expect("changed");
    // Else what was deleted is found in the page.
    connection.execute_batch("VACUUM").expect("changed");
}

/// What is rescued: where it begins and ends, and who is present.
async fn rescued(path: &Path) -> (u64, u64, Vec<Arc<str>>) {
    let target = beside(path, ".recovered");
    let recovered = recover(path, &target, &mut os_random).expect("something is whole");
    let log = SqliteLog::open::<Fold>(&target, &mut os_random).expect("a chat");
    let present = replay(&log).await.expect("in order");
    let (first, head) = recovered.positions;
    let names = present.participants().map(|one| Arc::clone(&one.name));
    (first.get(), head.get(), names.collect())
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().copied().map(Arc::from).collect()
}

#[tokio::test]
async fn a_snapshot_that_is_whole_is_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(trimmed(&folder, COUNT).await);
    let expected = (DROPPED + 1, COUNT, names(&["ada", "bob"]));
    assert_eq!(rescued(&path(&folder)).await, expected);
}

#[tokio::test]
async fn a_snapshot_that_is_not_the_one_that_was_kept_is_not_believed() {
    for lie in ["x'00'", "NULL", "?1"] {
        let folder = tempfile::tempdir().expect("a folder");
        drop(trimmed(&folder, COUNT).await);
        let connection = Connection::open(path(&folder)).expect("opened");
        let mut other = with_bob();
        other[1].event.kind = EventKind::Joined {
            name: "eve".into(),
            member: None,
        };
        let other = fold(&other).encode();
        let query = format!("UPDATE chat SET snapshot = {lie}");
        let changed = if lie == "?1" {
            connection.execute(&query, [other])
        } else {
            connection.execute(&query, [])
        };
        assert_eq!(changed.expect("changed"), 1);
        drop(connection);
        if lie == "?1" {
            let said = check::<Fold>(&path(&folder))
                .expect_err("another one")
                .to_string();
            assert!(said.contains("snapshot"), "{said}");
        }
        // Of whom nothing is told any more nothing is known.
        let expected = (DROPPED + 1, COUNT, names(&["ada"]));
        assert_eq!(rescued(&path(&folder)).await, expected, "{lie}");
    }
}

#[tokio::test]
async fn what_a_row_with_a_wrong_checksum_says_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = SqliteLog::open::<Fold>(&path(&folder), &mut os_random).expect("new");
    log.append(Position::ZERO, with_bob().into())
        .await
        .expect("appended");
    drop(log);
    change(&path(&folder), "UPDATE chat SET first = 300, base = 899");
    let expected = (1, COUNT, names(&["ada", "bob"]));
    assert_eq!(rescued(&path(&folder)).await, expected);
}

#[tokio::test]
async fn an_old_chat_has_no_checksums_and_is_believed() {
    let all = with_bob();
    for has_snapshot in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let dropped = usize::try_from(DROPPED).expect("small");
        old_chat(&path(&folder), &all[dropped..]);
        let connection = Connection::open(path(&folder)).expect("opened");
        let base = all[dropped - 1].event.lamport.get().cast_signed();
        let snapshot = has_snapshot.then(|| fold(&all).encode());
        connection
            .execute(
                "UPDATE chat SET first = ?1, base = ?2, snapshot = ?3",
                (DROPPED.cast_signed() + 1, base, snapshot),
            )
            .expect("changed");
        drop(connection);
        assert_eq!(check::<Fold>(&path(&folder)).is_ok(), has_snapshot);
        let present: &[&str] = if has_snapshot {
            &["ada", "bob"]
        } else {
            &["ada"]
        };
        let expected = (DROPPED + 1, COUNT, names(present));
        assert_eq!(rescued(&path(&folder)).await, expected);
    }
}

#[tokio::test]
async fn what_is_only_in_the_write_ahead_log_is_believed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = trimmed(&folder, COUNT).await;
    let other = tempfile::tempdir().expect("a folder");
    for suffix in ["", "-wal"] {
        let (from, to) = (
            beside(&path(&folder), suffix),
            beside(&path(&other), suffix),
        );
        fs::copy(from, to).expect("copied");
    }
    drop(log);
    let expected = (DROPPED + 1, COUNT, names(&["ada", "bob"]));
    assert_eq!(rescued(&path(&other)).await, expected);
}

#[tokio::test]
async fn nothing_is_made_beside_the_damaged_file() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(trimmed(&folder, COUNT).await);
    let target = tempfile::tempdir().expect("a folder");
    recover(
        &path(&folder),
        &target.path().join("new.db"),
        &mut os_random,
    )
    .expect("whole");
    for folder in [folder, target] {
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }
}

#[tokio::test]
async fn a_snapshot_alone_is_something() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(trimmed(&folder, COUNT).await);
    change(&path(&folder), "DELETE FROM records");
    let expected = (DROPPED + 1, COUNT, names(&["ada", "bob"]));
    assert_eq!(rescued(&path(&folder)).await, expected);
}

#[test]
fn a_chat_without_events_is_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(SqliteLog::open::<Fold>(&path(&folder), &mut os_random).expect("new"));
    let target = folder.path().join("new.db");
    let error = recover(&path(&folder), &target, &mut os_random).expect_err("nothing");
    assert!(matches!(error, RecoverError::Nothing(_)), "{error}");
}

/// A chat of which nothing was dropped has no snapshot, and the time before it is zero.
#[tokio::test]
async fn a_rescued_chat_that_begins_at_the_beginning_is_as_if_it_had_begun_there() {
    for damage in ["", "UPDATE chat SET base = 7"] {
        let folder = tempfile::tempdir().expect("a folder");
        let log = SqliteLog::open::<Fold>(&path(&folder), &mut os_random).expect("new");
        log.append(Position::ZERO, records(9).into())
            .await
            .expect("appended");
        drop(log);
        change(&path(&folder), damage);
        let target = folder.path().join("new.db");
        recover(&path(&folder), &target, &mut os_random).expect("whole");
        let summary = check::<Fold>(&target).expect("in order");
        assert_eq!(summary.extent.base, LamportTime::ZERO, "{damage}");
        let connection = Connection::open(&target).expect("opened");
        let is_null: bool = connection
            .query_row("SELECT snapshot IS NULL FROM chat", [], |row| row.get(0))
            .expect("a row");
        assert!(is_null, "{damage}");
    }
}

/// Of ada, who is present at position 2,000,000.
fn late(count: u64) -> Vec<Record> {
    let session = records(1)[0].session.expect("ada's");
    let snapshot = log_v1::Snapshot {
        position: 2_000_000,
        lamport: 5_000_000,
        present: vec![log_v1::snapshot::Present {
            participant: Some(v1::Participant {
                name: "ada".into(),
                number: 1,
                seen: 0,
                member: 0,
            }),
            session: session.as_bytes().to_vec(),
            generation: 0,
            key: Vec::new(),
        }],
        ..log_v1::Snapshot::default()
    };
    let mut fold = Fold::decode(&snapshot.encode_to_vec()).expect("a snapshot");
    let mut all = records(count + 1);
    all.remove(0);
    for (record, position) in all.iter_mut().zip(2_000_001_u64..) {
        record.event.position = position.into();
        record.event.lamport = fold.next_time(1.into());
        fold.apply(record).expect("by the rules");
    }
    all
}

#[tokio::test]
async fn a_position_that_is_far_away_is_damaged_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let far = late(1);
    let all = records(9);
    old_chat(&path(&folder), &[&all[..], &far].concat());
    let target = folder.path().join("new.db");
    let recovered = recover(&path(&folder), &target, &mut os_random).expect("whole");
    assert_eq!(recovered.positions, (1.into(), 9.into()));
    assert_eq!((recovered.kept, recovered.contradicting), (9, 1));
    assert_eq!(recovered.filled, []);
}

#[tokio::test]
async fn a_chat_whose_beginning_is_far_away_is_rescued() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = late(9);
    old_chat(&path(&folder), &all);
    // Without the row, the first record says where it begins.
    change(&path(&folder), "DELETE FROM chat");
    let target = folder.path().join("new.db");
    let recovered = recover(&path(&folder), &target, &mut os_random).expect("whole");
    assert_eq!(recovered.positions, (2_000_001.into(), 2_000_009.into()));
    assert_eq!((recovered.kept, recovered.contradicting), (9, 0));
    let log = SqliteLog::open::<Fold>(&target, &mut os_random).expect("a chat");
    assert_eq!(log.read(Position::ZERO, ALL).await.expect("readable"), all);
}
