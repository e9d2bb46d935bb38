//! HTTP/2 by hand, as the benchmark and the load program have it.

#[allow(unused_imports, reason = "each test file uses its own part of this")]
pub(crate) use chitty_load::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, headers, headers_of as headers_to, prefixed,
};

/// The beginning of a connection whose streams have so large a window.
pub(crate) fn hello(window: u32) -> Vec<u8> {
    let mut setting = vec![0, 4];
    setting.extend(window.to_be_bytes());
    [PREFACE, &frame(SETTINGS, 0, 0, &setting)].concat()
}

/// Reads, and answers what keeps a connection alive, until it ends.
pub(crate) async fn stay_alive(mut stream: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("short")];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        let answer = match (head[3], head[4] & ACK) {
            (PING, 0) => frame(PING, ACK, 0, &payload),
            (SETTINGS, 0) => frame(SETTINGS, ACK, 0, &[]),
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
