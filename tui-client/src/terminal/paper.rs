//! What is drawn on: a thread of its own writes it to the terminal, which may hang for as long as
//! it likes without that anything but the screen waits for it.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use tokio::sync::watch;

/// Tells how many pieces the terminal has not taken yet.
pub(crate) type Unwritten = watch::Receiver<usize>;

/// Takes what is to be written, and does not wait.
pub(crate) struct FrameWriter {
    pieces: mpsc::Sender<Vec<u8>>,
    untaken: watch::Sender<usize>,
}

/// Held while something is written to the terminal.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until nothing else is being written to the terminal.
pub(super) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that writes. Dropped after the paper, it waits until the terminal has taken all, or is
/// gone.
pub(crate) struct WriterThread {
    thread: Option<JoinHandle<()>>,
    untaken: Unwritten,
}

/// Paper for the terminal of standard output. Nothing is written while it is given back.
pub(super) fn on_stdout() -> io::Result<(FrameWriter, WriterThread)> {
    on(super::Tty, super::is_given_back)
}

fn on(
    terminal: impl Write + Send + 'static,
    is_given_back: fn() -> bool,
) -> io::Result<(FrameWriter, WriterThread)> {
    let (pieces, queue) = mpsc::channel();
    let (untaken, follow) = watch::channel(0);
    let taken = untaken.clone();
    let thread = thread::Builder::new()
        .name("terminal".into())
        .spawn(move || {
            write(terminal, queue, &taken, is_given_back);
            // Nobody waits for what is gone.
            taken.send_replace(0);
        })?;
    let paper = FrameWriter { pieces, untaken };
    let writing = WriterThread {
        thread: Some(thread),
        untaken: follow,
    };
    Ok((paper, writing))
}

/// Ends when the terminal is gone, or nothing more can come.
fn write(
    mut terminal: impl Write,
    queue: mpsc::Receiver<Vec<u8>>,
    taken: &watch::Sender<usize>,
    is_given_back: fn() -> bool,
) {
    for piece in queue {
        let turn = turn();
        // Who takes it again draws all anew.
        let written = is_given_back()
            || terminal
                .write_all(&piece)
                .and_then(|()| terminal.flush())
                .is_ok();
        drop(turn);
        if !written {
            return;
        }
        taken.send_modify(|untaken| *untaken -= 1);
    }
}

impl WriterThread {
    pub(super) fn untaken(&self) -> Unwritten {
        self.untaken.clone()
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
    /// # Errors
    /// The terminal is gone.
    pub(super) fn give(&self, piece: Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone");
        // First, so that it is never counted as taken before it is as given.
        self.untaken.send_modify(|untaken| *untaken += 1);
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
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits
                .recv()
                .map_err(|_| io::Error::other("it is gone"))?;
            self.taken.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(
        is_given_back: fn() -> bool,
    ) -> (FrameWriter, WriterThread, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permits) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let terminal = Slow {
            permits,
            taken: Arc::clone(&taken),
        };
        let (paper, writing) = on(terminal, is_given_back).expect("a thread");
        (paper, writing, permit, taken)
    }

    fn give(paper: &FrameWriter, piece: &str) -> io::Result<()> {
        paper.give(piece.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn giving_does_not_wait_and_all_comes_in_order() {
        let (paper, writing, permit, taken) = slow(|| false);
        let mut untaken = writing.untaken();
        for piece in ["one", "two", "three"] {
            give(&paper, piece).expect("given");
        }
        assert_eq!(*untaken.borrow(), 3);
        permit.send(()).expect("it waits");
        let _ = untaken.wait_for(|untaken| *untaken == 2).await;
        assert_eq!(*taken.lock().expect("whole"), b"one");
        for _ in 0..2 {
            permit.send(()).expect("it waits");
        }
        drop(paper);
        drop(writing);
        assert_eq!(*taken.lock().expect("whole"), b"onetwothree");
        assert_eq!(*untaken.borrow(), 0);
    }

    #[test]
    fn a_terminal_that_is_gone_is_told() {
        let (paper, writing, permit, _) = slow(|| false);
        drop(permit);
        give(&paper, "one").expect("given");
        let untaken = writing.untaken();
        drop(writing);
        assert_eq!(*untaken.borrow(), 0, "the next frame is not held up");
        give(&paper, "two").expect_err("gone");
    }

    #[test]
    fn nothing_is_written_while_it_is_given_back() {
        let (paper, writing, permit, taken) = slow(|| true);
        permit.send(()).expect("it waits");
        give(&paper, "one").expect("given");
        drop(paper);
        drop(writing);
        assert!(taken.lock().expect("whole").is_empty());
    }
}
