//! Standard output as it is written to, also where another program left it non-blocking.

use std::io::{self, Write};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    stdio,
};

/// The terminal of standard output.
///
/// Whether it blocks is a property of the open terminal, which the shell and its other programs
/// share: one that ran before may have left it non-blocking, and to change that would be to change
/// it for them. So a terminal that is busy for a moment is waited for. Nothing is buffered.
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
        // A terminal that is gone is said by the next write.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
