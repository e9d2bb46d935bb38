//! Those who chat while others attack: on a thread of their own, so that what they wait for is the
//! server, and not this program.

mod chat;
mod client;
mod probe;

use std::{net::IpAddr, thread::JoinHandle, time::Duration};

use color_eyre::eyre::{Result, WrapErr as _, eyre};
use tokio::sync::{mpsc, watch};

pub(crate) use self::client::{Client, Place, join, request, session};

use self::{chat::Chat, probe::Probe};

/// Where the honest ones are.
#[derive(Clone, Copy)]
pub(crate) struct Sources {
    pub(crate) authors: IpAddr,
    pub(crate) listener: IpAddr,
    /// Whoever joins, resumes and reads history again and again.
    pub(crate) newcomer: IpAddr,
}

/// What they are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is measured yet.
    Before,
    During,
    After,
}

/// What they saw during the attack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// From each sending to the receipt by the listener, sorted.
    pub(crate) broadcasts: Vec<Duration>,
    /// Lines that were not accepted, and what the server said to the last of them.
    pub(crate) refused: u64,
    pub(crate) refusal: String,
    /// Lines that were sent and did not come.
    pub(crate) missing: usize,
    /// The longest of each.
    pub(crate) history: Option<Waited>,
    pub(crate) newcomer: Option<Waited>,
    pub(crate) resume: Option<Waited>,
    /// How often a participant that came back had been announced as lost.
    pub(crate) lost: u64,
}

/// How long somebody waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waited {
    /// Until it was there.
    For(Duration),
    /// In vain, and gave up.
    InVain(Duration),
}

/// All of them.
pub(crate) struct Honest {
    phase: watch::Sender<Phase>,
    thread: JoinHandle<Result<Seen>>,
}

impl Honest {
    /// They join.
    pub(crate) async fn join(place: Place, sources: Sources) -> Result<Self> {
        let (phase, told) = watch::channel(Phase::Before);
        let (ready, mut joined) = mpsc::channel(1);
        let thread = std::thread::Builder::new()
            .name("honest".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(chat(place, sources, told, ready))
            })?;
        if joined.recv().await.is_none() {
            let failure = thread.join().map_err(|_| eyre!("a thread failed"))?;
            let error = failure.err().unwrap_or_else(|| eyre!("it ended"));
            return Err(error.wrap_err("nobody can chat before the attack"));
        }
        Ok(Self { phase, thread })
    }

    /// The attack begins.
    pub(crate) fn begin(&self) {
        self.phase.send_replace(Phase::During);
    }

    /// The attack is over: they wait for what is still missing, and leave.
    pub(crate) async fn end(self) -> Result<Seen> {
        self.phase.send_replace(Phase::After);
        tokio::task::spawn_blocking(|| self.thread.join())
            .await?
            .map_err(|_| eyre!("a thread failed"))?
            .wrap_err("those who chat failed")
    }
}

async fn chat(
    place: Place,
    sources: Sources,
    phase: watch::Receiver<Phase>,
    ready: mpsc::Sender<()>,
) -> Result<Seen> {
    let chat = Chat::join(place, sources).await?;
    let probe = Probe::join(place, sources.newcomer).await?;
    ready.send(()).await?;
    let (chatted, probed) = tokio::join!(chat.run(phase.clone()), probe.run(phase));
    let mut seen = chatted?;
    seen.history = probed.history;
    seen.newcomer = probed.newcomer;
    seen.resume = probed.resume;
    seen.lost = probed.lost;
    Ok(seen)
}
