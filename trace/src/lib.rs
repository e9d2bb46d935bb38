//! Reads the log files of Chitty-Chat (docs/log-format.md), of any subset of the processes, checks
//! whether logical time in them keeps the rules (docs/protocol.md), and draws them.
//!
//! The steps, in this order: [`read`] parses the lines into runs of processes, [`chat`] finds out
//! which runs and events belong together, and [`check`], [`draw`] and [`export`] use the result.
//! This crate depends on the format of the logs only, and not on the server or the client.

pub mod chat;
pub mod check;
pub mod cli;
pub mod draw;
pub mod export;
pub mod live;
pub mod read;
