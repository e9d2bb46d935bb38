//! The simulated network: the server's listener, the sessions' connector, and the clock.

use std::{
    io,
    net::Ipv4Addr,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chitty::session::{ConnectError, Connector, endpoint};
use chitty_server::net::{Arrival, Listener};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::ReadBuf;
use turmoil::net::{TcpListener, TcpStream};

/// The name of the server's host.
pub(crate) const SERVER: &str = "server";

const PORT: u16 = 50051;

/// A listener on the simulated network.
pub(crate) struct SimListener(TcpListener);

impl SimListener {
    pub(crate) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        Ok(Self(listener))
    }
}

impl Listener for SimListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<Arrival<TcpStream>> {
        self.0.accept().await.map(Arrival::from)
    }

    /// Does nothing: the simulated network has no socket options.
    fn prepare(_: &TcpStream, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn poll_first_byte(
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<u8>>> {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        stream
            .poll_peek(cx, &mut buffer)
            .map_ok(|_| buffer.filled().first().copied())
    }
}

/// Makes a connector over the simulated network, with the HTTP/2 settings of the real client.
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

/// The time since the simulation began; 0 outside of one.
pub(crate) fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// The wall clock of all simulated processes.
pub(crate) fn wall() -> SystemTime {
    wall_at(elapsed())
}

/// What the wall clock shows this long after the simulation began.
pub(crate) fn wall_at(elapsed: Duration) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000_000) + elapsed
}
