//! The replies that clients received are true.

use std::collections::HashMap;

use super::{CheckReport, Requests};
use crate::{
    chat::{StepRef, StreamSpan, TraceIndex, TracedChat},
    check::Rule,
    read::{
        TextId, TraceStep,
        step::{LoggedKind, StepKind},
    },
};

pub(super) fn check(index: &TraceIndex<'_>, requests: &Requests<'_>, report: &mut CheckReport) {
    for span in &index.spans {
        welcome(index, requests, span, report);
    }
    let mut chat_of = HashMap::new();
    for span in &index.spans {
        chat_of.entry(span.run).or_insert_with(Vec::new).push(span);
    }
    for (number, run) in index.clients() {
        let mut checker = ReplyChecker {
            index,
            spans: chat_of.get(&number).map_or(&[], Vec::as_slice),
            sent: HashMap::new(),
            leave: None,
            whole: run.begun,
        };
        for (step, line) in run.steps.iter().enumerate() {
            checker.whole &= !line.after_hole;
            checker.step(StepRef { run: number, step }, line, report);
        }
    }
}

/// Checks the replies of one client's run.
struct ReplyChecker<'f> {
    index: &'f TraceIndex<'f>,
    /// The client's streams, in order.
    spans: &'f [&'f StreamSpan],
    /// The first sending of each message, by its id.
    sent: HashMap<TextId, StepRef>,
    leave: Option<StepRef>,
    /// The lines are complete so far. If not, a request may be missing whose reply is there.
    whole: bool,
}

