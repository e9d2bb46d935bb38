//! Texts, each kept once: names, ids and what was written come back in every log.

use std::{collections::HashMap, sync::Arc};

/// A text of a [`Texts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(u32);

impl Text {
    /// The empty text, also where a field is left out.
    pub const EMPTY: Self = Self(0);

    /// Whether it is the empty one.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// All texts of a trace.
#[derive(Debug)]
pub struct Texts {
    numbers: HashMap<Arc<str>, Text>,
    texts: Vec<Arc<str>>,
}

impl Default for Texts {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        Self {
            numbers: HashMap::from([(Arc::clone(&empty), Text::EMPTY)]),
            texts: vec![empty],
        }
    }
}

impl Texts {
    /// Takes a text in. Beyond 2^32 of them all are the empty one.
    pub fn intern(&mut self, text: &str) -> Text {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let Ok(number) = u32::try_from(self.texts.len()) else {
            return Text::EMPTY;
        };
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, Text(number));
        Text(number)
    }

    /// The text as it was.
    pub fn get(&self, text: Text) -> &str {
        self.texts.get(text.0 as usize).map_or("", |text| text)
    }
}
