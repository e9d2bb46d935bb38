//! The keys by which two names are compared.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;
use unicode_security::skeleton;

use super::chars;

/// How often folding and normalising are repeated at most until nothing changes: RFC 8266, section
/// 2.4 ("no more than three times").
const ROUNDS: usize = 4;

/// A key for comparing names. A reader could mistake names that have a key in common. A name is
/// free if none of its keys belongs to a present participant.
///
/// The comparison of RFC 8266 (PRECIS Nickname) folds case and compatibility forms: "ADA", "ada"
/// and "ａｄａ" are equal. After it come the skeletons of UTS #39, which are equal for texts that look
/// alike, such as "bob" and "bоb" with a Cyrillic о. A name needs two keys, one with case folded
/// before and one without: only the folded one makes "ADA" and "ada" equal, and only the other one
/// "Ida", with a capital i, and "lda", with a small L.
///
/// Last, the marks on each letter are sorted and deduplicated, and a dot on a letter that has one
/// is removed: a doubled acute looks like a single one, and "i̇" like "i" (UTS #39, section 5.4).
/// The skeleton removes what is not drawn at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(Box<str>);

impl NameKey {
    /// The one or two keys of any name, including one that today's rules would refuse, because a
    /// name in the log stays taken.
    pub fn of(name: &str) -> Vec<Self> {
        let compatible = compatible(&single_spaced(name)).into_owned();
        let folded = folded(&compatible);
        let mut keys = vec![Self::skeleton(&folded)];
        let as_written = Self::skeleton(&compatible);
        if !keys.contains(&as_written) {
            keys.push(as_written);
        }
        keys
    }

    fn skeleton(text: &str) -> Self {
        Self(plain_marks(skeleton(text)).into())
    }

    /// Whether the name reads as one with something in brackets at its end, of whatever form the
    /// brackets are.
    pub fn ends_in_brackets(&self) -> bool {
        let mut rest = self.0.chars();
        rest.next_back().is_some_and(chars::closes_brackets) && rest.any(chars::opens_brackets)
    }

    /// Only the letters and digits, without the marks on them.
    pub(super) fn letters(&self) -> String {
        self.0
            .chars()
            .filter(|&c| chars::is_letter_or_digit(c))
            .collect()
    }
}

/// Sorts and deduplicates the marks on each letter, and removes a dot from a dotted letter. The
/// text is decomposed (NFD), as skeletons are.
fn plain_marks(text: impl Iterator<Item = char>) -> String {
    let (mut plain, mut base, mut marks) = (String::new(), None, Vec::new());
    let mut put = |base: Option<char>, marks: &mut Vec<char>| {
        plain.extend(base);
        marks.sort_unstable();
        marks.dedup();
        plain.extend(marks.drain(..));
    };
    for c in text {
        if c == chars::DOT_ABOVE && base.is_some_and(chars::has_dot) {
            continue;
        }
        if chars::is_mark(c) {
            marks.push(c);
            continue;
        }
        put(base, &mut marks);
        base = Some(match c {
            'ı' => 'i',
            'ȷ' => 'j',
            c => c,
        });
    }
    put(base, &mut marks);
    plain
}

/// RFC 8266, section 2.3: white space is U+0020, single, and not at the ends.
fn single_spaced(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn compatible(text: &str) -> Cow<'_, str> {
    ComposingNormalizer::new_nfkc().normalize(text)
}

/// Folded until it is stable, since normalising can bring out what folds again.
fn folded(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let next = compatible(&CaseMapper::new().fold_string(&text)).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn collide(a: &str, b: &str) -> bool {
        let b = NameKey::of(b);
        NameKey::of(a).iter().any(|key| b.contains(key))
    }

    #[test]
    fn names_that_look_alike_collide() {
        for (a, b) in [
            ("ada", "ada"),
            ("ADA", "ada"),
            ("Ada", "aDA"),
            ("Ida", "lda"),
            ("lda", "1da"),
            ("bob", "bоb"),    // Cyrillic o
            ("BOB", "ВОВ"),    // all Cyrillic
            ("ada", "ａｄａ"), // fullwidth
            ("ada", "ADＡ"),
            ("José", "Jose\u{301}"), // composed or not
            ("Straße", "STRASSE"),
            ("fin", "ﬁn"),   // ligature
            ("corn", "com"), // rn, m
            ("ada lovelace", "Ada\u{A0}Lovelace"),
            ("ada  b", "ada b"),
            ("ada", "a\u{200B}da"), // invisible
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("K", "\u{212A}"), // Kelvin sign
            ("i", "i\u{307}"),
            ("bin", "b\u{131}\u{307}n"),
            ("İbrahim", "ibrahim"),
            ("jan", "j\u{307}an"),
            ("i\u{323}", "i\u{323}\u{307}"),
            ("á", "a\u{301}\u{301}"),
            ("á", "a\u{301}\u{200D}"),
            ("q\u{302}\u{301}", "q\u{301}\u{302}"),
            ("ø", "ø\u{338}"),
            ("क\u{94D}ष", "क\u{94D}\u{200D}ष"),
            ("ada", "a\u{E0061}da"),
        ] {
            assert!(collide(a, b), "{a} and {b}");
            assert!(collide(b, a), "{b} and {a}");
        }
    }

    #[test]
    fn names_that_differ_do_not_collide() {
        for (a, b) in [
            ("ada", "bob"),
            ("ada", "adam"),
            ("ada b", "adab"),
            ("jose", "josé"),
            ("eve", "eva"),
            ("u1", "u11"),
        ] {
            assert!(!collide(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn numbered_names_are_all_distinct() {
        let mut seen = HashSet::new();
        for number in 1..=5000 {
            let keys = NameKey::of(&format!("u{number}"));
            for key in keys {
                assert!(seen.insert(key), "u{number}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_name_collides_with_itself_in_any_case(name in "\\PC{1,32}") {
            prop_assert!(collide(&name, &name));
            let folded = CaseMapper::new().fold_string(&name).into_owned();
            prop_assert!(collide(&name, &folded));
        }

        #[test]
        fn case_does_not_matter(name in "[a-zà-öа-яα-ω]{1,32}") {
            prop_assert!(collide(&name, &name.to_uppercase()));
        }

        #[test]
        fn any_text_has_keys(name in any::<String>()) {
            prop_assert!((1..=2).contains(&NameKey::of(&name).len()));
        }
    }
}
