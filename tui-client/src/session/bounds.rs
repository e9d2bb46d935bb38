//! What a server can make this client wait for, and keep: every number, text and list that comes
//! from it is bounded here, where it is read, before it is logged, kept or shown.
//!
//! A server that keeps the contract (docs/protocol.md) never meets these bounds. One that does not
//! is told from that by what is shown: a text that was cut ends in `…`.

use std::time::Duration;

use chitty_chat::{
    Event, LamportTime, Position,
    proto::v1::{self, broadcast::Kind, event},
};
use thiserror::Error;

use super::HistoryPage;

/// A server may ask to wait this long before the next try, and no longer.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The largest message of a stream, in bytes: a Welcome that tells of [`PARTICIPANTS`], whose names
/// and numbers are as long as they can be, and of some other things.
pub(super) const STREAM_MESSAGE: usize = PARTICIPANTS * PARTICIPANT + (64 << 10);
/// The largest page of the log, in bytes: its events have at most 256 KiB, and each has a key and
/// a length beside.
pub(super) const PAGE: usize = 384 << 10;
/// The largest reply to anything else, in bytes: a few numbers, and room for fields to come.
pub(crate) const REPLY: usize = 16 << 10;
/// The headers and trailers of one answer, in bytes: a status with its text and details is there.
pub(super) const HEADERS: u32 = 16 << 10;

/// Participants that a Welcome can tell of, which is as many as a server can be configured to have;
/// others are left out.
const PARTICIPANTS: usize = 20_000;
/// One of them in a Welcome, in bytes: a name of 32 characters of 4 bytes, two numbers of 10, the
/// tags and lengths of these and of the whole, and some room.
const PARTICIPANT: usize = 160;
/// The longest texts, in bytes. Twice or three times what today's rules allow, so that what a newer
/// server allows is shown whole; an event has less than 1.6 KiB of them.
const TEXT: usize = 1024;
const NAME: usize = 384;
const ID: usize = 160;
/// The longest name of a log's life, in bytes.
const EPOCH: usize = 64;
/// The longest reason that is shown, in bytes: some rows of a screen.
const REASON: usize = 1024;

/// What is not the page that was asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum WrongPage {
    #[error("the server sent {events} events where {limit} were asked for")]
    TooMany { events: usize, limit: u32 },
    #[error("the server sent position {0}, which was not asked for")]
    Elsewhere(Position),
    #[error("the server sent position {0} out of order")]
    OutOfOrder(Position),
}

/// A message of the stream.
pub(super) fn broadcast(broadcast: &mut v1::Broadcast) {
    match &mut broadcast.kind {
        Some(Kind::Welcome(each)) => welcome(each),
        Some(Kind::Event(each)) => event(each),
        Some(Kind::Closing(each)) => cut(&mut each.detail, REASON),
        None => {}
    }
}

fn welcome(welcome: &mut v1::Welcome) {
    // This client picks its session, and there is one room: neither is read.
    welcome.session = String::new();
    welcome.room = String::new();
    cut(&mut welcome.epoch, EPOCH);
    welcome.participants.truncate(PARTICIPANTS);
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
        None => {}
    }
}

/// A page of the log: at most as many events as were asked for, of where they were asked for, and
/// in order: positions follow each other, and times rise.
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
            // The bound itself does no harm: the timeline has it.
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

/// How long the server asks to wait.
pub(super) fn wait(asked: &prost_types::Duration) -> Duration {
    let seconds = u64::try_from(asked.seconds).unwrap_or(0);
    let nanos = u32::try_from(asked.nanos).unwrap_or(0).min(999_999_999);
    Duration::new(seconds, nanos).min(LONGEST_WAIT)
}

/// Why something did not work, in the server's words.
pub(super) fn reason(mut reason: String) -> String {
    cut(&mut reason, REASON);
    reason
}

/// Cuts what is longer than so many bytes, and says so by an ellipsis.
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
