//! The simulated log keeps the contract of all logs, and loses in a crash what was not synced.

use std::{sync::Arc, time::Duration};

use chitty_chat::Position;
use chitty_server::log::{AppendError, Keep, Log as _};
use chitty_sim::log::{DiskConditions, SimLog};
use chitty_testing::log_contract::batch;

chitty_testing::log_contract! {
    #[tokio::test(start_paused = true)]
    simulated => crate::simulated_log
}

fn simulated_log() -> ((), Arc<SimLog>) {
    ((), Arc::new(SimLog::new(1)))
}

/// Whether the batch whose sync was under way in a crash is there after the restart.
async fn survives_a_crash(seed: u64) -> bool {
    let log = SimLog::new(seed);
    let first = log.append(Position::ZERO, batch(1..=2)).await;
    assert!(first.is_ok());
    log.set_conditions(DiskConditions {
        sync: Duration::from_secs(1),
        ..DiskConditions::HEALTHY
    });
    let second = log.append(Position::new(2), batch(3..=5));
    let crash = tokio::time::timeout(Duration::ZERO, second).await;
    assert!(crash.is_err());
    assert_eq!(log.extent().head, Position::new(2), "it is not synced");
    log.recover();
    let head = log.extent().head.get();
    assert_eq!(log.epochs()[0].len() as u64, head);
    assert!(head == 2 || head == 5, "all of it or nothing");
    head == 5
}

#[tokio::test(start_paused = true)]
async fn a_crash_may_lose_what_was_not_synced() {
    let mut survived = 0;
    for seed in 0..20 {
        survived += u32::from(survives_a_crash(seed).await);
    }
    assert!((1..20).contains(&survived), "{survived}");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nothing_is_taken_until_a_restart() {
    let log = SimLog::new(1);
    log.set_conditions(DiskConditions {
        append_fails: 1.0,
        ..DiskConditions::HEALTHY
    });
    let failed = log.append(Position::ZERO, batch(1..=1)).await;
    assert!(matches!(failed, Err(AppendError::Failed(_))));
    log.set_conditions(DiskConditions::HEALTHY);
    let failed = log.append(Position::ZERO, batch(1..=1)).await;
    assert!(matches!(failed, Err(AppendError::Failed(_))));
    log.recover();
    let head = log.extent().head.get();
    let next = log
        .append(Position::new(head), batch(head + 1..=head + 1))
        .await;
    assert!(next.is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_writer_is_first_and_the_next_try_follows_it() {
    let log = SimLog::new(1);
    log.set_conditions(DiskConditions {
        conflicts: 1.0,
        ..DiskConditions::HEALTHY
    });
    let first = log.append(Position::ZERO, batch(1..=3)).await;
    let Err(AppendError::Conflict { tail }) = first else {
        panic!("{first:?}");
    };
    assert_eq!(log.extent().head, tail);
    assert_eq!(log.epochs()[0].len() as u64, tail.get());
    log.set_conditions(DiskConditions::HEALTHY);
    let next = tail.next().get();
    let again = log.append(tail, batch(next..=next)).await;
    assert!(again.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_trim_that_fails_ends_it_until_a_restart() {
    let log = SimLog::new(1);
    let appended = log.append(Position::ZERO, batch(1..=5)).await;
    assert!(appended.is_ok());
    log.set_conditions(DiskConditions {
        trim_fails: 1.0,
        ..DiskConditions::HEALTHY
    });
    let keep = Keep::Events(2);
    let trimmed = log.trim(keep, Position::new(5)).await;
    assert!(matches!(trimmed, Err(AppendError::Failed(_))));
    log.set_conditions(DiskConditions::HEALTHY);
    let trimmed = log.trim(keep, Position::new(5)).await;
    assert!(matches!(trimmed, Err(AppendError::Failed(_))));
    log.recover();
    let trimmed = log.trim(keep, Position::new(5)).await;
    assert_eq!(trimmed.expect("trimmed").events(), 2);
    assert_eq!(log.epochs()[0].len(), 5, "for the oracle it is all there");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_replaced_begins_another_life() {
    let mut kept = Vec::new();
    for seed in 0..20 {
        let log = SimLog::new(seed);
        let before = log.epoch();
        let appended = log.append(Position::ZERO, batch(1..=5)).await;
        assert!(appended.is_ok());
        log.replace();
        assert_eq!(log.epoch(), before, "not under a server that runs");
        log.recover();
        assert_ne!(log.epoch(), before);
        let epochs = log.epochs();
        assert!(epochs[0].starts_with(&epochs[1]));
        assert_eq!(log.extent().head.get(), epochs[1].len() as u64);
        kept.push(epochs[1].len());
    }
    assert!(kept.contains(&0) && kept.iter().any(|count| *count > 0));
}
