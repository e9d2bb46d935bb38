//! Maintenance of a chat's file beside a server: checking and copying it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{files, secret::FillRandom, text::ChatName};
use rusqlite::Connection;
use thiserror::Error;

use super::{
    OpenError, Problem, Problems, Summary, beside,
    key::ChatNumber,
    mark::Marked,
    open::{self, Held},
    read_only::ReadOnly,
    scan::scan,
    schema,
    verify::inspect,
};
use crate::log::RecordFold;

/// Why a check failed.
#[derive(Debug, Error)]
pub enum CheckError {
    /// The file is not a chat, or cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The chat is damaged.
    #[error("the chat in {} is damaged: {problems}", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// All problems that were found.
        problems: Problems,
    },
}

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The source cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The target exists already.
    #[error("{} is there already; give the name of a new file", .0.display())]
    Exists(PathBuf),
    /// The copy cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// SQLite fails to copy the chat.
    #[error("cannot copy the chat: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What was found cannot be written.
    #[error("cannot write what was found: {0}")]
    Unwritten(Problem),
    /// The source is damaged.
    #[error("the chat in {0} is damaged: {problem}; chitty-server recover {0} --to NEW.db rescues what is whole", path.display())]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// The first thing that is wrong.
        problem: Problem,
    },
}

/// Reads all of the chat in this file, which a server may be using. Returns a summary of it, or all
/// that is wrong with it. Does not touch the file.
pub fn check<F: RecordFold>(path: &Path) -> Result<Summary, CheckError> {
    let chat = ReadOnly::open::<F>(path)?;
    let (mut problems, summary) = inspect::<F>(&chat.connection, chat.version);
    if let Some(log) = &chat.foreign {
        problems.add(Problem::Foreign(log.display().to_string()));
    }
    let marks = &chat.marks;
    if let Some(summary) = &summary
        && !summary.backup
        && marks
            .lobby()
            .is_none_or(|marked| *summary.epoch == *marked.epoch)
    {
        for problem in open::missing(&chat.connection, &held(summary), marks) {
            problems.add(problem);
        }
    }
    match summary {
        Some(mut summary) if problems.is_empty() => {
            compare(&chat, &mut summary);
            Ok(summary)
        }
        _ => Err(CheckError::Damaged {
            path: path.into(),
            problems,
        }),
    }
}

/// What the file has of each chat.
fn held(summary: &Summary) -> Vec<Held<'_>> {
    let others = summary.others.iter().map(|chat| Held {
        number: chat.number,
        name: &chat.name,
        epoch: &chat.epoch,
        head: chat.extent.head,
    });
    let lobby = Held {
        number: ChatNumber::LOBBY,
        name: &ChatName::LOBBY,
        epoch: &summary.epoch,
        head: summary.extent.head,
    };
    std::iter::once(lobby).chain(others).collect()
}

/// Adds to a summary what the mark shows about the end of each chat.
fn compare(chat: &ReadOnly, summary: &mut Summary) {
    let kind = (summary.backup, chat.version);
    let marked = |number, epoch: &str, head| {
        match Marked::of(chat.marks.of(number), epoch, head, kind) {
            // The mark was read before the chat, which has gone on since.
            Marked::UpTo(_) if chat.is_live => Marked::All,
            marked => marked,
        }
    };
    summary.marked = marked(ChatNumber::LOBBY, &summary.epoch, summary.extent.head);
    for chat in &mut summary.others {
        chat.marked = marked(chat.number, &chat.epoch, chat.extent.head);
    }
}

/// Makes a consistent copy of the chat in `source`, which a server may be using. Only the owner can
/// read the copy. Opening it as a chat begins another life of the log. Afterwards `target` is there
/// whole and synced, or not at all.
pub fn backup<F: RecordFold>(
    source: &Path,
    target: &Path,
    random: FillRandom<'_>,
) -> Result<(), BackupError> {
    let chat = ReadOnly::open::<F>(source)?;
    let damaged = |problem| match problem {
        Problem::Sqlite(error) => BackupError::Sqlite(error),
        problem => BackupError::Damaged {
            path: source.into(),
            problem,
        },
    };
    write_new(target, |partial| copy::<F>(&chat, partial, random, damaged))
}

