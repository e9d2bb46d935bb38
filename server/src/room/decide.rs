//! What becomes of a command: the rules of joining, publishing and leaving (docs/protocol.md).

use std::sync::Arc;

use chitty_chat::{
    Event, EventKind, LamportTime, LeftReason, ParticipantName, ParticipantNumber, Position,
    SessionHash,
};
use imbl::OrdMap;

use super::{
    Accepted, Command, Decision, Granted, Join, Leave, Now, Publish, Receipt, Refusal, Resume,
    Room, SessionState,
    jumps::{Jumps, MAX_AHEAD},
    published::Known,
};
use crate::record::Record;

impl Room {
    /// Decides a command. What is decided is applied to this room at once; whoever needs to take
    /// it back decides on a clone.
    pub fn decide(&mut self, command: &Command, now: Now) -> Result<Decision, Refusal> {
        match command {
            Command::Join(join) => self.join(join, now),
            Command::Publish(publish) => self.publish(publish, now),
            Command::Leave(leave) => self.leave(leave, now),
            Command::Reader(session) => self.reader(session),
        }
    }

    /// A stream ended: the participant has the grace to come back.
    pub fn detach(&mut self, participant: ParticipantNumber, generation: u64, now: Now) {
        self.presence
            .detach(participant, generation, now.mono + self.rules.grace);
    }

    /// Announces those whose grace is over.
    pub fn expire(&mut self, now: Now) -> Vec<Record> {
        self.presence
            .expired(now.mono)
            .into_iter()
            .filter_map(|(participant, reason)| {
                self.end(participant, reason, LamportTime::ZERO, now)
            })
            .collect()
    }

    fn join(&mut self, join: &Join, now: Now) -> Result<Decision, Refusal> {
        self.check_time(join.lamport)?;
        let valid = join.resume.as_ref().filter(|resume| self.is_valid(resume));
        let stale = join.resume.is_some() && valid.is_none();
        match self.fold.session(&join.session) {
            Some(SessionState::Present(participant)) if !stale => {
                self.count_stream(join, participant, now)?;
                Ok(self.go_on(participant, valid))
            }
            Some(SessionState::Present(participant)) => {
                // The old participation cannot go on where its client lost the thread; it ends
                // here, so that there are never two of one session.
                let name = join.name.clone()?;
                let before = self.clone();
                let ended = self.end(participant, LeftReason::Lost, LamportTime::ZERO, now);
                let begun = self.begin(join, &name, None, now);
                // Who is refused stays what it was.
                let mut decision = begun.inspect_err(|_| *self = before)?;
                decision.records.splice(0..0, ended);
                Ok(decision)
            }
            Some(SessionState::Ended {
                reason: LeftReason::Left | LeftReason::Removed,
                ..
            }) => Err(Refusal::EndedSession),
            Some(SessionState::Ended { .. }) | None => {
                let name = join.name.clone()?;
                self.begin(join, &name, valid, now)
            }
        }
    }

    /// A client that joins in a loop must not burn the server, which is to tell it of everybody
    /// where it does not resume.
    fn count_stream(
        &mut self,
        join: &Join,
        participant: ParticipantNumber,
        now: Now,
    ) -> Result<(), Refusal> {
        if let Some(rate) = self.rules.stream_rate {
            self.presence
                .count_stream(participant, rate, now.mono)
                .map_err(|retry_in| Refusal::TooManyJoins { retry_in })?;
        }
        match join.resume {
            Some(_) => Ok(()),
            None => self.count_arrival(join, now),
        }
    }

    fn count_arrival(&mut self, join: &Join, now: Now) -> Result<(), Refusal> {
        match (self.rules.join_rate, join.source) {
            (Some(rate), Some(source)) => self
                .arrivals
                .take(source, rate, now.mono)
                .map_err(|retry_in| Refusal::TooManyJoins { retry_in }),
            _ => Ok(()),
        }
    }

    /// The same participation goes on: an event of nobody's.
    fn go_on(&mut self, participant: ParticipantNumber, resume: Option<&Resume>) -> Decision {
        let generation = self
            .presence
            .attach(participant, self.fold.generation(participant));
        let head = self.fold.head();
        let name = self
            .fold
            .participant(participant)
            .map_or_else(|| "".into(), |p| Arc::clone(&p.name));
        let granted = match resume {
            Some(resume) => Granted {
                participant,
                name,
                generation,
                position: resume.position,
                lamport: resume.lamport,
                participants: OrdMap::new(),
                resumed: true,
                next: resume.position.next(),
                head,
                first: self.first,
            },
            None => Granted {
                participant,
                name,
                generation,
                position: head,
                lamport: self.fold.now(),
                participants: self.fold.present.clone(),
                resumed: true,
                next: Position::new(participant.get()).max(self.first),
                head,
                first: self.first,
            },
        };
        Decision {
            records: Vec::new(),
            accepted: Accepted::Joined(granted),
        }
    }

