//! The server's own order: what it received, broadcast and answered, one after the other.

use super::{Report, Rule, is_cut};
use crate::{
    chat::{At, Facts},
    read::step::{Event, Kind, What},
};

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    for chat in &facts.chats {
        let mut journal = Journal::default();
        for &run in &chat.servers {
            journal.run(facts, run, report);
        }
    }
}

/// The log's end as the server last told of it.
#[derive(Clone, Copy)]
struct End {
    position: u64,
    lamport: Option<u64>,
    at: At,
}

/// A request under way.
struct Pending {
    at: At,
    broadcast: Option<At>,
    /// It stands for one that came before the lines begin, or is in a hole.
    unknown: bool,
}

#[derive(Default)]
struct Journal {
    end: Option<End>,
    pending: Option<Pending>,
    /// The run before ended in order.
    ended: bool,
}

impl Journal {
    fn run(&mut self, facts: &Facts<'_>, run: usize, report: &mut Report) {
        let lines = facts.run(run);
        self.pending = None;
        if !lines.begun {
            self.lose(At { run, step: 0 });
        }
        for step in 0..lines.steps.len() {
            let at = At { run, step };
            if lines.steps[step].after_hole {
                self.lose(at);
            }
            self.step(facts, at, report);
        }
        // A server that stopped in order has answered all.
        if lines.ended {
            self.unfinished(facts, report);
        }
        self.ended = lines.ended && !facts.trace.lacks_a_server();
    }

    /// Lines are missing here.
    fn lose(&mut self, at: At) {
        self.end = None;
        self.pending = Some(Pending {
            at,
            broadcast: None,
            unknown: true,
        });
    }

    fn step(&mut self, facts: &Facts<'_>, at: At, report: &mut Report) {
        match facts.step(at).what {
            What::ServerStarted { position, .. } => self.started(position, at, report),
            What::JoinReceived { .. }
            | What::PublishReceived { .. }
            | What::LeaveReceived { .. } => {
                self.unfinished(facts, report);
                self.pending = Some(Pending {
                    at,
                    broadcast: None,
                    unknown: false,
                });
            }
            What::BroadcastSent(event) => self.broadcast(facts, event, at, report),
            What::JoinGranted(welcome) => {
                self.answered(facts, at, welcome.position, !welcome.resumed, report);
            }
            What::PublishReplied {
                position, repeated, ..
            }
            | What::LeaveReplied { position, repeated } => {
                self.answered(facts, at, position, !repeated, report);
            }
            _ => {}
        }
    }

    fn started(&mut self, position: u64, at: At, report: &mut Report) {
        if let Some(end) = self.end
            && position < end.position
        {
            report.add(Rule::TakenBack, &[end.at, at], || {
                format!(
                    "{} was broadcast, and the server came back at {position}",
                    end.position
                )
            });
        }
        if let Some(end) = self.end
            && self.ended
            && position > end.position
        {
            report.add(Rule::Gap, &[end.at, at], || {
                format!(
                    "the server ended at {}, and came back at {position}",
                    end.position
                )
            });
        }
        let same = self.end.filter(|end| end.position == position);
        let lamport = match position {
            0 => Some(0),
            _ => same.and_then(|end| end.lamport),
        };
        self.end = Some(End {
            position,
            lamport,
            at,
        });
    }

    /// The request before the next one.
    fn unfinished(&mut self, facts: &Facts<'_>, report: &mut Report) {
        let Some(pending) = self.pending.take().filter(|pending| !pending.unknown) else {
            return;
        };
        match pending.broadcast {
            Some(broadcast) => report.add(Rule::NotAnswered, &[pending.at, broadcast], || {
                "a request was received, and its event broadcast, but it has no answer".to_owned()
            }),
            None if facts.step(pending.at).clock.is_none() => {
                report.add(Rule::NotAnswered, &[pending.at], || {
                    "a request was received, and has no answer".to_owned()
                });
            }
            None => report.add(Rule::AcceptedNotBroadcast, &[pending.at], || {
                "a request was received that led neither to an event nor to an answer".to_owned()
            }),
        }
    }

