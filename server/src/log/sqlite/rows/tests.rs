//! Where a page of records begins and ends, and where a time is.

use std::path::PathBuf;

use chitty_chat::secret::os_random;
use chitty_room::Fold;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::log::{Keep, Log as _, SqliteLog, check, tests::records};

const LOBBY: ChatNumber = ChatNumber::LOBBY;
const COUNT: u64 = 20;
const ALL: PageLimit = PageLimit {
    records: 100,
    bytes: usize::MAX,
};

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("chat.db")
}

async fn chat() -> (TempDir, Connection) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = SqliteLog::open::<Fold>(&path(&folder), &mut os_random).expect("new");
    log.append(Position::ZERO, records(COUNT).into())
        .await
        .expect("appended");
    drop(log);
    let connection = Connection::open(path(&folder)).expect("opened");
    (folder, connection)
}

/// The positions of a page of a log that reaches to the end.
fn page(connection: &Connection, after: u64, limit: PageLimit) -> Vec<u64> {
    let page = read_page(connection, LOBBY, after.into(), limit, COUNT.into()).expect("in order");
    page.iter()
        .map(|record| record.event.position.get())
        .collect()
}

#[tokio::test]
async fn a_page_begins_after_what_is_known_and_ends_at_the_end() {
    let (_folder, connection) = chat().await;
    for after in 0..=COUNT {
        let expected: Vec<_> = (after + 1..=COUNT).collect();
        assert_eq!(page(&connection, after, ALL), expected);
    }
}

#[tokio::test]
async fn a_page_has_no_more_records_or_bytes_than_are_wanted_but_one_in_any_case() {
    let (_folder, connection) = chat().await;
    let size = |position: usize| records(COUNT)[position - 1].encode().len();
    for after in [0, 5] {
        for count in 1..5 {
            let limit = PageLimit {
                records: count,
                bytes: usize::MAX,
            };
            assert_eq!(page(&connection, after, limit).len(), count);
        }
    }
    let two = size(6) + size(7);
    for (bytes, expected) in [
        (0, &[6][..]),
        (two - 1, &[6]),
        (two, &[6, 7]),
        (two + size(8) - 1, &[6, 7]),
        (two + size(8), &[6, 7, 8]),
    ] {
        let limit = PageLimit {
            records: 100,
            bytes,
        };
        assert_eq!(page(&connection, 5, limit), expected, "{bytes}");
    }
}

#[tokio::test]
async fn an_end_that_is_missing_is_an_error_unless_it_is_not_on_the_page() {
    let (_folder, connection) = chat().await;
    let more = Position::new(COUNT + 1);
    for after in [0, 5, COUNT - 1, COUNT] {
        let error =
            read_page(&connection, LOBBY, after.into(), ALL, more).expect_err("it ends before");
        assert!(
            matches!(error, Problem::End { head, acknowledged }
                if head.get() == COUNT && acknowledged == more),
            "{error}"
        );
    }
    let rest = PageLimit {
        records: 15,
        bytes: usize::MAX,
    };
    let last = read_page(&connection, LOBBY, 5.into(), rest, more).expect("it is full");
    assert_eq!(last.len(), 15);
    let one_more = PageLimit {
        records: 16,
        ..rest
    };
    read_page(&connection, LOBBY, 5.into(), one_more, more).expect_err("it is not full");
}

#[tokio::test]
async fn a_page_of_a_trimmed_log_begins_with_what_is_kept() {
    let (_folder, mut connection) = chat().await;
    let transaction = connection.transaction().expect("begun");
    let extent = Extent {
        first: 1.into(),
        head: COUNT.into(),
        base: LamportTime::ZERO,
        bytes: 100_000,
    };
    let trimmed =
        trim(&transaction, LOBBY, Keep::Events(8), COUNT.into(), extent).expect("trimmed");
    transaction.commit().expect("committed");
    assert_eq!(trimmed.first.get(), 13);
    let dropped: usize = records(12).iter().map(|record| record.encode().len()).sum();
    assert_eq!(trimmed.bytes, 100_000 - dropped as u64);
    assert_eq!(trimmed.base, records(12)[11].event.lamport);
    assert_eq!(
        ChatRow::verified(&connection, LOBBY)
            .expect("whole")
            .first
            .get(),
        13
    );
    for after in 0..=12 {
        assert_eq!(page(&connection, after, ALL), (13..=20).collect::<Vec<_>>());
    }
    assert_eq!(page(&connection, 13, ALL), (14..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_damaged_record_before_a_page_does_not_keep_it_from_being_read() {
    let (_folder, connection) = chat().await;
    connection
        .execute_batch("UPDATE records SET record = x'00' WHERE position = 7")
        .expect("changed");
    assert_eq!(page(&connection, 7, ALL), (8..=20).collect::<Vec<_>>());
    for after in [0, 5, 6] {
        read_page(&connection, LOBBY, after.into(), ALL, COUNT.into()).expect_err("damaged");
    }
    // One that is whole, but of another log.
    connection
        .execute_batch("UPDATE records SET checksum = checksum + (1 << 32) WHERE position = 15")
        .expect("changed");
    assert_eq!(
        page(&connection, 7, PageLimit { records: 7, ..ALL }).len(),
        7
    );
    for after in [7, 14] {
        let error =
            read_page(&connection, LOBBY, after.into(), ALL, COUNT.into()).expect_err("damaged");
        assert!(
            matches!(error, Problem::Chain { position } if position.get() == 15),
            "{error}"
        );
    }
}

/// The row is whole, and of another chat.
#[tokio::test]
async fn a_chat_whose_first_record_does_not_follow_on_what_was_dropped_is_damaged() {
    let (folder, connection) = chat().await;
    let mut row = ChatRow::verified(&connection, LOBBY).expect("whole");
    row.chain = 7;
    row.write(&connection).expect("written");
    drop(connection);
    let said = check::<Fold>(&path(&folder))
        .expect_err("damaged")
        .to_string();
    assert!(
        said.contains("position 1: this record was not written after"),
        "{said}"
    );
    SqliteLog::open::<Fold>(&path(&folder), &mut os_random)
        .err()
        .expect("damaged");
}

#[tokio::test]
async fn a_time_is_where_the_first_event_of_it_or_later_is() {
    let (_folder, connection) = chat().await;
    let all = records(COUNT);
    let last = all[all.len() - 1].event.lamport.get();
    for lamport in 0..last + 3 {
        let expected = all
            .iter()
            .find(|record| record.event.lamport.get() >= lamport)
            .map_or(COUNT + 1, |record| record.event.position.get());
        let found = locate(&connection, LOBBY, lamport.into(), COUNT.into()).expect("in order");
        assert_eq!(found.get(), expected, "{lamport}");
    }
    assert_eq!(
        locate(&connection, LOBBY, 1.into(), Position::ZERO)
            .expect("nothing is held")
            .get(),
        1
    );
}
