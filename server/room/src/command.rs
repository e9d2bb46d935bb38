//! Requests to a room after they were parsed, and what the room decides.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chitty_chat::{
    LamportTime, MemberNumber, MessageId, MessageText, ParticipantName, ParticipantNumber,
    Position, Role, SessionHash, text::ParticipantNameError,
};
use imbl::OrdMap;
use thiserror::Error;

use super::{Identity, MembershipRefusal, Participant};
use crate::record::{Record, SecretHash};

/// A request to join the chat, or to resume a participation.
#[derive(Clone, Debug)]
pub struct Join {
    /// The hash of the session that sends it.
    pub session: SessionHash,
    /// The name, or why it is not valid. It matters only if a new participation begins.
    pub name: Result<ParticipantName, ParticipantNameError>,
    /// The sender's Lamport time after its tick.
    pub lamport: LamportTime,
    /// Where the client is in the log; `None` for a client without a position.
    pub resume: Option<Resume>,
    /// How many events before its Joined a new participant wants.
    pub backlog: u32,
    /// The source that the request comes from, for limits; `None` if it is not known.
    pub source: Option<IpAddr>,
    /// What the connection proves about the sender.
    pub identity: Identity,
    /// The hash of an invitation's secret, if the sender has one.
    pub invitation: Option<SecretHash>,
}

/// A position that a client claims to have reached, and what the log has there.
#[derive(Clone, Debug)]
pub struct Resume {
    /// The last position that the client has.
    pub position: Position,
    /// The epoch that the position belongs to.
    pub epoch: String,
    /// The time that the client has for this position.
    pub lamport: LamportTime,
    /// The time that the log has for it; `None` if the log does not have the position.
    pub actual: Option<LamportTime>,
}

/// A request to publish a message.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The hash of the session that sends it.
    pub session: SessionHash,
    /// The text of the message.
    pub text: MessageText,
    /// The id by which a retry is recognised; a message without one is never deduplicated.
    pub id: Option<MessageId>,
    /// The last position that the author had been shown; 0 if the client does not say.
    pub seen: Position,
    /// The sender's Lamport time after its tick.
    pub lamport: LamportTime,
    /// What the connection proves about the sender.
    pub identity: Identity,
}

/// A request to end the participation.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The hash of the session that sends it.
    pub session: SessionHash,
    /// The sender's Lamport time after its tick.
    pub lamport: LamportTime,
    /// What the connection proves about the sender.
    pub identity: Identity,
}

/// What a request leads to: records for the log, and the reply that is sent once these are durable.
#[derive(Clone, Debug)]
pub struct Decision<R> {
    /// The records to append. They are already applied to the room that decided.
    pub records: Vec<Record>,
    /// The reply to the request.
    pub reply: R,
    /// Whether the request was decided before, so that it only gets that reply again.
    pub repeated: bool,
}

impl<R> Decision<R> {
    /// A decision that leads to these records.
    pub(super) const fn new(records: Vec<Record>, reply: R) -> Self {
        Self {
            records,
            reply,
            repeated: false,
        }
    }

    /// The reply to an earlier request once more.
    pub(super) const fn repeat(reply: R) -> Self {
        Self {
            records: Vec::new(),
            reply,
            repeated: true,
        }
    }
}

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinGrant {
    /// The participation that was joined or resumed.
    pub participant: ParticipantNumber,
    /// The number of the stream within this participation, from 1.
    pub generation: u64,
    /// The position as of which the time and the participants are given.
    pub position: Position,
    /// The time at `position`.
    pub lamport: LamportTime,
    /// The participants present as of `position`; empty if the client knows them already.
    pub participants: OrdMap<ParticipantNumber, Participant>,
    /// Whether an earlier participation goes on.
    pub resumed: bool,
    /// The first position that the stream sends.
    pub next: Position,
    /// The last position in the log.
    pub head: Position,
    /// The oldest position that the log still keeps.
    pub first: Position,
    /// The member that takes part, and its role; `None` in an open chat.
    pub member: Option<(MemberNumber, Role)>,
}

/// Why a request was refused. Nothing changed, and the log's clock did not move.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] ParticipantNameError),
    /// A present participant has this name, or one that looks like it.
    #[error("{}", name_taken(name, owner, *retry_in))]
    NameTaken {
        /// The name that was asked for.
        name: String,
        /// The name of the participant that has it.
        owner: Arc<str>,
        /// If the owner is lost: the time after which the name may be free.
        retry_in: Option<Duration>,
    },
    /// The sender may not take part, or not change who does.
    #[error(transparent)]
    Membership(#[from] MembershipRefusal),
    /// The session has no participation.
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
        /// The value that the request carried.
        lamport: LamportTime,
        /// The Lamport time of the log.
        clock: LamportTime,
    },
    /// The clock was moved far ahead too often.
    #[error(
        "the chat's Lamport time was brought from afar too often; send this again, with time \
         {lamport} where the chat is at {clock}, in {} ms", retry_in.as_millis() + 1
    )]
    TimeJump {
        /// The value that the request carried.
        lamport: LamportTime,
        /// The Lamport time of the log.
        clock: LamportTime,
        /// The time after which the request may be sent again.
        retry_in: Duration,
    },
    /// The chat has used up its Lamport times.
    #[error(
        "the chat has come to the end of its Lamport times, at {clock}: nobody can join or write \
         any more; begin a new chat in another data folder"
    )]
    TimeEnds {
        /// The Lamport time of the log.
        clock: LamportTime,
    },
    /// `seen` is beyond the log's end.
    #[error("seen is {seen}, but the chat ends at position {head}")]
    SeenAhead {
        /// The value that the request carried.
        seen: Position,
        /// The last position in the log.
        head: Position,
    },
    /// `seen` is lower than before within a participation.
    #[error("seen is {seen}, but was {before} already; it never falls within a participation")]
    SeenFell {
        /// The value that the request carried.
        seen: Position,
        /// The highest `seen` of an earlier request.
        before: Position,
    },
    /// The id was used for another message.
    #[error(
        "this id was used for another text, at position {position}; draw a new one for a new message"
    )]
    IdTaken {
        /// The position of the other message.
        position: Position,
    },
    /// As many participants are present as are allowed.
    #[error("{limit} participants are present, which is the limit; try again later")]
    Full {
        /// The limit on participants.
        limit: usize,
    },
    /// As many participants are present from one source as are allowed.
    #[error(
        "{limit} participants are present from your address, which is the limit for one address; \
         try again later"
    )]
    FullSource {
        /// The limit on participants.
        limit: usize,
    },
    /// As many participants are present from one network as are allowed.
    #[error(
        "{limit} participants are present from your network, which is the limit for one IPv6 /48; \
         try again later"
    )]
    FullNetwork {
        /// The limit on participants.
        limit: usize,
    },
    /// The participant publishes faster than it may.
    #[error("messages come too fast; send this one again in {} ms", retry_in.as_millis() + 1)]
    TooFast {
        /// The time after which one more is allowed.
        retry_in: Duration,
    },
    /// Participants join from one address, or one participant begins streams, faster than they may.
    #[error("joins come too fast; try again in {} ms", retry_in.as_millis() + 1)]
    TooManyJoins {
        /// The time after which one more is allowed.
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
