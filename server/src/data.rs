//! The data folder of a chat, and the lock that lets only one server use it.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chitty_chat::files;
use etcetera::BaseStrategy as _;
use thiserror::Error;

/// The bits of a file mode that give others than the owner any access.
const OTHERS: u32 = 0o077;
/// The bit of a folder that is meant for everybody, as `/tmp` is.
const STICKY: u32 = 0o1000;

/// The folder of a chat, locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Closing the file releases the lock, however the process ends.
    _lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// Another server is using it.
    #[error("another server{} has the chat in {}; connect to it, or choose another folder with --data", of_owner(owner.as_ref()), path.display())]
    Locked {
        /// The path of the folder.
        path: PathBuf,
        /// The other server, if it is known.
        owner: Option<LockOwner>,
    },
    /// `check` or `backup` is reading it, and no server is using it.
    #[error("the chat in {} is being checked or copied; try again when that is done, or choose another folder with --data", path.display())]
    Read {
        /// The path of the folder.
        path: PathBuf,
    },
    /// The lock belongs to another user, or cannot be created.
    #[error("cannot use {}: {source}; remove it if it is not yours, or choose another folder with --data", path.display())]
    Lock {
        /// The path of the lock.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder cannot be created or written.
    #[error("cannot use the folder {}: {source}; choose another with --data", path.display())]
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Makes sure that nobody else can read the files in the folder, or lock them.
///
/// A folder that holds only a chat is made private. One that holds other things, such as a home,
/// keeps its mode if others cannot write there: the chat's files are private by themselves.
fn close_to_others(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.mode() & 0o7777;
    let is_chats = chat_file(path).symlink_metadata().is_ok()
        || lock_file(path).symlink_metadata().is_ok()
        || fs::read_dir(path)?.next().is_none();
    let is_shared = mode & STICKY != 0;
    if mode & OTHERS != 0 && is_chats && !is_shared && files::is_own_folder(path)? {
        fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS))?;
    }
    files::check_own_folder(path)
}

/// The process that locked a data folder, as it wrote itself into the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockOwner {
    /// Its process id.
    pub process: u32,
    /// The name of its host, and the id of that host's boot. A folder on a shared disk may be
    /// locked by another machine, whose processes and sockets are not here. `None` if an older
    /// server wrote it.
    pub machine: Option<Machine>,
}

/// A machine, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of the host.
    pub host: String,
    /// The id of the boot; empty if the system has none.
    pub boot: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let host = rustix::system::uname();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self {
            host: host.nodename().to_string_lossy().into_owned(),
            boot: boot.unwrap_or_default().trim().to_owned(),
        }
    }
}

fn of_owner(owner: Option<&LockOwner>) -> String {
    match owner {
        None => String::new(),
        Some(LockOwner {
            process,
            machine: Some(machine),
        }) if *machine != Machine::this() => {
            format!(" (process {process} on {})", machine.host)
        }
        Some(LockOwner { process, .. }) => format!(" (process {process})"),
    }
}

impl DataDir {
    /// Creates the folder if it does not exist, and locks it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |source| DataError::Folder {
            path: path.into(),
            source,
        };
        files::make_folder(path).map_err(failed)?;
        close_to_others(path).map_err(failed)?;
        let lock_path = lock_file(path);
        let mut lock = open_lock(&lock_path).map_err(|source| DataError::Lock {
            path: lock_path,
            source,
        })?;
        match lock.try_lock() {
            Ok(()) => {
                write_owner(&mut lock).map_err(failed)?;
                Ok(Self {
                    path: path.into(),
                    _lock: lock,
                })
            }
            // A reader holds a shared lock, and has not written its process id there.
            Err(TryLockError::WouldBlock) if lock.try_lock_shared().is_ok() => {
                Err(DataError::Read { path: path.into() })
            }
            Err(TryLockError::WouldBlock) => Err(DataError::Locked {
                path: path.into(),
                owner: read_owner(&mut lock),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the chat.
    pub fn chat(&self) -> PathBuf {
        chat_file(&self.path)
    }

    /// The paths that must stay in place while this lives: without the folder and its lock, another
    /// server would open the chat.
    pub fn watched(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), lock_file(&self.path)]
    }
}

