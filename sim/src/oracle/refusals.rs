//! Whether each refusal was justified: by the rules, by what was sent, and by a state that the log
//! had at some time between the request and the refusal.

use std::time::{Duration, SystemTime};

use chitty::session::Notice;
use chitty_chat::{EventKind, SessionHash, logging::Line};
use chitty_room::record::Record;

use super::{
    ClientRun, Evidence, Verdict, at,
    fold::PresenceHistory,
    number,
    rules::{DecisionPoint, TICK},
};

const CHECK: &str = "a refusal is true";

/// How far a request may be ahead of the log's clock.
const MAX_AHEAD: u64 = 1 << 32;

/// How many pages of History may wait for one participant.
const MOST_PAGES: usize = 8;

/// The longest time that a client waits for an answer.
const MOST_PATIENT: Duration = Duration::from_secs(40);

/// Statuses that are about the server, the link or a deadline, and not about the request: they need
/// no justification.
const OUTAGES: [&str; 6] = [
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNKNOWN",
    "INTERNAL",
    "ABORTED",
];

pub(super) fn check(
    client: &ClientRun,
    presences: &[PresenceHistory],
    evidence: &Evidence,
    verdict: &mut Verdict,
) {
    let mut judge = Judge {
        client,
        presences,
        evidence,
        session: None,
        welcomes: 0,
    };
    for (index, line) in client.lines.iter().enumerate() {
        if line.call == "Join" && line.step == "replied" {
            judge.welcomed(line);
        }
        let Some(status) = line.get("status") else {
            continue;
        };
        if !matches!(line.step.as_str(), "refused" | "failed") || OUTAGES.contains(&status) {
            continue;
        }
        let request = request_of(line, &client.lines[..index]);
        let is_true = request.is_some_and(|request| judge.is_true(request, line, status));
        verdict.must(is_true, CHECK, || {
            let fields = &line.fields;
            format!("{}: {} refused, {fields:?}", client.label, line.call)
        });
    }
    check_waits(client, evidence, verdict);
}

/// The request that was refused: the last one of its kind, since a client sends one at a time. Only
/// History requests overlap, and the same page may have been requested more than once: the first is
/// the earliest that can be meant.
fn request_of<'a>(refused: &Line, before: &'a [Line]) -> Option<&'a Line> {
    const SAME: [&str; 4] = ["id", "before", "after", "at_lamport"];
    let mut requests = before.iter().filter(|sent| {
        sent.call == refused.call
            && sent.step == "sent"
            && SAME.iter().all(|key| sent.get(key) == refused.get(key))
    });
    if refused.call == "History" {
        return requests.next();
    }
    requests.next_back()
}

/// No refusal asks a user to wait for a name for longer than a grace can last.
fn check_waits(client: &ClientRun, evidence: &Evidence, verdict: &mut Verdict) {
    let longest = evidence.rules.grace.max(evidence.rules.restart_grace);
    for notice in client.notices() {
        if let Notice::Refused(refusal) = notice
            && let Some(wait) = refusal.retry_in
        {
            verdict.must(wait <= longest, CHECK, || {
                format!("{}: is to wait {wait:?} for a name", client.label)
            });
        }
    }
}

struct Judge<'a> {
    client: &'a ClientRun,
    presences: &'a [PresenceHistory],
    evidence: &'a Evidence,
    /// The hash of the client's session, once a Joined of it is in the log.
    session: Option<SessionHash>,
    welcomes: usize,
}

