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

use std::{future::Future, pin::Pin};

use chitty_chat::proto::v1;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tonic::{Status, Streaming, transport::Channel};

use super::{ConnectError, Connecting};

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