/// The file of the chat in this folder.
pub fn chat_file(folder: &Path) -> PathBuf {
    folder.join("chat.db")
}

/// The file in this folder that a server locks.
pub(crate) fn lock_file(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// The default data folder: `chitty-chat` in the user's XDG data folder, or `chitty-chat-data` here
/// if there is no home.
pub fn default_data_dir() -> PathBuf {
    etcetera::base_strategy::Xdg::new().map_or_else(
        |_| PathBuf::from("chitty-chat-data"),
        |xdg| xdg.data_dir().join("chitty-chat"),
    )
}

/// Opens the lock file, and makes it private. If other users hold a lock on it, from a time when it
/// was not private, it is replaced.
fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let lock = files::open_own(path, &mut options)?;
    let holders = holders(lock.metadata()?.ino());
    let is_foreign = |user: &u32| *user != 0 && *user != files::effective_user();
    if holders.is_empty() || !holders.iter().all(is_foreign) {
        return Ok(lock);
    }
    fs::remove_file(path)?;
    files::open_own(path, &mut options)
}

/// The users whose processes hold a lock (flock(2)) on this file, as far as Linux shows them.
fn holders(inode: u64) -> Vec<u32> {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let file = fields.get(5)?;
        let is_this =
            fields.get(1) == Some(&"FLOCK") && file.rsplit(':').next()?.parse() == Ok(inode);
        let process = fs::metadata(Path::new("/proc").join(fields.get(4)?));
        // If the process cannot be seen, root is assumed, whose locks are respected.
        is_this.then(|| process.map_or(0, |process| process.uid()))
    };
    locks.lines().filter_map(holder).collect()
}

/// Writes who has the lock, for the error message of a second server: the process id, and on the
/// next line the host and its boot.
fn write_owner(lock: &mut File) -> io::Result<()> {
    let Machine { host, boot } = Machine::this();
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}\n{host} {boot}", std::process::id())
}

fn read_owner(lock: &mut File) -> Option<LockOwner> {
    // A host's name has at most 64 bytes on Linux, and a boot's id 36.
    let mut owner = String::new();
    lock.take(256).read_to_string(&mut owner).ok()?;
    parse_owner(&owner)
}

fn parse_owner(owner: &str) -> Option<LockOwner> {
    let mut lines = owner.lines();
    let process = lines.next()?.trim().parse().ok()?;
    let machine = lines.next().and_then(|line| line.split_once(' '));
    let machine = machine.map(|(host, boot)| Machine {
        host: host.to_owned(),
        boot: boot.to_owned(),
    });
    Some(LockOwner { process, machine })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_servers_at_a_time() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("deep/data");
        let first = DataDir::open(&path).expect("nobody has it");
        let second = DataDir::open(&path);
        let this = LockOwner {
            process: std::process::id(),
            machine: Some(Machine::this()),
        };
        assert!(matches!(
            second,
            Err(DataError::Locked { owner: Some(owner), .. }) if owner == this
        ));
        drop(first);
        DataDir::open(&path).expect("it is free again");
    }

    #[test]
    fn a_server_on_another_machine_is_named_with_it() {
        let of = |lock: &str| of_owner(parse_owner(lock).as_ref());
        let Machine { host, boot } = Machine::this();
        assert_eq!(of(&format!("12\n{host} {boot}\n")), " (process 12)");
        assert_eq!(of("12\nfar 0-1\n"), " (process 12 on far)");
        // The same host after it started anew: that process is gone.
        let before = of(&format!("12\n{host} 0-1\n"));
        assert_eq!(before, format!(" (process 12 on {host})"));
        assert_eq!(of("12\n"), " (process 12)", "by an older server");
        assert_eq!(of("what\n"), "");
    }

    #[test]
    fn who_reads_a_chat_is_not_taken_for_the_server_that_had_it() {
        let parent = tempfile::tempdir().expect("a folder");
        drop(DataDir::open(parent.path()).expect("nobody has it"));
        let reader = File::open(lock_file(parent.path())).expect("it is there");
        reader.try_lock_shared().expect("free");
        let server = DataDir::open(parent.path());
        assert!(matches!(server, Err(DataError::Read { .. })), "{server:?}");
        drop(reader);
        DataDir::open(parent.path()).expect("it is free again");
    }
}
