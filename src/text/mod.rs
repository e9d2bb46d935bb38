//! The texts that people type: messages and names, each of which is parsed once, at the edge, and
//! valid from then on. Also how any text is made safe to show.

pub mod caseless;
pub(crate) mod chars;
mod chat_name;
pub mod display;
mod message;
mod name;
mod name_key;
mod reserved;

pub use chat_name::{ChatName, ChatNameError};
pub use message::{MessageText, MessageTextError, action_of};
pub use name::{Forbidden, ParticipantName, ParticipantNameError};
pub use name_key::NameKey;
