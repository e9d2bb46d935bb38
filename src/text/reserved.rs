//! Names that read as the chat's own words: nobody can have one.

use super::NameKey;

/// Names of what is no participant.
const NAMES: [&str; 2] = ["server", "system"];

/// The first word of the sentences "Participant X joined Chitty-Chat at Lamport time L" and
/// "Participant X left …". As a name it would make `/me left Chitty-Chat at …` read as one of them.
const FIRST_WORD: &str = "Participant";

/// What both sentences have behind the name: with it in a name, one name would read as two events.
const CHAT: &str = "Chitty-Chat";

/// What stands in the place of an author where nobody wrote: as a name it would make a message
/// read as the chat's own line.
const SIGNS: [&str; 8] = ["→", "←", "↔", "·", "*", "…", "✗", "--"];

/// The reserved name that this one could be taken for. What stands between the letters does not
/// count, nor what stands on them: `s.e.r.v.e.r` and `sërver` are the server's.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    let letters = letters(name);
    NAMES
        .into_iter()
        .find(|reserved| looks_like(&letters, reserved))
}

/// Whether a line with this name in it could be read as one of the chat's own.
pub(super) fn reads_as_a_line(name: &str) -> bool {
    let whole = letters(name);
    let first = name.split(' ').map(letters).find(|word| !is_empty(word));
    is_sign(name)
        || looks_like(&whole, FIRST_WORD)
        || first.is_some_and(|first| looks_like(&first, FIRST_WORD))
        || contains(&whole, CHAT)
}

/// The keys of a text, without all but letters and digits.
fn letters(text: &str) -> Vec<String> {
    NameKey::of(text).iter().map(NameKey::letters).collect()
}

fn is_empty(letters: &[String]) -> bool {
    letters.iter().all(String::is_empty)
}

/// The letters of a word in each case: an I looks like an l, an i does not.
fn cases(word: &str) -> impl Iterator<Item = String> {
    [word.to_owned(), word.to_lowercase(), word.to_uppercase()]
        .into_iter()
        .flat_map(|word| letters(&word))
}

fn looks_like(letters: &[String], word: &str) -> bool {
    cases(word).any(|case| letters.contains(&case))
}

fn contains(letters: &[String], word: &str) -> bool {
    cases(word).any(|case| letters.iter().any(|letters| letters.contains(&case)))
}

fn is_sign(name: &str) -> bool {
    let keys = NameKey::of(name);
    SIGNS
        .into_iter()
        .any(|sign| NameKey::of(sign).iter().any(|key| keys.contains(key)))
}
