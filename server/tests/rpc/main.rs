//! Every call and every status, over real sockets.

mod ending;
mod history;
mod joining;
mod publishing;

use chitty_chat::proto::v1::JoinRequest;

fn named(name: &str) -> JoinRequest {
    JoinRequest {
        name: name.into(),
        lamport: 1,
        ..JoinRequest::default()
    }
}
