//! What people type: messages and names, each parsed once, at the edge, and valid ever after; and
//! how any text is shown.

pub mod caseless;
pub(crate) mod chars;
pub mod display;
mod message;
mod name;
mod name_key;
mod reserved;

pub use message::{MessageText, MessageTextError, action_of};
pub use name::{Forbidden, ParticipantName, ParticipantNameError};
pub use name_key::NameKey;
