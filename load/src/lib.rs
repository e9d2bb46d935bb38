//! What the benchmark, the load program and the server's tests share.

pub mod http2;
pub mod process;
