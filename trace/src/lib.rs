//! Reads the log files of Chitty-Chat (docs/log-format.md), any subset of the clients' and the
//! server's, and says whether logical time in them is what the rules give (docs/protocol.md).
//!
//! It knows the logs only: no server, no client.

pub mod chat;
pub mod check;
pub mod cli;
pub mod draw;
pub mod export;
pub mod live;
pub mod read;
