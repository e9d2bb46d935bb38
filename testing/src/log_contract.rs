//! The contract of [`Log`], one test for each clause, for every implementation of it.
//!
//! [`log_contract!`](crate::log_contract!) generates the tests. Each clause gets a new log and brings
//! it into the state that it needs, so that a clause that fails says what is wrong.

use std::{ops::RangeInclusive, time::UNIX_EPOCH};

use chitty_chat::{Event, EventKind, LamportTime, Position};
use chitty_room::record::{Batch, Record, put_bare};
use chitty_server::log::{AppendError, Extent, Keep, Log, PageLimit, TRIM_STEP, lamport_at};

/// Generates a module with a test for each clause of the contract.
///
/// It takes the attribute of the tests, the name of the module, and a function that makes a new log,
/// in an `Arc`. The function returns a guard, too, such as a temporary folder, which lives as long as the log:
///
/// ```text
/// fn new_log() -> (TempDir, Arc<MyLog>) { … }
///
/// chitty_testing::log_contract! {
///     #[tokio::test]
///     my_log => crate::new_log
/// }
/// ```
#[macro_export]
macro_rules! log_contract {
    (#[$test:meta] $module:ident => $new:path) => {
        $crate::log_contract! {
            @clauses #[$test] $module => $new;
            is_new_and_empty,
            appends_only_at_its_head,
            reads_pages_within_their_limits,
            reads_encoded_events_as_they_are,
            finds_positions_by_their_times,
            refuses_a_snapshot_beyond_its_head,
            keeps_the_newest_snapshot,
            trims_no_further_than_the_snapshot,
            reads_what_is_left_after_a_trim,
            finds_times_after_a_trim,
            keeps_the_newest_bytes,
            trims_step_by_step,
        }
    };
    (@clauses #[$test:meta] $module:ident => $new:path; $($clause:ident,)+) => {
        mod $module {
            $(
                #[$test]
                async fn $clause() {
                    // The log is declared last, and so dropped before its guard.
                    let (_guard, log) = $new();
                    $crate::log_contract::$clause(&*log).await;
                }
            )+
        }
    };
}

/// A page limit that any log of a test fits in.
pub const ALL: PageLimit = PageLimit {
    records: 1000,
    bytes: usize::MAX,
};

/// A record of this position, whose Lamport time is three times the position.
pub fn record(position: u64) -> Record {
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
        private: None,
    }
}

/// The records of these positions.
pub fn batch(positions: RangeInclusive<u64>) -> Batch {
    positions.map(record).collect()
}

/// A new log holds nothing, and its next position is 1.
pub async fn is_new_and_empty(log: &dyn Log) {
    let extent = log.extent();
    assert_eq!(
        (extent.first, extent.head, extent.events()),
        (at(1), at(0), 0)
    );
    assert_eq!((extent.base, extent.bytes), (LamportTime::ZERO, 0));
    assert_eq!(log.read(at(0), ALL).await.expect("readable"), []);
    assert_eq!(time_at(log, 0).await, Some(LamportTime::ZERO));
    assert_eq!(time_at(log, 1).await, None);
    assert_eq!(locate(log, 5).await, at(1));
}

/// An append is refused unless it continues the log: its author has to decide again.
pub async fn appends_only_at_its_head(log: &dyn Log) {
    fill(log).await;
    let conflict = log.append(at(3), batch(4..=5)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.extent().head, at(10));
}

/// A page has as many records as its limits allow, but at least one.
pub async fn reads_pages_within_their_limits(log: &dyn Log) {
    fill(log).await;
    let page = log.read(at(0), ALL).await.expect("readable");
    assert_eq!(Batch::from(page), batch(1..=10));
    let some = PageLimit { records: 3, ..ALL };
    assert_eq!(read(log, 4, some).await, [5, 6, 7]);
    let small = PageLimit { bytes: 1, ..ALL };
    assert_eq!(read(log, 4, small).await, [5]);
    let two = PageLimit {
        bytes: 2 * record(1).encode().len(),
        ..ALL
    };
    assert_eq!(read(log, 0, two).await, [1, 2]);
}

/// `read_events` gives the same page as `read`, as encoded events.
pub async fn reads_encoded_events_as_they_are(log: &dyn Log) {
    fill(log).await;
    let some = PageLimit { records: 3, ..ALL };
    for (after, limit, positions) in [(0, ALL, 1..=10), (4, some, 5..=7)] {
        let events = log.read_events(at(after), limit, put_bare).await;
        let events = events.expect("readable");
        assert_eq!(events.first(), at(*positions.start()));
        assert_eq!(events.last(), at(*positions.end()));
        let ranges: Vec<_> = events.ranges().collect();
        let bytes = events.into_bytes();
        let read = ranges.into_iter().map(|range| &bytes[range]);
        let batch = batch(positions);
        assert!(read.eq(batch.iter().map(|record| &*record.event().bytes)));
    }
    let events = log.read_events(at(10), ALL, put_bare).await;
    assert!(events.expect("readable").is_empty());
}

