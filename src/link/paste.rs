//! Finds a link in a text that somebody pasted.
//!
//! Terminals, chats and mail programs break links, and draw borders and quotes around them. What
//! cannot belong to a link is skipped; because each part has a fixed length, the end is known
//! without it.

use std::{iter::Peekable, vec};

use thiserror::Error;

use super::{ChatLink, LinkSecret, PART_CHARS, SCHEME, decode};
use crate::{address::ServerAddress, fingerprint::Pin};

/// The longest text that is read, in bytes: a screen full of lines.
const MAX_TEXT: usize = 64 * 1024;

/// The longest address in a link, in characters.
const MAX_ADDRESS: usize = 300;

/// A part of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPart {
    /// The pin of the server's key.
    Pin,
    /// The secret of an invitation.
    Secret,
}

/// Why there is no link in a text. No variant contains a secret.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LinkError {
    /// There is none.
    #[error("this is not a link to a chat; a link begins with {SCHEME}")]
    None,
    /// The text is longer than anything that contains one link.
    #[error("this text is too long to look for a link in it; paste the link alone")]
    Text,
    /// There are several.
    #[error("there are several links in this text; paste one")]
    Several,
    /// Its address is wrong. The address is not shown, because the secret may have got into it.
    #[error("the link is wrong in its address; copy it again, and do not type it")]
    Address,
    /// It ends before the pin.
    #[error(
        "the link is cut: nothing vouches for the server's key; its end, a # and at least \
         {PART_CHARS} characters, is missing"
    )]
    NoPin,
    /// It ends too early.
    #[error("the link is cut: {} missing; copy it again", of_its_end(*missing))]
    Cut {
        /// The part that is not whole.
        part: LinkPart,
        /// How many characters that part lacks.
        missing: usize,
    },
    /// A part is not base58, or is no number of 128 bits.
    #[error("the link is wrong in its {}; copy it again, and do not type it", name(*.0))]
    Part(LinkPart),
    /// A part is too long.
    #[error("the link is wrong: its {} is longer than {PART_CHARS} characters; copy it again", name(*.0))]
    TooLong(LinkPart),
}

fn of_its_end(missing: usize) -> String {
    match missing {
        1 => "its last character is".to_owned(),
        more => format!("its last {more} characters are"),
    }
}

const fn name(part: LinkPart) -> &'static str {
    match part {
        LinkPart::Pin => "pin",
        LinkPart::Secret => "secret",
    }
}

/// A character that may belong to a link.
#[derive(Clone, Copy)]
struct Sign {
    sign: char,
    /// Whether something was skipped between this character and the one before it.
    apart: bool,
}

type Signs = Peekable<vec::IntoIter<Sign>>;

pub(super) fn find(text: &str) -> Result<ChatLink, LinkError> {
    if text.len() > MAX_TEXT {
        return Err(LinkError::Text);
    }
    let signs = signs(text);
    let starts = starts(&signs);
    let Some((&first, others)) = starts.split_first() else {
        return Err(LinkError::None);
    };
    let link = |start: usize, end: Option<usize>| {
        let end = end.unwrap_or(signs.len());
        read(signs[start..end].to_vec().into_iter().peekable())
    };
    let found = link(first, others.first().copied())?;
    // The same link twice, as with a text and its address in a mail, is one.
    for (index, &start) in others.iter().enumerate() {
        if link(start, others.get(index + 1).copied()).as_ref() != Ok(&found) {
            return Err(LinkError::Several);
        }
    }
    Ok(found)
}

/// The characters that may belong to a link.
fn signs(text: &str) -> Vec<Sign> {
    let mut signs = Vec::new();
    let mut apart = false;
    for sign in text.chars() {
        if is_skipped(sign) {
            apart = true;
        } else {
            signs.push(Sign { sign, apart });
            apart = false;
        }
    }
    signs
}

/// Whether a character is white space, a border, a quote or a bracket. Square brackets are not
/// skipped, because IPv6 addresses have them.
fn is_skipped(sign: char) -> bool {
    sign.is_whitespace()
        || sign.is_control()
        || matches!(sign, '|' | '\'' | '"' | '`' | '<' | '>' | '(' | ')' | '{' | '}' | '\\')
        // Quotes, and marks of direction and of invisible space.
        || matches!(sign, '«' | '»' | '‹' | '›' | '\u{2018}'..='\u{201f}')
        || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || matches!(sign, '\u{ad}' | '\u{feff}')
        // Box drawing and block elements.
        || matches!(sign, '\u{2500}'..='\u{259f}')
}

/// Where the scheme ends, for each link.
fn starts(signs: &[Sign]) -> Vec<usize> {
    let length = SCHEME.len();
    let is_scheme = |window: &[Sign]| {
        let mut pairs = window.iter().zip(SCHEME.chars());
        pairs.all(|(found, wanted)| found.sign.to_ascii_lowercase() == wanted)
    };
    let windows = signs.windows(length).enumerate();
    windows
        .filter(|(_, window)| is_scheme(window))
        .map(|(index, _)| index + length)
        .collect()
}

/// Reads what follows the scheme, up to the next link or the end of the text.
fn read(mut signs: Signs) -> Result<ChatLink, LinkError> {
    let address = address(&mut signs)?;
    let pin = part(&mut signs, LinkPart::Pin)?;
    let secret = if signs.next_if(|next| next.sign == '.').is_some() {
        Some(LinkSecret(part(&mut signs, LinkPart::Secret)?))
    } else {
        None
    };
    Ok(ChatLink {
        address,
        pin: Pin::from_bytes(pin),
        secret,
    })
}

/// Reads the address, and the `/#` after it.
fn address(signs: &mut Signs) -> Result<ServerAddress, LinkError> {
    let mut address = String::new();
    while let Some(next) = signs.next_if(|next| !matches!(next.sign, '/' | '#')) {
        if address.chars().count() == MAX_ADDRESS {
            break;
        }
        address.push(next.sign);
    }
    let _ = signs.next_if(|next| next.sign == '/');
    let has_pin = signs.next_if(|next| next.sign == '#').is_some();
    match (address.parse(), has_pin) {
        (Ok(address), true) => Ok(address),
        (Ok(_), false) => Err(LinkError::NoPin),
        (Err(_), _) => Err(LinkError::Address),
    }
}

/// Reads a pin or a secret.
fn part(signs: &mut Signs, part: LinkPart) -> Result<[u8; 16], LinkError> {
    let mut text = String::new();
    while text.len() < PART_CHARS {
        match signs.next_if(|next| next.sign.is_ascii_alphanumeric()) {
            Some(next) => text.push(next.sign),
            // Only the end of the text, or of the link in it, is a cut.
            None if signs.peek().is_none_or(|next| next.apart) || ends(signs) => {
                let missing = PART_CHARS - text.len();
                return Err(LinkError::Cut { part, missing });
            }
            None => return Err(LinkError::Part(part)),
        }
    }
    if signs
        .peek()
        .is_some_and(|next| next.sign.is_ascii_alphanumeric() && !next.apart)
    {
        return Err(LinkError::TooLong(part));
    }
    decode(&text).ok_or(LinkError::Part(part))
}

/// Whether the next character ends a link in the middle of a part: the dot before the secret, an
/// ellipsis, or a punctuation mark.
fn ends(signs: &mut Signs) -> bool {
    signs
        .peek()
        .is_some_and(|next| matches!(next.sign, '.' | '…' | ',' | ';' | ']' | '!' | '?'))
}
