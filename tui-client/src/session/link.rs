//! The states of the link, and what can happen in each of them.
//!
//! ```text
//!           a name          connected          Welcome
//!   Idle ---------> Connecting -----> Joining -------> Following
//!    ^                  ^    |          |   |              |
//!    | name refused,    |    |  failed  |   | refused      | lost
//!    | or leaving       |    v          v   v              v
//!    +--------------    +--- Waiting <--+  Idle         Waiting
//!                    Retry
//! ```
//!
//! An end (taken over, removed, unusable) leaves the drawing: the session is over.

use std::{future::Future, pin::Pin, time::Duration};

use chitty_chat::{ParticipantName, Position, link::LinkSecret, proto::v1};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tonic::{Status, Streaming, transport::Channel};

use super::{ConnectError, Connecting, Connector, backoff::Backoff};

/// A link that was live for less than this counts as another failure, so that the client does not
/// join in a tight loop a server that welcomes and fails.
const STABLE: Duration = Duration::from_secs(1);

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A stream with its first message.
pub(super) type OpenedStream = (Box<v1::Welcome>, Box<Streaming<v1::Broadcast>>);

/// The state of a link.
pub(super) enum LinkState {
    /// The link does nothing: there is no name to join under, or the user leaves.
    Idle,
    /// The link connects; the receiver turns true when a server is being started.
    Connecting(Connecting, watch::Receiver<bool>),
    /// Join was sent.
    Joining(BoxFuture<Result<OpenedStream, Status>>),
    /// The link follows the log.
    Following(Box<Streaming<v1::Broadcast>>),
    /// The link is down. It is tried again at `until`; even in a hurry not before `not_before`, for
    /// which the server asked.
    Waiting { until: Instant, not_before: Instant },
}

/// Something that happened to the link.
pub(super) enum LinkEvent {
    /// A local server is being started.
    StartingServer,
    /// Connecting is over.
    Connected(Result<Channel, ConnectError>),
    /// Joining is over.
    Joined(Result<OpenedStream, Status>),
    /// The stream delivered a message, or ended.
    Broadcast(Result<Option<v1::Broadcast>, Status>),
    /// It is time to try again.
    Retry,
}

impl LinkState {
    /// Waits for the next event. Cancel-safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> LinkEvent {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Connecting(connecting, starting) => tokio::select! {
                biased;
                Ok(()) = starting.changed() => LinkEvent::StartingServer,
                connected = connecting => LinkEvent::Connected(connected),
            },
            Self::Joining(joining) => LinkEvent::Joined(joining.await),
            Self::Following(stream) => LinkEvent::Broadcast(stream.message().await),
            Self::Waiting { until, .. } => {
                sleep_until(*until).await;
                LinkEvent::Retry
            }
        }
    }

    pub(super) fn is_following(&self) -> bool {
        matches!(self, Self::Following(_))
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self, Self::Joining(_))
    }
}

/// The link of a session: its state, and what outlasts a state.
pub(super) struct SessionLink {
    connector: Connector,
    state: LinkState,
    /// The last connection, even after its stream has ended.
    channel: Option<Channel>,
    backoff: Backoff,
    /// The end of the log when this stream began; the session catches up to there.
    head: Position,
    /// Since when the session follows at the end of the log. Lines are sent only then.
    live: Option<Instant>,
}

impl SessionLink {
    pub(super) fn new(connector: Connector) -> Self {
        Self {
            connector,
            state: LinkState::Idle,
            channel: None,
            backoff: Backoff::default(),
            head: Position::ZERO,
            live: None,
        }
    }

    /// The address of the server.
    pub(super) fn server(&self) -> &str {
        self.connector.server()
    }

    /// The secret of the invitation to show on joining; empty if there is none.
    pub(super) fn invitation(&self) -> String {
        let invitation = self.connector.invitation();
        invitation.map_or_else(String::new, LinkSecret::reveal)
    }

