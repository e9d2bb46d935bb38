//! What is typed while all is well is said, and what is said to have been seen was shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use chitty::session::{Link, Notice, SessionCommand as Command, Ticket};

use super::{Life, Said, Verdict, number};

/// A client keeps so many lines, and refuses the next one by itself.
const MOST_WAITING: usize = 100;
/// A line is sent, synced, and comes back; and where lines are limited, it waits for its turn.
const EACH: Duration = Duration::from_secs(1);
/// A client may have something else to do first.
const REST: Duration = Duration::from_secs(2);

pub(super) fn check(life: &Life, verdict: &mut Verdict) {
    check_seen(life, verdict);
    check_said(life, verdict);
}

/// `seen` is the end of the run that the stream has delivered.
fn check_seen(life: &Life, verdict: &mut Verdict) {
    // The last position of the run, and of which log; nothing while nothing was delivered.
    let (mut last, mut log, mut welcomes) = (0, 0, 0);
    for line in &life.lines {
        match (line.call.as_str(), line.step.as_str()) {
            ("Join", "replied") => {
                welcomes += 1;
                let before = std::mem::replace(&mut log, life.log_after(welcomes));
                if before != log || number(line, "next") != last + 1 {
                    last = 0;
                }
            }
            ("Broadcast", "received") => last = number(line, "position"),
            ("Publish", "sent") if line.get("retry").is_none() => {
                let seen = number(line, "seen");
                verdict.must(seen == last, "seen is what was shown", || {
                    format!("{}: says {seen}, was shown up to {last}", life.label)
                });
            }
            _ => {}
        }
    }
}

/// A line that waits to be said.
struct Line {
    typed: SystemTime,
    /// By then it is said, if all is well until then.
    due: SystemTime,
}

/// Each line is said in its turn, unless something was amiss meanwhile: the client had no link, its
/// user went away, or what is known of the faults says so. Lines are sent one by one, so that the
/// time that one may take grows with those before it.
fn check_said(life: &Life, verdict: &mut Verdict) {
    let mut waiting: BTreeMap<Ticket, Line> = BTreeMap::new();
    // Also those that were typed without a link, which go first when there is one.
    let mut unsent: BTreeSet<Ticket> = BTreeSet::new();
    let mut live = false;
    let mut unsaid = |line: &Line, what: &str| {
        let is_well = !life
            .faults
            .iter()
            .any(|fault| fault.overlaps(line.typed, line.due));
        verdict.must(!is_well, "typed is said", || {
            format!("{}: typed {:?}, {what}", life.label, line.typed)
        });
    };
    for (said, now) in life.said.iter().zip(&life.said_at) {
        waiting.retain(|ticket, line| {
            let late = line.due < *now;
            if late {
                unsaid(line, &format!("{ticket:?} is not said in time"));
            }
            !late
        });
        match said {
            Said::Asked(Command::Publish { ticket, .. }) => {
                unsent.insert(*ticket);
                let lines = u32::try_from(unsent.len()).unwrap_or(u32::MAX);
                let due = *now + REST + EACH.saturating_mul(lines);
                if live {
                    waiting.insert(*ticket, Line { typed: *now, due });
                }
            }
            // What still waits may stay unsaid.
            Said::Asked(Command::Leave) | Said::Told(Notice::Ended(_)) => return,
            Said::Told(Notice::Link(link)) => {
                live = *link == Link::Live;
                if !live {
                    waiting.clear();
                }
            }
            Said::Told(
                Notice::Event {
                    own: Some(ticket), ..
                }
                | Notice::Accepted { ticket, .. },
            ) => {
                unsent.remove(ticket);
                waiting.remove(ticket);
            }
            Said::Told(Notice::Rejected { ticket, reason }) => {
                let is_full = unsent.len() > MOST_WAITING;
                unsent.remove(ticket);
                if let Some(line) = waiting.remove(ticket).filter(|_| !is_full) {
                    unsaid(&line, reason);
                }
            }
            _ => {}
        }
    }
}