    /// A new participation.
    fn begin(
        &mut self,
        join: &Join,
        name: &ParticipantName,
        resume: Option<&Resume>,
        now: Now,
    ) -> Result<Decision, Refusal> {
        self.check_name(name, now)?;
        if self.fold.count() >= self.rules.max_participants {
            return Err(Refusal::Full {
                limit: self.rules.max_participants,
            });
        }
        self.check_end(join.lamport, LamportTime::LAST_ENTRY)?;
        let jumps = self.check_jump(join.lamport, now)?;
        self.count_arrival(join, now)?;
        self.jumps = jumps;
        let kind = EventKind::Joined {
            name: name.shared(),
        };
        let record = self.record(kind, join.lamport, Some(join.session), now);
        let position = record.event.position;
        let participant = ParticipantNumber::from(position);
        let generation = self.presence.attach(participant, 0);
        let next = match resume {
            Some(resume) => resume.position.next(),
            None => Position::new(position.get().saturating_sub(join.backlog.into()))
                .max(self.first)
                .max(Position::new(1)),
        };
        let granted = Granted {
            participant,
            name: name.shared(),
            generation,
            position,
            lamport: record.event.lamport,
            participants: self.fold.present.clone(),
            resumed: false,
            next,
            head: position,
            first: self.first,
        };
        Ok(Decision {
            records: vec![record],
            accepted: Accepted::Joined(granted),
        })
    }

    fn publish(&mut self, publish: &Publish, now: Now) -> Result<Decision, Refusal> {
        self.check_time(publish.lamport)?;
        if let Some(id) = &publish.id {
            match self.fold.find_published(id.as_str(), publish.text.as_str()) {
                Some(Known::Same(receipt)) => {
                    let accepted = Accepted::Published {
                        receipt,
                        duplicate: true,
                    };
                    return Ok(Decision {
                        records: Vec::new(),
                        accepted,
                    });
                }
                Some(Known::Other(position)) => return Err(Refusal::IdTaken { position }),
                None => {}
            }
        }
        let Some(SessionState::Present(number)) = self.fold.session(&publish.session) else {
            return Err(Refusal::UnknownSession);
        };
        let author = self
            .fold
            .participant(number)
            .ok_or(Refusal::UnknownSession)?;
        check_seen(publish.seen, author.seen, self.fold.head())?;
        self.check_end(publish.lamport, LamportTime::LAST_ENTRY)?;
        let jumps = self.check_jump(publish.lamport, now)?;
        // Last, so that what is refused, or was published before, is not counted.
        if let Some(rate) = self.rules.publish_rate {
            self.presence
                .count_message(number, rate, now.mono)
                .map_err(|retry_in| Refusal::TooFast { retry_in })?;
        }
        self.jumps = jumps;
        let kind = EventKind::Message {
            author: Arc::clone(&author.name),
            text: publish.text.shared(),
            id: publish
                .id
                .as_ref()
                .map_or_else(|| "".into(), |id| id.as_str().into()),
            seen: publish.seen,
            participant: number,
        };
        let record = self.record(kind, publish.lamport, None, now);
        let receipt = Receipt::of(&record.event);
        let accepted = Accepted::Published {
            receipt,
            duplicate: false,
        };
        Ok(Decision {
            records: vec![record],
            accepted,
        })
    }

    fn leave(&mut self, leave: &Leave, now: Now) -> Result<Decision, Refusal> {
        self.check_time(leave.lamport)?;
        match self.fold.session(&leave.session) {
            Some(SessionState::Present(participant)) => {
                self.check_end(leave.lamport, LamportTime::LAST_LEAVE)?;
                self.jumps = self.check_jump(leave.lamport, now)?;
                let record = self
                    .end(participant, LeftReason::Left, leave.lamport, now)
                    .ok_or(Refusal::UnknownSession)?;
                let receipt = Receipt::of(&record.event);
                let accepted = Accepted::Left {
                    receipt,
                    repeated: false,
                };
                Ok(Decision {
                    records: vec![record],
                    accepted,
                })
            }
            Some(SessionState::Ended {
                reason: LeftReason::Left,
                receipt,
            }) => {
                let accepted = Accepted::Left {
                    receipt,
                    repeated: true,
                };
                Ok(Decision {
                    records: Vec::new(),
                    accepted,
                })
            }
            Some(SessionState::Ended { .. }) | None => Err(Refusal::UnknownSession),
        }
    }

