//! Files that are refused, and when a cap is exceeded. The contract of all logs is tested in
//! `tests/log_contract.rs`.

use std::path::Path;

use chitty_chat::secret::os_random;
use chitty_room::Fold;

pub(crate) use super::sqlite::{old_chat, records};
use super::*;

/// A page limit that any log of a test fits in.
pub(crate) const ALL: PageLimit = PageLimit {
    records: 1000,
    bytes: usize::MAX,
};

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open::<Fold>(path, &mut os_random)
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
            known: 4,
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

#[test]
fn a_cap_is_exceeded_by_one_and_far_exceeded_by_more_than_a_tenth() {
    let extent = |events: u64, bytes: u64| Extent {
        first: Position::new(8),
        head: Position::new(7 + events),
        base: LamportTime::new(21),
        bytes,
    };
    for (size, is_exceeded, is_far_exceeded) in [
        (100, false, false),
        (101, true, false),
        (110, true, false),
        (111, true, true),
    ] {
        for (keep, extent) in [
            (Keep::Events(100), extent(size, 0)),
            (Keep::Bytes(100), extent(0, size)),
        ] {
            assert_eq!(keep.is_exceeded(&extent), is_exceeded, "{size}");
            assert_eq!(keep.is_far_exceeded(&extent), is_far_exceeded, "{size}");
        }
    }
}