    /// The name of the user on this device, who is in the chat under this name on another one; `None`
    /// if this is such a name, or if there is none.
    pub(super) fn name_here(&self, name: &ParticipantName) -> Option<ParticipantName> {
        let device = self.connector.device()?;
        if name.as_str().ends_with(')') {
            return None;
        }
        let taken = name.as_str().chars().count() + " ()".len();
        let space = ParticipantName::MAX_CHARS.checked_sub(taken)?;
        let device: String = device.chars().take(space).collect();
        ParticipantName::parse(&format!("{name} ({})", device.trim_end())).ok()
    }

    /// Forgets the invitation: the server let this user in, and knows this device from now on.
    pub(super) fn invited(&mut self) {
        self.connector.invited();
    }

    pub(super) fn state(&self) -> &LinkState {
        &self.state
    }

    /// The last connection, even after its stream has ended.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    pub(super) fn is_joining(&self) -> bool {
        self.state.is_joining()
    }

    pub(super) fn is_following(&self) -> bool {
        self.state.is_following()
    }

    /// Whether the session follows at the end of the log.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> LinkEvent {
        self.state.next().await
    }

    /// Begins to connect. `welcomed` says whether this session was welcomed there before.
    pub(super) fn connect(&mut self, welcomed: bool) {
        let (connecting, starting) = self.connector.connect(welcomed);
        self.state = LinkState::Connecting(connecting, starting);
    }

    /// Keeps the connection, over which Join can be sent now.
    pub(super) fn connected(&mut self, channel: Channel) {
        self.channel = Some(channel);
    }

    /// Waits for the answer to this Join.
    pub(super) fn join(&mut self, call: BoxFuture<Result<OpenedStream, Status>>) {
        self.state = LinkState::Joining(call);
    }

    /// Follows this stream.
    pub(super) fn follow(&mut self, stream: Box<Streaming<v1::Broadcast>>) {
        self.state = LinkState::Following(stream);
    }

    /// Does nothing any more, because there is no name to join under or the user leaves.
    pub(super) fn stop(&mut self) {
        self.state = LinkState::Idle;
    }

    /// Takes the end of the log from a Welcome; the session catches up to there.
    pub(super) fn catch_up_to(&mut self, head: Position) {
        self.head = head;
    }

    /// Takes note that the events up to this position have come. Returns how many are still to
    /// come, or `None` if the link was live already; it is live once none are.
    pub(super) fn catch_up(&mut self, last: Position) -> Option<u64> {
        if self.is_live() {
            return None;
        }
        let remaining = self.head.get().saturating_sub(last.get());
        if remaining == 0 {
            self.live = Some(Instant::now());
        }
        Some(remaining)
    }

    /// Takes note that the link is down.
    pub(super) fn lose(&mut self) {
        let live = self.live.take();
        if live.is_some_and(|since| since.elapsed() >= STABLE) {
            self.backoff.reset();
        }
    }

    /// Tries again after a backoff, but not before `wait` has passed. Returns how long that is.
    pub(super) fn retry(&mut self, random: u64, wait: Duration) -> Duration {
        let now = Instant::now();
        let retry_in = self.backoff.next(random).max(wait);
        self.state = LinkState::Waiting {
            until: now + retry_in,
            not_before: now + wait,
        };
        retry_in
    }

    /// Tries again as soon as the server allows it.
    pub(super) fn hurry(&mut self) {
        if let LinkState::Waiting { until, not_before } = &mut self.state {
            *until = *not_before;
        }
    }
}

/// Ways into a state that tests take without a server.
#[cfg(test)]
impl SessionLink {
    pub(super) fn set_state(&mut self, state: LinkState) {
        self.state = state;
    }

    pub(super) fn set_live(&mut self, live: Option<Instant>) {
        self.live = live;
    }

    pub(super) fn forget_channel(&mut self) {
        self.channel = None;
    }

    pub(super) fn backoff(&mut self) -> &mut Backoff {
        &mut self.backoff
    }
}
