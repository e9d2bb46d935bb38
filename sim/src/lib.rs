//! Chitty-Chat on a simulated network: the real server, real client sessions, and faults drawn
//! from a seed. After each run an [`oracle`] judges the evidence that the run left behind.
//!
//! A seed always gives the same run. Time is simulated, so that a run of minutes takes less than a
//! second.
//!
//! ```text
//! cargo run -p chitty-sim -- --seeds 0..5000
//! cargo run -p chitty-sim -- --seed 123
//! ```

mod faults;
pub mod log;
mod network;
pub mod oracle;
mod recorder;
mod run;
mod user;

pub use run::{SimRun, run};
