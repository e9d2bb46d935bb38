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
    OpenError,
    chat_row::ChatRow,
    mark::{self, MarkFile, Marked},
    open::{self, FoundFiles},
    opened::{OpenedChat, OpenedFile},
    scan::scan_rows,
    schema,
    watch::Watched,
};

/// Upgrades this file to the newest schema, begins new epochs if it is a backup, and opens
/// everything that the writer needs.
pub(super) fn prepare(
    path: &Path,
    found: &FoundFiles,
    create_mark: bool,
    watched: &[PathBuf],
    random: FillRandom<'_>,
) -> Result<OpenedFile, OpenError> {
    make_private(path).map_err(OpenError::file(path))?;
    let mut connection = Connection::open(path).map_err(schema::failed(path))?;
    renew(&mut connection, path, found, random)?;
    let chats = chats(&connection, path, found)?;
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
    let mark = open_mark(path, found, create_mark, &chats).map_err(OpenError::file(&mark_path))?;
    let page: i64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(schema::failed(path))?;
    let watched = Watched::new(path, watched, page.cast_unsigned())
        .map_err(|changed| OpenError::file(path)(io::Error::other(changed)))?;
    Ok(OpenedFile {
        connection,
        chats,
        mark,
        watched,
    })
}

/// Opens the mark, and writes the end of each chat to it.
fn open_mark(
    path: &Path,
    found: &FoundFiles,
    create: bool,
    chats: &[OpenedChat],
) -> io::Result<Option<MarkFile>> {
    let Some(mut mark) = MarkFile::open(path, create)? else {
        return Ok(None);
    };
    if !found.goes_on() {
        mark.clear()?;
    }
    for chat in chats {
        mark.add(chat.number, Arc::clone(&chat.epoch))?;
        mark.write(chat.number, chat.extent().head, chat.chain)?;
    }
    mark.sync()?;
    Ok(Some(mark))
}

/// Reports a mark that is missing, or older than the chat. That is no reason not to serve: a power
/// cut may leave an older one, and a chat may have been moved without it. But then a missing end
/// cannot be detected.
fn say_what_is_not_known(path: &Path, found: &FoundFiles) {
    let (path, mark) = (path.display(), mark::mark_file(path));
    let mark = mark.display();
    for (chat, marked) in &found.marked {
        // The lobby is the chat that is meant if none is named.
        let of = (!chat.is_lobby()).then(|| format!(" of {chat}"));
        let of = of.as_deref().unwrap_or_default();
        match marked {
            Marked::Nothing if chat.is_lobby() => open::say(&format!(
                "{mark} is not there or cannot be read, so it is not known whether the end of {path} \
                 is missing; a new one is made"
            )),
            Marked::Nothing => open::say(&format!(
                "{mark} has nothing{of}, so it is not known whether its end is missing in {path}"
            )),
            Marked::UpTo(position) => open::say(&format!(
                "{mark} reaches to position {position}{of} only, as after a power cut, so it is not \
                 known whether what came after it is all in {path}"
            )),
            Marked::All | Marked::Another | Marked::Needless => {}
        }
    }
}

/// Upgrades the schema, and begins a new epoch of each chat if the file is a backup.
///
/// A backup is not in WAL mode. Its new epochs are in the file itself before there is a write-ahead
/// log, so that later a foreign write-ahead log can be told by its epochs.
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
    if found.version < schema::MIGRATIONS.len() || found.is_backup() {
        // Loads the schema, which a migration has changed: a checkpoint that has to load it first finds
        // the file locked by itself.
        connection
            .query_row("SELECT count(*) FROM chat", [], |_| Ok(()))
            .map_err(&failed)?;
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .map_err(&failed)?;
    }
    Ok(())
}

/// The chats of the file as they are now: with the epochs that were begun, and after a migration as
/// it left them.
fn chats(
    connection: &Connection,
    path: &Path,
    found: &FoundFiles,
) -> Result<Vec<OpenedChat>, OpenError> {
    let damaged = |problem| OpenError::damaged(path, problem);
    let newest = schema::MIGRATIONS.len();
    let scanned = match &found.state {
        Some(state) if found.version == newest => state.clone(),
        _ => scan_rows(connection, newest).map_err(damaged)?,
    };
    let rows = ChatRow::all_verified(connection).map_err(damaged)?;
    let opened = rows
        .into_iter()
        .zip(scanned.chats())
        .map(|(row, scanned)| OpenedChat {
            number: row.number,
            name: row.name,
            epoch: row.epoch,
            extent: Arc::new(Mutex::new(scanned.extent)),
            chain: scanned.chain,
        });
    Ok(opened.collect())
}

/// Creates the file if needed, readable by its owner only: a chat is private to its participants.
fn make_private(path: &Path) -> io::Result<()> {
    files::open_own(path, OpenOptions::new().create(true).append(true)).map(drop)
}
