//! Attacks with requests that cost more to answer than to send.

use std::{collections::HashSet, net::IpAddr, time::Duration};

use chitty_chat::proto::v1::{HistoryRequest, JoinRequest, Resume};
use chitty_load::http2::{DATA, WIDEST_WINDOW, headers, headers_of};
use color_eyre::eyre::{Result, bail, ensure};
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Outcome, Target};
use crate::{
    honest::{request, session},
    namespace::host,
    peer::{Heard, Peer},
};

/// Streams that the server allows on one connection.
const STREAMS: usize = 64;
const ATTACKER: u16 = 1;
const NAME: &str = "attacker";

/// The results of repeated calls.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) refused: u64,
    pub(super) accepted: u64,
    /// How many connections the server ended.
    pub(super) cut: u64,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |all, one| Self {
            refused: all.refused + one.refused,
            accepted: all.accepted + one.accepted,
            cut: all.cut + one.cut,
        })
    }
}

impl Counts {
    pub(super) const fn answered(self) -> u64 {
        self.refused + self.accepted
    }
}

/// A call to repeat, and how many to make at once on a connection.
pub(super) struct Calls<M> {
    pub(super) headers: Vec<u8>,
    pub(super) in_flight: usize,
    pub(super) message: fn(u64) -> M,
    /// Whether an accepted call never ends, and so has to be reset.
    pub(super) reset: bool,
}

