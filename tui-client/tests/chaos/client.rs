//! A client without a screen, which writes without end and keeps what it receives.

use std::{collections::HashMap, time::Duration};

use chitty::{
    launch,
    session::{Link, Notice, SessionCommand, SessionConfig, Ticket, WelcomeNotice, spawn},
};
use chitty_chat::{Event, MessageText, ParticipantName, secret::os_random};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longer than anything here should take; only a run that fails waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many lines may wait for their confirmation.
const UNDER_WAY: usize = 8;

/// What a client received, in order, and what became of its lines.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
    /// Welcomes, each with how many events were shown before it.
    pub(crate) welcomes: Vec<(usize, WelcomeNotice)>,
    /// Lines that were confirmed by their own broadcast, or by the reply.
    pub(crate) confirmed: Vec<String>,
    /// Lines that were refused.
    pub(crate) rejected: Vec<String>,
}

pub(crate) struct Client {
    /// How often it has followed the log at its end.
    live: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Report>,
}

impl Client {
    /// Starts a client; `pace` is the time from one line to the next.
    pub(crate) fn start(name: &str, server: String, pace: Duration) -> Self {
        let (live_now, live) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(name.to_owned(), server, pace, live_now, stopped));
        Self { live, stop, task }
    }

    /// How often it has followed the log at its end.
    pub(crate) fn times_live(&self) -> u64 {
        *self.live.borrow()
    }

    /// Waits until it has followed the log at its end more often than `before`.
    pub(crate) async fn live_again(&mut self, before: u64) {
        let live = self.live.wait_for(|times| *times > before);
        timeout(PATIENCE, live)
            .await
            .expect("in time")
            .expect("it runs");
    }

    /// Stops writing, waits for the outcome of every line, and leaves.
    pub(crate) async fn finish(self) -> Report {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task)
            .await
            .expect("in time")
            .expect("it ran")
    }
}

async fn run(
    name: String,
    server: String,
    pace: Duration,
    following: watch::Sender<u64>,
    mut stop: watch::Receiver<bool>,
) -> Report {
    let connector = launch::remote(server.parse().expect("an address"));
    let session = spawn(SessionConfig {
        connector,
        random: Box::new(os_random),
        backlog: 0,
        on_accepted: Box::new(|_| {}),
        span: None,
    });
    let (commands, mut notices) = (session.commands, session.notices);
    let join = SessionCommand::Join {
        name: ParticipantName::parse(&name).expect("a name"),
    };
    commands.send(join).await.expect("it runs");
    let mut report = Report {
        name: name.clone(),
        ..Report::default()
    };
    let mut under_way: HashMap<Ticket, String> = HashMap::new();
    let mut written = 0;
    let mut leaving = false;
    loop {
        let stopped = *stop.borrow_and_update();
        if stopped && under_way.is_empty() && !leaving {
            leaving = true;
            commands.send(SessionCommand::Leave).await.expect("it runs");
        }
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(Notice::Ended(_)) | None => return report,
                Some(notice) => take(notice, &mut report, &mut under_way, &following),
            },
            _ = stop.changed(), if !stopped => {}
            () = sleep(pace), if !stopped && under_way.len() < UNDER_WAY => {
                written += 1;
                let line = format!("{name} line {written}");
                write(&commands, Ticket(written), &line).await;
                under_way.insert(Ticket(written), line);
            }
        }
    }
}

async fn write(commands: &mpsc::Sender<SessionCommand>, ticket: Ticket, line: &str) {
    let text = MessageText::parse(line).expect("a text");
    commands
        .send(SessionCommand::Publish { ticket, text })
        .await
        .expect("it runs");
}

fn take(
    notice: Notice,
    report: &mut Report,
    under_way: &mut HashMap<Ticket, String>,
    following: &watch::Sender<u64>,
) {
    match notice {
        Notice::Link(Link::Live) => following.send_modify(|times| *times += 1),
        Notice::Welcome(welcome) => report.welcomes.push((report.events.len(), welcome)),
        Notice::Event { event, own, .. } => {
            report.events.push(event);
            let line = own.and_then(|ticket| under_way.remove(&ticket));
            report.confirmed.extend(line);
        }
        Notice::Accepted { ticket, .. } => report.confirmed.extend(under_way.remove(&ticket)),
        Notice::Rejected { ticket, .. } => report.rejected.extend(under_way.remove(&ticket)),
        Notice::Refused(refusal) => panic!("{} was refused: {}", report.name, refusal.reason),
        Notice::Link(_) | Notice::Clock { .. } | Notice::History { .. } | Notice::Ended(_) => {}
    }
}
