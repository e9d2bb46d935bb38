//! The allowance for encrypted bytes that bring nothing.
//!
//! A peer can send handshake messages without end, or records that are empty when they are
//! decrypted. The limits on HTTP/2 frames do not see them, because they count what is decrypted. So
//! each byte that is read costs one of an allowance, and each byte that it is decrypted to earns
//! some back. A connection whose allowance is used up ends.

use std::io;

/// Bytes of a handshake: four times what a handshake with a post-quantum key exchange and a
/// device's certificate has.
const HANDSHAKE: usize = 16 << 10;
/// Bytes that may be read before any is decrypted: more than three of the longest records, since a
/// read may bring the beginning of another.
const MOST: usize = 64 << 10;
/// Bytes that a decrypted byte earns. A record adds 22 bytes, so this is enough for records that
/// have one HTTP/2 frame each, whose head alone is 9 bytes.
const EARNED: usize = 4;

/// How many encrypted bytes a peer may still send.
pub(super) struct Allowance(usize);

impl Allowance {
    /// The allowance of a handshake.
    pub(super) const fn new() -> Self {
        Self(HANDSHAKE)
    }

    /// The handshake is over.
    pub(super) const fn is_introduced(&mut self) {
        self.0 = MOST;
    }

    /// So many bytes were read.
    pub(super) fn spend(&mut self, read: usize) -> io::Result<()> {
        match self.0.checked_sub(read) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer sends encrypted bytes that bring nothing",
            )),
        }
    }

    /// So many bytes were decrypted.
    pub(super) fn earn(&mut self, decrypted: usize) {
        let earned = decrypted.saturating_mul(EARNED);
        self.0 = self.0.saturating_add(earned).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_has_few_bytes() {
        let mut allowance = Allowance::new();
        allowance.spend(HANDSHAKE).expect("enough");
        let error = allowance.spend(1).expect_err("too many");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_is_decrypted_earns_its_bytes() {
        let mut allowance = Allowance::new();
        allowance.is_introduced();
        // Frames without a payload, each in a record of its own.
        for _ in 0..100_000 {
            allowance.spend(9 + 22).expect("enough");
            allowance.earn(9);
        }
        // However much it has earned, it is not kept.
        allowance.earn(usize::MAX);
        allowance.spend(MOST).expect("enough");
        allowance.spend(1).expect_err("too many");
    }
}
