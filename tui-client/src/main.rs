//! `chitty`: the full-screen client.
fn main() {}
