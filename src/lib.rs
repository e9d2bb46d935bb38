//! What the server and the clients of Chitty-Chat share: the wire contract, logical time, names
//! and messages, events, log files, and which files are safe to write to.
//!
//! Nothing here knows who publishes, who follows, or what a screen is.

pub mod causality;
pub mod cause;
pub mod event;
pub mod files;
pub mod lamport;
pub mod logging;
pub mod proto;
pub mod secret;
pub mod signals;
pub mod signs;
pub mod text;

pub use event::{Event, EventKind, LeftReason, ParticipantNumber, Position};
pub use lamport::{LamportClock, LamportTime};
pub use secret::{MessageId, Session, SessionHash};
pub use text::{MessageText, ParticipantName};
