//! Every call and every status, over real sockets.

mod ending;
mod history;
mod joining;
mod publishing;
#[path = "../support/mod.rs"]
mod support;

use chitty_chat::proto::v1::JoinRequest;

fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    }
}
