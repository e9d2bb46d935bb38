//! The one task of a session, which handles everything that happens to it one after the other.

use std::ops::ControlFlow;

use chitty_chat::{LamportClock, MessageId, MessageText, Session};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    ClockCause, Ended, Notice, OnAccepted, Random, SessionCommand, SessionConfig, Ticket,
    cursor::Cursor,
    history::{FetchedPage, HistoryRequests},
    leave::{LeaveOutcome, LeavePhase},
    link::{LinkEvent, SessionLink},
    log,
    notice_queue::NoticeQueue,
    own_participant::OwnParticipant,
    publish::{LineSender, PublishOutcome},
};

/// Whether the session continues, or why it ends.
pub(super) type Flow = ControlFlow<Ended>;

/// The state of a session, in parts that keep their own invariants. Its methods are in the files of
/// their subjects.
pub(super) struct SessionDriver {
    pub(super) random: Random,
    pub(super) backlog: u32,
    pub(super) on_accepted: OnAccepted,
    commands: mpsc::Receiver<SessionCommand>,
    pub(super) out: NoticeQueue,

    /// The secret by which the server knows this process; it never changes.
    pub(super) session: Session,
    pub(super) clock: LamportClock,
    pub(super) cursor: Cursor,

    pub(super) participant: OwnParticipant,
    pub(super) link: SessionLink,
    pub(super) lines: LineSender,
    pub(super) pages: HistoryRequests,
    pub(super) leaving: LeavePhase,
}

/// Everything that can happen to a session.
enum Occurrence {
    /// The app took a notice, or a timer ran out; what is due is checked afterwards.
    Nothing,
    /// The app no longer listens, or can no longer send commands.
    AppGone,
    Asked(SessionCommand),
    Link(LinkEvent),
    Published(PublishOutcome),
    Paged(FetchedPage),
    Left(LeaveOutcome),
}

impl SessionDriver {
    pub(super) fn new(
        mut config: SessionConfig,
        commands: mpsc::Receiver<SessionCommand>,
        notices: mpsc::Sender<Notice>,
    ) -> Self {
        Self {
            session: Session::random(&mut config.random),
            random: config.random,
            backlog: config.backlog,
            on_accepted: config.on_accepted,
            commands,
            out: NoticeQueue::new(notices),
            clock: LamportClock::new(),
            cursor: Cursor::default(),
            participant: OwnParticipant::default(),
            link: SessionLink::new(config.connector),
            lines: LineSender::default(),
            pages: HistoryRequests::default(),
            leaving: LeavePhase::No,
        }
    }

    pub(super) async fn run(mut self) {
        let ended = loop {
            // One thing at a time, then everything that has become due by it. The clock is reported
            // last, because an event's own notice reports it too.
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
            self.out.clock(self.clock.now(), ClockCause::Observed);
        };
        self.out.clock(self.clock.now(), ClockCause::Observed);
        log::link_ended(self.link.server(), &ended);
        self.out.push(Notice::Ended(ended));
        self.out.finish().await;
    }

    async fn next(&mut self) -> Occurrence {
        let all_taken = self.out.waiting.is_empty();
        let timer = self.timer();
        tokio::select! {
            biased;
            // The order of the branches is their priority: what the app waits for and commands come
            // before anything from the network, so that a server that sends without end cannot keep
            // the user from leaving.
            permit = self.out.notices.reserve(), if !all_taken => {
                if let Ok(permit) = permit {
                    if let Some(notice) = self.out.waiting.pop_front() {
                        permit.send(notice);
                    }
                    Occurrence::Nothing
                } else {
                    self.out.waiting.clear();
                    Occurrence::AppGone
                }
            }
            () = self.out.notices.closed(), if !self.leaving.is_wanted() => Occurrence::AppGone,
            asked = self.commands.recv(),
                if self.out.waiting.len() < NoticeQueue::MANY && !self.leaving.is_wanted() =>
            {
                asked.map_or(Occurrence::AppGone, Occurrence::Asked)
            }
            outcome = self.lines.outcome() => Occurrence::Published(outcome),
            outcome = self.leaving.outcome(), if self.leaving.is_sent() => Occurrence::Left(outcome),
            // The stream is not read while notices wait, so a slow app reaches the server's flow
            // control: see `NoticeQueue`.
            step = next_step(&mut self.link, &self.out), if all_taken || !self.link.is_following() => {
                Occurrence::Link(step)
            }
            page = self.pages.next() => Occurrence::Paged(page),
            () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => {
                Occurrence::Nothing
            }
        }
    }

    fn handle(&mut self, happened: Occurrence) -> Flow {
        match happened {
            Occurrence::Nothing => {}
            Occurrence::AppGone => self.begin_to_leave(),
            Occurrence::Asked(command) => self.command(command),
            Occurrence::Link(step) => return self.link_step(step),
            Occurrence::Published(outcome) => self.published(outcome),
            Occurrence::Paged(page) => self.paged(page),
            Occurrence::Left(outcome) => return self.left(outcome),
        }
        Flow::Continue(())
    }

    fn command(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Join { name } => self.join_as(name),
            SessionCommand::Publish { ticket, text } => self.accept_line(ticket, text),
            SessionCommand::Leave => self.begin_to_leave(),
            SessionCommand::Hurry => self.link.hurry(),
            SessionCommand::History { page, limit } => self.ask_history(page, limit),
        }
    }

    fn accept_line(&mut self, ticket: Ticket, text: MessageText) {
        let id = MessageId::random(&mut self.random);
        if let Err(full) = self.lines.push(ticket, text, id) {
            let reason = full.to_string();
            self.out.push(Notice::Rejected { ticket, reason });
        }
    }

    fn link_step(&mut self, step: LinkEvent) -> Flow {
        match step {
            LinkEvent::StartingServer => self.starting_server(),
            LinkEvent::Retry => self.connect(),
            LinkEvent::Connected(connected) => return self.connected(connected),
            LinkEvent::Joined(joined) => return self.joined(joined),
            LinkEvent::Broadcast(broadcast) => return self.broadcast(broadcast),
        }
        Flow::Continue(())
    }

    /// Ends the session if the clock is at its last number, because it could not rise any more.
    /// Only a server that breaks the rules of logical time brings it there.
    pub(super) fn check_clock(&self) -> Flow {
        if !self.clock.is_at_end() {
            return Flow::Continue(());
        }
        Flow::Break(Ended::Failed(format!(
            "the server reported Lamport time {}, after which there is no other; the chat has come \
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

    /// The time at which something is due by itself.
    pub(super) fn timer(&self) -> Option<Instant> {
        if self.leaving.is_wanted() {
            self.leaving.until()
        } else if self.link.is_live() {
            self.lines.due()
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

/// The next event of the link. It is not tried again before the app has taken most of the notices:
/// a server that welcomes and fails again and again must not fill the memory.
async fn next_step(link: &mut SessionLink, out: &NoticeQueue) -> LinkEvent {
    let step = link.next().await;
    if matches!(step, LinkEvent::Retry) {
        out.taken().await;
    }
    step
}

#[cfg(test)]
mod tests;
