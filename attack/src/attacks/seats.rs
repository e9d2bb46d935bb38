//! Who takes all the seats, and who reads nothing of what it is told.

use std::net::IpAddr;

use chitty_load::http2::headers;
use color_eyre::eyre::{Result, bail};

use super::{Outcome, Target};
use crate::{
    honest::request,
    namespace,
    peer::{Heard, Peer},
};

/// As many as one address may join at once.
const JOINS: u64 = 50;
/// Away from those who chat.
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

/// Each Welcome names all who are there: half of the square of their number in all.
pub(super) async fn unread_welcomes(target: &Target<'_>) -> Result<Outcome> {
    let sources = (0..198).map(|number| namespace::host(FIRST + number));
    join(target, sources.collect()).await
}

/// The same by so few that there is a seat for others: 800.
pub(super) async fn some_unread_welcomes(target: &Target<'_>) -> Result<Outcome> {
    let sources = (0..16).map(|number| namespace::host(FIRST + number));
    join(target, sources.collect()).await
}

/// Each source joins so many times, with no room for what it is told.
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
