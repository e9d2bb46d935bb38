//! The one task of a session: everything that happens to it, one after the other.

use std::{collections::VecDeque, ops::ControlFlow};

use chitty_chat::{
    LamportClock, LamportTime, MessageId, MessageText, ParticipantName, ParticipantNumber,
    Position, Session,
};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tonic::transport::Channel;

use super::{
    Command, Connector, Ended, HistoryPage, Moved, Notice, OnAccepted, Random, SessionConfig,
    Ticket,
    backoff::Backoff,
    cursor::Cursor,
    follow::Page,
    leave::{LeaveOutcome, Leaving},
    link::{BoxFuture, State, Step},
    log,
    out::Out,
    outbox::Outbox,
    publish::{InFlight, PublishOutcome},
};

/// Goes on, or ends the session.
pub(super) type Flow = ControlFlow<Ended>;

/// All of a session's state. Its methods are in the files of their subjects.
pub(super) struct Driver {
    pub(super) connector: Connector,
    pub(super) random: Random,
    pub(super) backlog: u32,
    pub(super) on_accepted: OnAccepted,
    commands: mpsc::Receiver<Command>,
    pub(super) out: Out,

    /// The secret by which the server knows this process; kept for its whole life.
    pub(super) session: Session,
    pub(super) clock: LamportClock,
    pub(super) cursor: Cursor,
    pub(super) outbox: Outbox,

    /// The name to join under.
    pub(super) name: Option<ParticipantName>,
    pub(super) participation: Option<Participation>,
    /// This participation was announced as lost or closed.
    pub(super) announced_gone: bool,
    /// How often the timeline started afresh.
    pub(super) timeline: u64,
    /// The time that the last Join carried.
    pub(super) join_lamport: LamportTime,
    /// The log's end when this stream began: up to there it catches up.
    pub(super) head: Position,
    /// Since when it follows at the end of the log, if it does: lines may be sent then.
    pub(super) live: Option<Instant>,

    pub(super) state: State,
    /// The last connection, also when its stream has ended.
    pub(super) channel: Option<Channel>,
    pub(super) backoff: Backoff,
    pub(super) publishing: Option<InFlight>,
    pub(super) publish_backoff: Backoff,
    pub(super) pages: FuturesUnordered<BoxFuture<Page>>,
    /// Those that are asked for when others have come.
    pub(super) waiting_pages: VecDeque<(HistoryPage, u32)>,
    pub(super) leaving: Leaving,
}

/// What the last welcome said of this participant.
pub(super) struct Participation {
    /// The name under which it was accepted.
    pub(super) name: ParticipantName,
    pub(super) number: ParticipantNumber,
    /// Events below are history.
    pub(super) since: Position,
}

/// Everything that can happen to a session.
enum Happened {
    /// The app took a notice, or a timer ran out: what is due will be seen.
    Nothing,
    /// The app does not listen, or cannot ask for anything more.
    AppGone,
    Asked(Command),
    Link(Step),
    Published(PublishOutcome),
    Paged(Page),
    Left(LeaveOutcome),
}

impl Driver {
    pub(super) fn new(
        mut config: SessionConfig,
        commands: mpsc::Receiver<Command>,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        Self {
            session: Session::random(&mut config.random),
            connector: config.connector,
            random: config.random,
            backlog: config.backlog,
            on_accepted: config.on_accepted,
            commands,
            out: Out::new(notices),
            clock: LamportClock::new(),
            cursor: Cursor::default(),
            outbox: Outbox::default(),
            name: None,
            participation: None,
            announced_gone: false,
            timeline: 0,
            join_lamport: LamportTime::ZERO,
            head: Position::ZERO,
            live: None,
            state: State::Idle,
            channel: None,
            backoff: Backoff::default(),
            publishing: None,
            publish_backoff: Backoff::default(),
            pages: FuturesUnordered::new(),
            waiting_pages: VecDeque::new(),
            leaving: Leaving::No,
        }
    }

    pub(super) async fn run(mut self) {
        let ended = loop {
            let happened = self.next().await;
            if let ControlFlow::Break(ended) = self.handle(happened) {
                break ended;
            }
            if let ControlFlow::Break(ended) = self.do_what_is_due() {
                break ended;
            }
            if let ControlFlow::Break(ended) = self.check_clock() {
                break ended;
            }
            self.out.clock(self.clock.now(), Moved::Told);
        };
        self.out.clock(self.clock.now(), Moved::Told);
        log::link_ended(self.connector.server(), &ended);
        self.out.tell(Notice::Ended(ended));
        self.out.finish().await;
    }

