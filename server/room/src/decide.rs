//! The rules of publishing and leaving (docs/protocol.md).

use std::{sync::Arc, time::Duration};

use chitty_chat::{
    Event, EventKind, LamportTime, LeftReason, ParticipantNumber, Position, SessionHash,
};

use super::{
    Decision, DecisionTime, Leave, Publish, Receipt, Refusal, Room, SessionState,
    jumps::{Jumps, MAX_AHEAD},
    presence::Limited,
    published::IdMatch,
};
use crate::record::{PrivatePart, Record};

impl Room {
    /// Detaches a stream that ended: the participant's grace begins.
    pub fn detach(&mut self, participant: ParticipantNumber, generation: u64, now: DecisionTime) {
        self.presence
            .detach(participant, generation, now.mono + self.rules.grace);
    }

    /// Ends the participations whose grace is over, and returns the records of that.
    pub fn expire(&mut self, now: DecisionTime) -> Vec<Record> {
        self.presence
            .expired(now.mono)
            .into_iter()
            .filter_map(|(participant, reason)| {
                self.end(participant, reason, LamportTime::ZERO, now)
            })
            .collect()
    }

    /// Decides a Publish. The decision is applied to this room at once; a caller that may have to
    /// take it back decides on a clone.
    pub fn publish(
        &mut self,
        publish: &Publish,
        now: DecisionTime,
    ) -> Result<Decision<Receipt>, Refusal> {
        self.require_member(publish.identity)?;
        self.require_own_session(&publish.session, publish.identity)?;
        self.check_time(publish.lamport)?;
        if let Some(id) = &publish.id {
            // Before the session is checked: a retry gets its receipt even after the participation
            // has ended.
            match self.fold.find_published(id.as_str(), publish.text.as_str()) {
                Some(IdMatch::Same(receipt)) => return Ok(Decision::repeat(receipt)),
                Some(IdMatch::Other(position)) => return Err(Refusal::IdTaken { position }),
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
        // Readers compute causality from `seen`, so it may not point beyond the log, nor go back.
        check_seen(publish.seen, author.seen, self.fold.head())?;
        self.check_end(publish.lamport, LamportTime::LAST_ENTRY)?;
        let jumps = self.check_jump(publish.lamport, now.mono)?;
        // Counted last, so that refused messages and retries do not count.
        if let Some(rate) = self.rules.publish_rate {
            self.presence
                .count(number, Limited::Message, rate, now.mono)
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
            member: author.member,
        };
        let record = self.record(kind, publish.lamport, None, now);
        let receipt = Receipt::of(&record.event);
        Ok(Decision::new(vec![record], receipt))
    }

    /// Decides a Leave, like [`Room::publish`].
    pub fn leave(
        &mut self,
        leave: &Leave,
        now: DecisionTime,
    ) -> Result<Decision<Receipt>, Refusal> {
        self.require_member(leave.identity)?;
        self.require_own_session(&leave.session, leave.identity)?;
        self.check_time(leave.lamport)?;
        match self.fold.session(&leave.session) {
            Some(SessionState::Present(participant)) => {
                self.check_end(leave.lamport, LamportTime::LAST_LEAVE)?;
                self.jumps = self.check_jump(leave.lamport, now.mono)?;
                let record = self
                    .end(participant, LeftReason::Left, leave.lamport, now)
                    .ok_or(Refusal::UnknownSession)?;
                let receipt = Receipt::of(&record.event);
                Ok(Decision::new(vec![record], receipt))
            }
            Some(SessionState::Ended {
                reason: LeftReason::Left,
                receipt,
                ..
            }) => Ok(Decision::repeat(receipt)),
            Some(SessionState::Ended { .. }) | None => Err(Refusal::UnknownSession),
        }
    }

    /// Ends a participation. `None` if it is over already, or if there is no later Lamport time.
    /// The latter can happen only in a log that was written by others against the rules; such a
    /// participation stays as it is.
    pub(super) fn end(
        &mut self,
        participant: ParticipantNumber,
        reason: LeftReason,
        request: LamportTime,
        now: DecisionTime,
    ) -> Option<Record> {
        let name = Arc::clone(&self.fold.participant(participant)?.name);
        let kind = EventKind::Left {
            name,
            reason,
            participant,
        };
        // Presence forgets the participant in any case; otherwise its grace would expire again and
        // again.
        let rises = self.fold.next_time(request) > self.fold.now();
        let record = rises.then(|| self.record(kind, request, None, now));
        self.presence.remove(participant);
        record
    }

    /// Makes the next record of the log, and applies it to the fold.
    pub(super) fn record(
        &mut self,
        kind: EventKind,
        request: LamportTime,
        session: Option<SessionHash>,
        now: DecisionTime,
    ) -> Record {
        self.append(kind, request, session, None, now)
    }

    /// The same for an event with parts that only the server knows.
    pub(super) fn record_private(
        &mut self,
        kind: EventKind,
        request: LamportTime,
        private: PrivatePart,
        now: DecisionTime,
    ) -> Record {
        self.append(kind, request, None, Some(private), now)
    }

    pub(super) fn append(
        &mut self,
        kind: EventKind,
        request: LamportTime,
        session: Option<SessionHash>,
        private: Option<PrivatePart>,
        now: DecisionTime,
    ) -> Record {
        let event = Event {
            position: self.fold.head().next(),
            lamport: self.fold.next_time(request),
            at: now.wall,
            request,
            kind,
        };
        let record = Record {
            generation: self.generation(&event),
            event,
            session,
            private: private.map(Box::new),
        };
        // A mistake in the rules above would make a record that does not fold. Once it is appended,
        // no later start could replay the log, so the server stops here instead. The room that
        // decides is a scratch copy, and nothing of it is durable or shown yet.
        self.fold
            .apply(&record)
            .expect("a record that the room decides follows from its fold");
        record
    }

    /// The number of the latest stream of the event's participation.
    fn generation(&self, event: &Event) -> u64 {
        match (&event.kind, event.participant()) {
            // The first stream begins with the Joined.
            (EventKind::Joined { .. }, _) => 1,
            (_, Some(participant)) => self
                .presence
                .generation(participant)
                .unwrap_or_else(|| self.fold.generation(participant)),
            (_, None) => 0,
        }
    }

    pub(super) fn check_time(&self, lamport: LamportTime) -> Result<(), Refusal> {
        let clock = self.fold.now();
        // In a record, 0 means that no request led to the event.
        if lamport == LamportTime::ZERO {
            Err(Refusal::NoTime)
        } else if lamport.get() > clock.get().saturating_add(MAX_AHEAD) {
            Err(Refusal::TimeAhead { lamport, clock })
        } else {
            Ok(())
        }
    }

    /// Refuses a request whose event would get a time after `last`. Times never stand still, so the
    /// chat has to end before its numbers do.
    pub(super) fn check_end(&self, request: LamportTime, last: LamportTime) -> Result<(), Refusal> {
        if self.fold.next_time(request) > last {
            let clock = self.fold.now();
            return Err(Refusal::TimeEnds { clock });
        }
        Ok(())
    }

    /// The jump budget after a request that carries this time. The caller stores it once nothing
    /// else can refuse the request, so that refused requests do not count.
    pub(super) fn check_jump(&self, lamport: LamportTime, now: Duration) -> Result<Jumps, Refusal> {
        let clock = self.fold.now();
        let ahead = lamport.get().saturating_sub(clock.get());
        let after = self.jumps.after(ahead, now);
        after.map_err(|retry_in| Refusal::TimeJump {
            lamport,
            clock,
            retry_in,
        })
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
