//! A bit that flips anywhere in a chat's files is found, or was never read.

use std::{fs, path::Path};

use chitty_chat::secret::os_random;
use chitty_room::Fold;
use rusqlite::Connection;

use super::*;
use crate::{log::tests::ALL, replay::replay};

/// What a chat's files hold: their names and their bytes.
type Files = Vec<(&'static str, Vec<u8>)>;

fn files_of(folder: &Path) -> Files {
    ["chat.db", "chat.db-wal", "chat.db-mark"]
        .into_iter()
        .filter_map(|name| Some((name, fs::read(folder.join(name)).ok()?)))
        .collect()
}

fn write(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("written");
    }
}

fn serve(folder: &Path) -> Result<SqliteLog, String> {
    let data = DataDir::open(folder).map_err(|error| error.to_string())?;
    SqliteLog::serve::<Fold>(&data, &mut os_random).map_err(|error| error.to_string())
}

/// All that can be read of a log, as it is served.
async fn read_all(log: &SqliteLog) -> Result<Vec<Record>, String> {
    let fold = replay(log).await.map_err(|error| error.to_string())?;
    let page = log.read(Position::ZERO, ALL).await;
    let page = page.map_err(|error| error.to_string())?;
    assert_eq!(fold.head(), log.extent().head);
    Ok(page)
}

/// Reads all; then, if asked, writes another record and reads all again, in another life of the
/// process.
async fn use_it(folder: &Path, next: Option<&Record>) -> Result<Vec<Record>, String> {
    let log = serve(folder)?;
    let mut all = read_all(&log).await?;
    let Some(next) = next else { return Ok(all) };
    log.append(log.extent().head, [next.clone()].into())
        .await
        .map_err(|error| error.to_string())?;
    drop(log);
    let again = read_all(&serve(folder)?).await?;
    all.push(next.clone());
    assert_eq!(again, all);
    Ok(all)
}

/// Flips bits of this file, so many, spread over all of it. Returns how many were found.
async fn flip(files: &Files, name: &str, count: usize, truth: &[Record]) -> usize {
    let index = files.iter().position(|(file, _)| *file == name);
    let index = index.expect("one of them");
    let length = files[index].1.len();
    let (next, kept) = truth.split_last().expect("some");
    let mut found = 0;
    for number in 0..count {
        let mut flipped = files.clone();
        let byte = number * length / count;
        flipped[index].1[byte] ^= 1 << (number % 8);
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &flipped);
        let check = check::<Fold>(&folder.path().join("chat.db"));
        let next = (number % 7 == 0).then_some(next);
        match use_it(folder.path(), next).await {
            Ok(all) => assert_eq!(&all[..kept.len()], kept, "{name} {byte}: served otherwise"),
            Err(error) => {
                assert!(check.is_err(), "{name} {byte}: check is silent: {error}");
                found += 1;
            }
        }
    }
    found
}

async fn fill(log: &SqliteLog, records: &[Record]) {
    for batch in records.chunks(3) {
        log.append(log.extent().head, batch.into())
            .await
            .expect("appended");
    }
}

#[tokio::test]
async fn a_flipped_bit_of_a_closed_chat_is_found_or_never_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let truth = records(61);
    let log = serve(folder.path()).expect("new");
    fill(&log, &truth[..60]).await;
    drop(log);
    let files = files_of(folder.path());
    assert_eq!(files.len(), 2, "the write-ahead log is folded in");
    let found = flip(&files, "chat.db", 1_000, &truth).await;
    assert!(found > 200, "most of the file means something: {found}");
}

#[tokio::test]
async fn a_flipped_bit_of_a_capped_chat_is_found_or_never_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let truth = records(61);
    let log = serve(folder.path()).expect("new");
    fill(&log, &truth[..60]).await;
    let snapshot = replay(&log).await.expect("in order").encode();
    log.keep_snapshot(60.into(), Box::new(|| snapshot))
        .await
        .expect("kept");
    log.trim(Keep::Events(20), 60.into())
        .await
        .expect("trimmed");
    drop(log);
    flip(&files_of(folder.path()), "chat.db", 300, &truth[40..]).await;
}

#[tokio::test]
async fn a_flipped_bit_of_what_a_killed_server_left_is_found_or_never_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let truth = records(61);
    let log = serve(folder.path()).expect("new");
    fill(&log, &truth[..60]).await;
    // Nothing is being written: it is as if the server was killed now.
    let files = files_of(folder.path());
    assert_eq!(files.len(), 3);
    let found = flip(&files, "chat.db-wal", 300, &truth).await;
    assert_eq!(
        found, 300,
        "without its end the log is not what was acknowledged"
    );
    flip(&files, "chat.db", 100, &truth).await;
    // The mark may be damaged: what it was for is there.
    assert_eq!(flip(&files, "chat.db-mark", 50, &truth).await, 0);
}

#[tokio::test]
async fn a_damaged_record_is_refused_while_the_rest_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let truth = records(60);
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("new");
    fill(&log, &truth).await;
    let connection = Connection::open(&path).expect("opened");
    let other = records(60)[28].encode();
    connection
        .execute(
            "UPDATE records SET record = ?1 WHERE position = 30",
            [other],
        )
        .expect("changed");
    for (after, limit, is_read) in [
        (0, 29, true),
        (0, 30, false),
        (29, 1, false),
        (30, 30, true),
    ] {
        let limit = PageLimit {
            records: limit,
            ..ALL
        };
        let page = log.read(after.into(), limit).await;
        assert_eq!(page.is_ok(), is_read, "{after}: {page:?}");
        if let Err(error) = page {
            let error = error.to_string();
            assert!(
                error.contains("position 30: the checksum is wrong"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_record_in_the_place_of_another_breaks_the_chain() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let truth = records(60);
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("new");
    fill(&log, &truth).await;
    drop(log);
    // Whole by itself, with a checksum of its own, but never written here.
    let mut other = truth[29].clone();
    if let chitty_chat::EventKind::Message { text, .. } = &mut other.event.kind {
        *text = "something else".into();
    }
    let connection = Connection::open(&path).expect("opened");
    let own = checksum::Checksum::of(7, Position::new(30), &other.encode());
    connection
        .execute(
            "UPDATE records SET record = ?1, checksum = ?2 WHERE position = 30",
            (other.encode(), own.pack()),
        )
        .expect("changed");
    drop(connection);
    let error = check::<Fold>(&path).expect_err("found").to_string();
    assert!(
        error.contains("position 30: this record was not written after"),
        "{error}"
    );
    SqliteLog::open::<Fold>(&path, &mut os_random)
        .err()
        .expect("found at the start");
}
