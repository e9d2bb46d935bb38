//! Writing to standard output, even if another program left it non-blocking.

use std::io::{self, Write};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio,
};

/// The terminal of standard output.
///
/// Whether it blocks is a property of the open terminal, which the shell and its other programs
/// share. A program that ran before may have left it non-blocking, and changing that would change
/// it for all of them. A busy terminal is therefore waited for here. Nothing is buffered.
pub(super) struct Tty;

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_to(bytes, |bytes| rustix::io::write(stdio::stdout(), bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_to(
    bytes: &[u8],
    mut write: impl FnMut(&[u8]) -> Result<usize, Errno>,
) -> io::Result<usize> {
    loop {
        match write(bytes) {
            Ok(count) => return Ok(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_for_space()?,
            Err(error) => return Err(error.into()),
        }
    }
}

fn wait_for_space() -> io::Result<()> {
    let stdout = stdio::stdout();
    let mut descriptors = [PollFd::new(&stdout, PollFlags::OUT)];
    match poll(&mut descriptors, None) {
        // The next write reports it if the terminal is gone.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
