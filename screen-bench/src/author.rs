//! The author of a flood: a participant without a screen.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use chitty_chat::proto::v1::{JoinRequest, PublishRequest, chitty_chat_client::ChittyChatClient};
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use tokio::{runtime, task::JoinSet};
use tonic::transport::Channel;

use crate::edge;

/// How many calls may be in flight.
const IN_FLIGHT: usize = 128;
/// How many lines are written at once to an IRC server.
const BATCH: u64 = 1000;
/// The interval at which due lines are sent.
const STEP: Duration = Duration::from_millis(2);
/// The session's secret, which nobody can abuse here.
const SESSION: &str = "0123456789012345678901";
/// The channel of the IRC chats.
pub(crate) const CHANNEL: &str = "#all";

/// How much is written, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    pub(crate) messages: u64,
    /// The rate; `None` for as fast as the server takes the lines.
    pub(crate) per_second: Option<u64>,
}

impl Flood {
    /// How many lines are due after this time.
    fn due(self, since: Duration) -> u64 {
        let due = self.per_second.map_or(u128::MAX, |per_second| {
            since.as_micros() * u128::from(per_second) / 1_000_000
        });
        u64::try_from(due).unwrap_or(u64::MAX).min(self.messages)
    }
}

/// A connection that writes.
pub(crate) enum Author {
    /// A connection to a Chitty-Chat server.
    Chitty(Calls),
    /// A connection to an IRC server.
    Irc(TcpStream),
}

/// The calls to a Chitty-Chat server.
pub(crate) struct Calls {
    runtime: runtime::Runtime,
    channel: Channel,
    sent: u64,
}

/// Lines as people write them, each different.
fn text(number: u64) -> String {
    format!("{number:07} the quick brown fox jumps over the lazy dog")
}

impl Author {
    pub(crate) fn on_chitty(url: &str) -> Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let channel = runtime.block_on(async {
            let channel = Channel::from_shared(url.to_owned())?.connect().await?;
            let mut client = ChittyChatClient::new(channel.clone());
            let join = JoinRequest {
                name: "bob".to_owned(),
                session: SESSION.to_owned(),
                lamport: 1,
                ..JoinRequest::default()
            };
            // The stream ends here; within the server's grace the participant may still write.
            let welcome = client.join(join).await?.into_inner().message().await?;
            welcome.ok_or_else(|| eyre!("no welcome"))?;
            Ok::<_, color_eyre::Report>(channel)
        });
        Ok(Self::Chitty(Calls {
            channel: channel.wrap_err("cannot join")?,
            runtime,
            sent: 0,
        }))
    }

    pub(crate) fn on_irc(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut until = |codes: &[&str]| -> Result<()> {
            for line in lines.by_ref() {
                let line = line?;
                if line
                    .split(' ')
                    .nth(1)
                    .is_some_and(|code| codes.contains(&code))
                {
                    return Ok(());
                }
            }
            bail!("the IRC server closed the connection")
        };
        stream.write_all(b"NICK bob\r\nUSER bob 0 * :bob\r\n")?;
        // The end of the greeting and of the channel's names.
        until(&["376", "422"])?;
        stream.write_all(format!("JOIN {CHANNEL}\r\n").as_bytes())?;
        until(&["366"])?;
        Ok(Self::Irc(stream))
    }

    /// Writes on a thread of its own, and ends with a line that contains this sign. The thread
    /// returns the author and how long the flood took.
    pub(crate) fn write(
        mut self,
        flood: Flood,
        sign: char,
    ) -> thread::JoinHandle<Result<(Self, Duration)>> {
        thread::spawn(move || {
            let begun = edge::now();
            match &mut self {
                Self::Chitty(calls) => calls.write(flood, sign)?,
                Self::Irc(stream) => write_irc(stream, flood, sign)?,
            }
            Ok((self, begun.elapsed()))
        })
    }
}

impl Calls {
    fn write(&mut self, flood: Flood, sign: char) -> Result<()> {
        let (channel, first) = (self.channel.clone(), self.sent);
        self.sent += flood.messages + 1;
        let publish = |number: u64, text: String| {
            let mut client = ChittyChatClient::new(channel.clone());
            let request = PublishRequest {
                session: SESSION.to_owned(),
                text,
                id: format!("{:022}", first + number),
                lamport: 1,
                ..PublishRequest::default()
            };
            async move { client.publish(request).await }
        };
        self.runtime.block_on(async {
            let begun = edge::now();
            let mut calls = JoinSet::new();
            let mut sent = 0;
            while sent < flood.messages {
                let due = flood.due(begun.elapsed());
                while sent < due {
                    if calls.len() >= IN_FLIGHT
                        && let Some(reply) = calls.join_next().await
                    {
                        reply??;
                    }
                    calls.spawn(publish(sent, text(first + sent)));
                    sent += 1;
                }
                while let Some(reply) = calls.try_join_next() {
                    reply??;
                }
                tokio::time::sleep(STEP).await;
            }
            while let Some(reply) = calls.join_next().await {
                reply??;
            }
            publish(sent, sign.to_string()).await?;
            Ok(())
        })
    }
}

fn write_irc(stream: &mut TcpStream, flood: Flood, sign: char) -> Result<()> {
    let begun = edge::now();
    let mut sent = 0;
    while sent < flood.messages {
        // Lines that the server has not taken yet wait here, not in memory.
        let due = flood.due(begun.elapsed()).min(sent + BATCH);
        let mut lines = String::new();
        for number in sent..due {
            // Writing to a string cannot fail.
            let _ = write!(lines, "PRIVMSG {CHANNEL} :{}\r\n", text(number));
        }
        stream.write_all(lines.as_bytes())?;
        sent = due;
        edge::sleep(STEP);
    }
    let last = format!("PRIVMSG {CHANNEL} :{sign}\r\n");
    stream.write_all(last.as_bytes()).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_due_by_and_by() {
        let flood = Flood {
            messages: 100,
            per_second: Some(50),
        };
        let due = |milliseconds| flood.due(Duration::from_millis(milliseconds));
        assert_eq!((due(0), due(19), due(20), due(1000)), (0, 0, 1, 50));
        assert_eq!(due(10_000), 100);
        let unpaced = Flood {
            per_second: None,
            ..flood
        };
        assert_eq!(unpaced.due(Duration::ZERO), 100);
    }
}
