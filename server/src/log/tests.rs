//! What every log does, run on each.

use std::{path::Path, time::UNIX_EPOCH};

use chitty_chat::{Event, EventKind, secret::os_random};

use super::*;

fn record(position: u64) -> Record {
    Record {
        event: Event {
            position: position.into(),
            lamport: (position * 3).into(),
            at: UNIX_EPOCH,
            request: 1.into(),
            kind: EventKind::Unknown,
        },
        session: None,
        generation: 0,
    }
}

fn batch(positions: std::ops::RangeInclusive<u64>) -> Arc<[Record]> {
    positions.map(record).collect()
}

fn positions(page: &[Record]) -> Vec<u64> {
    page.iter()
        .map(|record| record.event.position.get())
        .collect()
}

const ALL: PageLimit = PageLimit {
    records: 1000,
    bytes: usize::MAX,
};

async fn keeps_the_contract(log: &dyn Log) {
    let at = Position::new;
    assert_eq!(log.extent(), Extent::EMPTY);
    assert_eq!(log.read(at(0), ALL).await.expect("readable"), []);
    assert_eq!(
        lamport_at(log, at(0)).await.expect("readable"),
        Some(LamportTime::ZERO)
    );
    assert_eq!(lamport_at(log, at(1)).await.expect("readable"), None);
    assert_eq!(
        locate(log, LamportTime::new(5)).await.expect("readable"),
        at(1)
    );

    log.append(at(0), batch(1..=3)).await.expect("first");
    log.append(at(3), batch(4..=10)).await.expect("second");
    let conflict = log.append(at(3), batch(4..=5)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.extent().head, at(10));

    let page = log.read(at(0), ALL).await.expect("readable");
    assert_eq!(page.as_slice(), &*batch(1..=10));
    let some = PageLimit { records: 3, ..ALL };
    assert_eq!(
        positions(&log.read(at(4), some).await.expect("readable")),
        [5, 6, 7]
    );
    let small = PageLimit { bytes: 1, ..ALL };
    assert_eq!(
        positions(&log.read(at(4), small).await.expect("readable")),
        [5]
    );
    let one = record(1).encode().len();
    let two = PageLimit {
        bytes: 2 * one,
        ..ALL
    };
    assert_eq!(
        positions(&log.read(at(0), two).await.expect("readable")),
        [1, 2]
    );

    assert_eq!(
        lamport_at(log, at(7)).await.expect("readable"),
        Some(LamportTime::new(21))
    );
    for (time, position) in [(1, 1), (3, 1), (4, 2), (21, 7), (30, 10), (31, 11)] {
        let found = locate(log, LamportTime::new(time)).await.expect("readable");
        assert_eq!(found, at(position), "{time}");
    }

    let stale = log.trim(Keep::Events(4), at(9), vec![7]).await;
    assert!(matches!(stale, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.snapshot().await.expect("readable"), None);
    let extent = log
        .trim(Keep::Events(4), at(10), vec![7])
        .await
        .expect("trimmed");
    assert_eq!(
        (extent.first, extent.head, extent.events()),
        (at(7), at(10), 4)
    );
    assert_eq!(extent, log.extent());
    assert_eq!(extent.base, LamportTime::new(18));
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![7]));
    assert_eq!(
        positions(&log.read(at(0), ALL).await.expect("readable")),
        [7, 8, 9, 10]
    );
    assert_eq!(
        lamport_at(log, at(6)).await.expect("readable"),
        Some(LamportTime::new(18))
    );
    assert_eq!(lamport_at(log, at(5)).await.expect("readable"), None);
    assert_eq!(
        locate(log, LamportTime::new(4)).await.expect("readable"),
        at(7)
    );

    log.append(at(10), batch(11..=12)).await.expect("goes on");
    let bytes: usize = (11..=12)
        .map(|position| record(position).encode().len())
        .sum();
    let extent = log
        .trim(Keep::Bytes(bytes as u64), at(12), vec![8])
        .await
        .expect("trimmed");
    assert_eq!((extent.first, extent.bytes), (at(11), bytes as u64));
}

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open(path, &mut os_random)
}

#[tokio::test]
async fn in_memory() {
    keeps_the_contract(&MemoryLog::new(&mut os_random)).await;
}

#[tokio::test]
async fn in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    keeps_the_contract(&open(&folder.path().join("chat.db")).expect("new")).await;
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
    log.trim(Keep::Events(5), Position::new(9), vec![1, 2])
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

#[test]
fn a_foreign_file_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "not a database, but long enough to have a header of its own".repeat(9),
    )
    .expect("written");
    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).expect("made");
    connection
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .expect("made");
    drop(connection);
    for path in [text, other] {
        let before = std::fs::read(&path).expect("readable");
        let error = open(&path).err().expect("refused");
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&path).expect("readable"), before);
        assert!(!path.with_extension("db-wal").exists());
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    drop(open(&path).expect("new"));
    let connection = rusqlite::Connection::open(&path).expect("opened");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("written");
    drop(connection);
    assert!(matches!(
        open(&path),
        Err(OpenError::Newer {
            found: 99,
            known: 2,
            ..
        })
    ));
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_a_chat() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let _log = open(&path).expect("new");
    let mode = std::fs::metadata(&path)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
