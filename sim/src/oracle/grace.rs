//! Who is taken for gone: not before the grace is over, nor without end.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use chitty_chat::{EventKind, LeftReason};
use chitty_server::record::Record;

use super::{Evidence, ServerRun, Verdict, at, number, rules::TICK};

/// A server may be so late beyond the grace: its disk may be slow, and another writer be first a
/// few times.
const LATE: Duration = Duration::from_secs(30);

pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let runs = evidence.servers.iter().enumerate();
    for (index, run) in runs {
        let end = evidence.servers.get(index + 1).map(|next| next.started);
        let streams = Streams::of(run);
        // Before that run, and on the same log, where numbers mean the same participants.
        let earlier = evidence.servers[..index].iter();
        let earlier = earlier
            .filter(|earlier| earlier.log == run.log)
            .map(Streams::of);
        let earlier: Vec<_> = earlier.collect();
        let log = evidence.log(run.log);
        for (place, record) in log.iter().enumerate() {
            // What was just being synced when a server ended is found by the next one.
            let during =
                record.event.at >= run.started && end.is_none_or(|end| record.event.at < end);
            if let EventKind::Left {
                reason,
                participant,
                ..
            } = &record.event.kind
                && during
            {
                let gone = Gone {
                    was_here: earlier
                        .iter()
                        .any(|streams| streams.0.contains_key(&participant.get())),
                    number: participant.get(),
                    reason: *reason,
                    record,
                    by_itself: begins_anew(log, place),
                };
                streams.check(&gone, run, evidence, verdict);
            }
        }
    }
}

/// A participation that is ended by a Join of its own session: its client has lost the thread.
/// Between the two there is at most what came of another writer's being first.
fn begins_anew(log: &[Record], place: usize) -> bool {
    let Some(number) = who_left(log, place) else {
        return false;
    };
    let session = at(log, number).and_then(|record| record.session);
    let others_come = |next: &usize| who_left(log, *next).is_some() || comes_and_goes(log, *next);
    let next = (place + 1..log.len()).find(|next| !others_come(next));
    session.is_some() && next.is_some_and(|next| log[next].session == session)
}

fn who_left(log: &[Record], place: usize) -> Option<u64> {
    match &log.get(place)?.event.kind {
        EventKind::Left { participant, .. } => Some(participant.get()),
        _ => None,
    }
}

/// Somebody at another server.
fn comes_and_goes(log: &[Record], place: usize) -> bool {
    let record = &log[place].event;
    matches!(record.kind, EventKind::Joined { .. })
        && who_left(log, place + 1) == Some(record.position.get())
}

struct Gone<'a> {
    number: u64,
    reason: LeftReason,
    record: &'a Record,
    by_itself: bool,
    /// It has had a stream of an earlier run.
    was_here: bool,
}

/// The newest stream of each participant, as a server wrote it down.
#[derive(Default)]
struct Streams(BTreeMap<u64, Vec<Stream>>);

#[derive(Clone, Copy)]
struct Stream {
    generation: u64,
    granted: SystemTime,
    opened: bool,
    ended: Option<SystemTime>,
}

impl Streams {
    fn of(run: &ServerRun) -> Self {
        let mut streams = Self::default();
        for line in &run.lines {
            let of = streams.0.entry(number(line, "participant")).or_default();
            let generation = number(line, "generation");
            let stream = of
                .iter_mut()
                .rev()
                .find(|stream| stream.generation == generation);
            match (line.call.as_str(), line.step.as_str()) {
                ("Join", "granted") => of.push(Stream {
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

    /// The newest that this participant had before a moment.
    fn newest(&self, number: u64, before: SystemTime) -> Option<Stream> {
        let of = self.0.get(&number)?;
        of.iter()
            .rev()
            .find(|stream| stream.granted <= before)
            .copied()
    }

    fn check(&self, gone: &Gone<'_>, run: &ServerRun, evidence: &Evidence, verdict: &mut Verdict) {
        let when = gone.record.event.at;
        let newest = self.newest(gone.number, when);
        let position = gone.record.event.position;
        match gone.reason {
            LeftReason::Lost if !gone.by_itself => {
                let Some(stream) = newest else {
                    // Whoever came and went at another server had no stream here.
                    verdict.must(!gone.was_here, "LOST after the grace", || {
                        format!(
                            "{} is lost at position {position}, and was not there since the server \
                             started",
                            gone.number
                        )
                    });
                    return;
                };
                // A stream that was granted and not fetched has no end of its own.
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
                        gone.number
                    )
                });
            }
            LeftReason::Closed => {
                let grace = evidence.rules.restart_grace;
                let in_time = newest.is_none() && is_over(run.started, grace, when);
                verdict.must(in_time, "CLOSED after the restart grace", || {
                    format!(
                        "{} is closed at position {position}, {when:?}; the server started {:?}",
                        gone.number, run.started
                    )
                });
            }
            _ => {}
        }
    }
}

/// The grace was over, and not for long.
fn is_over(from: SystemTime, grace: Duration, when: SystemTime) -> bool {
    let waited = when.duration_since(from).unwrap_or_default();
    waited + TICK >= grace && waited <= grace + LATE
}
