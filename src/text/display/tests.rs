use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::*;

/// Texts made of what this module is about.
fn nasty() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a",
        "1",
        " ",
        "\n",
        "\t",
        "\r",
        "\u{1b}",
        "\u{7f}",
        "\u{9b}",
        "\u{301}",
        "\u{20d7}",
        "\u{20e3}",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{202e}",
        "\u{2066}",
        "\u{2069}",
        "\u{2028}",
        "\u{fe0e}",
        "\u{fe0f}",
        "\u{fe00}",
        "\u{feff}",
        "\u{ad}",
        "❤",
        "👩",
        "👨",
        "🏽",
        "🏴",
        "\u{e0067}",
        "\u{e007f}",
        TAG_FLAGS[0],
        "🇩",
        "क",
        "\u{94d}",
        "\u{93f}",
        "م",
        "ی",
        "\u{64e}",
        "\u{600}",
        "\u{1100}",
        "\u{1161}",
        "\u{11a8}",
        "\u{1160}",
        "가",
        "ｶ",
        "\u{ff9e}",
        "\u{d4e}",
        "\u{a8fa}",
        "\u{fffd}",
        "\u{25cc}",
        "©",
    ]);
    let text = prop::collection::vec(parts, 0..24).prop_map(|parts| parts.concat());
    prop_oneof![text, any::<String>(), "\\PC{0,40}"]
}

fn is_dangerous(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || bidi || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}' | '\u{feff}')
}

