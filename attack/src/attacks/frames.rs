//! Floods of frames that ask for nothing.

use chitty_load::http2::{
    DATA, PING, PRIORITY, SETTINGS, WIDEST_WINDOW, WINDOW_UPDATE, frame, headers,
};
use color_eyre::eyre::Result;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Outcome, Target, calls::per_second};
use crate::{namespace::host, peer::Peer};

const CONNECTIONS: usize = 4;
/// Frames that are sent in one write.
const AT_ONCE: usize = 1000;
/// A number that no frame type has.
const UNKNOWN: u8 = 0x77;

pub(super) async fn pings(target: &Target<'_>) -> Result<Outcome> {
    flood(target, &frame(PING, 0, 0, &[7; 8]), false).await
}

pub(super) async fn settings(target: &Target<'_>) -> Result<Outcome> {
    flood(target, &frame(SETTINGS, 0, 0, &[]), false).await
}

pub(super) async fn windows(target: &Target<'_>) -> Result<Outcome> {
    // By one byte, on a stream, whose window begins at nothing.
    flood(target, &frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), true).await
}

pub(super) async fn priorities(target: &Target<'_>) -> Result<Outcome> {
    flood(target, &frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), true).await
}

pub(super) async fn unknown(target: &Target<'_>) -> Result<Outcome> {
    flood(target, &frame(UNKNOWN, 0, 0, &[]), false).await
}

pub(super) async fn empty_data(target: &Target<'_>) -> Result<Outcome> {
    flood(target, &frame(DATA, 0, 1, &[]), true).await
}

/// Sends this frame again and again. `stream` says whether it belongs to an open call.
async fn flood(target: &Target<'_>, frame: &[u8], stream: bool) -> Result<Outcome> {
    let until = target.until();
    let many = frame.repeat(AT_ONCE);
    let size = frame.len() as u64;
    let floods = (0..CONNECTIONS).map(async |_| {
        let (mut sent, mut cut) = (0, 0);
        while Instant::now() < until {
            let window = if stream { 0 } else { WIDEST_WINDOW };
            let connected = Peer::connect(target.server, host(20), window);
            let Ok(Ok(mut peer)) = timeout_at(until, connected).await else {
                sleep(std::time::Duration::from_millis(10)).await;
                continue;
            };
            if stream {
                peer.begin(&headers("Publish"));
            }
            if send(&mut peer, &many, until).await.is_err() {
                cut += 1;
            }
            sent += peer.bytes() / size;
        }
        (sent, cut)
    });
    let all = futures_util::future::join_all(floods).await;
    let sent: u64 = all.iter().map(|(sent, _)| sent).sum();
    let cut: u64 = all.iter().map(|(_, cut)| cut).sum();
    Ok(Outcome {
        done: sent,
        figure: format!(
            "{} frames a second written; {cut} connections ended",
            per_second(sent, target.time.as_secs_f64())
        ),
    })
}

/// Returns an error if the server has ended the connection.
async fn send(peer: &mut Peer, many: &[u8], until: Instant) -> std::io::Result<()> {
    loop {
        if peer.is_flushed() {
            peer.put(many);
        }
        if !peer.turn(until).await? {
            return Ok(());
        }
        while peer.heard()?.is_some() {}
    }
}