/// Repeats a call on so many connections from one address until it is time to end.
pub(super) async fn repeat<M: Message>(
    target: &Target<'_>,
    from: IpAddr,
    connections: usize,
    calls: &Calls<M>,
) -> Counts {
    let until = target.until();
    let loops = (0..connections as u64).map(async |number| {
        let mut counts = Counts::default();
        let mut next = number << 32;
        while Instant::now() < until {
            let connected = timeout_at(until, Peer::connect(target.server, from, WIDEST_WINDOW));
            let Ok(Ok(mut peer)) = connected.await else {
                // Refused, and not asked again at once: it is calls that are counted here.
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            if repeat_on(&mut peer, until, calls, &mut next, &mut counts)
                .await
                .is_err()
            {
                counts.cut += 1;
            }
        }
        counts
    });
    let all = futures_util::future::join_all(loops).await;
    all.into_iter().sum()
}

async fn repeat_on<M: Message>(
    peer: &mut Peer,
    until: Instant,
    calls: &Calls<M>,
    next: &mut u64,
    counts: &mut Counts,
) -> std::io::Result<()> {
    let mut open = 0;
    let mut begun = HashSet::new();
    loop {
        while open < calls.in_flight {
            peer.call(&calls.headers, &(calls.message)(*next));
            *next += 1;
            open += 1;
        }
        if !peer.turn(until).await? {
            return Ok(());
        }
        while let Some(heard) = peer.heard()? {
            match heard {
                Heard::Begun(stream) if calls.reset => {
                    counts.accepted += 1;
                    open -= 1;
                    peer.reset(stream);
                    begun.insert(stream);
                }
                Heard::Begun(stream) => {
                    begun.insert(stream);
                }
                // Its end was on its way when it was reset: it is counted already.
                Heard::Ended(stream) if calls.reset && begun.remove(&stream) => {}
                // A refusal is nothing but trailers.
                Heard::Ended(stream) => {
                    if begun.remove(&stream) {
                        counts.accepted += 1;
                    } else {
                        counts.refused += 1;
                    }
                    open -= 1;
                }
            }
        }
    }
}

/// A participant whose session all connections use, as long as its peer lives. It joins again if
/// its connection was evicted.
async fn participant(target: &Target<'_>, from: IpAddr) -> Result<Peer> {
    let until = target.until();
    loop {
        match try_participant(target, from).await {
            Err(error) if Instant::now() < until => {
                drop(error);
                sleep(Duration::from_millis(50)).await;
            }
            result => return result,
        }
    }
}

async fn try_participant(target: &Target<'_>, from: IpAddr) -> Result<Peer> {
    let mut peer = Peer::connect(target.server, from, WIDEST_WINDOW).await?;
    let request = request(NAME, 0);
    peer.call(&headers("Join"), &request);
    let until = target.until();
    loop {
        ensure!(peer.turn(until).await?, "no answer to a Join");
        match peer.heard()? {
            Some(Heard::Begun(_)) => return Ok(peer),
            Some(Heard::Ended(_)) => bail!("the attacker cannot join"),
            None => {}
        }
    }
}

fn page() -> HistoryRequest {
    HistoryRequest {
        session: session(NAME),
        limit: 1000,
        ..HistoryRequest::default()
    }
}

/// Fills the server's memory with replies that cannot be sent.
pub(super) async fn zero_windows(target: &Target<'_>) -> Result<Outcome> {
    let from = host(ATTACKER);
    let mut participant = participant(target, from).await?;
    let until = target.until();
    let connections = target.count(60);
    let mut holding = Vec::new();
    for _ in 0..connections {
        let mut peer = Peer::connect(target.server, from, 0).await?;
        let page = page();
        for _ in 0..STREAMS {
            peer.call(&headers("History"), &page);
        }
        holding.push(peer);
    }
    let held = futures_util::future::join_all(holding.iter_mut().map(|peer| peer.hold(until)));
    let (held, _) = tokio::join!(held, participant.hold(until));
    let cut = held.iter().filter(|held| held.is_err()).count();
    let each = target.memory_of_each(connections as u64)?;
    Ok(Outcome {
        done: connections as u64,
        figure: format!("{each} KiB a connection; {cut} of {connections} were ended"),
    })
}

/// Fills the server's memory with requests that do not end.
pub(super) async fn half_bodies(target: &Target<'_>) -> Result<Outcome> {
    const SENT: usize = 48 << 10;
    let until = target.until();
    let connections = target.count(200);
    let attackers = (0..connections).map(async |number| {
        let path = if number % 2 == 0 {
            "/grpc.health.v1.Health/Check"
        } else {
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        };
        let mut peer = Peer::connect(target.server, host(ATTACKER), WIDEST_WINDOW).await?;
        // A message of 4,000,000 bytes is announced, which a server takes.
        let mut half = vec![0];
        half.extend(4_000_000_u32.to_be_bytes());
        half.resize(12 << 10, 0);
        let streams: Vec<u32> = (0..STREAMS)
            .map(|_| peer.begin(&headers_of(path)))
            .collect();
        let mut ended = 0;
        for part in 0..SENT / half.len() {
            if part == 1 {
                half.fill(0);
            }
            for stream in &streams {
                let bytes = i64::try_from(half.len()).unwrap_or(i64::MAX);
                while peer.send_window < bytes && peer.turn(until).await? {
                    ended += ends(&mut peer)?;
                }
                if peer.send_window < bytes {
                    // The server takes no more.
                    return Ok(ended);
                }
                peer.send_window -= bytes;
                peer.frame(DATA, *stream, &half);
            }
        }
        while peer.turn(until).await? {
            ended += ends(&mut peer)?;
        }
        std::io::Result::Ok(ended)
    });
    let results = futures_util::future::join_all(attackers).await;
    let cut = results.iter().filter(|result| result.is_err()).count();
    let ended: u64 = results.iter().flatten().sum();
    let each = target.memory_of_each(connections as u64)?;
    Ok(Outcome {
        done: connections as u64,
        figure: format!(
            "{each} KiB a connection; {cut} of {connections} were ended, and {ended} requests"
        ),
    })
}

/// How many calls ended in the bytes that were read.
fn ends(peer: &mut Peer) -> std::io::Result<u64> {
    let mut count = 0;
    while let Some(heard) = peer.heard()? {
        count += u64::from(matches!(heard, Heard::Ended(_)));
    }
    Ok(count)
}

/// Reads the log so much that others would have to wait.
pub(super) async fn history_loop(target: &Target<'_>) -> Result<Outcome> {
    let from = host(ATTACKER);
    let mut participant = participant(target, from).await?;
    let calls = Calls {
        headers: headers("History"),
        in_flight: 4,
        message: |_| page(),
        reset: false,
    };
    let connections = target.count(400);
    let until = target.until();
    let (counts, _) = tokio::join!(
        repeat(target, from, connections, &calls),
        participant.hold(until)
    );
    let seconds = target.time.as_secs_f64();
    Ok(Outcome {
        done: counts.answered() + counts.cut,
        figure: format!(
            "{} pages a second, {} refused; {} connections ended",
            per_second(counts.accepted, seconds),
            per_second(counts.refused, seconds),
            counts.cut
        ),
    })
}

/// Sends requests whose refusal should cost nothing.
pub(super) async fn bad_joins(target: &Target<'_>) -> Result<Outcome> {
    let calls = Calls {
        headers: headers("Join"),
        in_flight: 32,
        message: |number| JoinRequest {
            name: "\u{7}".to_owned(),
            session: format!("{number:022}"),
            lamport: 1,
            resume: Some(Resume {
                position: 1 + number % 1000,
                lamport: 3,
                epoch: String::new(),
            }),
            ..JoinRequest::default()
        },
        reset: true,
    };
    let before = target.server.cpu()?;
    let counts = repeat(target, host(ATTACKER), 4, &calls).await;
    let busy = target.server.cpu()?.saturating_sub(before).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "these counts are small")]
    let each = busy * 1e6 / counts.answered().max(1) as f64;
    Ok(Outcome {
        done: counts.answered() + counts.cut,
        figure: format!(
            "{} refused a second, {each:.0} µs of CPU each",
            per_second(counts.refused, target.time.as_secs_f64())
        ),
    })
}

/// Joins again and again, to take the turns of others at the same address.
pub(super) async fn join_flood(target: &Target<'_>) -> Result<Outcome> {
    let calls = Calls {
        headers: headers("Join"),
        in_flight: 32,
        message: |number| JoinRequest {
            name: format!("flood {number}"),
            session: format!("{number:022}"),
            lamport: 1,
            ..JoinRequest::default()
        },
        reset: true,
    };
    let counts = repeat(target, host(crate::run::NEWCOMER), 4, &calls).await;
    let seconds = target.time.as_secs_f64();
    Ok(Outcome {
        done: counts.answered() + counts.cut,
        figure: format!(
            "{} Joins a second, {} accepted in all; {} connections ended",
            per_second(counts.answered(), seconds),
            counts.accepted,
            counts.cut
        ),
    })
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "these counts are small"
)]
pub(super) fn per_second(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds).round() as u64
}
