//! What the kind of a terminal (`TERM`) says about it.

use std::io::{self, IsTerminal};

use super::RunError;

/// Checks that there is a terminal that can show a screen, before anything is started for it.
/// `term` is its type, from `TERM`.
pub fn has_screen(term: &str) -> Result<(), RunError> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(RunError::NoTerminal);
    }
    // The types without cursor addressing in terminfo.
    if matches!(term, "" | "dumb" | "unknown" | "network" | "dialup") {
        return Err(RunError::NoScreen(term.into()));
    }
    Ok(())
}

/// Whether this terminal marks what is pasted (bracketed paste). The consoles of Linux and the BSDs
/// and serial terminals do not, and GNU screen, which sets `STY`, pastes without marks.
///
/// `variable` looks up the environment variables `TERM` and `STY`.
pub fn marks_pastes(variable: impl Fn(&str) -> Option<String>) -> bool {
    let value = |name| variable(name).unwrap_or_default();
    let unmarked = ["linux", "vt", "ansi", "cons25", "pcansi", "wsvt25"];
    let is_unmarked = |kind: &str| value("TERM").starts_with(kind);
    value("STY").is_empty() && !unmarked.into_iter().any(is_unmarked)
}

/// The kind, as an error names it.
pub(super) fn words(term: &str) -> String {
    match term {
        "" => "a terminal of an unknown kind (TERM is not set)".into(),
        _ => format!("a terminal of the kind {term:?} (TERM)"),
    }
}
