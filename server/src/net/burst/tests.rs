use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::timeout,
};

use super::*;

const LIMIT: usize = 1000;
const PATIENCE: Duration = Duration::from_millis(20);

fn pair(
    capacity: usize,
) -> (
    Bursts<DuplexStream>,
    BurstStream<DuplexStream>,
    DuplexStream,
) {
    let (near, far) = duplex(capacity);
    let mut bursts = Bursts::new(LIMIT);
    let stream = bursts.add(near);
    (bursts, stream, far)
}

#[tokio::test]
async fn all_arrives_in_order_however_little_the_socket_takes() {
    let text: Vec<u8> = (0..=250).cycle().take(5 * BURST).collect();
    let sizes = [1, 7, LIMIT, 10 * LIMIT].map(|capacity| [(capacity, 333), (capacity, 2 * BURST)]);
    for (capacity, size) in sizes.into_iter().flatten() {
        let (_bursts, mut stream, mut far) = pair(capacity);
        let write = async {
            for piece in text.chunks(size) {
                stream.write_all(piece).await.expect("open");
            }
            stream.shutdown().await.expect("all is sent");
        };
        let mut read = Vec::new();
        let (count, ()) = tokio::join!(far.read_to_end(&mut read), write);
        assert_eq!(count.expect("open"), text.len());
        assert!(read == text, "in pieces of {size} through {capacity} bytes");
    }
}

#[tokio::test]
async fn what_is_written_in_one_turn_is_sent_at_once() {
    let (_bursts, mut stream, mut far) = pair(10 * LIMIT);
    for piece in ["one", " and ", "two"] {
        stream.write_all(piece.as_bytes()).await.expect("open");
        stream.flush().await.expect("open");
    }
    let mut read = [0; 100];
    let count = far.read(&mut read).await.expect("open");
    assert_eq!(&read[..count], b"one and two");
}

#[tokio::test]
async fn who_does_not_read_is_not_written_for_without_end() {
    let (_bursts, mut stream, _far) = pair(10);
    for _ in 0..3 {
        // Not one write: what waits for space again takes no more.
        let text = [0; 10 * LIMIT];
        let written = timeout(PATIENCE, stream.write_all(&text)).await;
        assert!(written.is_err(), "too much is taken");
        let kept = stream.0.state().unsent.len();
        assert!(kept <= LIMIT, "{kept}");
    }
}

#[tokio::test]
async fn what_is_dropped_is_closed_also_where_its_socket_is_full() {
    let (_bursts, mut stream, mut far) = pair(10);
    let text = [7; 10 * LIMIT];
    let written = timeout(PATIENCE, stream.write_all(&text)).await;
    assert!(written.is_err(), "too much is taken");
    drop(stream);
    let mut read = Vec::new();
    let end = timeout(100 * PATIENCE, far.read_to_end(&mut read)).await;
    end.expect("the end").expect("open");
    assert_eq!(read, [7; 10]);
}

#[tokio::test]
async fn what_was_flushed_goes_out_before_the_end() {
    let (_bursts, mut stream, mut far) = pair(10);
    stream.write_all(b"goodbye").await.expect("open");
    stream.flush().await.expect("open");
    drop(stream);
    let mut read = Vec::new();
    far.read_to_end(&mut read).await.expect("open");
    assert_eq!(read, b"goodbye");
}

#[tokio::test]
async fn who_writes_hears_that_nobody_is_there_any_more() {
    let (_bursts, mut stream, far) = pair(10);
    drop(far);
    let written = stream.write_all(&[0; 10 * LIMIT]).await;
    let failure = written.map_err(|error| error.kind());
    assert_eq!(failure, Err(ErrorKind::BrokenPipe));
    assert!(stream.flush().await.is_err());
    assert!(stream.shutdown().await.is_err());
}

#[tokio::test]
async fn who_is_silent_keeps_no_buffer() {
    let (mut bursts, mut first, mut far) = pair(10 * LIMIT);
    let (near, _far) = duplex(10);
    let second = bursts.add(near);
    first.write_all(b"hi").await.expect("open");
    far.read_exact(&mut [0; 2]).await.expect("open");
    for stream in [first, second] {
        assert_eq!(stream.0.state().unsent.capacity(), 0);
    }
}
