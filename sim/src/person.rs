//! Somebody at a client: writes, reads, dozes off, leaves, comes again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chitty::session::{
    HistoryPage, NameRefusal as Refusal, Notice, SessionCommand as Command, SessionConfig,
    SessionHandle, Ticket, spawn,
};
use chitty_chat::{MessageText, ParticipantName, Position, logging::CALL};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    network,
    stage::{LifeId, Stage},
};

/// Names that people want; some want the same.
const NAMES: [&str; 4] = ["ada", "bob", "eve", "Æsa"];

/// Somebody; what is drawn goes on where it was when the client was killed.
#[derive(Clone)]
pub(crate) struct Person {
    label: String,
    stage: Stage,
    rng: Arc<Mutex<StdRng>>,
}

/// One client, from its start to its end.
struct Sitting {
    person: Person,
    life: LifeId,
    session: SessionHandle,
    next_ticket: u64,
    /// When the next thing is done.
    act_at: Instant,
    /// To be asked for again then.
    name: Option<(Instant, ParticipantName)>,
    last_shown: Position,
}

impl Person {
    pub(crate) fn new(label: &str, stage: Stage, seed: u64) -> Self {
        Self {
            label: label.to_owned(),
            stage,
            rng: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
        }
    }

    /// Runs one client after the other, until it is quiet.
    pub(crate) async fn live(self) {
        loop {
            let mut sitting = Sitting::begin(&self);
            sitting.last().await;
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
        network::elapsed() >= self.stage.quiet_from
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

impl Sitting {
    fn begin(person: &Person) -> Self {
        let life = person.stage.begin(&person.label);
        let (seed, backlog) = person.draw(|rng| (rng.next_u64(), rng.random_range(0..20)));
        let mut random = StdRng::seed_from_u64(seed);
        let span = tracing::info_span!(
            target: CALL, "session", who = person.label.as_str(), run = life.run()
        );
        let session = spawn(SessionConfig {
            connector: network::connector(),
            random: Box::new(move |bytes| random.fill_bytes(bytes)),
            backlog,
            on_accepted: Box::new(|_| {}),
            span: Some(span),
        });
        let mut sitting = Self {
            person: person.clone(),
            life,
            session,
            next_ticket: 0,
            act_at: Instant::now() + person.up_to(3000),
            name: None,
            last_shown: Position::ZERO,
        };
        sitting.join(&person.name());
        sitting
    }

    /// Until the session ends.
    async fn last(&mut self) {
        loop {
            let again_at = self.name.as_ref().map(|(at, _)| *at);
            let busy = !self.person.is_quiet();
            tokio::select! {
                biased;
                notice = self.session.notices.recv() => match notice {
                    Some(notice) => self.take(notice),
                    None => return,
                },
                () = sleep_until(again_at.unwrap_or(self.act_at)), if again_at.is_some() => {
                    if let Some((_, name)) = self.name.take() {
                        self.ask(Command::Join { name });
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
        self.person.stage.told(self.life, notice);
    }

    /// Waits for the name where that helps, or takes another.
    fn refused(&mut self, refusal: &Refusal) {
        let wait = refusal.retry_in.unwrap_or_default() + self.person.up_to(500);
        let name = match refusal.retry_in {
            Some(_) => refusal.name.clone(),
            None => self.person.name(),
        };
        if let Ok(name) = ParticipantName::parse(&name) {
            self.name = Some((Instant::now() + wait, name));
        }
    }

    async fn act(&mut self) {
        match self.person.draw(|rng| rng.random_range(0..100)) {
            0..60 => self.publish(),
            60..68 => {
                for _ in 0..self.person.draw(|rng| rng.random_range(2..30)) {
                    self.publish();
                }
            }
            68..74 => self.ask(Command::Hurry),
            74..80 => {
                let before = self.last_shown;
                self.ask(Command::History {
                    page: HistoryPage::Before(before),
                    limit: 10,
                });
            }
            80..85 => self.ask(Command::Leave),
            // Reads nothing meanwhile.
            85..90 => {
                let time = self.person.up_to(12_000);
                self.person.stage.dozes(self.life, time);
                sleep(time).await;
            }
            _ => {}
        }
        self.act_at = Instant::now() + self.person.up_to(2000);
    }

    fn publish(&mut self) {
        if let Ok(text) = MessageText::parse(&self.person.text()) {
            self.next_ticket += 1;
            let ticket = Ticket(self.next_ticket);
            self.ask(Command::Publish { ticket, text });
        }
    }

    fn join(&mut self, name: &str) {
        if let Ok(name) = ParticipantName::parse(name) {
            self.ask(Command::Join { name });
        }
    }

    /// Nothing is asked where the session has no room: its user would wait.
    fn ask(&mut self, command: Command) {
        if self.session.commands.try_send(command.clone()).is_ok() {
            self.person.stage.asked(self.life, command);
        }
    }
}
