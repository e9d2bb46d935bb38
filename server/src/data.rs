//! The folder in which a chat lives, and the lock that keeps it one server's.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chitty_chat::files;
use etcetera::BaseStrategy as _;
use thiserror::Error;

/// The bits of a mode by which others than the owner can do something.
const OTHERS: u32 = 0o077;
/// A folder with this bit is meant for everybody, as `/tmp` is.
const STICKY: u32 = 0o1000;

/// The folder of a chat, locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Closing it unlocks, however the process ends.
    _lock: File,
}

/// Why a folder cannot be had.
#[derive(Debug, Error)]
pub enum DataError {
    /// Another server has it.
    #[error("another server{} has the chat in {}; connect to it, or choose another folder with --data", of_process(*owner), path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other server's process id.
        owner: Option<u32>,
    },
    /// `check` or `backup` reads it, and no server has it.
    #[error("the chat in {} is being checked or copied; try again when that is done, or choose another folder with --data", path.display())]
    Read {
        /// The folder.
        path: PathBuf,
    },
    /// The lock is not this user's, or cannot be made.
    #[error("cannot use {}: {source}; remove it if it is not yours, or choose another folder with --data", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be made or written.
    #[error("cannot use the folder {}: {source}; choose another with --data", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Makes sure that nobody else can reach what is in the folder, or have a lock on it.
///
/// A folder of a chat is closed. One that has other things in it, such as a home, is left as it is
/// if others cannot write there: the files of the chat are closed by themselves.
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

fn of_process(owner: Option<u32>) -> String {
    owner.map_or_else(String::new, |id| format!(" (process {id})"))
}

impl DataDir {
    /// Makes the folder if it is not there, and locks it.
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
            // Who only reads it shares the lock, and has not written there who it is.
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

    /// The file of the chat.
    pub fn chat(&self) -> PathBuf {
        chat_file(&self.path)
    }

    /// What has to stay in its place for as long as this lives: without the folder and its lock
    /// another server would take the chat.
    pub fn watched(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), lock_file(&self.path)]
    }
}

/// The file of the chat in this folder.
pub fn chat_file(folder: &Path) -> PathBuf {
    folder.join("chat.db")
}

/// The file in this folder that its server has locked.
pub(crate) fn lock_file(folder: &Path) -> PathBuf {
    folder.join("lock")
}

/// Where a chat lives unless said otherwise: `chitty-chat` in the user's XDG data folder, or here
/// where there is no home.
pub fn default_data_dir() -> PathBuf {
    etcetera::base_strategy::Xdg::new().map_or_else(
        |_| PathBuf::from("chitty-chat-data"),
        |xdg| xdg.data_dir().join("chitty-chat"),
    )
}

/// Opens the lock, closed to others. One that other users have locked, while it was open to them,
/// is replaced.
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

/// The users whose processes have a lock on this file (flock(2)), as far as Linux tells.
fn holders(inode: u64) -> Vec<u32> {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let file = fields.get(5)?;
        let is_this =
            fields.get(1) == Some(&"FLOCK") && file.rsplit(':').next()?.parse() == Ok(inode);
        let process = fs::metadata(Path::new("/proc").join(fields.get(4)?));
        // Of a process that cannot be seen, root's is assumed: that is left alone.
        is_this.then(|| process.map_or(0, |process| process.uid()))
    };
    locks.lines().filter_map(holder).collect()
}

/// For the error message of whoever comes second.
fn write_owner(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())
}

fn read_owner(lock: &mut File) -> Option<u32> {
    let mut owner = String::new();
    lock.take(32).read_to_string(&mut owner).ok()?;
    owner.trim().parse().ok()
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
        assert!(matches!(
            second,
            Err(DataError::Locked { owner: Some(owner), .. }) if owner == std::process::id()
        ));
        drop(first);
        DataDir::open(&path).expect("it is free again");
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
