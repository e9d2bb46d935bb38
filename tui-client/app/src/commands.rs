//! What a typed line means: a message, a command, or neither.

use chitty_chat::{LamportTime, MessageText, text::MessageTextError};

/// A row of the help that explains a command.
#[derive(Clone, Copy)]
pub struct CommandHelp {
    /// The command with an example of its argument, as the user types it.
    pub command: &'static str,
    /// What the command does, in a few words.
    pub what: &'static str,
}

/// The rows of the help for the commands.
#[rustfmt::skip]
pub const COMMANDS: &[CommandHelp] = &[
    CommandHelp { command: "/me waves", what: "an action: * ada waves" },
    CommandHelp { command: "/who", what: "everybody who is present" },
    CommandHelp { command: "/search text", what: "search what was said" },
    CommandHelp { command: "/time", what: "your Lamport clock, and why" },
    CommandHelp { command: "/at 412", what: "go to Lamport time 412" },
    CommandHelp { command: "/clear", what: "empty the screen" },
    CommandHelp { command: "/help", what: "this help" },
    CommandHelp { command: "/quit", what: "leave" },
    CommandHelp { command: "//text", what: "send text that begins with /" },
];

/// Other names of commands, which users know from IRC clients and shells.
const ALIASES: [(&str, &str); 8] = [
    ("/exit", "/quit"),
    ("/q", "/quit"),
    ("/leave", "/quit"),
    ("/names", "/who"),
    ("/users", "/who"),
    ("/find", "/search"),
    ("/h", "/help"),
    ("/?", "/help"),
];

/// How many letters of a misspelt command may be wrong: of a short word, one leaves little of it.
fn misspelt(word: &str) -> usize {
    if word.chars().count() > "/clear".len() {
        2
    } else {
        1
    }
}

/// What to do with a typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedLine {
    /// Nothing: the line is empty.
    Nothing,
    /// Send this message.
    Message(MessageText),
    /// Leave the chat.
    Quit,
    /// Show the help.
    Help,
    /// Explain the logical clock.
    Time,
    /// List who is present.
    Who,
    /// Empty the screen.
    Clear,
    /// Search the messages for this text; if it is empty, ask for one.
    Search(String),
    /// Go to the event at this Lamport time.
    At(LamportTime),
    /// Do not send it; the text says why and what to do.
    Wrong(String),
}

impl ParsedLine {
    /// Whether it is a command that does something to the screen.
    pub fn needs_screen(&self) -> bool {
        matches!(self, Self::At(_) | Self::Clear | Self::Search(_))
    }
}

/// The text that a draft would send. A second leading slash marks text that is not a command; one
/// of the two is removed.
pub fn outgoing(draft: &str) -> &str {
    if draft.starts_with("//") {
        &draft[1..]
    } else {
        draft
    }
}

/// What a draft means. The case of a command does not matter.
pub fn parse(draft: &str) -> ParsedLine {
    if draft.is_empty() {
        ParsedLine::Nothing
    } else if draft.starts_with('/') && !draft.starts_with("//") {
        command(draft)
    } else {
        message(outgoing(draft))
    }
}

fn command(draft: &str) -> ParsedLine {
    let (word, rest) = draft
        .split_once(char::is_whitespace)
        .map_or((draft, ""), |(word, rest)| (word, rest.trim()));
    let word = word.to_lowercase();
    let known = ALIASES.iter().find(|(alias, _)| *alias == word);
    let command = known.map_or(word.as_str(), |(_, command)| command);
    match (command, rest) {
        // IRC clients send a farewell after it. Nobody would see one here.
        ("/quit", _) => ParsedLine::Quit,
        ("/help", _) => ParsedLine::Help,
        ("/search", text) => ParsedLine::Search(text.to_owned()),
        ("/time", "") => ParsedLine::Time,
        ("/who", "") => ParsedLine::Who,
        ("/clear", "") => ParsedLine::Clear,
        ("/time" | "/who" | "/clear", _) => {
            ParsedLine::Wrong(format!("{command} takes nothing after it"))
        }
        ("/at", time) => at(time),
        ("/me", "") => ParsedLine::Wrong("/me needs what you do, as in: /me waves".into()),
        ("/me", _) if draft[3..].starts_with(' ') => message(&format!("/me{}", &draft[3..])),
        _ => ParsedLine::Wrong(unknown(&word)),
    }
}

