//! The session against a server that follows the test's script, over real sockets.

mod join;
mod launch;
mod leave;
mod log;
mod pages;
mod publish;
mod resume;
mod user;
