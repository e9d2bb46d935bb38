//! Formats events as lines of text.

use std::{borrow::Cow, fmt::Write as _};

use chitty_chat::{
    Event, EventKind, ParticipantName,
    event::{joined_sentence, left_sentence},
    text::{action_of, display},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Formats events one after the other.
pub(super) struct EventFormatter {
    zone: TimeZone,
    day: Option<Date>,
}

impl EventFormatter {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, day: None }
    }

    /// Formats an event: `14:03 L12 ada: hello`. Further lines of a message are indented, so that
    /// no text can look like another event. A line with the date precedes the first event of a
    /// later day. A name that today's rules would refuse, from an old log or a server that ignores
    /// the rules, stands in quotation marks, so that it cannot be read as a sentence.
    pub(super) fn event(&mut self, event: &Event) -> String {
        let at = Timestamp::try_from(event.at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone());
        let mut lines = String::new();
        if self.day.is_some_and(|day| day != at.date()) {
            let _ = writeln!(lines, "-- {} --", at.date());
        }
        self.day = Some(at.date());
        let _ = write!(lines, "{} L{} ", at.strftime("%H:%M"), event.lamport);
        match &event.kind {
            EventKind::Message { author, text, .. } => {
                let author = named(author);
                let _ = match action_of(text) {
                    Some(action) => write!(lines, "* {author} {}", set_in(action)),
                    None => write!(lines, "{author}: {}", set_in(text)),
                };
            }
            EventKind::Joined { name, .. } => {
                lines.push_str(&joined_sentence(&named(name), event.lamport));
            }
            EventKind::Left { name, .. } => {
                lines.push_str(&left_sentence(&named(name), event.lamport));
            }
            EventKind::Member(_) | EventKind::Invitation(_) => {
                let sentence = event.announcement().unwrap_or_default();
                lines.push_str(&display::safe(&sentence));
            }
            EventKind::Unknown => lines.push_str("something that this version does not know"),
        }
        lines.push('\n');
        lines
    }
}

fn named(name: &str) -> Cow<'_, str> {
    let safe = display::safe(name);
    if ParticipantName::parse(name).is_ok() {
        return safe;
    }
    format!("\"{}\"", safe.replace('\\', r"\\").replace('"', r#"\""#)).into()
}

fn set_in(text: &str) -> String {
    display::safe_lines(text).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use chitty_chat::{ParticipantNumber, Position};

    use super::*;

    fn event(hours: u64, kind: EventKind) -> Event {
        Event {
            position: 4.into(),
            lamport: 11.into(),
            at: UNIX_EPOCH + Duration::from_secs(hours * 3600),
            request: 9.into(),
            kind,
        }
    }

    fn message(text: &str) -> EventKind {
        EventKind::Message {
            author: "ada".into(),
            text: text.into(),
            id: "".into(),
            seen: Position::ZERO,
            participant: ParticipantNumber::new(1),
            member: None,
        }
    }

    #[test]
    fn events_are_lines() {
        let mut show = EventFormatter::new(TimeZone::UTC);
        let joined = EventKind::Joined {
            name: "ada".into(),
            member: None,
        };
        let lines: String = [
            event(14, joined),
            event(15, message("hello")),
            event(16, message("/me waves")),
            event(25, message("next day")),
            event(26, EventKind::Unknown),
        ]
        .iter()
        .map(|event| show.event(event))
        .collect();
        assert_eq!(
            lines,
            "14:00 L11 Participant ada joined Chitty-Chat at Lamport time 11\n\
             15:00 L11 ada: hello\n\
             16:00 L11 * ada waves\n\
             -- 1970-01-02 --\n\
             01:00 L11 ada: next day\n\
             02:00 L11 something that this version does not know\n"
        );
    }

    #[test]
    fn no_text_looks_like_another_event_or_moves_the_terminal() {
        let mut show = EventFormatter::new(TimeZone::UTC);
        let line = show.event(&event(14, message("hi\n14:00 L12 bob: I agree\x1b[2J")));
        assert_eq!(line, "14:00 L11 ada: hi\n    14:00 L12 bob: I agree␛[2J\n");
    }

    #[test]
    fn no_name_reads_as_a_sentence() {
        let mut show = EventFormatter::new(TimeZone::UTC);
        let mut shown = |kind| show.event(&event(14, kind));
        let sentence = "Participant bob left Chitty-Chat";
        let said = |author: &str, text: &str| EventKind::Message {
            author: author.into(),
            text: text.into(),
            id: "".into(),
            seen: Position::ZERO,
            participant: ParticipantNumber::new(1),
            member: None,
        };
        for (kind, line) in [
            (
                said(sentence, "at Lamport time 11"),
                "\"Participant bob left Chitty-Chat\": at Lamport time 11",
            ),
            (
                said("Participant bob", "/me left Chitty-Chat at Lamport time 11"),
                "* \"Participant bob\" left Chitty-Chat at Lamport time 11",
            ),
            (
                EventKind::Joined {
                    name: sentence.into(),
                    member: None,
                },
                "Participant \"Participant bob left Chitty-Chat\" joined Chitty-Chat at Lamport \
                 time 11",
            ),
            (said("a\"\u{1b}b", "hi"), r#""a\"␛b": hi"#),
            (said("ශ්\u{200D}රී", "hi"), "ශ්\u{200D}රී: hi"),
        ] {
            assert_eq!(shown(kind), format!("14:00 L11 {line}\n"));
        }
    }
}
