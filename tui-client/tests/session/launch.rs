//! Finding a server, and distinguishing it from other programs.

use std::{io::Read as _, net::SocketAddr, path::PathBuf, sync::mpsc, thread, time::Duration};

use chitty::{
    launch::{LocalPlace, LocalServer, local, remote},
    session::{Connector, Ended, Link, Notice},
};
use chitty_testing::fake_server::Fake;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::user::User;

/// A local server that is started by this shell script.
fn script(address: SocketAddr, script: &str) -> Connector {
    local(LocalServer {
        place: LocalPlace::Address(address),
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".into(), script.into()],
        locked: 75,
    })
}

async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound")
}

/// A program that answers each connection with these bytes after it received some.
async fn something_else(answer: &'static [u8], then_close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 1024];
                let _ = peer.read(&mut asked).await;
                let _ = peer.write_all(answer).await;
                if !then_close {
                    while peer.read(&mut asked).await.is_ok_and(|length| length > 0) {}
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn something_else_on_the_port_is_told_apart() {
    let http1 = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    for (answer, then_close) in [
        (&http1[..], true),
        (&http1[..], false),
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], false),
        (&b""[..], false),
    ] {
        let address = something_else(answer, then_close).await;
        for (connector, option) in [
            (script(address, "exit 1"), "--local"),
            (
                remote(address.to_string().parse().expect("a URL")),
                "--server",
            ),
        ] {
            let user = User::new(connector);
            user.join("ada").await;
            let ended = user.ended().await;
            let Ended::Failed(reason) = ended else {
                panic!("{ended:?}");
            };
            let what = format!("not a Chitty-Chat server listens on {address}");
            assert!(reason.contains(&what), "{reason}");
            assert!(reason.contains(option), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_tried_again() {
    let address = something_else(b"", true).await;
    let mut user = User::new(remote(address.to_string().parse().expect("a URL")));
    user.join("ada").await;
    user.lost().await;
    user.lost().await;
}

#[tokio::test]
async fn another_service_and_one_that_is_not_ready_are_told_apart() {
    let mut server = Fake::start().await;
    server.set_health(ServingStatus::NotServing);
    let mut user = User::of(&server);
    user.join("ada").await;
    assert_eq!(user.lost().await.0, "the server is not ready");
    server.set_health(ServingStatus::Serving);
    let _stream = server.join().await.welcome_first();
    user.live().await;

    server.set_health(ServingStatus::ServiceUnknown);
    let user = User::of(&server);
    user.join("ada").await;
    assert!(matches!(user.ended().await, Ended::Failed(_)));
}

#[tokio::test]
async fn a_running_server_is_used() {
    let mut server = Fake::start().await;
    let mut user = User::new(script(server.address, "exit 1"));
    user.join("ada").await;
    let _stream = server.join().await.welcome_first();
    user.live().await;
}

#[tokio::test]
async fn where_none_runs_one_is_started() {
    let mut server = Fake::start().await;
    server.down().await;
    let dir = tempfile::tempdir().expect("a folder");
    let sign = dir.path().join("started");
    let start = format!("touch {}; exec sleep 5", sign.display());
    let mut user = User::new(script(server.address, &start));
    user.join("ada").await;
    user.until(|notice| (notice == Notice::Link(Link::StartingServer)).then_some(()))
        .await;
    while !sign.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.up().await;
    let _stream = server.join().await.welcome_first();
    user.live().await;
}

#[tokio::test]
async fn one_that_lost_the_data_folder_waits_for_the_winner() {
    let mut server = Fake::start().await;
    server.down().await;
    let user = User::new(script(server.address, "echo locked >&2; exit 75"));
    user.join("ada").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.up().await;
    server.join().await;
}

#[tokio::test]
async fn where_the_winner_was_ending_one_is_started_again() {
    let mut server = Fake::start().await;
    server.down().await;
    let dir = tempfile::tempdir().expect("a folder");
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let script_text = format!(
        "if [ -e {0} ]; then touch {1}; exec sleep 5; fi; touch {0}; exit 75",
        first.display(),
        second.display()
    );
    let user = User::new(script(server.address, &script_text));
    user.join("ada").await;
    while !second.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.up().await;
    server.join().await;
}

#[tokio::test]
async fn one_that_cannot_start_says_why() {
    let address = free_address().await;
    let user = User::new(script(address, "echo 'the disk is full' >&2; exit 1"));
    user.join("ada").await;
    let ended = user.ended().await;
    assert!(matches!(ended, Ended::Failed(reason) if reason.contains("the disk is full")));

    let user = User::new(local(LocalServer {
        place: LocalPlace::Address(address),
        program: PathBuf::from("/nowhere/chitty"),
        arguments: Vec::new(),
        locked: 75,
    }));
    user.join("ada").await;
    let ended = user.ended().await;
    assert!(matches!(ended, Ended::Failed(reason) if reason.contains("/nowhere/chitty")));
}

/// Another user's process, as far as the kernel knows: a thread of another user that listens and
/// records all that it receives. With `accepts` it accepts connections; otherwise it leaves them
/// waiting.
#[cfg(target_os = "linux")]
fn stranger(listens_on: &str, accepts: bool) -> Option<(SocketAddr, mpsc::Receiver<Vec<u8>>)> {
    use rustix::{process::Uid, thread::set_thread_res_uid};

    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can act as another user");
        return None;
    }
    let (said, told) = mpsc::channel();
    let (bound, address) = mpsc::channel();
    let listens_on = listens_on.to_owned();
    thread::spawn(move || {
        let nobody = Uid::from_raw(65534);
        set_thread_res_uid(nobody, nobody, nobody).expect("root may");
        let listener = std::net::TcpListener::bind(&listens_on).expect("a free port");
        let _ = bound.send(listener.local_addr().expect("it is bound"));
        while accepts && let Ok((mut peer, _)) = listener.accept() {
            let mut bytes = Vec::new();
            let _ = peer.read_to_end(&mut bytes);
            let _ = said.send(bytes);
        }
        // Keeps both open.
        thread::park();
        drop((listener, said));
    });
    let address = address.recv().expect("it listens");
    Some((address, told))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_users_server_is_told_nothing_and_its_owner_is_named() {
    for (listens_on, connects_to) in [
        ("127.0.0.1:0", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("[::1]:0", "::1"),
        ("[::]:0", "::1"),
        ("[::]:0", "127.0.0.1"),
    ] {
        for accepts in [true, false] {
            let Some((bound, told)) = stranger(listens_on, accepts) else {
                return;
            };
            let address = SocketAddr::new(connects_to.parse().expect("an IP"), bound.port());
            let user = User::new(script(address, "exit 1"));
            user.join("ada").await;
            let Ended::Failed(reason) = user.ended().await else {
                panic!("{listens_on} is used");
            };
            for part in [
                &*address.to_string(),
                "nobody",
                "--local",
                "--server http://",
            ] {
                assert!(reason.contains(part), "{part}: {reason}");
            }
            if accepts {
                let bytes = told.recv_timeout(Duration::from_secs(20));
                assert_eq!(bytes, Ok(Vec::new()), "{listens_on}");
            }
        }
    }
}

/// A program that takes the port while the user's own server is away does not get the session.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_became_another_users_is_told_nothing() {
    let mut server = Fake::start().await;
    let mut user = User::new(script(server.address, "sleep 60"));
    user.join("ada").await;
    let stream = server.join().await.welcome_first();
    user.live().await;
    let address = server.address;
    server.down().await;
    drop(stream);
    let Some((_, told)) = stranger(&address.to_string(), true) else {
        return;
    };
    let ended = user.ended().await;
    assert!(
        matches!(&ended, Ended::Failed(reason) if reason.contains("nobody")),
        "{ended:?}"
    );
    let bytes = told.recv_timeout(Duration::from_secs(20));
    assert_eq!(bytes, Ok(Vec::new()));
}

/// If it is named on purpose, a server may belong to anybody.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_users_server_can_be_named() {
    let Some((address, told)) = stranger("127.0.0.1:0", true) else {
        return;
    };
    let user = User::new(remote(address.to_string().parse().expect("a URL")));
    user.join("ada").await;
    let ended = user.ended().await;
    let why = "it does not answer";
    assert!(
        matches!(&ended, Ended::Failed(reason) if reason.contains(why)),
        "{ended:?}"
    );
    let bytes = told
        .recv_timeout(Duration::from_secs(20))
        .expect("it is spoken to");
    assert!(bytes.starts_with(b"PRI * HTTP/2.0"));
}

/// A port at which connections are neither taken nor refused, as if the network dropped them: the
/// queue of its listener is full.
#[cfg(target_os = "linux")]
fn silent_port() -> (std::net::TcpListener, Vec<std::net::TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    bind(&socket, &any).expect("a free port");
    listen(&socket, 0).expect("it listens");
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().expect("bound");
    let mut waiting = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300))
    {
        waiting.push(stream);
    }
    (listener, waiting)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_network_that_blocks_the_port_is_said() {
    use chitty::trust::{SecureServer, Trust};

    let (listener, _waiting) = silent_port();
    let address = listener.local_addr().expect("bound");
    let folder = tempfile::tempdir().expect("a folder");
    let trust = Trust {
        folder: folder.path().join("chitty-chat"),
        key: None,
        today: || jiff::civil::date(2026, 11, 26),
        random: |bytes| bytes.fill(1),
    };
    let server = SecureServer {
        address: address.to_string().parse().expect("an address"),
        pin: Some(chitty_chat::fingerprint::Fingerprint::of_public_key(b"any").pin()),
        replaces: false,
    };
    for connector in [
        chitty::launch::secure(std::sync::Arc::new(trust), server),
        remote(address.to_string().parse().expect("a URL")),
    ] {
        let mut user = User::new(connector);
        user.join("ada").await;
        let (reason, _) = user.lost().await;
        assert!(reason.contains("does not answer within 3 s"), "{reason}");
        assert!(
            reason.contains("443") && reason.contains("ssh -L"),
            "{reason}"
        );
    }
    assert!(
        !folder.path().join("chitty-chat").exists(),
        "nothing is remembered"
    );
}