    fn answered(
        &mut self,
        facts: &Facts<'_>,
        at: At,
        position: u64,
        anew: bool,
        report: &mut Report,
    ) {
        let Some(pending) = self.pending.take() else {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "the server answers what it did not receive".to_owned()
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
                again(facts, pending.at, at, report);
            }
            return;
        };
        let What::BroadcastSent(event) = facts.step(broadcast).what else {
            return;
        };
        let (told, found) = (facts.step(broadcast).lamport, facts.step(at).lamport);
        let id = match facts.step(at).what {
            What::PublishReplied { id, .. } => id,
            _ => event.id,
        };
        let step = facts.step(at);
        let same_id =
            event.id == id || (step.frayed && facts.text(event.id).starts_with(facts.text(id)));
        if event.position != position || told != found || !same_id {
            report.add(Rule::ReplyDiffers, &[broadcast, at], || {
                format!(
                    "position {} at {told} was broadcast, {position} at {found} is answered",
                    event.position
                )
            });
        }
    }

    fn broadcast(&mut self, facts: &Facts<'_>, event: Event, at: At, report: &mut Report) {
        let step = facts.step(at);
        let before = self.end;
        if let Some(end) = before {
            Self::place(end, event.position, at, report);
        }
        let clock_before = before
            .filter(|end| end.position.saturating_add(1) == event.position)
            .and_then(|end| end.lamport);
        if event.request == 0 {
            if event.kind != Kind::Left && event.kind != Kind::Unknown {
                report.add(Rule::BroadcastWithoutRequest, &[at], || {
                    format!("a {} without a request", event.kind.as_str())
                });
            }
        } else {
            self.of_request(facts, event, clock_before, at, report);
        }
        // After an old position again, what follows is still what followed.
        if before.is_none_or(|end| event.position > end.position) {
            self.end = Some(End {
                position: event.position,
                lamport: Some(step.lamport),
                at,
            });
        }
    }

    fn place(end: End, position: u64, at: At, report: &mut Report) {
        let lines = [end.at, at];
        if position == end.position {
            report.add(Rule::BroadcastTwice, &lines, || {
                format!("position {position} was broadcast twice")
            });
        } else if position < end.position {
            report.add(Rule::OutOfOrder, &lines, || {
                format!("position {position} was broadcast after {}", end.position)
            });
        } else if position - end.position > 1 {
            report.add(Rule::Gap, &lines, || {
                format!("position {position} was broadcast after {}", end.position)
            });
        }
    }

    fn of_request(
        &mut self,
        facts: &Facts<'_>,
        event: Event,
        clock_before: Option<u64>,
        at: At,
        report: &mut Report,
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
        let (request, lines) = (facts.step(pending.at), [pending.at, at]);
        let same = request.lamport == event.request
            && match request.what {
                What::JoinReceived { name } => event.kind == Kind::Joined && event.name == name,
                What::PublishReceived {
                    participant,
                    id,
                    seen,
                } => {
                    event.kind == Kind::Message
                        && participant == Some(event.participant)
                        && (id, seen) == (event.id, event.seen)
                }
                What::LeaveReceived { participant } => {
                    event.kind == Kind::Left && participant == Some(event.participant)
                }
                _ => false,
            };
        if !same {
            report.add(Rule::RequestDiffers, &lines, || {
                format!("position {} is not what was asked for", event.position)
            });
        }
        let (Some(before), Some(clock)) = (clock_before, request.clock) else {
            if request.clock.is_none() {
                report.add(Rule::BroadcastWithoutRequest, &lines, || {
                    format!(
                        "the receipt moved no clock, and yet {} came of it",
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

/// A retry gets the first reply.
fn again(facts: &Facts<'_>, request: At, at: At, report: &mut Report) {
    let (What::PublishReplied { position, id, .. }, Some(chat)) =
        (facts.step(at).what, facts.chat_of_server.get(&at.run))
    else {
        return;
    };
    if let Some(told) = facts.chats[*chat].told.get(&position)
        && (told.lamport != facts.step(at).lamport || told.event.id != id)
        && !facts.step(at).frayed
    {
        report.add(Rule::ReplyDiffers, &[told.at, request, at], || {
            format!("a retry is answered with position {position}, which is another")
        });
    }
}
