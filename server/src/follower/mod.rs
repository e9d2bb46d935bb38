//! A participant's stream: a cursor into the log as an HTTP/2 response body.
//!
//! A follower holds a position and a waker. It has no queue and no task of its own. HTTP/2 polls it
//! for the next bytes when the peer has window for them, and gets what the log holds after the
//! cursor: from the ring of recent events or, if the follower lags further, a page from the log.
//!
//! A stream that stalls costs nobody else anything. It is ended after a while, so that a
//! participant that has vanished while its connection looks alive is announced as lost.
//!
//! Deliberately absent: who publishes, and why.

mod body;
mod detached;
mod frame;
mod hub;
mod limits;
mod pages;
mod ring;
mod subscription;
mod wave;
mod welcome;

#[cfg(test)]
mod tests;

pub use body::{Follower, StreamStart};
pub use detached::{ChatSlot, Detached, DetachedStreams};
pub use frame::frame;
pub use hub::{Attachment, CloseReason, Hub, SharedByHubs};
pub use limits::FollowerLimits;
