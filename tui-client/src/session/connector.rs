//! How a session reaches its server: passed in, so that tests and simulations can supply their
//! own.

use std::{fmt, future::Future, pin::Pin};

use thiserror::Error;
use tokio::sync::watch;
use tonic::transport::Channel;

/// A connection being made.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Channel, ConnectError>> + Send>>;

/// Makes connections, a new one for each try to join.
pub struct Connector {
    server: String,
    dial: Box<dyn FnMut(Attempt) -> Connecting + Send>,
}

/// Why there is no connection.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConnectError {
    /// It may work later: the session tries again.
    #[error("{0}")]
    Unreachable(String),
    /// It will not work: the session ends. The text says what to do.
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
    /// Connects by `dial`; `server` is what people call the server, for the status line.
    pub fn new<F, C>(server: impl Into<String>, mut dial: F) -> Self
    where
        F: FnMut(Attempt) -> C + Send + 'static,
        C: Future<Output = Result<Channel, ConnectError>> + Send + 'static,
    {
        Self {
            server: server.into(),
            dial: Box::new(move |attempt| Box::pin(dial(attempt))),
        }
    }

    /// What people call the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Begins a try. The receiver turns true when a server is being started.
    pub(super) fn connect(&mut self, welcomed: bool) -> (Connecting, watch::Receiver<bool>) {
        let (starting, progress) = watch::channel(false);
        let attempt = Attempt { starting, welcomed };
        ((self.dial)(attempt), progress)
    }
}

impl Attempt {
    /// Tells the user that a server of one's own is being started.
    pub fn starting_server(&self) {
        self.starting.send_replace(true);
    }

    /// This session was welcomed there before: what does not answer now is not another program.
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
