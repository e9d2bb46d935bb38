//! Parses the text of a log line into a step.

use std::{borrow::Cow, time::UNIX_EPOCH};

use chitty_chat::logging::{LineHead, scan_line};

use super::{
    interner::{TextId, TextInterner},
    step::{LoggedEvent, LoggedKind, LoggedWelcome, StepKind},
};

/// A line that parses, with what all kinds of lines have in common.
pub(super) struct ParsedLogLine<'a> {
    pub(super) head: LineHead<'a>,
    /// The wall clock in microseconds since 1970.
    pub(super) wall: u64,
    pub(super) lamport: u64,
    pub(super) clock: Option<u64>,
    pub(super) meaning: LineMeaning,
}

/// What a line means for its run.
pub(super) enum LineMeaning {
    /// A diagnostic, which has no part in logical time.
    Diagnostic,
    /// A diagnostic which reports that this many lines were dropped.
    Dropped(u64),
    /// A call, a message, or the start or end of the process.
    Step(StepKind),
}

/// The known fields of a line. Unknown ones are ignored: a later version may add fields.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "as a line has them")]
struct Fields<'a> {
    lamport: Option<u64>,
    clock: Option<u64>,
    position: Option<u64>,
    participant: Option<u64>,
    seen: Option<u64>,
    request: Option<u64>,
    resume: Option<u64>,
    next: Option<u64>,
    head: Option<u64>,
    resumed: bool,
    retry: bool,
    repeated: bool,
    dropped: Option<u64>,
    name: Option<Cow<'a, str>>,
    author: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
    epoch: Option<Cow<'a, str>>,
    reason: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    /// A numeric field does not hold a number.
    bad: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str, value: Cow<'a, str>) {
        let number = match key {
            "lamport" => &mut self.lamport,
            "clock" => &mut self.clock,
            "position" => &mut self.position,
            "participant" => &mut self.participant,
            "seen" => &mut self.seen,
            "request" => &mut self.request,
            "resume" => &mut self.resume,
            "next" => &mut self.next,
            "head" => &mut self.head,
            _ => return self.take_text(key, value),
        };
        *number = value.parse().ok();
        self.bad |= number.is_none();
    }

    fn take_text(&mut self, key: &str, value: Cow<'a, str>) {
        let text = match key {
            "name" => &mut self.name,
            "author" => &mut self.author,
            "id" => &mut self.id,
            "text" => &mut self.text,
            "epoch" => &mut self.epoch,
            "reason" => &mut self.reason,
            "kind" => &mut self.kind,
            "resumed" => return self.resumed = value == "true",
            "retry" => return self.retry = value == "true",
            "repeated" => return self.repeated = value == "true",
            // Lines are missing, even if their number cannot be read.
            "dropped" => return self.dropped = Some(value.parse().unwrap_or(1)),
            _ => return,
        };
        *text = Some(value);
    }
}

/// Parses a line. Returns `None` if it has not the form of a log line, or if it is of a known kind
/// and lacks a field that the kind always has.
pub(super) fn parse<'a>(line: &'a str, texts: &mut TextInterner) -> Option<ParsedLogLine<'a>> {
    let mut fields = Fields::default();
    let head = scan_line(line, |key, value| fields.take(key, value))?;
    let wall = head.time.duration_since(UNIX_EPOCH).ok()?.as_micros();
    let wall = u64::try_from(wall).ok()?;
    let meaning = if head.call == "log" {
        fields
            .dropped
            .map_or(LineMeaning::Diagnostic, LineMeaning::Dropped)
    } else if fields.bad {
        // A number that was cut or damaged: as wrong as a missing field.
        return None;
    } else {
        LineMeaning::Step(step_kind(&head, &fields, texts)?)
    };
    Some(ParsedLogLine {
        head,
        wall,
        lamport: fields.lamport.unwrap_or(0),
        clock: fields.clock,
        meaning,
    })
}

