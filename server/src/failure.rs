//! How a program reports why it ends, in words that help its user.

use std::io::IsTerminal as _;

use color_eyre::{
    config::{HookBuilder, Theme},
    eyre::{Report, Result},
};

/// Installs the panic handler, which uses colours only on a terminal and if the user wants them
/// (<https://no-color.org>).
pub fn install() -> Result<()> {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let theme = if wanted && std::io::stderr().is_terminal() {
        Theme::dark()
    } else {
        Theme::new()
    };
    HookBuilder::default().theme(theme).install()
}

/// An error and its causes in one line, each of them once.
///
/// Many errors quote their cause in their own text and return it as their source as well. Source
/// locations are left out; they are for panics.
pub fn describe(error: &Report) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use color_eyre::eyre::WrapErr as _;
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("cannot open the file: {source}; choose another")]
    struct Both {
        source: io::Error,
    }

    #[test]
    fn no_cause_is_told_twice() {
        let source = io::Error::other("no such disk");
        let error: Report = Both { source }.into();
        assert_eq!(
            describe(&error),
            "cannot open the file: no such disk; choose another"
        );
        let error = Err::<(), _>(io::Error::other("in use"))
            .wrap_err("cannot listen")
            .expect_err("it is one");
        assert_eq!(describe(&error), "cannot listen: in use");
    }
}