fn at(time: &str) -> ParsedLine {
    let digits = time.strip_prefix(['L', 'l']).unwrap_or(time);
    match digits.parse() {
        Ok(time @ 1..) => ParsedLine::At(LamportTime::new(time)),
        _ => ParsedLine::Wrong("/at needs a Lamport time, as in: /at 412".into()),
    }
}

fn unknown(word: &str) -> String {
    let commands = COMMANDS.iter().filter_map(|help| {
        let word = help.command.split_whitespace().next()?;
        (!word.starts_with("//")).then_some(word)
    });
    // A word that is hardly longer than its distance shares nothing with the command.
    let nearest = commands
        .map(|command| (strsim::osa_distance(word, command), command))
        .min()
        .filter(|(distance, _)| {
            *distance <= misspelt(word) && word.chars().count() > *distance + 1
        });
    let advice = match nearest {
        Some((_, command)) => format!("did you mean {command}? A"),
        None => "/help lists them, a".to_owned(),
    };
    format!("No command {word}: {advice} second / sends it as text")
}

fn message(text: &str) -> ParsedLine {
    match MessageText::parse(text) {
        Ok(text) => ParsedLine::Message(text),
        Err(MessageTextError::TooLong { length }) => ParsedLine::Wrong(format!(
            "Not sent: {} too many, a message has at most {} characters",
            length - MessageText::MAX_CHARS,
            MessageText::MAX_CHARS
        )),
        Err(error) => ParsedLine::Wrong(format!("Not sent: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(draft: &str) -> String {
        match parse(draft) {
            ParsedLine::Message(text) => text.as_str().to_owned(),
            other => panic!("{draft:?} is {other:?}"),
        }
    }

    #[test]
    fn messages_go_out_as_typed() {
        assert_eq!(message(" hello "), " hello ");
        assert_eq!(message("/me waves"), "/me waves");
        assert_eq!(message("//etc/hosts"), "/etc/hosts");
        assert_eq!(message(&format!("//{}", "x".repeat(127))).len(), 128);
    }

    #[test]
    fn commands_are_not_sent() {
        assert_eq!(parse(""), ParsedLine::Nothing);
        assert_eq!(parse("/quit"), ParsedLine::Quit);
        assert_eq!(parse("/help "), ParsedLine::Help);
        assert_eq!(parse("/time"), ParsedLine::Time);
        for quit in ["/exit", "/q", "/QUIT", "/quit bye all", "/Exit"] {
            assert_eq!(parse(quit), ParsedLine::Quit, "{quit}");
        }
        assert_eq!(parse("/HELP"), ParsedLine::Help);
        for who in ["/who", "/names", "/WHO"] {
            assert_eq!(parse(who), ParsedLine::Who, "{who}");
        }
        assert_eq!(parse("/clear"), ParsedLine::Clear);
        assert_eq!(
            parse("/search two words"),
            ParsedLine::Search("two words".into())
        );
        assert_eq!(message("/ME waves"), "/me waves");
        for wrong in [
            "/",
            "/etc/hosts",
            "/time now",
            "/me",
            "/me  ",
            "/me\tx",
            "/İ",
            "   ",
        ] {
            assert!(matches!(parse(wrong), ParsedLine::Wrong(_)), "{wrong:?}");
        }
    }

    #[test]
    fn an_unknown_command_names_the_nearest() {
        for (wrong, nearest) in [
            ("/quti", Some("/quit")),
            ("/serach x", Some("/search")),
            ("/hlep", Some("/help")),
            ("/tine", Some("/time")),
            ("/etc/hosts", None),
            ("/x", None),
            ("/msg bob hi", None),
            ("/part", None),
            ("/bye", None),
        ] {
            let ParsedLine::Wrong(why) = parse(wrong) else {
                panic!("{wrong} is no command");
            };
            match nearest {
                Some(nearest) => assert!(why.contains(&format!("mean {nearest}?")), "{why}"),
                None => assert!(why.contains("/help lists"), "{why}"),
            }
        }
    }

    #[test]
    fn too_long_says_by_how_much() {
        let ParsedLine::Wrong(why) = parse(&"Æ".repeat(130)) else {
            panic!("130 characters are too many");
        };
        assert!(why.contains("2 too many"), "{why}");
        assert_eq!(message(&"Æ".repeat(128)).chars().count(), 128);
    }
}
