//! The chats that a damaged file has, as far as it can be known.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
};

use chitty_chat::{LamportTime, Position, text::ChatName};
use rusqlite::Connection;

use super::{
    chat_row::{self, ChatRow},
    key::ChatNumber,
    read_only::{WriteAheadLog, connect},
    schema,
};
use crate::log::MOST_CHATS;

/// What is known about the snapshot of a damaged chat.
pub(crate) enum FoundSnapshot {
    /// Its bytes, with the right checksum if the schema has one.
    Whole(Vec<u8>),
    /// There never was one, because all records since position 1 were kept.
    Needless,
    /// Whether there was one is not known, or it is damaged.
    Lost,
}

/// A chat of which something was found.
pub(super) struct FoundChat {
    pub(super) number: ChatNumber,
    pub(super) name: ChatName,
    /// The oldest position that it kept, and the Lamport time of the one before, if they are known.
    pub(super) start: Option<(Position, LamportTime)>,
    pub(super) snapshot: FoundSnapshot,
}

/// The chats to be recovered, the lobby first: those that the file lists, and those of which only
/// records were found. The names of the latter are lost, and they get new ones.
pub(super) fn found_chats(
    found: &BTreeSet<ChatNumber>,
    known: BTreeMap<ChatNumber, (ChatRow, FoundSnapshot)>,
) -> Vec<FoundChat> {
    let mut numbers: BTreeSet<_> = known.keys().chain(found).copied().collect();
    numbers.insert(ChatNumber::LOBBY);
    let mut names: HashSet<_> = known.values().map(|(chat, _)| chat.name.clone()).collect();
    let mut known = known;
    let chats = numbers.into_iter().take(MOST_CHATS).map(|number| {
        let (row, snapshot) = match known.remove(&number) {
            Some((row, snapshot)) => (Some(row), snapshot),
            None => (None, FoundSnapshot::Lost),
        };
        let start = row.as_ref().map(|row| (row.first, row.base));
        let name = row.map(|row| row.name);
        FoundChat {
            number,
            name: name.unwrap_or_else(|| new_name(number, &mut names)),
            start,
            snapshot,
        }
    });
    chats.collect()
}

/// A name for a chat whose own is lost. No other chat of the file has it.
fn new_name(number: ChatNumber, names: &mut HashSet<ChatName>) -> ChatName {
    if number.is_lobby() {
        return ChatName::LOBBY;
    }
    let mut name = format!("recovered-{}", number.get());
    while !names.insert(ChatName::from_stored(&name)) {
        name.push('x');
    }
    ChatName::from_stored(&name)
}

/// What the file says about each chat as a whole, as far as its checksums are right.
pub(super) fn read_chats(
    source: &Path,
    log: WriteAheadLog,
) -> BTreeMap<ChatNumber, (ChatRow, FoundSnapshot)> {
    let Ok((connection, version)) = connect(source, log) else {
        return BTreeMap::new();
    };
    let mut names = HashSet::new();
    let rows = ChatRow::read_all(&connection, version).unwrap_or_default();
    let chats = rows.into_iter().filter_map(|(chat, checksum)| {
        let found = read_chat(&connection, version, (chat, checksum))?;
        names.insert(found.0.name.clone()).then_some(found)
    });
    chats.map(|found| (found.0.number, found)).collect()
}

fn read_chat(
    connection: &Connection,
    version: usize,
    (chat, checksum): (ChatRow, Option<u32>),
) -> Option<(ChatRow, FoundSnapshot)> {
    let has_checksums = version >= schema::WITH_CHECKSUMS;
    if has_checksums && !chat.has(checksum) {
        return None;
    }
    let snapshot = match chat_row::raw_snapshot(connection, version, chat.number) {
        Ok(Some(bytes)) if has_checksums && chat.snapshot != Some(crc32c::crc32c(&bytes)) => {
            FoundSnapshot::Lost
        }
        Ok(Some(bytes)) => FoundSnapshot::Whole(bytes),
        Ok(None) if chat.snapshot.is_none() && chat.first == Position::new(1) => {
            FoundSnapshot::Needless
        }
        Ok(None) | Err(_) => FoundSnapshot::Lost,
    };
    Some((chat, snapshot))
}
