//! The contract of every log. Crates that have a log of their own include this file, too; the names
//! that it uses come from the scope around it.

use std::time::UNIX_EPOCH;

use chitty_chat::{Event, EventKind};

use super::*;

pub(crate) fn record(position: u64) -> Record {
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

pub(crate) fn batch(positions: std::ops::RangeInclusive<u64>) -> Arc<[Record]> {
    positions.map(record).collect()
}

fn positions(page: &[Record]) -> Vec<u64> {
    page.iter()
        .map(|record| record.event.position.get())
        .collect()
}

pub(crate) const ALL: PageLimit = PageLimit {
    records: 1000,
    bytes: usize::MAX,
};

/// Takes a new log through its life, clause by clause.
pub(crate) async fn keeps_the_contract(log: &dyn Log) {
    begins_empty(log).await;
    appends_where_it_ends(log).await;
    gives_pages(log).await;
    knows_the_times(log).await;
    keeps_the_newest_snapshot_and_trims_to_it(log).await;
    keeps_the_newest_bytes(log).await;
    trims_step_by_step(log).await;
}

async fn begins_empty(log: &dyn Log) {
    let at = Position::new;
    let extent = log.extent();
    assert_eq!(
        (extent.first, extent.head, extent.events()),
        (at(1), at(0), 0)
    );
    assert_eq!((extent.base, extent.bytes), (LamportTime::ZERO, 0));
    assert_eq!(log.read(at(0), ALL).await.expect("readable"), []);
    assert_eq!(
        lamport_at(log, at(0)).await.expect("readable"),
        Some(LamportTime::ZERO)
    );
    assert_eq!(lamport_at(log, at(1)).await.expect("readable"), None);
    assert_eq!(
        log.locate(LamportTime::new(5)).await.expect("readable"),
        at(1)
    );
}

async fn appends_where_it_ends(log: &dyn Log) {
    let at = Position::new;
    log.append(at(0), batch(1..=3)).await.expect("first");
    log.append(at(3), batch(4..=10)).await.expect("second");
    let conflict = log.append(at(3), batch(4..=5)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.extent().head, at(10));
}

async fn gives_pages(log: &dyn Log) {
    let at = Position::new;
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
}

async fn knows_the_times(log: &dyn Log) {
    let at = Position::new;
    assert_eq!(
        lamport_at(log, at(7)).await.expect("readable"),
        Some(LamportTime::new(21))
    );
    for (time, position) in [(1, 1), (3, 1), (4, 2), (21, 7), (30, 10), (31, 11)] {
        let found = log.locate(LamportTime::new(time)).await.expect("readable");
        assert_eq!(found, at(position), "{time}");
    }
}

async fn keeps_the_newest_snapshot_and_trims_to_it(log: &dyn Log) {
    let at = Position::new;
    let stale = log.keep_snapshot(at(11), Box::new(|| vec![6])).await;
    assert!(matches!(stale, Err(AppendError::Conflict { tail }) if tail == at(10)));
    assert_eq!(log.snapshot().await.expect("readable"), None);
    log.keep_snapshot(at(9), Box::new(|| vec![7]))
        .await
        .expect("kept");
    let extent = log.trim(Keep::Events(4), at(3)).await.expect("trimmed");
    assert_eq!(extent.first, at(4), "no further than the snapshot reaches");
    let extent = log.trim(Keep::Events(4), at(9)).await.expect("trimmed");
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
    for (position, time) in [(5, 0), (6, 18), (7, 21), (10, 30), (11, 0)] {
        let found = lamport_at(log, at(position)).await.expect("readable");
        assert_eq!(found.unwrap_or_default(), LamportTime::new(time));
    }
    assert_eq!(
        log.locate(LamportTime::new(4)).await.expect("readable"),
        at(7)
    );
}

async fn keeps_the_newest_bytes(log: &dyn Log) {
    let at = Position::new;
    log.append(at(10), batch(11..=12)).await.expect("goes on");
    let bytes: usize = (11..=12)
        .map(|position| record(position).encode().len())
        .sum();
    log.keep_snapshot(at(12), Box::new(|| vec![8]))
        .await
        .expect("kept");
    let keep = Keep::Bytes(bytes as u64);
    let extent = log.trim(keep, at(12)).await.expect("trimmed");
    assert_eq!((extent.first, extent.bytes), (at(11), bytes as u64));
    assert_eq!(log.snapshot().await.expect("readable"), Some(vec![8]));
}

async fn trims_step_by_step(log: &dyn Log) {
    let at = Position::new;
    // One step at a time, so that appends in between do not wait for long.
    let many = 12 + TRIM_STEP as u64 + 5;
    log.append(at(12), batch(13..=many)).await.expect("goes on");
    let extent = log.trim(Keep::Events(1), at(many)).await.expect("trimmed");
    assert_eq!(extent.first, at(11 + TRIM_STEP as u64));
    let extent = log.trim(Keep::Events(1), at(many)).await.expect("trimmed");
    assert_eq!((extent.first, extent.events()), (at(many), 1));
}
