//! The order of a server's lines: it receives a request, broadcasts its event, and answers it, before
//! the next request.

use super::{CheckReport, Rule, is_cut};
use crate::{
    chat::{StepRef, TraceIndex},
    read::step::{LoggedEvent, LoggedKind, StepKind},
};

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    for chat in &index.chats {
        let mut journal = Journal::default();
        for &run in &chat.servers {
            journal.run(index, run, report);
        }
    }
}

/// The head of the log, as the server last reported it by a broadcast or at its start.
#[derive(Clone, Copy)]
struct ReportedHead {
    position: u64,
    lamport: Option<u64>,
    at: StepRef,
}

/// A request that was received and is not answered yet.
struct PendingRequest {
    at: StepRef,
    broadcast: Option<StepRef>,
    /// The request itself is missing: it is in a hole, or before the first line.
    unknown: bool,
}

#[derive(Default)]
struct Journal {
    head: Option<ReportedHead>,
    pending: Option<PendingRequest>,
    /// The run before ended in order, so that the next one has to start at its head.
    ended: bool,
}

impl Journal {
    fn run(&mut self, index: &TraceIndex<'_>, run: usize, report: &mut CheckReport) {
        let lines = index.run(run);
        // A request that was pending when the run before broke off died with its server.
        self.pending = None;
        if !lines.begun {
            self.lose(StepRef { run, step: 0 });
        }
        for step in 0..lines.steps.len() {
            let at = StepRef { run, step };
            if lines.steps[step].after_hole {
                self.lose(at);
            }
            self.step(index, at, report);
        }
        // A server that stopped in order has answered all requests.
        if lines.ended {
            self.unfinished(index, report);
        }
        self.ended = lines.ended && !index.trace.lacks_a_server();
    }

    /// Forgets what is not certain any more, because lines are missing here.
    fn lose(&mut self, at: StepRef) {
        self.head = None;
        self.pending = Some(PendingRequest {
            at,
            broadcast: None,
            unknown: true,
        });
    }

    fn step(&mut self, index: &TraceIndex<'_>, at: StepRef, report: &mut CheckReport) {
        match index.step(at).kind {
            StepKind::ServerStarted { position, .. } => self.started(position, at, report),
            StepKind::JoinReceived { .. }
            | StepKind::PublishReceived { .. }
            | StepKind::LeaveReceived { .. } => {
                self.unfinished(index, report);
                self.pending = Some(PendingRequest {
                    at,
                    broadcast: None,
                    unknown: false,
                });
            }
            StepKind::BroadcastSent(event) => self.broadcast(index, event, at, report),
            StepKind::JoinGranted(welcome) => {
                self.answered(index, at, welcome.position, !welcome.resumed, report);
            }
            StepKind::PublishReplied {
                position, repeated, ..
            }
            | StepKind::LeaveReplied { position, repeated } => {
                self.answered(index, at, position, !repeated, report);
            }
            _ => {}
        }
    }

    fn started(&mut self, position: u64, at: StepRef, report: &mut CheckReport) {
        if let Some(head) = self.head
            && position < head.position
        {
            report.add(Rule::TakenBack, &[head.at, at], || {
                format!(
                    "position {} was broadcast, but the server started at {position}",
                    head.position
                )
            });
        }
        // After a crash the next run may start later: the last batch was durable, but the run broke
        // off before it wrote the lines. Only an orderly end leaves no gap.
        if let Some(head) = self.head
            && self.ended
            && position > head.position
        {
            report.add(Rule::Gap, &[head.at, at], || {
                format!(
                    "the server ended at position {}, and started at {position}",
                    head.position
                )
            });
        }
        let same = self.head.filter(|head| head.position == position);
        let lamport = match position {
            0 => Some(0),
            _ => same.and_then(|head| head.lamport),
        };
        self.head = Some(ReportedHead {
            position,
            lamport,
            at,
        });
    }

    /// Reports the pending request, if it was not answered before the next one.
    fn unfinished(&mut self, index: &TraceIndex<'_>, report: &mut CheckReport) {
        let Some(pending) = self.pending.take().filter(|pending| !pending.unknown) else {
            return;
        };
        match pending.broadcast {
            Some(broadcast) => report.add(Rule::NotAnswered, &[pending.at, broadcast], || {
                "a request was received and its event broadcast, but it has no answer".to_owned()
            }),
            // Without a clock the request was a retry or a resume: it leads to no event.
            None if index.step(pending.at).clock.is_none() => {
                report.add(Rule::NotAnswered, &[pending.at], || {
                    "a request was received, but has no answer".to_owned()
                });
            }
            None => report.add(Rule::AcceptedNotBroadcast, &[pending.at], || {
                "a request was received that led neither to an event nor to an answer".to_owned()
            }),
        }
    }

