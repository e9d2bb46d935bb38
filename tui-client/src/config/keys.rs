//! The tables `[keys]` and `[keys.selected]` of key bindings.

use std::fmt::{self, Write as _};

use chitty_app::keys::{Binding, KeyChange, KeyContext, KeySequence, Keymap};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The name of the inner table, for a selected line.
const SELECTED: &str = "selected";

/// The last part of the example file.
pub(super) fn example() -> String {
    let mut text = String::from(
        "\
# What keys do: a key, or a list of keys, such as \"Ctrl-F\", \"Alt-Enter\", \"Shift-Up\", \"PageUp\",
# \"F2\", or \"Ctrl-X s\", which is two, one after the other. With names: Enter, Tab, Esc, Backspace,
# Delete, Insert, Up, Down, Left, Right, Home, End, PageUp, PageDown, Space. A character alone is
# for writing. A key that you give to something is taken from what has it here; an empty list []
# takes all keys from something. Something must send; /quit always leaves.
",
    );
    table(&mut text, "keys", KeyContext::Chat);
    text.push_str(
        "\n# While a line is selected, before what the keys do otherwise. Here a character alone is \
         a key.\n",
    );
    table(&mut text, "keys.selected", KeyContext::Selected);
    text
}

fn table(text: &mut String, name: &str, context: KeyContext) {
    // Writing to a string never fails.
    let _ = writeln!(text, "[{name}]");
    for row in context.rows() {
        let _ = writeln!(text, "\n# {}", capital(row.what));
        for binding in row.bindings {
            let _ = match binding.keys {
                [key] => writeln!(text, "#{} = {key:?}", binding.name),
                keys => writeln!(text, "#{} = {keys:?}", binding.name),
            };
        }
    }
}

fn capital(what: &str) -> String {
    let mut chars = what.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).chain(['.']).collect()
}

pub(super) fn keymap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keymap, D::Error> {
    let mut changes = Vec::new();
    deserializer.deserialize_map(KeyTable {
        context: KeyContext::Chat,
        changes: &mut changes,
    })?;
    Keymap::with(&changes).map_err(Error::custom)
}

/// A table that maps bindings to keys.
struct KeyTable<'a> {
    context: KeyContext,
    changes: &'a mut Vec<KeyChange>,
}

/// The name of a binding, or `None` for the name of the inner table.
struct BindingName(KeyContext);

/// The keys of one binding.
struct Value<'a> {
    context: KeyContext,
    binding: &'static Binding,
    changes: &'a mut Vec<KeyChange>,
}

impl<'de> Visitor<'de> for KeyTable<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a table of bindings and their keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(BindingName(self.context))? {
            match name {
                Some(binding) => map.next_value_seed(Value {
                    context: self.context,
                    binding,
                    changes: self.changes,
                })?,
                None => map.next_value_seed(KeyTable {
                    context: KeyContext::Selected,
                    changes: self.changes,
                })?,
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for KeyTable<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> DeserializeSeed<'de> for BindingName {
    type Value = Option<&'static Binding>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for BindingName {
    type Value = Option<&'static Binding>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the name of a key binding")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if self.0 == KeyContext::Chat && name == SELECTED {
            return Ok(None);
        }
        let mut bindings = self.0.bindings();
        let known = bindings.find(|binding| binding.name == name);
        known.map(Some).ok_or_else(|| {
            let near = near(self.0, name);
            E::custom(format!(
                "no key binding is called {name:?}; did you mean {near}?"
            ))
        })
    }
}

/// How many names are suggested for an unknown one.
const NEAR: usize = 3;
/// How similar a suggestion must be, from 0 to 1; the best one is always suggested.
const ALIKE: f64 = 0.75;

fn near(context: KeyContext, name: &str) -> String {
    let mut names: Vec<&str> = context.bindings().map(|binding| binding.name).collect();
    // A stable sort keeps the order of the table among equals.
    names.sort_by(|one, other| {
        let likeness = |candidate| strsim::jaro_winkler(candidate, name);
        likeness(other).total_cmp(&likeness(one))
    });
    let far = |candidate: &&str| strsim::jaro_winkler(candidate, name) < ALIKE;
    let near = names.iter().position(far).unwrap_or(NEAR);
    names.truncate(near.clamp(1, NEAR));
    names.join(", ")
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key such as \"Ctrl-F\", or a list of keys")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.take([key.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut keys = Vec::new();
        while let Some(key) = list.next_element::<String>()? {
            keys.push(key);
        }
        self.take(keys)
    }
}

impl Value<'_> {
    fn take<E: Error>(self, keys: impl IntoIterator<Item = String>) -> Result<(), E> {
        let keys = keys.into_iter().map(|key| key.parse());
        let change = KeyChange {
            context: self.context,
            binding: self.binding,
            keys: keys
                .collect::<Result<Vec<KeySequence>, _>>()
                .map_err(E::custom)?,
        };
        change.check(self.changes).map_err(E::custom)?;
        self.changes.push(change);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConfigFile;
    use chitty_app::keys::{Action, KeyContext};

    #[test]
    fn a_mistake_is_said_with_its_line_its_name_and_what_would_do() {
        for (text, parts) in [
            (
                "[keys]\nserch = \"f9\"",
                ["line 2", "\"serch\"", "mean search?"],
            ),
            (
                "[keys]\nsearch = \"hyper-x\"",
                ["line 2", "search", "Alt-Enter"],
            ),
            (
                "[keys]\nsearch = \"x\"",
                ["line 2", "search", "for writing"],
            ),
            ("[keys]\nsearch = 5", ["line 2", "search", "a list of keys"]),
            (
                "[keys]\nsearch = [\"f9\", 5]",
                ["line 2", "search", "a string"],
            ),
            (
                "[keys]\n\nhelp = \"f9\"\nsearch = \"f9\"",
                ["line 4", "taken by help", "F9"],
            ),
            ("[keys]\nsend = []", ["line 2", "no key is left", "send"]),
            (
                "[keys.selected]\nsend = \"x\"",
                ["line 2", "\"send\"", "did you mean"],
            ),
            ("keys = \"f9\"", ["line 1", "keys", "a table"]),
        ] {
            let problem = ConfigFile::parse(text).expect_err(text);
            for part in parts {
                assert!(problem.contains(part), "{text:?}: {problem}");
            }
        }
    }

    #[test]
    fn what_is_said_counts() {
        let text = "[keys]\nsearch = [\"f9\", \"ctrl-x s\"]\n[keys.selected]\ncopy = \"space\"";
        let keys = ConfigFile::parse(text).expect("understood").keys;
        let key = |context, action| keys.key_in(context, action).map(|key| key.to_string());
        assert_eq!(key(KeyContext::Chat, Action::Search).as_deref(), Some("F9"));
        assert_eq!(
            key(KeyContext::Selected, Action::CopyText).as_deref(),
            Some("Space")
        );
        assert_eq!(
            key(KeyContext::Selected, Action::Search).as_deref(),
            Some("/")
        );
    }
}
