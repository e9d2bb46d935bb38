//! Whose a file is, and of which version.

use std::path::Path;

use chitty_chat::secret::os_random;
use rusqlite::Connection;

use super::*;
use crate::log::{
    PageLimit,
    sqlite::chat_row,
    tests::{old_chat, records},
};

/// "Chit".
const OURS: i64 = 0x4368_6974;

fn with_header(application: i64, version: i64, tables: usize) -> Connection {
    let connection = Connection::open_in_memory().expect("opened");
    for migration in MIGRATIONS.iter().take(tables) {
        connection.execute_batch(migration).expect("made");
    }
    connection
        .pragma_update(None, "application_id", application)
        .and_then(|()| connection.pragma_update(None, "user_version", version))
        .expect("set");
    connection
}

#[test]
fn only_what_is_empty_or_ours_is_taken() {
    let path = Path::new("chat.db");
    let check =
        |application, version, tables| check(&with_header(application, version, tables), path);
    assert_eq!(check(0, 0, 0).expect("empty"), 0);
    for (version, tables) in [(1, 1), (2, 2), (3, 3), (4, 4)] {
        let found = check(OURS, version, tables).expect("ours");
        assert_eq!(found, tables);
    }
    for (application, version, tables) in [
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
        (0, 4, 1),
        (5, 0, 0),
        (5, 1, 1),
        (5, 4, 1),
        (OURS, 0, 0),
        (OURS, 0, 1),
        (OURS, -1, 1),
    ] {
        let what = format!("{application}, {version}, {tables}");
        let error = check(application, version, tables).expect_err(&what);
        assert!(
            matches!(error, OpenError::Foreign { .. }),
            "{what}: {error}"
        );
    }
    let newer = check(OURS, 5, 4).expect_err("newer");
    assert!(
        matches!(
            newer,
            OpenError::Newer {
                found: 5,
                known: 4,
                ..
            }
        ),
        "{newer}"
    );
}

#[test]
fn the_tables_are_those_of_the_version_and_nothing_else() {
    for version in 1..=MIGRATIONS.len() {
        let connection = with_header(OURS, 0, version);
        check_tables(&connection, version).expect("as made");
        for other in (0..=MIGRATIONS.len()).filter(|other| *other != version) {
            check_tables(&connection, other).expect_err("of another version");
        }
        connection
            .execute_batch("CREATE VIEW v AS SELECT 1")
            .expect("made");
        check_tables(&connection, version).expect_err("there is more");
    }
}

#[test]
fn a_file_that_vacuums_itself_is_refused() {
    for (mode, is_right) in [("NONE", true), ("FULL", false), ("INCREMENTAL", false)] {
        let connection = Connection::open_in_memory().expect("opened");
        connection
            .pragma_update(None, "auto_vacuum", mode)
            .expect("set");
        connection.execute_batch(MIGRATIONS[0]).expect("made");
        assert_eq!(check_tables(&connection, 1).is_ok(), is_right, "{mode}");
    }
}

#[test]
fn a_file_that_is_no_database_is_foreign_and_other_failures_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("text");
    std::fs::write(&path, "no database at all ".repeat(50)).expect("written");
    let connection = Connection::open(&path).expect("opened");
    let error = check(&connection, &path).expect_err("no database");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let error = Connection::open(folder.path()).expect_err("a folder");
    let error = failed(folder.path())(error);
    assert!(matches!(error, OpenError::Sqlite { .. }), "{error}");
}

#[test]
fn a_new_chat_and_a_migrated_one_are_whole() {
    let mut new = Connection::open_in_memory().expect("opened");
    upgrade(&mut new, 0, &mut os_random).expect("made");
    assert_eq!(check(&new, Path::new("new")).expect("ours"), 4);
    let chat = ChatRow::verified(&new, ChatNumber::LOBBY).expect("whole");
    assert_eq!((chat.first, chat.chain), (1.into(), checksum::START));
    assert!(!chat.restored && !chat.epoch.is_empty());

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    // More than are migrated at once.
    old_chat(&path, &records(2_001));
    let mut old = Connection::open(&path).expect("opened");
    old.execute("UPDATE chat SET snapshot = x'0102'", [])
        .expect("changed");
    upgrade(&mut old, 1, &mut os_random).expect("migrated");
    let chat = ChatRow::verified(&old, ChatNumber::LOBBY).expect("whole");
    assert_eq!((&*chat.epoch, chat.first), ("old", 1.into()));
    assert_eq!(chat.snapshot, Some(crc32c::crc32c(&[1, 2])));
    let snapshot = chat_row::raw_snapshot(&old, WITH_CHATS, ChatNumber::LOBBY);
    assert_eq!(snapshot.expect("read"), Some(vec![1, 2]));
    let limit = PageLimit {
        records: 3_000,
        bytes: usize::MAX,
    };
    let page = rows::read_page(&old, ChatNumber::LOBBY, Position::ZERO, limit, 2_001.into());
    assert_eq!(page.expect("each has its checksum"), records(2_001));
    assert_eq!(check(&old, &path).expect("ours"), WITH_CHATS);

    mark_restored(&mut old).expect("marked");
    assert!(
        ChatRow::verified(&old, ChatNumber::LOBBY)
            .expect("whole")
            .restored
    );
}

#[test]
fn what_is_acknowledged_survives_a_power_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = Connection::open(folder.path().join("chat.db")).expect("opened");
    connection
        .pragma_update(None, "synchronous", "OFF")
        .expect("set");
    configure(&connection).expect("configured");
    let number = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .expect("known")
    };
    let mode: String = connection
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .expect("known");
    assert_eq!(mode, "wal");
    assert_eq!(number("synchronous"), 2);
    assert_eq!(number("trusted_schema"), 0);
    assert_eq!(number("busy_timeout"), 5_000);
}
