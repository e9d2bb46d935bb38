//! Canonical caseless matching of texts (The Unicode Standard, section 3.13, D145).
//!
//! Composed and decomposed letters are equal (`café`), and so is everything that full case folding
//! makes equal: `ΟΔΟΣ`, `οδος` and `οδοσ`; `Straße` and `STRASSE`. Searches, mentions and the
//! completion of names all use this matching. Accents matter to mentions and names, because Rene and
//! René may be two people. A search for a text without accents ignores them: `cafe` finds `café`.

use std::ops::Range;

use icu_casemap::CaseMapper;
use icu_normalizer::{
    ComposingNormalizer, DecomposingNormalizer, properties::CanonicalCombiningClassMap,
};

use super::{chars, display::graphemes};

/// A text to find, whatever its case and form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needle {
    folded: Vec<char>,
    /// Whether the accents of a text are passed over.
    ignores_accents: bool,
}

/// A character of a folded text.
struct Folded {
    c: char,
    /// The bytes of the grapheme that it comes from.
    of: Range<usize>,
    before: Boundary,
}

/// Whether a match may begin or end before a character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Boundary {
    /// No: inside a letter, between it and its accent, or inside a Hangul syllable.
    Never,
    /// Only a match of a part of a word: inside a grapheme, or inside what was one character before
    /// folding.
    Part,
    /// Yes: between two graphemes.
    Whole,
}

impl Needle {
    /// A needle for this text, with its accents.
    pub fn new(text: &str) -> Self {
        Self {
            folded: fold(text).into_iter().map(|folded| folded.c).collect(),
            ignores_accents: false,
        }
    }

    /// A needle for a search: if this text has no accents, those of the searched texts are ignored.
    pub fn for_search(text: &str) -> Self {
        let needle = Self::new(text);
        Self {
            ignores_accents: !needle.folded.iter().copied().any(is_accent),
            ..needle
        }
    }

    /// Whether the needle is empty, so that it is never found.
    pub fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// The matches in a text, as ranges of bytes that begin and end between graphemes and do not
    /// overlap.
    pub fn find(&self, text: &str) -> impl Iterator<Item = Range<usize>> + use<> {
        self.places(text, Boundary::Part, |_| true)
    }

    /// Whether a text contains it.
    pub fn is_in(&self, text: &str) -> bool {
        self.find(text).next().is_some()
    }

    /// The matches in a text that are words of their own, as in a mention of somebody's name.
    pub fn words(&self, text: &str) -> impl Iterator<Item = Range<usize>> + use<> {
        let within = |c: Option<char>| c.is_some_and(is_of_word);
        let lone = |range: &Range<usize>| {
            !within(text[..range.start].chars().next_back())
                && !within(text[range.end..].chars().next())
        };
        self.places(text, Boundary::Whole, lone)
    }

    /// Whether a text begins with it.
    pub fn begins(&self, text: &str) -> bool {
        let text = fold(text);
        self.folded.len() <= text.len()
            && self.is_at(0, &text)
            && text
                .get(self.folded.len())
                .is_none_or(|next| next.before != Boundary::Never)
    }

    fn places(
        &self,
        text: &str,
        least: Boundary,
        wanted: impl Fn(&Range<usize>) -> bool,
    ) -> std::vec::IntoIter<Range<usize>> {
        let len = self.folded.len();
        if len == 0 {
            return Vec::new().into_iter();
        }
        // Most texts are ASCII, where each byte is a letter, which is by far the fastest case.
        if text.is_ascii() {
            let ranges = (0..text.len()).filter(|&at| self.is_at_ascii(&text.as_bytes()[at..]));
            return apart(ranges.map(|at| at..at + len).filter(wanted));
        }
        let mut text = fold(text);
        if self.ignores_accents {
            text.retain(|folded| !is_accent(folded.c));
        }
        let may_cut = |at: usize| {
            text.get(at).is_none_or(|next| match least {
                Boundary::Whole => next.before == Boundary::Whole,
                Boundary::Part | Boundary::Never => next.before != Boundary::Never,
            })
        };
        let starts = (0..text.len()).filter(|&at| {
            at + len <= text.len() && may_cut(at) && may_cut(at + len) && self.is_at(at, &text)
        });
        let ranges = starts.map(|at| text[at].of.start..text[at + len - 1].of.end);
        apart(ranges.filter(wanted))
    }

    fn is_at(&self, at: usize, text: &[Folded]) -> bool {
        self.folded
            .iter()
            .zip(&text[at..])
            .all(|(wanted, folded)| *wanted == folded.c)
    }

    fn is_at_ascii(&self, text: &[u8]) -> bool {
        let same = |(wanted, byte): (&char, &u8)| *wanted == char::from(byte.to_ascii_lowercase());
        self.folded.len() <= text.len() && self.folded.iter().zip(text).all(same)
    }
}

