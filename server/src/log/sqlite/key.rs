//! Where a record is in a chat's file: one table has the records of all chats, each chat in a range
//! of row keys of its own.
//!
//! A key is the number of the chat, shifted by 40 bits, plus the position. The lobby's number is 0,
//! so its keys are its positions, as they were before a file could hold several chats. The key is
//! part of a record's checksum, so that a record of one chat is not taken for another chat's, and
//! it is enough to sort the records that are found in a damaged file.

use chitty_chat::Position;

/// The bits of a key that are the position: 10^12 positions for each chat.
const POSITION_BITS: u32 = 40;

/// The greatest position that a chat in a file can have.
const LAST_POSITION: u64 = (1 << POSITION_BITS) - 1;

/// The number of a chat within its file, in the order of their creation. It is never given to
/// another chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChatNumber(u32);

/// The key of a record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey(u64);

impl ChatNumber {
    pub(super) const LOBBY: Self = Self(0);

    /// The greatest one, with which keys are still positive as SQLite sees them.
    const LAST: u32 = (1 << (63 - POSITION_BITS)) - 1;

    /// Reads the number from its column; `None` if it is none.
    pub(super) fn from_column(column: i64) -> Option<Self> {
        let number = u32::try_from(column).ok()?;
        (number <= Self::LAST).then_some(Self(number))
    }

    pub(super) const fn get(self) -> u32 {
        self.0
    }

    pub(super) const fn is_lobby(self) -> bool {
        self.0 == 0
    }

    /// The number after this one, if there is one.
    pub(super) fn next(self) -> Option<Self> {
        Self::from_column(i64::from(self.0) + 1)
    }

    /// The key of a position of this chat; `None` if the position is greater than any that a file
    /// can hold.
    pub(super) const fn key(self, position: Position) -> Option<RowKey> {
        if position.get() > LAST_POSITION {
            return None;
        }
        Some(RowKey((self.0 as u64) << POSITION_BITS | position.get()))
    }

    /// The key of a position to search from, or of the last position if it is greater than any.
    pub(super) fn bound(self, position: Position) -> i64 {
        self.key(position).unwrap_or(self.last()).column()
    }

    /// The greatest key of this chat.
    pub(super) const fn last(self) -> RowKey {
        RowKey((self.0 as u64) << POSITION_BITS | LAST_POSITION)
    }
}

impl RowKey {
    /// Reads the key from its column.
    pub(super) const fn from_column(column: i64) -> Self {
        Self(column.cast_unsigned())
    }

    pub(super) const fn column(self) -> i64 {
        self.0.cast_signed()
    }

    pub(super) const fn get(self) -> u64 {
        self.0
    }

    /// The chat that the key belongs to, and the position there. `None` if no chat has such keys.
    pub(super) fn split(self) -> Option<(ChatNumber, Position)> {
        let number = ChatNumber::from_column(self.column() >> POSITION_BITS)?;
        Some((number, Position::new(self.0 & LAST_POSITION)))
    }
}

/// The key of a position of the lobby.
impl From<Position> for RowKey {
    fn from(position: Position) -> Self {
        Self(position.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: i64) -> ChatNumber {
        ChatNumber::from_column(number).expect("a number")
    }

    #[test]
    fn the_lobbys_keys_are_its_positions() {
        for position in [0, 1, 77, LAST_POSITION] {
            let key = ChatNumber::LOBBY.key(position.into()).expect("a key");
            assert_eq!(key, RowKey::from(Position::new(position)));
            assert_eq!(key.column(), position.cast_signed());
            assert_eq!(key.split(), Some((ChatNumber::LOBBY, position.into())));
        }
    }

    #[test]
    fn chats_have_ranges_of_their_own_in_the_order_of_their_numbers() {
        let last = i64::from(ChatNumber::LAST);
        for chat in [0, 1, 2, 999, last - 1] {
            let (chat, next) = (number(chat), number(chat + 1));
            assert_eq!(chat.next(), Some(next));
            let first = next.key(Position::ZERO).expect("a key");
            assert_eq!(chat.last().get() + 1, first.get());
            assert!(chat.last().column() > 0 && first.column() > 0);
            for position in [0, 1, LAST_POSITION] {
                let key = chat.key(position.into()).expect("a key");
                assert_eq!(key.split(), Some((chat, position.into())));
                assert_eq!(RowKey::from_column(key.column()), key);
            }
        }
        assert_eq!(number(last).next(), None);
        assert_eq!(number(last).last().column(), i64::MAX);
    }

    #[test]
    fn what_is_too_large_has_no_key() {
        assert_eq!(number(3).key(Position::new(LAST_POSITION + 1)), None);
        let bound = number(3).bound(Position::new(u64::MAX));
        assert_eq!(bound, number(3).last().column());
        for column in [-1, i64::MIN, i64::from(ChatNumber::LAST) + 1, i64::MAX] {
            assert_eq!(ChatNumber::from_column(column), None, "{column}");
        }
        assert_eq!(RowKey::from_column(-1).split(), None);
    }
}
