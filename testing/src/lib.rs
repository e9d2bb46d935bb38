//! Test support that several packages share, as a crate for their dev-dependencies.
//!
//! Only integration tests can use it for the types of their own package: a unit test is compiled
//! into a second copy of its library, whose types are not those that this crate has.

#![expect(clippy::missing_panics_doc, reason = "tests fail by panics")]

pub mod fake_server;
pub mod log_contract;
pub mod one_chat;
pub mod server;
pub mod store_contract;
pub mod terminal;
