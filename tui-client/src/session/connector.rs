//! How a session reaches its server. It is passed in, so that tests and simulations can supply
//! their own.

use std::{fmt, future::Future, pin::Pin};

use chitty_chat::link::LinkSecret;
use thiserror::Error;
use tokio::sync::watch;
use tonic::transport::Channel;

/// A connection in progress.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Channel, ConnectError>> + Send>>;

/// Makes connections, a new one for each try to join.
pub struct Connector {
    server: String,
    invitation: Option<LinkSecret>,
    device: Option<String>,
    dial: Box<dyn FnMut(Attempt) -> Connecting + Send>,
}

/// Why there is no connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectError {
    /// It may work later, so the session tries again.
    #[error("{0}")]
    Unreachable(String),
    /// It will not work, so the session ends. The text says what to do.
    #[error("{0}")]
    Unusable(String),
}

/// One try to connect.
#[derive(Debug)]
pub struct Attempt {
    starting: watch::Sender<bool>,
    welcomed: bool,
}

impl Connector {
    /// A connector that connects by `dial`; `server` is the address that the status line shows.
    pub fn new<F, C>(server: impl Into<String>, mut dial: F) -> Self
    where
        F: FnMut(Attempt) -> C + Send + 'static,
        C: Future<Output = Result<Channel, ConnectError>> + Send + 'static,
    {
        Self {
            server: server.into(),
            invitation: None,
            device: None,
            dial: Box::new(move |attempt| Box::pin(dial(attempt))),
        }
    }

    /// The same connector for a user with this invitation, which is shown to the server on joining.
    /// The connections must be to a server that has proved its key.
    #[must_use]
    pub fn with_invitation(mut self, invitation: Option<LinkSecret>) -> Self {
        self.invitation = invitation;
        self
    }

    /// The same connector for a device of this name. If its user is in the chat on another device, it
    /// joins as `NAME (DEVICE)`.
    #[must_use]
    pub fn with_device(mut self, device: Option<String>) -> Self {
        self.device = device;
        self
    }

    /// The name of this device.
    pub(super) fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// The invitation, until it is taken.
    pub(super) fn invitation(&self) -> Option<&LinkSecret> {
        self.invitation.as_ref()
    }

    /// Forgets the invitation, because the server let this user in.
    pub(super) fn invited(&mut self) {
        self.invitation = None;
    }

    /// The address of the server, as users write it.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Begins a try. The receiver turns true when a server is being started.
    pub(super) fn connect(&mut self, welcomed: bool) -> (Connecting, watch::Receiver<bool>) {
        // A watch and not a future: it is reported while connecting still goes on.
        let (starting, progress) = watch::channel(false);
        let attempt = Attempt { starting, welcomed };
        ((self.dial)(attempt), progress)
    }
}

impl Attempt {
    /// Reports that a local server is being started.
    pub fn starting_server(&self) {
        self.starting.send_replace(true);
    }

    /// Whether this session was welcomed there before: then a server that does not answer is not
    /// another program.
    pub fn welcomed(&self) -> bool {
        self.welcomed
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
