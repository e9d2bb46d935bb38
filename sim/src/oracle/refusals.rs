//! Whether what was refused had to be: each refusal that a client was given is held against the
//! rules, the log as it was between the request and the refusal, and what was sent.

use std::time::{Duration, SystemTime};

use chitty::session::Notice;
use chitty_chat::{EventKind, SessionHash, logging::Line};
use chitty_server::record::Record;

use super::{
    Evidence, Life, Verdict, at,
    chat::Chat,
    number,
    rules::{Moment, TICK},
};

const CHECK: &str = "a refusal is true";

/// No request may be further ahead of the log's clock.
const MAX_AHEAD: u64 = 1 << 32;

/// So many pages of History may wait for one participant.
const MOST_PAGES: usize = 8;

/// No client waits longer for an answer.
const MOST_PATIENT: Duration = Duration::from_secs(40);

/// What a server says where something is wrong with it, with the link, or with the time: nothing
/// that a request could have done better.
const OUTAGES: [&str; 6] = [
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNKNOWN",
    "INTERNAL",
    "ABORTED",
];

pub(super) fn check(life: &Life, chats: &[Chat], evidence: &Evidence, verdict: &mut Verdict) {
    let mut judge = Judge {
        life,
        chats,
        evidence,
        session: None,
        welcomes: 0,
    };
    for (index, line) in life.lines.iter().enumerate() {
        if line.call == "Join" && line.step == "replied" {
            judge.welcomed(line);
        }
        let Some(status) = line.get("status") else {
            continue;
        };
        if !matches!(line.step.as_str(), "refused" | "failed") || OUTAGES.contains(&status) {
            continue;
        }
        let request = request_of(line, &life.lines[..index]);
        let is_true = request.is_some_and(|request| judge.is_true(request, line, status));
        verdict.must(is_true, CHECK, || {
            let fields = &line.fields;
            format!("{}: {} refused, {fields:?}", life.label, line.call)
        });
    }
    check_waits(life, evidence, verdict);
}

/// What is refused was sent before: the last of its kind, as a client sends one at a time. Only of
/// History it may have asked for the same page more than once, and be answered in any order.
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

/// Nobody is told to wait for a name for longer than a grace can last.
fn check_waits(life: &Life, evidence: &Evidence, verdict: &mut Verdict) {
    let longest = evidence.rules.grace.max(evidence.rules.restart_grace);
    for notice in life.notices() {
        if let Notice::Refused(refusal) = notice
            && let Some(wait) = refusal.retry_in
        {
            verdict.must(wait <= longest, CHECK, || {
                format!("{}: is to wait {wait:?} for a name", life.label)
            });
        }
    }
}

struct Judge<'a> {
    life: &'a Life,
    chats: &'a [Chat],
    evidence: &'a Evidence,
    /// The hash of the client's session, once the log has it.
    session: Option<SessionHash>,
    welcomes: usize,
}

