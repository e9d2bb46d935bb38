//! What is drawn on: a thread of its own writes it to the terminal, which may hang for as long as
//! it likes without that anything but the screen waits for it.

use std::{
    fs::File,
    io::{self, Write},
    mem,
    os::fd::AsFd as _,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use tokio::sync::watch;

/// Tells how many pieces the terminal has not taken yet.
pub(crate) type Untaken = watch::Receiver<usize>;

/// Collects what is written until a flush, which does not wait.
pub(crate) struct Paper {
    piece: Vec<u8>,
    pieces: mpsc::Sender<Vec<u8>>,
    untaken: watch::Sender<usize>,
}

/// The thread that writes. Dropped after the paper, it waits until the terminal has taken all, or is
/// gone.
pub(crate) struct Writing {
    thread: Option<JoinHandle<()>>,
    untaken: Untaken,
}

/// Paper for the terminal of standard output. Nothing more is written once `is_over`.
pub(super) fn on_stdout(is_over: fn() -> bool) -> io::Result<(Paper, Writing)> {
    // Not `stdout()`, for whose lock all would wait who have something else to say.
    let terminal = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    on(terminal, is_over)
}

fn on(
    terminal: impl Write + Send + 'static,
    is_over: fn() -> bool,
) -> io::Result<(Paper, Writing)> {
    let (pieces, queue) = mpsc::channel();
    let (untaken, follow) = watch::channel(0);
    let taken = untaken.clone();
    let thread = thread::Builder::new()
        .name("terminal".into())
        .spawn(move || {
            write(terminal, queue, &taken, is_over);
            // Nobody waits for what is gone.
            taken.send_replace(0);
        })?;
    let paper = Paper {
        piece: Vec::new(),
        pieces,
        untaken,
    };
    let writing = Writing {
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
    is_over: fn() -> bool,
) {
    for piece in queue {
        if is_over() || terminal.write_all(&piece).is_err() || terminal.flush().is_err() {
            return;
        }
        taken.send_modify(|untaken| *untaken -= 1);
    }
}

impl Writing {
    pub(super) fn untaken(&self) -> Untaken {
        self.untaken.clone()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = mem::take(&mut self.piece);
        let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone");
        // First, so that it is never counted as taken before it is as given.
        self.untaken.send_modify(|untaken| *untaken += 1);
        self.pieces.send(piece).map_err(|_| gone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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

    fn slow(is_over: fn() -> bool) -> (Paper, Writing, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permits) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let terminal = Slow {
            permits,
            taken: Arc::clone(&taken),
        };
        let (paper, writing) = on(terminal, is_over).expect("a thread");
        (paper, writing, permit, taken)
    }

    fn give(paper: &mut Paper, piece: &str) -> io::Result<()> {
        paper.write_all(piece.as_bytes()).expect("kept");
        paper.flush()
    }

    #[tokio::test]
    async fn a_flush_does_not_wait_and_all_comes_in_order() {
        let (mut paper, writing, permit, taken) = slow(|| false);
        let mut untaken = writing.untaken();
        for piece in ["one", "two", "three"] {
            give(&mut paper, piece).expect("given");
        }
        paper.flush().expect("nothing to give");
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
        let (mut paper, writing, permit, _) = slow(|| false);
        drop(permit);
        give(&mut paper, "one").expect("given");
        let untaken = writing.untaken();
        drop(writing);
        assert_eq!(*untaken.borrow(), 0, "the next frame is not held up");
        give(&mut paper, "two").expect_err("gone");
    }

    #[test]
    fn nothing_is_written_once_it_is_over() {
        let (mut paper, writing, permit, taken) = slow(|| true);
        permit.send(()).expect("it waits");
        give(&mut paper, "one").expect("given");
        drop(paper);
        drop(writing);
        assert!(taken.lock().expect("whole").is_empty());
    }
}
