//! The Unix socket in the data folder, by which this user and root reach the server without a port.
//!
//! The lock of the data folder is held for as long as the socket is open, so a socket file that is
//! already there belongs to a server that has ended, and is replaced.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener as StdListener,
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use chitty_chat::{
    files::{self, FileIdentity},
    local::{self, ANYBODY, SOCKET},
};
use chitty_room::Identity;
use rustix::fs::renameat;
use thiserror::Error;
use tokio::{
    net::{UnixListener, UnixStream},
    task::{AbortHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use super::{Arrival, Encryption, THIS_MACHINE};

/// How often the socket file is checked. Tools that sweep folders may remove it.
const CHECK: Duration = Duration::from_secs(5);

/// The name of the socket until it has its mode.
const UNFINISHED: &str = "chat.sock.new";

/// Why there is no Unix socket.
#[derive(Debug, Error)]
pub enum UnixDoorError {
    /// There is another kind of file in its place.
    #[error("{} is in the way of the server's socket; remove it", path.display())]
    Occupied {
        /// The path of the file.
        path: PathBuf,
    },
    /// The system refuses it.
    #[error("cannot listen on {}: {source}", path.display())]
    Refused {
        /// The path of the socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The socket, which is bound again if its file disappears, and removed when this is dropped.
#[derive(Debug)]
pub struct UnixDoor {
    place: Arc<Place>,
    watcher: AbortHandle,
    /// Connections of other users that were refused.
    refused: AtomicU64,
}

/// Where the socket is, and what is bound there.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    data: PathBuf,
    folder: File,
    bound: Mutex<Bound>,
}

#[derive(Debug)]
struct Bound {
    listener: UnixListener,
    file: FileIdentity,
    /// The waker of the accept loop, which has to look at the new socket after a rebind.
    waiter: Option<Waker>,
}

impl UnixDoor {
    /// Binds the socket in this data folder, whose lock the caller holds. It needs a runtime.
    pub fn bind(data: &Path) -> Result<Self, UnixDoorError> {
        let path = data.join(SOCKET);
        let refused = |source| UnixDoorError::Refused {
            path: path.clone(),
            source,
        };
        let folder = File::open(data).map_err(refused)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(UnixDoorError::Occupied { path });
            }
            Ok(_) | Err(_) => {}
        }
        let (listener, file) = bind(&folder, data).map_err(refused)?;
        let bound = Bound {
            listener: UnixListener::from_std(listener).map_err(refused)?,
            file,
            waiter: None,
        };
        let place = Arc::new(Place {
            path,
            data: data.to_owned(),
            folder,
            bound: Mutex::new(bound),
        });
        let watcher = tokio::spawn(Arc::clone(&place).watch()).abort_handle();
        Ok(Self {
            place,
            watcher,
            refused: AtomicU64::new(0),
        })
    }

    /// The path of the socket.
    pub fn path(&self) -> &Path {
        &self.place.path
    }

    /// The next connection of this user or of root.
    pub(super) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Arrival<UnixStream>>> {
        loop {
            let mut bound = self.place.bound();
            let Poll::Ready(accepted) = bound.listener.poll_accept(cx) else {
                bound.waiter = Some(cx.waker().clone());
                return Poll::Pending;
            };
            drop(bound);
            let (stream, _) = accepted?;
            let user = local::peer_user(&stream)?;
            if is_operator(user, files::effective_user()) {
                return Poll::Ready(Ok(Arrival {
                    stream,
                    address: THIS_MACHINE,
                    encryption: Encryption::Never,
                    identity: Identity::User(user),
                }));
            }
            self.refuse(user);
        }
    }

    fn refuse(&self, user: u32) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // Logged at powers of two only: an attack must not fill the log.
        if refused.is_power_of_two() {
            let user = files::user_name(user);
            warn!(
                refused,
                user, "other users of this machine are refused at the socket"
            );
        }
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        self.watcher.abort();
        let file = self.place.bound().file;
        if identity(&self.place.path).is_ok_and(|found| found == file) {
            // If it stays, the next server replaces it.
            let _ = fs::remove_file(&self.place.path);
        }
    }
}

/// Whether this user may use the socket of a server that runs as `own`. The user that stands for
/// unknown ones is never let in, even if the server runs as that user.
const fn is_operator(user: u32, own: u32) -> bool {
    user == 0 || (user == own && user != ANYBODY)
}

