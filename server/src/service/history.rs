//! History: a page of the log.

use std::{net::IpAddr, ops::Range, sync::Arc};

use bytes::Bytes;
use chitty_chat::{Position, logging::CALL, proto::v1::HistoryRequest};
use tonic::Status;
use tracing::info;

use super::{
    RefusedCall, ServiceState, refused, replies::ReplyPermit, requests::parse_session, status,
};
use crate::{
    line_limit::Cause,
    log::{Extent, Log, PageLimit, ReadError},
};
use chitty_room::{
    Identity,
    record::{EncodedEvents, put_bare},
};

/// Events of a page if the request does not say how many.
const DEFAULT_LIMIT: u64 = 100;
const MAX_LIMIT: u64 = 1000;
/// Bytes of all events in one reply.
const MAX_BYTES: usize = 256 << 10;

impl ServiceState {
    /// Reads a page, and returns it with its permit, which is to be held until the peer has
    /// received the page. `source` is where the request came from.
    pub(super) async fn history(
        &self,
        request: HistoryRequest,
        source: Option<IpAddr>,
        identity: Identity,
    ) -> Result<(HistoryReplyAround, ReplyPermit), RefusedCall> {
        let wanted = PageRequest::parse(&request).map_err(|status| refused(0, status))?;
        let session = parse_session(&request.session).map_err(|status| refused(0, status))?;
        let participant = self
            .chats
            .lobby()
            .view()
            .reader(&session, identity)
            .map_err(|refusal| refused(0, status::refusal(&refusal)))?;
        let is_written = self.lines.admits(Cause::Participant(session, source));
        if is_written {
            info!(
                target: CALL, call = "History", step = "received", before = request.before,
                after = request.after, at_lamport = request.at_lamport, limit = request.limit,
            );
        }
        let of_participant = |status| refused(0, status).of(session);
        let waiting = self.quota.wait(participant);
        let waiting =
            waiting.map_err(|retry_in| of_participant(status::too_many_pages(retry_in)))?;
        // The memory first, then the turn: a request that waits for memory must not block a reader
        // of the log.
        let permit = self.replies.permit(session, source).await;
        let permit = permit.map_err(of_participant)?;
        let turn = self.quota.turn(waiting, source).await;
        let log = Arc::clone(self.chats.lobby().log());
        // In a task of its own, so that the turn lasts until the log has been read, even if the
        // caller has given up meanwhile.
        let page = tokio::spawn(async move {
            let _turn = turn;
            read(&*log, wanted).await
        });
        let reply = page
            .await
            .map_err(|error| of_participant(Status::unavailable(error.to_string())))?
            .map_err(|error| of_participant(status::unreadable(&error)))?;
        if is_written {
            info!(
                target: CALL, call = "History", step = "replied", events = reply.events.len(),
                start = reply.start,
            );
        }
        Ok((reply, permit))
    }
}

/// `chitty.v1.HistoryReply` with its events as they are stored.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HistoryReplyAround {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    events: Vec<Bytes>,
    #[prost(bool, tag = "2")]
    start: bool,
}

/// The page that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PageRequest {
    place: PageStart,
    limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageStart {
    End,
    Before(u64),
    After(u64),
    Around(u64),
}

impl PageRequest {
    fn parse(request: &HistoryRequest) -> Result<Self, Status> {
        let place = match (request.before, request.after, request.at_lamport) {
            (0, 0, 0) => PageStart::End,
            (before, 0, 0) => PageStart::Before(before),
            (0, after, 0) => PageStart::After(after),
            (0, 0, lamport) => PageStart::Around(lamport),
            _ => {
                let reason = "give one of before, after and at_lamport, or none";
                return Err(status::bad_field("before", reason));
            }
        };
        let limit = match request.limit {
            0 => DEFAULT_LIMIT,
            limit => u64::from(limit).min(MAX_LIMIT),
        };
        Ok(Self { place, limit })
    }

    /// The position before the page, and the one that must be in it when not all fits.
    fn resolve(self, extent: Extent, around: Position) -> (Position, Position) {
        let Self { place, limit } = self;
        let end = extent.head.get() + 1;
        let (from, anchor) = match place {
            PageStart::End => (end.saturating_sub(limit), end - 1),
            PageStart::Before(before) => {
                let before = before.min(end);
                (before.saturating_sub(limit), before.saturating_sub(1))
            }
            PageStart::After(after) => {
                let next = after.min(extent.head.get()) + 1;
                (next, next)
            }
            PageStart::Around(_) => (around.get().saturating_sub(limit / 2), around.get()),
        };
        // A trimmed log begins later than position 1.
        let from = Position::new(from).max(extent.first);
        (from.previous(), Position::new(anchor))
    }
}

async fn read(log: &dyn Log, wanted: PageRequest) -> Result<HistoryReplyAround, ReadError> {
    let around = match wanted.place {
        PageStart::Around(lamport) => log.locate(lamport.into()).await?,
        PageStart::End | PageStart::Before(_) | PageStart::After(_) => Position::ZERO,
    };
    let extent = log.extent();
    let (after, anchor) = wanted.resolve(extent, around);
    let count = match wanted.place {
        PageStart::Before(_) | PageStart::End => {
            wanted.limit.min(anchor.get().saturating_sub(after.get()))
        }
        PageStart::After(_) | PageStart::Around(_) => wanted.limit,
    };
    let records = usize::try_from(count).unwrap_or(usize::MAX);
    let page = if records == 0 {
        EncodedEvents::default()
    } else {
        let limit = PageLimit {
            records,
            // Not limited by bytes here: `fit` drops what is too large from the end that is further
            // from the anchor, which may be the beginning.
            bytes: usize::MAX,
        };
        log.read_events(after, limit, put_bare).await?
    };
    let kept = fit(&page, anchor);
    let start = if page.is_empty() {
        after < extent.first
    } else {
        let first = page.first().get() + kept.start as u64;
        Position::new(first) <= extent.first
    };
    let ranges = page.ranges().skip(kept.start).take(kept.len());
    let ranges: Vec<_> = ranges.collect();
    let bytes = Bytes::from(page.into_bytes());
    let events = ranges.into_iter().map(|range| bytes.slice(range)).collect();
    Ok(HistoryReplyAround { events, start })
}

/// Which events of a page to send: all but those that are furthest from the anchor, until the rest
/// is small enough.
fn fit(events: &EncodedEvents, anchor: Position) -> Range<usize> {
    let sizes: Vec<_> = events.ranges().map(|range| range.len()).collect();
    let mut bytes: usize = sizes.iter().sum();
    let mut kept = 0..sizes.len();
    // At least one event is kept, so that a client always gets on.
    while bytes > MAX_BYTES && kept.len() > 1 {
        let distance = |index: usize| (events.first().get() + index as u64).abs_diff(anchor.get());
        let dropped = if distance(kept.start) > distance(kept.end - 1) {
            kept.start += 1;
            kept.start - 1
        } else {
            kept.end -= 1;
            kept.end
        };
        bytes -= sizes[dropped];
    }
    kept
}
