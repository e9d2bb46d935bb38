//! Joining the chat, and joining it again.

use std::{sync::Arc, time::Duration};

use chitty_chat::{ParticipantName, ParticipantNumber, Position, proto::v1};
use tonic::{Status, transport::Channel};

use super::{
    ClockCause, ConnectError, Ended, Link, NameRefusal, Notice, WelcomeNotice, bounds,
    cursor::Continuity,
    driver::{Flow, SessionDriver},
    follow::ReportProgress,
    grpc::{self, JoinFailure},
    link::{LinkState, OpenedStream},
    log,
};

impl SessionDriver {
    /// Takes the user's wish to join under this name.
    pub(super) fn join_as(&mut self, name: ParticipantName) {
        // While joining and afterwards the name cannot be changed.
        let under_way = self.link.is_joining() || self.link.is_following();
        let has_name = self.participant.name().is_some();
        if under_way || (self.participant.was_welcomed() && has_name) {
            tracing::debug!(name = name.as_str(), "joined already");
            return;
        }
        self.participant.choose(name);
        if !matches!(self.link.state(), LinkState::Connecting(..)) {
            self.connect();
        }
    }

    pub(super) fn connect(&mut self) {
        self.link.connect(self.participant.was_welcomed());
        log::link("connecting", self.link.server());
        self.out.link(Link::Connecting);
    }

    pub(super) fn starting_server(&mut self) {
        log::link("starting", self.link.server());
        self.out.link(Link::StartingServer);
    }

    pub(super) fn connected(&mut self, connected: Result<Channel, ConnectError>) -> Flow {
        match connected {
            Ok(channel) => {
                self.link.connected(channel.clone());
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
        let Some(name) = self.participant.name() else {
            return self.link.stop();
        };
        let name = name.to_string();
        // Every try is a new request with a new time, unlike Publish: the log has no event for one
        // that failed.
        let lamport = self.clock.tick();
        self.participant.joins_at(lamport);
        let request = v1::JoinRequest {
            name,
            lamport: lamport.get(),
            resume: self.cursor.resume(),
            backlog: self.backlog,
            session: self.session.reveal().to_owned(),
            room: String::new(),
            invitation: String::new(),
        };
        self.out.clock(self.clock.now(), ClockCause::Sent);
        log::join_sent(&request, self.clock.now());
        self.out.link(Link::Connecting);
        self.link.join(Box::pin(async move {
            tokio::time::timeout(grpc::CALL, enter(channel, request))
                .await
                .unwrap_or_else(|_| Err(grpc::no_answer(grpc::CALL)))
        }));
    }

    pub(super) fn joined(&mut self, joined: Result<OpenedStream, Status>) -> Flow {
        match joined {
            Ok((welcome, stream)) => {
                self.link.follow(stream);
                self.welcomed(&welcome);
                Flow::Continue(())
            }
            Err(status) => self.not_joined(&status),
        }
    }

    pub(super) fn welcomed(&mut self, welcome: &v1::Welcome) {
        let Some(name) = self.participant.name().cloned() else {
            return;
        };
        if !self.participant.is_accepted() {
            (self.on_accepted)(name.as_str());
        }
        self.clock.observe(welcome.lamport.into());
        let next = Position::new(welcome.next);
        // Read before the cursor moves: only a resume that was asked for can be granted.
        let asked_to_resume = self.cursor.resume().is_some();
        let entry = self.cursor.welcome(&welcome.epoch, next);
        if matches!(entry, Continuity::Afresh { .. }) {
            self.pages.start_afresh();
            self.lines.renew();
        }
        let granted = welcome.resumed && asked_to_resume && entry == Continuity::GoesOn;
        let number = self.participant.number_in(welcome, granted);
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
        self.participant.begin(name, number, position);
        self.link.catch_up_to(welcome.head.into());
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
            head: welcome.head.into(),
            first: welcome.first.into(),
            clock: self.clock.now(),
            resumed: welcome.resumed,
            another_log: entry == Continuity::Afresh { another_log: true },
            server: self.link.server().to_owned(),
        }));
        self.note_progress(ReportProgress::Always);
    }

    fn not_joined(&mut self, status: &Status) -> Flow {
        let failure = JoinFailure::of(status);
        log::join_refused(
            self.participant.join_lamport(),
            status,
            &grpc::reason(status),
        );
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
        let Some(name) = self.participant.name().cloned() else {
            return;
        };
        if let Some(wait) = retry_in
            && self.participant.is_accepted()
        {
            // The server still takes the holder of this participant's own name for another one.
            return self.lost(reason, wait);
        }
        self.participant.forget_name();
        self.link.stop();
        self.out.push(Notice::Refused(NameRefusal {
            name: name.to_string(),
            reason,
            retry_in,
        }));
    }

    /// Takes note that the link is down; it is tried again after a backoff, but not before `wait`
    /// has passed.
    pub(super) fn lost(&mut self, reason: String, wait: Duration) {
        self.link.lose();
        self.lines.abandon_call();
        if self.leaving.is_wanted() {
            return self.link.stop();
        }
        // Jitter, so that the clients of a restarted server do not all come at once.
        let random = self.random_u64();
        let retry_in = self.link.retry(random, wait);
        log::link_lost(self.link.server(), &reason, retry_in);
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