/// `locate` finds the first position whose time is not earlier.
pub async fn finds_positions_by_their_times(log: &dyn Log) {
    fill(log).await;
    assert_eq!(time_at(log, 7).await, Some(LamportTime::new(21)));
    for (time, position) in [(1, 1), (3, 1), (4, 2), (21, 7), (30, 10), (31, 11)] {
        assert_eq!(locate(log, time).await, at(position), "{time}");
    }
}

/// A snapshot of a position that the log does not have is refused.
pub async fn refuses_a_snapshot_beyond_its_head(log: &dyn Log) {
    fill(log).await;
    let stale = log.keep_snapshot(at(11), Box::new(|| vec![6])).await;
    assert!(matches!(stale, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.snapshot().await.expect("readable"), None);
}

/// A snapshot replaces the one before, and outlives a trim.
pub async fn keeps_the_newest_snapshot(log: &dyn Log) {
    fill(log).await;
    keep_snapshot(log, 9, 7).await;
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![7]));
    trim(log, Keep::Events(4), 9).await;
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![7]));
    keep_snapshot(log, 10, 8).await;
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![8]));
}

/// Records that the snapshot does not cover are kept, even if there are more than asked for.
pub async fn trims_no_further_than_the_snapshot(log: &dyn Log) {
    fill(log).await;
    keep_snapshot(log, 9, 7).await;
    let extent = trim(log, Keep::Events(4), 3).await;
    assert_eq!(extent.first, at(4), "no further than the snapshot reaches");
    let extent = trim(log, Keep::Events(4), 9).await;
    assert_eq!(
        (extent.first, extent.head, extent.events()),
        (at(7), at(10), 4)
    );
    assert_eq!(extent, log.extent());
    assert_eq!(extent.base, LamportTime::new(18));
}

/// After a trim a page begins at the first position that is kept.
pub async fn reads_what_is_left_after_a_trim(log: &dyn Log) {
    fill_and_trim(log).await;
    assert_eq!(read(log, 0, ALL).await, [7, 8, 9, 10]);
}

/// After a trim the time right before the first kept position is still known, and earlier ones not.
pub async fn finds_times_after_a_trim(log: &dyn Log) {
    fill_and_trim(log).await;
    for (position, time) in [(5, 0), (6, 18), (7, 21), (10, 30), (11, 0)] {
        let found = time_at(log, position).await;
        assert_eq!(found.unwrap_or_default(), LamportTime::new(time));
    }
    assert_eq!(locate(log, 4).await, at(7));
}

/// A limit in bytes keeps the newest records that fit in it.
pub async fn keeps_the_newest_bytes(log: &dyn Log) {
    fill_and_trim(log).await;
    log.append(at(10), batch(11..=12)).await.expect("goes on");
    let bytes: usize = (11..=12)
        .map(|position| record(position).encode().len())
        .sum();
    keep_snapshot(log, 12, 8).await;
    let extent = trim(log, Keep::Bytes(bytes as u64), 12).await;
    assert_eq!((extent.first, extent.bytes), (at(11), bytes as u64));
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![8]));
}

/// One trim removes a limited number of records, so that appends do not wait for long.
pub async fn trims_step_by_step(log: &dyn Log) {
    let many = TRIM_STEP as u64 + 6;
    log.append(at(0), batch(1..=many)).await.expect("empty");
    let extent = trim(log, Keep::Events(1), many).await;
    assert_eq!(extent.first, at(TRIM_STEP as u64 + 1));
    let extent = trim(log, Keep::Events(1), many).await;
    assert_eq!((extent.first, extent.events()), (at(many), 1));
}

/// Appends positions 1 to 10, in two batches.
async fn fill(log: &dyn Log) {
    log.append(at(0), batch(1..=3)).await.expect("first");
    log.append(at(3), batch(4..=10)).await.expect("second");
}

/// Leaves positions 7 to 10 of 10.
async fn fill_and_trim(log: &dyn Log) {
    fill(log).await;
    keep_snapshot(log, 9, 7).await;
    trim(log, Keep::Events(4), 9).await;
}

fn at(position: u64) -> Position {
    Position::new(position)
}

async fn read(log: &dyn Log, after: u64, limit: PageLimit) -> Vec<u64> {
    let page = log.read(at(after), limit).await.expect("readable");
    page.iter()
        .map(|record| record.event.position.get())
        .collect()
}

async fn time_at(log: &dyn Log, position: u64) -> Option<LamportTime> {
    lamport_at(log, at(position)).await.expect("readable")
}

async fn locate(log: &dyn Log, time: u64) -> Position {
    log.locate(LamportTime::new(time)).await.expect("readable")
}

async fn keep_snapshot(log: &dyn Log, position: u64, snapshot: u8) {
    let make = Box::new(move || vec![snapshot]);
    log.keep_snapshot(at(position), make).await.expect("kept");
}

async fn trim(log: &dyn Log, keep: Keep, covered: u64) -> Extent {
    log.trim(keep, at(covered)).await.expect("trimmed")
}
