//! What people type: messages and names, each parsed once, at the edge, and valid ever after.

mod message;
mod name;

pub use message::{MessageText, MessageTextError};
pub use name::{NameKey, ParticipantName, ParticipantNameError};
