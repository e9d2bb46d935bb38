//! Lines that are typed while all is well are published in time, and `seen` is what was shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use chitty::session::{Link, Notice, SessionCommand, Ticket};

use super::{ClientRun, Exchange, Verdict, number};

/// How many unsent lines a client keeps. It refuses further ones by itself.
const MOST_WAITING: usize = 100;
/// The longest time that one line takes: it is sent, synced, and comes back; and it may have to wait
/// for the rate limit.
const EACH: Duration = Duration::from_secs(1);
/// The longest time that a client is busy with something else first.
const BUSY: Duration = Duration::from_secs(2);

pub(super) fn check(client: &ClientRun, verdict: &mut Verdict) {
    check_seen(client, verdict);
    check_published(client, verdict);
}

/// `seen` is the end of the contiguous run of events that the stream had delivered.
fn check_seen(client: &ClientRun, verdict: &mut Verdict) {
    // The last position that was delivered, 0 if none was, and its epoch.
    let (mut last, mut log, mut welcomes) = (0, 0, 0);
    for line in &client.lines {
        match (line.call.as_str(), line.step.as_str()) {
            ("Join", "replied") => {
                welcomes += 1;
                let before = std::mem::replace(&mut log, client.log_after(welcomes));
                if before != log || number(line, "next") != last + 1 {
                    last = 0;
                }
            }
            ("Broadcast", "received") => last = number(line, "position"),
            ("Publish", "sent") if line.get("retry").is_none() => {
                let seen = number(line, "seen");
                verdict.must(seen == last, "seen is what was shown", || {
                    format!("{}: says {seen}, was shown up to {last}", client.label)
                });
            }
            _ => {}
        }
    }
}

/// A line that was typed, and is not published yet.
struct TypedLine {
    typed: SystemTime,
    /// When it is published at the latest, if nothing goes wrong until then.
    due: SystemTime,
}

/// Each line is published in time, unless something was wrong meanwhile: the client had no link, its
/// user paused, or there was a fault. Lines are sent one by one, so that the time that a line may
/// take grows with the number of lines before it.
fn check_published(client: &ClientRun, verdict: &mut Verdict) {
    let mut waiting: BTreeMap<Ticket, TypedLine> = BTreeMap::new();
    // Including lines that were typed without a link, which are sent first once there is one.
    let mut unsent: BTreeSet<Ticket> = BTreeSet::new();
    let mut live = false;
    let mut unpublished = |line: &TypedLine, what: &str| {
        let is_well = !client
            .faults
            .iter()
            .any(|fault| fault.overlaps(line.typed, line.due));
        verdict.must(!is_well, "typed is said", || {
            format!("{}: typed {:?}, {what}", client.label, line.typed)
        });
    };
    for (exchange, now) in client.exchanges.iter().zip(&client.exchanged_at) {
        waiting.retain(|ticket, line| {
            let late = line.due < *now;
            if late {
                unpublished(line, &format!("{ticket:?} is not said in time"));
            }
            !late
        });
        match exchange {
            Exchange::Asked(SessionCommand::Publish { ticket, .. }) => {
                unsent.insert(*ticket);
                let lines = u32::try_from(unsent.len()).unwrap_or(u32::MAX);
                let due = *now + BUSY + EACH.saturating_mul(lines);
                // A line that was typed without a link is owed nothing.
                if live {
                    waiting.insert(*ticket, TypedLine { typed: *now, due });
                }
            }
            // After this the lines that still wait need not be published.
            Exchange::Asked(SessionCommand::Leave) | Exchange::Notified(Notice::Ended(_)) => return,
            Exchange::Notified(Notice::Link(link)) => {
                live = *link == Link::Live;
                // Without a link a line may be late, or refused.
                if !live {
                    waiting.clear();
                }
            }
            Exchange::Notified(
                Notice::Event {
                    own: Some(ticket), ..
                }
                | Notice::Accepted { ticket, .. },
            ) => {
                unsent.remove(ticket);
                waiting.remove(ticket);
            }
            Exchange::Notified(Notice::Rejected { ticket, reason }) => {
                let is_full = unsent.len() > MOST_WAITING;
                unsent.remove(ticket);
                if let Some(line) = waiting.remove(ticket).filter(|_| !is_full) {
                    unpublished(&line, reason);
                }
            }
            _ => {}
        }
    }
}
