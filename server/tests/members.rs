//! A chat for members, with the real program: from the operator's first command to a removal.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use chitty_chat::{
    link::ChatLink,
    proto::v1::{
        JoinRequest, broadcast, closing::Reason, event::Kind, left, members_client::MembersClient,
    },
};
use chitty_server::key::ServerKey;
use chitty_testing::server::{
    PATIENCE, TestParticipant, join_over,
    tls::{self, Device},
};
use tokio::time::timeout;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

const PROGRAM: &str = env!("CARGO_BIN_EXE_chitty-server");

/// A closed server, on a port that other machines can reach.
struct Server {
    process: Child,
    address: SocketAddr,
    lines: Vec<String>,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("CHITTY_DATA", folder.join("data"))
        .env("CHITTY_LOG_DIR", folder.join("logs"))
        .env("CHITTY_ADVERTISE", "chat.example.org")
        .stdin(Stdio::null());
    command
}

impl Server {
    fn start(folder: &Path) -> Self {
        let process = command(folder)
            .args(["--listen", "0.0.0.0:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut process = process.expect("it runs");
        let output = process.stdout.take().expect("piped");
        let mut lines = Vec::new();
        for line in BufReader::new(output).lines() {
            let line = line.expect("text");
            let is_last = line.contains("its log:");
            lines.push(line);
            if is_last {
                break;
            }
        }
        let address = lines[0].rsplit(' ').next().expect("an address");
        let port = address.parse::<SocketAddr>().expect("an address").port();
        Self {
            process,
            address: ([127, 0, 0, 1], port).into(),
            lines,
        }
    }

    async fn channel(&self, folder: &Path, device: Option<&Device>) -> Channel {
        let key = ServerKey::load(&folder.join("data")).expect("readable");
        let key = key.expect("made").fingerprint();
        let channel = tls::channel(self.address, key, device).await;
        channel.expect("TLS")
    }

    async fn join(
        &self,
        folder: &Path,
        device: Option<&Device>,
        name: &str,
        secret: &str,
    ) -> Result<TestParticipant, Status> {
        let request = JoinRequest {
            name: name.into(),
            lamport: 1,
            session: format!("session-of-{name:-<20}"),
            invitation: secret.into(),
            ..JoinRequest::default()
        };
        join_over(self.channel(folder, device).await, request).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = command(folder);
    command.args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    ran.expect("no panic").expect("it runs")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// The secret of a new invitation.
async fn invited(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, &[&["invite"], arguments].concat()).await;
    let link = ChatLink::find(&text(&output)).expect("a link");
    assert_eq!(link.address.host(), "chat.example.org");
    link.secret.expect("an invitation").reveal()
}

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map_or_else(String::new, |info| info.reason)
}

fn refused(result: Result<TestParticipant, Status>) -> (Code, String) {
    let status = result.err().expect("refused");
    (status.code(), reason(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_begins_with_one_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let server = Server::start(folder);
    assert!(
        server
            .lines
            .iter()
            .any(|line| line.contains("members only")),
        "{:?}",
        server.lines
    );
    let (ada, bob, eve) = (Device::new(), Device::new(), Device::new());
    // Nobody gets in without an invitation, with a key or without.
    let nobody = refused(server.join(folder, None, "eve", "").await);
    assert_eq!(nobody, (Code::Unauthenticated, "NO_KEY".into()));
    let stranger = refused(server.join(folder, Some(&eve), "eve", "").await);
    assert_eq!(stranger, (Code::PermissionDenied, "NOT_A_MEMBER".into()));

    let secret = invited(folder, &["--admin"]).await;
    let mut first = server.join(folder, Some(&ada), "ada", &secret).await;
    let first = first.as_mut().expect("invited");
    assert_ne!(first.welcome.member, 0);
    let late = refused(server.join(folder, Some(&eve), "eve", &secret).await);
    assert_eq!(late, (Code::PermissionDenied, "INVITATION_USED".into()));

    let secret = invited(folder, &["--for", "bob"]).await;
    let mut second = server.join(folder, Some(&bob), "bob", &secret).await;
    let second = second.as_mut().expect("invited");
    second.publish("hello").await;
    let members = text(&run(folder, &["members"]).await);
    assert!(members.contains("ada  admin, here"), "{members}");
    assert!(members.contains("bob  member, here"), "{members}");

    // A stolen session is worth nothing on another connection, not even a member's.
    let stolen = second.request("stolen");
    let mut thief = chitty_chat::proto::v1::chitty_chat_client::ChittyChatClient::new(
        server.channel(folder, Some(&ada)).await,
    );
    let status = thief.publish(stolen).await.expect_err("not ada's");
    assert_eq!(reason(&status), "SESSION_OF_ANOTHER");
    // A member who is no admin invites nobody.
    let mut asks = MembersClient::new(server.channel(folder, Some(&bob)).await);
    let invite = chitty_chat::proto::v1::InviteRequest {
        secret_sha256: vec![7; 32],
        ..Default::default()
    };
    let status = asks.invite(invite).await.expect_err("bob is no admin");
    assert_eq!(reason(&status), "NOT_AN_ADMIN");

    text(&run(folder, &["remove", "bob"]).await);
    let (mut has_left, mut is_closed) = (false, false);
    while let Ok(Some(next)) = timeout(PATIENCE, second.next()).await.expect("it ends") {
        match next.kind.expect("a kind") {
            broadcast::Kind::Event(event) => {
                has_left |= matches!(
                    event.kind,
                    Some(Kind::Left(left)) if left.reason() == left::Reason::Removed
                );
            }
            broadcast::Kind::Closing(closing) => is_closed = closing.reason() == Reason::Ended,
            broadcast::Kind::Welcome(_) => panic!("a second Welcome"),
        }
    }
    assert!(
        has_left && is_closed,
        "left: {has_left}, closed: {is_closed}"
    );
    let again = refused(server.join(folder, Some(&bob), "bob", "").await);
    assert_eq!(again, (Code::PermissionDenied, "REMOVED".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn members_survive_a_kill_and_so_does_a_removal() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (ada, bob) = (Device::new(), Device::new());
    {
        let server = Server::start(folder);
        let secret = invited(folder, &["--admin"]).await;
        let joined = server.join(folder, Some(&ada), "ada", &secret).await;
        joined.expect("invited");
        let secret = invited(folder, &[]).await;
        let joined = server.join(folder, Some(&bob), "bob", &secret).await;
        joined.expect("invited");
        text(&run(folder, &["remove", "bob"]).await);
        // Dropping the server kills it.
    }
    let check = run(folder, &["check"]).await;
    assert!(check.status.success(), "{check:?}");
    let server = Server::start(folder);
    let removed = refused(server.join(folder, Some(&bob), "bob", "").await);
    assert_eq!(removed, (Code::PermissionDenied, "REMOVED".into()));
    let mut joined = server.join(folder, Some(&ada), "ada", "").await;
    // Her participation from before the kill goes on, or its grace is over.
    assert!(joined.is_ok(), "{:?}", joined.as_mut().err());
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_let_nobody_in_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (options, hint) in [
        (&["--listen", "0.0.0.0:0", "--insecure"][..], "add --open"),
        (&["--closed", "--insecure"], "leave out --closed"),
        (&["--listen", "0.0.0.0:0", "--ephemeral"], "add --open"),
        (&["--open", "--closed"], "cannot be used with"),
    ] {
        let output = timeout(Duration::from_secs(20), run(folder.path(), options)).await;
        let output = output.expect("it ends");
        assert!(!output.status.success(), "{options:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(hint), "{options:?}: {said}");
    }
}
