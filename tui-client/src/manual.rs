//! The manual page: the options of the command line, and the keys and commands of the screen.
//!
//! It is a single page that contains the subcommands. clap's own generator would refer to a
//! separate page for each of them, which nobody has installed.

use std::io;

use chitty_app::{help, keys::Keymap};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// Writes the page as roff, for `man -l -`.
///
/// # Errors
/// Those of the writer.
pub fn write(command: clap::Command, out: &mut dyn io::Write) -> io::Result<()> {
    // `chitty help serve` prints what this page contains anyway.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SUBCOMMANDS"]);
    roff.to_writer(out)?;
    for each in command.get_subcommands_mut() {
        if !each.is_hide_set() {
            write_command(each, out)?;
        }
    }
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
    if let Some(examples) = command.get_after_help() {
        roff.control("SH", ["EXAMPLES"]);
        let examples = examples.to_string();
        let title = "Examples:\n";
        literally(examples.strip_prefix(title).unwrap_or(&examples), &mut roff);
    }
    roff.to_writer(out)?;
    if command.get_version().is_some() {
        man.render_version_section(out)?;
    }
    Ok(())
}

/// Writes a subcommand: its usage, its purpose and its options.
fn write_command(command: &mut clap::Command, out: &mut dyn io::Write) -> io::Result<()> {
    let usage = command.render_usage().to_string();
    let mut roff = Roff::new();
    roff.control("SS", [usage.trim_start_matches("Usage: ").trim()]);
    if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
        roff.text([roman(about.to_string())]);
    }
    roff.to_writer(out)?;
    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options)?;
    // The options stand below the subcommand's own heading.
    let options = String::from_utf8(options).map_err(io::Error::other)?;
    let lines = options.lines().filter(|line| *line != ".SH OPTIONS");
    for line in lines {
        writeln!(out, "{line}")?;
    }
    let mut roff = Roff::new();
    if let Some(after) = command.get_after_help() {
        roff.control("PP", []);
        literally(&after.to_string(), &mut roff);
    }
    roff.to_writer(out)
}

/// Adds the text line by line, without filling.
fn literally(text: &str, roff: &mut Roff) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
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

    /// The page can be read without others: it refers to no page that is not installed.
    #[test]
    fn it_is_one_page_with_all_commands() {
        let command = || {
            let serve = clap::Command::new("serve")
                .about("Run the server")
                .arg(clap::Arg::new("listen").long("listen").help("Where"))
                .after_help("Examples:\n  chitty serve");
            let hidden = clap::Command::new("hidden").hide(true);
            clap::Command::new("chitty")
                .subcommand(serve)
                .subcommand(hidden)
        };
        let mut text = Vec::new();
        write(command(), &mut text).expect("written");
        let text = String::from_utf8(text).expect("it is text");
        for part in [
            ".SS \"chitty serve [OPTIONS]\"\nRun the server\n",
            "\\-\\-listen",
            ".nf\nExamples:\n  chitty serve\n.fi\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        for part in ["(1)", "chitty\\-serve", "hidden"] {
            assert!(!text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.matches(".SH OPTIONS").count(), 1);
    }

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
            "\\fBEnter, c, y\\fR\ncopy the text (copy)",
            ".SH COLOURS\n.PP\nEach name has one of twelve colours",
            "NO_COLOR",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
