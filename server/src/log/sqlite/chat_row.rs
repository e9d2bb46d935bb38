//! The row that a file has about each of its chats, read and written with its checksum.

use std::sync::Arc;

use chitty_chat::{LamportTime, Position, text::ChatName};
use rusqlite::{Connection, Row, Transaction, params};

use super::{
    Problem, checksum,
    key::ChatNumber,
    rows::{position, signed, unsigned},
    schema::WITH_CHATS,
};

/// The row about a chat as a whole, without its snapshot, which may be large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChatRow {
    pub(super) number: ChatNumber,
    pub(super) name: ChatName,
    pub(super) epoch: Arc<str>,
    /// The oldest position that is kept.
    pub(super) first: Position,
    /// The Lamport time of the position before.
    pub(super) base: LamportTime,
    /// Whether it is a backup that was not opened as a chat yet.
    pub(super) restored: bool,
    /// The chain of the position before `first`.
    pub(super) chain: u32,
    /// The checksum of the snapshot, if there is one.
    pub(super) snapshot: Option<u32>,
}

impl ChatRow {
    /// A chat without records.
    pub(super) fn empty(number: ChatNumber, name: ChatName, epoch: Arc<str>) -> Self {
        Self {
            number,
            name,
            epoch,
            first: Position::new(1),
            base: LamportTime::ZERO,
            restored: false,
            chain: checksum::START,
            snapshot: None,
        }
    }

    /// Reads all rows in this version of the schema, and the checksums stored in them. The lobby
    /// comes first, and has to be there.
    pub(super) fn read_all(
        connection: &Connection,
        version: usize,
    ) -> rusqlite::Result<Vec<(Self, Option<u32>)>> {
        let query = format!("SELECT {} FROM chat ORDER BY 1", columns(version));
        let mut query = connection.prepare(&query)?;
        let rows = query.query_map([], Self::from_row)?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        match rows.first() {
            Some((chat, _)) if chat.number.is_lobby() => Ok(rows),
            _ => Err(rusqlite::Error::QueryReturnedNoRows),
        }
    }

    /// Reads the row of a chat in this version of the schema, and the checksum stored in it.
    pub(super) fn read(
        connection: &Connection,
        version: usize,
        number: ChatNumber,
    ) -> rusqlite::Result<(Self, Option<u32>)> {
        let query = format!(
            "SELECT {} FROM chat WHERE ?1 = {}",
            columns(version),
            key(version)
        );
        connection.query_row(&query, [number.get()], Self::from_row)
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<(Self, Option<u32>)> {
        let number = row.get(0)?;
        let chat = Self {
            number: ChatNumber::from_column(number)
                .ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))?,
            name: ChatName::from_stored(row.get_ref(1)?.as_str()?),
            epoch: row.get::<_, String>(2)?.into(),
            first: position(row.get(3)?),
            base: LamportTime::new(unsigned(row.get(4)?)),
            restored: row.get(5)?,
            chain: row.get(6)?,
            snapshot: row.get(7)?,
        };
        Ok((chat, row.get(8)?))
    }

    /// Reads the row of a chat in the newest schema, and verifies its checksum.
    pub(super) fn verified(connection: &Connection, number: ChatNumber) -> Result<Self, Problem> {
        match Self::read(connection, usize::MAX, number)? {
            (chat, checksum) if chat.has(checksum) => Ok(chat),
            _ => Err(Problem::Chat),
        }
    }

    /// Reads the rows of all chats in the newest schema, and verifies their checksums.
    pub(super) fn all_verified(connection: &Connection) -> Result<Vec<Self>, Problem> {
        let rows = Self::read_all(connection, usize::MAX)?;
        let rows = rows.into_iter();
        rows.map(|(chat, checksum)| {
            if chat.has(checksum) {
                Ok(chat)
            } else {
                Err(Problem::Chat.of(&chat.name))
            }
        })
        .collect()
    }

    /// Whether the stored checksum is the right one.
    pub(super) fn has(&self, checksum: Option<u32>) -> bool {
        // The lobby's checksum does not cover its name, which therefore has to be empty.
        self.number.is_lobby() == self.name.is_lobby() && checksum == Some(self.checksum())
    }

    pub(super) fn checksum(&self) -> u32 {
        let snapshot = self.snapshot.map(u32::to_le_bytes);
        let row = checksum::fields([
            self.epoch.as_bytes(),
            &self.first.get().to_le_bytes(),
            &self.base.get().to_le_bytes(),
            &[u8::from(self.restored)],
            &self.chain.to_le_bytes(),
            snapshot.as_ref().map_or(&[], <[u8; 4]>::as_slice),
        ]);
        // The lobby's is the one that it had when it was the only chat of its file.
        if self.number.is_lobby() {
            return row;
        }
        checksum::fields([
            &row.to_le_bytes(),
            &self.number.get().to_le_bytes(),
            self.name.as_str().as_bytes(),
        ])
    }

    /// Writes the row of a chat that is there, or of a new one. Its snapshot stays what it is, unless
    /// there is to be none.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .execute(
                "INSERT INTO chat (number, name, epoch, first, base, restored, chain,
                                   snapshot_checksum, checksum)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                 ON CONFLICT (number) DO UPDATE SET
                     name = ?2, epoch = ?3, first = ?4, base = ?5, restored = ?6, chain = ?7,
                     snapshot_checksum = ?8, checksum = ?9,
                     snapshot = iif(?8 IS NULL, NULL, snapshot)",
                params![
                    self.number.get(),
                    self.name.as_str(),
                    &*self.epoch,
                    signed(self.first),
                    self.base.get().cast_signed(),
                    self.restored,
                    self.chain,
                    self.snapshot,
                    self.checksum(),
                ],
            )
            .map(drop)
    }
}

