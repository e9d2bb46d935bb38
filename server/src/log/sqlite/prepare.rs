//! Prepares a chat's file for writing, after it was examined.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use chitty_chat::{files, secret::FillRandom};
use rusqlite::Connection;

use super::{
    Extent, OpenError,
    mark::{self, MarkFile, Marked},
    open::{self, FoundFiles},
    rows::ChatRow,
    schema,
    verify::scan_rows,
    watch::Watched,
    writer::OpenedChat,
};

/// Upgrades the chat in this file to the newest schema, begins a new epoch if it is a backup, and
/// opens everything that the writer needs.
pub(super) fn prepare(
    path: &Path,
    found: &FoundFiles,
    create_mark: bool,
    watched: &[PathBuf],
    random: FillRandom<'_>,
) -> Result<(Arc<str>, OpenedChat), OpenError> {
    make_private(path).map_err(OpenError::file(path))?;
    let mut connection = Connection::open(path).map_err(schema::failed(path))?;
    renew(&mut connection, path, found, random)?;
    let (extent, chain) = reach(&connection, path, found)?;
    let epoch = ChatRow::verified(&connection)
        .map_err(|problem| OpenError::damaged(path, problem))?
        .epoch;
    if let Some(before) = &found.replaced {
        open::say(&format!(
            "{} is in the place of another chat, of epoch {}, which reached to position {}",
            path.display(),
            before.epoch,
            before.position
        ));
    }
    if create_mark {
        say_what_is_not_known(path, found);
    }
    let mark_path = mark::mark_file(path);
    let mut mark =
        MarkFile::open(path, &epoch, create_mark).map_err(OpenError::file(&mark_path))?;
    if let Some(mark) = &mut mark {
        mark.write(extent.head, chain)
            .and_then(|()| mark.sync())
            .map_err(OpenError::file(&mark_path))?;
    }
    let page: i64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(schema::failed(path))?;
    let watched = Watched::new(path, watched, page.cast_unsigned())
        .map_err(|changed| OpenError::file(path)(io::Error::other(changed)))?;
    let opened = OpenedChat {
        connection,
        extent: Arc::new(Mutex::new(extent)),
        chain,
        mark,
        watched,
    };
    Ok((epoch, opened))
}

/// Reports a mark that is missing, or older than the chat. That is no reason not to serve: a power
/// cut may leave an older one, and a chat may have been moved without it. But then a missing end
/// cannot be detected.
fn say_what_is_not_known(path: &Path, found: &FoundFiles) {
    let (path, mark) = (path.display(), mark::mark_file(path));
    let mark = mark.display();
    match found.marked {
        Marked::Nothing => open::say(&format!(
            "{mark} is not there or cannot be read, so it is not known whether the end of {path} is \
             missing; a new one is made"
        )),
        Marked::UpTo(position) => open::say(&format!(
            "{mark} reaches to position {position} only, as after a power cut, so it is not known \
             whether what came after it is all in {path}"
        )),
        Marked::All | Marked::Another | Marked::Needless => {}
    }
}

/// Upgrades the schema, and begins a new epoch if the file is a backup.
///
/// A backup is not in WAL mode. Its new epoch is in the file itself before there is a write-ahead
/// log, so that later a foreign write-ahead log can be told by its epoch.
fn renew(
    connection: &mut Connection,
    path: &Path,
    found: &FoundFiles,
    random: FillRandom<'_>,
) -> Result<(), OpenError> {
    let failed = schema::failed(path);
    schema::upgrade(connection, found.version, random).map_err(&failed)?;
    if found.is_backup() {
        schema::begin_new_life(connection, random)
            .map_err(|problem| OpenError::damaged(path, problem))?;
    }
    schema::configure(connection).map_err(&failed)?;
    if is_old(found) || found.is_backup() {
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(&failed)?;
    }
    Ok(())
}

const fn is_old(found: &FoundFiles) -> bool {
    found.version < schema::WITH_CHECKSUMS
}

/// What the log holds, and the chain at its end.
fn reach(
    connection: &Connection,
    path: &Path,
    found: &FoundFiles,
) -> Result<(Extent, u32), OpenError> {
    let damaged = |problem| OpenError::damaged(path, problem);
    match &found.state {
        Some(state) if !is_old(found) => Ok((state.extent, state.chain)),
        _ => scan_rows(connection, schema::MIGRATIONS.len())
            .map(|state| (state.extent, state.chain))
            .map_err(damaged),
    }
}

/// Creates the file if needed, readable by its owner only: a chat is private to its participants.
fn make_private(path: &Path) -> io::Result<()> {
    files::open_own(path, OpenOptions::new().create(true).append(true)).map(drop)
}
