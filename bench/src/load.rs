//! The load: connections that read, and some that write.

use std::{rc::Rc, time::Duration};

use color_eyre::eyre::{Result, bail};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    http2,
    system::{Server, System},
    tally::Tally,
    text,
    wire::Wire,
};

/// Connections that write, in addition to those that read.
const AUTHORS: usize = 4;
/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_millis(300);

enum Parser {
    Http2(Box<http2::Parser>),
    Text(text::Parser),
}

impl Parser {
    fn new(system: System, author: bool) -> Self {
        match system.lines(author) {
            None => Self::Http2(Box::default()),
            Some(lines) => Self::Text(text::Parser::new(lines)),
        }
    }

    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<u64, String> {
        match self {
            Self::Http2(parser) => parser.feed(bytes, out),
            Self::Text(parser) => Ok(parser.feed(bytes, out)),
        }
    }
}

/// The participants of a server, all of whom have joined.
pub(crate) struct Load {
    system: System,
    participants: usize,
    authors: Vec<Author>,
    pub(crate) tally: Rc<Tally>,
    text: String,
    id: u64,
    /// The tasks of the connections, which end when this is dropped.
    _connections: JoinSet<()>,
}

struct Author {
    stream: Rc<Wire>,
    calls: http2::Calls,
    waiting: Vec<u8>,
}

impl Load {
    pub(crate) async fn join(
        system: System,
        server: &Server,
        participants: usize,
        text_bytes: usize,
    ) -> Result<Self> {
        let tally = Rc::new(Tally::new(participants));
        let mut connections = JoinSet::new();
        for number in 0..participants {
            let mut hello = Vec::new();
            if system.lines(false).is_none() {
                http2::put_hello(&mut hello);
                http2::put_join(&mut hello, number, 0);
            }
            system.put_hello(&mut hello, number, false);
            let stream = Rc::new(open(server, &hello).await?);
            let parser = Parser::new(system, false);
            connections.spawn_local(read(stream, parser, Some(Rc::clone(&tally))));
        }
        let mut authors = Vec::new();
        for number in 0..AUTHORS {
            let mut hello = Vec::new();
            if system.lines(true).is_none() {
                http2::put_hello(&mut hello);
            }
            system.put_hello(&mut hello, number, true);
            let stream = Rc::new(open(server, &hello).await?);
            let parser = Parser::new(system, true);
            connections.spawn_local(read(Rc::clone(&stream), parser, None));
            authors.push(Author {
                stream,
                calls: http2::Calls::new(),
                waiting: Vec::new(),
            });
        }
        let load = Self {
            system,
            participants,
            authors,
            tally,
            text: "x".repeat(text_bytes),
            id: 0,
            _connections: connections,
        };
        load.quiet().await?;
        load.tally.begin();
        Ok(load)
    }

    pub(crate) fn participants(&self) -> usize {
        self.participants
    }

    /// Waits until nothing arrives any more: all have joined, and know of each other.
    async fn quiet(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            sleep(QUIET).await;
            if let Some(failure) = self.tally.failure() {
                bail!("{}: {failure}", self.system.name());
            }
            let last = self.tally.last_bytes().unwrap_or(begun);
            if last.elapsed() >= QUIET {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{}: the joins do not end", self.system.name());
            }
        }
    }

    /// Runs a closed loop for this long.
    pub(crate) async fn saturate(&mut self, in_flight: usize, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let free = in_flight.saturating_sub(self.tally.in_flight());
            for _ in 0..free {
                self.put_message();
            }
            self.flush().await?;
            self.change().await?;
        }
        Ok(())
    }

    /// Runs an open loop for this long, at so many messages a second.
    pub(crate) async fn pace(&mut self, per_second: u32, time: Duration) -> Result<()> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let end = Instant::now() + time;
        while Instant::now() < end {
            ticks.tick().await;
            self.put_message();
            self.flush().await?;
        }
        Ok(())
    }

    /// Waits until every message has reached every participant.
    pub(crate) async fn drain(&self) -> Result<()> {
        while self.tally.in_flight() > 0 {
            self.change().await?;
        }
        // What nobody sent would come now.
        sleep(QUIET).await;
        match self.tally.failure() {
            Some(failure) => bail!("{}: {failure}", self.system.name()),
            None => Ok(()),
        }
    }

    async fn change(&self) -> Result<()> {
        let changed = timeout(PATIENCE, self.tally.changed.notified()).await;
        if let Some(failure) = self.tally.failure() {
            bail!("{}: {failure}", self.system.name());
        }
        if changed.is_err() {
            bail!(
                "{}: {} messages do not reach everybody",
                self.system.name(),
                self.tally.in_flight()
            );
        }
        Ok(())
    }

    fn put_message(&mut self) {
        let id = self.id;
        self.id += 1;
        let number = usize::try_from(id).unwrap_or(0);
        let count = self.authors.len();
        let author = &mut self.authors[number % count];
        let out = &mut author.waiting;
        if self.system.lines(true).is_none() {
            let participant = number % self.participants;
            author.calls.put_publish(out, participant, id, &self.text);
        } else {
            self.system.put_message(out, &self.text);
        }
        self.tally.sent(Instant::now());
    }

    async fn flush(&mut self) -> Result<()> {
        for author in &mut self.authors {
            author.stream.write_all(&author.waiting).await?;
            author.waiting.clear();
        }
        Ok(())
    }
}

/// Connects, and sends these bytes.
pub(crate) async fn connect(server: &Server, hello: &[u8]) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(hello).await?;
    Ok(stream)
}

/// The same over the wire that the server's clients have.
async fn open(server: &Server, hello: &[u8]) -> Result<Wire> {
    let stream = connect(server, &[]).await?;
    let wire = Wire::open(stream, server.device.as_ref()).await?;
    wire.write_all(hello).await?;
    Ok(wire)
}

/// Reads to the end. Without a tally, it only answers what HTTP/2 requires.
async fn read(stream: Rc<Wire>, mut parser: Parser, tally: Option<Rc<Tally>>) {
    let mut next = 0;
    let mut answers = Vec::new();
    let result: Result<(), String> = async {
        loop {
            stream.readable().await.map_err(|error| error.to_string())?;
            let Some(count) = take(&stream, &mut parser, &mut answers)? else {
                continue;
            };
            if let Some(tally) = &tally {
                tally.received(&mut next, count, Instant::now());
            }
            if !answers.is_empty() {
                let written = stream.write_all(&answers).await;
                written.map_err(|error| error.to_string())?;
                answers.clear();
            }
        }
    }
    .await;
    if let (Err(error), Some(tally)) = (result, tally) {
        tally.fail(error);
    }
}

/// How many messages have come; `None` if there was nothing to read.
fn take(stream: &Wire, parser: &mut Parser, out: &mut Vec<u8>) -> Result<Option<u64>, String> {
    // On the stack: one for each of 5,000 would be memory that the caches do not hold.
    let mut bytes = [0; 16 << 10];
    match stream.try_read(&mut bytes) {
        Ok(0) => Err("the server closed a connection".to_owned()),
        Ok(read) => parser.feed(&bytes[..read], out).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
