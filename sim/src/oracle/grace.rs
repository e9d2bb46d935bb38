//! Participants who are announced as LOST or CLOSED: not before the grace is over, and not long
//! after.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use chitty_chat::{EventKind, LeftReason};
use chitty_room::record::Record;

use super::{Evidence, ServerRun, Verdict, at, number, rules::TICK};

/// How long after the grace an announcement may come: the disk may be slow, and another writer may
/// be first several times.
const LATE: Duration = Duration::from_secs(30);

pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let runs = evidence.servers.iter().enumerate();
    for (index, run) in runs {
        let end = evidence.servers.get(index + 1).map(|next| next.started);
        let streams = StreamLifetimes::of(run);
        // Only runs on the same epoch, in which a number means the same participant.
        let earlier = evidence.servers[..index].iter();
        let earlier = earlier
            .filter(|earlier| earlier.log == run.log)
            .map(StreamLifetimes::of);
        let earlier: Vec<_> = earlier.collect();
        let log = evidence.log(run.log);
        for (place, record) in log.iter().enumerate() {
            // A batch whose sync was under way when a server ended belongs to that server, although
            // it is the next one that finds it: compare by time.
            let during =
                record.event.at >= run.started && end.is_none_or(|end| record.event.at < end);
            if let EventKind::Left {
                reason,
                participant,
                ..
            } = &record.event.kind
                && during
            {
                let departure = Departure {
                    was_here: earlier
                        .iter()
                        .any(|streams| streams.0.contains_key(&participant.get())),
                    number: participant.get(),
                    reason: *reason,
                    record,
                    rejoined: is_rejoined(log, place),
                };
                streams.check(&departure, run, evidence, verdict);
            }
        }
    }
}

/// Whether this Left is followed by a Join of the same session: a stale resume ends the old
/// participation at once, without a grace. Between the two there can only be events of another
/// writer that was first.
fn is_rejoined(log: &[Record], place: usize) -> bool {
    let Some(number) = who_left(log, place) else {
        return false;
    };
    let session = at(log, number).and_then(|record| record.session);
    let others_come = |next: &usize| who_left(log, *next).is_some() || comes_and_goes(log, *next);
    let next = (place + 1..log.len()).find(|next| !others_come(next));
    session.is_some() && next.is_some_and(|next| log[next].session == session)
}

/// The participant whose Left is at this index of the log, if it is one.
fn who_left(log: &[Record], place: usize) -> Option<u64> {
    match &log.get(place)?.event.kind {
        EventKind::Left { participant, .. } => Some(participant.get()),
        _ => None,
    }
}

/// Whether the record is the Joined of a participant of another server, whose Left follows.
fn comes_and_goes(log: &[Record], place: usize) -> bool {
    let record = &log[place].event;
    matches!(record.kind, EventKind::Joined { .. })
        && who_left(log, place + 1) == Some(record.position.get())
}

/// A Left that is to be checked.
struct Departure<'a> {
    number: u64,
    reason: LeftReason,
    record: &'a Record,
    /// The client began a new participation, which ended this one.
    rejoined: bool,
    /// The participant had a stream of an earlier run.
    was_here: bool,
}

/// The streams of each participant, in order, from the log lines of one server.
#[derive(Default)]
struct StreamLifetimes(BTreeMap<u64, Vec<StreamLifetime>>);

#[derive(Clone, Copy)]
struct StreamLifetime {
    generation: u64,
    granted: SystemTime,
    /// The client fetched the response, so that its end has a log line.
    opened: bool,
    ended: Option<SystemTime>,
}

impl StreamLifetimes {
    fn of(run: &ServerRun) -> Self {
        let mut streams = Self::default();
        for line in &run.lines {
            let of = streams.0.entry(number(line, "participant")).or_default();
            let generation = number(line, "generation");
            let stream = of
                .iter_mut()
                .rev()
                .find(|stream| stream.generation == generation);
            // Each resume of a participation has a stream of its own, with a higher generation.
            match (line.call.as_str(), line.step.as_str()) {
                ("Join", "granted") => of.push(StreamLifetime {
                    generation,
                    granted: line.time,
                    opened: false,
                    ended: None,
                }),
                ("Stream", "opened") => {
                    if let Some(stream) = stream {
                        stream.opened = true;
                    }
                }
                ("Stream", "ended") => {
                    if let Some(stream) = stream {
                        stream.ended = Some(line.time);
                    }
                }
                _ => {}
            }
        }
        streams
    }

    /// The newest stream that this participant had at a time.
    fn newest(&self, number: u64, before: SystemTime) -> Option<StreamLifetime> {
        let of = self.0.get(&number)?;
        of.iter()
            .rev()
            .find(|stream| stream.granted <= before)
            .copied()
    }

    fn check(
        &self,
        departure: &Departure<'_>,
        run: &ServerRun,
        evidence: &Evidence,
        verdict: &mut Verdict,
    ) {
        let when = departure.record.event.at;
        let newest = self.newest(departure.number, when);
        let position = departure.record.event.position;
        match departure.reason {
            LeftReason::Lost if !departure.rejoined => {
                let Some(stream) = newest else {
                    // A participant of another server had no stream here, and needs none.
                    verdict.must(!departure.was_here, "LOST after the grace", || {
                        format!(
                            "{} is lost at position {position}, and was not there since the server \
                             started",
                            departure.number
                        )
                    });
                    return;
                };
                // The grace of a stream that was granted but never opened runs from its grant.
                let ended = if stream.opened {
                    stream.ended
                } else {
                    Some(stream.granted)
                };
                let grace = evidence.rules.grace;
                let in_time = ended.is_some_and(|ended| is_over(ended, grace, when));
                verdict.must(in_time, "LOST after the grace", || {
                    format!(
                        "{} is lost at position {position}, {when:?}; its stream ended {ended:?}",
                        departure.number
                    )
                });
            }
            LeftReason::Closed => {
                let grace = evidence.rules.restart_grace;
                let in_time = newest.is_none() && is_over(run.started, grace, when);
                verdict.must(in_time, "CLOSED after the restart grace", || {
                    format!(
                        "{} is closed at position {position}, {when:?}; the server started {:?}",
                        departure.number, run.started
                    )
                });
            }
            _ => {}
        }
    }
}

/// Whether the grace was over at `when`, and not for too long.
fn is_over(from: SystemTime, grace: Duration, when: SystemTime) -> bool {
    let waited = when.duration_since(from).unwrap_or_default();
    waited + TICK >= grace && waited <= grace + LATE
}
