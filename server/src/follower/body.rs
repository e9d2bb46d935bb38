//! A follower: the HTTP/2 response body that a participant's stream consists of.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use chitty_chat::{
    LeftReason, ParticipantNumber, Position,
    proto::v1::{self, closing::Reason},
};
use http::HeaderMap;
use http_body::Frame;
use imbl::OrdMap;
use tonic::Status;
use tracing::info;

use super::{
    frame,
    hub::{Attachment, CloseReason},
    pages::PagePermit,
    ring::RingRead,
    welcome::WelcomeEncoder,
};
use crate::{
    log::{Log, LogFuture, ReadError},
    net::ParticipantGuard,
};
use chitty_room::{Participant, record::EncodedEvents};

/// What a stream starts with, as the room granted it.
#[derive(Debug)]
pub struct StreamStart {
    /// The first message, without its participants.
    pub welcome: v1::Welcome,
    /// The participants of the first message: a reference to the room's own persistent map, not a
    /// copy.
    pub participants: OrdMap<ParticipantNumber, Participant>,
    /// The stream's registration at the hub.
    pub attachment: Attachment,
}

/// A response body that begins with a Welcome and then follows the log from `welcome.next`.
pub struct Follower {
    attachment: Attachment,
    log: Arc<dyn Log>,
    /// The last position that was handed to HTTP/2.
    cursor: Position,
    phase: Phase,
    page: Option<PendingPage>,
    /// Marks the connection as one that carries a participant; `None` if nobody counts connections.
    entered: Option<ParticipantGuard>,
}

/// A page that is being read, and what its bytes will hold.
struct PendingPage {
    events: LogFuture<Result<EncodedEvents, ReadError>>,
    permit: PagePermit,
}

enum Phase {
    Welcome(Box<WelcomeEncoder>),
    Following,
    /// The next message is a Closing that gives the reason.
    Closing(Reason, Status),
    /// Only the trailers with the status are left.
    Ending(Status),
    Ended,
}

impl Follower {
    /// A stream that starts as `start` says and reads from this log.
    pub fn new(start: StreamStart, log: Arc<dyn Log>) -> Self {
        let cursor = Position::new(start.welcome.next).previous();
        let welcome = WelcomeEncoder::new(start.welcome, start.participants);
        let phase = Phase::Welcome(Box::new(welcome));
        Self {
            attachment: start.attachment,
            log,
            cursor,
            phase,
            page: None,
            entered: None,
        }
    }

    /// Holds the connection's guard until the stream ends.
    pub fn keep(&mut self, entered: Option<ParticipantGuard>) {
        self.entered = entered;
    }

    /// The next bytes of the log; `None` if the phase has changed instead.
    fn poll_follow(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Most polls find something to send, and then no waker is needed. Registering one costs a
        // few atomic operations for each event and participant.
        if let Poll::Ready(bytes) = self.poll_ring_or_log(cx) {
            return Poll::Ready(bytes);
        }
        // Registered before the second poll: an event that is published after the first one is
        // found by the second one, and one that comes later wakes this follower.
        self.attachment.register_waker(cx.waker());
        self.poll_ring_or_log(cx)
    }