impl Judge<'_> {
    fn welcomed(&mut self, line: &Line) {
        self.welcomes += 1;
        let log = self.evidence.log(self.client.log_after(self.welcomes));
        let joined = at(log, number(line, "participant"));
        // A resume on another log names a participant that this log may not have.
        self.session = joined.and_then(|record| record.session).or(self.session);
    }

    /// Whether the server could have been in a state, between the request and the refusal, in which
    /// the refusal was right.
    fn is_true(&self, request: &Line, refusal: &Line, status: &str) -> bool {
        let decision_points = self.evidence.decision_points(request.time, refusal.time);
        let mut decision_points = decision_points.iter();
        match (request.call.as_str(), status) {
            ("History", "RESOURCE_EXHAUSTED") => self.reads_much(refusal),
            ("Join" | "Publish" | "Leave", "INVALID_ARGUMENT") => decision_points.any(|point| {
                self.is_out_of_time(request, point)
                    || (request.call == "Publish" && self.is_wrongly_seen(request, point))
            }),
            ("Publish", "ALREADY_EXISTS") => {
                decision_points.any(|point| self.is_other_text(request, point))
            }
            ("Join", "ALREADY_EXISTS") => {
                decision_points.any(|point| self.is_taken(request, point))
            }
            ("Join", "UNAUTHENTICATED") => self.has_left(refusal),
            ("Publish" | "Leave" | "History", "UNAUTHENTICATED") => {
                decision_points.any(|point| !self.is_alive(point))
            }
            ("Publish", "RESOURCE_EXHAUSTED") => {
                decision_points.any(|point| self.is_too_fast(request, point))
            }
            ("Join", "RESOURCE_EXHAUSTED") => decision_points.any(|point| self.is_full(point)),
            _ => false,
        }
    }

    fn before(&self, point: &DecisionPoint) -> &[Record] {
        let log = self.evidence.log(point.log);
        &log[..point.position.min(log.len())]
    }

    /// The numbers and names of the participants who are present at this point.
    fn present(&self, point: &DecisionPoint) -> impl Iterator<Item = (u64, &str)> {
        let present = self
            .presences
            .get(point.log)
            .and_then(|presence| presence.at(point.position as u64));
        present
            .into_iter()
            .flatten()
            .map(|(number, name)| (*number, name.as_str()))
    }

    fn is_own(&self, participant: u64, point: &DecisionPoint) -> bool {
        let joined = at(self.evidence.log(point.log), participant);
        let session = joined.and_then(|record| record.session);
        session.is_some() && session == self.session
    }

    /// Whether the client's session has a participant who is present. A session that the log does
    /// not know has none.
    fn is_alive(&self, point: &DecisionPoint) -> bool {
        self.present(point)
            .any(|(participant, _)| self.is_own(participant, point))
    }

    fn is_out_of_time(&self, request: &Line, point: &DecisionPoint) -> bool {
        let clock = self.before(point).last();
        let clock = clock.map_or(0, |record| record.event.lamport.get());
        let time = number(request, "lamport");
        time == 0 || time > clock.saturating_add(MAX_AHEAD)
    }

    fn is_wrongly_seen(&self, request: &Line, point: &DecisionPoint) -> bool {
        let seen = number(request, "seen");
        let before = self
            .before(point)
            .iter()
            .filter_map(|record| match &record.event.kind {
                EventKind::Message {
                    seen, participant, ..
                } if self.is_own(participant.get(), point) => Some(seen.get()),
                _ => None,
            });
        seen > point.position as u64
            || (seen > 0 && before.max().is_some_and(|before| seen < before))
    }

    fn is_other_text(&self, request: &Line, point: &DecisionPoint) -> bool {
        let (sent_id, sent_text) = (request.get("id"), request.get("text"));
        self.before(point).iter().any(|record| {
            matches!(&record.event.kind, EventKind::Message { id, text, .. }
                if Some(&**id) == sent_id && Some(&**text) != sent_text)
        })
    }

    fn is_taken(&self, request: &Line, point: &DecisionPoint) -> bool {
        let wanted = request.get("name");
        self.present(point)
            .any(|(participant, name)| Some(name) == wanted && !self.is_own(participant, point))
    }

    fn has_left(&self, refusal: &Line) -> bool {
        let mut leaves = self.client.calls("Leave", "sent");
        leaves.any(|leave| leave.time <= refusal.time)
    }

    /// Whether more pages than allowed could have been waiting: those requested within the time
    /// that a client waits for an answer.
    fn reads_much(&self, refusal: &Line) -> bool {
        let recent = self
            .client
            .calls("History", "sent")
            .filter(|sent| sent.time <= refusal.time && sent.time + MOST_PATIENT >= refusal.time);
        recent.count() > MOST_PAGES
    }

    fn is_full(&self, point: &DecisionPoint) -> bool {
        self.present(point).count() >= self.evidence.rules.max_participants
    }

    /// Whether the line would have exceeded the rate. Each line uses up a token that takes `interval`
    /// to come back, and there are `burst` tokens. A server that starts has all of them.
    fn is_too_fast(&self, request: &Line, point: &DecisionPoint) -> bool {
        let Some(rate) = self.evidence.rules.publish_rate else {
            return false;
        };
        let mut refilled_at = point.server_started;
        for record in self.before(point) {
            let exchanged_at = record.event.at;
            if let EventKind::Message { participant, .. } = &record.event.kind
                && self.is_own(participant.get(), point)
                && exchanged_at + TICK >= point.server_started
            {
                refilled_at = refilled_at.max(exchanged_at) + rate.interval;
            }
        }
        let used = since(request.time - TICK, refilled_at) + rate.interval;
        used > rate.interval * rate.burst
    }
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