impl Judge<'_> {
    fn welcomed(&mut self, line: &Line) {
        self.welcomes += 1;
        let log = self.evidence.log(self.life.log_after(self.welcomes));
        let joined = at(log, number(line, "participant"));
        self.session = joined.and_then(|record| record.session).or(self.session);
    }

    /// Whether there was a moment between the request and the refusal at which it was right.
    fn is_true(&self, request: &Line, refusal: &Line, status: &str) -> bool {
        let moments = self.evidence.moments(request.time, refusal.time);
        let mut moments = moments.iter();
        match (request.call.as_str(), status) {
            ("History", "RESOURCE_EXHAUSTED") => self.reads_much(refusal),
            ("Join" | "Publish" | "Leave", "INVALID_ARGUMENT") => moments.any(|moment| {
                self.is_out_of_time(request, moment)
                    || (request.call == "Publish" && self.is_wrongly_seen(request, moment))
            }),
            ("Publish", "ALREADY_EXISTS") => {
                moments.any(|moment| self.is_other_text(request, moment))
            }
            ("Join", "ALREADY_EXISTS") => moments.any(|moment| self.is_taken(request, moment)),
            ("Join", "UNAUTHENTICATED") => self.has_left(refusal),
            ("Publish" | "Leave" | "History", "UNAUTHENTICATED") => {
                moments.any(|moment| !self.is_alive(moment))
            }
            ("Publish", "RESOURCE_EXHAUSTED") => {
                moments.any(|moment| self.is_too_fast(request, moment))
            }
            ("Join", "RESOURCE_EXHAUSTED") => moments.any(|moment| self.is_full(moment)),
            _ => false,
        }
    }

    fn before(&self, moment: &Moment) -> &[Record] {
        let log = self.evidence.log(moment.log);
        &log[..moment.position.min(log.len())]
    }

    /// The numbers and names of those who are present.
    fn present(&self, moment: &Moment) -> impl Iterator<Item = (u64, &str)> {
        let present = self
            .chats
            .get(moment.log)
            .and_then(|chat| chat.at(moment.position as u64));
        present
            .into_iter()
            .flatten()
            .map(|(number, name)| (*number, name.as_str()))
    }

    fn is_own(&self, participant: u64, moment: &Moment) -> bool {
        let joined = at(self.evidence.log(moment.log), participant);
        let session = joined.and_then(|record| record.session);
        session.is_some() && session == self.session
    }

    /// Without a session that the log knows there is nothing that could go on.
    fn is_alive(&self, moment: &Moment) -> bool {
        self.present(moment)
            .any(|(participant, _)| self.is_own(participant, moment))
    }

    fn is_out_of_time(&self, request: &Line, moment: &Moment) -> bool {
        let clock = self.before(moment).last();
        let clock = clock.map_or(0, |record| record.event.lamport.get());
        let time = number(request, "lamport");
        time == 0 || time > clock.saturating_add(MAX_AHEAD)
    }

    fn is_wrongly_seen(&self, request: &Line, moment: &Moment) -> bool {
        let seen = number(request, "seen");
        let before = self
            .before(moment)
            .iter()
            .filter_map(|record| match &record.event.kind {
                EventKind::Message {
                    seen, participant, ..
                } if self.is_own(participant.get(), moment) => Some(seen.get()),
                _ => None,
            });
        seen > moment.position as u64
            || (seen > 0 && before.max().is_some_and(|before| seen < before))
    }

    fn is_other_text(&self, request: &Line, moment: &Moment) -> bool {
        let (wanted, sent) = (request.get("id"), request.get("text"));
        self.before(moment).iter().any(|record| {
            matches!(&record.event.kind, EventKind::Message { id, text, .. }
                if Some(&**id) == wanted && Some(&**text) != sent)
        })
    }

    fn is_taken(&self, request: &Line, moment: &Moment) -> bool {
        let wanted = request.get("name");
        self.present(moment)
            .any(|(participant, name)| Some(name) == wanted && !self.is_own(participant, moment))
    }

    fn has_left(&self, refusal: &Line) -> bool {
        let mut leaves = self.life.calls("Leave", "sent");
        leaves.any(|leave| leave.time <= refusal.time)
    }

    /// So many pages can wait for their turn, and none of them for longer than it is waited for.
    fn reads_much(&self, refusal: &Line) -> bool {
        let recent = self
            .life
            .calls("History", "sent")
            .filter(|sent| sent.time <= refusal.time && sent.time + MOST_PATIENT >= refusal.time);
        recent.count() > MOST_PAGES
    }

    fn is_full(&self, moment: &Moment) -> bool {
        self.present(moment).count() >= self.evidence.rules.max_participants
    }

    /// More than the burst would have been said at once: each line takes `interval` to be paid
    /// back, and `burst` of them may be owed. A server that starts has forgotten what was owed.
    fn is_too_fast(&self, request: &Line, moment: &Moment) -> bool {
        let Some(rate) = self.evidence.rules.publish_rate else {
            return false;
        };
        let mut paid_back = moment.server_started;
        for record in self.before(moment) {
            let said_at = record.event.at;
            if let EventKind::Message { participant, .. } = &record.event.kind
                && self.is_own(participant.get(), moment)
                && said_at + TICK >= moment.server_started
            {
                paid_back = paid_back.max(said_at) + rate.interval;
            }
        }
        let owed = since(request.time - TICK, paid_back) + rate.interval;
        owed > rate.interval * rate.burst
    }
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
