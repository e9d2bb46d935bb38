//! The client of Chitty-Chat.
//!
//! [`chitty_app`] is pure; `view` draws it; `session` speaks gRPC; `run` is the loop that connects them;
//! `plain` is the client without a screen.

pub mod cli;
pub mod config;
mod input;
pub mod launch;
pub mod locale;
pub mod manual;
pub mod osc;
pub mod plain;
pub mod run;
pub mod session;
mod terminal;
pub mod view;