/// Writes a new file under a temporary name, and renames it when it is whole and synced. Only the
/// owner can read it.
pub(super) fn write_new<T, E: From<BackupError>>(
    target: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(path),
            _ => BackupError::File { path, source },
        }
    };
    if fs::symlink_metadata(target).is_ok() {
        return Err(BackupError::Exists(target.into()).into());
    }
    let folder = folder_of(target);
    files::check_shared_folder(folder).map_err(failed(folder))?;
    let partial = beside(target, ".partial");
    // Held until the file has its name, so that another process that makes the same file is
    // refused.
    let lock = new_partial(&partial).map_err(failed(&partial))?;
    let result = write(&partial).and_then(|written| {
        sync(&partial)
            .map_err(failed(&partial))
            .and_then(|()| give_name(&partial, target).map_err(failed(target)))
            .map_err(E::from)?;
        Ok(written)
    });
    // After a success at most a second name is left, after a failure perhaps a journal, too.
    let _ = fs::remove_file(&partial);
    let _ = fs::remove_file(beside(&partial, "-journal"));
    drop(lock);
    result
}

/// Creates the temporary file, and removes what a killed process left there.
fn new_partial(path: &Path) -> io::Result<File> {
    if let Ok(left) = files::open_own(path, OpenOptions::new().write(true))
        && left.try_lock().is_ok()
    {
        fs::remove_file(path)?;
        let _ = fs::remove_file(beside(path, "-journal"));
    }
    let file = files::open_own(path, OpenOptions::new().write(true).create_new(true))?;
    file.try_lock()
        .map_err(|_| io::Error::from(io::ErrorKind::AlreadyExists))?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn copy<F: RecordFold>(
    chat: &ReadOnly,
    to: &Path,
    random: FillRandom<'_>,
    damaged: impl Fn(Problem) -> BackupError,
) -> Result<(), BackupError> {
    // One read transaction, and so one moment of the chat, while a server goes on.
    let name = to.to_str().ok_or_else(|| BackupError::File {
        path: to.into(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the name is not UTF-8"),
    })?;
    chat.connection.execute("VACUUM INTO ?1", [name])?;
    let mut copy = Connection::open(to)?;
    // The copy has the same rows with the same checksums, so that verifying it verifies the chat.
    scan::<F>(&copy, chat.version).map_err(&damaged)?;
    // A backup of an older chat gets the newest schema, and with it checksums.
    schema::upgrade(&mut copy, chat.version, random)?;
    schema::mark_restored(&mut copy).map_err(&damaged)?;
    copy.close().map_err(|(_, error)| error.into())
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives the file its name. A hard link fails if the name is taken, but not every file system has
/// hard links.
fn give_name(partial: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(partial, target) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            fs::rename(partial, target)?;
        }
        result => result?,
    }
    sync(folder_of(target))
}

#[cfg(test)]
mod tests {
    use chitty_chat::secret::os_random;

    use super::*;
    use crate::log::SqliteLog;
    use chitty_room::Fold;

    #[test]
    fn the_folder_of_a_bare_name_is_this_one() {
        assert_eq!(folder_of(Path::new("copy.db")), Path::new("."));
        assert_eq!(folder_of(Path::new("a/copy.db")), Path::new("a"));
        assert_eq!(folder_of(Path::new("/copy.db")), Path::new("/"));
    }

    #[test]
    fn who_is_first_to_have_a_name_keeps_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("partial"), "new").expect("written");
        fs::write(path("target"), "old").expect("written");
        let error = give_name(&path("partial"), &path("target")).expect_err("it is there");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(path("target")).expect("there"), b"old");
        give_name(&path("partial"), &path("free")).expect("free");
        assert_eq!(fs::read(path("free")).expect("there"), b"new");
        // A folder has no second name, as a file has none where there are no links.
        fs::create_dir(path("folder")).expect("made");
        give_name(&path("folder"), &path("moved")).expect("free");
        assert!(path("moved").is_dir() && !path("folder").exists());
    }

    #[test]
    fn who_is_making_the_same_file_is_not_disturbed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chat, copy) = (folder.path().join("chat.db"), folder.path().join("copy.db"));
        drop(SqliteLog::open::<Fold>(&chat, &mut os_random).expect("new"));
        let partial = beside(&copy, ".partial");
        let other = new_partial(&partial).expect("free");
        let error = backup::<Fold>(&chat, &copy, &mut os_random).expect_err("under way");
        assert!(matches!(error, BackupError::Exists(_)), "{error}");
        assert!(partial.exists());
        // Left by one that was killed.
        drop(other);
        backup::<Fold>(&chat, &copy, &mut os_random).expect("free");
        assert!(copy.exists() && !partial.exists());
    }
}
