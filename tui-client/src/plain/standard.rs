//! Standard input, output and error of this process, even if another program left them
//! non-blocking: that mode is a property of the open pipe or terminal, which others share. Blocking
//! calls run on threads of the runtime, because files and some devices cannot be polled.

use std::{
    future::Future as _,
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Stream, stream};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio,
};
use tokio::{
    io::{AsyncBufRead, AsyncWrite},
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::io::StreamReader;

use super::PlainStreams;

/// The largest read, in bytes.
const PIECE: usize = 8 << 10;
/// The largest write, in bytes: the capacity of a pipe.
const CHUNK: usize = 64 << 10;

/// The standard streams of this process.
///
/// Must be called within a Tokio runtime.
pub fn streams() -> PlainStreams<impl AsyncBufRead + Unpin, StdWriter, StdWriter> {
    PlainStreams {
        input: StreamReader::new(Box::pin(pieces())),
        output: StdWriter::new(stdio::stdout()),
        errors: StdWriter::new(stdio::stderr()),
    }
}

/// The pieces that are read from standard input, up to its end or an error.
fn pieces() -> impl Stream<Item = io::Result<io::Cursor<Vec<u8>>>> {
    stream::try_unfold((), |()| async {
        let read = spawn_blocking(|| read_from(stdio::stdin())).await;
        let piece = read.map_err(io::Error::other)??;
        Ok((!piece.is_empty()).then(|| (io::Cursor::new(piece), ())))
    })
}

fn read_from(input: impl AsFd) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    let length = patiently(&input, PollFlags::IN, || {
        rustix::io::read(&input, &mut *piece)
    })?;
    piece.truncate(length);
    Ok(piece)
}

/// Writes to a descriptor, one chunk at a time.
#[derive(Debug)]
pub struct StdWriter {
    to: BorrowedFd<'static>,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl StdWriter {
    fn new(to: BorrowedFd<'static>) -> Self {
        Self { to, writing: None }
    }

    /// Waits for the chunk that is being written.
    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let written = ready!(Pin::new(writing).poll(context));
        self.writing = None;
        Poll::Ready(written.map_err(io::Error::other)?)
    }
}

impl AsyncWrite for StdWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_written(context))?;
        let chunk = bytes[..bytes.len().min(CHUNK)].to_vec();
        let (to, length) = (self.to, chunk.len());
        self.writing = Some(spawn_blocking(move || write_all(to, &chunk)));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn write_all(to: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = patiently(&to, PollFlags::OUT, || rustix::io::write(&to, bytes))?;
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Repeats an operation until the descriptor is ready for it.
fn patiently<T>(
    descriptor: &impl AsFd,
    ready: PollFlags,
    mut call: impl FnMut() -> Result<T, Errno>,
) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let mut descriptors = [PollFd::new(descriptor, ready)];
                match poll(&mut descriptors, None) {
                    // The next try reports it if the other end is gone.
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
        thread,
    };

    use super::*;

    #[test]
    fn a_descriptor_that_does_not_block_is_waited_for() {
        let (ours, mut theirs) = UnixStream::pair().expect("two ends");
        ours.set_nonblocking(true).expect("it can");
        let text = vec![b'x'; 4 << 20];
        let reader = thread::spawn(move || {
            theirs.write_all(b"hello").expect("it is read");
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).expect("it is written");
            read
        });
        assert_eq!(read_from(&ours).expect("it comes"), b"hello");
        write_all(&ours, &text).expect("it is read");
        drop(ours);
        assert_eq!(reader.join().expect("no panic"), text);
    }

    #[test]
    fn an_error_is_no_end() {
        let folder = std::fs::File::open("/").expect("it is there");
        let error = read_from(&folder).expect_err("no text");
        assert!(error.to_string().contains("directory"), "{error}");
    }
}
