//! An interner: names, ids and messages are repeated in every log, and each is stored once.

use std::{collections::HashMap, sync::Arc};

/// The number of a text in its [`TextInterner`]. Two texts are equal if their numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextId(u32);

impl TextId {
    /// The empty text. It also stands for a field that a line does not have.
    pub const EMPTY: Self = Self(0);

    /// Whether this is the empty text.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// The distinct texts of a trace.
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
    /// Stores a text if it is new. After 2^32 texts every further one becomes the empty text.
    pub fn intern(&mut self, text: &str) -> TextId {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let Ok(number) = u32::try_from(self.texts.len()) else {
            return TextId::EMPTY;
        };
        // One allocation for both directions.
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, TextId(number));
        TextId(number)
    }

    /// The text of this number; empty if the number is of another interner.
    pub fn get(&self, text: TextId) -> &str {
        self.texts.get(text.0 as usize).map_or("", |text| text)
    }
}
