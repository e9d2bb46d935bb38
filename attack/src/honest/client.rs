//! A client like the chat's own: tonic's, from an address of choice.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use chitty_chat::proto::v1::{
    Broadcast, JoinRequest, LeaveRequest, Resume, Welcome, broadcast::Kind,
    chitty_chat_client::ChittyChatClient,
};
use color_eyre::eyre::{Result, bail};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint, Uri},
};

use crate::server::Server;

/// The address of the server.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    v4: SocketAddr,
}

pub(crate) type Client = ChittyChatClient<Channel>;

/// A participant that has joined.
pub(crate) struct Joined {
    pub(crate) client: Client,
    pub(crate) stream: Streaming<Broadcast>,
    pub(crate) welcome: Welcome,
}

impl Place {
    pub(crate) fn of(server: &Server) -> Self {
        Self {
            v4: server.address(Ipv4Addr::LOCALHOST.into()),
        }
    }

    /// Connects from this address.
    pub(crate) async fn connect(self, from: IpAddr) -> Result<Client> {
        let endpoint = Endpoint::from_static("http://chitty")
            .initial_connection_window_size(1 << 20)
            .http2_keep_alive_interval(Duration::from_secs(20));
        let channel = endpoint
            .connect_with_connector(tower::service_fn(move |_: Uri| async move {
                let socket = TcpSocket::new_v4()?;
                socket.bind((from, 0).into())?;
                let stream = socket.connect(self.v4).await?;
                stream.set_nodelay(true)?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }))
            .await?;
        Ok(Client::new(channel))
    }
}

/// A request to join under this name, with the session of this number.
pub(crate) fn request(name: &str, backlog: u32) -> JoinRequest {
    JoinRequest {
        name: name.to_owned(),
        session: session(name),
        lamport: 1,
        backlog,
        ..JoinRequest::default()
    }
}

/// A session that is easy to guess, which is safe because nobody else is here.
pub(crate) fn session(name: &str) -> String {
    format!("{:-<22}", name.replace(' ', "-"))
}

/// Joins, and waits for the Welcome.
pub(crate) async fn join(mut client: Client, request: JoinRequest) -> Result<Joined> {
    let mut stream = client.join(request).await?.into_inner();
    match stream.message().await? {
        Some(Broadcast {
            kind: Some(Kind::Welcome(welcome)),
        }) => Ok(Joined {
            client,
            stream,
            welcome,
        }),
        other => bail!("the first message is a Welcome, not {other:?}"),
    }
}

impl Joined {
    /// The resume that leads back to where the stream began.
    pub(crate) fn resume(&self, name: &str) -> JoinRequest {
        JoinRequest {
            resume: Some(Resume {
                position: self.welcome.position,
                lamport: self.welcome.lamport,
                epoch: self.welcome.epoch.clone(),
            }),
            ..request(name, 0)
        }
    }

    /// Reads up to where the log ended when it joined.
    pub(crate) async fn catch_up(&mut self) -> Result<()> {
        loop {
            match self.stream.message().await?.and_then(|said| said.kind) {
                Some(Kind::Event(event)) if event.position >= self.welcome.head => return Ok(()),
                Some(Kind::Event(_)) => {}
                other => bail!("an event, not {other:?}"),
            }
        }
    }

    /// Reads to the end of the stream.
    pub(crate) async fn listen(&mut self) {
        while let Ok(Some(_)) = self.stream.message().await {}
    }

    pub(crate) async fn leave(mut self) -> Result<()> {
        let request = LeaveRequest {
            session: self.welcome.session.clone(),
            lamport: 1,
        };
        self.client.leave(request).await?;
        Ok(())
    }
}