/// Those of the ranges, in order, that overlap none before them.
fn apart(ranges: impl Iterator<Item = Range<usize>>) -> std::vec::IntoIter<Range<usize>> {
    let mut places: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        if places.last().is_none_or(|last| last.end <= range.start) {
            places.push(range);
        }
    }
    places.into_iter()
}

/// A sort key that is equal for texts that match.
pub fn key(text: &str) -> String {
    fold(text).into_iter().map(|folded| folded.c).collect()
}

/// Whether it is part of a word. A mark belongs to the letter before it.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || chars::is_mark(c)
}

fn fold(text: &str) -> Vec<Folded> {
    if text.is_ascii() {
        let folded = |(at, c): (usize, char)| Folded {
            c: c.to_ascii_lowercase(),
            of: at..at + 1,
            before: Boundary::Whole,
        };
        return text.char_indices().map(folded).collect();
    }
    let mut folded = Vec::with_capacity(text.len());
    let mut start = 0;
    for (grapheme, _) in graphemes(text) {
        let of = start..start + grapheme.len();
        start = of.end;
        fold_grapheme(grapheme, &of, &mut folded);
    }
    folded
}

fn fold_grapheme(grapheme: &str, of: &Range<usize>, folded: &mut Vec<Folded>) {
    let composed = ComposingNormalizer::new_nfc().normalize(grapheme);
    let mut rest = &*composed;
    while !rest.is_empty() {
        // A character, and the marks after it that normalisation puts in order.
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| is_starter(*c))
            .map_or(rest.len(), |(end, _)| end);
        let letter;
        (letter, rest) = rest.split_at(end);
        let first = if letter.len() + rest.len() == composed.len() {
            Boundary::Whole
        } else {
            Boundary::Part
        };
        fold_letter(letter, first, of, folded);
    }
}

fn fold_letter(letter: &str, first: Boundary, of: &Range<usize>, folded: &mut Vec<Folded>) {
    let nfd = DecomposingNormalizer::new_nfd();
    let decomposed = nfd.normalize(letter);
    let alone = decomposed.chars().nth(1).is_none();
    let mapped = CaseMapper::new();
    let mapped = mapped.fold_string(&decomposed);
    for (index, c) in nfd.normalize(&mapped).chars().enumerate() {
        let before = match index {
            0 => first,
            // A single character that folds to several, such as ß or a ligature.
            _ if alone && is_starter(c) => Boundary::Part,
            _ => Boundary::Never,
        };
        let of = of.clone();
        folded.push(Folded { c, of, before });
    }
}

/// Whether it is an accent of a letter, above or below. The marks of other classes are no accents:
/// they are vowels, or make other letters.
fn is_accent(c: char) -> bool {
    CanonicalCombiningClassMap::new().get_u8(c) >= 200
}

