//! The honest participants, who chat while others attack. They run on a thread of their own, so
//! that they wait for the server and not for this program.

mod chat;
mod client;
mod probe;

use std::{net::IpAddr, thread::JoinHandle, time::Duration};

use color_eyre::eyre::{Result, WrapErr as _, eyre};
use tokio::sync::{mpsc, watch};

pub(crate) use self::client::{Client, Place, join, request, session};

use self::{chat::Chat, probe::Probe};

/// The addresses of the honest participants.
#[derive(Clone, Copy)]
pub(crate) struct Sources {
    pub(crate) authors: IpAddr,
    pub(crate) listener: IpAddr,
    /// The participant that joins, resumes and reads history again and again.
    pub(crate) newcomer: IpAddr,
}

/// The phase of the attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is measured yet.
    Before,
    During,
    After,
}

/// What the honest participants saw during the attack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The time from each sending to the receipt by the listener, sorted.
    pub(crate) broadcasts: Vec<Duration>,
    /// Messages that were refused, and the reason for the last of them.
    pub(crate) refused: u64,
    pub(crate) refusal: String,
    /// Messages that were sent and did not arrive.
    pub(crate) missing: usize,
    /// The longest wait of each kind.
    pub(crate) history: Option<Waited>,
    pub(crate) newcomer: Option<Waited>,
    pub(crate) resume: Option<Waited>,
    /// How often a participant that came back had been announced as lost.
    pub(crate) lost: u64,
}

/// How long a client waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Waited {
    /// It waited this long with success.
    For(Duration),
    /// It waited this long in vain, and gave up.
    InVain(Duration),
}

/// All honest participants, on their thread.
pub(crate) struct Honest {
    phase: watch::Sender<Phase>,
    thread: JoinHandle<Result<Seen>>,
}

impl Honest {
    /// Starts the thread, and waits until all have joined.
    pub(crate) async fn join(place: Place, sources: Sources) -> Result<Self> {
        let (phase, phases) = watch::channel(Phase::Before);
        let (ready, mut joined) = mpsc::channel(1);
        let thread = std::thread::Builder::new()
            .name("honest".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(chat(place, sources, phases, ready))
            })?;
        if joined.recv().await.is_none() {
            let failure = thread.join().map_err(|_| eyre!("a thread failed"))?;
            let error = failure.err().unwrap_or_else(|| eyre!("it ended"));
            return Err(error.wrap_err("nobody can chat before the attack"));
        }
        Ok(Self { phase, thread })
    }

    /// Signals that the attack begins.
    pub(crate) fn begin(&self) {
        self.phase.send_replace(Phase::During);
    }

    /// Signals that the attack is over. They wait for messages that are still on their way, and
    /// leave.
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
