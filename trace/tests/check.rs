//! Logs of runs that keep the rules are clean; each planted fault is found, under its name.

mod support;

use std::path::Path;

use chitty_trace::{chat::Facts, check::check, read::Trace};

use support::{assert_clean, run};

#[test]
fn runs_that_keep_the_rules_are_clean() {
    for seed in 0..200 {
        assert_clean(&run(seed, 600));
    }
}

#[test]
fn so_is_every_subset_of_their_logs() {
    for seed in 0..60 {
        let logs = run(seed, 400);
        for (number, name) in logs.keys().enumerate() {
            let mut without = logs.clone();
            without.remove(name);
            assert_clean(&without);
            let only = logs.iter().skip(number).take(2);
            assert_clean(
                &only
                    .map(|(name, lines)| (name.clone(), lines.clone()))
                    .collect(),
            );
        }
    }
}

/// Recorded with the real programs: four clients, of whom one is killed, and a server that is
/// killed, started again, stopped and started again.
#[test]
fn the_logs_of_a_real_run_are_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let trace = Trace::read(&[folder]).unwrap();
    let facts = Facts::of(&trace);
    let report = check(&facts);
    assert_eq!(report.violations, []);
    assert_eq!((trace.runs.len(), facts.chats.len()), (7, 1));
    assert_eq!(facts.chats[0].told.len(), 16);
}

/// What the report tells of: three clients, of whom two publish concurrently and one is killed.
#[test]
fn the_logs_of_the_report_are_clean_and_have_its_times() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report/logs");
    let trace = Trace::read(&[folder]).unwrap();
    let facts = Facts::of(&trace);
    assert_eq!(check(&facts).violations, []);
    let told = &facts.chats[0].told;
    let times: Vec<_> = (1..=9).map(|position| told[&position].lamport).collect();
    assert_eq!(times, [3, 5, 7, 11, 15, 17, 21, 22, 26]);
    assert_eq!((told[&5].event.seen, told[&6].event.seen), (4, 4));
}
