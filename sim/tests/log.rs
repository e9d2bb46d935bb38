//! The simulated log keeps the contract of all logs, and loses what a crash loses.

use std::{sync::Arc, time::Duration};

use chitty_chat::{LamportTime, Position};
use chitty_server::{log::*, record::Record};
use chitty_sim::log::{SimLog, Weather};

#[path = "../../server/src/log/contract.rs"]
mod contract;

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract() {
    contract::keeps_the_contract(&SimLog::new(1)).await;
}

/// Whether what was being synced when the server crashed is there after its restart.
async fn survives_a_crash(seed: u64) -> bool {
    let log = SimLog::new(seed);
    let first = log.append(Position::ZERO, contract::batch(1..=2)).await;
    assert!(first.is_ok());
    log.set_weather(Weather {
        sync: Duration::from_secs(1),
        ..Weather::FAIR
    });
    let second = log.append(Position::new(2), contract::batch(3..=5));
    let crash = tokio::time::timeout(Duration::ZERO, second).await;
    assert!(crash.is_err());
    assert_eq!(log.extent().head, Position::new(2), "it is not synced");
    log.recover();
    let head = log.extent().head.get();
    assert_eq!(log.lives()[0].len() as u64, head);
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
    log.set_weather(Weather {
        append_fails: 1.0,
        ..Weather::FAIR
    });
    let failed = log.append(Position::ZERO, contract::batch(1..=1)).await;
    assert!(matches!(failed, Err(AppendError::Failed(_))));
    log.set_weather(Weather::FAIR);
    let failed = log.append(Position::ZERO, contract::batch(1..=1)).await;
    assert!(matches!(failed, Err(AppendError::Failed(_))));
    log.recover();
    let head = log.extent().head.get();
    let next = log
        .append(Position::new(head), contract::batch(head + 1..=head + 1))
        .await;
    assert!(next.is_ok());
}
