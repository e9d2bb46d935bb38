//! The link to a server: joins, follows, publishes, reconnects. It knows nothing of the screen.

mod port;

pub use port::{Command, Ended, Link, Notice, Refusal, Ticket, Welcome};
