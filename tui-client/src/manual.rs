//! The manual page: what the command line takes, and the keys and commands of the screen.

use std::io;

use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::app::{help, keys::Keymap};

/// Writes it as roff, for `man -l -`.
///
/// # Errors
/// Those of the writer.
pub fn write(command: clap::Command, out: &mut dyn io::Write) -> io::Result<()> {
    Man::new(command).render(out)?;
    let mut roff = Roff::new();
    for part in help::parts(&Keymap::default()) {
        roff.control("SH", [part.title.to_uppercase().as_str()]);
        if let Some(table) = part.table {
            let how = format!(
                "The table [{table}] of the configuration gives other keys to what is in brackets."
            );
            roff.text([roman(how)]);
        }
        for entry in part.entries {
            roff.control("TP", []);
            roff.text([bold(entry.keys)]);
            let names = match entry.names.join(", ") {
                none if none.is_empty() => none,
                names => format!(" ({names})"),
            };
            roff.text([roman(entry.what), roman(names)]);
        }
    }
    roff.control("SH", ["COLOURS"]);
    for about in COLOURS {
        roff.control("PP", []);
        roff.text([roman(about)]);
    }
    roff.to_writer(out)
}

const COLOURS: [&str; 3] = [
    "Each name has one of twelve colours, which can be told apart on dark and light backgrounds and \
     by colour-blind eyes. It is the same on every screen, unless somebody present has it already: \
     then the name takes the next that is free.",
    "COLORTERM and TERM say how many colours the terminal knows. With sixteen, names have six of \
     those. NO_COLOR does without colours.",
    "The table [colours] of the configuration gives other ones, any number of them to names.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_in_it() {
        let mut text = Vec::new();
        write(clap::Command::new("chitty"), &mut text).expect("written");
        let text = String::from_utf8(text).expect("it is text");
        for part in [
            ".SH SIGNS\n.TP\n\\fBL412\\fR\n",
            ".SH \"THE FIRST KEYS\"\nThe table [keys]",
            ".SH \"MORE KEYS\"\nThe table [keys]",
            ".SH \"ON A SELECTED LINE\"\nThe table [keys.selected]",
            "\\fBCtrl\\-F\\fR\nsearch what was said (search)",
            "\\fB/at 412\\fR\n",
            "\\fBEnter, c\\fR\ncopy the text (copy)",
            ".SH COLOURS\n.PP\nEach name has one of twelve colours",
            "NO_COLOR",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
