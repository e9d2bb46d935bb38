//! What is configured about followers.

use std::time::Duration;

/// The limits on followers, and on what the server keeps for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerLimits {
    /// Size of the ring in bytes of framed events. Followers that lag further read the log.
    pub ring_bytes: usize,
    /// Size of one DATA frame in bytes at most. A single event that is larger gets a frame of its
    /// own.
    pub frame_bytes: usize,
    /// How long a lagging stream may go without reading before it is ended.
    pub stall: Duration,
}

impl Default for FollowerLimits {
    fn default() -> Self {
        Self {
            ring_bytes: 1 << 20,
            frame_bytes: 16 << 10,
            stall: Duration::from_secs(60),
        }
    }
}
