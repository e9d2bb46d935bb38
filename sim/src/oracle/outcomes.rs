//! What became of what users wanted: acknowledged means present once, and every line ends once.

use std::collections::{BTreeMap, HashMap, HashSet};

use chitty::session::{Notice, SessionCommand as Command, Ticket};
use chitty_chat::{Event, EventKind, LeftReason, MessageText, logging::Line};
use chitty_server::record::Record;

use super::{Evidence, Fate, Life, Said, Verdict, at, number};

pub(super) fn check(life: &Life, evidence: &Evidence, verdict: &mut Verdict) {
    check_lines(life, evidence, verdict);
    check_acknowledged(life, evidence, verdict);
    check_retries(life, verdict);
}

/// What is known of a line that a user sent.
struct Sent<'a> {
    text: &'a MessageText,
    ends: usize,
}

/// Every line ends once: confirmed by its own event, known to be in the log, or refused. Those
/// that are confirmed are in the order in which they were typed.
fn check_lines(life: &Life, evidence: &Evidence, verdict: &mut Verdict) {
    let mut sent: BTreeMap<Ticket, Sent<'_>> = BTreeMap::new();
    let mut last = None;
    let mut welcomes = 0;
    for said in &life.said {
        let (ticket, event) = match said {
            Said::Asked(Command::Publish { ticket, text }) => {
                sent.insert(*ticket, Sent { text, ends: 0 });
                continue;
            }
            Said::Told(Notice::Welcome(_)) => {
                welcomes += 1;
                continue;
            }
            Said::Told(Notice::Event {
                event,
                own: Some(ticket),
                ..
            }) => (*ticket, Some(event)),
            Said::Told(Notice::Accepted { ticket, position }) => {
                let log = evidence.log(life.log_after(welcomes));
                let record = at(log, position.get());
                verdict.must(record.is_some(), "accepted is there", || {
                    format!("{}: nothing at {position}", life.label)
                });
                (*ticket, record.map(|record| &record.event))
            }
            Said::Told(Notice::Rejected { ticket, .. }) => (*ticket, None),
            _ => continue,
        };
        let Some(line) = sent.get_mut(&ticket) else {
            verdict.broken(
                "every line ends once",
                format!("{}: {ticket:?} was not sent", life.label),
            );
            continue;
        };
        line.ends += 1;
        if let Some(event) = event {
            let same = is_message(event, line.text);
            verdict.must(same, "confirmed is what was sent", || {
                format!("{}: {ticket:?} became {event:?}", life.label)
            });
            verdict.must(last < Some(ticket), "in the order typed", || {
                format!("{}: {ticket:?} behind {last:?}", life.label)
            });
            last = Some(ticket);
        }
    }
    let must_end = evidence.at_rest && life.fate == Fate::Runs;
    for (ticket, Sent { ends, .. }) in sent {
        verdict.must(
            ends == 1 || (ends == 0 && !must_end),
            "every line ends once",
            || format!("{}: {ticket:?} ended {ends} times", life.label),
        );
    }
}

fn is_message(event: &Event, wanted: &MessageText) -> bool {
    matches!(&event.kind, EventKind::Message { text, .. } if **text == *wanted.as_str())
}

/// What a reply said is in the log, there and with this time; what was refused is not.
fn check_acknowledged(life: &Life, evidence: &Evidence, verdict: &mut Verdict) {
    let ids: Vec<HashSet<&str>> = evidence.logs.iter().map(|log| ids(log)).collect();
    let mut welcomes = 0;
    for line in &life.lines {
        let place = life.log_after(welcomes);
        let this = evidence.logs.get(place..=place).unwrap_or_default();
        let id = line.get("id").unwrap_or_default();
        match (line.call.as_str(), line.step.as_str()) {
            ("Join", "replied") => welcomes += 1,
            ("Publish", "replied") => check_reply(
                line,
                life,
                this,
                verdict,
                |kind| matches!(kind, EventKind::Message { id: there, .. } if **there == *id),
            ),
            ("Publish", "refused") => {
                let there = ids.get(place).is_some_and(|ids| ids.contains(id));
                verdict.must(!there, "refused is not there", || {
                    format!("{}: {id} is in the log", life.label)
                });
            }
            ("Leave", "replied") => {
                // Who leaves does not join again first, and may be in the backup that is the log
                // by now.
                let later = evidence.logs.get(place..).unwrap_or_default();
                check_reply(line, life, later, verdict, |kind| {
                    let reason = LeftReason::Left;
                    matches!(kind, EventKind::Left { reason: there, .. } if *there == reason)
                });
            }
            _ => {}
        }
    }
}

fn ids(log: &[Record]) -> HashSet<&str> {
    log.iter()
        .filter_map(|record| match &record.event.kind {
            EventKind::Message { id, .. } => Some(&**id),
            _ => None,
        })
        .collect()
}

fn check_reply(
    line: &Line,
    life: &Life,
    logs: &[Vec<Record>],
    verdict: &mut Verdict,
    is_it: impl Fn(&EventKind) -> bool,
) {
    let (position, time) = (number(line, "position"), number(line, "lamport"));
    let events: Vec<&Event> = logs
        .iter()
        .filter_map(|log| Some(&at(log, position)?.event))
        .collect();
    let is_there = |event: &&Event| event.lamport.get() == time && is_it(&event.kind);
    verdict.must(events.iter().any(is_there), "acknowledged is there", || {
        format!(
            "{}: {} was answered with {position}, time {time}; there is {events:?}",
            life.label, line.call
        )
    });
}

/// A retry repeats the request.
fn check_retries(life: &Life, verdict: &mut Verdict) {
    const REQUEST: [&str; 3] = ["lamport", "seen", "text"];
    let mut sent: HashMap<&str, [Option<&str>; 3]> = HashMap::new();
    for line in life.calls("Publish", "sent") {
        let id = line.get("id").unwrap_or_default();
        let request = REQUEST.map(|key| line.get(key));
        let before = sent.insert(id, request);
        if line.get("retry").is_some() {
            verdict.must(before == Some(request), "a retry is the same", || {
                format!("{}: {id} was {before:?}, then {request:?}", life.label)
            });
        }
    }
}

/// Every message was sent by somebody, with this text and at this time, and whoever left wanted
/// to.
pub(super) fn check_origins(evidence: &Evidence, verdict: &mut Verdict) {
    let mut sent = HashSet::new();
    let mut leaves = HashSet::new();
    for life in &evidence.lives {
        leaves.extend(
            life.calls("Leave", "sent")
                .map(|line| number(line, "lamport")),
        );
        for line in life.calls("Publish", "sent") {
            let (id, text) = (line.get("id"), line.get("text"));
            sent.insert((
                id.unwrap_or_default(),
                text.unwrap_or_default(),
                number(line, "lamport"),
            ));
        }
    }
    for record in evidence.logs.iter().flatten() {
        let request = record.event.request.get();
        let known = match &record.event.kind {
            EventKind::Message { id, text, .. } => sent.contains(&(&**id, &**text, request)),
            EventKind::Left { reason, .. } if *reason == LeftReason::Left => {
                leaves.contains(&request)
            }
            _ => true,
        };
        verdict.must(known, "somebody sent it", || format!("{:?}", record.event));
    }
}
