//! A participant's stream: a cursor into the log as an HTTP/2 response body.
//!
//! A follower holds a position and a waker. There is no queue and no task of its own: HTTP/2 asks
//! for the next bytes when the participant has room for them, and gets whatever the log holds
//! behind the cursor: from the ring of recent events, or, further behind, a page from the log.
//!
//! A stream that stands still costs nobody but itself, and is ended after a while, so that who
//! has vanished behind a live connection is announced.
//!
//! Deliberately absent: who publishes, and why.

mod body;
mod frame;
mod hub;
mod ring;
mod subscription;
mod wave;
mod welcome;

#[cfg(test)]
mod tests;

pub use body::{Follower, StreamStart};
pub use frame::{PREFIX, frame, frame_message};
pub use hub::{Attachment, CloseReason, Detached, Hub};
pub use ring::FollowerLimits;
