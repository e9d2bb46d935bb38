//! Reads a chat's file without touching it, whether or not a server is using it.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use chitty_chat::files;

use super::{OpenError, beside, mark, mark::Marks, open, schema};
use crate::{data, log::RecordFold};

/// A read-only connection to a chat.
pub(super) struct ReadOnly {
    pub(super) connection: Connection,
    /// The version of the schema.
    pub(super) version: usize,
    /// The ends of the chats as they were acknowledged.
    pub(super) marks: Marks,
    /// A write-ahead log beside it that belongs to another file, and was therefore not read.
    pub(super) foreign: Option<PathBuf>,
    /// Whether a server is using the chat.
    pub(super) is_live: bool,
    /// Keeps servers away while SQLite assumes that the file does not change.
    _lock: Option<File>,
}

impl ReadOnly {
    pub(super) fn open<F: RecordFold>(path: &Path) -> Result<Self, OpenError> {
        // SQLite's own message does not say that there is no file.
        let file = |source| OpenError::File {
            path: path.into(),
            source,
        };
        drop(files::open_to_read(path).map_err(file)?);
        // The files beside it have the name of the file itself, not of a link to it.
        let path = &fs::canonicalize(path).map_err(file)?;
        let (is_live, lock) = lock(path).map_err(file)?;
        // Read before the chat, which may go on meanwhile.
        let marks = mark::read(path).map_err(file)?;
        let has_log = !is_live && open::has_write_ahead_log(path);
        let is_foreign = has_log && !open::log_belongs::<F>(path);
        let (connection, version) = connect(
            path,
            WriteAheadLog::applied_if(is_live || has_log && !is_foreign),
        )?;
        if version == 0 {
            return Err(OpenError::Foreign { path: path.into() });
        }
        Ok(Self {
            connection,
            version,
            marks,
            is_live,
            foreign: is_foreign.then(|| beside(path, "-wal")),
            _lock: lock,
        })
    }
}

/// Whether a chat is read together with the write-ahead log beside it.
#[derive(Clone, Copy)]
pub(super) enum WriteAheadLog {
    /// What is in it counts.
    Applied,
    /// The file is read as if it had none, which is safe only if nobody writes to it.
    Ignored,
}

impl WriteAheadLog {
    pub(super) const fn applied_if(counts: bool) -> Self {
        if counts { Self::Applied } else { Self::Ignored }
    }
}

/// Opens a chat to read it, and returns the version of its schema; 0 for an empty file.
pub(super) fn connect(path: &Path, log: WriteAheadLog) -> Result<(Connection, usize), OpenError> {
    // Even a reader creates files beside a database in WAL mode, unless it is opened as immutable.
    // An immutable one is read without its write-ahead log, though.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let failed = schema::failed(path);
    let connection = Connection::open_with_flags(uri(path, log), flags).map_err(&failed)?;
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .map_err(&failed)?;
    let version = schema::check(&connection, path)?;
    Ok((connection, version))
}

/// Whether a server is using the folder. If not, the lock keeps servers away.
pub(super) fn lock(path: &Path) -> io::Result<(bool, Option<File>)> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = match files::open_to_read(&data::lock_file(folder)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((false, None)),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok((false, Some(file))),
        Err(TryLockError::WouldBlock) => Ok((true, None)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The path as a URI of SQLite's (<https://www.sqlite.org/uri.html>), opened read-only.
fn uri(path: &Path, log: WriteAheadLog) -> String {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(*byte),
            // Writing to a vector cannot fail.
            _ => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.extend_from_slice(match log {
        WriteAheadLog::Applied => &b"?mode=ro"[..],
        WriteAheadLog::Ignored => b"?mode=ro&immutable=1",
    });
    String::from_utf8_lossy(&uri).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataDir;

    #[test]
    fn a_name_is_the_same_in_a_uri() {
        assert_eq!(
            uri(Path::new("/a b/Chat-1_2.db"), WriteAheadLog::Applied),
            "file:/a%20b/Chat-1_2.db?mode=ro"
        );
        assert_eq!(
            uri(Path::new("what?is=100%#æ"), WriteAheadLog::Ignored),
            "file:what%3Fis%3D100%25%23%C3%A6?mode=ro&immutable=1"
        );
    }

    #[test]
    fn a_server_is_known_by_its_lock_and_kept_away_by_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = folder.path().join("chat.db");
        assert!(matches!(lock(&chat), Ok((false, None))));
        let server = DataDir::open(folder.path()).expect("ours");
        assert!(matches!(lock(&chat), Ok((true, None))));
        drop(server);
        let (is_live, lock_of_reader) = lock(&chat).expect("free");
        assert!(!is_live && lock_of_reader.is_some());
        assert!(DataDir::open(folder.path()).is_err());
        drop(lock_of_reader);
        let lock_file = data::lock_file(folder.path());
        fs::remove_file(&lock_file).expect("there");
        fs::create_dir(&lock_file).expect("made");
        lock(&chat).expect_err("no file");
    }
}
