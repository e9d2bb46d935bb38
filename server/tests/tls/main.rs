//! TLS at the server's ports, over real sockets: who is who, what is refused, and what it costs.

mod chat;
mod hello;
mod identity;
mod plain;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use chitty_server::{
    key::ServerKey,
    net::{self, Doors, Encryption, Ends, Limits, Peer, Tls},
};
use chitty_testing::server::PATIENCE;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// A server whose service reports its peers.
struct PeerServer {
    address: SocketAddr,
    key: ServerKey,
    /// Each request's peer.
    peers: mpsc::UnboundedReceiver<Peer>,
    _ends: tokio_util::sync::DropGuard,
}

impl PeerServer {
    /// Starts it on a port that takes TLS and plain text, or TLS only.
    async fn start(is_required: bool, limits: Limits) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = port.local_addr().expect("bound");
        let key = ServerKey::ephemeral().expect("a key");
        let tls = Tls::new(&key).expect("TLS 1.3");
        let encryption = if is_required {
            Encryption::Required(tls)
        } else {
            Encryption::Offered(tls)
        };
        let (sender, peers) = mpsc::unbounded_channel();
        let service = tower::service_fn(move |request: http::Request<Incoming>| {
            let sender = sender.clone();
            async move {
                let peer = request.extensions().get::<Peer>().expect("known");
                let _ = sender.send(peer.clone());
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(http::Response::new("served".to_owned()))
            }
        });
        let ends = Ends::default();
        let doors = Doors::new(vec![(port, encryption)], None);
        tokio::spawn(net::serve(doors, service, limits, ends.clone()));
        Self {
            address,
            key,
            peers,
            _ends: ends.shutdown.drop_guard(),
        }
    }

    /// The peer of the next request.
    async fn peer(&mut self) -> Peer {
        let peer = timeout(PATIENCE, self.peers.recv()).await;
        peer.expect("in time").expect("it serves")
    }
}

/// Sends a request over this connection, and returns its answer.
async fn request(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<String, h2::Error> {
    let (mut requests, connection) = h2::client::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get("http://chitty-chat/who").body(());
    let answered = async {
        let (response, _) = requests.send_request(request.expect("valid"), true)?;
        let mut body = response.await?.into_body();
        let mut text = Vec::new();
        while let Some(data) = body.data().await {
            text.extend(data?);
        }
        Ok(String::from_utf8(text).expect("text"))
    };
    let answer = timeout(PATIENCE, answered).await.expect("in time");
    drop(requests);
    connection.abort();
    answer
}

async fn plain(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// All bytes until the connection is closed.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let _ = timeout(PATIENCE, read).await.expect("it is closed");
    rest
}

/// Limits with a short time for the first request.
fn hurried() -> Limits {
    Limits {
        first_request: Duration::from_millis(500),
        ..Limits::default()
    }
}
