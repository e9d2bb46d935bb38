//! The headless server of Chitty-Chat: one durable log, followed by everybody.
//!
//! From the edge to the core: [`cli`], [`maintain`] and [`app`] put the parts together, [`net`]
//! handles connections, [`service`] speaks gRPC, [`follower`] streams the log to participants,
//! [`sequencer`] owns the chat, [`log`] stores it, and the crate [`chitty_room`] decides.

pub mod advertise;
pub mod app;
pub mod cli;
pub mod data;
pub mod environment;
pub mod failure;
pub mod follower;
pub mod grpc;
pub mod health;
pub mod key;
pub mod line_limit;
pub mod listen;
pub mod local;
pub mod log;
pub mod maintain;
pub mod net;
pub mod operator;
pub mod replay;
pub mod sequencer;
pub mod service;
pub mod threads;
