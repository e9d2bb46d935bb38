//! A client's own clock, by its log: every number follows from the one before.

use chitty_chat::logging::Line;

use super::{Life, Verdict, number};

#[derive(Default)]
struct Clock {
    now: u64,
    /// Events below are history and only raise the clock.
    since: u64,
}

pub(super) fn check(life: &Life, verdict: &mut Verdict) {
    let mut clock = Clock::default();
    for line in &life.lines {
        let before = clock.now;
        if !clock.line(line) {
            continue;
        }
        let found = number(line, "clock");
        verdict.must(found == clock.now, "the client's clock", || {
            format!(
                "{}: {} {} (time {}) has clock {found} after {before}, the rules give {}",
                life.label,
                line.call,
                line.step,
                number(line, "lamport"),
                clock.now,
            )
        });
        if line.step == "sent" && line.call != "History" && line.get("retry").is_none() {
            let carried = number(line, "lamport");
            verdict.must(carried == clock.now, "requests carry the clock", || {
                format!(
                    "{}: {} carries {carried} at clock {}",
                    life.label, line.call, clock.now
                )
            });
        }
        // One wrong number is one violation.
        clock.now = found;
    }
}

impl Clock {
    /// Whether the line tells the clock.
    fn line(&mut self, line: &Line) -> bool {
        let time = number(line, "lamport");
        match (line.call.as_str(), line.step.as_str()) {
            ("Publish", "sent") if line.get("retry").is_some() => {}
            ("Join" | "Publish" | "Leave", "sent") => self.now += 1,
            ("Join", "replied") => {
                self.now = self.now.max(time);
                self.since = number(line, "position");
            }
            ("Publish" | "Leave" | "History", "replied") => self.now = self.now.max(time),
            ("Broadcast", "received") => {
                self.now = self.now.max(time);
                if number(line, "position") >= self.since {
                    self.now += 1;
                }
            }
            ("History", "sent") => {}
            _ => return false,
        }
        true
    }
}
