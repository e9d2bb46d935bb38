//! How text gets into a line without being able to end, split, forge or reorder one.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use percent_encoding::{percent_decode_str, percent_encode_byte};

use crate::{secret, text::chars};

/// The longest stem, in bytes: a file name has at most 255, `.log.9` included.
const MAX_STEM: usize = 200;
/// What a shortened stem keeps of the name, in bytes.
const KEPT_STEM: usize = 160;

/// The name of somebody's log file, without `.log`: letters, digits, `-` and `_` as they are,
/// all else percent-encoded. A stem that would be too long for a file name is cut, and ends in
/// `~` and a hash of the name.
pub fn file_stem(name: &str) -> String {
    let mut stem = encode(name);
    if stem.len() > MAX_STEM {
        let hash = secret::digest(name);
        cut(&mut stem, KEPT_STEM);
        stem.push('~');
        for byte in &hash[..8] {
            let _ = write!(stem, "{byte:02x}");
        }
    }
    stem
}

/// Cuts at a character, and not inside of a `%XX`.
fn cut(stem: &mut String, length: usize) {
    let end = (0..=length).rfind(|&end| stem.is_char_boundary(end));
    stem.truncate(end.unwrap_or(0));
    if let Some(percent) = stem.rfind('%')
        && stem.len() - percent < 3
    {
        stem.truncate(percent);
    }
}

/// A name as one word, from which [`decode`] gives it back.
pub(super) fn encode(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_') || chars::is_letter_or_digit(c) {
            word.push(c);
        } else {
            for &byte in c.encode_utf8(&mut [0; 4]).as_bytes() {
                word.push_str(percent_encode_byte(byte));
            }
        }
    }
    if word.is_empty() {
        word.push('-');
    }
    word
}

/// The name in a word that [`encode`] made.
pub(super) fn decode(word: &str) -> Option<String> {
    percent_decode_str(word)
        .decode_utf8()
        .ok()
        .map(Cow::into_owned)
}

/// Characters of a value that stands without quotes.
pub(super) fn is_bare(c: char) -> bool {
    matches!(c, '_' | '.' | ':' | '/' | '%' | '+' | '-') || chars::is_letter_or_digit(c)
}

/// Characters of a call, a step, a run or a key.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// One word of a line's head, or a key. These are written in the program and not by anybody
/// else; what does not belong there becomes `_`.
pub(super) fn push_word(out: &mut String, word: &str) {
    if word.is_empty() {
        out.push('_');
    } else if word.chars().all(is_word) {
        out.push_str(word);
    } else {
        out.extend(word.chars().map(|c| if is_word(c) { c } else { '_' }));
    }
}

/// Appends a value: as it is if it is one plain word, otherwise in quotes.
pub(super) fn push_value(out: &mut String, value: &str) {
    if !value.is_empty() && value.chars().all(is_bare) {
        out.push_str(value);
        return;
    }
    out.push('"');
    let mut rest = value;
    while !rest.is_empty() {
        // Mostly all of it.
        let (plain, other) = rest.split_at(plain_ascii(rest));
        out.push_str(plain);
        let mut other = other.chars();
        if let Some(c) = other.next() {
            // Writing to a string cannot fail.
            let _ = push_quoted(out, c);
        }
        rest = other.as_str();
    }
    out.push('"');
}

/// How many bytes at the start stand in quotes as they are, and are ASCII.
fn plain_ascii(text: &str) -> usize {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let bytes = text.as_bytes();
    bytes
        .iter()
        .position(|byte| !is_plain(byte))
        .unwrap_or(bytes.len())
}

fn push_quoted(out: &mut String, c: char) -> fmt::Result {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if c.is_control() || chars::is_hidden(c) || chars::looks_empty(c) => {
            write!(out, "\\u{{{:x}}}", u32::from(c))?;
        }
        _ => out.push(c),
    }
    Ok(())
}

