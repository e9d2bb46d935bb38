//! Examines a chat's file before anything is written to it. All of it is read and verified, and the
//! files beside it are used only if they belong to it.
//!
//! SQLite takes any file with the right name for the write-ahead log
//! (<https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use>).
//! If a backup is copied over a chat whose server was killed, the old log would be applied to it,
//! and the result is the old chat, or neither of them. So the file is read both with its
//! write-ahead log and without it, and the contents are compared.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use chitty_chat::{Position, files, text::ChatName};
use rusqlite::Connection;

use super::{
    OpenError, Problem, beside,
    chat_row::ChatRow,
    key::ChatNumber,
    mark,
    mark::{Acknowledged, Marked, Marks},
    read_only::{WriteAheadLog, connect},
    rows,
    scan::{ScannedChat, ScannedFile, scan},
    schema,
};
use crate::log::RecordFold;

/// The contents of a chat's file and of the files beside it.
#[derive(Debug, Default)]
pub(super) struct FoundFiles {
    /// The version of the schema; 0 if the file is empty or missing.
    pub(super) version: usize,
    /// `None` if it is empty.
    pub(super) state: Option<ScannedFile>,
    /// The files beside it that belong to another file.
    pub(super) foreign: Vec<PathBuf>,
    /// The mark of the lobby of another file, which this one has replaced, if it is whole.
    pub(super) replaced: Option<Acknowledged>,
    /// What the mark shows about the end of each chat.
    pub(super) marked: Vec<(ChatName, Marked)>,
}

impl FoundFiles {
    /// Whether the file goes on with the chats that the mark is about.
    pub(super) fn goes_on(&self) -> bool {
        self.state.is_some() && self.replaced.is_none() && !self.is_backup()
    }

    /// Whether it is a backup that was not opened as a chat yet.
    pub(super) fn is_backup(&self) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.lobby.chat.restored)
    }
}

/// Reads and verifies all of the chat in this file, which nobody else writes to. Neither the file
/// nor its write-ahead log is changed, unless a hot journal has to be rolled back first.
pub(super) fn examine<F: RecordFold>(path: &Path) -> Result<FoundFiles, OpenError> {
    let failed = |source| OpenError::File {
        path: path.into(),
        source,
    };
    let marked = mark::read(path).map_err(failed)?;
    let has_log = has_write_ahead_log(path);
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0) {
        let mut found = examine_all::<F>(path, has_log)?;
        compare(path, &mut found, &marked)?;
        return Ok(found);
    }
    // SQLite would delete the write-ahead log and begin an empty database.
    match marked.acknowledged() {
        None if !has_log => Ok(FoundFiles::default()),
        acknowledged => Err(OpenError::Gone {
            path: path.into(),
            acknowledged,
        }),
    }
}

fn examine_all<F: RecordFold>(path: &Path, has_log: bool) -> Result<FoundFiles, OpenError> {
    let log = beside(path, "-wal");
    let journal = beside(path, "-journal");
    let mut foreign = Vec::new();
    if is_hot(&journal) {
        // A journal is written only while there is no write-ahead log, and is needed only if the
        // file was left in the middle of a change.
        if has_log || read::<F>(path, WriteAheadLog::Ignored).is_ok_and(|(version, _)| version > 0)
        {
            put_aside(&journal)?;
        } else {
            roll_back(path)?;
        }
    }
    let is_foreign = has_log && !belongs::<F>(path)?;
    if is_foreign {
        foreign.push(log);
    }
    let (version, state) = read::<F>(path, WriteAheadLog::applied_if(has_log && !is_foreign))?;
    Ok(FoundFiles {
        version,
        state,
        foreign,
        replaced: None,
        marked: Vec::new(),
    })
}

