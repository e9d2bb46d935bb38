//! What must be true whatever happened, derived from the protocol and not from the server.

use std::collections::HashMap;

use chitty_chat::{Event, EventKind};

use crate::client::Report;

/// The counts of a check.
pub(crate) struct Sum {
    /// Lines whose outcome was reported to their author.
    pub(crate) acknowledged: usize,
    /// Those of them that are not in the log.
    pub(crate) lost: usize,
    /// Lines that are in the log more than once.
    pub(crate) duplicated: usize,
}

/// Checks the log by itself, and every client against it.
pub(crate) fn check(log: &[Event], reports: &[Report]) -> Sum {
    check_log(log);
    let mut times_in_log: HashMap<&str, usize> = HashMap::new();
    for event in log {
        if let EventKind::Message { text, .. } = &event.kind {
            *times_in_log.entry(text).or_default() += 1;
        }
    }
    let mut sum = Sum {
        acknowledged: 0,
        lost: 0,
        duplicated: 0,
    };
    for report in reports {
        check_client(log, report);
        sum.acknowledged += report.confirmed.len();
        let missing = |line: &&String| !times_in_log.contains_key(line.as_str());
        sum.lost += report.confirmed.iter().filter(missing).count();
        for line in &report.rejected {
            assert!(
                !times_in_log.contains_key(line.as_str()),
                "refused, and yet there: {line}"
            );
        }
    }
    sum.duplicated = times_in_log.values().filter(|times| **times > 1).count();
    sum
}

/// Checks that positions are dense, times follow the rules, authors are present, and everybody
/// leaves once.
fn check_log(log: &[Event]) {
    let mut clock = 0;
    let mut present: HashMap<u64, &str> = HashMap::new();
    for (index, event) in log.iter().enumerate() {
        assert_eq!(event.position.get(), index as u64 + 1);
        if event.request.get() > 0 {
            clock = u64::max(clock, event.request.get()) + 1;
        }
        clock += 1;
        assert_eq!(event.lamport.get(), clock, "at {}", event.position);
        match &event.kind {
            EventKind::Joined { name, .. } => {
                assert!(
                    !present.values().any(|other| *other == &**name),
                    "{name} is there twice"
                );
                present.insert(event.position.get(), name);
            }
            EventKind::Left { participant, .. } => {
                assert!(
                    present.remove(&participant.get()).is_some(),
                    "left twice: {event:?}"
                );
            }
            EventKind::Message { participant, .. } => {
                assert!(
                    present.contains_key(&participant.get()),
                    "not present: {event:?}"
                );
            }
            EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => {
                panic!("{event:?}")
            }
        }
    }
    assert!(present.is_empty(), "still present: {present:?}");
}

/// Checks that a client was shown a contiguous run of the log, each event as it is there.
fn check_client(log: &[Event], report: &Report) {
    let name = &report.name;
    for pair in report.events.windows(2) {
        assert_eq!(
            pair[0].position.next(),
            pair[1].position,
            "{name} has a gap or a repeat"
        );
    }
    for event in &report.events {
        let index = usize::try_from(event.position.get()).expect("small") - 1;
        assert_eq!(
            log.get(index),
            Some(event),
            "{name} was shown something else"
        );
    }
    for (shown, welcome) in &report.welcomes[1..] {
        assert!(!welcome.another_log, "{name} was told of another log");
        let last = report.events[..*shown].last().map(|event| event.position);
        assert!(
            last.is_none_or(|last| welcome.next == last.next()),
            "{name} starts afresh"
        );
    }
}
