//! What a line that was typed means: a message, a command, or neither.

use chitty_chat::{LamportTime, MessageText, text::MessageTextError};

/// A row of the help.
#[derive(Clone, Copy)]
pub struct Help {
    /// The command, as people write it.
    pub command: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// The help's rows for the commands.
pub const COMMANDS: &[Help] = &[
    Help {
        command: "/me waves",
        what: "an action: * ada waves",
    },
    Help {
        command: "/time",
        what: "your Lamport clock, and why",
    },
    Help {
        command: "/at 412",
        what: "go to Lamport time 412",
    },
    Help {
        command: "/help",
        what: "this help",
    },
    Help {
        command: "/quit",
        what: "leave",
    },
    Help {
        command: "//text",
        what: "send text that begins with /",
    },
];

/// What to do about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing was typed.
    Nothing,
    /// To be sent.
    Message(MessageText),
    /// Leave the chat.
    Quit,
    /// Show the help.
    Help,
    /// Explain the logical clock.
    Time,
    /// Go to what happened at this time.
    At(LamportTime),
    /// Not to be sent; the text says why and what to do.
    Wrong(String),
}

/// The text that a draft would send: without the slash that keeps it from being a command.
pub fn outgoing(draft: &str) -> &str {
    if draft.starts_with("//") {
        &draft[1..]
    } else {
        draft
    }
}

/// What a draft means.
pub fn parse(draft: &str) -> Line {
    if draft.is_empty() {
        return Line::Nothing;
    }
    if draft.starts_with('/') && !draft.starts_with("//") {
        let (command, rest) = draft
            .split_once(char::is_whitespace)
            .map_or((draft, ""), |(command, rest)| (command, rest.trim()));
        match (command, rest) {
            ("/quit", "") => return Line::Quit,
            ("/help", "") => return Line::Help,
            ("/time", "") => return Line::Time,
            ("/quit" | "/help" | "/time", _) => {
                return Line::Wrong(format!("{command} takes nothing behind it"));
            }
            ("/at", time) => {
                let digits = time.strip_prefix(['L', 'l']).unwrap_or(time);
                return match digits.parse() {
                    Ok(time @ 1..) => Line::At(LamportTime::new(time)),
                    _ => Line::Wrong("/at needs a Lamport time, as in: /at 412".into()),
                };
            }
            ("/me", "") => return Line::Wrong("/me needs what you do, as in: /me waves".into()),
            ("/me", _) if draft.starts_with("/me ") => {}
            _ => {
                return Line::Wrong(format!(
                    "No command {command}: /help lists them, a second / sends it as text"
                ));
            }
        }
    }
    match MessageText::parse(outgoing(draft)) {
        Ok(text) => Line::Message(text),
        Err(MessageTextError::TooLong { length }) => Line::Wrong(format!(
            "Not sent: {} too many, a message has at most {} characters",
            length - MessageText::MAX_CHARS,
            MessageText::MAX_CHARS
        )),
        Err(error) => Line::Wrong(format!("Not sent: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(draft: &str) -> String {
        match parse(draft) {
            Line::Message(text) => text.as_str().to_owned(),
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
        assert_eq!(parse(""), Line::Nothing);
        assert_eq!(parse("/quit"), Line::Quit);
        assert_eq!(parse("/help "), Line::Help);
        assert_eq!(parse("/time"), Line::Time);
        for wrong in [
            "/",
            "/exit",
            "/QUIT",
            "/etc/hosts",
            "/quit now",
            "/me",
            "/me  ",
            "/me\tx",
            "   ",
        ] {
            assert!(matches!(parse(wrong), Line::Wrong(_)), "{wrong:?}");
        }
    }

    #[test]
    fn too_long_says_by_how_much() {
        let Line::Wrong(why) = parse(&"Æ".repeat(130)) else {
            panic!("130 characters are too many");
        };
        assert!(why.contains("2 too many"), "{why}");
        assert_eq!(message(&"Æ".repeat(128)).chars().count(), 128);
    }
}
