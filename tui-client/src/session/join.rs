//! Joining the chat, and joining it again.

use std::{sync::Arc, time::Duration};

use chitty_chat::{ParticipantName, ParticipantNumber, Position, proto::v1};
use tokio::time::Instant;
use tonic::{Status, transport::Channel};

use super::{
    ClockCause, ConnectError, Ended, Link, NameRefusal, Notice, WelcomeNotice, bounds,
    cursor::Continuity,
    driver::{Flow, Participation, SessionDriver},
    follow::ReportProgress,
    grpc::{self, JoinFailure},
    link::{LinkState, OpenedStream},
    log,
};

/// A link that was live for less than this counts as another failure, so that the client does not
/// join in a tight loop a server that welcomes and fails.
const STABLE: Duration = Duration::from_secs(1);

impl SessionDriver {
    /// Takes the user's wish to join under this name.
    pub(super) fn join_as(&mut self, name: ParticipantName) {
        // While joining and afterwards the name cannot be changed.
        let under_way = self.state.is_joining() || self.state.is_following();
        if under_way || (self.participation.is_some() && self.name.is_some()) {
            tracing::debug!(name = name.as_str(), "joined already");
            return;
        }
        self.name = Some(name);
        if !matches!(self.state, LinkState::Connecting(..)) {
            self.connect();
        }
    }

    pub(super) fn connect(&mut self) {
        let welcomed = self.participation.is_some();
        let (connecting, starting) = self.connector.connect(welcomed);
        self.state = LinkState::Connecting(connecting, starting);
        log::link("connecting", self.connector.server());
        self.out.link(Link::Connecting);
    }

    pub(super) fn starting_server(&mut self) {
        log::link("starting", self.connector.server());
        self.out.link(Link::StartingServer);
    }

    pub(super) fn connected(&mut self, connected: Result<Channel, ConnectError>) -> Flow {
        match connected {
            Ok(channel) => {
                self.channel = Some(channel.clone());
                self.send_join(channel);
                Flow::Continue(())
            }
            Err(ConnectError::Unreachable(reason)) => {
                self.lost(reason, Duration::ZERO);
                Flow::Continue(())
            }
            Err(ConnectError::Unusable(reason)) => Flow::Break(Ended::Failed(reason)),
        }
    }

    fn send_join(&mut self, channel: Channel) {
        let Some(name) = &self.name else {
            self.state = LinkState::Idle;
            return;
        };
        // Every try is a new request with a new time, unlike Publish: the log has no event for one
        // that failed.
        self.join_lamport = self.clock.tick();
        let request = v1::JoinRequest {
            name: name.to_string(),
            lamport: self.join_lamport.get(),
            resume: self.cursor.resume(),
            backlog: self.backlog,
            session: self.session.reveal().to_owned(),
            room: String::new(),
        };
        self.out.clock(self.clock.now(), ClockCause::Sent);
        log::join_sent(&request, self.clock.now());
        self.out.link(Link::Connecting);
        self.state = LinkState::Joining(Box::pin(async move {
            tokio::time::timeout(grpc::CALL, enter(channel, request))
                .await
                .unwrap_or_else(|_| Err(grpc::no_answer(grpc::CALL)))
        }));
    }

    pub(super) fn joined(&mut self, joined: Result<OpenedStream, Status>) -> Flow {
        match joined {
            Ok((welcome, stream)) => {
                self.state = LinkState::Following(stream);
                self.welcomed(&welcome);
                Flow::Continue(())
            }
            Err(status) => self.not_joined(&status),
        }
    }

