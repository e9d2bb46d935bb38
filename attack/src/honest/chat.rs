//! Authors that write at the allowed rate, and a listener.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::proto::v1::{Broadcast, PublishRequest, broadcast::Kind, event};
use color_eyre::eyre::Result;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tonic::Streaming;

use super::{
    Phase, Place, Seen, Sources,
    client::{Client, join, request},
};

/// Each may write five lines a second, and writes fewer than four, so that none is refused where
/// several come late at the same time.
const AUTHORS: u64 = 13;
const BETWEEN_LINES: Duration = Duration::from_millis(20);
/// How long to wait for messages that are on their way when the attack is over.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Chat {
    authors: Vec<(Client, String)>,
    state: Arc<Mutex<State>>,
    /// The streams of the authors, which are read, too.
    readers: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// The messages that have not arrived, by their ids.
    sent: HashMap<String, Instant>,
    seen: Seen,
}

impl Chat {
    pub(super) async fn join(place: Place, sources: Sources) -> Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let mut readers = JoinSet::new();
        let listener = place.connect(sources.listener).await?;
        let listener = join(listener, request("listener", 0)).await?;
        readers.spawn(listen(listener.stream, Arc::clone(&state)));
        let client = place.connect(sources.authors).await?;
        let mut authors = Vec::new();
        for number in 0..AUTHORS {
            let request = request(&format!("author {number}"), 0);
            let mut joined = join(client.clone(), request).await?;
            authors.push((joined.client.clone(), joined.welcome.session.clone()));
            readers.spawn(async move { while let Ok(Some(_)) = joined.stream.message().await {} });
        }
        Ok(Self {
            authors,
            state,
            readers,
        })
    }

    /// Writes while the attack lasts, one line after the other, without waiting for any.
    pub(super) async fn run(self, mut phase: watch::Receiver<Phase>) -> Result<Seen> {
        let _ = phase.wait_for(|phase| *phase == Phase::During).await?;
        let mut lines = JoinSet::new();
        let mut ticks = interval(BETWEEN_LINES);
        for number in 0_usize.. {
            tokio::select! {
                _ = phase.wait_for(|phase| *phase == Phase::After) => break,
                _ = ticks.tick() => {}
            }
            let (client, session) = &self.authors[number % self.authors.len()];
            let id = format!("{number:022}");
            lock(&self.state).sent.insert(id.clone(), Instant::now());
            let request = PublishRequest {
                session: session.clone(),
                text: format!("line {number}"),
                id,
                lamport: 1,
                ..PublishRequest::default()
            };
            lines.spawn(write(client.clone(), request, Arc::clone(&self.state)));
        }
        let all_there = async {
            while lines.join_next().await.is_some() {}
            let mut ticks = interval(BETWEEN_LINES);
            while !lock(&self.state).sent.is_empty() {
                ticks.tick().await;
            }
        };
        // What is not there by then is missing.
        let _ = timeout(PATIENCE, all_there).await;
        drop(self.readers);
        let mut state = lock(&self.state);
        let mut seen = std::mem::take(&mut state.seen);
        seen.missing = state.sent.len();
        seen.broadcasts.sort_unstable();
        Ok(seen)
    }
}

async fn write(mut client: Client, request: PublishRequest, state: Arc<Mutex<State>>) {
    let id = request.id.clone();
    if let Err(status) = client.publish(request).await {
        let mut state = lock(&state);
        // Not refused, where its answer was lost.
        if state.sent.remove(&id).is_some() {
            state.seen.refused += 1;
            status.message().clone_into(&mut state.seen.refusal);
        }
    }
}

async fn listen(mut stream: Streaming<Broadcast>, state: Arc<Mutex<State>>) {
    while let Ok(Some(message)) = stream.message().await {
        let now = Instant::now();
        let Some(Kind::Event(event)) = message.kind else {
            continue;
        };
        if let Some(event::Kind::Message(message)) = event.kind {
            let mut state = lock(&state);
            if let Some(sent) = state.sent.remove(&message.id) {
                state.seen.broadcasts.push(now - sent);
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
