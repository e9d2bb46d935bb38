//! The floor: the least that a broadcast can cost without batching for each receiver. It is an
//! epoll loop with one write(2) for each receiver and wake-up.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::AsFd as _,
};

use rustix::event::epoll;

/// The first byte of a connection that receives messages.
pub(crate) const RECEIVER: u8 = b'R';
/// The first byte of a connection that sends messages.
pub(crate) const SENDER: u8 = b'S';

const LISTENER: u64 = u64::MAX;

/// Serves until it is killed.
pub(crate) fn run(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let interest = epoll::EventFlags::IN;
    epoll::add(
        &poll,
        &listener,
        epoll::EventData::new_u64(LISTENER),
        interest,
    )?;
    let mut senders: Vec<TcpStream> = Vec::new();
    let mut receivers: Vec<TcpStream> = Vec::new();
    let mut ready = Vec::with_capacity(64);
    let mut texts = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        ready.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut ready), None)?;
        texts.clear();
        for event in &ready {
            if event.data.u64() == LISTENER {
                let (mut stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let mut role = [0];
                stream.read_exact(&mut role)?;
                if role == [RECEIVER] {
                    receivers.push(stream);
                } else {
                    let data = epoll::EventData::new_u64(senders.len() as u64);
                    epoll::add(&poll, stream.as_fd(), data, interest)?;
                    senders.push(stream);
                }
            } else if let Some(sender) = usize::try_from(event.data.u64())
                .ok()
                .and_then(|place| senders.get_mut(place))
            {
                // A line may be cut; with several senders that would mix two, which a floor for
                // costs may.
                let read = sender.read(&mut chunk)?;
                if read == 0 {
                    return Ok(());
                }
                texts.extend(&chunk[..read]);
            }
        }
        if !texts.is_empty() {
            for receiver in &mut receivers {
                receiver.write_all(&texts)?;
            }
        }
    }
}
