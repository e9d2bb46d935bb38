//! The rules of the room, one by one, and against a naive model.

mod clock;
mod elsewhere;
mod joining;
mod members;
mod model;
mod rates;
mod rules;
mod seats;

use std::time::Duration;

use super::*;
use crate::record::Record;
use chitty_chat::{
    EventKind, LamportClock, LamportTime, LeftReason, MessageId, MessageText, ParticipantName,
    ParticipantNumber, Position, Session,
};

const EPOCH: &str = "epoch";

fn session(name: &str) -> chitty_chat::SessionHash {
    Session::parse(&format!("{name:_<22}"))
        .expect("a session")
        .hash()
}

fn now(seconds: u64) -> DecisionTime {
    let mono = Duration::from_secs(seconds);
    DecisionTime {
        wall: std::time::UNIX_EPOCH + mono,
        mono,
    }
}

fn room() -> Room {
    Room::new(
        Fold::default(),
        EPOCH.into(),
        Position::new(1),
        RoomRules::default(),
        now(0),
    )
}

fn join(name: &str, lamport: u64) -> Join {
    Join {
        session: session(name),
        name: ParticipantName::parse(name),
        lamport: lamport.into(),
        resume: None,
        backlog: 0,
        source: None,
        identity: crate::Identity::None,
        invitation: None,
    }
}

fn publish(name: &str, text: &str, lamport: u64) -> Publish {
    Publish {
        session: session(name),
        text: MessageText::parse(text).expect("a text"),
        id: None,
        seen: Position::ZERO,
        lamport: lamport.into(),
        identity: crate::Identity::None,
    }
}

fn leave(name: &str, lamport: u64) -> Leave {
    Leave {
        session: session(name),
        lamport: lamport.into(),
        identity: crate::Identity::None,
    }
}

/// A chat in which everything is kept, as a log would.
struct Chat {
    room: Room,
    log: Vec<Record>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "tests make a request for each call"
)]
impl Chat {
    fn new() -> Self {
        Self {
            room: room(),
            log: Vec::new(),
        }
    }

    fn join(&mut self, join: Join, seconds: u64) -> Result<JoinGrant, Refusal> {
        let decision = self.room.join(&join, now(seconds))?;
        self.log.extend(decision.records);
        Ok(decision.reply)
    }

    fn publish(&mut self, publish: Publish, seconds: u64) -> Result<(Receipt, bool), Refusal> {
        let decision = self.room.publish(&publish, now(seconds))?;
        self.log.extend(decision.records);
        Ok((decision.reply, decision.repeated))
    }

    fn leave(&mut self, leave: Leave, seconds: u64) -> Result<Receipt, Refusal> {
        let decision = self.room.leave(&leave, now(seconds))?;
        self.log.extend(decision.records);
        Ok(decision.reply)
    }

    fn expire(&mut self, seconds: u64) -> Vec<Record> {
        let records = self.room.expire(now(seconds));
        self.log.extend_from_slice(&records);
        records
    }

    fn resume(&self, position: u64) -> Resume {
        let lamport = match position {
            0 => LamportTime::ZERO,
            at => {
                self.log[usize::try_from(at).expect("small") - 1]
                    .event
                    .lamport
            }
        };
        Resume {
            position: position.into(),
            epoch: EPOCH.into(),
            lamport,
            actual: Some(lamport),
        }
    }
}
