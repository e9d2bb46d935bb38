//! The Unix socket of a server, in its data folder: its path, and how a client of the same user
//! connects to it.
//!
//! Both ends check the user at the other end. The mode of the socket alone does not protect a
//! client: another user may have put a socket of its own in the place.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use thiserror::Error;

use crate::files;

/// The name of the socket in the data folder.
pub const SOCKET: &str = "chat.sock";

/// The user that stands for all users that a container or a user namespace does not know
/// (`/proc/sys/kernel/overflowuid`). It may be anybody.
pub const ANYBODY: u32 = 65534;

/// The longest path in bytes that every system accepts for a socket: macOS has space for 104 with
/// the zero at the end, and Linux for 108.
const LONGEST: usize = 103;

/// Why there is no connection to the server of a data folder.
#[derive(Debug, Error)]
pub enum DialError {
    /// There is no socket, so that no server with a socket has this folder.
    #[error("there is no socket {}: no server has this chat open, or one that is too old", path.display())]
    NoSocket {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The socket is left over from a server that ended.
    #[error("no server listens on {}; start one, and it replaces the socket", path.display())]
    NobodyListens {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The process at the other end belongs to a user who has no right to this chat.
    #[error("the socket {} belongs to {owner}, so it is not used", path.display())]
    Foreign {
        /// The path of the socket.
        path: PathBuf,
        /// The name of the user.
        owner: String,
    },
    /// The system refuses the connection.
    #[error("cannot connect to {}: {source}", path.display())]
    Refused {
        /// The path of the socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Connects to the server of a data folder, without waiting. The stream is non-blocking.
///
/// The server must run as this user, as root, or as the owner of the folder. The latter lets root
/// give commands to the server of a service's user.
pub fn dial(data: &Path) -> Result<UnixStream, DialError> {
    let path = data.join(SOCKET);
    let stream = open(data).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR) => DialError::NoSocket { path: path.clone() },
        Some(Errno::CONNREFUSED) => DialError::NobodyListens { path: path.clone() },
        _ => DialError::Refused {
            path: path.clone(),
            source: error,
        },
    })?;
    let failed = |source| DialError::Refused {
        path: path.clone(),
        source,
    };
    let peer = peer_user(&stream).map_err(failed)?;
    // Read after connecting: the folder that is asked about is the one that was named.
    let owner = std::fs::metadata(data).map_err(failed)?.uid();
    if is_trusted(peer, files::effective_user(), owner) {
        Ok(stream)
    } else {
        let owner = files::user_name(peer);
        Err(DialError::Foreign { path, owner })
    }
}

/// Whether a client of the user `own` trusts a server of the user `peer`, in a folder of `owner`.
const fn is_trusted(peer: u32, own: u32, owner: u32) -> bool {
    peer == 0 || (peer != ANYBODY && (peer == own || peer == owner))
}

fn open(data: &Path) -> io::Result<UnixStream> {
    let folder = File::open(data)?;
    let address = SocketAddrUnix::new(address(&folder, data, SOCKET))?;
    #[cfg(not(target_vendor = "apple"))]
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    #[cfg(target_vendor = "apple")]
    let flags = SocketFlags::empty();
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &address)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// The path by which a socket of this name in the folder is bound or reached. A path that is too
/// long for a socket leads through the open folder, which must stay open meanwhile.
pub fn address(folder: &File, path: &Path, name: &str) -> PathBuf {
    let plain = path.join(name);
    if plain.as_os_str().len() <= LONGEST {
        return plain;
    }
    let opened = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Path::new(&opened).join(name)
}

/// The effective user of the process at the other end, at the time when it connected or listened.
pub fn peer_user(socket: impl AsFd) -> io::Result<u32> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.as_raw());
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return Ok(nix::unistd::getpeereid(socket)?.0.as_raw());
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_server_is_trusted_by_its_user() {
        let (ada, service, mallory) = (1000, 997, 1001);
        for (peer, own, owner, trusted) in [
            (ada, ada, ada, true),
            (0, ada, ada, true),
            (mallory, ada, ada, false),
            // `sudo` on the folder of a service's user.
            (service, 0, service, true),
            (mallory, 0, service, false),
            // A user whom the namespace does not know, even if this process is such a user.
            (ANYBODY, ada, ada, false),
            (ANYBODY, ANYBODY, ANYBODY, false),
            (ANYBODY, 0, ANYBODY, false),
        ] {
            assert_eq!(
                is_trusted(peer, own, owner),
                trusted,
                "{peer} {own} {owner}"
            );
        }
    }

    #[test]
    fn each_way_of_being_absent_has_its_own_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = dial(folder.path()).expect_err("no socket");
        assert!(matches!(error, DialError::NoSocket { .. }), "{error}");
        let error = dial(&folder.path().join("none")).expect_err("no folder");
        assert!(matches!(error, DialError::NoSocket { .. }), "{error}");
        drop(UnixListener::bind(folder.path().join(SOCKET)).expect("bound"));
        let error = dial(folder.path()).expect_err("left over");
        assert!(matches!(error, DialError::NobodyListens { .. }), "{error}");
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_works_all_the_same() {
        let parent = tempfile::tempdir().expect("a folder");
        let data = parent.path().join("d".repeat(120));
        std::fs::create_dir(&data).expect("made");
        let folder = File::open(&data).expect("opened");
        let listener = UnixListener::bind(address(&folder, &data, SOCKET)).expect("bound");
        let stream = dial(&data).expect("it listens");
        listener.accept().expect("connected");
        let peer = peer_user(&stream).expect("known");
        assert_eq!(peer, files::effective_user());
    }
}
