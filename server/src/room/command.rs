//! What can be asked of a room, and what it answers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chitty_chat::{
    LamportTime, MessageId, MessageText, ParticipantName, ParticipantNumber, Position, SessionHash,
    text::ParticipantNameError,
};
use imbl::OrdMap;
use thiserror::Error;

use super::{Participant, Receipt};
use crate::record::Record;

/// A request, valid in itself; the room decides whether it fits.
#[derive(Clone, Debug)]
pub enum Command {
    /// Enter, or go on.
    Join(Join),
    /// Write.
    Publish(Publish),
    /// End the participation.
    Leave(Leave),
}

/// Enter, or go on.
#[derive(Clone, Debug)]
pub struct Join {
    /// Whose.
    pub session: SessionHash,
    /// The name, if it is one: it is looked at only where a new participation begins.
    pub name: Result<ParticipantName, ParticipantNameError>,
    /// The time that the request carries.
    pub lamport: LamportTime,
    /// Where the client is in the log.
    pub resume: Option<Resume>,
    /// How many events before its Joined a new participant wants.
    pub backlog: u32,
    /// From which address; `None` where that is not known.
    pub source: Option<IpAddr>,
}

/// Where a client says that it is in the log, and what the log says to that.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The last position that the client has.
    pub position: Position,
    /// In which life of the log.
    pub epoch: String,
    /// The time that the client has for this position.
    pub lamport: LamportTime,
    /// The time that the log has for it; `None` where it has none.
    pub actual: Option<LamportTime>,
}

/// Write.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Whose.
    pub session: SessionHash,
    /// What.
    pub text: MessageText,
    /// By which a retry is told; `None`: never deduplicated.
    pub id: Option<MessageId>,
    /// What the author had been shown; 0: not told.
    pub seen: Position,
    /// The time that the request carries.
    pub lamport: LamportTime,
}

/// End the participation.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Whose.
    pub session: SessionHash,
    /// The time that the request carries.
    pub lamport: LamportTime,
}

/// What the room makes of a command: what the log gets, and what the caller hears once that is
/// durable.
#[derive(Clone, Debug)]
pub struct Decision {
    /// Already applied to the room that decided.
    pub records: Vec<Record>,
    /// The answer.
    pub accepted: Accepted,
}

/// The answer to a command.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// To a Join.
    Joined(JoinGrant),
    /// To a Publish.
    Published {
        /// Where the message is.
        receipt: Receipt,
        /// It had been published before.
        duplicate: bool,
    },
    /// To a Leave.
    Left {
        /// Where the Left is.
        receipt: Receipt,
        /// It had been said before.
        repeated: bool,
    },
}

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGrant {
    /// Which participation.
    pub participant: ParticipantNumber,
    /// Its name.
    pub name: Arc<str>,
    /// Which stream of this participation, from 1.
    pub generation: u64,
    /// As of which position the rest speaks.
    pub position: Position,
    /// The time at `position`.
    pub lamport: LamportTime,
    /// Who is present as of `position`; empty where the client has them.
    pub participants: OrdMap<ParticipantNumber, Participant>,
    /// The same participation goes on.
    pub resumed: bool,
    /// The first position that follows.
    pub next: Position,
    /// The end of the log.
    pub head: Position,
    /// The oldest position that is kept.
    pub first: Position,
}

/// Why a command was refused. Nothing changed; the log's clock did not move.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] ParticipantNameError),
    /// Somebody present has this name, or one that looks like it.
    #[error("{}", name_taken(name, owner, *retry_in))]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        owner: Arc<str>,
        /// The owner is lost; in this time the name may be free.
        retry_in: Option<Duration>,
    },
    /// No participation is behind this session.
    #[error("no participation goes on under this session; join first")]
    UnknownSession,
    /// The participation was ended for good.
    #[error("this session has left and is not revived; join with a new one")]
    EndedSession,
    /// The request carries no time.
    #[error("a request carries the sender's Lamport time after its tick, which is at least 1")]
    NoTime,
    /// The request's time is too far ahead.
    #[error("the request's Lamport time {lamport} is more than 2^32 ahead of the chat's, {clock}")]
    TimeAhead {
        /// The request's.
        lamport: LamportTime,
        /// The log's.
        clock: LamportTime,
    },
    /// The clock was brought far forward too often.
    #[error(
        "the chat's Lamport time was brought from afar too often; send this again, with time \
         {lamport} where the chat is at {clock}, in {} ms", retry_in.as_millis() + 1
    )]
    TimeJump {
        /// The request's.
        lamport: LamportTime,
        /// The log's.
        clock: LamportTime,
        /// In this time it may come.
        retry_in: Duration,
    },
    /// There are no numbers left.
    #[error(
        "the chat has come to the end of its Lamport times, at {clock}: nobody can join or write \
         any more; begin a new chat in another data folder"
    )]
    TimeEnds {
        /// The log's.
        clock: LamportTime,
    },
    /// `seen` is beyond the log's end.
    #[error("seen is {seen}, but the chat ends at position {head}")]
    SeenAhead {
        /// The request's.
        seen: Position,
        /// The log's end.
        head: Position,
    },
    /// `seen` went back within a participation.
    #[error("seen is {seen}, but was {before} already; it never falls within a participation")]
    SeenFell {
        /// The request's.
        seen: Position,
        /// An earlier request's.
        before: Position,
    },
    /// The id was used for something else.
    #[error(
        "this id was used for another text, at position {position}; draw a new one for a new message"
    )]
    IdTaken {
        /// Where the other text is.
        position: Position,
    },
    /// As many are present as may be.
    #[error("{limit} participants are present, which is the limit; try again later")]
    Full {
        /// How many may be.
        limit: usize,
    },
    /// As many are present from one source as may be.
    #[error(
        "{limit} participants are present from your address, which is the limit for one address; \
         try again later"
    )]
    FullSource {
        /// How many may be.
        limit: usize,
    },
    /// As many are present from one network as may be.
    #[error(
        "{limit} participants are present from your network, which is the limit for one IPv6 /48; \
         try again later"
    )]
    FullNetwork {
        /// How many may be.
        limit: usize,
    },
    /// Messages come faster than they may.
    #[error("messages come too fast; send this one again in {} ms", retry_in.as_millis() + 1)]
    TooFast {
        /// In this time one more may come.
        retry_in: Duration,
    },
    /// Participants come from one address, or streams of one participant begin, faster than they
    /// may.
    #[error("joins come too fast; try again in {} ms", retry_in.as_millis() + 1)]
    TooManyJoins {
        /// In this time one more may come.
        retry_in: Duration,
    },
}

fn name_taken(name: &str, owner: &str, retry_in: Option<Duration>) -> String {
    let is_same = name == owner;
    let Some(time) = retry_in else {
        return if is_same {
            format!("the name {name} is taken; choose another")
        } else {
            format!("the name {name} is too like {owner}, who is present; choose another")
        };
    };
    let who = if is_same {
        format!("the name {name} is taken by somebody whose connection is lost")
    } else {
        format!("the name {name} is too like {owner}, whose connection is lost")
    };
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    format!("{who}; choose another, or try again in {seconds} s")
}