    pub(super) fn welcomed(&mut self, welcome: &v1::Welcome) {
        let Some(name) = self.name.clone() else {
            return;
        };
        let before = self.participation.as_ref().map(|before| &before.name);
        if before != Some(&name) {
            (self.on_accepted)(name.as_str());
        }
        self.clock.observe(welcome.lamport.into());
        let next = Position::new(welcome.next);
        // Read before the cursor moves: only a resume that was asked for can be granted.
        let asked_to_resume = self.cursor.resume().is_some();
        let entry = self.cursor.welcome(&welcome.epoch, next);
        if matches!(entry, Continuity::Afresh { .. }) {
            // Pages that are in flight belong to the old timeline from now on.
            self.timeline += 1;
            self.outbox.renew();
        }
        let granted = welcome.resumed && asked_to_resume && entry == Continuity::GoesOn;
        let number = match &self.participation {
            // The Welcome to a new participation may have been lost, so the server's number takes
            // precedence.
            _ if welcome.participant != 0 => ParticipantNumber::new(welcome.participant),
            Some(participation) if granted => participation.number,
            // The first Welcome was lost: the stream begins at this participant's own Joined.
            _ if welcome.resumed => ParticipantNumber::from(next),
            _ => ParticipantNumber::new(welcome.position),
        };
        log::join_replied(welcome, number, self.clock.now());

        let participants: Vec<(ParticipantNumber, Arc<str>)> = welcome
            .participants
            .iter()
            .map(|each| {
                (
                    ParticipantNumber::new(each.number),
                    each.name.as_str().into(),
                )
            })
            .collect();
        // The server may have normalized the name, so its form of it is shown.
        let own = participants.iter().find(|(each, _)| *each == number);
        let shown_name = own.map_or_else(|| name.shared(), |(_, own)| Arc::clone(own));
        let position = Position::new(welcome.position);
        // Said of the participation before this one.
        self.announced_gone = false;
        self.participation = Some(Participation {
            name,
            number,
            since: position,
        });
        self.head = welcome.head.into();
        self.out.note_clock(self.clock.now());
        self.out.push(Notice::Welcome(WelcomeNotice {
            name: shown_name,
            number,
            participants: (!granted).then_some(participants),
            seen: welcome
                .participants
                .iter()
                .map(|each| (ParticipantNumber::new(each.number), each.seen.into()))
                .collect(),
            position,
            next,
            head: self.head,
            first: welcome.first.into(),
            clock: self.clock.now(),
            resumed: welcome.resumed,
            another_log: entry == Continuity::Afresh { another_log: true },
            server: self.connector.server().to_owned(),
        }));
        self.note_progress(ReportProgress::Always);
    }

    fn not_joined(&mut self, status: &Status) -> Flow {
        let failure = JoinFailure::of(status);
        log::join_refused(self.join_lamport, status, &grpc::reason(status));
        match failure {
            JoinFailure::Refused { reason, retry_in } => {
                self.refused(reason, retry_in);
                Flow::Continue(())
            }
            JoinFailure::Lost { reason, wait } => {
                self.lost(reason, wait);
                Flow::Continue(())
            }
            JoinFailure::TakenOver => Flow::Break(Ended::TakenOver),
            JoinFailure::Removed(reason) => Flow::Break(Ended::Removed(reason)),
            JoinFailure::Failed(reason) => Flow::Break(Ended::Failed(reason)),
        }
    }

    fn refused(&mut self, reason: String, retry_in: Option<Duration>) {
        let Some(name) = self.name.take() else {
            return;
        };
        let accepted = self.participation.as_ref().map(|before| &before.name);
        if let (Some(wait), true) = (retry_in, accepted == Some(&name)) {
            // The server still takes the holder of this participant's own name for another one.
            self.name = Some(name);
            self.lost(reason, wait);
            return;
        }
        self.state = LinkState::Idle;
        self.out.push(Notice::Refused(NameRefusal {
            name: name.to_string(),
            reason,
            retry_in,
        }));
    }

    /// Takes note that the link is down; it is tried again after a backoff, but not before `wait`
    /// has passed.
    pub(super) fn lost(&mut self, reason: String, wait: Duration) {
        let now = Instant::now();
        if self.live.take().is_some_and(|since| now - since >= STABLE) {
            self.backoff.reset();
        }
        // The outcome of the line in flight is unknown: the same request is sent again.
        self.publishing = None;
        if self.leaving.is_wanted() {
            self.state = LinkState::Idle;
            return;
        }
        // Jitter, so that the clients of a restarted server do not all come at once.
        let random = self.random_u64();
        let retry_in = self.backoff.next(random).max(wait);
        log::link_lost(self.connector.server(), &reason, retry_in);
        self.state = LinkState::Waiting {
            until: now + retry_in,
            not_before: now + wait,
        };
        self.out.link(Link::Lost { reason, retry_in });
    }
}

/// Sends Join and waits for the Welcome.
async fn enter(channel: Channel, request: v1::JoinRequest) -> Result<OpenedStream, Status> {
    use v1::broadcast::Kind;

    // The call has no deadline on the wire, because the stream has no end.
    let mut client = grpc::client(channel, bounds::STREAM_MESSAGE);
    let mut stream = client.join(request).await?.into_inner();
    let mut first = stream.message().await?;
    if let Some(first) = &mut first {
        bounds::broadcast(first);
    }
    match first {
        Some(v1::Broadcast {
            kind: Some(Kind::Welcome(welcome)),
        }) => Ok((Box::new(welcome), Box::new(stream))),
        Some(v1::Broadcast {
            kind: Some(Kind::Closing(closing)),
        }) => {
            log::closing_received(&closing);
            // The status follows the Closing.
            match stream.message().await {
                Err(status) => Err(status),
                Ok(_) => Err(Status::unavailable(closing.detail)),
            }
        }
        Some(_) => Err(Status::unimplemented("its stream begins without a Welcome")),
        None => Err(Status::unavailable("the server ended the stream at once")),
    }
}
