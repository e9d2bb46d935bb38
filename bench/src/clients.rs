//! Clients that write one message after the other, each when the last one is durable.

use std::{rc::Rc, time::Duration};

use color_eyre::eyre::Result;
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use crate::{
    http2::{self, Calls, Parser},
    load::{Load, connect},
    system::Server,
    tally::percentile,
};

/// The latencies that the replies showed.
#[derive(Clone, Copy)]
pub(crate) struct Answers {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Runs so many clients for this long, with the sessions of participants that have joined.
#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
pub(crate) async fn write(
    server: &Server,
    load: &Load,
    clients: usize,
    text: &str,
    time: Duration,
) -> Result<Answers> {
    let text: Rc<str> = text.into();
    let begun = Instant::now();
    let end = begun + time;
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let mut hello = Vec::new();
        http2::put_hello(&mut hello);
        let client = Client {
            stream: connect(server, &hello).await?,
            number,
            participant: number % load.participants(),
            text: Rc::clone(&text),
        };
        let tally = Rc::clone(&load.tally);
        tasks.spawn_local(client.write_until(end, move || tally.sent(Instant::now())));
    }
    let mut latencies = Vec::new();
    while let Some(result) = tasks.join_next().await {
        latencies.extend(result??);
    }
    let time = begun.elapsed().as_secs_f64();
    load.drain().await?;
    latencies.sort_unstable();
    Ok(Answers {
        per_second: latencies.len() as f64 / time,
        p50: percentile(&latencies, 50),
        p99: percentile(&latencies, 99),
    })
}

struct Client {
    stream: TcpStream,
    number: usize,
    participant: usize,
    text: Rc<str>,
}

impl Client {
    /// The time from each message to its reply in microseconds.
    async fn write_until(mut self, end: Instant, sent: impl Fn()) -> Result<Vec<u32>> {
        let (mut calls, mut parser) = (Calls::new(), Parser::default());
        let mut latencies = Vec::new();
        let (mut out, mut room) = (Vec::new(), vec![0; 4 << 10]);
        // Nobody else has such ids.
        let mut id = (self.number as u64 + 1) << 32;
        while Instant::now() < end {
            calls.put_publish(&mut out, self.participant, id, &self.text);
            id += 1;
            sent();
            let begun = Instant::now();
            let mut answers = 0;
            while answers == 0 {
                answers =
                    http2::exchange(&mut self.stream, &mut parser, &mut out, &mut room).await?;
            }
            let micros = begun.elapsed().as_micros();
            latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
        }
        Ok(latencies)
    }
}
