//! Values that clients pick at random: the session, which is a secret, and a message's id.

use std::fmt;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Random bytes of a session or an id that is made here: 128 bits.
const RANDOM_BYTES: usize = 16;

/// A source of randomness, which fills the buffer. It is passed in so that a simulation can repeat
/// itself.
pub type FillRandom<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Fills the buffer from the operating system.
///
/// # Panics
/// If the operating system has no randomness to give, because nothing secret can be made
/// then.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn os_random(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system gives random bytes");
}

fn random_hex(fill: FillRandom<'_>) -> String {
    let mut bytes = [0; RANDOM_BYTES];
    fill(&mut bytes);
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The first 16 bytes of a text's SHA-256 (FIPS 180-4).
pub fn digest(text: &str) -> [u8; 16] {
    let hash = Sha256::digest(text.as_bytes());
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&hash[..16]);
    prefix
}

/// The secret by which the server knows a participant. It is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Session(Box<str>);

/// Why a session was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SessionError {
    /// Too short to hold 122 random bits.
    #[error("a session has at least {min} characters; pick one with at least 122 random bits, or leave it empty", min = Session::MIN_LENGTH)]
    TooShort,
    /// Longer than any encoding of a sensible secret.
    #[error("a session has at most {max} characters", max = Session::MAX_LENGTH)]
    TooLong,
    /// It has characters that are not printable ASCII.
    #[error("a session is printable ASCII without spaces")]
    NotPrintable,
}

impl Session {
    /// Shortest length in characters: 122 bits in base64.
    pub const MIN_LENGTH: usize = 22;
    /// Longest length in characters.
    pub const MAX_LENGTH: usize = 128;

    /// A new session of 128 random bits.
    pub fn random(fill: FillRandom<'_>) -> Self {
        Self(random_hex(fill).into())
    }

    /// Parses a session from the wire.
    pub fn parse(session: &str) -> Result<Self, SessionError> {
        if session.len() > Self::MAX_LENGTH {
            return Err(SessionError::TooLong);
        }
        if !session.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SessionError::NotPrintable);
        }
        if session.len() < Self::MIN_LENGTH {
            return Err(SessionError::TooShort);
        }
        Ok(Self(session.into()))
    }

    /// The secret itself, only for sending it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash, which may be stored and logged.
    pub fn hash(&self) -> SessionHash {
        SessionHash(digest(&self.0))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.hash())
    }
}

/// The first 16 bytes of a session's SHA-256: what is stored. Shown as its first 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash([u8; 16]);

impl SessionHash {
    /// The hash with these bytes, from the log; `None` unless they are 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0[..4]))
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHash({self})")
    }
}

/// The id of a message, by which a retry is told from a new message: 16 to 64 printable ASCII
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Box<str>);

/// Why an id was refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an id is 16 to 64 printable ASCII characters with at least 122 random bits, or empty")]
pub struct MessageIdError;

impl MessageId {
    /// Shortest length in characters.
    pub const MIN_LENGTH: usize = 16;
    /// Longest length in characters.
    pub const MAX_LENGTH: usize = 64;

    /// A new id of 128 random bits.
    pub fn random(fill: FillRandom<'_>) -> Self {
        Self(random_hex(fill).into())
    }

    /// Parses an id from the wire. The empty text, which means no id, is an error here.
    pub fn parse(id: &str) -> Result<Self, MessageIdError> {
        let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
        if printable && (Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&id.len()) {
            Ok(Self(id.into()))
        } else {
            Err(MessageIdError)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An id for one run of a process in log files: eight hexadecimal digits.
pub fn run_id(fill: FillRandom<'_>) -> String {
    let mut bytes = [0; 4];
    fill(&mut bytes);
    hex(&bytes)
}

/// A new epoch, the name of a log's life: 128 random bits.
pub fn epoch(fill: FillRandom<'_>) -> String {
    random_hex(fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_bounds() {
        assert_eq!(Session::parse(&"a".repeat(21)), Err(SessionError::TooShort));
        assert!(Session::parse(&"a".repeat(22)).is_ok());
        assert_eq!(Session::parse(&"a".repeat(129)), Err(SessionError::TooLong));
        assert_eq!(
            Session::parse(&"é".repeat(22)),
            Err(SessionError::NotPrintable)
        );
        assert_eq!(
            Session::parse(&" ".repeat(22)),
            Err(SessionError::NotPrintable)
        );
    }

    #[test]
    fn a_session_is_not_printed() {
        let session = Session::random(&mut os_random);
        assert!(!format!("{session:?}").contains(session.reveal()));
        assert_eq!(Session::parse(session.reveal()), Ok(session));
    }

    #[test]
    fn ids_have_bounds() {
        assert_eq!(MessageId::parse(""), Err(MessageIdError));
        assert_eq!(MessageId::parse(&"a".repeat(15)), Err(MessageIdError));
        assert!(MessageId::parse(&"a".repeat(16)).is_ok());
        assert!(MessageId::parse(&"a".repeat(64)).is_ok());
        assert_eq!(MessageId::parse(&"a".repeat(65)), Err(MessageIdError));
        assert_eq!(MessageId::parse(&"\u{1b}".repeat(20)), Err(MessageIdError));
        let id = MessageId::random(&mut os_random);
        assert_eq!(MessageId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, the example "abc".
        assert_eq!(hex(&digest("abc")), "ba7816bf8f01cfea414140de5dae2223");
    }
}
