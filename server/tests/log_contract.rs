//! The server's logs keep the contract of all logs, and its stores that of all stores.

use std::{path::Path, sync::Arc};

use chitty_chat::{Position, secret::os_random, text::ChatName};
use chitty_room::Fold;
use chitty_server::log::{
    Keep, Log, MemoryLog, MemoryStore, OpenError, SqliteLog, SqliteStore, Store,
};
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

chitty_testing::log_contract! {
    #[tokio::test]
    in_memory_beside_others => crate::log_beside_others_in_memory
}

chitty_testing::log_contract! {
    #[tokio::test]
    in_sqlite_beside_others => crate::log_beside_others_in_sqlite
}

chitty_testing::store_contract! {
    #[tokio::test]
    store_in_memory => crate::memory_store
}

chitty_testing::store_contract! {
    #[tokio::test]
    store_in_sqlite => crate::sqlite_store
}

fn memory_store() -> ((), MemoryStore) {
    ((), MemoryStore::new(&mut os_random))
}

fn sqlite_store() -> (TempDir, SqliteStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open::<Fold>(&folder.path().join("chat.db"), &mut os_random);
    (folder, store.expect("new"))
}

/// The log of a chat whose neighbours have records.
fn beside_others(store: Arc<dyn Store>) -> Arc<dyn Log> {
    // A runtime of its own, because the caller is in that of the test.
    let made = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let mut logs = vec![store.lobby()];
            for name in ["dev", "ops"] {
                let name = ChatName::parse(name).expect("a name");
                let created = store.create(&name, &mut os_random).await;
                logs.push(created.expect("there is space"));
            }
            let between = logs.remove(1);
            for log in logs {
                let appended = log.append(Position::ZERO, batch(1..=25)).await;
                appended.expect("empty");
                let kept = log.keep_snapshot(9.into(), Box::new(|| vec![99])).await;
                kept.expect("kept");
            }
            between
        })
    });
    made.join().expect("it runs")
}

fn log_beside_others_in_memory() -> ((), Arc<dyn Log>) {
    ((), beside_others(Arc::new(memory_store().1)))
}

fn log_beside_others_in_sqlite() -> (TempDir, Arc<dyn Log>) {
    let (folder, store) = sqlite_store();
    (folder, beside_others(Arc::new(store)))
}

fn in_memory_log() -> ((), Arc<MemoryLog>) {
    ((), Arc::new(MemoryLog::new(&mut os_random)))
}

fn in_sqlite_log() -> (TempDir, Arc<SqliteLog>) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(&folder.path().join("chat.db")).expect("new");
    (folder, Arc::new(log))
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
