//! A thread that writes to the terminal. The terminal may hang for as long as it likes, and only
//! the screen waits for it.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::watch;

/// Reports how many pieces the terminal has not taken yet.
pub(crate) type Unwritten = watch::Receiver<usize>;

/// Queues what is to be written, and never waits.
pub(crate) struct FrameWriter {
    pieces: mpsc::Sender<Vec<u8>>,
    unwritten: watch::Sender<usize>,
}

/// Held while something is written to the terminal.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until nothing else is being written to the terminal.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that writes. It must be dropped after the [`FrameWriter`]; then it waits until the
/// terminal has taken everything, or is gone.
pub(crate) struct WriterThread {
    thread: Option<JoinHandle<()>>,
    unwritten: Unwritten,
}

/// A writer for the terminal of standard output. Nothing is written while the terminal is given
/// back.
pub(super) fn on_stdout() -> io::Result<(FrameWriter, WriterThread)> {
    on(super::Tty, super::is_given_back)
}

fn on(
    terminal: impl Write + Send + 'static,
    is_given_back: fn() -> bool,
) -> io::Result<(FrameWriter, WriterThread)> {
    let (pieces, queue) = mpsc::channel();
    let (unwritten, follow) = watch::channel(0);
    let counter = unwritten.clone();
    let thread = thread::Builder::new()
        .name("terminal".into())
        .spawn(move || {
            write(terminal, queue, &counter, is_given_back);
            // Nobody has to wait for a terminal that is gone.
            counter.send_replace(0);
        })?;
    let writer = FrameWriter { pieces, unwritten };
    let thread = WriterThread {
        thread: Some(thread),
        unwritten: follow,
    };
    Ok((writer, thread))
}

/// The loop of the thread. It ends when the terminal is gone, or nothing more can come.
fn write(
    mut terminal: impl Write,
    queue: mpsc::Receiver<Vec<u8>>,
    counter: &watch::Sender<usize>,
    is_given_back: fn() -> bool,
) {
    for piece in queue {
        let turn = turn();
        // What is skipped here is not lost: taking the terminal back draws everything again.
        let written = is_given_back()
            || terminal
                .write_all(&piece)
                .and_then(|()| terminal.flush())
                .is_ok();
        drop(turn);
        if !written {
            return;
        }
        counter.send_modify(|unwritten| *unwritten -= 1);
    }
}

impl WriterThread {
    pub(super) fn unwritten(&self) -> Unwritten {
        self.unwritten.clone()
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl FrameWriter {
    /// Queues a piece.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn send(&self, piece: Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone");
        // Counted before it is sent, so that the thread cannot count it as taken first.
        self.unwritten.send_modify(|unwritten| *unwritten += 1);
        self.pieces.send(piece).map_err(|_| gone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Takes a piece for each permit.
    struct Slow {
        permits: mpsc::Receiver<()>,
        counter: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits
                .recv()
                .map_err(|_| io::Error::other("it is gone"))?;
            self.counter.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(
        is_given_back: fn() -> bool,
    ) -> (
        FrameWriter,
        WriterThread,
        mpsc::Sender<()>,
        Arc<Mutex<Vec<u8>>>,
    ) {
        let (permit, permits) = mpsc::channel();
        let counter = Arc::<Mutex<Vec<u8>>>::default();
        let terminal = Slow {
            permits,
            counter: Arc::clone(&counter),
        };
        let (writer, thread) = on(terminal, is_given_back).expect("a thread");
        (writer, thread, permit, counter)
    }

    fn send(writer: &FrameWriter, piece: &str) -> io::Result<()> {
        writer.send(piece.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn giving_does_not_wait_and_all_comes_in_order() {
        let (writer, thread, permit, counter) = slow(|| false);
        let mut unwritten = thread.unwritten();
        for piece in ["one", "two", "three"] {
            send(&writer, piece).expect("given");
        }
        assert_eq!(*unwritten.borrow(), 3);
        permit.send(()).expect("it waits");
        let _ = unwritten.wait_for(|unwritten| *unwritten == 2).await;
        assert_eq!(*counter.lock().expect("whole"), b"one");
        for _ in 0..2 {
            permit.send(()).expect("it waits");
        }
        drop(writer);
        drop(thread);
        assert_eq!(*counter.lock().expect("whole"), b"onetwothree");
        assert_eq!(*unwritten.borrow(), 0);
    }

    #[test]
    fn a_terminal_that_is_gone_is_told() {
        let (writer, thread, permit, _) = slow(|| false);
        drop(permit);
        send(&writer, "one").expect("given");
        let unwritten = thread.unwritten();
        drop(thread);
        assert_eq!(*unwritten.borrow(), 0, "the next frame is not held up");
        send(&writer, "two").expect_err("gone");
    }

    #[test]
    fn nothing_is_written_while_it_is_given_back() {
        let (writer, thread, permit, counter) = slow(|| true);
        permit.send(()).expect("it waits");
        send(&writer, "one").expect("given");
        drop(writer);
        drop(thread);
        assert!(counter.lock().expect("whole").is_empty());
    }
}
