//! Links to chats: the address of a server, the pin of its key and, in an invitation, a secret.
//!
//! ```text
//! chitty://HOST[:PORT]/#PIN[.SECRET]
//! ```
//!
//! PIN and SECRET are 16 bytes each, as exactly 22 characters of base58, so that a double click
//! selects them, and so that a link that was cut can be told from a whole one. A link without a
//! secret invites nobody; it says how to reach the server, and which key the server has.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{address::ServerAddress, fingerprint::Pin, secret::FillRandom};

mod paste;

pub use paste::{LinkError, LinkPart};

/// What a link begins with.
pub const SCHEME: &str = "chitty://";

/// The length of a pin and of a secret in a link, in characters: 128 bits in base58.
pub const PART_CHARS: usize = 22;

/// The digit of base58 that means zero.
const ZERO: char = '1';

/// A link to a chat. Its `Debug` leaves the secret out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLink {
    /// Where the server is.
    pub address: ServerAddress,
    /// The pin of the server's key.
    pub pin: Pin,
    /// The secret of an invitation.
    pub secret: Option<LinkSecret>,
}

/// The secret of an invitation: 128 random bits. It is neither printed nor logged.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret([u8; Self::LENGTH]);

impl ChatLink {
    /// Reads the link in a text that somebody pasted. White space, line breaks, borders, quotes and
    /// brackets in it and around it do not matter, and neither does the text before and after it.
    ///
    /// # Errors
    /// What is wrong with the link, or how much of it is missing. No error contains the secret.
    pub fn find(text: &str) -> Result<Self, LinkError> {
        paste::find(text)
    }

    /// The link as text, with its secret: only for the eyes of the person who is invited.
    pub fn reveal(&self) -> String {
        let mut link = format!("{SCHEME}{}/#{}", self.address, encode(self.pin.as_bytes()));
        if let Some(secret) = &self.secret {
            link.push('.');
            link.push_str(&secret.reveal());
        }
        link
    }

    /// The command that enters the chat by this link, with its secret. It is quoted for a shell,
    /// because some shells take `#` for the beginning of a comment.
    pub fn command(&self) -> String {
        format!("chitty '{}'", self.reveal())
    }

    /// The same link without a secret.
    #[must_use]
    pub fn without_secret(self) -> Self {
        let secret = None;
        Self { secret, ..self }
    }
}

impl LinkSecret {
    /// Length in bytes.
    pub const LENGTH: usize = 16;

    /// A new secret.
    pub fn random(fill: FillRandom<'_>) -> Self {
        let mut bytes = [0; Self::LENGTH];
        fill(&mut bytes);
        Self(bytes)
    }

    /// Reads the secret as [`reveal`](Self::reveal) writes it; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text).map(Self)
    }

    /// The secret as text, only for sending it and for a link.
    pub fn reveal(&self) -> String {
        encode(&self.0)
    }

    /// The SHA-256 (FIPS 180-4) of the secret's bytes, which may be stored: the secret is too
    /// random to be guessed.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

/// 16 bytes as exactly 22 characters.
fn encode(bytes: &[u8; 16]) -> String {
    let digits = bs58::encode(bytes).into_string();
    // A small number has fewer digits, and a byte that is zero at the front is a digit of its own.
    let digits = digits.trim_start_matches(ZERO);
    format!("{digits:1>PART_CHARS$}")
}

/// The 16 bytes of 22 characters; `None` for anything else.
fn decode(text: &str) -> Option<[u8; 16]> {
    if text.len() != PART_CHARS {
        return None;
    }
    let mut number = [0; PART_CHARS];
    let digits = text.trim_start_matches(ZERO);
    let length = bs58::decode(digits).onto(&mut number[..]).ok()?;
    let start = LinkSecret::LENGTH.checked_sub(length)?;
    let mut bytes = [0; 16];
    bytes[start..].copy_from_slice(&number[..length]);
    Some(bytes)
}

#[cfg(test)]
mod tests;
