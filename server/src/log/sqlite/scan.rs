//! Reads all of a file at each start, and verifies its checksums.

use std::{collections::HashSet, iter};

use chitty_chat::Position;
use rusqlite::Connection;

use super::{
    Extent, Problem,
    chat_row::{self, ChatRow},
    checksum::Checksum,
    key::{ChatNumber, RowKey},
    rows::{self, Walk},
    schema::{self, WITH_CHATS, WITH_CHECKSUMS},
    verify::inspect,
};
use crate::log::RecordFold;

/// A chat all of whose checksums were verified.
#[derive(Clone, Debug)]
pub(super) struct ScannedChat {
    pub(super) chat: ChatRow,
    pub(super) extent: Extent,
    /// The chain at the head.
    pub(super) chain: u32,
}

/// All chats of a file, the lobby first, and then in the order of their numbers.
#[derive(Clone, Debug)]
pub(super) struct ScannedFile {
    pub(super) lobby: ScannedChat,
    pub(super) others: Vec<ScannedChat>,
}

impl ScannedFile {
    pub(super) fn chats(&self) -> impl Iterator<Item = &ScannedChat> {
        iter::once(&self.lobby).chain(&self.others)
    }

    /// The chat of this number.
    pub(super) fn chat(&self, number: ChatNumber) -> Option<&ScannedChat> {
        self.chats().find(|chat| chat.chat.number == number)
    }
}

/// Reads all of a file of this schema version, and returns the first problem. It is done at each
/// start, because it costs less than folding the chats. Older versions have no checksums, so these
/// are folded. Writes nothing.
pub(super) fn scan<F: RecordFold>(
    connection: &Connection,
    version: usize,
) -> Result<ScannedFile, Problem> {
    if version < WITH_CHECKSUMS {
        let (problems, _) = inspect::<F>(connection, version);
        if let Some(problem) = problems.into_first() {
            return Err(problem);
        }
    }
    scan_rows(connection, version)
}

/// The same for a schema with checksums, whose records need not be folded.
pub(super) fn scan_rows(connection: &Connection, version: usize) -> Result<ScannedFile, Problem> {
    schema::check_tables(connection, version)?;
    // One problem is enough here; `inspect` lists all of them.
    let pages: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if pages != "ok" {
        return Err(Problem::Pages(pages));
    }
    let transaction = connection.unchecked_transaction()?;
    let chats = ChatRow::read_all(&transaction, version)?;
    require_different_names(chats.iter().map(|(chat, _)| chat))?;
    let mut scanned = Vec::with_capacity(chats.len());
    for (chat, _) in chats {
        if version >= WITH_CHECKSUMS {
            let whole = chat_row::read_snapshot_in(&transaction, version, chat.number);
            whole.map_err(|problem| problem.of(&chat.name))?;
        }
        scanned.push(ScannedChat {
            extent: empty(&chat),
            chain: chat.chain,
            chat,
        });
    }
    scan_records(&transaction, version, &mut scanned)?;
    let mut scanned = scanned.into_iter();
    let lobby = scanned.next().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(ScannedFile {
        lobby,
        others: scanned.collect(),
    })
}

/// Reads all records, each of which has to follow from the one before it in its chat.
fn scan_records(
    connection: &Connection,
    version: usize,
    scanned: &mut [ScannedChat],
) -> Result<(), Problem> {
    let mut query = connection.prepare(&select(version))?;
    let mut rows = query.query([i64::MIN, i64::MAX])?;
    // In the order of the keys, and so chat by chat.
    let mut chats = scanned.iter_mut();
    let mut current = chats.next();
    while let Some(row) = rows.next()? {
        let key = row.get(0)?;
        let number = number_of(version, key)?;
        while current.as_ref().is_some_and(|it| it.chat.number < number) {
            current = chats.next();
        }
        let chat = current.as_mut().filter(|it| it.chat.number == number);
        let chat = chat.ok_or_else(|| stray(key))?;
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let checksum = row.get::<_, Option<i64>>(2)?.map(Checksum::unpack);
        let follows = chat.follow(position_of(version, number, key), bytes, checksum);
        follows.map_err(|problem| problem.of(&chat.chat.name))?;
    }
    Ok(())
}

impl ScannedChat {
    fn follow(
        &mut self,
        position: Position,
        bytes: &[u8],
        checksum: Option<Checksum>,
    ) -> Result<(), Problem> {
        // Without a checksum it was folded, which checks the positions.
        if let Some(checksum) = checksum {
            let mut walk = Walk {
                chat: self.chat.number,
                at: self.extent.head,
                chain: Some(self.chain),
            };
            walk.step(position, bytes, checksum)?;
            self.chain = checksum.chain;
        }
        self.extent.head = position;
        self.extent.bytes += bytes.len() as u64;
        Ok(())
    }
}

pub(super) fn require_different_names<'a>(
    chats: impl Iterator<Item = &'a ChatRow>,
) -> Result<(), Problem> {
    let mut names = HashSet::new();
    for chat in chats {
        if !names.insert(&chat.name) {
            return Err(Problem::SameName(chat.name.clone()));
        }
    }
    Ok(())
}

/// The chat that a row belongs to. A file of an older version has one only, and so has each key that
/// no chat can have: there it is out of order.
pub(super) fn number_of(version: usize, key: i64) -> Result<ChatNumber, Problem> {
    if version < WITH_CHATS || key < 0 {
        return Ok(ChatNumber::LOBBY);
    }
    let number = RowKey::from_column(key).split().map(|(number, _)| number);
    number.ok_or_else(|| stray(key))
}

pub(super) fn position_of(version: usize, chat: ChatNumber, key: i64) -> Position {
    if version < WITH_CHATS {
        rows::position(key)
    } else {
        rows::position_in(chat, RowKey::from_column(key))
    }
}

pub(super) fn stray(key: i64) -> Problem {
    let number = RowKey::from_column(key)
        .split()
        .map_or(key, |(number, _)| number.get().into());
    Problem::Stray { number }
}

/// The records after a key, up to another one.
pub(super) fn select(version: usize) -> String {
    let checksum = if version < WITH_CHECKSUMS {
        "NULL"
    } else {
        "checksum"
    };
    format!(
        "SELECT position, record, {checksum} FROM records
         WHERE position > ?1 AND position <= ?2 ORDER BY position"
    )
}

pub(super) fn empty(chat: &ChatRow) -> Extent {
    Extent {
        first: chat.first,
        head: chat.first.previous(),
        base: chat.base,
        bytes: 0,
    }
}