    async fn next(&mut self) -> Happened {
        let room = self.out.waiting.is_empty();
        let timer = self.timer();
        tokio::select! {
            biased;
            permit = self.out.notices.reserve(), if !room => {
                if let Ok(permit) = permit {
                    if let Some(notice) = self.out.waiting.pop_front() {
                        permit.send(notice);
                    }
                    Happened::Nothing
                } else {
                    self.out.waiting.clear();
                    Happened::AppGone
                }
            }
            () = self.out.notices.closed(), if !self.leaving.is_wanted() => Happened::AppGone,
            asked = self.commands.recv(),
                if self.out.waiting.len() < Out::MANY && !self.leaving.is_wanted() =>
            {
                asked.map_or(Happened::AppGone, Happened::Asked)
            }
            outcome = outcome(&mut self.publishing), if self.publishing.is_some() => {
                self.publishing = None;
                Happened::Published(outcome)
            }
            outcome = self.leaving.outcome(), if self.leaving.is_sent() => Happened::Left(outcome),
            // A slow app is felt by the server: see `Out`.
            step = next_step(&mut self.state, &self.out), if room || !self.state.is_following() => {
                Happened::Link(step)
            }
            Some(page) = self.pages.next(), if !self.pages.is_empty() => Happened::Paged(page),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                Happened::Nothing
            }
        }
    }

    fn handle(&mut self, happened: Happened) -> Flow {
        match happened {
            Happened::Nothing => {}
            Happened::AppGone => self.begin_to_leave(),
            Happened::Asked(command) => self.command(command),
            Happened::Link(step) => return self.link_step(step),
            Happened::Published(outcome) => self.published(outcome),
            Happened::Paged(page) => self.paged(page),
            Happened::Left(outcome) => return self.left(outcome),
        }
        Flow::Continue(())
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Join { name } => self.join_as(name),
            Command::Publish { ticket, text } => self.accept_line(ticket, text),
            Command::Leave => self.begin_to_leave(),
            Command::Hurry => {
                if let State::Waiting { until, not_before } = &mut self.state {
                    *until = *not_before;
                }
            }
            Command::History { page, limit } => self.ask_history(page, limit),
        }
    }

    fn accept_line(&mut self, ticket: Ticket, text: MessageText) {
        let id = MessageId::random(&mut self.random);
        if let Err(full) = self.outbox.push(ticket, text, id) {
            let reason = full.to_string();
            self.out.tell(Notice::Rejected { ticket, reason });
        }
    }

    fn link_step(&mut self, step: Step) -> Flow {
        match step {
            Step::StartingServer => self.starting_server(),
            Step::Retry => self.connect(),
            Step::Connected(connected) => return self.connected(connected),
            Step::Joined(joined) => return self.joined(joined),
            Step::Broadcast(broadcast) => return self.broadcast(broadcast),
        }
        Flow::Continue(())
    }

    /// A clock at its last number would stand still at whatever comes next: the session ends
    /// instead. Only a server that breaks the rules of logical time brings it there.
    pub(super) fn check_clock(&self) -> Flow {
        if !self.clock.is_at_end() {
            return Flow::Continue(());
        }
        Flow::Break(Ended::Failed(format!(
            "the server told of Lamport time {}, after which there is no other; the chat has come \
             to its end, so choose another server with --server",
            self.clock.now()
        )))
    }

    fn do_what_is_due(&mut self) -> Flow {
        if self.leaving.is_wanted() {
            if self.leaving.waits_for_outcomes() {
                self.send_next_line();
            }
            self.go_on_leaving()
        } else {
            self.send_next_line();
            Flow::Continue(())
        }
    }

    /// When something is due next, whatever happens.
    pub(super) fn timer(&self) -> Option<Instant> {
        if self.leaving.is_wanted() {
            self.leaving.until()
        } else if self.live.is_some() && self.publishing.is_none() {
            self.outbox.due()
        } else {
            None
        }
    }

    pub(super) fn random_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// What happens next to the link. It is not tried again before the app has taken most of what it
/// was told: a server that welcomes and falls again and again is not to fill the memory by that.
async fn next_step(state: &mut State, out: &Out) -> Step {
    let step = state.next().await;
    if matches!(step, Step::Retry) {
        out.taken().await;
    }
    step
}

async fn outcome(publishing: &mut Option<InFlight>) -> PublishOutcome {
    match publishing {
        Some(publishing) => publishing.await,
        None => std::future::pending().await,
    }
}