/// Whether the write-ahead log beside this file was written to go with it.
fn belongs<F: RecordFold>(path: &Path) -> Result<bool, OpenError> {
    if is_in_rollback_mode(path) {
        return Ok(false);
    }
    match read::<F>(path, WriteAheadLog::Applied) {
        Ok((_, Some(both))) => Ok(!contradicts(path, &both)),
        // Together they are damaged. If the file is in order without the log, the log does not
        // belong to it.
        result => match (read::<F>(path, WriteAheadLog::Ignored), result) {
            (Ok((_, Some(_))), _) => Ok(false),
            (_, Ok(_)) => Ok(true),
            (_, Err(error)) => Err(error),
        },
    }
}

/// The same for a reader, which finds out by itself if the file is in order neither with the log
/// nor without it.
pub(super) fn log_belongs<F: RecordFold>(path: &Path) -> bool {
    belongs::<F>(path).unwrap_or(true)
}

/// Whether the file alone contradicts the file with its write-ahead log. Alone each of its chats must
/// be older and of the same epoch, because a new epoch is written to the file itself before anything is
/// appended. What a crash left half written may be unreadable alone; that contradicts nothing.
fn contradicts(path: &Path, both: &ScannedFile) -> bool {
    let Ok((connection, version)) = connect(path, WriteAheadLog::Ignored) else {
        return false;
    };
    let Ok(alone) = ChatRow::read_all(&connection, version) else {
        return false;
    };
    let mut alone = alone.into_iter().map(|(chat, _)| chat);
    alone.any(|alone| {
        // Earlier versions wrote a new epoch to the write-ahead log only.
        if alone.restored {
            return false;
        }
        let Some(both) = both.chat(alone.number) else {
            return true;
        };
        alone.epoch != both.chat.epoch
            || rows::last(&connection, alone.number).is_ok_and(|last| last > Some(both.extent.head))
    })
}

fn read<F: RecordFold>(
    path: &Path,
    log: WriteAheadLog,
) -> Result<(usize, Option<ScannedFile>), OpenError> {
    let (connection, version) = connect(path, log)?;
    if version == 0 {
        return Ok((0, None));
    }
    let state =
        scan::<F>(&connection, version).map_err(|problem| OpenError::damaged(path, problem))?;
    Ok((version, Some(state)))
}

/// Checks that everything that was acknowledged is there. A backup may end earlier.
fn compare(path: &Path, found: &mut FoundFiles, marks: &Marks) -> Result<(), OpenError> {
    let lobby = marks.lobby();
    let Some(state) = &found.state else {
        let acknowledged = marks.acknowledged();
        return match acknowledged.or(lobby.map(|marked| marked.position)) {
            None => Ok(()),
            acknowledged => Err(OpenError::Gone {
                path: path.into(),
                acknowledged,
            }),
        };
    };
    found.marked = what_is_marked(state, found.version, marks);
    let is_another = lobby.is_some_and(|marked| *state.lobby.chat.epoch != *marked.epoch);
    if state.lobby.chat.restored || is_another {
        found.replaced = lobby.cloned();
        return Ok(());
    }
    let log = WriteAheadLog::applied_if(found.foreign.is_empty() && has_write_ahead_log(path));
    let (connection, _) = connect(path, log)?;
    let problems = missing(&connection, &held(state), marks);
    match problems.into_iter().next() {
        None => Ok(()),
        Some(problem) => Err(OpenError::Incomplete {
            path: path.into(),
            problem: Box::new(problem),
        }),
    }
}

/// What the mark shows about the end of each chat.
fn what_is_marked(state: &ScannedFile, version: usize, marks: &Marks) -> Vec<(ChatName, Marked)> {
    let kind = (state.lobby.chat.restored, version);
    let chats = state.chats().map(|ScannedChat { chat, extent, .. }| {
        let marked = marks.of(chat.number);
        let marked = Marked::of(marked, &chat.epoch, extent.head, kind);
        (chat.name.clone(), marked)
    });
    chats.collect()
}

fn held(state: &ScannedFile) -> Vec<Held<'_>> {
    let chats = state.chats().map(|ScannedChat { chat, extent, .. }| Held {
        number: chat.number,
        name: &chat.name,
        epoch: &chat.epoch,
        head: extent.head,
    });
    chats.collect()
}

