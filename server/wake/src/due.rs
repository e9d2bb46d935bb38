//! Whether a connection is in the next burst already.
//!
//! ```text
//!   a writer                                     the sender
//!   --------                                     ----------
//!   lock bytes; append; unlock                   lock the list; take it; unlock
//!   lock the list                                for each connection in it:
//!     raise(): was it down? then push it           lower()
//!   unlock                                         lock bytes; send them; unlock
//! ```
//!
//! Two rules make this right, and loom checks both. The flag is raised under the list's lock, so
//! that it is raised before the sender, who took the list, lowers it. And it is lowered before the
//! bytes are locked, so that a writer that appends after that finds it down.

use crate::sync::{AtomicBool, Ordering};

/// Raised while something is on a list, so that it is there once at most.
#[derive(Debug)]
pub struct DueFlag(AtomicBool);

impl Default for DueFlag {
    fn default() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl DueFlag {
    /// Raises the flag, under the list's lock. `true` says that it was down, and that the caller
    /// has to put the thing on the list.
    #[must_use]
    pub fn raise(&self) -> bool {
        // Relaxed: the flag carries no data, the bytes are under a lock of their own. If the sender
        // locked them before this writer did, its `lower` happened before this, and this reads it
        // or a later value; if after, it sends this writer's bytes, too.
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Lowers the flag: what comes from here on has to be put on the list again.
    pub fn lower(&self) {
        // Relaxed: see `raise`.
        self.0.store(false, Ordering::Relaxed);
    }
}