fn is_starter(c: char) -> bool {
    CanonicalCombiningClassMap::new().get_u8(c) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(text: &'a str, what: &str) -> Vec<&'a str> {
        let places = Needle::new(what).find(text);
        places.map(|place| &text[place]).collect()
    }

    #[test]
    fn what_is_the_same_is_found() {
        for (text, what, finds) in [
            ("Ærø and ÆRØ", "ærø", &["Ærø", "ÆRØ"][..]),
            ("aaaa", "aa", &["aa", "aa"]),
            // Composed and decomposed, each in the other.
            ("a caf\u{e9} here", "CAFE\u{301}", &["caf\u{e9}"]),
            ("a cafe\u{301} here", "Caf\u{e9}", &["cafe\u{301}"]),
            (
                "Ti\u{1EBF}ng Vi\u{1EC7}t",
                "TI\u{CA}\u{301}NG",
                &["Ti\u{1EBF}ng"],
            ),
            // Marks in another order.
            ("q\u{307}\u{323}!", "Q\u{323}\u{307}", &["q\u{307}\u{323}"]),
            ("ὉΔΟΣ ὁδός", "ὁδος", &["ὉΔΟΣ"]),
            ("ΟΔΟΣ οδος οδοσ", "οδος", &["ΟΔΟΣ", "οδος", "οδοσ"]),
            ("ΟΔΟΣ οδος", "ΟΔΟΣ", &["ΟΔΟΣ", "οδος"]),
            ("Straße STRASSE", "strasse", &["Straße", "STRASSE"]),
            ("Straße STRASSE", "STRAẞE", &["Straße", "STRASSE"]),
            ("ﬁne FINE", "fine", &["ﬁne", "FINE"]),
            ("ᾼ ᾳ", "αι", &["ᾼ", "ᾳ"]),
            ("İstanbul", "i\u{307}stanbul", &["İstanbul"]),
            ("5 K", "k", &["K"]),
            ("한국", "\u{1112}\u{1161}\u{11ab}", &["한"]),
            (
                "\u{1112}\u{1161}\u{11ab}국",
                "한국",
                &["\u{1112}\u{1161}\u{11ab}국"],
            ),
            // Parts of words, as one types.
            ("Straße", "stras", &["Straß"]),
            ("हिन्दी", "हिन्द", &["हिन्दी"]),
            ("กำลัง", "ก", &["กำ"]),
        ] {
            assert_eq!(found(text, what), finds, "{what:?} in {text:?}");
        }
    }

    #[test]
    fn what_is_another_letter_is_not() {
        for (text, what) in [
            ("café", "cafe"),
            ("cafe\u{301}", "cafe"),
            ("e\u{301}", "\u{301}"),
            ("abc", ""),
            ("", "a"),
            ("ab", "abc"),
            ("한", "하"),
            ("👩\u{200D}👩\u{200D}👧", "\u{301}"),
            ("plain", "é"),
        ] {
            assert_eq!(found(text, what), [""; 0], "{what:?} in {text:?}");
        }
    }

    #[test]
    fn a_search_without_accents_ignores_them() {
        let found = |text: &'static str, what: &str| -> Vec<&str> {
            let places = Needle::for_search(what).find(text);
            places.map(|place| &text[place]).collect()
        };
        for (text, what, finds) in [
            ("a caf\u{e9} here", "CAFE", &["caf\u{e9}"][..]),
            ("a cafe\u{301}s", "cafe", &["cafe\u{301}"]),
            ("Ti\u{1EBF}ng", "tieng", &["Ti\u{1EBF}ng"]),
            ("ὉΔΟΣ ὁδός", "οδος", &["ὉΔΟΣ", "ὁδός"]),
            ("a cafe", "caf\u{e9}", &[]),
            ("a cafe\u{302}", "caf\u{e9}", &[]),
            // Voiced kana and a syllable with another vowel are other letters.
            ("が", "か", &[]),
            ("한", "하", &[]),
        ] {
            assert_eq!(found(text, what), finds, "{what:?} in {text:?}");
        }
    }

    #[test]
    fn a_mention_is_a_word() {
        let count = |text: &str, name: &str| Needle::new(name).words(text).count();
        assert_eq!(count("ada: hi, @ADA!", "Ada"), 2);
        assert_eq!(count("Canada, adas, ada_b", "Ada"), 0);
        assert_eq!(count("RENE\u{301}? Rene. Ren\u{e9}!", "ren\u{e9}"), 2);
        // However the letter before it is written.
        assert_eq!(count("\u{e9}ada e\u{301}ada", "ada"), 0);
        assert_eq!(count("ΝΙΚΟΣ, ΝΊΚΟΣ", "νικος"), 1);
        assert_eq!(count("STRASS, STRAß, stras", "Straß"), 2);
        assert_eq!(count("Straß", "stras"), 0);
        assert_eq!(count("한", "하"), 0);
        assert_eq!(count("xana ana", "ana"), 1);
        assert_eq!(count("anana ana", "ana"), 1);
    }

    #[test]
    fn a_name_goes_on_from_its_beginning() {
        let begins = |name: &str, typed: &str| Needle::new(typed).begins(name);
        assert!(begins("Zoe\u{308}", "ZO\u{cb}"));
        assert!(begins("Zoë", ""));
        assert!(begins("Straße", "strass"));
        assert!(begins("ΝΙΚΟΣ", "νικος"));
        assert!(!begins("Zoe\u{308}", "zoe"));
        assert!(!begins("ada", "da") && !begins("ad", "ada"));
    }

    proptest! {
        #[test]
        fn a_find_says_the_same(text in "\\PC{0,30}", what in "\\PC{1,3}") {
            let needle = Needle::new(&what);
            for place in needle.find(&text) {
                prop_assert!(text.get(place.clone()).is_some());
                prop_assert!(needle.is_in(&text[place]));
            }
            for place in needle.words(&text) {
                prop_assert_eq!(key(&text[place]), key(&what));
            }
        }

        #[test]
        fn each_way_of_writing_finds_the_others(text in "\\PC{1,12}") {
            let nfc = ComposingNormalizer::new_nfc().normalize(&text).into_owned();
            let nfd = DecomposingNormalizer::new_nfd().normalize(&text).into_owned();
            let folded = CaseMapper::new();
            // Decomposed first: the iota below folds to a letter, which keeps marks from each other.
            let folded = folded.fold_string(&nfd).into_owned();
            for (a, b) in [(&nfc, &nfd), (&nfd, &nfc), (&folded, &text), (&text, &folded)] {
                prop_assert_eq!(key(a), key(b));
                prop_assert!(Needle::new(a).is_in(b), "{:?} {:?}", a, b);
                prop_assert!(Needle::new(a).begins(b));
            }
        }
    }
}
