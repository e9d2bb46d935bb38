//! A client's own clock, recomputed from its log lines: each number follows from the one before.

use chitty_chat::logging::Line;

use super::{ClientRun, Verdict, number};

#[derive(Default)]
struct ModelClock {
    now: u64,
    /// The position of the last Welcome. Events before it are history, which only raise the clock.
    since: u64,
}

pub(super) fn check(client: &ClientRun, verdict: &mut Verdict) {
    let mut clock = ModelClock::default();
    for line in &client.lines {
        let before = clock.now;
        if !clock.line(line) {
            continue;
        }
        let found = number(line, "clock");
        verdict.must(found == clock.now, "the client's clock", || {
            format!(
                "{}: {} {} (time {}) has clock {found} after {before}, the rules give {}",
                client.label,
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
                    client.label, line.call, clock.now
                )
            });
        }
        // Continue from what was written, so that one wrong number is reported once.
        clock.now = found;
    }
}

impl ModelClock {
    /// Moves the clock as the line requires. Returns whether the line has a `clock` field to compare.
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
