//! The simulated network: the server's listener, and how sessions connect.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chitty::session::{ConnectError, Connector, endpoint};
use chitty_server::net::Listener;
use http::Uri;
use hyper_util::rt::TokioIo;
use turmoil::net::{TcpListener, TcpStream};

/// The host that the server runs on.
pub(crate) const SERVER: &str = "server";

const PORT: u16 = 50051;

/// Listens on the simulated network.
pub(crate) struct SimListener(TcpListener);

impl SimListener {
    pub(crate) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        Ok(Self(listener))
    }
}

impl Listener for SimListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }

    /// The simulated network has no such options.
    fn prepare(_: &TcpStream, _: usize) -> io::Result<()> {
        Ok(())
    }
}

/// Connects to the server over the simulated network, with the settings of the real one.
pub(crate) fn connector() -> Connector {
    let server = Uri::from_static("http://server:50051");
    Connector::new(SERVER, move |_| {
        let endpoint = endpoint(server.clone());
        async move {
            let dial = tower::service_fn(|_: Uri| async {
                let stream = TcpStream::connect((SERVER, PORT)).await?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            });
            let connected = endpoint.connect_with_connector(dial).await;
            connected.map_err(|error| ConnectError::Unreachable(error.to_string()))
        }
    })
}

/// Since the simulation began; 0 outside of one.
pub(crate) fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// The simulation's wall clock.
pub(crate) fn wall() -> SystemTime {
    wall_at(elapsed())
}

/// What it shows so long after the simulation began.
pub(crate) fn wall_at(elapsed: Duration) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000) + elapsed
}
