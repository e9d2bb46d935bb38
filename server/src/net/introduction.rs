//! The first bytes of a connection, until it is known how its peer speaks and who it is.
//!
//! This is a task of its own, which ends before the connection is served, so that a connection does
//! not keep the space for it. It shares the deadline for the first request with that request.

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use chitty_room::Identity;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_util::either::Either;
use tracing::debug;

use super::{
    Encryption, Ends, Limits, Listener, burst::BurstStream, member::Member, tls::TlsStream,
};

/// The first byte of TLS: a record with a handshake message (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a peer reads that speaks in plain text to a socket that takes TLS only. Programs show it as
/// the reason of their failure.
const REFUSAL: &str = "this server takes TLS only: join with `chitty LINK`, by the link that its \
                       owner has; other programs need TLS 1.3";

/// Bytes that are still read from a peer whose plain text is refused. If any were left unread, the
/// system would reset the connection, and the peer might never see the reason.
const LAST_WORDS: u64 = 64 << 10;

/// The bytes of a connection after its encryption is settled: plain or encrypted. Encryption is
/// boxed, so that a plain connection does not keep the space for it.
pub(super) type Channel<S> = Either<S, Box<TlsStream<S>>>;

/// Settles how the peer speaks, and who it is; `None` if the connection ends before that.
pub(super) async fn introduce<L: Listener>(
    stream: BurstStream<L::Stream>,
    encryption: Encryption,
    member: Arc<Member>,
    limits: Limits,
    ends: Ends,
) -> Option<(Channel<BurstStream<L::Stream>>, Identity)> {
    let introduced = tokio::select! {
        biased;
        // Nothing was asked for yet that a shutdown would have to wait for.
        () = ends.shutdown.cancelled() => return None,
        _ = member.expired() => {
            debug!("a connection is closed: it makes room, or has not said who it is");
            return None;
        }
        introduced = settle::<L>(stream, encryption, limits) => introduced,
    };
    introduced
        .inspect_err(|error| debug!(%error, "a connection ended before its first request"))
        .ok()
        .flatten()
}

async fn settle<L: Listener>(
    stream: BurstStream<L::Stream>,
    encryption: Encryption,
    limits: Limits,
) -> io::Result<Option<(Channel<BurstStream<L::Stream>>, Identity)>> {
    let plain = |stream| Ok(Some((Either::Left(stream), Identity::None)));
    let (tls, takes_plain) = match encryption {
        Encryption::Never => return plain(stream),
        Encryption::Offered(tls) => (tls, true),
        Encryption::Required(tls) => (tls, false),
    };
    match poll_fn(|cx| stream.poll_first_byte::<L>(cx)).await? {
        None => Ok(None),
        Some(TLS_HANDSHAKE) => {
            let (stream, identity) = tls.accept(stream).await?;
            Ok(Some((Either::Right(stream), identity)))
        }
        Some(_) if takes_plain => plain(stream),
        Some(_) => {
            refuse_plain_text(stream, limits.drain).await?;
            Ok(None)
        }
    }
}

/// Sends the reason in HTTP/2, and closes the connection when the peer has read it.
async fn refuse_plain_text(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    within: Duration,
) -> io::Result<()> {
    stream.write_all(&refusal()).await?;
    stream.flush().await?;
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(LAST_WORDS), &mut tokio::io::sink()).await
    };
    // A peer that does not close its end in time gets a reset.
    timeout(within, reading).await.unwrap_or(Ok(0)).map(drop)
}

/// A server's first SETTINGS, which are empty, and a GOAWAY with `INADEQUATE_SECURITY` (RFC 9113,
/// sections 6.5, 6.8 and 7).
fn refusal() -> Vec<u8> {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const INADEQUATE_SECURITY: u32 = 0xc;
    let frame = |kind: u8, payload: &[u8]| {
        // The payload is the reason above, which is short.
        let length = u32::try_from(payload.len()).unwrap_or_default();
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    };
    let last_stream = 0_u32;
    let code = INADEQUATE_SECURITY.to_be_bytes();
    let reason = [&last_stream.to_be_bytes(), &code, REFUSAL.as_bytes()].concat();
    [frame(SETTINGS, &[]), frame(GOAWAY, &reason)].concat()
}
