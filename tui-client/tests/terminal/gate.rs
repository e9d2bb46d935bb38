//! A connection that can be held: what is sent in either direction waits until it is released.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

/// A direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// To the server.
    Up,
    /// To the client.
    Down,
}

/// A gate in front of a server.
pub(crate) struct Gate {
    pub(crate) url: String,
    up: Arc<Bar>,
    down: Arc<Bar>,
}

/// Whether it is held, with a signal for each change.
#[derive(Default)]
struct Bar(Mutex<bool>, Condvar);

impl Bar {
    fn set(&self, held: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.1.notify_all();
    }

    fn pass(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.1.wait_while(held, |held| *held));
    }
}

impl Gate {
    /// A gate in front of the server at this address.
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (up, down) = (Arc::<Bar>::default(), Arc::<Bar>::default());
        let bars = (Arc::clone(&up), Arc::clone(&down));
        let server = server.to_owned();
        // It ends with the test's process.
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(&server) else {
                    continue;
                };
                let (near_up, far_up) = (near.try_clone(), far.try_clone());
                let (Ok(near_up), Ok(far_up)) = (near_up, far_up) else {
                    continue;
                };
                let (up, down) = (Arc::clone(&bars.0), Arc::clone(&bars.1));
                thread::spawn(move || carry(near_up, far_up, &up));
                thread::spawn(move || carry(far, near, &down));
            }
        });
        Self {
            url: format!("http://{address}"),
            up,
            down,
        }
    }

    /// Holds both directions.
    pub(crate) fn hold(&self) {
        self.up.set(true);
        self.down.set(true);
    }

    /// Releases what was held in this direction, and what follows.
    pub(crate) fn release(&self, way: Way) {
        match way {
            Way::Up => self.up.set(false),
            Way::Down => self.down.set(false),
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, bar: &Bar) {
    let _ = to.set_nodelay(true);
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        bar.pass();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
