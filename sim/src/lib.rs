//! The whole of Chitty-Chat on a simulated network: the real server, real client sessions, and
//! faults drawn from a seed. After each run an [`oracle`] judges what it left behind.
//!
//! One seed is one run, always the same. Time is simulated: a run of minutes takes a second.
//!
//! ```text
//! cargo run -p chitty-sim -- --seeds 0..5000
//! cargo run -p chitty-sim -- --seed 123
//! ```

#![allow(clippy::similar_names, reason = "a life has lines")]

mod faults;
pub mod log;
mod network;
pub mod oracle;
mod person;
mod run;
mod stage;

pub use run::{Run, run};
