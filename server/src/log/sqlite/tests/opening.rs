//! Files of older versions that were killed, and files that do not belong together.

use std::{fs, path::Path};

use chitty_chat::secret::os_random;
use chitty_room::Fold;
use rusqlite::Connection;

use super::*;
use crate::replay::replay;

/// The chat of `from`, as a server that is killed now leaves it.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-mark"] {
        let (from, to) = (beside(from, suffix), beside(to, suffix));
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(from, to).expect("copied");
        }
    }
}

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open::<Fold>(path, &mut os_random)
}

async fn length(path: &Path) -> u64 {
    let log = open(path).expect("in order");
    replay(&log).await.expect("in order").head().get()
}

/// A chat of the second schema, in WAL mode.
fn second_schema(path: &Path, count: u64) -> Connection {
    old_chat(path, &records(count));
    let connection = Connection::open(path).expect("opened");
    connection
        .execute_batch(schema::MIGRATIONS[1])
        .expect("migrated");
    connection
        .pragma_update(None, "user_version", 2)
        .expect("migrated");
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .expect("set");
    connection
}

#[tokio::test]
async fn a_chat_of_an_older_version_that_was_killed_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, other) = (folder.path().join("old.db"), folder.path().join("chat.db"));
    let connection = second_schema(&path, 9);
    // Its new life was in the write-ahead log only, in which all that follows was, too.
    connection
        .execute_batch("UPDATE chat SET restored = 1; PRAGMA wal_checkpoint(TRUNCATE);")
        .expect("changed");
    connection
        .execute("UPDATE chat SET epoch = 'new', restored = 0", [])
        .expect("changed");
    for record in &records(12)[9..] {
        let row = (rows::signed(record.event.position), record.encode());
        connection
            .execute("INSERT INTO records VALUES (?1, ?2)", row)
            .expect("appended");
    }
    copy(&path, &other);
    let log = open(&other).expect("migrated");
    assert_eq!((&*log.epoch(), log.extent().head), ("new", 12.into()));
    drop(log);
    assert_eq!(check::<Fold>(&other).expect("in order").schema, 4);
}

#[tokio::test]
async fn a_migrated_chat_is_whole_by_itself_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, alone) = (folder.path().join("old.db"), folder.path().join("chat.db"));
    drop(second_schema(&path, 9));
    let log = open(&path).expect("migrated");
    // The migration is in the file itself, so that its write-ahead log cannot be lost.
    fs::copy(&path, &alone).expect("copied");
    let summary = check::<Fold>(&alone).expect("in order");
    assert_eq!((summary.schema, summary.extent.head), (4, 9.into()));
    log.append(9.into(), records(12)[9..].into())
        .await
        .expect("appended");
    drop(log);
    assert_eq!(
        check::<Fold>(&path).expect("in order").extent.head,
        12.into()
    );
    assert_eq!(length(&path).await, 12);
}

#[tokio::test]
async fn a_migration_that_is_cut_off_has_not_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, other) = (folder.path().join("old.db"), folder.path().join("chat.db"));
    let connection = second_schema(&path, 3000);
    // So that much of it is in the write-ahead log before it is committed.
    connection
        .pragma_update(None, "cache_size", 10)
        .expect("set");
    connection
        .execute_batch("BEGIN")
        .and_then(|()| connection.execute_batch(schema::MIGRATIONS[2]))
        .and_then(|()| connection.execute_batch("UPDATE records SET checksum = position"))
        .expect("under way");
    copy(&path, &other);
    let log = fs::metadata(beside(&other, "-wal")).expect("there");
    assert!(log.len() > 100_000, "{}", log.len());
    assert_eq!(length(&other).await, 3000);
}

#[tokio::test]
async fn an_older_copy_is_not_mixed_with_a_newer_write_ahead_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let path = data.join("chat.db");
    let all = records(3000);
    {
        let log = SqliteLog::serve::<Fold>(&DataDir::open(&data).expect("ours"), &mut os_random);
        let log = log.expect("new");
        log.append(0.into(), all[..20].into())
            .await
            .expect("appended");
    }
    let old = folder.path().join("old.db");
    fs::copy(&path, &old).expect("copied");
    let (killed, data) = (folder.path().join("killed/chat.db"), DataDir::open(&data));
    fs::create_dir(killed.parent().expect("one")).expect("made");
    {
        let log = SqliteLog::serve::<Fold>(&data.expect("ours"), &mut os_random).expect("in order");
        for batch in all[20..].chunks(200) {
            let after = log.extent().head;
            log.append(after, batch.into()).await.expect("appended");
        }
        copy(&path, &killed);
    }
    assert_eq!(length(&killed).await, 3000);

    // The file has not what the log was written on.
    let between = folder.path().join("between");
    fs::create_dir(&between).expect("made");
    let between = between.join("chat.db");
    let log = open(&path).expect("in order");
    let more = &records(3010)[3000..];
    log.append(3000.into(), more.into())
        .await
        .expect("appended");
    copy(&path, &between);
    drop(log);
    fs::copy(&old, &between).expect("copied");
    let before = fs::read(beside(&between, "-wal")).expect("there");
    let error = open(&between).err().expect("refused");
    assert!(matches!(error, OpenError::Incomplete { .. }), "{error}");
    assert_eq!(fs::read(beside(&between, "-wal")).expect("there"), before);
    assert_eq!(
        fs::read(&between).expect("there"),
        fs::read(&old).expect("there")
    );
    // Nobody knows better without the mark: it is the older copy, and not damaged.
    fs::remove_file(beside(&between, "-mark")).expect("there");
    assert_eq!(length(&between).await, 20);
}

#[tokio::test]
async fn a_check_lists_all_that_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let log = open(&path).expect("new");
    log.append(0.into(), records(400).into())
        .await
        .expect("appended");
    drop(log);
    let connection = Connection::open(&path).expect("opened");
    connection
        .execute_batch(
            "UPDATE records SET record = zeroblob(9) WHERE position % 2 = 0;
             UPDATE chat SET epoch = 'another';",
        )
        .expect("changed");
    drop(connection);
    let Err(CheckError::Damaged { problems, .. }) = check::<Fold>(&path) else {
        panic!("it is damaged");
    };
    assert_eq!(problems.count(), 201);
    assert_eq!(problems.listed().len(), 100);
    let said = problems.to_string();
    for part in [
        "201 problems",
        "position 2:",
        "position 100:",
        "epoch",
        "and 101 more",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_chat_that_is_gone_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let said = || open(&path).err().expect("it was there").to_string();
    {
        let data = DataDir::open(folder.path()).expect("ours");
        let log = SqliteLog::serve::<Fold>(&data, &mut os_random).expect("new");
        let appended = log.append(0.into(), records(9).into()).await;
        appended.expect("appended");
        copy(&path, &folder.path().join("killed.db"));
    }
    fs::remove_file(&path).expect("there");
    let error = said();
    let mark = beside(&path, "-mark").display().to_string();
    assert!(
        error.contains(&format!(
            "its mark {mark}, by which everything up to position 9 was acknowledged, is"
        )),
        "{error}"
    );
    fs::remove_file(&mark).expect("there");
    let log = beside(&path, "-wal");
    fs::copy(folder.path().join("killed.db-wal"), &log).expect("copied");
    let error = said();
    assert!(
        error.contains(&format!("its write-ahead log {} is", log.display())),
        "{error}"
    );
}
