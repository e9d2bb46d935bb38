//! Texts, each kept once: names, ids and what was written come back in every log.

use std::{collections::HashMap, sync::Arc};

/// A text of a [`TextInterner`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(u32);

impl TextId {
    /// The empty text, also where a field is left out.
    pub const EMPTY: Self = Self(0);

    /// Whether it is the empty one.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// All texts of a trace.
#[derive(Debug)]
pub struct TextInterner {
    numbers: HashMap<Arc<str>, TextId>,
    texts: Vec<Arc<str>>,
}

impl Default for TextInterner {
    fn default() -> Self {
        let empty: Arc<str> = "".into();
        Self {
            numbers: HashMap::from([(Arc::clone(&empty), TextId::EMPTY)]),
            texts: vec![empty],
        }
    }
}

impl TextInterner {
    /// Takes a text in. Beyond 2^32 of them all are the empty one.
    pub fn intern(&mut self, text: &str) -> TextId {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let Ok(number) = u32::try_from(self.texts.len()) else {
            return TextId::EMPTY;
        };
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, TextId(number));
        TextId(number)
    }

    /// The text as it was.
    pub fn get(&self, text: TextId) -> &str {
        self.texts.get(text.0 as usize).map_or("", |text| text)
    }
}