/// Reads the value at the start of `rest`, and returns it with what follows it.
pub(super) fn take_value(rest: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
        return (end > 0).then(|| (Cow::Borrowed(&rest[..end]), &rest[end..]));
    };
    // Most values have nothing escaped: they stay where they are.
    let plain = quoted.find(|c: char| matches!(c, '"' | '\\') || c.is_control())?;
    if quoted[plain..].starts_with('"') {
        return Some((Cow::Borrowed(&quoted[..plain]), &quoted[plain + 1..]));
    }
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((Cow::Owned(value), characters.as_str())),
            '\\' => {
                let (c, after) = take_escape(characters.as_str())?;
                value.push(c);
                characters = after.chars();
            }
            c if c.is_control() => return None,
            c => value.push(c),
        }
    }
}

fn take_escape(rest: &str) -> Option<(char, &str)> {
    let mut characters = rest.chars();
    let c = match characters.next()? {
        c @ ('"' | '\\') => c,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let (hex, after) = characters.as_str().strip_prefix('{')?.split_once('}')?;
            let code = u32::from_str_radix(hex, 16).ok()?;
            return Some((char::from_u32(code)?, after));
        }
        _ => return None,
    };
    Some((c, characters.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ascii_is_quoted_as_everything_else() {
        for c in (0..128_u8).map(char::from) {
            let mut quoted = String::new();
            push_quoted(&mut quoted, c).expect("a string can be written");
            let text = format!(" {c}");
            assert_eq!(plain_ascii(&text) == 2, quoted == c.to_string(), "{c:?}");
            assert_eq!(value(&text), format!("\" {quoted}\""));
        }
    }

    fn value(text: &str) -> String {
        let mut out = String::new();
        push_value(&mut out, text);
        out
    }

    #[test]
    fn values() {
        for (text, written) in [
            ("hi", "hi"),
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("Bjørn", "Bjørn"),
            ("", "\"\""),
            ("hi there", "\"hi there\""),
            ("a=b", "\"a=b\""),
            ("say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""),
            ("a\nb\r\t", "\"a\\nb\\r\\t\""),
            ("\u{1b}[2J", "\"\\u{1b}[2J\""),
            (
                "\u{202e}\u{feff}\u{2028}",
                "\"\\u{202e}\\u{feff}\\u{2028}\"",
            ),
            ("\u{3164}", "\"\\u{3164}\""),
            ("\u{85}", "\"\\u{85}\""),
            ("🦀!", "\"🦀!\""),
        ] {
            assert_eq!(value(text), written);
        }
    }

    #[test]
    fn stems() {
        for (name, stem) in [
            ("ada", "ada"),
            ("Ada Lovelace", "Ada%20Lovelace"),
            ("../x", "%2E%2E%2Fx"),
            ("100%", "100%25"),
            ("Bjørn_山-2", "Bjørn_山-2"),
            ("🦀", "%F0%9F%A6%80"),
            ("", "-"),
            ("\u{3164}", "%E3%85%A4"),
        ] {
            assert_eq!(file_stem(name), stem);
        }
    }

    #[test]
    fn a_long_stem_is_cut_and_still_tells_names_apart() {
        let crabs = |last| format!("{}{last}", "🦀".repeat(31));
        let stem = file_stem(&crabs('a'));
        assert!(stem.len() <= MAX_STEM);
        assert_ne!(stem, file_stem(&crabs('b')));
        let kept = stem.split_once('~').unwrap().0;
        assert!(
            "🦀"
                .repeat(32)
                .starts_with(&decode(&kept[..kept.len() / 12 * 12]).unwrap())
        );
        assert_eq!(kept.len() % 3, 0);
    }

    proptest! {
        #[test]
        fn a_value_reads_back(text in any::<String>(), after in "( .*)?") {
            let written = value(&text);
            prop_assert!(!written.contains(|c: char| c.is_control() || chars::is_hidden(c)));
            let line = format!("{written}{after}");
            prop_assert_eq!(take_value(&line), Some((text.into(), after.as_str())));
        }

        #[test]
        fn reading_survives_anything(text in any::<String>(), escape in "\"[\\\\u{}\"a-f0-9]{0,12}") {
            let _ = take_value(&text);
            let _ = take_value(&escape);
        }

        #[test]
        fn a_stem_is_a_file_name(name in any::<String>()) {
            let stem = file_stem(&name);
            prop_assert!((1..=MAX_STEM).contains(&stem.len()));
            prop_assert!(stem.chars().all(|c| "-_%~".contains(c) || c.is_alphanumeric()));
        }

        #[test]
        fn a_name_decodes(name in ".{1,32}") {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }
    }
}
