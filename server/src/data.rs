//! The folder in which a chat lives, and the lock that keeps it one server's.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;
use thiserror::Error;

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
    /// It cannot be made or written.
    #[error("cannot use the folder {}: {source}; choose another with --data", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
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
        create_private(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(lock_file(path))
            .map_err(failed)?;
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

fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
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
