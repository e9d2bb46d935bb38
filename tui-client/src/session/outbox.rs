//! The user's lines that are sent or waiting, and not shown in the chat yet.

use std::collections::VecDeque;

use chitty_chat::{MessageId, MessageText, Position, proto::v1::PublishRequest};
use thiserror::Error;
use tokio::time::Instant;

use super::{MAX_PENDING, Ticket};

/// The lines, in the order in which they were typed. A line leaves when its event is shown, when it
/// is refused, or when its event will certainly not be shown.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    lines: VecDeque<OutboxLine>,
    /// The time before which the server does not want another line.
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct OutboxLine {
    ticket: Ticket,
    id: MessageId,
    text: MessageText,
    /// The request of the first try: every retry is identical to the byte.
    request: Option<PublishRequest>,
    /// Whether the server has accepted it; its event is still to come.
    accepted: bool,
}

/// The request to send now.
#[derive(Debug)]
pub(super) struct NextRequest {
    pub(super) id: MessageId,
    pub(super) request: PublishRequest,
    /// Whether it was sent before.
    pub(super) retry: bool,
}

/// There is no space for another line.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "{max} lines wait to be sent already; send this one again when they are through",
    max = MAX_PENDING
)]
pub(super) struct OutboxFull;

impl Outbox {
    /// Adds a line, to be sent under this id.
    pub(super) fn push(
        &mut self,
        ticket: Ticket,
        text: MessageText,
        id: MessageId,
    ) -> Result<(), OutboxFull> {
        if self.lines.len() >= MAX_PENDING {
            return Err(OutboxFull);
        }
        self.lines.push_back(OutboxLine {
            ticket,
            id,
            text,
            request: None,
            accepted: false,
        });
        Ok(())
    }

    /// The next line to send, if it is time for one; call it only while none is in flight.
    /// `request` makes the request of a line that is sent for the first time.
    pub(super) fn next(
        &mut self,
        now: Instant,
        request: impl FnOnce(&MessageId, &MessageText) -> PublishRequest,
    ) -> Option<NextRequest> {
        if self.not_before.is_some_and(|then| now < then) {
            return None;
        }
        self.not_before = None;
        // In order: the first line without an outcome, even if a later one was never tried.
        let line = self.lines.iter_mut().find(|line| !line.accepted)?;
        let retry = line.request.is_some();
        let request = line
            .request
            .get_or_insert_with(|| request(&line.id, &line.text))
            .clone();
        Some(NextRequest {
            id: line.id.clone(),
            request,
            retry,
        })
    }

    /// Whether no line is to be sent, and no outcome is unknown.
    pub(super) fn is_settled(&self) -> bool {
        self.lines.iter().all(|line| line.accepted)
    }

    /// The time at which the next line may be sent, if it has to wait.
    pub(super) fn due(&self) -> Option<Instant> {
        let waits = self.lines.iter().any(|line| !line.accepted);
        self.not_before.filter(|_| waits)
    }

    /// Sends nothing before this time.
    pub(super) fn wait_until(&mut self, then: Instant) {
        self.not_before = Some(then);
    }

    /// Takes note that the server accepted this line at `position`, while the run that was shown
    /// ends at `last`. Returns the line's ticket if its event will not be shown any more.
    pub(super) fn accepted(
        &mut self,
        id: &MessageId,
        position: Position,
        last: Position,
    ) -> Option<Ticket> {
        if position <= last {
            return self.remove(id.as_str());
        }
        if let Some(line) = self.lines.iter_mut().find(|line| line.id == *id) {
            line.accepted = true;
        }
        None
    }

    /// Takes note that the event with this id is shown. Returns the ticket if it is one of these
    /// lines.
    pub(super) fn shown(&mut self, id: &str) -> Option<Ticket> {
        self.remove(id)
    }

    /// Removes a line that the server refused.
    pub(super) fn refused(&mut self, id: &MessageId) -> Option<Ticket> {
        self.remove(id.as_str())
    }

    /// Prepares all lines to be sent again, because the timeline starts afresh: the `seen` of
    /// earlier requests may not exist in this log, and accepted lines may not be shown. The ids
    /// stay, so that a log that has a line already does not take it twice.
    pub(super) fn renew(&mut self) {
        for line in &mut self.lines {
            line.request = None;
            line.accepted = false;
        }
    }

    fn remove(&mut self, id: &str) -> Option<Ticket> {
        let index = self.lines.iter().position(|line| line.id.as_str() == id)?;
        self.lines.remove(index).map(|line| line.ticket)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId::parse(&format!("{number:032}")).expect("it is printable")
    }

    fn text(text: &str) -> MessageText {
        MessageText::parse(text).expect("it is valid")
    }

    fn outbox(lines: u64) -> Outbox {
        let mut outbox = Outbox::default();
        for number in 0..lines {
            let pushed = outbox.push(Ticket(number), text("hello"), id(number));
            assert_eq!(pushed, Ok(()));
        }
        outbox
    }

