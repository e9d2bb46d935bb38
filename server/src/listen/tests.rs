use super::*;

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
    let sockets = Sockets::bind(&place).await.expect("it is here");
    let addresses = sockets.addresses().expect("bound");
    assert!(!addresses.is_empty());
    for address in addresses {
        assert!(address.ip().is_loopback());
        let (peer, accepted) = tokio::join!(TcpStream::connect(address), sockets.accept());
        let here = peer.expect("it listens").local_addr().expect("connected");
        assert_eq!(accepted.expect("it comes").1, here);
    }
}

#[tokio::test]
async fn each_of_several_sockets_is_served() {
    let free = async || TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let sockets = Sockets {
        sockets: vec![free().await, free().await, free().await],
        turn: AtomicUsize::new(usize::MAX - 1),
    };
    let addresses = sockets.addresses().expect("bound");
    // Those who come to the first do not keep those out who come to the last.
    let mut peers = Vec::new();
    for address in [addresses[0], addresses[0], addresses[2]] {
        peers.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let mut accepted = Vec::new();
    for _ in &peers {
        let (stream, from) = sockets.accept().await.expect("it comes");
        accepted.push((from, stream.local_addr().expect("connected")));
    }
    for (peer, address) in peers.iter().zip([0, 0, 2]) {
        let from = peer.local_addr().expect("connected");
        assert!(accepted.contains(&(from, addresses[address])));
    }
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
        let error = Sockets::bind(&place).await.expect_err(text).to_string();
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
