//! The characters of which the screen is made, depending on the locale.

/// The characters of which the screen is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CharacterSet {
    /// Whether the program's own signs and frames are ASCII. What people write is not changed.
    pub ascii: bool,
    /// Whether the terminal may use two cells for characters that are wide in East Asian fonts:
    /// Greek letters, frames, arrows (ambiguous width in UAX #11).
    pub ambiguous_is_wide: bool,
    /// A hint about it for a user who has made no choice.
    pub word: Option<&'static str>,
}

const NOT_UTF_8: &str = "Signs and frames are ASCII, because the locale is not UTF-8: \
    --ascii=false draws them anyway, and --ascii silences this hint";
const TWO_WIDE: &str =
    "If lines and columns look torn, signs are two cells wide here: --ascii does without them";

impl CharacterSet {
    /// The character set that the user wants, or else the one for the locale. `variable` looks up
    /// the environment variables `LC_ALL`, `LC_CTYPE` and `LANG`.
    ///
    /// The first of the three that is set and not empty counts, as in POSIX; without any, the
    /// locale is `C`. If the locale is not UTF-8, the set is ASCII. If it is Chinese, Japanese or
    /// Korean, the set is not ASCII, because most terminals use one cell for a sign there, too; a
    /// hint offers it.
    pub fn of(wanted: Option<bool>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty())
            .unwrap_or_else(|| "C".into());
        let (ascii, word) = match wanted {
            Some(ascii) => (ascii, None),
            None if !is_utf_8(&locale) => (true, Some(NOT_UTF_8)),
            None if is_east_asian(&locale) => (false, Some(TWO_WIDE)),
            None => (false, None),
        };
        Self {
            ascii,
            ambiguous_is_wide: is_east_asian(&locale),
            word,
        }
    }
}

/// Whether the locale, `language_TERRITORY.codeset@modifier`, is UTF-8. Without a codeset it uses
/// the one that its language had before Unicode.
fn is_utf_8(locale: &str) -> bool {
    let codeset = locale.split_once('.').map_or("", |(_, codeset)| codeset);
    let codeset = codeset.split('@').next().unwrap_or_default();
    codeset.replace('-', "").eq_ignore_ascii_case("utf8")
}

fn is_east_asian(locale: &str) -> bool {
    let language = locale.split(['_', '.', '@']).next().unwrap_or_default();
    matches!(language, "ja" | "ko" | "zh")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(wanted: Option<bool>, variables: &[(&str, &str)]) -> CharacterSet {
        CharacterSet::of(wanted, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_locale_proposes_and_the_user_decides() {
        let ascii = |variables: &[(&str, &str)]| {
            let characters = characters(None, variables);
            (characters.ascii, characters.word.is_some())
        };
        for utf_8 in ["C.UTF-8", "en_US.utf8", "da_DK.UTF-8@euro", "C.utf-8"] {
            assert_eq!(ascii(&[("LANG", utf_8)]), (false, false), "{utf_8}");
        }
        for other in [
            "C",
            "POSIX",
            "en_US",
            "de_DE.ISO-8859-1",
            "ja_JP.eucJP",
            "x.UTF-16",
        ] {
            assert_eq!(ascii(&[("LANG", other)]), (true, true), "{other}");
        }
        for wide in ["ja_JP.UTF-8", "zh_TW.utf8", "ko_KR.UTF-8"] {
            assert_eq!(ascii(&[("LANG", wide)]), (false, true), "{wide}");
            assert!(characters(None, &[("LANG", wide)]).ambiguous_is_wide);
        }
        assert_eq!(ascii(&[]), (true, true), "no locale is C");
        assert_eq!(
            ascii(&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")]),
            (false, false),
            "an empty variable is not set"
        );
        assert_eq!(ascii(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")]), (true, true));
        for wanted in [true, false] {
            let characters = characters(Some(wanted), &[("LANG", "C")]);
            assert_eq!((characters.ascii, characters.word), (wanted, None));
        }
    }
}