#[test]
fn plain_text_is_borrowed() {
    for text in [
        "",
        "hello",
        "Æ, あ and 🦀",
        "e\u{301}",
        "می\u{200c}خواهم",
        "👩\u{200d}💻",
    ] {
        assert!(matches!(safe(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn what_is_dangerous_is_shown_for_what_it_is() {
    for (text, shown) in [
        ("\u{1b}[31mred", "␛[31mred"),
        ("\u{1b}]52;c;aGk=\u{7}", "␛]52;c;aGk=␇"),
        ("a\u{9b}2Jb", "a\u{fffd}2Jb"),
        ("a\0\r\u{7f}", "a␀␍␡"),
        ("gpj.\u{202e}exe", "gpj.\u{fffd}exe"),
        ("\u{2066}a\u{2069}", "\u{fffd}a\u{fffd}"),
        ("a\u{200b}b", "a\u{fffd}b"),
        ("a\u{2028}b", "a\u{fffd}b"),
        ("a\u{e0041}\u{e0042}", "a\u{fffd}\u{fffd}"),
        ("a\u{fe0f}", "a\u{fffd}"),
        ("a\u{200d}b", "a\u{fffd}b"),
        ("\u{3164}", "\u{fffd}"),
        ("ｶ\u{ff9e}", "ｶ゛"),
    ] {
        assert_eq!(safe(text), shown);
        assert_eq!(safe_lines(text), shown);
    }
}

#[test]
fn newline_and_tab() {
    assert_eq!(safe("a\n\tb"), "a␊␉b");
    assert_eq!(safe_lines("a\n\tb"), "a\n    b");
    assert_eq!(safe_lines("a\nb"), "a\nb");
    assert_eq!(safe_lines("a\r\nb"), "a␍\nb");
}

#[test]
fn real_emoji_stay_whole() {
    for emoji in [
        "👨\u{200d}👩\u{200d}👧\u{200d}👦",
        "👩🏽\u{200d}💻",
        "👩🏻\u{200d}❤\u{fe0f}\u{200d}💋\u{200d}👨🏿",
        "❤\u{fe0f}",
        "☺\u{fe0e}",
        "1\u{fe0f}\u{20e3}",
        "🏳\u{fe0f}\u{200d}🌈",
        "🇩🇰",
        TAG_FLAGS[1],
    ] {
        assert_eq!(safe(emoji), emoji);
        assert_eq!(graphemes(emoji).count(), 1, "{emoji}");
    }
}

#[test]
fn sham_emoji_do_not() {
    for (text, shown) in [
        ("👩\u{200d}", "👩\u{fffd}"),
        ("👩\u{200d}\u{200d}💻", "👩\u{fffd}\u{fffd}💻"),
        ("\u{200d}💻", "\u{fffd}💻"),
        ("1\u{fe0f}2", "1\u{fffd}2"),
        ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\u{fffd}"),
        ("🏴\u{e0067}\u{e007f}", "🏴\u{fffd}\u{fffd}"),
    ] {
        assert_eq!(safe(text), shown);
    }
    let crowd = ["👩"; 6].join("\u{200d}");
    let shown = safe(&crowd);
    assert_eq!(shown.matches('\u{200d}').count(), 4);
    assert_eq!(shown.matches('\u{fffd}').count(), 1);
}

#[test]
fn marks_neither_pile_up_nor_cling_to_what_is_not_theirs() {
    let zalgo = format!("a{}b", "\u{301}".repeat(40));
    assert_eq!(safe(&zalgo), format!("a{}\u{fffd}b", "\u{301}".repeat(4)));
    assert_eq!(safe("\u{301}a"), "\u{25cc}\u{301}a");
    assert_eq!(safe_lines("a\n\u{301}"), "a\n\u{25cc}\u{301}");
}

#[test]
fn widths() {
    for (text, cells) in [
        ("", 0),
        ("ada", 3),
        ("Æ", 1),
        ("あ", 2),
        ("e\u{301}", 1),
        ("🦀", 2),
        ("👨\u{200d}👩\u{200d}👧", 2),
        ("🇩🇰", 2),
        ("❤\u{fe0f}", 2),
        ("a\u{1b}b", 2),
        ("a\r\nb", 2),
        ("\u{fffd}", 1),
    ] {
        assert_eq!(width(text), cells, "{text:?}");
        let by_grapheme: Vec<_> = graphemes(text).collect();
        assert_eq!(
            by_grapheme.iter().map(|(g, _)| *g).collect::<String>(),
            text
        );
    }
}

/// What ratatui 0.30 draws: `Buffer::set_stringn` and `CellWidth for str`.
fn as_ratatui(text: &str) -> usize {
    use unicode_width::UnicodeWidthStr as _;
    text.graphemes(true)
        .filter(|grapheme| !grapheme.contains(char::is_control))
        .map(|grapheme| {
            let marks = grapheme.matches(['\u{FF9E}', '\u{FF9F}']).count();
            if grapheme.len() == 1 {
                1
            } else {
                grapheme.width() + marks
            }
        })
        .sum()
}

#[test]
fn every_character_is_safe_and_seen() {
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let shown = safe(&text);
        assert!(!shown.contains(is_dangerous), "{text:?}");
        assert!(width(&shown) > 0, "{text:?} shown as {shown:?}");
        assert_eq!(safe(&shown), shown, "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_dangerous_is_left(text in nasty()) {
        prop_assert!(!safe(&text).contains(is_dangerous));
        prop_assert!(!safe_lines(&text).contains(|c| c != '\n' && is_dangerous(c)));
    }

    #[test]
    fn making_safe_is_idempotent(text in nasty()) {
        let once = safe(&text);
        prop_assert_eq!(safe(&once), once.as_ref());
        prop_assert!(matches!(safe(&once), Cow::Borrowed(_)));
        let once = safe_lines(&text);
        prop_assert_eq!(safe_lines(&once), once.as_ref());
    }

    #[test]
    fn every_grapheme_takes_room(text in nasty()) {
        for (grapheme, cells) in graphemes(&safe(&text)) {
            prop_assert!(cells > 0, "{:?} in {:?}", grapheme, safe(&text));
        }
    }

    #[test]
    fn lines_are_kept(text in nasty()) {
        prop_assert_eq!(safe_lines(&text).matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn width_is_ratatuis(text in nasty()) {
        prop_assert_eq!(width(&text), as_ratatui(&text));
        prop_assert_eq!(width(&safe(&text)), as_ratatui(&safe(&text)));
    }
}
