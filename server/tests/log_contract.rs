//! The server's logs keep the contract of all logs.

use std::path::Path;

use chitty_chat::{Position, secret::os_random};
use chitty_room::Fold;
use chitty_server::log::{Keep, Log as _, MemoryLog, OpenError, SqliteLog};
use chitty_testing::log_contract::{ALL, batch};
use tempfile::TempDir;

chitty_testing::log_contract! {
    #[tokio::test]
    in_memory => crate::in_memory_log
}

chitty_testing::log_contract! {
    #[tokio::test]
    in_sqlite => crate::in_sqlite_log
}

fn in_memory_log() -> ((), MemoryLog) {
    ((), MemoryLog::new(&mut os_random))
}

fn in_sqlite_log() -> (TempDir, SqliteLog) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(&folder.path().join("chat.db")).expect("new");
    (folder, log)
}

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open::<Fold>(path, &mut os_random)
}

#[tokio::test]
async fn what_was_appended_is_there_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let log = open(&path).expect("new");
    let epoch = log.epoch();
    log.append(Position::ZERO, batch(1..=9))
        .await
        .expect("first");
    log.keep_snapshot(Position::new(9), Box::new(|| vec![1, 2]))
        .await
        .expect("kept");
    log.trim(Keep::Events(5), Position::new(9))
        .await
        .expect("trimmed");
    let extent = log.extent();
    drop(log);
    let files: Vec<_> = std::fs::read_dir(folder.path()).expect("it").collect();
    assert_eq!(
        files.len(),
        1,
        "closing folds the write-ahead log in: {files:?}"
    );
    let log = open(&path).expect("the same");
    assert_eq!((log.epoch(), log.extent()), (epoch, extent));
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![1, 2]));
    assert_eq!(
        log.read(Position::ZERO, ALL).await.expect("readable").len(),
        5
    );
}
