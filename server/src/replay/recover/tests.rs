//! Damaged chats, and what is rescued of them.

use std::{
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chitty_chat::{EventKind, secret::os_random};
use rusqlite::Connection;

use super::*;
use crate::{
    log::{
        CheckError, Keep, Log as _, Problem, SqliteLog, check,
        tests::{ALL, old_chat, records},
    },
    replay::replay,
};

mod known;

const COUNT: u64 = 600;

/// The path of a file that lies beside another one and has its name with a suffix.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A chat of 600 events, closed.
async fn chat(folder: &Path) -> (PathBuf, Vec<Record>) {
    let path = folder.join("chat.db");
    let truth = records(COUNT);
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("new");
    log.append(Position::ZERO, truth.clone().into())
        .await
        .expect("appended");
    (path, truth)
}

async fn rescue(path: &Path) -> (Recovered, Vec<Record>, Fold) {
    let before = fs::read(path).expect("readable");
    let target = beside(path, ".recovered");
    let recovered = recover(path, &target, &mut os_random).expect("something is whole");
    assert_eq!(fs::read(path).expect("readable"), before, "not touched");
    let mode = fs::metadata(&target).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(check::<Fold>(&target).expect("in order").backup);
    let log = SqliteLog::open::<Fold>(&target, &mut os_random).expect("a chat");
    let fold = replay(&log).await.expect("in order");
    let all = log.read(Position::ZERO, ALL).await.expect("readable");
    (recovered, all, fold)
}

/// Each event is as it was, or of no kind; returns where it is not as it was.
fn differences(found: &[Record], truth: &[Record]) -> Vec<u64> {
    assert_eq!(found.len(), truth.len());
    let mut lost = Vec::new();
    for (found, truth) in found.iter().zip(truth) {
        if found != truth {
            assert_eq!(found.event.position, truth.event.position);
            lost.push(truth.event.position.get());
        }
    }
    lost
}

#[tokio::test]
async fn a_damaged_page_costs_only_what_is_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, truth) = chat(folder.path()).await;
    let length = fs::metadata(&path).expect("there").len();
    let page = length / 4096 / 2;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("ours");
    file.write_all_at(&[0xa5; 4096], page * 4096)
        .expect("written");
    let said = check::<Fold>(&path).expect_err("damaged").to_string();
    assert!(said.contains("cannot be read"), "{said}");
    SqliteLog::open::<Fold>(&path, &mut os_random)
        .err()
        .expect("refused");

    let (recovered, all, _) = rescue(&path).await;
    let lost = differences(&all, &truth);
    let range = recovered.filled.first().expect("a hole");
    assert_eq!(recovered.filled.len(), 1);
    assert_eq!(
        (range.0.get(), range.1.get()),
        (lost[0], lost[lost.len() - 1])
    );
    assert!(lost.len() < 60, "one page: {lost:?}");
    assert_eq!(recovered.kept + lost.len() as u64, COUNT);
    assert!(
        all.iter()
            .all(|record| record.event.kind != EventKind::Unknown
                || lost.contains(&record.event.position.get()))
    );
}

#[tokio::test]
async fn a_check_goes_around_a_damaged_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = chat(folder.path()).await;
    let connection = Connection::open(&path).expect("opened");
    connection
        .execute_batch("UPDATE records SET record = x'00' WHERE position = 590")
        .expect("changed");
    drop(connection);
    let page = fs::metadata(&path).expect("there").len() / 4096 / 2;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("ours");
    file.write_all_at(&[0xa5; 4096], page * 4096)
        .expect("written");
    // Where the page begins and ends, found one by one.
    let connection = Connection::open(&path).expect("opened");
    let next = |after: u64| {
        let query = "SELECT position, record, checksum FROM records WHERE position > ?1";
        let after = after.cast_signed();
        let read = connection.query_row(query, [after], |row| row.get::<_, i64>(0));
        read.ok().map(i64::cast_unsigned)
    };
    let last_before = (1..COUNT).find(|&after| next(after).is_none());
    let last_before = last_before.expect("some cannot be read");
    let first_behind = (last_before..COUNT).find_map(next).expect("a next page");
    assert!(first_behind - last_before > 10);
    drop(connection);
    let Err(CheckError::Damaged { problems, .. }) = check::<Fold>(&path) else {
        panic!("it is damaged");
    };
    let around = problems.listed().iter().find_map(|problem| match problem {
        Problem::Unreadable { from, to, .. } => Some((from.get(), to.get())),
        _ => None,
    });
    assert_eq!(around, Some((last_before + 1, first_behind - 1)));
    let is_found = |problem: &Problem| matches!(problem, Problem::Record { position, .. } if position.get() == 590);
    assert!(problems.listed().iter().any(is_found), "{problems}");
}

/// The root pages of all tables.
fn roots(path: &Path) -> Vec<u32> {
    let connection = Connection::open(path).expect("opened");
    let mut query = connection
        .prepare("SELECT rootpage FROM sqlite_schema")
        .expect("the schema");
    let roots = query.query_map([], |row| row.get(0)).expect("its tables");
    roots.map(|root| root.expect("a page")).collect()
}