    /// The answer has to be about the event that was broadcast for the pending request.
    fn answered(
        &mut self,
        index: &TraceIndex<'_>,
        at: StepRef,
        position: u64,
        anew: bool,
        report: &mut CheckReport,
    ) {
        let Some(pending) = self.pending.take() else {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "the server answers a request that it did not receive".to_owned()
            });
            return;
        };
        if pending.unknown {
            return;
        }
        let Some(broadcast) = pending.broadcast else {
            if anew {
                report.add(Rule::AcceptedNotBroadcast, &[pending.at, at], || {
                    format!("position {position} is acknowledged, but was not broadcast before")
                });
            } else {
                answered_again(index, pending.at, at, report);
            }
            return;
        };
        let StepKind::BroadcastSent(event) = index.step(broadcast).kind else {
            return;
        };
        let (sent_at, found) = (index.step(broadcast).lamport, index.step(at).lamport);
        let id = match index.step(at).kind {
            StepKind::PublishReplied { id, .. } => id,
            _ => event.id,
        };
        let step = index.step(at);
        // The id is the last field of the line: of a frayed one the beginning is enough.
        let same_id =
            event.id == id || (step.frayed && index.text(event.id).starts_with(index.text(id)));
        if event.position != position || sent_at != found || !same_id {
            report.add(Rule::ReplyDiffers, &[broadcast, at], || {
                format!(
                    "position {} at {sent_at} was broadcast, {position} at {found} is answered",
                    event.position
                )
            });
        }
    }

    fn broadcast(
        &mut self,
        index: &TraceIndex<'_>,
        event: LoggedEvent,
        at: StepRef,
        report: &mut CheckReport,
    ) {
        let step = index.step(at);
        let before = self.head;
        if let Some(head) = before {
            Self::follows_head(head, event.position, at, report);
        }
        let clock_before = before
            .filter(|head| head.position.saturating_add(1) == event.position)
            .and_then(|head| head.lamport);
        // The server itself only ends participations; anything else needs a request.
        if event.request == 0 {
            if event.kind != LoggedKind::Left && event.kind != LoggedKind::Unknown {
                report.add(Rule::BroadcastWithoutRequest, &[at], || {
                    format!("a {} without a request", event.kind.as_str())
                });
            }
        } else {
            self.of_request(index, event, clock_before, at, report);
        }
        // If an old position comes again, the next new one still has to continue the newest.
        if before.is_none_or(|head| event.position > head.position) {
            self.head = Some(ReportedHead {
                position: event.position,
                lamport: Some(step.lamport),
                at,
            });
        }
    }

    /// The broadcast has to be at the position after the head.
    fn follows_head(head: ReportedHead, position: u64, at: StepRef, report: &mut CheckReport) {
        let lines = [head.at, at];
        if position == head.position {
            report.add(Rule::BroadcastTwice, &lines, || {
                format!("position {position} was broadcast twice")
            });
        } else if position < head.position {
            report.add(Rule::OutOfOrder, &lines, || {
                format!("position {position} was broadcast after {}", head.position)
            });
        } else if position - head.position > 1 {
            report.add(Rule::Gap, &lines, || {
                format!("position {position} was broadcast after {}", head.position)
            });
        }
    }

    /// The broadcast has to be of the pending request, which was received by the rules.
    fn of_request(
        &mut self,
        index: &TraceIndex<'_>,
        event: LoggedEvent,
        clock_before: Option<u64>,
        at: StepRef,
        report: &mut CheckReport,
    ) {
        let Some(pending) = self
            .pending
            .as_mut()
            .filter(|pending| pending.broadcast.is_none())
        else {
            report.add(Rule::BroadcastWithoutRequest, &[at], || {
                format!(
                    "the server did not receive the request of position {}",
                    event.position
                )
            });
            return;
        };
        if pending.unknown {
            return;
        }
        pending.broadcast = Some(at);
        let (request, lines) = (index.step(pending.at), [pending.at, at]);
        let same = request.lamport == event.request
            && match request.kind {
                StepKind::JoinReceived { name } => {
                    event.kind == LoggedKind::Joined && event.name == name
                }
                StepKind::PublishReceived {
                    participant,
                    id,
                    seen,
                } => {
                    event.kind == LoggedKind::Message
                        && participant == Some(event.participant)
                        && (id, seen) == (event.id, event.seen)
                }
                StepKind::LeaveReceived { participant } => {
                    event.kind == LoggedKind::Left && participant == Some(event.participant)
                }
                _ => false,
            };
        if !same {
            report.add(Rule::RequestDiffers, &lines, || {
                format!("position {} differs from its request", event.position)
            });
        }
        let (Some(before), Some(clock)) = (clock_before, request.clock) else {
            if request.clock.is_none() {
                report.add(Rule::BroadcastWithoutRequest, &lines, || {
                    format!(
                        "the receipt moved no clock, but led to position {}",
                        event.position
                    )
                });
            }
            return;
        };
        let expected = before.max(request.lamport).saturating_add(1);
        if clock != expected && !is_cut(request.frayed, clock, expected) {
            report.add(Rule::ReceiptNotByTheFold, &lines, || {
                format!(
                    "max({before}, {}) + 1 is {expected}, and it was received at {clock}",
                    request.lamport
                )
            });
        }
    }
}

/// A retry gets the reply of the first request.
fn answered_again(index: &TraceIndex<'_>, request: StepRef, at: StepRef, report: &mut CheckReport) {
    let (StepKind::PublishReplied { position, id, .. }, Some(chat)) =
        (index.step(at).kind, index.chat_of_server.get(&at.run))
    else {
        return;
    };
    if let Some(known) = index.chats[*chat].events.get(&position)
        && (known.lamport != index.step(at).lamport || known.event.id != id)
        && !index.step(at).frayed
    {
        report.add(Rule::ReplyDiffers, &[known.at, request, at], || {
            format!("a retry is answered with position {position}, which is another message")
        });
    }
}