    fn poll_ring_or_log(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let close_reason = self.attachment.close_reason();
            if let (None, Some(page)) = (close_reason, &mut self.page) {
                let Poll::Ready(events) = page.events.as_mut().poll(cx) else {
                    return Poll::Pending;
                };
                let permit = self.page.take().map(|page| page.permit);
                let bytes = permit.and_then(|permit| self.take_page(events, permit));
                if bytes.is_some() || !matches!(self.phase, Phase::Following) {
                    return Poll::Ready(bytes);
                }
                continue;
            }
            let taken = match close_reason {
                // Before a shutdown the events that the ring still has are sent. A stream that was
                // taken over or is too slow ends at once.
                None | Some(CloseReason::Shutdown) => self.attachment.take(self.cursor),
                Some(CloseReason::TakenOver | CloseReason::TooSlow) => RingRead::UpToDate,
            };
            match (taken, close_reason) {
                (
                    RingRead::Frames {
                        bytes,
                        last,
                        own_left,
                    },
                    _,
                ) => {
                    self.advance(last, own_left);
                    return Poll::Ready(Some(bytes));
                }
                (RingRead::UpToDate | RingRead::Lagging, Some(close_reason)) => {
                    self.close(close_reason);
                    return Poll::Ready(None);
                }
                (RingRead::UpToDate, None) => return Poll::Pending,
                (RingRead::Lagging, None) => {
                    let permit = self.attachment.page_permit();
                    let (limit, put) = (permit.limit(), frame::put_event);
                    let events = self.log.read_events(self.cursor, limit, put);
                    self.page = Some(PendingPage { events, permit });
                }
            }
        }
    }

    /// A page from the log as bytes; `None` if nothing of it is to be sent.
    fn take_page(
        &mut self,
        page: Result<EncodedEvents, ReadError>,
        permit: PagePermit,
    ) -> Option<Bytes> {
        let mut page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "a follower cannot read the log");
                self.phase = Phase::Ending(Status::unavailable(error.to_string()));
                return None;
            }
        };
        if page.is_empty() {
            return None;
        }
        if page.first() != self.cursor.next() {
            // A capped log dropped the next event while the stream lagged. The client joins again,
            // and the server finds its resume stale.
            let status = Status::unavailable("what follows is not kept any more; join again");
            self.phase = Phase::Closing(Reason::TooSlow, status);
            return None;
        }
        let own = self.attachment.participant();
        let own_left = page.lefts().iter().find(|left| left.participant == own);
        let own_left = own_left.map(|left| (left.position, left.reason));
        if let Some((position, _)) = own_left {
            // Nothing after its own Left belongs to the stream.
            page.truncate(position);
        }
        self.advance(page.last(), own_left.map(|(_, reason)| reason));
        Some(permit.attach(page.into_bytes()))
    }

    fn advance(&mut self, last: Position, own_left: Option<LeftReason>) {
        self.cursor = last;
        match own_left {
            None => {}
            Some(LeftReason::Left) => self.phase = Phase::Ending(Status::ok("")),
            Some(_) => {
                let status = Status::unauthenticated("the participation is over; join again");
                self.phase = Phase::Closing(Reason::Ended, status);
            }
        }
    }

    fn close(&mut self, close_reason: CloseReason) {
        let (reason, status) = match close_reason {
            CloseReason::TakenOver => (
                Reason::TakenOver,
                Status::aborted("another stream of this session goes on; do not come back"),
            ),
            CloseReason::TooSlow => (
                Reason::TooSlow,
                Status::unavailable("the stream was not read for too long; join again to go on"),
            ),
            CloseReason::Shutdown => (
                Reason::Shutdown,
                Status::unavailable("the server goes down; come back later"),
            ),
        };
        self.phase = Phase::Closing(reason, status);
    }
}

impl http_body::Body for Follower {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // First of all, so that the wave is answered even if there is nothing to send.
        self.attachment.polled();
        let polled = self.poll_next(cx);
        if polled.is_ready() {
            // Only when there are bytes: a follower that is pending waits for the server, and its
            // peer is not stalling.
            self.attachment.handed_over(self.cursor);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }
}

impl Follower {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            let frame = match std::mem::replace(&mut self.phase, Phase::Following) {
                Phase::Welcome(mut welcome) => {
                    let piece = welcome.next();
                    if welcome.is_over() {
                        self.attachment.welcomed();
                    } else {
                        self.phase = Phase::Welcome(welcome);
                    }
                    match piece {
                        Some(piece) => Frame::data(piece),
                        None => continue,
                    }
                }
                Phase::Following => match self.poll_follow(cx) {
                    Poll::Ready(Some(bytes)) => Frame::data(bytes),
                    Poll::Ready(None) => continue,
                    Poll::Pending => return Poll::Pending,
                },
                Phase::Closing(reason, status) => {
                    let closing = frame::closing(reason, self.cursor, status.message());
                    self.phase = Phase::Ending(status);
                    Frame::data(closing)
                }
                Phase::Ending(status) => {
                    self.phase = Phase::Ended;
                    return Poll::Ready(Some(trailers(&status)));
                }
                Phase::Ended => {
                    self.phase = Phase::Ended;
                    return Poll::Ready(None);
                }
            };
            return Poll::Ready(Some(Ok(frame)));
        }
    }
}

fn trailers(status: &Status) -> Result<Frame<Bytes>, Status> {
    let mut trailers = HeaderMap::with_capacity(3);
    status.add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}

impl Drop for Follower {
    fn drop(&mut self) {
        info!(
            target: chitty_chat::logging::CALL,
            call = "Stream",
            step = "ended",
            position = self.cursor.get(),
            participant = self.attachment.participant().get(),
            generation = self.attachment.generation(),
            orderly = matches!(self.phase, Phase::Ended),
        );
    }
}
