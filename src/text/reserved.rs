//! Names that read like the chat's own words, which nobody can have.

use std::sync::LazyLock;

use super::NameKey;

/// Names of parts of the chat that are not participants.
const NAMES: [&str; 2] = ["server", "system"];

/// The first word of the sentences "Participant X joined Chitty-Chat at Lamport time L" and
/// "Participant X left …". As a name it would make `/me left Chitty-Chat at …` read as one of them.
const FIRST_WORD: &str = "Participant";

/// The word that both sentences have after the name. With it inside, a name could read like two
/// events.
const CHAT: &str = "Chitty-Chat";

/// The signs that stand in the place of an author in the chat's own lines. As a name, one of them
/// would make a message read like such a line.
const SIGNS: [&str; 8] = ["→", "←", "↔", "·", "*", "…", "✗", "--"];

/// The letters of these words, with which those of each new name are compared.
static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    names: NAMES.map(|name| (name, cases(name))),
    first_word: cases(FIRST_WORD),
    chat: cases(CHAT),
    signs: SIGNS.into_iter().flat_map(NameKey::of).collect(),
});

struct Words {
    names: [(&'static str, Vec<String>); NAMES.len()],
    first_word: Vec<String>,
    chat: Vec<String>,
    signs: Vec<NameKey>,
}

/// The reserved name that this one could be mistaken for. Characters between the letters and marks
/// on them do not count: `s.e.r.v.e.r` and `sërver` are the server's.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    let letters = letters(name);
    let mut names = WORDS.names.iter();
    let found = names.find(|(_, cases)| have_common(cases, &letters));
    found.map(|(reserved, _)| *reserved)
}

/// Whether a line with this name could be mistaken for one of the chat's own.
pub(super) fn reads_as_a_line(name: &str) -> bool {
    let whole = letters(name);
    let is_word = |word: &Vec<String>| word.iter().any(|letters| !letters.is_empty());
    let first = name.split(' ').map(letters).find(is_word);
    have_common(&WORDS.signs, &NameKey::of(name))
        || have_common(&WORDS.first_word, &whole)
        || first.is_some_and(|first| have_common(&WORDS.first_word, &first))
        || WORDS
            .chat
            .iter()
            .any(|chat| whole.iter().any(|letters| letters.contains(chat)))
}

fn have_common<T: PartialEq>(some: &[T], others: &[T]) -> bool {
    some.iter().any(|each| others.contains(each))
}

/// The keys of a text, reduced to letters and digits.
fn letters(text: &str) -> Vec<String> {
    NameKey::of(text).iter().map(NameKey::letters).collect()
}

/// The letters of a word in each case: an I looks like an l, an i does not.
fn cases(word: &str) -> Vec<String> {
    [word.to_owned(), word.to_lowercase(), word.to_uppercase()]
        .iter()
        .flat_map(|word| letters(word))
        .collect()
}
