//! Somebody between a client and its server, with a key of its own.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
};

use chitty_chat::fingerprint::Fingerprint;
use chitty_testing::terminal::World;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::aws_lc_rs::{default_provider, sign::any_supported_type},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{by_address, errors, invitation_to, known, link_to, plain, run, server_key};

/// What the middle saw of one connection.
#[derive(Debug)]
struct Seen {
    /// Whether the client completed the handshake.
    trusted: bool,
    /// What it said inside.
    said: Vec<u8>,
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Ends the TLS of each connection with a key of its own. With `stolen`, it shows the certificate
/// of the real server, which is no secret.
fn terminating(
    stolen: Option<CertificateDer<'static>>,
) -> (SocketAddr, Fingerprint, mpsc::Receiver<Seen>) {
    let key = KeyPair::generate().expect("a key");
    let fingerprint = Fingerprint::of_public_key(&key.subject_public_key_info());
    let own = CertificateParams::new(vec!["chitty-chat".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("signed");
    let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let signing = any_supported_type(&der).expect("P-256");
    let shown = stolen.unwrap_or_else(|| own.der().clone());
    let shows = Shows(Arc::new(CertifiedKey::new(vec![shown], signing)));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shows));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (tell, seen) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (config, tell) = (Arc::clone(&config), tell.clone());
            thread::spawn(move || tell.send(watch(config, stream)));
        }
    });
    (address, fingerprint, seen)
}

fn watch(config: Arc<ServerConfig>, mut stream: TcpStream) -> Seen {
    let mut tls = ServerConnection::new(config).expect("a connection");
    while tls.is_handshaking() {
        if tls.complete_io(&mut stream).is_err() {
            break;
        }
    }
    let trusted = !tls.is_handshaking();
    let mut said = Vec::new();
    // It ends at once if the client has gone.
    let _ = rustls::Stream::new(&mut tls, &mut stream).read_to_end(&mut said);
    Seen { trusted, said }
}

/// Passes every byte on, and sees only what is encrypted.
fn passing(to: String) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (tell, seen) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(&to).expect("the server listens");
            let (back, forth) = (client.try_clone(), server.try_clone());
            let tell = tell.clone();
            thread::spawn(move || copy(client, server, Some(tell)));
            thread::spawn(move || copy(forth.expect("a socket"), back.expect("a socket"), None));
        }
    });
    (address, seen)
}

fn copy(mut from: TcpStream, mut to: TcpStream, tell: Option<mpsc::Sender<Vec<u8>>>) {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        all.extend_from_slice(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    if let Some(tell) = tell {
        let _ = tell.send(all);
    }
}

/// Nobody who ends the encryption with another key learns anything, however the server is named.
#[test]
fn a_middle_with_its_own_key_sees_no_application_data() {
    let world = World::new();
    let _server = world.server(&[]);
    let real = server_key(&world);
    let (address, own, seen) = terminating(None);
    let address = address.to_string();

    // By a link, with a secret.
    let link = invitation_to(&address, real);
    let output = run(world.plain(&plain(&link.reveal(), "ada")));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(
        said.contains("HAS ANOTHER KEY THAN THE LINK VOUCHES FOR"),
        "{said}"
    );
    assert!(said.contains(&own.to_string()), "{said}");
    assert!(
        !said.contains(&link.secret.as_ref().expect("there").reveal()),
        "{said}"
    );
    assert!(
        !known(&world).join("known_servers").exists(),
        "it is not remembered"
    );
    assert!(
        !known(&world).join("keys").exists(),
        "no key is made for it"
    );

    // By a key that is known.
    let trusted = run(world.plain(&["trust", &address, &real.to_string()]));
    assert!(trusted.status.success(), "{}", errors(&trusted));
    let output = run(world.plain(&plain(&format!("chitty://{address}"), "ada")));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(
        said.contains(&format!("THE KEY OF {address} HAS CHANGED")),
        "{said}"
    );
    assert!(said.contains("Nothing was sent to it"), "{said}");
    for key in [real, own] {
        assert!(said.contains(&key.to_string()), "{said}");
    }
    for _ in 0..2 {
        let seen = seen.recv().expect("it was connected to");
        assert!(!seen.trusted && seen.said.is_empty(), "{seen:?}");
    }
}

/// On first use, an unknown server may only be asked for its key, and only if one is known that it
/// could have.
#[test]
fn a_middle_sees_nothing_on_first_use() {
    let world = World::new();
    let (address, _, seen) = terminating(None);
    let server = format!("chitty://{address}");
    let output = run(world.plain(&plain(&server, "ada")));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("ask its owner for a link"),
        "{}",
        errors(&output)
    );
    assert!(seen.try_recv().is_err(), "nothing connects");
    // With a known server, the key is asked for, and is not its key.
    let other = Fingerprint::of_public_key(b"another server").to_string();
    let trusted = run(world.plain(&["trust", "chat.example.org", &other]));
    assert!(trusted.status.success(), "{}", errors(&trusted));
    let output = run(world.plain(&plain(&server, "ada")));
    assert!(
        errors(&output).contains("ask its owner for a link"),
        "{}",
        errors(&output)
    );
    let seen = seen.recv().expect("it was connected to");
    assert!(!seen.trusted && seen.said.is_empty(), "{seen:?}");
}

/// The certificate of a server is no secret; what counts is its private key.
#[test]
fn a_middle_with_the_servers_certificate_and_another_key_is_refused() {
    let world = World::new();
    let _server = world.server(&[]);
    let pem = std::fs::read(world.data().join("server.key")).expect("there");
    let stolen = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    let (address, _, seen) = terminating(Some(stolen));
    let link = link_to(&address.to_string(), server_key(&world));
    let output = run(world.plain(&plain(&link.reveal(), "ada")));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(
        said.contains("does not have the key that it shows"),
        "{said}"
    );
    let seen = seen.recv().expect("it was connected to");
    assert!(!seen.trusted && seen.said.is_empty(), "{seen:?}");
    assert!(
        !known(&world).join("known_servers").exists(),
        "it is not remembered"
    );
}

#[test]
fn passing_the_bytes_on_works_and_shows_nothing() {
    let world = World::new();
    let server = world.server(&[]);
    let (address, seen) = passing(server.address().to_owned());
    let link = invitation_to(&address.to_string(), server_key(&world));
    let output = run(world.plain(&plain(&link.reveal(), "ada-lovelace")));
    assert!(output.status.success(), "{}", errors(&output));
    let seen = seen.recv().expect("it passed");
    let secret = link.secret.expect("there").reveal();
    for word in ["ada-lovelace", "PRI * HTTP/2.0", &secret] {
        let found = seen.windows(word.len()).any(|part| part == word.as_bytes());
        assert!(!found, "{word} passed in plain text");
    }
    // By the address of the server itself, it is the same server, which is said and not assumed.
    let output = run(world.plain(&plain(&by_address(&server), "ada")));
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(
        said.contains(&format!("it has the key of {address}")),
        "{said}"
    );
}
