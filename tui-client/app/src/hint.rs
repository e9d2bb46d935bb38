//! Messages to the user in the row above the draft.

/// A message to the user, shown until the next key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The sentence to show.
    pub text: String,
    /// Whether something was refused.
    pub tone: Tone,
}

/// How a hint is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It informs.
    Info,
    /// It says that something was refused or has failed.
    Error,
}

/// What happens to the hint. A chat returns this, because the hint's row belongs to the screen.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HintChange {
    /// It stays as it is.
    Keep,
    /// It disappears.
    Clear,
    /// This one is shown instead.
    Show(Hint),
}

impl HintChange {
    /// Shows a hint that informs.
    pub(super) fn info(text: impl Into<String>) -> Self {
        Self::show(text, Tone::Info)
    }

    /// Shows a hint that something has failed.
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::show(text, Tone::Error)
    }

    fn show(text: impl Into<String>, tone: Tone) -> Self {
        Self::Show(Hint {
            text: text.into(),
            tone,
        })
    }
}
