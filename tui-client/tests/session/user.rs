//! A session as its app sees it.

use std::time::Duration;

use chitty::{
    launch,
    session::{
        Connector, Ended, Link, NameRefusal, Notice, OnAccepted, Random, SessionCommand,
        SessionConfig, SessionHandle, Ticket, WelcomeNotice, spawn,
    },
};
use chitty_chat::{Event, LamportTime, MessageText, ParticipantName, Position, secret::os_random};
use chitty_testing::fake_server::{Fake, PATIENCE};
use tokio::time::timeout;

pub(crate) struct User(pub(crate) SessionHandle);

/// An event as it is reported to the app.
pub(crate) struct Shown {
    pub(crate) event: Event,
    pub(crate) clock: LamportTime,
    pub(crate) own: Option<Ticket>,
    pub(crate) live: bool,
}

impl User {
    pub(crate) fn new(connector: Connector) -> Self {
        Self::configured(connector, Box::new(os_random))
    }

    fn configured(connector: Connector, random: Random) -> Self {
        Self::spawned(connector, random, Box::new(|_| {}))
    }

    /// A session whose accepted names are passed to `on_accepted`.
    pub(crate) fn reporting_names(server: &Fake, on_accepted: OnAccepted) -> Self {
        let connector = launch::remote(server.url().parse().expect("the URL is valid"));
        Self::spawned(connector, Box::new(os_random), on_accepted)
    }

    fn spawned(connector: Connector, random: Random, on_accepted: OnAccepted) -> Self {
        Self(spawn(SessionConfig {
            connector,
            random,
            backlog: 20,
            on_accepted,
            span: None,
        }))
    }

    pub(crate) fn with_random(server: &Fake, random: fn(&mut [u8])) -> Self {
        let connector = launch::remote(server.url().parse().expect("the URL is valid"));
        Self::configured(connector, Box::new(random))
    }

    pub(crate) fn of(server: &Fake) -> Self {
        Self::new(launch::remote(
            server.url().parse().expect("the URL is valid"),
        ))
    }

    /// The first participant of a chat, after it was shown its own Joined.
    pub(crate) async fn in_chat(
        server: &mut Fake,
        name: &str,
    ) -> (Self, chitty_testing::fake_server::FakeStream) {
        let mut user = Self::of(server);
        user.join(name).await;
        let stream = server.join().await.welcome_first();
        user.event().await;
        user.live().await;
        (user, stream)
    }

    pub(crate) async fn ask(&self, command: SessionCommand) {
        self.0
            .commands
            .send(command)
            .await
            .expect("it takes commands");
    }

    pub(crate) async fn join(&self, name: &str) {
        let name = ParticipantName::parse(name).expect("the name is valid");
        self.ask(SessionCommand::Join { name }).await;
    }

    pub(crate) async fn publish(&self, ticket: u64, text: &str) {
        let text = MessageText::parse(text).expect("the text is valid");
        let ticket = Ticket(ticket);
        self.ask(SessionCommand::Publish { ticket, text }).await;
    }

    pub(crate) async fn notice(&mut self) -> Notice {
        let notice = timeout(PATIENCE, self.0.notices.recv()).await;
        notice.expect("a notice comes").expect("the session lives")
    }

    /// The next notice for which `pick` returns something; others are skipped.
    pub(crate) async fn until<T>(&mut self, mut pick: impl FnMut(Notice) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.notice().await) {
                return picked;
            }
        }
    }

    pub(crate) async fn welcome(&mut self) -> WelcomeNotice {
        self.until(|notice| match notice {
            Notice::Welcome(welcome) => Some(welcome),
            Notice::Event { event, .. } => panic!("an event: {event:?}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn event(&mut self) -> Shown {
        self.until(|notice| match notice {
            Notice::Event {
                event,
                clock,
                own,
                live,
            } => Some(Shown {
                event,
                clock,
                own,
                live,
            }),
            _ => None,
        })
        .await
    }

    pub(crate) async fn live(&mut self) {
        self.until(|notice| (notice == Notice::Link(Link::Live)).then_some(()))
            .await;
    }

    pub(crate) async fn lost(&mut self) -> (String, Duration) {
        self.until(|notice| match notice {
            Notice::Link(Link::Lost { reason, retry_in }) => Some((reason, retry_in)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&mut self) -> NameRefusal {
        self.until(|notice| match notice {
            Notice::Refused(refusal) => Some(refusal),
            _ => None,
        })
        .await
    }

    pub(crate) async fn rejected(&mut self) -> (Ticket, String) {
        self.until(|notice| match notice {
            Notice::Rejected { ticket, reason } => Some((ticket, reason)),
            _ => None,
        })
        .await
    }

    pub(crate) async fn accepted(&mut self) -> (Ticket, Position) {
        self.until(|notice| match notice {
            Notice::Accepted { ticket, position } => Some((ticket, position)),
            _ => None,
        })
        .await
    }

    /// The end of the session, after which no notice follows.
    pub(crate) async fn ended(mut self) -> Ended {
        let ended = self
            .until(|notice| match notice {
                Notice::Ended(ended) => Some(ended),
                _ => None,
            })
            .await;
        assert_eq!(self.0.notices.recv().await, None);
        self.0.task.await.expect("the task ends");
        ended
    }
}
