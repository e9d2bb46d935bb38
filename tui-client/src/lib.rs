//! The full-screen client of Chitty-Chat.
//!
//! `app` is pure; `view` draws it; `session` speaks gRPC; `run` is the one loop over them.

pub mod app;
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
