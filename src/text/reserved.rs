//! Names that read as the chat's own words: nobody can have one.

use std::sync::LazyLock;

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

/// The letters of these words, which are compared with those of each new name.
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

/// The reserved name that this one could be taken for. What stands between the letters does not
/// count, nor what stands on them: `s.e.r.v.e.r` and `sërver` are the server's.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    let letters = letters(name);
    let mut names = WORDS.names.iter();
    let found = names.find(|(_, cases)| have_common(cases, &letters));
    found.map(|(reserved, _)| *reserved)
}

/// Whether a line with this name in it could be read as one of the chat's own.
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

/// The keys of a text, without all but letters and digits.
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
