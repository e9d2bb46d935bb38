//! The lock-free parts of the server: how a task learns which of its parts are ready, how a wave of
//! wake-ups learns that all followers have been served, and how a connection gets into the next
//! burst once.
//!
//! They are a crate of their own so that they can be run under [loom], which tries every order in
//! which threads can interleave, and every value that the memory model lets an atomic load return:
//!
//! ```sh
//! cargo test -p chitty-wake --features loom
//! ```
//!
//! Each type says for each of its atomic operations why the memory ordering suffices.
//! "Modification order" is the order of all writes to one atomic, on which all threads agree; a
//! read-modify-write always reads the latest value in that order (C++20 [intro.races], which Rust's
//! memory model adopts).
//!
//! Deliberately absent: sockets, HTTP/2, time, and what a wake-up is for.
//!
//! [loom]: https://docs.rs/loom

mod due;
mod in_flight;
mod ready;
mod sync;

pub use due::DueFlag;
pub use in_flight::{Delivery, InFlight};
pub use ready::{MEMBERS, ReadySet};
