//! Parts of a text with a meaning: matches of a search, the user's name, addresses.

use std::{fmt::Write as _, ops::Range};

use crate::glyphs;

/// The meaning of a part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextMark {
    /// It matches the search.
    Found,
    /// It is the user's own name.
    Mention,
    /// It is the address of a web page, in printable ASCII.
    Link(String),
}

/// The longest address that becomes a link, in bytes.
const MAX_LINK: usize = 1024;

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

/// The address at the beginning of a text: its length in bytes, and its form in printable ASCII.
fn address(text: &str) -> Option<(usize, String)> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))?;
    // A letter includes its combining marks.
    let letters = glyphs::graphemes(text).map(|(letter, _)| letter);
    let letters = letters.take_while(|letter| letter.chars().next().is_some_and(belongs));
    let mut taken = &text[..letters.map(str::len).sum()];
    // Punctuation that ends a sentence does not belong to the address, nor does a closing bracket
    // without its opening one.
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
    // A host that imitates another one, or hides behind user information, does not become a link.
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
        fn whatever_is_said_links_are_printable(text in "(https?://)?\\PC{0,40}(https://\\PC{0,40})?") {
            for (range, link) in links(&text) {
                prop_assert!(text.get(range).is_some());
                prop_assert!(link.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
