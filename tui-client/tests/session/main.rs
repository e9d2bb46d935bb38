//! The session against a server that does what the test says, over real sockets.

mod fake;
mod join;
mod launch;
mod leave;
mod log;
mod pages;
mod publish;
mod resume;
mod user;
