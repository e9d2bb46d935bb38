//! Carving: finds records in the bytes of a damaged file. SQLite cannot do it, because it stops at
//! the first damaged page.
//!
//! Each record is one cell of a table's leaf page
//! (<https://www.sqlite.org/fileformat2.html#b_tree_pages>), because none is as long as a page.
//! Every byte of every page is tried as the beginning of a cell, even if damage has cut it off from
//! the tree. The checksum tells a record from bytes that only look like one, and the row's key tells
//! which chat it belongs to.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use chitty_chat::files;

use super::{
    beside,
    checksum::Checksum,
    key::{ChatNumber, RowKey},
};
use chitty_room::record::Record;

/// A record that was found.
pub(super) struct Carved<'a> {
    /// The chat that it belongs to.
    pub(super) chat: ChatNumber,
    pub(super) key: RowKey,
    pub(super) bytes: &'a [u8],
    /// Whether it has a checksum, and the checksum is right. Older chats have none.
    pub(super) is_verified: bool,
}

/// Sizes in bytes of the header of a write-ahead log, and of the header of each page in it.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Calls `found` with each record in the file, and then with those in its write-ahead log, which
/// are newer.
pub(super) fn carve<E: From<io::Error>>(
    path: &Path,
    with_log: bool,
    found: &mut dyn FnMut(Carved<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let file = files::open_to_read(path)?;
    let page = page_size(&file);
    for_each_page(&file, page, 0, 0, found)?;
    if with_log {
        let log = files::open_to_read(&beside(path, "-wal"))?;
        for_each_page(&log, page, LOG_HEADER, FRAME_HEADER, found)?;
    }
    Ok(())
}

/// The page size in bytes: as the header says, or SQLite's default if that is impossible.
fn page_size(file: &File) -> usize {
    let mut size = [0; 2];
    let read = file.read_exact_at(&mut size, 16);
    match (read, u16::from_be_bytes(size)) {
        (Ok(()), 1) => 65_536,
        (Ok(()), size) if size >= 512 && size.is_power_of_two() => size.into(),
        _ => 4_096,
    }
}

fn for_each_page<E: From<io::Error>>(
    file: &File,
    size: usize,
    start: u64,
    header: u64,
    found: &mut dyn FnMut(Carved<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let length = file.metadata()?.len();
    let mut page = vec![0; size];
    let mut at = start + header;
    while at < length {
        let rest = usize::try_from(length - at).unwrap_or(size).min(size);
        // A page that the disk cannot read is skipped; the rest may still be whole.
        if file.read_exact_at(&mut page[..rest], at).is_ok() {
            for offset in 0..rest {
                if let Some(carved) = cell(&page[offset..rest]) {
                    found(carved)?;
                }
            }
        }
        at += size as u64 + header;
    }
    Ok(())
}

/// The record whose cell begins here, if one does.
fn cell(bytes: &[u8]) -> Option<Carved<'_>> {
    let (payload, rest) = varint(bytes)?;
    let (key, rest) = varint(rest)?;
    let key = RowKey::from_column(key.cast_signed());
    let (header, columns) = varint(rest)?;
    // The key itself is not in it: a column that is null.
    let columns_length = usize::try_from(header).ok()?.checked_sub(1)?;
    let (null, columns) = columns.split_first()?;
    if *null != 0 || !(2..=12).contains(&columns_length) {
        return None;
    }
    let (blob, after_blob) = varint(columns)?;
    let record_length = usize::try_from(blob).ok()?.checked_sub(12)?;
    let used = columns.len() - after_blob.len();
    let (checksum_type, body) = match columns_length.checked_sub(1 + used)? {
        0 => (None, after_blob),
        1 => after_blob
            .split_first()
            .map(|(kind, body)| (Some(*kind), body))?,
        _ => return None,
    };
    if record_length % 2 != 0 {
        return None;
    }
    let (record, rest) = body.split_at_checked(record_length / 2)?;
    let width = integer_width(checksum_type)?;
    if payload != header + record.len() as u64 + width as u64 {
        return None;
    }
    let (chat, position) = key.split()?;
    let is_verified = match checksum_type {
        None => false,
        Some(kind) => {
            let column = integer(kind, rest.get(..width)?);
            if !Checksum::unpack(column).covers(key, record) {
                return None;
            }
            true
        }
    };
    let decoded = Record::decode(record).ok()?;
    (decoded.event.position == position).then_some(Carved {
        chat,
        key,
        bytes: record,
        is_verified,
    })
}

/// The length in bytes of an integer of this serial type
/// (<https://www.sqlite.org/fileformat2.html#record_format>); `None` if it is not the type of an
/// integer.
fn integer_width(kind: Option<u8>) -> Option<usize> {
    match kind {
        None | Some(8 | 9) => Some(0),
        Some(width @ 1..=4) => Some(width.into()),
        Some(5) => Some(6),
        Some(6) => Some(8),
        Some(_) => None,
    }
}

fn integer(kind: u8, bytes: &[u8]) -> i64 {
    match bytes.split_first() {
        None => i64::from(kind) - 8,
        Some((first, rest)) => rest
            .iter()
            .fold(i64::from(first.cast_signed()), |sum, byte| {
                sum << 8 | i64::from(*byte)
            }),
    }
}

/// A variable-length integer at the start (<https://www.sqlite.org/fileformat2.html#varint>), and
/// the bytes after it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    let last = bytes.get(8)?;
    Some((value << 8 | u64::from(*last), &bytes[9..]))
}

