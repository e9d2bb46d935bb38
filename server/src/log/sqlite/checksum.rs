//! The checksums of what is stored: CRC-32C (RFC 3720, appendix B.4), for which processors have an
//! instruction. A single flipped bit, and any burst of up to 32 bits, always changes it.
//!
//! Each record has two checksums in one column. The lower 32 bits cover its row key, which is its
//! chat and its position, and its bytes, and show which record is damaged. The upper 32 bits are a
//! chain: they cover the chain of the record before it in its chat, and the lower bits. Each chat
//! has a chain of its own, so that one chat can be read, trimmed and verified without the others. So
//! a record that was replaced by another one, moved, or left
//! out is found, too, even though each record is whole by itself.

use super::key::RowKey;

/// The two checksums of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    /// Over the key and the bytes of this record.
    pub(super) own: u32,
    /// Over the chain of the record before, and `own`.
    pub(super) chain: u32,
}

/// The chain before position 1.
pub(super) const START: u32 = 0;

impl Checksum {
    /// The checksum of a record, if the record before it has the chain `before`.
    pub(super) fn of(before: u32, key: impl Into<RowKey>, bytes: &[u8]) -> Self {
        let own = own(key.into(), bytes);
        Self {
            own,
            chain: follow(before, own),
        }
    }

    /// Reads the checksum from its database column.
    pub(super) const fn unpack(column: i64) -> Self {
        let bits = column.cast_unsigned();
        Self {
            own: (bits & 0xffff_ffff) as u32,
            chain: (bits >> 32) as u32,
        }
    }

    /// Packs the checksum for its database column.
    pub(super) const fn pack(self) -> i64 {
        ((self.chain as u64) << 32 | self.own as u64).cast_signed()
    }

    /// Whether it was computed from these bytes at this key.
    pub(super) fn covers(self, key: impl Into<RowKey>, bytes: &[u8]) -> bool {
        self.own == own(key.into(), bytes)
    }

    /// Whether the record before has this chain.
    pub(super) fn follows(self, before: u32) -> bool {
        self.chain == follow(before, self.own)
    }
}

fn own(key: RowKey, bytes: &[u8]) -> u32 {
    let key = crc32c::crc32c(&key.get().to_le_bytes());
    crc32c::crc32c_append(key, bytes)
}

fn follow(before: u32, own: u32) -> u32 {
    // In one call, because a call costs more than the bytes do.
    let both = u64::from(own) << 32 | u64::from(before);
    crc32c::crc32c(&both.to_le_bytes())
}

/// The checksum of several fields. Each is preceded by its length, so that bytes cannot move from
/// one field to the next unnoticed.
pub(super) fn fields<const N: usize>(fields: [&[u8]; N]) -> u32 {
    fields.iter().fold(0, |sum, field| {
        let sum = crc32c::crc32c_append(sum, &(field.len() as u64).to_le_bytes());
        crc32c::crc32c_append(sum, field)
    })
}

#[cfg(test)]
mod tests {
    use chitty_chat::Position;

    use super::*;

    #[test]
    fn the_polynomial_is_castagnolis() {
        // RFC 3720, appendix B.4: 32 bytes of zeroes.
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// Chats have these: they must never become others.
    #[test]
    fn a_checksum_is_what_it_always_was() {
        let first = Checksum::of(START, Position::new(7), b"some bytes");
        let own = crc32c::crc32c(&[&7_u64.to_le_bytes()[..], b"some bytes"].concat());
        let chain = crc32c::crc32c(&[START.to_le_bytes(), own.to_le_bytes()].concat());
        assert_eq!(first, Checksum { own, chain });
        let second = Checksum::of(chain, Position::new(8), b"");
        let chain = crc32c::crc32c(&[chain.to_le_bytes(), second.own.to_le_bytes()].concat());
        assert_eq!(second.chain, chain);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let (position, bytes) = (Position::new(7), b"some bytes of a record".as_slice());
        let checksum = Checksum::of(START, position, bytes);
        assert_eq!(Checksum::unpack(checksum.pack()), checksum);
        assert!(checksum.covers(position, bytes) && checksum.follows(START));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!checksum.covers(position, &flipped));
        }
        for bit in 0..64 {
            assert!(!checksum.covers(Position::new(7 ^ (1 << bit)), bytes));
            let flipped = Checksum::unpack(checksum.pack() ^ (1 << bit));
            assert!(!(flipped.covers(position, bytes) && flipped.follows(START)));
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(fields([b"ab", b"c"]), fields([b"a", b"bc"]));
    }
}
