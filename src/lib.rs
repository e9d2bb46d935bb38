//! The code that the server and the clients of Chitty-Chat share: the wire contract, logical time,
//! names and messages, events, log files, and checks for safe files.
//!
//! Nothing here knows about the server, the client, or a screen.

pub mod address;
pub mod causality;
pub mod cause;
pub mod event;
pub mod files;
pub mod fingerprint;
pub mod lamport;
pub mod link;
pub mod local;
pub mod logging;
pub mod proto;
pub mod secret;
pub mod signals;
pub mod signs;
pub mod text;

pub use event::{
    Event, EventKind, InvitationEvent, LeftReason, MemberEvent, MemberNumber, ParticipantNumber,
    Position, Role,
};
pub use lamport::{LamportClock, LamportTime};
pub use secret::{MessageId, Session, SessionHash};
pub use text::{MessageText, ParticipantName};