impl ReplyChecker<'_> {
    fn step(&mut self, at: StepRef, line: &TraceStep, report: &mut CheckReport) {
        match line.kind {
            StepKind::PublishSent { id, .. } if !id.is_empty() => match self.sent.get(&id) {
                Some(first) => self.retry(*first, at, report),
                None => drop(self.sent.insert(id, at)),
            },
            StepKind::LeaveSent => self.leave = Some(at),
            StepKind::PublishReplied { position, id, .. } => {
                self.published(at, position, id, report);
            }
            StepKind::LeaveReplied { position, .. } => self.left(at, position, report),
            StepKind::PublishRefused { id } => self.refused(at, id, report),
            _ => {}
        }
    }

    fn span(&self, at: StepRef) -> Option<&StreamSpan> {
        let begun = self
            .spans
            .partition_point(|span| span.range.start <= at.step);
        self.spans.get(begun.checked_sub(1)?).copied()
    }

    /// The stream that the step is in, if no other can have begun since.
    fn certain_span(&self, at: StepRef) -> Option<&StreamSpan> {
        let span = self.span(at)?;
        let since = &self.index.run(at.run).steps[span.range.start + 1..=at.step];
        let whole = since.iter().all(|step| !step.after_hole);
        whole.then_some(span)
    }

    fn chat(&self, at: StepRef) -> Option<&TracedChat> {
        self.index.chats.get(self.span(at)?.chat)
    }

    fn retry(&self, first: StepRef, at: StepRef, report: &mut CheckReport) {
        let (before, again) = (self.index.step(first), self.index.step(at));
        let (
            StepKind::PublishSent { id, seen, text, .. },
            StepKind::PublishSent {
                seen: seen_now,
                text: text_now,
                ..
            },
        ) = (before.kind, again.kind)
        else {
            return;
        };
        let same_text = text == text_now
            || (again.frayed && self.index.text(text).starts_with(self.index.text(text_now)));
        if (before.lamport, seen) != (again.lamport, seen_now) || !same_text {
            report.add(Rule::RetryDiffers, &[first, at], || {
                format!("{} was sent again, but not the same", self.index.text(id))
            });
        }
    }

    fn published(&self, at: StepRef, position: u64, id: TextId, report: &mut CheckReport) {
        let sent = self.sent.get(&id).copied();
        if sent.is_none() && self.whole && !id.is_empty() {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "there is a reply to a Publish that was not sent".to_owned()
            });
        }
        let Some(chat) = self.chat(at).filter(|_| !id.is_empty()) else {
            return;
        };
        let lines = |broadcast| {
            [sent, broadcast, Some(at)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        // A position whose broadcast would be in the logs, and has another id: the message is lost.
        // If the id is elsewhere, the reply is only wrong about its position.
        let known = chat.events.get(&position);
        if !chat.by_id.contains_key(&id) && (known.is_some() || chat.covers(position)) {
            report.add(
                Rule::AcknowledgedNotBroadcast,
                &lines(known.map(|known| known.at)),
                || format!("position {position} is acknowledged, but was not broadcast"),
            );
        } else if let Some(known) = known
            && (known.event.id != id || known.lamport != self.index.step(at).lamport)
        {
            report.add(Rule::ReplyDiffers, &lines(Some(known.at)), || {
                format!(
                    "the reply says position {position} at {}",
                    self.index.step(at).lamport
                )
            });
        }
    }

    fn left(&self, at: StepRef, position: u64, report: &mut CheckReport) {
        if self.leave.is_none() && self.whole {
            report.add(Rule::ReplyWithoutRequest, &[at], || {
                "there is a reply to a Leave that was not sent".to_owned()
            });
        }
        let (Some(span), Some(chat)) = (self.certain_span(at), self.chat(at)) else {
            return;
        };
        let lines = |broadcast| {
            [self.leave, broadcast, Some(at)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        };
        match chat.events.get(&position) {
            None if chat.covers(position) => {
                report.add(Rule::AcknowledgedNotBroadcast, &lines(None), || {
                    format!("the Left at {position} is acknowledged, but was not broadcast")
                });
            }
            Some(known)
                if (known.event.kind, known.event.participant, known.lamport)
                    != (
                        LoggedKind::Left,
                        span.welcome.participant,
                        self.index.step(at).lamport,
                    ) =>
            {
                report.add(Rule::ReplyDiffers, &lines(Some(known.at)), || {
                    format!("position {position} is not the Left of this participant")
                });
            }
            _ => {}
        }
    }

    fn refused(&self, at: StepRef, id: TextId, report: &mut CheckReport) {
        if let Some(chat) = self.chat(at)
            && let Some(known) = chat
                .by_id
                .get(&id)
                .and_then(|position| chat.events.get(position))
        {
            report.add(Rule::RefusedYetBroadcast, &[at, known.at], || {
                format!("it was broadcast at position {}", known.event.position)
            });
        }
    }
}

/// A Welcome answers a Join, was granted by the server, and names the Joined that is in the log.
fn welcome(
    index: &TraceIndex<'_>,
    requests: &Requests<'_>,
    span: &StreamSpan,
    report: &mut CheckReport,
) {
    let (chat, welcome, at) = (&index.chats[span.chat], span.welcome, span.at());
    let run = index.run(span.run);
    let whole = run.begun && !run.steps[..=at.step].iter().any(|step| step.after_hole);
    if span.join.is_none() && whole {
        report.add(Rule::ReplyWithoutRequest, &[at], || {
            "there is a reply to a Join that was not sent".to_owned()
        });
    }
    let lamport = index.step(at).lamport;
    let key = (span.chat, welcome, lamport);
    // Only if the server's logs go on after the head are its Welcomes of that time in them.
    let within = |(first, last): &(u64, u64)| *first <= welcome.head && welcome.head < *last;
    if chat.covered.iter().any(within) && !requests.grants.contains(&key) {
        report.add(Rule::WelcomeWithoutGrant, &[at], || {
            format!(
                "the server did not grant this Welcome to participant {}",
                welcome.participant
            )
        });
    }
    if let Some(event) = chat.events.get(&welcome.position)
        && event.lamport != lamport
    {
        report.add(Rule::ReplyDiffers, &[event.at, at], || {
            format!(
                "position {} is at {}, not at {lamport}",
                welcome.position, event.lamport
            )
        });
    }
    if let Some(joined) = chat.events.get(&welcome.participant)
        && (joined.event.kind != LoggedKind::Joined || joined.event.name != span.name)
    {
        report.add(Rule::ReplyDiffers, &[joined.at, at], || {
            format!("position {} is not its Joined", welcome.participant)
        });
    }
}