/// What a file has of a chat.
pub(super) struct Held<'a> {
    pub(super) number: ChatNumber,
    pub(super) name: &'a ChatName,
    pub(super) epoch: &'a str,
    pub(super) head: Position,
}

/// How the chats of a file differ from what was acknowledged; nothing if they do not. The mark is
/// that of this file, as far as it is known.
pub(super) fn missing(connection: &Connection, chats: &[Held<'_>], marks: &Marks) -> Vec<Problem> {
    let is_of_this_file = marks.lobby().is_some();
    let mut problems = Vec::new();
    for (number, marked) in marks.iter() {
        let chat = chats.iter().find(|chat| chat.number == number);
        match chat.filter(|chat| *chat.epoch == *marked.epoch) {
            Some(chat) => {
                let missing = missing_in(connection, number, chat.head, marked);
                problems.extend(missing.map(|problem| problem.of(chat.name)));
            }
            // Numbers are not given twice: the chat that was marked is not there.
            None if is_of_this_file => problems.push(Problem::NoChat {
                number: number.get(),
                acknowledged: marked.position,
            }),
            None => {}
        }
    }
    problems
}

/// How a log that ends at `head` differs from what was acknowledged; `None` if it does not.
fn missing_in(
    connection: &Connection,
    chat: ChatNumber,
    head: Position,
    marked: &Acknowledged,
) -> Option<Problem> {
    let position = marked.position;
    if head < position {
        return Some(Problem::End {
            head,
            acknowledged: position,
        });
    }
    match rows::chain_at(connection, chat, position) {
        // The record was dropped since, or the mark is at position 0.
        Ok(None) => None,
        Ok(Some(chain)) if chain == marked.chain => None,
        Ok(Some(_)) => Some(Problem::Diverged { position }),
        Err(error) => Some(error.into()),
    }
}

pub(super) fn has_write_ahead_log(path: &Path) -> bool {
    /// Of the log, and of a frame: <https://www.sqlite.org/fileformat2.html#walformat>.
    const HEADERS: u64 = 32 + 24;
    fs::metadata(beside(path, "-wal")).is_ok_and(|metadata| metadata.len() > HEADERS)
}

/// Both bytes say so: <https://www.sqlite.org/fileformat2.html#file_format_version_numbers>. The
/// file then never had a write-ahead log.
fn is_in_rollback_mode(path: &Path) -> bool {
    use std::os::unix::fs::FileExt as _;
    let mut versions = [0; 2];
    files::open_to_read(path)
        .and_then(|file| file.read_exact_at(&mut versions, 18))
        .is_ok_and(|()| versions == [1, 1])
}

/// A journal whose first byte is 0 was committed: <https://www.sqlite.org/lockingv3.html>.
fn is_hot(journal: &Path) -> bool {
    use std::io::Read as _;
    let mut first = [0];
    files::open_to_read(journal)
        .and_then(|mut file| file.read_exact(&mut first))
        .is_ok_and(|()| first != [0])
}

fn roll_back(path: &Path) -> Result<(), OpenError> {
    let connection = Connection::open(path).map_err(schema::failed(path))?;
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(schema::failed(path))
}

/// Renames a file that belongs to another chat, and reports it.
pub(super) fn put_aside(file: &Path) -> Result<(), OpenError> {
    /// Further names are not tried.
    const MOST: u32 = 1_000;
    let failed = |source| OpenError::File {
        path: file.into(),
        source,
    };
    for number in 1..=MOST {
        let name = beside(file, &format!(".aside-{number}"));
        if fs::symlink_metadata(&name).is_ok() {
            continue;
        }
        fs::rename(file, &name).map_err(failed)?;
        say(&format!(
            "{} does not belong to the chat beside it, and was put aside as {}",
            file.display(),
            name.display()
        ));
        return Ok(());
    }
    let reason = "there are too many files that were put aside; remove some";
    Err(failed(io::Error::other(reason)))
}

/// Reports something to the operator of the server: in the log file, and on standard error.
pub(super) fn say(text: &str) {
    tracing::warn!("{text}");
    let _ = writeln!(io::stderr(), "chitty-server: {text}");
}
