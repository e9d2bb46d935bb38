//! A simulated user at a client: joins, writes, reads back, pauses, leaves, and comes again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chitty::session::{
    HistoryPage, NameRefusal as Refusal, Notice, SessionCommand, SessionConfig, SessionHandle,
    Ticket, spawn,
};
use chitty_chat::{MessageText, ParticipantName, Position, logging::CALL};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    network,
    recorder::{ClientRunId, Recorder},
};

/// The names that users ask for. Few, so that some ask for a name that is taken.
const NAMES: [&str; 4] = ["ada", "bob", "eve", "Æsa"];

/// A user of one host, who runs one client after the other. The random numbers continue across
/// clients, also after one was killed.
#[derive(Clone)]
pub(crate) struct SimUser {
    label: String,
    recorder: Recorder,
    rng: Arc<Mutex<StdRng>>,
}

/// One client, from its start to its end, as its user sees it.
struct SimClient {
    user: SimUser,
    id: ClientRunId,
    session: SessionHandle,
    next_ticket: u64,
    /// When the user acts next.
    act_at: Instant,
    /// The name to ask for again, and when.
    name: Option<(Instant, ParticipantName)>,
    last_shown: Position,
}

impl SimUser {
    pub(crate) fn new(label: &str, recorder: Recorder, seed: u64) -> Self {
        Self {
            label: label.to_owned(),
            recorder,
            rng: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
        }
    }

    /// Runs one client after the other, until the quiet phase of the run.
    pub(crate) async fn live(self) {
        loop {
            let mut client = SimClient::begin(&self);
            client.run().await;
            if self.is_quiet() {
                return;
            }
            sleep(self.up_to(8000)).await;
            if self.is_quiet() {
                return;
            }
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn up_to(&self, millis: u64) -> Duration {
        Duration::from_millis(self.draw(|rng| rng.random_range(1..=millis)))
    }

    fn is_quiet(&self) -> bool {
        network::elapsed() >= self.recorder.quiet_from
    }

    fn name(&self) -> String {
        let (index, number) = self.draw(|rng| {
            let number = rng.random_bool(0.7).then(|| rng.random_range(1..100));
            (rng.random_range(0..NAMES.len()), number)
        });
        number.map_or_else(
            || NAMES[index].to_owned(),
            |number| format!("{}-{number}", NAMES[index]),
        )
    }

    fn text(&self) -> String {
        const WORDS: [&str; 8] = ["hello", "\"", "=", "\u{1F600}", "a\nb", "/me", "Ω", "yes"];
        self.draw(|rng| {
            let words: Vec<&str> = (0..rng.random_range(1..6))
                .map(|_| WORDS[rng.random_range(0..WORDS.len())])
                .collect();
            format!("{}{}", words.join(" "), rng.random_range(0..10))
        })
    }
}

impl SimClient {
    fn begin(user: &SimUser) -> Self {
        let id = user.recorder.begin(&user.label);
        let (seed, backlog) = user.draw(|rng| (rng.next_u64(), rng.random_range(0..20)));
        let mut random = StdRng::seed_from_u64(seed);
        let span = tracing::info_span!(
            target: CALL, "session", who = user.label.as_str(), run = id.run()
        );
        let session = spawn(SessionConfig {
            connector: network::connector(),
            random: Box::new(move |bytes| random.fill_bytes(bytes)),
            backlog,
            on_accepted: Box::new(|_| {}),
            span: Some(span),
        });
        let mut client = Self {
            user: user.clone(),
            id,
            session,
            next_ticket: 0,
            act_at: Instant::now() + user.up_to(3000),
            name: None,
            last_shown: Position::ZERO,
        };
        client.join(&user.name());
        client
    }

    /// Acts and takes notices until the session ends.
    async fn run(&mut self) {
        loop {
            let again_at = self.name.as_ref().map(|(at, _)| *at);
            let busy = !self.user.is_quiet();
            tokio::select! {
                // In a fixed order: a random one would not come from the seed.
                biased;
                notice = self.session.notices.recv() => match notice {
                    Some(notice) => self.take(notice),
                    None => return,
                },
                () = sleep_until(again_at.unwrap_or(self.act_at)), if again_at.is_some() => {
                    if let Some((_, name)) = self.name.take() {
                        self.ask(SessionCommand::Join { name });
                    }
                }
                () = sleep_until(self.act_at), if busy => self.act().await,
            }
        }
    }

    fn take(&mut self, notice: Notice) {
        match &notice {
            Notice::Refused(refusal) => self.refused(refusal),
            Notice::Event { event, .. } => self.last_shown = event.position,
            _ => {}
        }
        self.user.recorder.notified(self.id, notice);
    }

    /// Asks again for the same name if it becomes free, otherwise for another one.
    fn refused(&mut self, refusal: &Refusal) {
        let wait = refusal.retry_in.unwrap_or_default() + self.user.up_to(500);
        let name = match refusal.retry_in {
            Some(_) => refusal.name.clone(),
            None => self.user.name(),
        };
        if let Ok(name) = ParticipantName::parse(&name) {
            self.name = Some((Instant::now() + wait, name));
        }
    }

    async fn act(&mut self) {
        match self.user.draw(|rng| rng.random_range(0..100)) {
            0..60 => self.publish(),
            60..68 => {
                for _ in 0..self.user.draw(|rng| rng.random_range(2..30)) {
                    self.publish();
                }
            }
            68..74 => self.ask(SessionCommand::Hurry),
            74..80 => {
                let before = self.last_shown;
                self.ask(SessionCommand::History {
                    page: HistoryPage::Before(before),
                    limit: 10,
                });
            }
            80..85 => self.ask(SessionCommand::Leave),
            // A slow reader: notices are not taken meanwhile.
            85..90 => {
                let time = self.user.up_to(12_000);
                self.user.recorder.pauses(self.id, time);
                sleep(time).await;
            }
            _ => {}
        }
        self.act_at = Instant::now() + self.user.up_to(2000);
    }

    fn publish(&mut self) {
        if let Ok(text) = MessageText::parse(&self.user.text()) {
            self.next_ticket += 1;
            let ticket = Ticket(self.next_ticket);
            self.ask(SessionCommand::Publish { ticket, text });
        }
    }

    fn join(&mut self, name: &str) {
        if let Ok(name) = ParticipantName::parse(name) {
            self.ask(SessionCommand::Join { name });
        }
    }

    /// Sends a command to the session. If the queue is full, the command is dropped: a user would
    /// wait instead of typing on.
    fn ask(&mut self, command: SessionCommand) {
        if self.session.commands.try_send(command.clone()).is_ok() {
            self.user.recorder.asked(self.id, command);
        }
    }
}