fn step_kind(
    head: &LineHead<'_>,
    fields: &Fields<'_>,
    texts: &mut TextInterner,
) -> Option<StepKind> {
    let server = head.who == super::SERVER;
    let mut text = |value: &Option<Cow<'_, str>>| value.as_ref().map(|text| texts.intern(text));
    let kind = match (head.call, head.step) {
        ("Server", "started") => StepKind::ServerStarted {
            epoch: text(&fields.epoch)?,
            position: fields.position?,
        },
        ("Server", "stopped") => StepKind::ServerStopped,
        ("Link", "connecting" | "starting") => StepKind::LinkBegan,
        ("Link", "ended") => StepKind::LinkEnded,
        ("Join", "sent") => StepKind::JoinSent {
            name: text(&fields.name)?,
            resume: fields.resume,
        },
        ("Join", "received") => StepKind::JoinReceived {
            name: text(&fields.name).unwrap_or_default(),
        },
        ("Join", "granted") => StepKind::JoinGranted(welcome(fields)?),
        ("Join", "replied") => StepKind::JoinReplied(welcome(fields)?),
        ("Broadcast", "sent") => StepKind::BroadcastSent(event(fields, texts)?),
        ("Broadcast", "received") => StepKind::BroadcastReceived(event(fields, texts)?),
        ("Publish", "sent") => StepKind::PublishSent {
            id: text(&fields.id).unwrap_or_default(),
            seen: fields.seen?,
            text: text(&fields.text)?,
            retry: fields.retry,
        },
        ("Publish", "received") => StepKind::PublishReceived {
            participant: fields.participant,
            id: text(&fields.id).unwrap_or_default(),
            seen: fields.seen?,
        },
        ("Publish", "replied") => StepKind::PublishReplied {
            position: fields.position?,
            id: text(&fields.id).unwrap_or_default(),
            repeated: fields.repeated,
        },
        // In a server's log a refusal has no event to compare with.
        ("Publish", "refused") if !server => StepKind::PublishRefused {
            id: text(&fields.id).unwrap_or_default(),
        },
        ("Leave", "sent") => StepKind::LeaveSent,
        ("Leave", "received") => StepKind::LeaveReceived {
            participant: fields.participant,
        },
        ("Leave", "replied") => StepKind::LeaveReplied {
            position: fields.position?,
            repeated: fields.repeated,
        },
        ("History", "sent") => StepKind::HistorySent,
        ("History", "replied") if !server => StepKind::HistoryReplied,
        _ => return Some(StepKind::Other),
    };
    has_its_times(kind, fields, server).then_some(kind)
}

/// Whether the line has the times (`lamport`, `clock`) that lines of its kind always have.
fn has_its_times(kind: StepKind, fields: &Fields<'_>, server: bool) -> bool {
    let (lamport, clock) = (fields.lamport.is_some(), fields.clock.is_some());
    match kind {
        StepKind::ServerStarted { .. }
        | StepKind::ServerStopped
        | StepKind::LinkBegan
        | StepKind::LinkEnded
        | StepKind::PublishRefused { .. }
        | StepKind::Other => true,
        StepKind::HistorySent => clock,
        StepKind::JoinGranted(_)
        | StepKind::JoinReceived { .. }
        | StepKind::PublishReceived { .. }
        | StepKind::LeaveReceived { .. } => lamport,
        StepKind::PublishReplied { .. } | StepKind::LeaveReplied { .. } if server => lamport,
        _ => lamport && clock,
    }
}

fn welcome(fields: &Fields<'_>) -> Option<LoggedWelcome> {
    Some(LoggedWelcome {
        position: fields.position?,
        participant: fields.participant?,
        resumed: fields.resumed,
        next: fields.next?,
        head: fields.head?,
    })
}

fn event(fields: &Fields<'_>, texts: &mut TextInterner) -> Option<LoggedEvent> {
    let kind = match fields.kind.as_deref()? {
        "joined" => LoggedKind::Joined,
        "left" => LoggedKind::Left,
        "message" => LoggedKind::Message,
        _ => LoggedKind::Unknown,
    };
    let name = match kind {
        LoggedKind::Message => &fields.author,
        _ => &fields.name,
    };
    let known = kind != LoggedKind::Unknown;
    let whole = !known || (fields.participant.is_some() && name.is_some() && fields.text.is_some());
    let mut text = |value: &Option<Cow<'_, str>>| {
        value
            .as_ref()
            .map_or(TextId::EMPTY, |text| texts.intern(text))
    };
    whole.then_some(LoggedEvent {
        position: fields.position?,
        kind,
        participant: fields.participant.unwrap_or(0),
        name: text(name),
        reason: text(&fields.reason),
        id: text(&fields.id),
        seen: fields.seen.unwrap_or(0),
        text: text(&fields.text),
        request: fields.request?,
    })
}
