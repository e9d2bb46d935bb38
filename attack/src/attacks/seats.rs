//! Attacks on the seats: by many participants, and by streams that are not read.

use std::net::IpAddr;

use chitty_load::http2::headers;
use color_eyre::eyre::{Result, bail};

use super::{Outcome, Target};
use crate::{
    honest::request,
    namespace,
    peer::{Heard, Peer},
};

/// Joins that one address may make at once.
const JOINS: u64 = 50;
/// The first host number of the attackers, away from the honest participants.
const FIRST: u16 = 1000;

pub(super) async fn loopback(target: &Target<'_>) -> Result<Outcome> {
    let sources = (0..260).map(|number| namespace::loopback(FIRST + number));
    join(target, sources.collect()).await
}

pub(super) async fn ipv6(target: &Target<'_>) -> Result<Outcome> {
    let sources: Option<Vec<_>> = (0..260)
        .map(|number| namespace::network(FIRST + number))
        .collect();
    match sources {
        Some(sources) => join(target, sources).await,
        None => bail!("there is no IPv6 without a network namespace"),
    }
}

/// Joins with many participants. Each Welcome lists all of them, which makes half the square of
/// their number in total.
pub(super) async fn unread_welcomes(target: &Target<'_>) -> Result<Outcome> {
    let sources = (0..198).map(|number| namespace::host(FIRST + number));
    join(target, sources.collect()).await
}

/// The same with so few (800) that seats are left for others.
pub(super) async fn some_unread_welcomes(target: &Target<'_>) -> Result<Outcome> {
    let sources = (0..16).map(|number| namespace::host(FIRST + number));
    join(target, sources.collect()).await
}

/// Joins so many times from each source, with no window for the Welcome.
async fn join(target: &Target<'_>, mut sources: Vec<IpAddr>) -> Result<Outcome> {
    let until = target.until();
    sources.truncate(target.count(sources.len()));
    let asked = sources.len() as u64 * JOINS;
    let attackers = sources.into_iter().enumerate().map(async |(place, from)| {
        let mut seats = 0;
        let Ok(mut peer) = Peer::connect(target.server, from, 0).await else {
            return 0;
        };
        for number in 0..JOINS {
            let request = request(&format!("seat {place} {number}"), 0);
            peer.call(&headers("Join"), &request);
        }
        while let Ok(true) = peer.turn(until).await {
            while let Ok(Some(heard)) = peer.heard() {
                seats += u64::from(matches!(heard, Heard::Begun(_)));
            }
        }
        seats
    });
    let seats: u64 = futures_util::future::join_all(attackers).await.iter().sum();
    let each = target.memory_of_each(seats)?;
    Ok(Outcome {
        done: asked,
        figure: format!("{seats} seats of {asked} asked for, {each} KiB each"),
    })
}
