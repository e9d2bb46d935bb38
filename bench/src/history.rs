//! A long log: how fast a participant catches up with it, and what an append costs by itself.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use chitty_chat::{
    Event, EventKind, LamportTime, ParticipantNumber, Position, Session, secret::os_random,
};
use chitty_room::{
    Fold,
    record::{Batch, Record},
};
use chitty_server::{
    data::chat_file,
    log::{Log, SqliteLog},
};
use color_eyre::eyre::Result;
use tokio::time::{Instant, interval};

use crate::{
    http2::{self, Parser},
    load::connect,
    system::{Server, System},
    tally::percentile,
};

const BATCH: u64 = 10_000;
/// The number of the participant that fills the log; another one reads it.
const WRITER: usize = 0;
const READER: usize = 1;

/// How fast a participant caught up, and what it cost the server.
#[derive(Clone, Copy)]
pub(crate) struct CaughtUp {
    pub(crate) per_second: f64,
    pub(crate) cpu: Duration,
    /// The peak of resident memory in KiB beyond what was resident before.
    pub(crate) growth: u64,
}

/// The CPU time of a server's start on so many events until it answers a connection, and its
/// resident memory in KiB then. The start reads and folds all events.
pub(crate) async fn start(events: u64, text: &str) -> Result<(Duration, u64)> {
    let server = answering(events, text).await?;
    Ok((server.cpu()?, server.memory()?))
}

/// A server on so many events that answers a connection: it listens before it has folded them.
async fn answering(events: u64, text: &str) -> Result<Server> {
    let folder = tempfile::tempdir()?;
    fill(folder.path(), events, text).await?;
    let server = Server::start_in(System::Durable, true, folder).await?;
    let mut out = Vec::new();
    http2::put_hello(&mut out);
    let mut stream = connect(&server, &out).await?;
    out.clear();
    let (mut parser, mut room) = (Parser::default(), vec![0; 4 << 10]);
    http2::exchange(&mut stream, &mut parser, &mut out, &mut room).await?;
    Ok(server)
}

/// Has a participant catch up with so many events, which are only in the file.
#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
pub(crate) async fn catch_up(events: u64, text: &str) -> Result<CaughtUp> {
    let server = answering(events, text).await?;
    let (before, cpu) = (server.memory()?, server.cpu()?);
    let mut out = Vec::new();
    http2::put_hello(&mut out);
    http2::put_join(&mut out, READER, u32::try_from(events)?);
    let begun = Instant::now();
    let mut stream = connect(&server, &out).await?;
    out.clear();
    let (mut parser, mut room) = (Parser::default(), vec![0; 256 << 10]);
    let mut messages = 0;
    let mut peak = before;
    // The Welcome, what was asked for, and the reader's own Joined.
    while messages < events + 2 {
        let earlier = messages;
        messages += http2::exchange(&mut stream, &mut parser, &mut out, &mut room).await?;
        if earlier / BATCH < messages / BATCH {
            peak = peak.max(server.memory()?);
        }
    }
    Ok(CaughtUp {
        per_second: events as f64 / begun.elapsed().as_secs_f64(),
        cpu: server.cpu()?.saturating_sub(cpu),
        growth: peak - before,
    })
}

/// The sorted latencies in microseconds of so many appends of one record, one each 5 ms.
pub(crate) async fn bare_commits(count: u64, text: &str) -> Result<[Duration; 2]> {
    let folder = tempfile::tempdir()?;
    let log = SqliteLog::open::<Fold>(&chat_file(folder.path()), &mut os_random)?;
    append(&log, [joined()].into()).await?;
    let mut latencies = Vec::new();
    let mut ticks = interval(Duration::from_millis(5));
    for position in 2..count + 2 {
        ticks.tick().await;
        let begun = Instant::now();
        append(&log, [message(position, text)].into()).await?;
        latencies.push(u32::try_from(begun.elapsed().as_micros())?);
    }
    latencies.sort_unstable();
    Ok([percentile(&latencies, 50), percentile(&latencies, 99)])
}

/// Makes a chat of so many events in this data folder.
async fn fill(folder: &Path, events: u64, text: &str) -> Result<()> {
    let data = folder.join("data");
    std::fs::create_dir_all(&data)?;
    let log = SqliteLog::open::<Fold>(&chat_file(&data), &mut os_random)?;
    append(&log, [joined()].into()).await?;
    let mut next = 2;
    while next <= events {
        let end = (next + BATCH).min(events + 1);
        let batch = (next..end).map(|position| message(position, text));
        append(&log, batch.collect()).await?;
        next = end;
    }
    Ok(())
}

async fn append(log: &SqliteLog, batch: Batch) -> Result<()> {
    let after = log.extent().head;
    log.append(after, batch).await?;
    Ok(())
}

fn joined() -> Record {
    let session = Session::parse(&http2::session(WRITER)).map(|session| session.hash());
    Record {
        session: session.ok(),
        ..record(
            1,
            EventKind::Joined {
                name: "writer".into(),
                member: None,
            },
        )
    }
}

fn message(position: u64, text: &str) -> Record {
    let kind = EventKind::Message {
        author: "writer".into(),
        text: text.into(),
        id: format!("{position:022}").into(),
        seen: Position::ZERO,
        participant: ParticipantNumber::new(1),
        member: None,
    };
    record(position, kind)
}

fn record(position: u64, kind: EventKind) -> Record {
    Record {
        event: Event {
            position: Position::new(position),
            // One step of the log's clock each: no request moved it.
            lamport: LamportTime::new(position),
            at: SystemTime::UNIX_EPOCH,
            request: LamportTime::ZERO,
            kind,
        },
        session: None,
        generation: 1,
        private: None,
    }
}
