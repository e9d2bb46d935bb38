//! Properties of characters by the Unicode Character Database (UCD): the questions that the rules
//! for messages, names, screens and logs have in common, each answered in one place.

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, Emoji, EmojiModifier,
        ExtendedPictographic, GeneralCategory, GeneralCategoryGroup, HangulSyllableType,
        JoiningType, PrependedConcatenationMark, SoftDotted,
    },
};

/// How many combining marks may follow one another, in a name and on a screen. Living languages
/// need three (Vietnamese decomposed, Thai, pointed Hebrew); taller stacks run into the lines above
/// and below.
pub(crate) const MAX_MARKS: usize = 4;

/// The `General_Category` of the UCD.
pub(crate) fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// A character that no screen draws, or that acts on its neighbours only: format characters,
/// bidirectional controls, zero-width ones, tags, variation selectors, fillers, line and
/// paragraph separators. Control characters (Cc) are not among them.
///
/// The Arabic and other signs that enclose the digits after them are format characters by
/// category, yet are drawn, and so are not hidden.
pub(crate) fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    if CodePointSetData::new::<PrependedConcatenationMark>().contains(c) {
        return false;
    }
    let by_category = matches!(
        category(c),
        GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    by_category
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<BidiControl>().contains(c)
}

/// A character that is drawn as nothing although the UCD does not call it white space or
/// ignorable: the empty braille pattern, the musical null notehead, the Khitan filler, the blanks
/// between Egyptian hieroglyphs.
pub(crate) const fn looks_empty(c: char) -> bool {
    matches!(
        c,
        '\u{2800}' | '\u{1D159}' | '\u{16FE4}' | '\u{13441}' | '\u{13442}'
    )
}

/// A mark that draws nothing of its own and only changes how its neighbours are drawn: it joins,
/// mirrors, turns, fills or damages them. The UCD has no property for these.
pub(crate) const fn only_changes_neighbours(c: char) -> bool {
    matches!(
        c,
        // Tifinagh consonant joiner, Brahmi number joiner.
        '\u{2D7F}' | '\u{1107F}'
        // Egyptian hieroglyphs: mirrored, damaged.
        | '\u{13440}' | '\u{13447}'..='\u{13455}'
        // Duployan thick letter selector.
        | '\u{1BC9D}'
        // SignWriting: fill and rotation.
        | '\u{1DA9B}'..='\u{1DA9F}' | '\u{1DAA1}'..='\u{1DAAF}'
    )
}

/// Whether a character shows nothing.
pub(crate) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || looks_empty(c) || is_hidden(c)
}

/// A combining mark (Mn, Mc, Me).
pub(crate) fn is_mark(c: char) -> bool {
    !c.is_ascii() && GeneralCategoryGroup::Mark.contains(category(c))
}

/// A letter or a decimal digit that is drawn.
pub(crate) fn is_letter_or_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric();
    }
    let category = category(c);
    let counts = GeneralCategoryGroup::Letter.contains(category)
        || category == GeneralCategory::DecimalNumber;
    counts && !is_hidden(c)
}

/// A conjoining Hangul letter, which is to stand in a syllable and not alone.
pub(crate) fn is_jamo(c: char) -> bool {
    matches!(
        CodePointMapData::<HangulSyllableType>::new().get(c),
        HangulSyllableType::LeadingJamo
            | HangulSyllableType::VowelJamo
            | HangulSyllableType::TrailingJamo
    )
}

/// Whether a conjoining Hangul vowel or final consonant goes on with the syllable that `before`
/// is part of (UAX #29, rules GB6 to GB8).
pub(crate) fn continues_syllable(before: char, c: char) -> bool {
    use HangulSyllableType as Hangul;

    let kind = CodePointMapData::<HangulSyllableType>::new();
    let before = kind.get(before);
    match kind.get(c) {
        Hangul::VowelJamo => matches!(
            before,
            Hangul::LeadingJamo | Hangul::LVSyllable | Hangul::VowelJamo
        ),
        Hangul::TrailingJamo => before != Hangul::LeadingJamo && before != Hangul::NotApplicable,
        _ => false,
    }
}

