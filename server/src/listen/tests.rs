use tokio::net::TcpStream;

use super::*;
use crate::net::{Doors, Listener as _};

#[test]
fn places_are_names_or_addresses_with_a_port() {
    for (text, host, port) in [
        ("localhost:50051", "localhost", 50051),
        ("0.0.0.0:1", "0.0.0.0", 1),
        ("[::]:50051", "::", 50051),
        ("[::1]:0", "::1", 0),
        ("chat.example.org:443", "chat.example.org", 443),
    ] {
        let place: ListenAddress = text.parse().expect(text);
        assert_eq!((&*place.host, place.port), (host, port));
        assert_eq!(place.to_string(), text);
    }
    for (text, advice) in [
        ("", "127.0.0.1:50051"),
        ("localhost", "localhost:50051"),
        ("0.0.0.0", "0.0.0.0:50051"),
        ("localhost:", "0 to 65535"),
        ("localhost:99999", "0 to 65535"),
        ("localhost:chat", "0 to 65535"),
        (":50051", "0.0.0.0:50051"),
        ("50051", "0.0.0.0:50051"),
        ("::1:50051", "[::1]:50051"),
        ("[::1]", "127.0.0.1:50051"),
        ("http://localhost:50051", "without http://"),
        ("a b:1", "127.0.0.1:50051"),
    ] {
        let error = text.parse::<ListenAddress>().expect_err(text).to_string();
        assert!(error.contains(advice), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_name_is_listened_on_by_all_its_addresses() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let place = ListenAddress {
        host: "localhost".into(),
        port,
    };
    let ports = Ports::bind(&place).await.expect("it is here");
    let addresses = ports.addresses().expect("bound");
    assert!(!addresses.is_empty());
    let ports = ports.0.into_iter().map(|port| (port, Encryption::Never));
    let doors = Doors::new(ports.collect(), None);
    for address in addresses {
        assert!(address.ip().is_loopback());
        let (peer, accepted) = tokio::join!(TcpStream::connect(address), doors.accept());
        let here = peer.expect("it listens").local_addr().expect("connected");
        assert_eq!(accepted.expect("it comes").address, here.ip());
    }
}

#[test]
fn plain_text_from_other_machines_is_the_users_wish() {
    for (bound, insecure, plain) in [
        ("127.0.0.1", false, true),
        ("127.5.5.5", false, true),
        ("::1", false, true),
        ("::ffff:127.0.0.1", false, true),
        ("0.0.0.0", false, false),
        ("::", false, false),
        ("192.168.1.5", false, false),
        ("172.17.0.2", false, false),
        ("fe80::1", false, false),
        ("::ffff:192.0.2.1", false, false),
        ("0.0.0.0", true, true),
        ("192.0.2.1", true, true),
        ("127.0.0.1", true, true),
    ] {
        let ip = bound.parse().expect("an address");
        assert_eq!(takes_plain_text(ip, insecure), plain, "{bound} {insecure}");
    }
}

#[tokio::test]
async fn a_port_asks_for_what_its_address_needs() {
    let key = crate::key::ServerKey::ephemeral().expect("made");
    let tls = Tls::new(&key).expect("TLS");
    for (listen, insecure, is_required) in [
        ("127.0.0.1:0", false, false),
        ("0.0.0.0:0", false, true),
        ("0.0.0.0:0", true, false),
    ] {
        let place = listen.parse().expect("a place");
        let ports = Ports::bind(&place).await.expect("it is here");
        let ports = ports.with(&tls, insecure).expect("bound");
        for (_, encryption) in ports {
            let required = matches!(encryption, Encryption::Required(_));
            assert_eq!(required, is_required, "{listen} {insecure}");
        }
    }
}

#[test]
fn none_is_no_place() {
    assert_eq!("none".parse(), Ok(Listen::Nowhere));
    let place = "none:1".parse().map(Listen::On);
    assert_eq!("none:1".parse(), place, "a host may be called that");
    assert!("None".parse::<Listen>().is_err());
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_said_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().map(|at| (taken, at)).expect("bound");
    for (text, parts) in [
        (
            &*taken.1.to_string(),
            ["cannot listen on 127.0.0.1", "another chitty-server"],
        ),
        (
            "192.0.2.1:50051",
            ["192.0.2.1:50051", "no address of this machine"],
        ),
        ("nowhere.invalid:1", ["nowhere.invalid", "--listen"]),
    ] {
        let place: ListenAddress = text.parse().expect("a place");
        let error = Ports::bind(&place).await.expect_err(text).to_string();
        for part in parts {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn others_are_told_addresses_that_work_for_them() {
    let machine: Vec<IpAddr> = ["192.0.2.7", "2001:db8::7"]
        .iter()
        .map(|ip| ip.parse().expect("an address"))
        .collect();
    let ways = |listening: &[&str], both, machine: &[IpAddr]| {
        let listening: Vec<SocketAddr> = listening
            .iter()
            .map(|address| address.parse().expect("an address"))
            .collect();
        let (ways, note) = ways_in(&listening, both, machine);
        let ways: Vec<_> = ways.iter().map(ToString::to_string).collect();
        (ways.join(" "), note.is_some())
    };
    for (listening, both, expected) in [
        ("0.0.0.0:1", false, "192.0.2.7:1"),
        ("[::]:1", true, "192.0.2.7:1 [2001:db8::7]:1"),
        ("[::]:1", false, "[2001:db8::7]:1"),
        ("192.0.2.7:1", false, "192.0.2.7:1"),
    ] {
        assert_eq!(ways(&[listening], both, &machine), (expected.into(), false));
    }
    let local = ways(&["127.0.0.1:1", "[::1]:1"], false, &machine);
    assert_eq!(local, ("127.0.0.1:1 [::1]:1".into(), true));
    for (listening, expected) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1")] {
        assert_eq!(ways(&[listening], false, &[]), (expected.into(), true));
    }
}