    fn reader(&self, session: &SessionHash) -> Result<Decision, Refusal> {
        match self.fold.session(session) {
            Some(SessionState::Present(_)) => Ok(Decision {
                records: Vec::new(),
                accepted: Accepted::Reader,
            }),
            Some(SessionState::Ended { .. }) | None => Err(Refusal::UnknownSession),
        }
    }

    /// Ends a participation; `None` if it is over already, or if there is no later time, which only
    /// a log that others have written without the rules comes to: it stays as it is then.
    fn end(
        &mut self,
        participant: ParticipantNumber,
        reason: LeftReason,
        request: LamportTime,
        now: Now,
    ) -> Option<Record> {
        let name = Arc::clone(&self.fold.participant(participant)?.name);
        let kind = EventKind::Left {
            name,
            reason,
            participant,
        };
        let rises = self.fold.next_time(request) > self.fold.now();
        let record = rises.then(|| self.record(kind, request, None, now));
        self.presence.remove(participant);
        record
    }

    /// The next record of the log, applied.
    fn record(
        &mut self,
        kind: EventKind,
        request: LamportTime,
        session: Option<SessionHash>,
        now: Now,
    ) -> Record {
        let event = Event {
            position: self.fold.head().next(),
            lamport: self.fold.next_time(request),
            at: now.wall,
            request,
            kind,
        };
        let record = Record {
            generation: self.generation(&event.kind),
            event,
            session,
        };
        let applied = self.fold.apply(&record);
        debug_assert_eq!(applied, Ok(()), "what is decided follows on the fold");
        record
    }

    /// Which stream of the participation is the latest.
    fn generation(&self, kind: &EventKind) -> u64 {
        match kind {
            // Its first one begins with it.
            EventKind::Joined { .. } => 1,
            EventKind::Left { participant, .. } | EventKind::Message { participant, .. } => self
                .presence
                .generation(*participant)
                .unwrap_or_else(|| self.fold.generation(*participant)),
            EventKind::Unknown => 0,
        }
    }

    fn is_valid(&self, resume: &Resume) -> bool {
        *resume.epoch == *self.epoch
            && resume.actual == Some(resume.lamport)
            && resume.position <= self.fold.head()
            && resume.position >= self.first.previous()
    }

    fn check_time(&self, lamport: LamportTime) -> Result<(), Refusal> {
        let clock = self.fold.now();
        if lamport == LamportTime::ZERO {
            Err(Refusal::NoTime)
        } else if lamport.get() > clock.get().saturating_add(MAX_AHEAD) {
            Err(Refusal::TimeAhead { lamport, clock })
        } else {
            Ok(())
        }
    }

    /// Whether the event of a request that carries this time comes before `last`: times never stand
    /// still, so the chat ends before its numbers do.
    fn check_end(&self, request: LamportTime, last: LamportTime) -> Result<(), Refusal> {
        if self.fold.next_time(request) > last {
            let clock = self.fold.now();
            return Err(Refusal::TimeEnds { clock });
        }
        Ok(())
    }

    /// What is left of the budget after a request that carries this time. To be taken once nothing
    /// else is in the way, so that what is refused is not counted.
    fn check_jump(&self, lamport: LamportTime, now: Now) -> Result<Jumps, Refusal> {
        let clock = self.fold.now();
        let ahead = lamport.get().saturating_sub(clock.get());
        let after = self.jumps.after(ahead, now.mono);
        after.map_err(|retry_in| Refusal::TimeJump {
            lamport,
            clock,
            retry_in,
        })
    }

    fn check_name(&self, name: &ParticipantName, now: Now) -> Result<(), Refusal> {
        match self.fold.owner(&name.keys()) {
            None => Ok(()),
            Some(owner) => Err(Refusal::NameTaken {
                name: name.to_string(),
                owner: Arc::clone(&owner.name),
                retry_in: self
                    .presence
                    .deadline_of(owner.number)
                    .map(|deadline| deadline.saturating_sub(now.mono)),
            }),
        }
    }
}

fn check_seen(seen: Position, before: Position, head: Position) -> Result<(), Refusal> {
    if seen > head {
        Err(Refusal::SeenAhead { seen, head })
    } else if seen != Position::ZERO && seen < before {
        Err(Refusal::SeenFell { seen, before })
    } else {
        Ok(())
    }
}