/// The columns of a chat's row, as [`ChatRow::from_row`] reads them.
const fn columns(version: usize) -> &'static str {
    match version {
        0 | 1 => "0, '', epoch, first, base, 0, 0, NULL, NULL",
        2 => "0, '', epoch, first, base, restored, 0, NULL, NULL",
        3 => "0, '', epoch, first, base, restored, chain, snapshot_checksum, checksum",
        _ => "number, name, epoch, first, base, restored, chain, snapshot_checksum, checksum",
    }
}

/// What is the number of a chat in this version of the schema.
const fn key(version: usize) -> &'static str {
    if version < WITH_CHATS { "0" } else { "number" }
}

/// The snapshot of a chat in any version of the schema, not verified.
pub(super) fn raw_snapshot(
    connection: &Connection,
    version: usize,
    number: ChatNumber,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let query = format!("SELECT snapshot FROM chat WHERE ?1 = {}", key(version));
    connection.query_row(&query, [number.get()], |row| row.get(0))
}

pub(super) fn read_snapshot(
    connection: &Connection,
    number: ChatNumber,
) -> Result<Option<Vec<u8>>, Problem> {
    // In a transaction, because the row is read twice.
    let transaction = connection.unchecked_transaction()?;
    read_snapshot_in(&transaction, usize::MAX, number)
}

/// The same within a transaction, for each version of the schema with checksums.
pub(super) fn read_snapshot_in(
    transaction: &Transaction<'_>,
    version: usize,
    number: ChatNumber,
) -> Result<Option<Vec<u8>>, Problem> {
    let (chat, checksum) = ChatRow::read(transaction, version, number)?;
    if !chat.has(checksum) {
        return Err(Problem::Chat);
    }
    let snapshot = raw_snapshot(transaction, version, number)?;
    if snapshot.as_deref().map(crc32c::crc32c) == chat.snapshot {
        Ok(snapshot)
    } else {
        Err(Problem::SnapshotChecksum)
    }
}

pub(super) fn keep_snapshot(
    connection: &mut Connection,
    number: ChatNumber,
    snapshot: &[u8],
) -> Result<(), Problem> {
    let transaction = connection.transaction()?;
    let mut chat = ChatRow::verified(&transaction, number)?;
    chat.snapshot = Some(crc32c::crc32c(snapshot));
    transaction.execute(
        "UPDATE chat SET snapshot = ?2 WHERE number = ?1",
        params![number.get(), snapshot],
    )?;
    chat.write(&transaction)?;
    Ok(transaction.commit()?)
}
