//! The outcome of each user's requests: what is acknowledged is in the log once, and every line that
//! was typed ends once.

use std::collections::{BTreeMap, HashMap, HashSet};

use chitty::session::{Notice, SessionCommand, Ticket};
use chitty_chat::{Event, EventKind, LeftReason, MessageText, logging::Line};
use chitty_room::record::Record;

use super::{ClientRun, Evidence, Exchange, Fate, Verdict, at, number};

pub(super) fn check(client: &ClientRun, evidence: &Evidence, verdict: &mut Verdict) {
    check_lines(client, evidence, verdict);
    check_acknowledged(client, evidence, verdict);
    check_retries(client, verdict);
}

/// A line that a user sent, and how often its outcome was reported.
struct SentLine<'a> {
    text: &'a MessageText,
    ends: usize,
}

/// Every line ends once: confirmed by its own event, known to be in the log, or refused. The
/// confirmed ones are in the log in the order in which they were typed.
fn check_lines(client: &ClientRun, evidence: &Evidence, verdict: &mut Verdict) {
    let mut sent: BTreeMap<Ticket, SentLine<'_>> = BTreeMap::new();
    let mut last = None;
    let mut welcomes = 0;
    for exchange in &client.exchanges {
        let (ticket, event) = match exchange {
            Exchange::Asked(SessionCommand::Publish { ticket, text }) => {
                sent.insert(*ticket, SentLine { text, ends: 0 });
                continue;
            }
            Exchange::Notified(Notice::Welcome(_)) => {
                welcomes += 1;
                continue;
            }
            Exchange::Notified(Notice::Event {
                event,
                own: Some(ticket),
                ..
            }) => (*ticket, Some(event)),
            Exchange::Notified(Notice::Accepted { ticket, position }) => {
                let log = evidence.log(client.log_after(welcomes));
                let record = at(log, position.get());
                verdict.must(record.is_some(), "accepted is there", || {
                    format!("{}: nothing at {position}", client.label)
                });
                (*ticket, record.map(|record| &record.event))
            }
            Exchange::Notified(Notice::Rejected { ticket, .. }) => (*ticket, None),
            _ => continue,
        };
        let Some(line) = sent.get_mut(&ticket) else {
            verdict.broken(
                "every line ends once",
                format!("{}: {ticket:?} was not sent", client.label),
            );
            continue;
        };
        line.ends += 1;
        if let Some(event) = event {
            let same = is_message(event, line.text);
            verdict.must(same, "confirmed is what was sent", || {
                format!("{}: {ticket:?} became {event:?}", client.label)
            });
            // Tickets are numbered in the order in which lines were typed.
            verdict.must(last < Some(ticket), "in the order typed", || {
                format!("{}: {ticket:?} after {last:?}", client.label)
            });
            last = Some(ticket);
        }
    }
    // The last lines of a client that was killed or left may have no outcome.
    let must_end = evidence.at_rest && client.fate == Fate::Runs;
    for (ticket, SentLine { ends, .. }) in sent {
        verdict.must(
            ends == 1 || (ends == 0 && !must_end),
            "every line ends once",
            || format!("{}: {ticket:?} ended {ends} times", client.label),
        );
    }
}

fn is_message(event: &Event, wanted: &MessageText) -> bool {
    matches!(&event.kind, EventKind::Message { text, .. } if **text == *wanted.as_str())
}

/// What a reply acknowledges is in the log at that position and time, and what was refused is not.
fn check_acknowledged(client: &ClientRun, evidence: &Evidence, verdict: &mut Verdict) {
    let ids: Vec<HashSet<&str>> = evidence.logs.iter().map(|log| ids(log)).collect();
    let mut welcomes = 0;
    for line in &client.lines {
        let epoch = client.log_after(welcomes);
        let this = evidence.logs.get(epoch..=epoch).unwrap_or_default();
        let id = line.get("id").unwrap_or_default();
        match (line.call.as_str(), line.step.as_str()) {
            ("Join", "replied") => welcomes += 1,
            ("Publish", "replied") => check_reply(
                line,
                client,
                this,
                verdict,
                |kind| matches!(kind, EventKind::Message { id: there, .. } if **there == *id),
            ),
            ("Publish", "refused") => {
                let there = ids.get(epoch).is_some_and(|ids| ids.contains(id));
                verdict.must(!there, "refused is not there", || {
                    format!("{}: {id} is in the log", client.label)
                });
            }
            ("Leave", "replied") => {
                // A client that leaves sends no Join first, so that it has no Welcome of the current
                // epoch. Its reply can be about a backup that is the log by now: accept later epochs.
                let later = evidence.logs.get(epoch..).unwrap_or_default();
                check_reply(line, client, later, verdict, |kind| {
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
    client: &ClientRun,
    logs: &[Vec<Record>],
    verdict: &mut Verdict,
    matches: impl Fn(&EventKind) -> bool,
) {
    let (position, time) = (number(line, "position"), number(line, "lamport"));
    let events: Vec<&Event> = logs
        .iter()
        .filter_map(|log| Some(&at(log, position)?.event))
        .collect();
    let is_there = |event: &&Event| event.lamport.get() == time && matches(&event.kind);
    verdict.must(events.iter().any(is_there), "acknowledged is there", || {
        format!(
            "{}: {} was answered with {position}, time {time}; there is {events:?}",
            client.label, line.call
        )
    });
}

/// A retry repeats the request's fields exactly.
fn check_retries(client: &ClientRun, verdict: &mut Verdict) {
    const REQUEST: [&str; 3] = ["lamport", "seen", "text"];
    let mut sent: HashMap<&str, [Option<&str>; 3]> = HashMap::new();
    for line in client.calls("Publish", "sent") {
        let id = line.get("id").unwrap_or_default();
        let request = REQUEST.map(|key| line.get(key));
        let before = sent.insert(id, request);
        if line.get("retry").is_some() {
            verdict.must(before == Some(request), "a retry is the same", || {
                format!("{}: {id} was {before:?}, then {request:?}", client.label)
            });
        }
    }
}

/// Every message in the log was sent by a client, with the same text and time, and each Left with
/// the reason LEFT was asked for.
pub(super) fn check_origins(evidence: &Evidence, verdict: &mut Verdict) {
    let mut sent = HashSet::new();
    let mut leaves = HashSet::new();
    for client in &evidence.clients {
        leaves.extend(
            client
                .calls("Leave", "sent")
                .map(|line| number(line, "lamport")),
        );
        for line in client.calls("Publish", "sent") {
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