#[cfg(test)]
mod tests {
    use chitty_chat::{Event, EventKind, Position};

    use super::*;

    fn key(chat: i64, position: u64) -> RowKey {
        let chat = ChatNumber::from_column(chat).expect("a number");
        chat.key(position.into()).expect("a key")
    }

    fn record(position: u64) -> Record {
        Record {
            event: Event {
                position: position.into(),
                lamport: (position * 3).into(),
                at: std::time::UNIX_EPOCH,
                request: 1.into(),
                kind: EventKind::Unknown,
            },
            session: None,
            generation: 0,
            private: None,
        }
    }

    /// As SQLite writes it: the position is below 128, and so is all that has a length.
    fn cell_of(position: u8, checksum: Option<Checksum>) -> Vec<u8> {
        let bytes = record(position.into()).encode();
        let blob = u8::try_from(bytes.len() * 2 + 12).expect("short");
        let header = if checksum.is_some() { 4 } else { 3 };
        let mut columns = vec![header, 0, blob];
        // An integer of eight bytes.
        columns.extend(checksum.map(|_| 6));
        columns.extend_from_slice(&bytes);
        columns.extend(checksum.iter().flat_map(|it| it.pack().to_be_bytes()));
        let payload = u8::try_from(columns.len()).expect("short");
        [&[payload, position], &columns[..]].concat()
    }

    fn checksum(position: u8) -> Checksum {
        let bytes = record(position.into()).encode();
        Checksum::of(7, Position::new(position.into()), &bytes)
    }

    #[test]
    fn a_cell_is_a_record_and_with_any_other_bit_it_is_none() {
        let whole = cell_of(9, Some(checksum(9)));
        let carved = cell(&whole).expect("a record");
        assert_eq!((carved.chat, carved.key), (ChatNumber::LOBBY, key(0, 9)));
        assert_eq!(carved.bytes, record(9).encode());
        assert!(carved.is_verified);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // The upper half of a checksum is the chain, which says nothing of the record itself.
            let is_chain = (whole.len() - 8..whole.len() - 4).contains(&(bit / 8));
            assert_eq!(cell(&flipped).is_some(), is_chain, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(cell(&whole[..length]).is_none(), "{length} bytes");
        }
        let old = cell_of(9, None);
        let carved = cell(&old).expect("a record of an older chat");
        assert_eq!(carved.bytes, record(9).encode());
        assert!(!carved.is_verified);
        assert!(cell(&cell_of(9, Some(checksum(8)))).is_none());
    }

    #[test]
    fn a_cell_of_another_chat_is_known_by_its_key() {
        let key = key(3, 9);
        let bytes = record(9).encode();
        let whole = cell_of(9, Some(Checksum::of(7, key, &bytes)));
        // The length of the payload, and then the key, which was the position.
        assert_eq!(whole[1], 9);
        let mut varint = vec![9];
        let mut rest = key.get() >> 7;
        while rest > 0 {
            varint.insert(0, (rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        let cell_of_chat = [&whole[..1], &varint, &whole[2..]].concat();
        let carved = cell(&cell_of_chat).expect("a record");
        assert_eq!((carved.chat.get(), carved.key), (3, key));
        assert_eq!(carved.bytes, bytes);
        // At the same position of the lobby it is not whole.
        assert!(cell(&whole).is_none());
    }

    #[test]
    fn integers_are_read_as_sqlite_writes_them() {
        assert_eq!((integer(8, &[]), integer(9, &[])), (0, 1));
        assert_eq!(integer(1, &[0xff]), -1);
        assert_eq!(integer(2, &[0x01, 0x02]), 258);
        let widths: Vec<_> = (0..=10).map(|kind| integer_width(Some(kind))).collect();
        let expected = [None, Some(1), Some(2), Some(3), Some(4), Some(6), Some(8)];
        assert_eq!(widths[..7], expected);
        assert_eq!(widths[7..], [None, Some(0), Some(0), None]);
        for (bytes, value) in [
            (&[0x7f][..], 127),
            (&[0x81, 0x00], 128),
            (&[0xff; 9], u64::MAX),
            (
                &[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x05],
                (1 << 57) + 5,
            ),
        ] {
            let with_more = [bytes, &[7, 7]].concat();
            assert_eq!(varint(&with_more), Some((value, &[7, 7][..])));
            assert_eq!(varint(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn a_page_is_as_large_as_the_header_says_if_that_can_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("some.db");
        for (field, size) in [
            ([0x02, 0x00], 512),
            ([0x80, 0x00], 32_768),
            ([0x00, 0x01], 65_536),
            ([0x01, 0x00], 4_096),
            ([0x0c, 0x00], 4_096),
            ([0x00, 0x00], 4_096),
        ] {
            std::fs::write(&path, [&[0; 16], &field[..]].concat()).expect("written");
            assert_eq!(page_size(&File::open(&path).expect("there")), size);
        }
        std::fs::write(&path, [0; 17]).expect("written");
        assert_eq!(page_size(&File::open(&path).expect("there")), 4_096);
    }
}
