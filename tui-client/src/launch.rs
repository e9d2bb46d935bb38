//! Finds a server: the one that was named, or a local one, which is started if none is running.

mod dial;
mod owner;
mod probe;
mod start;
mod tls;
mod url;

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use tonic::transport::Channel;

pub use self::{
    dial::recognise,
    url::{PlainUrl, ServerUrl, ServerUrlError},
};
use self::{
    probe::{ProbeFailure, ProbeTarget, ServerOption, find},
    start::start,
};
use crate::{
    session::{Attempt, ConnectError, Connector, endpoint},
    trust::{SecureServer, Trust},
};

/// The environment variable with a link, which may have a secret. Programs that this one starts do
/// not get it.
pub const LINK: &str = "CHITTY_LINK";

/// Where a local server listened by default when it had no socket.
const OLDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 50051);

/// A local server, which the client starts if necessary.
#[derive(Clone, Debug)]
pub struct LocalServer {
    /// Where it listens.
    pub place: LocalPlace,
    /// The program to run if nothing listens there. It detaches itself from the terminal.
    pub program: PathBuf,
    /// The arguments of the program.
    pub arguments: Vec<OsString>,
    /// The exit status of the program if another process holds its data folder.
    pub locked: u8,
}

/// Where a local server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalPlace {
    /// At the socket in its data folder, which only this user can reach.
    Socket(PathBuf),
    /// At an address of this machine, which every user of it can reach.
    Address(SocketAddr),
}

/// A connector for the server with this URL. Nothing is encrypted.
pub fn remote(server: PlainUrl) -> Connector {
    let (name, shown) = (server.authority(), ServerUrl::Plain(server.clone()));
    let PlainUrl(uri) = server;
    let target = ProbeTarget::of_anybody(endpoint(uri));
    named(&shown, name, target)
}

/// A connector for a server with a key that is known, or that a link vouches for.
pub fn secure(trust: Arc<Trust>, server: SecureServer) -> Connector {
    let shown = ServerUrl::Known(server.address.clone());
    let name = server.address.to_string();
    named(&shown, name, ProbeTarget::secure(trust, server))
}

/// A connector for the socket in a data folder.
pub fn socket(folder: PathBuf) -> Connector {
    let shown = ServerUrl::Socket(folder.clone());
    named(&shown, shown.to_string(), ProbeTarget::socket(folder))
}

fn named(shown: &ServerUrl, name: String, target: ProbeTarget) -> Connector {
    Connector::new(shown.to_string(), move |attempt| {
        let (target, name) = (target.clone(), name.clone());
        async move {
            let found = find(&target).await;
            found.map_err(|absent| absent.into_error(&name, &attempt, ServerOption::Server))
        }
    })
}

/// A connector for the local server. Each try starts the server if nothing listens, so that one
/// that ended in between is started again. A server that belongs neither to this user nor to root
/// is refused before anything is sent to it; on an address, only Linux shows whose it is.
pub fn local(local: LocalServer) -> Connector {
    let local = Arc::new(local);
    Connector::new(local.name(), move |attempt| {
        let local = Arc::clone(&local);
        async move { find_or_start(&local, &attempt).await }
    })
}

async fn find_or_start(local: &LocalServer, attempt: &Attempt) -> Result<Channel, ConnectError> {
    let target = local.target()?;
    match find(&target).await {
        Ok(channel) => Ok(channel),
        Err(ProbeFailure::Refused(_)) => {
            attempt.starting_server();
            start(local, &target, attempt).await
        }
        Err(absent) => Err(absent.into_error(&local.name(), attempt, ServerOption::Local)),
    }
}

impl LocalServer {
    /// What the status line and messages call it.
    fn name(&self) -> String {
        match &self.place {
            LocalPlace::Socket(_) => "this machine".to_owned(),
            LocalPlace::Address(address) => address.to_string(),
        }
    }

    fn target(&self) -> Result<ProbeTarget, ConnectError> {
        let address = match &self.place {
            LocalPlace::Socket(folder) => return Ok(ProbeTarget::socket(folder.clone())),
            LocalPlace::Address(address) => *address,
        };
        let PlainUrl(server) = address
            .to_string()
            .parse()
            .map_err(|error: ServerUrlError| ConnectError::Unusable(error.to_string()))?;
        Ok(ProbeTarget::own(endpoint(server), address))
    }

    /// An older server, which is not started.
    fn at_default_address() -> Self {
        Self {
            place: LocalPlace::Address(OLDER),
            program: PathBuf::new(),
            arguments: Vec::new(),
            locked: 0,
        }
    }
}
