//! Bounds on what a server can make this client keep or wait for: every number, text and list from
//! it is bounded here, where it is read, before it is logged, kept or shown.
//!
//! A server that keeps the contract (docs/protocol.md) never reaches these bounds. If one does not,
//! the user can see it: a text that was cut ends in `…`.

use std::time::Duration;

use chitty_chat::{
    Event, LamportTime, Position,
    proto::v1::{self, broadcast::Kind, event},
};
use thiserror::Error;

use super::HistoryPage;

/// The longest time that a server can ask the client to wait before the next try.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The largest message of a stream, in bytes: a Welcome with [`PARTICIPANTS`] of the largest size,
/// and its other fields.
pub(super) const STREAM_MESSAGE: usize = PARTICIPANTS * PARTICIPANT + (64 << 10);
/// The largest page of the log, in bytes: its events have at most 256 KiB, and each has a key and a
/// length in addition.
pub(super) const PAGE: usize = 384 << 10;
/// The largest reply to any other call, in bytes: a few numbers, and space for fields to come.
pub(crate) const REPLY: usize = 16 << 10;
/// The largest headers and trailers of an answer, in bytes: they contain a status with its text and
/// details.
pub(super) const HEADERS: u32 = 16 << 10;

/// How many participants of a Welcome are kept: as many as a server can be configured to have.
const PARTICIPANTS: usize = 20_000;
/// The size of a participant in a Welcome, in bytes: a name of 32 characters of 4 bytes, two
/// numbers of 10, the tags and lengths, and some reserve.
const PARTICIPANT: usize = 160;
/// The longest texts, in bytes: two or three times today's limits, so that what a newer server
/// allows is shown whole. The texts of one event have less than 1.6 KiB.
const TEXT: usize = 1024;
const NAME: usize = 384;
const ID: usize = 160;
/// The longest epoch, in bytes.
const EPOCH: usize = 64;
/// The longest reason that is shown, in bytes: some rows of a screen.
const REASON: usize = 1024;

/// How a page differs from what was requested.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum WrongPage {
    #[error("the server sent {events} events where {limit} were asked for")]
    TooMany { events: usize, limit: u32 },
    #[error("the server sent position {0}, which was not asked for")]
    Elsewhere(Position),
    #[error("the server sent position {0} out of order")]
    OutOfOrder(Position),
}

/// Bounds a message of the stream.
pub(super) fn broadcast(broadcast: &mut v1::Broadcast) {
    match &mut broadcast.kind {
        Some(Kind::Welcome(each)) => welcome(each),
        Some(Kind::Event(each)) => event(each),
        Some(Kind::Closing(each)) => cut(&mut each.detail, REASON),
        None => {}
    }
}

fn welcome(welcome: &mut v1::Welcome) {
    // Neither is read: this client picks its own session, and there is one room.
    welcome.session = String::new();
    welcome.room = String::new();
    cut(&mut welcome.epoch, EPOCH);
    welcome.participants.truncate(PARTICIPANTS);
    // Truncating keeps the allocation, which is the server's choice of size.
    welcome.participants.shrink_to_fit();
    for each in &mut welcome.participants {
        cut(&mut each.name, NAME);
    }
}

fn event(event: &mut v1::Event) {
    match &mut event.kind {
        Some(event::Kind::Joined(joined)) => cut(&mut joined.name, NAME),
        Some(event::Kind::Left(left)) => cut(&mut left.name, NAME),
        Some(event::Kind::Message(message)) => {
            cut(&mut message.author, NAME);
            cut(&mut message.text, TEXT);
            cut(&mut message.id, ID);
        }
        Some(event::Kind::Member(member)) => cut(&mut member.name, NAME),
        // It has no text.
        Some(event::Kind::Invitation(_)) | None => {}
    }
}

/// Checks a page of the log: it has at most as many events as were requested, from the requested
/// part, with consecutive positions and rising times.
pub(super) fn page(
    page: HistoryPage,
    limit: u32,
    mut reply: v1::HistoryReply,
) -> Result<(Vec<Event>, bool), WrongPage> {
    let events = reply.events.len();
    if events > usize::try_from(limit).unwrap_or(usize::MAX) {
        return Err(WrongPage::TooMany { events, limit });
    }
    let mut before: Option<(Position, LamportTime)> = None;
    for each in &mut reply.events {
        event(each);
        let position = Position::new(each.position);
        let belongs = match page {
            // The bound itself does no harm, because the timeline has it already.
            HistoryPage::Before(end) => position <= end || end == Position::ZERO,
            HistoryPage::After(start) => position >= start,
            HistoryPage::At(_) => true,
        };
        if !belongs || position == Position::ZERO {
            return Err(WrongPage::Elsewhere(position));
        }
        if before.is_some_and(|(at, time)| {
            position <= at || position != at.next() || LamportTime::new(each.lamport) <= time
        }) {
            return Err(WrongPage::OutOfOrder(position));
        }
        before = Some((position, each.lamport.into()));
    }
    let events = reply.events.into_iter().map(Event::from).collect();
    Ok((events, reply.start))
}

/// How long the server asks the client to wait, within bounds.
pub(super) fn wait(asked: &prost_types::Duration) -> Duration {
    let seconds = u64::try_from(asked.seconds).unwrap_or(0);
    let nanos = u32::try_from(asked.nanos).unwrap_or(0).min(999_999_999);
    Duration::new(seconds, nanos).min(LONGEST_WAIT)
}

/// The server's reason for a failure, within bounds.
pub(super) fn reason(mut reason: String) -> String {
    cut(&mut reason, REASON);
    reason
}

/// Cuts a text that is longer than `max` bytes, and marks the cut with an ellipsis.
fn cut(text: &mut String, max: usize) {
    if text.len() <= max {
        return;
    }
    let end = (0..=max).rfind(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text.push('…');
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests;
