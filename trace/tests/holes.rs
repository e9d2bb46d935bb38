//! Lines that a process reports as dropped cause no violations.

mod support;

use chitty_trace::{chat::TraceIndex, check::check, cli::write_report};
use support::{Logs, assert_clean, run, trace};

/// A random number generator that always gives the same numbers (`SplitMix64`, <https://doi.org/10.1145/2714064.2660195>).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("small")
    }
}

/// The time of a line, and its name and run with the spaces around them.
fn head(line: &str) -> (&str, &str) {
    let (time, rest) = line.split_at(line.find(' ').expect("a line"));
    let run = rest.find(" run=").expect("a line") + 1;
    let end = run + rest[run..].find(' ').expect("a line") + 1;
    (time, &rest[..end])
}

/// Replaces some lines of a run by one that reports them as dropped, as the logging does.
fn drop_lines(lines: &mut Vec<String>, dice: &mut Dice) -> usize {
    let from = dice.below(lines.len());
    let (time, run) = head(&lines[from]);
    let most = 1 + dice.below(60);
    let same = lines[from..].iter().take(most);
    let count = same.take_while(|line| head(line).1 == run).count();
    let notice = format!(
        "{time}{run}log warn target=chitty_chat::logging message=\"lines are missing\" dropped={count}"
    );
    lines.splice(from..from + count, [notice]);
    count
}

fn report(logs: &Logs) -> String {
    let trace = trace(logs);
    let index = TraceIndex::of(&trace);
    let mut out = Vec::new();
    write_report(&index, &check(&index), &mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

#[test]
fn a_hole_anywhere_accuses_nobody_and_is_counted() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let mut logs = run(seed, 500);
        let mut dropped = 0;
        for _ in 0..=dice.below(3) {
            let file = dice.below(logs.len());
            let lines = logs.values_mut().nth(file).expect("a log");
            if !lines.is_empty() {
                dropped += drop_lines(lines, &mut dice);
            }
        }
        assert_clean(&logs);
        let report = report(&logs);
        assert!(report.contains("lines are missing"), "{dropped}: {report}");
    }
}

/// Rotation removes the first lines of a log without a report.
#[test]
fn beginnings_that_rotation_dropped_accuse_nobody() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut logs = run(seed, 500);
        let file = dice.below(logs.len());
        let lines = logs.values_mut().nth(file).expect("a log");
        let count = dice.below(lines.len().max(1));
        lines.drain(..count);
        assert_clean(&logs);
    }
}

/// Missing lines that no line reports are still found.
#[test]
fn a_hole_that_is_not_told_is_found() {
    let mut found = 0;
    for seed in 0..40 {
        let mut logs = run(seed, 500);
        let lines = logs.get_mut("server.log").expect("it is there");
        let middle = lines.len() / 2;
        lines.drain(middle..middle + 20);
        found += usize::from(!support::broken(&logs).is_empty());
    }
    assert!(found > 20, "{found}");
}
