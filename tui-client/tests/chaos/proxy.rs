//! A proxy for connections that can be cut, delayed and stalled.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    time::{sleep, timeout},
};

/// What happens to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They pass.
    Pass,
    /// They pass after this delay.
    Delay(Duration),
    /// Nothing passes, and neither side is informed.
    Stall,
    /// All connections end; new ones pass.
    Cut,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    /// The mode, and how often connections were cut.
    mode: watch::Sender<(Mode, u64)>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (mode, seen) = watch::channel((Mode::Pass, 0));
        let target = target.to_owned();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // Without a server the client's connection ends at once.
                let Ok(far) = TcpStream::connect(&target).await else {
                    continue;
                };
                tokio::spawn(carry(near, far, seen.clone()));
            }
        });
        Self { address, mode }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_modify(|(now, cuts)| {
            if mode == Mode::Cut {
                *cuts += 1;
            } else {
                *now = mode;
            }
        });
    }
}

async fn carry(near: TcpStream, far: TcpStream, mut mode: watch::Receiver<(Mode, u64)>) {
    let cuts = mode.borrow().1;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pump(near_read, far_write, mode.clone()) => {}
        () = pump(far_read, near_write, mode.clone()) => {}
        _ = mode.wait_for(|(_, now)| *now > cuts) => {}
    }
}

async fn pump(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<(Mode, u64)>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let passes = mode.wait_for(|(now, _)| *now != Mode::Stall).await;
        let Ok((mode, _)) = passes.map(|mode| *mode) else {
            return;
        };
        match timeout(Duration::from_millis(20), from.read(&mut buffer)).await {
            Err(_) => {}
            Ok(Ok(count @ 1..)) => {
                if let Mode::Delay(time) = mode {
                    sleep(time).await;
                }
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            Ok(_) => return,
        }
    }
}