    fn request(lamport: u64) -> impl FnOnce(&MessageId, &MessageText) -> PublishRequest {
        move |id, text| PublishRequest {
            id: id.to_string(),
            text: text.to_string(),
            lamport,
            ..Default::default()
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut outbox = outbox(MAX_PENDING as u64);
        let one_more = outbox.push(Ticket(100), text("hello"), id(100));
        assert_eq!(one_more, Err(OutboxFull));
        assert_eq!(outbox.shown(id(0).as_str()), Some(Ticket(0)));
        let one_more = outbox.push(Ticket(100), text("hello"), id(100));
        assert_eq!(one_more, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_as_long_as_it_was_asked_to() {
        let mut outbox = outbox(1);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert!(outbox.next(now, request(1)).is_some());
        outbox.wait_until(later);
        assert_eq!(outbox.due(), Some(later));
        assert!(outbox.next(now, request(2)).is_none());
        let again = outbox.next(later, request(2)).expect("it is due");
        assert!(again.retry);
        assert_eq!(again.request.lamport, 1);
        assert_eq!(outbox.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_be_shown_is_told_and_what_will_be_waits_for_it() {
        let mut outbox = outbox(2);
        assert_eq!(outbox.accepted(&id(0), 9.into(), 8.into()), None);
        let next = outbox.next(Instant::now(), request(1)).expect("the other");
        assert_eq!(next.id, id(1));
        assert_eq!(outbox.accepted(&id(1), 8.into(), 8.into()), Some(Ticket(1)));
        assert_eq!(outbox.shown(id(0).as_str()), Some(Ticket(0)));
        assert_eq!(outbox.shown(id(0).as_str()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_timeline_gets_fresh_requests_under_the_same_ids() {
        let mut outbox = outbox(1);
        let first = outbox.next(Instant::now(), request(7)).expect("a line");
        assert_eq!(outbox.accepted(&id(0), 9.into(), 8.into()), None);
        outbox.renew();
        let again = outbox.next(Instant::now(), request(12)).expect("a line");
        assert_eq!(again.id, first.id);
        assert_eq!(again.request.lamport, 12);
        assert!(!again.retry);
    }

    /// What can become of a sending.
    #[derive(Clone, Copy, Debug)]
    enum LineOutcome {
        ShownFirst,
        RepliedFirst,
        Refused,
        LostBefore,
        LostAfter,
    }

    fn outcomes() -> impl Strategy<Value = Vec<LineOutcome>> {
        let outcome = prop_oneof![
            Just(LineOutcome::ShownFirst),
            Just(LineOutcome::RepliedFirst),
            Just(LineOutcome::Refused),
            Just(LineOutcome::LostBefore),
            Just(LineOutcome::LostAfter),
        ];
        prop::collection::vec(outcome, 0..60)
    }

    proptest! {
        /// Against a log that takes each id once: what comes out is each line once, in order, by
        /// identical requests.
        #[test]
        fn lines_arrive_once_in_order(lines in 0..20_u64, outcomes in outcomes()) {
            let mut outbox = outbox(lines);
            let now = Instant::now();
            let mut log: Vec<String> = Vec::new();
            let mut shown = 0;
            let mut sent: HashMap<String, PublishRequest> = HashMap::new();
            let mut ended: Vec<u64> = Vec::new();
            let mut lamport = 0;
            let mut outcomes = outcomes.into_iter().chain(std::iter::repeat(LineOutcome::RepliedFirst));
            loop {
                lamport += 1;
                let Some(NextRequest { id, request, retry }) = outbox.next(now, request(lamport))
                else { break };
                let first = sent.insert(id.to_string(), request.clone());
                prop_assert_eq!(retry, first.is_some());
                prop_assert!(first.is_none_or(|first| first == request));

                let outcome = outcomes.next().unwrap_or(LineOutcome::Refused);
                let known = log.contains(&request.id);
                match outcome {
                    LineOutcome::LostBefore => {}
                    LineOutcome::Refused if !known => {
                        ended.extend(outbox.refused(&id).map(|ticket| ticket.0));
                    }
                    _ => {
                        if !known {
                            log.push(request.id.clone());
                        }
                        let position = log.iter().position(|each| *each == request.id);
                        let position = position.map_or(0, |index| index as u64 + 1);
                        if matches!(outcome, LineOutcome::RepliedFirst) {
                            let last = Position::new(shown as u64);
                            let gone = outbox.accepted(&id, position.into(), last);
                            prop_assert_eq!(gone, None, "it is shown after that");
                        }
                        if !matches!(outcome, LineOutcome::LostAfter) {
                            for id in &log[shown..] {
                                ended.extend(outbox.shown(id).map(|ticket| ticket.0));
                            }
                            shown = log.len();
                        }
                    }
                }
            }
            prop_assert_eq!(ended, (0..lines).collect::<Vec<_>>());
            let mut sorted = log.clone();
            sorted.sort();
            prop_assert_eq!(log, sorted);
        }
    }
}
