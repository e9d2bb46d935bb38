//! Connections that do what no client does, while others chat.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chitty_chat::secret::os_random;
use chitty_server::log::MemoryLog;
use chitty_testing::server::{
    PATIENCE, TestServer, config,
    raw::{
        ACK, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, frame, headers, read_frame,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

async fn connect(server: SocketAddr) -> TcpStream {
    TcpStream::connect(server).await.expect("it listens")
}

async fn greet(server: SocketAddr) -> TcpStream {
    let mut stream = connect(server).await;
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).await.expect("written");
    stream
}

/// All bytes that the server sends until it closes the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    rest
}

/// Sends this again and again until the server closes the connection, and does not read.
async fn flood(mut stream: TcpStream, times: usize, bytes: impl Fn(usize) -> Vec<u8>) {
    for number in 0..times {
        let bytes = bytes(number);
        let write = stream.write_all(&bytes);
        match timeout(Duration::from_secs(1), write).await {
            Ok(Ok(())) => {}
            // It does not take any more, or has closed the connection.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn silent(server: SocketAddr) {
    rest(&mut connect(server).await).await;
}

async fn half_a_preface(server: SocketAddr) {
    let mut stream = connect(server).await;
    stream.write_all(&PREFACE[..11]).await.expect("written");
    rest(&mut stream).await;
}

async fn drips(server: SocketAddr) {
    let mut stream = connect(server).await;
    for byte in PREFACE {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    rest(&mut stream).await;
}

async fn garbage(server: SocketAddr) {
    let greeting = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let after_greeting = |bytes: &[u8]| [&greeting, bytes].concat();
    let another_protocol = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
    let client_hello_of_tls = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let no_frames = vec![0xff; 100_000];
    let no_frames_after_the_preface = [PREFACE, &no_frames].concat();
    let torn_settings = [PREFACE, &frame(SETTINGS, 0, 0, &[1, 2, 3])].concat();
    let data_of_the_connection = after_greeting(&frame(DATA, 0, 0, b"x"));
    let window_of_nothing = after_greeting(&frame(WINDOW_UPDATE, 0, 0, &[0; 4]));
    let malformed_headers = after_greeting(&frame(HEADERS, END_HEADERS, 1, &[0xff; 50]));
    let publish = headers("Publish");
    let stream_of_the_server = after_greeting(&frame(HEADERS, END_HEADERS, 2, &publish));
    let unfinished_headers = [&frame(HEADERS, 0, 1, &publish)[..], b"no more"].concat();
    for bytes in [
        another_protocol,
        client_hello_of_tls,
        no_frames,
        no_frames_after_the_preface,
        torn_settings,
        data_of_the_connection,
        window_of_nothing,
        malformed_headers,
        stream_of_the_server,
        after_greeting(&unfinished_headers),
    ] {
        let mut stream = connect(server).await;
        let _ = stream.write_all(&bytes).await;
        rest(&mut stream).await;
    }
}

async fn large_headers(server: SocketAddr) {
    // A header that is larger than all headers may be: refused, or the end of the connection.
    let stream = greet(server).await;
    let mut block = headers("Publish");
    block.extend([0x00, 1, b'x', 0x7f, 0x80, 0xff, 0x03]);
    flood(stream, 10_000, |number| match number {
        0 => frame(HEADERS, 0, 1, &block),
        _ => frame(CONTINUATION, 0, 1, &[b'x'; 16_000]),
    })
    .await;
    // And many small ones.
    let stream = greet(server).await;
    let small = [0x00, 1, b'x', 1, b'y'].repeat(3000);
    flood(stream, 10_000, |number| match number {
        0 => frame(HEADERS, 0, 1, &headers("Publish")),
        _ => frame(CONTINUATION, 0, 1, &small),
    })
    .await;
}

async fn rapid_resets(server: SocketAddr) {
    let mut stream = greet(server).await;
    let mut sent = 0;
    for number in 0..20_000_u32 {
        let id = 2 * number + 1;
        let open = frame(HEADERS, END_HEADERS, id, &headers("Publish"));
        let reset = frame(RST_STREAM, 0, id, &[0, 0, 0, 8]);
        if stream.write_all(&[open, reset].concat()).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 20_000, "it is let go on for ever");
    rest(&mut stream).await;
}

async fn pings(server: SocketAddr) {
    const COUNT: usize = 10_000;
    let stream = greet(server).await;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let writer = tokio::spawn(async move {
        let many = frame(PING, 0, 0, &[7; 8]).repeat(100);
        for _ in 0..COUNT / 100 {
            write.write_all(&many).await.expect("it reads");
        }
        write
    });
    let mut answers = 0;
    while answers < COUNT {
        let received = timeout(PATIENCE, read_frame(&mut read)).await;
        let received = received.expect("in time").expect("alive");
        if (received.kind, received.flags) == (PING, ACK) {
            assert_eq!(received.payload, [7; 8]);
            answers += 1;
        }
    }
    drop(writer.await.expect("it ran"));
    // And so many more, whose answers are not read.
    let stream = greet(server).await;
    flood(stream, 1000, |_| frame(PING, 0, 0, &[7; 8]).repeat(1000)).await;
}

async fn too_many_streams(server: SocketAddr) {
    let stream = greet(server).await;
    flood(stream, 10_000, |number| {
        let id = u32::try_from(2 * number + 1).expect("few");
        frame(HEADERS, END_HEADERS, id, &headers("Publish"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_chat_meanwhile() {
    let mut config = config();
    config.connections.first_request = Duration::from_secs(1);
    let server = TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await;
    let mut ada = server.join("ada").await;
    let mut bob = server.join("bob").await;
    ada.events(2).await;
    bob.event().await;

    let mut hostile = JoinSet::new();
    let address = server.address;
    for _ in 0..100 {
        hostile.spawn(silent(address));
        hostile.spawn(half_a_preface(address));
    }
    for _ in 0..3 {
        hostile.spawn(drips(address));
        hostile.spawn(garbage(address));
        hostile.spawn(large_headers(address));
        hostile.spawn(rapid_resets(address));
        hostile.spawn(pings(address));
        hostile.spawn(too_many_streams(address));
    }
    let mut lines = 0;
    while !hostile.is_empty() {
        let published = timeout(PATIENCE, ada.publish("served all the same"));
        published.await.expect("in time");
        assert_eq!(bob.event().await, ada.event().await);
        lines += 1;
        while let Some(done) = hostile.try_join_next() {
            done.expect("as it should be");
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(lines > 10);
    server.join("eve").await.publish("and new ones").await;
    server.stop().await;
}

/// How many of these frames are taken of a million, until there is no progress for a while.
async fn taken(server: SocketAddr, flood: Vec<u8>) -> usize {
    const AT_ONCE: usize = 1000;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(4096).expect("small");
    let mut stream = socket.connect(server).await.expect("it listens");
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).await.expect("written");
    let many = flood.repeat(AT_ONCE);
    let mut answers = vec![0; 1 << 16];
    for taken in 0..1000 {
        let (mut read, mut write) = stream.split();
        let write = timeout(Duration::from_secs(2), write.write_all(&many));
        tokio::pin!(write);
        loop {
            tokio::select! {
                written = &mut write => match written {
                    Ok(Ok(())) => break,
                    Ok(Err(_)) | Err(_) => return taken * AT_ONCE,
                },
                // A peer that does not take its answers is held back by these.
                count = read.read(&mut answers) => if count.unwrap_or(0) == 0 {
                    return taken * AT_ONCE;
                },
            }
        }
    }
    1000 * AT_ONCE
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_without_meaning_are_read_no_faster_than_they_are_worth() {
    const PRIORITY: u8 = 2;
    const UNKNOWN: u8 = 0x42;
    let mut config = config();
    config.connections.first_request = Duration::from_secs(600);
    let server = TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await;
    let mut floods = JoinSet::new();
    for (kind, stream, payload) in [
        (PING, 0, &[7; 8][..]),
        (PING, 0, &[8; 8]),
        (SETTINGS, 0, &[]),
        (WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
        (PRIORITY, 3, &[0, 0, 0, 1, 5]),
        (UNKNOWN, 0, &[]),
        (UNKNOWN, 1, &[1; 3000]),
        (DATA, 1, &[]),
    ] {
        floods.spawn(taken(server.address, frame(kind, 0, stream, payload)));
    }
    while let Some(taken) = floods.join_next().await {
        let taken = taken.expect("it ran");
        // The burst, what is earned meanwhile, and what the sockets hold.
        assert!(taken < 80_000, "{taken}");
    }
    server
        .join("ada")
        .await
        .publish("served all the same")
        .await;
}
