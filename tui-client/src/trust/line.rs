//! One line of `known_servers`.
//!
//! ```text
//! chat.example.org:50051 SHA256:bMQb… key=6cc41bed name=ada since=2026-11-26
//! ```

use std::{fmt, str::FromStr};

use chitty_chat::{address::ServerAddress, fingerprint::Fingerprint};
use jiff::civil::Date;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// What is encoded in a word beside all that is not ASCII: the end of a word, and the sign of the
/// encoding itself.
const IN_A_WORD: AsciiSet = CONTROLS.add(b' ').add(b'%');

/// A server that this device knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownServer {
    /// Where it is.
    pub address: ServerAddress,
    /// The fingerprint of its key.
    pub fingerprint: Fingerprint,
    /// The key of this device for that server; `None` until the first connection.
    pub key: Option<KeyName>,
    /// The name under which the user was last in that chat.
    pub name: Option<String>,
    /// Since when the fingerprint is known.
    pub since: Option<Date>,
    /// What a newer version of this program has written there.
    pub more: Vec<String>,
}

/// The name of a file with a key of this device: eight hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Box<str>);

/// Why a line is not understood.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LineError {
    /// The first word is no address.
    #[error("its first word is not HOST:PORT")]
    Address,
    /// The second word is no fingerprint.
    #[error("its second word is not SHA256: and 43 characters of base64")]
    Fingerprint,
    /// The name of a key is wrong.
    #[error("key= is not followed by eight hexadecimal digits")]
    Key,
    /// The user's name is wrong.
    #[error("the name after name= is not percent-encoded text")]
    Name,
    /// The date is wrong.
    #[error("since= is not followed by a date such as 2026-11-26")]
    Since,
    /// There is a word without a meaning.
    #[error("it has a word that is neither key=, name= nor since=")]
    Word,
}

impl KeyName {
    /// How many random bytes a name is made of.
    pub const BYTES: usize = 4;

    /// A name of random bytes.
    pub fn of(bytes: [u8; Self::BYTES]) -> Self {
        Self(format!("{:08x}", u32::from_be_bytes(bytes)).into())
    }

    /// The name of the file.
    pub fn file(&self) -> String {
        format!("{}.key", self.0)
    }
}

impl FromStr for KeyName {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * Self::BYTES && text.bytes().all(is_digit) {
            Ok(Self(text.into()))
        } else {
            Err(LineError::Key)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KnownServer {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let fingerprint = words.next().unwrap_or_default();
        let mut server = Self {
            address: address.parse().map_err(|_| LineError::Address)?,
            fingerprint: fingerprint.parse().map_err(|_| LineError::Fingerprint)?,
            key: None,
            name: None,
            since: None,
            more: Vec::new(),
        };
        for word in words {
            match word.split_once('=').ok_or(LineError::Word)? {
                ("key", key) => server.key = Some(key.parse()?),
                ("name", name) => {
                    let name = percent_decode_str(name).decode_utf8();
                    server.name = Some(name.map_err(|_| LineError::Name)?.into_owned());
                }
                ("since", date) => {
                    server.since = Some(date.parse().map_err(|_| LineError::Since)?);
                }
                _ => server.more.push(word.to_owned()),
            }
        }
        Ok(server)
    }
}

impl fmt::Display for KnownServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address.with_port(), self.fingerprint)?;
        if let Some(key) = &self.key {
            write!(f, " key={key}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " name={}", utf8_percent_encode(name, &IN_A_WORD))?;
        }
        if let Some(since) = self.since {
            write!(f, " since={since}")?;
        }
        self.more.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "chat.example.org:50051 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU \
                        key=6cc41bed name=ada since=2026-11-26";

    #[test]
    fn a_line_is_as_documented() {
        let server: KnownServer = LINE.parse().expect("understood");
        assert_eq!(server.address.to_string(), "chat.example.org");
        assert_eq!(server.fingerprint, Fingerprint::of_public_key(b""));
        assert_eq!(
            server.key.as_ref().map(KeyName::file).as_deref(),
            Some("6cc41bed.key")
        );
        assert_eq!(server.name.as_deref(), Some("ada"));
        assert_eq!(server.to_string(), LINE);
    }

    #[test]
    fn words_of_a_newer_version_are_kept() {
        let line = format!("{LINE} via=tunnel");
        let server: KnownServer = line.parse().expect("understood");
        assert_eq!(server.to_string(), line);
    }

    #[test]
    fn a_wrong_line_says_which_word_is_wrong() {
        for (from, to, error) in [
            ("chat.example.org:50051", "chat:0", LineError::Address),
            ("SHA256:47", "SHA256:4", LineError::Fingerprint),
            ("key=6cc41bed", "key=../../x", LineError::Key),
            ("key=6cc41bed", "key=6CC41BED", LineError::Key),
            ("name=ada", "name=%FF", LineError::Name),
            ("since=2026-11-26", "since=2026-13-26", LineError::Since),
            ("name=ada", "ada", LineError::Word),
        ] {
            let line = LINE.replace(from, to);
            assert_eq!(line.parse::<KnownServer>(), Err(error), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_written_and_read_again(name in "\\PC{0,32}|.*") {
            let mut server: KnownServer = LINE.parse().expect("understood");
            server.name = Some(name);
            let line = server.to_string();
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert_eq!(line.parse(), Ok(server));
        }

        #[test]
        fn any_line_is_read_or_refused(line: String) {
            let _ = line.parse::<KnownServer>();
        }
    }
}