#[tokio::test]
async fn the_root_of_the_tree_is_not_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, truth) = chat(folder.path()).await;
    let roots = roots(&path);
    assert_eq!(roots.len(), 2);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("ours");
    // The schema, and the roots of both tables.
    file.write_all_at(&[0; 4096 - 100], 100).expect("written");
    for root in roots {
        let start = u64::from(root - 1) * 4096;
        file.write_all_at(&[0; 4096], start).expect("written");
    }
    let (recovered, all, _) = rescue(&path).await;
    assert_eq!(differences(&all, &truth), []);
    assert_eq!((recovered.kept, recovered.filled), (COUNT, Vec::new()));
}

#[tokio::test]
async fn who_joined_in_what_is_lost_is_told_by_what_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, truth) = chat(folder.path()).await;
    let connection = Connection::open(&path).expect("opened");
    connection
        .execute_batch("DELETE FROM records WHERE position IN (1, 2, 599, 600)")
        .expect("changed");
    // Else SQLite leaves the deleted ones in the page, where they are found.
    connection.execute_batch("VACUUM").expect("changed");
    drop(connection);
    let (recovered, all, fold) = rescue(&path).await;
    assert_eq!(recovered.joined, 1);
    assert_eq!(recovered.positions, (1.into(), 598.into()));
    assert_eq!(differences(&all, &truth[..598]), [1, 2]);
    let names: Vec<_> = fold
        .participants()
        .map(|one| one.name.to_string())
        .collect();
    assert_eq!(names, ["ada"]);
    // The time that the rules give is the one that it had.
    assert_eq!(all[1].event.lamport, truth[1].event.lamport);
}

#[tokio::test]
async fn a_capped_chat_keeps_its_snapshot_or_does_without() {
    for has_snapshot in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, truth) = chat(folder.path()).await;
        let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("in order");
        let snapshot = replay(&log).await.expect("in order").encode();
        log.keep_snapshot(COUNT.into(), Box::new(|| snapshot))
            .await
            .expect("kept");
        log.trim(Keep::Events(100), COUNT.into())
            .await
            .expect("trimmed");
        drop(log);
        let connection = Connection::open(&path).expect("opened");
        let mut damage = "DELETE FROM records WHERE position IN (550, 551);".to_owned();
        if !has_snapshot {
            damage.push_str("UPDATE chat SET snapshot = x'0a';");
        }
        connection.execute_batch(&damage).expect("changed");
        connection.execute_batch("VACUUM").expect("changed");
        drop(connection);
        let (recovered, all, fold) = rescue(&path).await;
        assert_eq!(recovered.positions, (501.into(), COUNT.into()));
        assert_eq!(differences(&all, &truth[500..]), [550, 551]);
        assert_eq!(fold.count(), 1);
        assert_eq!(fold.now(), truth[599].event.lamport);
    }
}

#[tokio::test]
async fn what_a_killed_server_left_in_the_write_ahead_log_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let truth = records(COUNT);
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("new");
    log.append(Position::ZERO, truth.clone().into())
        .await
        .expect("appended");
    let other = tempfile::tempdir().expect("a folder");
    let copy = other.path().join("chat.db");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&path, suffix), beside(&copy, suffix)).expect("copied");
    }
    let (recovered, all, _) = rescue(&copy).await;
    assert_eq!(recovered.kept, COUNT);
    assert_eq!(differences(&all, &truth), []);
}

#[tokio::test]
async fn a_file_that_is_cut_off_within_a_page_is_read_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, truth) = chat(folder.path()).await;
    let page = fs::metadata(&path).expect("there").len() / 4096 / 2;
    let mut kept = Vec::new();
    for length in [page * 4096 + 2048, page * 4096] {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("ours");
        file.set_len(length).expect("cut");
        let (recovered, all, _) = rescue(&path).await;
        fs::remove_file(beside(&path, ".recovered")).expect("there");
        let last = recovered.positions.1.get();
        assert_eq!(recovered.positions.0, Position::new(1));
        let truth = &truth[..usize::try_from(last).expect("small")];
        let lost = differences(&all, truth);
        assert_eq!(recovered.kept + lost.len() as u64, last);
        kept.push(recovered.kept);
    }
    assert!(kept[0] > kept[1] + 10 && kept[1] > 100, "{kept:?}");
}

#[tokio::test]
async fn a_chat_of_the_first_schema_is_rescued() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let truth = records(COUNT);
    old_chat(&path, &truth);
    let (recovered, all, fold) = rescue(&path).await;
    assert_eq!(recovered.kept, COUNT);
    assert_eq!(differences(&all, &truth), []);
    assert_eq!(fold.count(), 1);
}

#[test]
fn a_file_without_a_chat_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    fs::write(&path, "no chat at all").expect("written");
    let target = folder.path().join("new.db");
    let error = recover(&path, &target, &mut os_random).expect_err("nothing");
    assert!(matches!(error, RecoverError::Nothing(_)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).expect("it").count(), 1);
}
