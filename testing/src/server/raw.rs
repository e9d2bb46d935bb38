//! HTTP/2 by hand, as the benchmark and the load program have it.

use std::io;

use chitty_load::http2::Frame;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub use chitty_load::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, headers, headers_of as headers_to, prefixed,
};

/// The beginning of a connection whose streams have so large a window.
pub fn hello(window: u32) -> Vec<u8> {
    let mut setting = vec![0, 4];
    setting.extend(window.to_be_bytes());
    [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()
}

/// The next frame, or why there is none.
pub async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let [high, middle, low, kind, flags, id @ ..] = head;
    let length = u32::from_be_bytes([0, high, middle, low]);
    let mut payload = vec![0; usize::try_from(length).expect("short")];
    stream.read_exact(&mut payload).await?;
    Ok(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes(id),
        payload,
    })
}

/// Reads, and answers what keeps a connection alive, until it ends.
pub async fn stay_alive(mut stream: TcpStream) {
    while let Ok(received) = read_frame(&mut stream).await {
        let answer = match (received.kind, received.flags & ACK) {
            (PING, 0) => frame(PING, ACK, 0, &received.payload),
            (SETTINGS, 0) => frame(SETTINGS, ACK, 0, &[]),
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
