//! `chitty-server`: the headless server.
fn main() {}