/// U+0307 COMBINING DOT ABOVE.
pub(crate) const DOT_ABOVE: char = '\u{307}';

/// Whether a dot above this letter would not be noticed: the letter has one already, which gives
/// way to a mark above it (i and j), or it looks like such a letter with the dot (the dotless
/// ones).
pub(crate) fn has_dot(c: char) -> bool {
    matches!(c, 'ı' | 'ȷ') || CodePointSetData::new::<SoftDotted>().contains(c)
}

/// U+200C: parts letters that would join.
pub(crate) const ZERO_WIDTH_NON_JOINER: char = '\u{200C}';
/// U+200D: joins what stands beside it.
pub(crate) const ZERO_WIDTH_JOINER: char = '\u{200D}';

/// Whether an orthography needs a joiner at this place between letters: after a virama (Sinhala,
/// Nepali) or, for a non-joiner, between letters that would join (Persian). These are the rules of
/// RFC 5892, appendices A.1 and A.2, except for marks right after the joiner, which would have no
/// base.
///
/// `last` is the character before it, `base` the last one that is no mark or joiner.
pub(crate) fn joiner_is_due(
    joiner: char,
    (last, base): (Option<char>, Option<char>),
    next: Option<char>,
) -> bool {
    let after_virama = last.is_some_and(is_virama);
    let between_joining = joiner == ZERO_WIDTH_NON_JOINER
        && last != Some(ZERO_WIDTH_NON_JOINER)
        && base.is_some_and(joins_forward)
        && next.is_some_and(|next| !is_mark(next) && joins_backward(next));
    after_virama || between_joining
}

/// A virama: the next letter joins with this one.
pub(crate) fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// A letter of a cursive script that joins with the one after it.
pub(crate) fn joins_forward(c: char) -> bool {
    matches!(
        CodePointMapData::<JoiningType>::new().get(c),
        JoiningType::DualJoining | JoiningType::LeftJoining
    )
}

/// A letter of a cursive script that joins with the one before it.
pub(crate) fn joins_backward(c: char) -> bool {
    matches!(
        CodePointMapData::<JoiningType>::new().get(c),
        JoiningType::DualJoining | JoiningType::RightJoining
    )
}

/// A character that can be an emoji, by itself or with a variation selector.
pub(crate) fn is_emoji(c: char) -> bool {
    CodePointSetData::new::<Emoji>().contains(c)
}

/// An emoji that a zero-width joiner can combine with another.
pub(crate) fn is_pictograph(c: char) -> bool {
    is_emoji(c) && CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// A modifier for skin tone.
pub(crate) fn is_emoji_modifier(c: char) -> bool {
    CodePointSetData::new::<EmojiModifier>().contains(c)
}

/// Whether a character opens brackets of some form.
pub(super) fn opens_brackets(c: char) -> bool {
    c == '<' || category(c) == GeneralCategory::OpenPunctuation
}

/// Whether a character closes brackets of some form.
pub(super) fn closes_brackets(c: char) -> bool {
    c == '>' || category(c) == GeneralCategory::ClosePunctuation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden() {
        for c in [
            '\u{AD}',
            '\u{34F}',
            '\u{61C}',
            '\u{115F}',
            '\u{180E}',
            '\u{200B}',
            '\u{200D}',
            '\u{200E}',
            '\u{2028}',
            '\u{2029}',
            '\u{202E}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{FFF9}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            assert!(is_hidden(c), "U+{:04X}", c as u32);
            assert!(is_blank(c), "U+{:04X}", c as u32);
        }
        for c in [
            'a', ' ', '\n', 'é', 'あ', '\u{301}', '👍', '\u{600}', '\u{FFFD}',
        ] {
            assert!(!is_hidden(c), "U+{:04X}", c as u32);
        }
    }

    #[test]
    fn what_is_blank_without_being_hidden() {
        for c in [
            '\u{2800}',
            '\u{1D159}',
            '\u{16FE4}',
            '\u{A0}',
            '\u{3000}',
            '\u{85}',
        ] {
            assert!(is_blank(c) && !is_hidden(c), "U+{:04X}", c as u32);
        }
    }
}