impl Place {
    fn bound(&self) -> MutexGuard<'_, Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds the socket again whenever its file is gone or another one.
    async fn watch(self: Arc<Self>) {
        let mut times = interval(CHECK);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            times.tick().await;
            let place = Arc::clone(&self);
            // Not on a thread of the runtime, because the disk may hang.
            let Ok(checked) = spawn_blocking(move || place.check()).await else {
                return;
            };
            match checked.and_then(|new| new.map(|new| self.replace(new)).transpose()) {
                Ok(None) => {}
                Ok(Some(())) => {
                    is_failing = false;
                    info!(socket = %self.path.display(), "the socket was gone and is bound again");
                }
                Err(error) => {
                    if !is_failing {
                        let socket = self.path.display();
                        warn!(%socket, %error, "the socket is gone and cannot be bound again");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// A new socket, if the old one is not at its path any more.
    fn check(&self) -> io::Result<Option<(StdListener, FileIdentity)>> {
        let file = self.bound().file;
        match identity(&self.path) {
            Ok(found) if found == file => Ok(None),
            _ => bind(&self.folder, &self.data).map(Some),
        }
    }

    fn replace(&self, (listener, file): (StdListener, FileIdentity)) -> io::Result<()> {
        let listener = UnixListener::from_std(listener)?;
        let mut bound = self.bound();
        bound.listener = listener;
        bound.file = file;
        if let Some(waiter) = bound.waiter.take() {
            waiter.wake();
        }
        Ok(())
    }
}

/// Binds the socket under another name, makes it private, and puts it in its place.
fn bind(folder: &File, data: &Path) -> io::Result<(StdListener, FileIdentity)> {
    let unfinished = local::address(folder, data, UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = StdListener::bind(&unfinished)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    let file = identity(&unfinished)?;
    renameat(folder, UNFINISHED, folder, SOCKET)?;
    Ok((listener, file))
}

fn identity(path: &Path) -> io::Result<FileIdentity> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::{sleep, timeout};

    use super::*;

    async fn accept(door: &UnixDoor) -> Arrival<UnixStream> {
        let accepted = poll_fn(|cx| door.poll_accept(cx));
        let accepted = timeout(Duration::from_secs(20), accepted).await;
        accepted.expect("in time").expect("accepted")
    }

    #[test]
    fn only_the_servers_user_and_root_are_operators() {
        for (user, own, operator) in [
            (1000, 1000, true),
            (0, 1000, true),
            (1001, 1000, false),
            (1000, 0, false),
            (ANYBODY, 1000, false),
            (ANYBODY, ANYBODY, false),
            (0, ANYBODY, true),
        ] {
            assert_eq!(is_operator(user, own), operator, "{user} at {own}");
        }
    }

    #[tokio::test]
    async fn the_socket_is_private_and_says_who_comes() {
        let data = tempfile::tempdir().expect("a folder");
        let door = UnixDoor::bind(data.path()).expect("bound");
        let mode = fs::metadata(door.path()).expect("there").mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert!(!data.path().join(UNFINISHED).exists());
        let _client = local::dial(data.path()).expect("it listens");
        let arrival = accept(&door).await;
        let own = files::effective_user();
        assert_eq!(arrival.identity, Identity::User(own));
        assert!(matches!(arrival.encryption, Encryption::Never));
        let path = door.path().to_owned();
        drop(door);
        assert!(!path.exists(), "it is removed at the end");
    }

    #[tokio::test]
    async fn a_socket_that_was_left_over_is_replaced_and_nothing_else_is() {
        let data = tempfile::tempdir().expect("a folder");
        let path = data.path().join(SOCKET);
        drop(StdListener::bind(&path).expect("bound"));
        drop(UnixDoor::bind(data.path()).expect("replaced"));
        fs::write(&path, "precious").expect("written");
        let error = UnixDoor::bind(data.path()).expect_err("in the way");
        assert!(error.to_string().contains("is in the way"), "{error}");
        assert_eq!(fs::read(&path).expect("there"), b"precious");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_gone_is_bound_again_while_somebody_waits_for_it() {
        let data = tempfile::tempdir().expect("a folder");
        let door = Arc::new(UnixDoor::bind(data.path()).expect("bound"));
        let other = Arc::clone(&door);
        let accepting = tokio::spawn(async move { accept(&other).await.identity });
        for remove in [
            |path: &Path| fs::remove_file(path),
            // Another server's, or a trap, in its place.
            |path: &Path| {
                fs::remove_file(path)?;
                StdListener::bind(path).map(drop)
            },
        ] {
            remove(door.path()).expect("removed");
            sleep(CHECK).await;
            while local::dial(data.path()).is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        }
        assert!(matches!(
            accepting.await.expect("it ran"),
            Identity::User(_)
        ));
    }

    #[tokio::test]
    async fn a_long_path_can_be_bound() {
        let parent = tempfile::tempdir().expect("a folder");
        let data = parent.path().join("d".repeat(120));
        fs::create_dir(&data).expect("made");
        let door = UnixDoor::bind(&data).expect("bound");
        let _client = local::dial(&data).expect("it listens");
        accept(&door).await;
    }
}
