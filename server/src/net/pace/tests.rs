use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::timeout,
};

use super::*;
use crate::net::{Limits, admission::Registry};

fn frame(kind: u8, length: usize) -> Vec<u8> {
    let size = u32::try_from(length).expect("short").to_be_bytes();
    let mut frame = size[1..].to_vec();
    frame.extend([kind, 0, 0, 0, 0, 1]);
    frame.resize(HEAD + length, 0xff);
    frame
}

proptest! {
    #[test]
    fn frames_are_found_however_they_are_split(
        frames in prop::collection::vec((any::<u8>(), 0..300_usize), 0..50),
        sizes in prop::collection::vec(1..40_usize, 1..20),
    ) {
        let mut bytes = vec![b'P'; PREFACE];
        bytes.extend(frames.iter().flat_map(|(kind, length)| frame(*kind, *length)));
        let (mut scanner, mut found) = (Scanner::new(), Vec::new());
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            scanner.scan(piece, |kind, length| found.push((kind, length)));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(found, frames);
    }
}

/// In bytes, of a PING.
const PING: usize = HEAD + 8;

/// How many PINGs of a flood are read in so long from so many connections of a source.
async fn read_of_flood(connections: usize, time: Duration) -> usize {
    let registry = Registry::new(Limits::default());
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (near, mut far) = duplex(1 << 16);
        let admitted = registry.admit(std::net::Ipv4Addr::LOCALHOST.into());
        let admitted = admitted.expect("space");
        readers.spawn(async move {
            let mut paced = Paced::new(near, Arc::clone(&admitted.0));
            let write = async {
                let flood = frame(6, 8).repeat(1000);
                far.write_all(&[b'P'; PREFACE]).await.expect("open");
                while far.write_all(&flood).await.is_ok() {}
            };
            let mut read = 0;
            let read_all = async {
                let mut buffer = vec![0; 8192];
                loop {
                    read += paced.read(&mut buffer).await.expect("open");
                }
            };
            let _ = timeout(time, async { tokio::join!(read_all, write) }).await;
            read / PING
        });
    }
    let mut all = 0;
    while let Some(read) = readers.join_next().await {
        all += read.expect("it ran");
    }
    all
}

/// What is read in one piece, and so may be too much.
const PIECE: usize = 8192 / PING + 1;

#[tokio::test(start_paused = true)]
async fn a_flood_of_frames_is_read_at_the_allowance() {
    let read = read_of_flood(1, Duration::from_secs(100)).await;
    let most = 64 + 12_000 + 100 * 100;
    assert!((most - 1000..=most + PIECE).contains(&read), "{read}");
}

#[tokio::test(start_paused = true)]
async fn many_connections_of_a_source_share_an_allowance() {
    let read = read_of_flood(20, Duration::from_secs(10)).await;
    let most = 20 * (64 + PIECE) + 100_000 + 10 * 5000;
    assert!((100_000..=most).contains(&read), "{read}");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_may_be_answered() {
    const WINDOW_UPDATE: u8 = 8;
    let registry = Registry::new(Limits::default());
    let admitted = registry.admit(std::net::Ipv4Addr::LOCALHOST.into());
    let admitted = admitted.expect("space");
    let (near, far) = duplex(1 << 20);
    let mut paced = Paced::new(near, Arc::clone(&admitted.0));
    let (mut read, mut write) = tokio::io::split(far);
    write.write_all(&[b'P'; PREFACE]).await.expect("open");
    paced.read_exact(&mut [0; PREFACE]).await.expect("open");
    let begun = Instant::now();
    // As many as no allowance is for.
    for _ in 0..100 {
        paced.write_all(&[0; 100 * 110]).await.expect("open");
        read.read_exact(&mut [0; 100 * 110]).await.expect("open");
        let answers = frame(WINDOW_UPDATE, 4).repeat(100);
        write.write_all(&answers).await.expect("open");
        paced
            .read_exact(&mut vec![0; answers.len()])
            .await
            .expect("open");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn headers_are_no_larger_than_they_may_be() {
    let registry = Registry::new(Limits::default());
    let admitted = registry.admit(std::net::Ipv4Addr::LOCALHOST.into());
    let (near, mut far) = duplex(1 << 20);
    let mut paced = Paced::new(near, Arc::clone(&admitted.expect("space").0));
    let mut flood = vec![b'P'; PREFACE];
    flood.extend(frame(HEADERS, 16_000));
    flood.extend(frame(CONTINUATION, 16_000).repeat(2));
    far.write_all(&flood).await.expect("open");
    let end = paced.read_exact(&mut vec![0; flood.len()]).await;
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(io::ErrorKind::InvalidData)
    );
}
