//! Parts of a text that mean something: what is searched for, one's own name, addresses.

use std::{fmt::Write as _, ops::Range};

use crate::view::glyphs;

/// What a part of a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is searched for.
    Found,
    /// The user's own name.
    Mention,
    /// The address of a page, in printable ASCII.
    Link(String),
}

/// In bytes. A longer address is not made a link.
const MAX_LINK: usize = 1024;

/// What to look for, however it is written.
pub(crate) fn needle(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Where that is in a text.
pub(crate) fn find<'a>(
    text: &'a str,
    needle: &'a [char],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < text.len() {
            let start = from;
            let matched = matches_at(&text[start..], needle);
            let step = text[start..].chars().next().map_or(1, char::len_utf8);
            from += matched.unwrap_or(step).max(step);
            if let Some(len) = matched {
                return Some(start..start + len);
            }
        }
        None
    })
}

/// The bytes of the beginning of `text` that is `needle`.
fn matches_at(text: &str, needle: &[char]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    let mut wanted = needle.iter();
    for (at, c) in text.char_indices() {
        if wanted.len() == 0 {
            return Some(at);
        }
        for lower in c.to_lowercase() {
            if wanted.next() != Some(&lower) {
                return None;
            }
        }
    }
    (wanted.len() == 0).then_some(text.len())
}

/// Where a text speaks of somebody: the name as a word of its own.
pub(crate) fn mentions<'a>(
    text: &'a str,
    name: &'a [char],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    find(text, name).filter(move |range| {
        let before = text[..range.start].chars().next_back();
        let after = text[range.end..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The addresses in a text.
pub(crate) fn links(text: &str) -> Vec<(Range<usize>, String)> {
    let mut links = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("http") {
        let start = from + at;
        from = start + 4;
        let before = text[..start].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        if let Some((len, address)) = address(&text[start..]) {
            links.push((start..start + len, address));
            from = start + len;
        }
    }
    links
}

/// The address that a text begins with: its bytes, and itself in printable ASCII.
fn address(text: &str) -> Option<(usize, String)> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))?;
    // A letter goes with its marks.
    let letters = glyphs::graphemes(text).map(|(letter, _)| letter);
    let letters = letters.take_while(|letter| letter.chars().next().is_some_and(belongs));
    let mut taken = &text[..letters.map(str::len).sum()];
    // What ends a sentence ends no address, nor does a bracket that it did not open.
    while let Some(last) = taken.chars().next_back() {
        let unopened = |open, close| {
            last == close && taken.matches(open).count() < taken.matches(close).count()
        };
        if !(".,;:!?'*_~".contains(last) || unopened('(', ')') || unopened('[', ']')) {
            break;
        }
        taken = &taken[..taken.len() - last.len_utf8()];
    }
    let rest = &taken[scheme.len().min(taken.len())..];
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    // A host that looks like another one, or hides behind a user's name, is not made easy to open.
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        return None;
    }
    let mut ascii = String::new();
    for c in taken.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(ascii, "%{byte:02X}");
            }
        }
    }
    (ascii.len() <= MAX_LINK).then_some((taken.len(), ascii))
}

fn belongs(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_graphic() && !"<>\"`{}|\\^".contains(c)
    } else {
        c.is_alphanumeric()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(text: &'a str, what: &str) -> Vec<&'a str> {
        find(text, &needle(what))
            .map(|range| &text[range])
            .collect()
    }

    #[test]
    fn case_makes_no_difference() {
        assert_eq!(found("Ærø and ÆRØ", "ærø"), ["Ærø", "ÆRØ"]);
        assert_eq!(found("aaaa", "aa"), ["aa", "aa"]);
        assert_eq!(found("abc", ""), [""; 0]);
        assert_eq!(found("ab", "abc"), [""; 0]);
    }

    #[test]
    fn a_mention_is_a_word() {
        let name = needle("Ada");
        let count = |text| mentions(text, &name).count();
        assert_eq!(count("ada: hi, @ADA!"), 2);
        assert_eq!(count("Canada, adas, ada_b"), 0);
    }

    #[test]
    fn addresses_end_where_people_think() {
        let all = |text| {
            links(text)
                .into_iter()
                .map(|(range, link): (Range<usize>, String)| (text[range].to_owned(), link))
                .collect::<Vec<_>>()
        };
        let same = |text: &str| (text.to_owned(), text.to_owned());
        assert_eq!(
            all("see (https://a.example/x_(y)), http://b.example."),
            [same("https://a.example/x_(y)"), same("http://b.example")]
        );
        assert_eq!(
            all("https://a.example/ü?q=\"x"),
            [(
                "https://a.example/ü?q=".into(),
                "https://a.example/%C3%BC?q=".into()
            )]
        );
        for no in [
            "https://",
            "xhttp://a",
            "http:/a",
            "https://bank.example@evil.example/",
            "https://bänk.example/",
            "javascript:alert(1)",
        ] {
            assert_eq!(all(no), [], "{no}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_links_are_printable(text in "(https?://)?\\PC{0,40}(https://\\PC{0,40})?", what in "\\PC{0,3}") {
            for (range, link) in links(&text) {
                prop_assert!(text.get(range).is_some());
                prop_assert!(link.bytes().all(|byte| byte.is_ascii_graphic()));
            }
            for range in find(&text, &needle(&what)) {
                prop_assert_eq!(needle(&text[range]), needle(&what));
            }
        }
    }
}
