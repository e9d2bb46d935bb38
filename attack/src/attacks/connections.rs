//! Attacks with idle connections.

use chitty_load::http2::{WIDEST_WINDOW, headers_of};
use color_eyre::eyre::Result;
use tokio::time::timeout_at;

use super::{Outcome, Target};
use crate::{
    namespace::host,
    peer::{Heard, Peer},
};

const SOURCES: u16 = 3;
const EACH: usize = 4000;
/// Connections that are opened at the same time, few enough for the system's queue.
const AT_ONCE: usize = 64;

pub(super) async fn watchers(target: &Target<'_>) -> Result<Outcome> {
    let until = target.until();
    let each = target.count(EACH);
    let asked = each * usize::from(SOURCES);
    let gate = tokio::sync::Semaphore::new(AT_ONCE);
    let watchers = (0..asked).map(async |number| {
        let source = u16::try_from(number / each).unwrap_or(0);
        let Ok(place) = gate.acquire().await else {
            return (false, false);
        };
        let connected = Peer::connect(target.server, host(10 + source), WIDEST_WINDOW);
        let Ok(Ok(mut peer)) = timeout_at(until, connected).await else {
            return (false, false);
        };
        // A HealthCheckRequest about the whole server is empty.
        peer.call(&headers_of("/grpc.health.v1.Health/Watch"), &());
        let mut watches = false;
        while !watches && peer.turn(until).await.unwrap_or(false) {
            watches = matches!(peer.heard(), Ok(Some(Heard::Begun(_))));
        }
        drop(place);
        (watches, watches && peer.hold(until).await.is_ok())
    });
    let watchers = futures_util::future::join_all(watchers).await;
    let watched = watchers.iter().filter(|(watched, _)| *watched).count();
    let held = watchers.iter().filter(|(_, held)| *held).count();
    Ok(Outcome {
        done: asked as u64,
        figure: format!("{watched} of {asked} let in, {held} held to the end"),
    })
}
