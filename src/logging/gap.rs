//! Gaps: lines that are missing, and the notice in their place.

use std::time::SystemTime;

use super::{
    escape,
    line::{LineRecord, push_time},
};

/// How many runs a gap distinguishes. A process has one, unless several sessions share it.
const MAX_RUNS: usize = 64;

/// The lines that are missing at one place of a log.
#[derive(Debug, Default)]
pub(super) struct Gap {
    runs: Vec<MissingRun>,
}

/// The missing lines of one run.
#[derive(Debug)]
struct MissingRun {
    /// The name, encoded as in a line.
    who: String,
    run: String,
    lines: u64,
    /// The times of the first and the last missing line, as in a line.
    first: String,
    last: String,
}

impl Gap {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many lines are missing.
    pub(super) fn lines(&self) -> u64 {
        self.runs.iter().map(|missing| missing.lines).sum()
    }

    /// Counts a record for which no line was written. `who` and `run` are the process's own.
    pub(super) fn add_record(&mut self, record: &LineRecord, who: &str, run: &str) {
        let who = record.origin.who.as_deref().unwrap_or(who);
        let run = record.origin.run.as_deref().unwrap_or(run);
        let mut time = String::new();
        push_time(&mut time, record.time);
        self.add(&time, who, run);
    }

    /// Counts a whole line that could not be written.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let mut word = || str::from_utf8(words.next()?).ok();
        if let (Some(time), Some(who), Some(run)) = (word(), word(), word()) {
            self.add(time, who, run.strip_prefix("run=").unwrap_or(run));
        }
    }

    fn add(&mut self, time: &str, who: &str, run: &str) {
        let known = |missing: &MissingRun| missing.run == run && missing.who == who;
        let place = self.runs.iter().position(known);
        // With more runs than are distinguished, at least the count is right.
        let place = place.or((self.runs.len() >= MAX_RUNS).then_some(0));
        if let Some(missing) = place.and_then(|place| self.runs.get_mut(place)) {
            missing.lines += 1;
            time.clone_into(&mut missing.last);
            return;
        }
        self.runs.push(MissingRun {
            who: who.to_owned(),
            run: run.to_owned(),
            lines: 1,
            first: time.to_owned(),
            last: time.to_owned(),
        });
    }

    /// Sets the name for lines that were counted before it was known.
    pub(super) fn set_who(&mut self, who: &str) {
        for missing in &mut self.runs {
            if missing.who.is_empty() {
                who.clone_into(&mut missing.who);
            }
        }
    }

    /// The notice for the missing lines of one run; [`Gap::advance`] goes on to the next run. It is
    /// not a tracing event, because a gap has to be reported whatever diagnostics are filtered out.
    pub(super) fn notice(&self, now: SystemTime, reason: &str) -> Option<String> {
        let missing = self.runs.first()?;
        let mut notice = String::new();
        push_time(&mut notice, now);
        notice.extend([" ", &missing.who, " run=", &missing.run]);
        notice.push_str(" log warn target=chitty_chat::logging message=");
        escape::push_value(&mut notice, reason);
        notice.extend([" dropped=", &missing.lines.to_string()]);
        notice.extend([" first=", &missing.first, " last=", &missing.last, "\n"]);
        Some(notice)
    }

    /// Goes on to the next run, after the notice of this one was queued.
    pub(super) fn advance(&mut self) {
        self.runs.remove(0);
    }

    /// Takes all notices, and empties the gap.
    pub(super) fn take_notices(&mut self, now: SystemTime, reason: &str) -> String {
        let mut notices = String::new();
        while let Some(notice) = self.notice(now, reason) {
            notices.push_str(&notice);
            self.advance();
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::logging::parse_line;

    #[test]
    fn each_run_is_told_what_is_missing_of_it() {
        let mut gap = Gap::default();
        assert!(gap.is_empty());
        for (second, who, run) in [(1, "ada", "a"), (2, "Bob%20B", "b"), (3, "ada", "a")] {
            let line = format!("1970-01-01T00:00:0{second}.000000Z {who} run={run} log info\n");
            gap.add_line(line.as_bytes());
        }
        assert_eq!(gap.lines(), 3);
        let notice = gap.take_notices(UNIX_EPOCH + Duration::from_secs(9), "the reason");
        assert!(gap.is_empty());
        let lines: Vec<_> = notice
            .lines()
            .map(|line| parse_line(line).expect("a line"))
            .collect();
        assert_eq!(lines.len(), 2);
        let first = &lines[0];
        assert_eq!(
            (first.who.as_str(), first.run.as_str(), first.call.as_str()),
            ("ada", "a", "log")
        );
        assert_eq!(first.get("message"), Some("the reason"));
        assert_eq!(first.get("dropped"), Some("2"));
        assert_eq!(first.get("first"), Some("1970-01-01T00:00:01.000000Z"));
        assert_eq!(first.get("last"), Some("1970-01-01T00:00:03.000000Z"));
        assert_eq!(lines[1].who, "Bob B");
        assert_eq!(lines[1].get("dropped"), Some("1"));
    }

    #[test]
    fn more_runs_than_can_be_told_apart_are_counted_all_the_same() {
        let mut gap = Gap::default();
        for run in 0..1000 {
            gap.add_line(format!("time who run={run} log info\n").as_bytes());
        }
        assert_eq!(gap.lines(), 1000);
        assert_eq!(gap.take_notices(UNIX_EPOCH, "x").lines().count(), MAX_RUNS);
    }
}
