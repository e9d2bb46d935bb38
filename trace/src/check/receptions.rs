//! The events that each participant received: all of them, once, in order.

use super::{CheckReport, Rule, fold};
use crate::{
    chat::{StepRef, StreamSpan, TraceIndex, TracedChat},
    read::step::{LoggedEvent, LoggedKind, StepKind},
};

/// How many positions of a gap are searched for a Joined or Left.
const SEARCHED: usize = 1000;

pub(super) fn check(index: &TraceIndex<'_>, report: &mut CheckReport) {
    let mut delivered = DeliveryState::default();
    for span in &index.spans {
        let chat = &index.chats[span.chat];
        if delivered.run != Some(span.run) {
            let first = StepRef {
                run: span.run,
                step: 0,
            };
            // The first stream of a run: before it, the client had received nothing, unless lines are
            // missing.
            delivered = DeliveryState {
                run: Some(span.run),
                last: None,
                unknown: !index.run(span.run).begun || has_hole(index, first, span.at()),
            };
        }
        let goes_on = resumption(index, span, &delivered, report);
        let mut tracker = GapTracker::new(span);
        if let Some((last, at)) = delivered.last
            && goes_on
            && !delivered.unknown
        {
            tracker.follow(last, at, span);
        // A stream that does not continue the one before begins another timeline, as after a stale
        // resume: nothing is missing between the two.
        } else if delivered
            .last
            .is_none_or(|(last, _)| last.saturating_add(1) != span.welcome.next)
        {
            delivered.last = None;
        }
        for (at, step) in span.steps(index.trace) {
            if step.after_hole {
                tracker.next = None;
                delivered.unknown = true;
            }
            match step.kind {
                StepKind::BroadcastReceived(event) => {
                    tracker.receive(event.position, at, report);
                    reception(index, chat, &event, at, report);
                    delivered.last = Some((event.position, at));
                    delivered.unknown = false;
                }
                StepKind::PublishSent { seen, retry, .. } if !retry => {
                    seen_is_delivered(seen, &delivered, at, report);
                }
                _ => {}
            }
        }
        tracker.finish(chat, report);
    }
}

/// Whether lines are missing between these two steps of a run.
fn has_hole(index: &TraceIndex<'_>, from: StepRef, to: StepRef) -> bool {
    let steps = &index.run(from.run).steps;
    steps[from.step..=to.step]
        .iter()
        .any(|step| step.after_hole)
}

/// The last event that a run received, over all its streams.
#[derive(Default)]
struct DeliveryState {
    run: Option<usize>,
    last: Option<(u64, StepRef)>,
    /// Lines are missing, so that `last` may not be the last.
    unknown: bool,
}

fn reception(
    index: &TraceIndex<'_>,
    chat: &TracedChat,
    event: &LoggedEvent,
    at: StepRef,
    report: &mut CheckReport,
) {
    if !chat.events.contains_key(&event.position) {
        report.add(Rule::ReceiptWithoutSending, &[at], || {
            format!("the server did not broadcast position {}", event.position)
        });
    }
    let lamport = index.step(at).lamport;
    if !fold::has_its_sentence(index, event, lamport) {
        report.add(Rule::WrongSentence, &[at], || {
            fold::wrong_sentence(event, lamport)
        });
    }
}

/// A message's `seen` is the last position that its author had received.
fn seen_is_delivered(seen: u64, delivered: &DeliveryState, at: StepRef, report: &mut CheckReport) {
    let last = delivered.last.map_or(0, |(last, _)| last);
    // 0 means that the client does not report what it has seen.
    if delivered.unknown || seen == 0 || seen == last {
        return;
    }
    let lines: Vec<_> = delivered
        .last
        .map(|(_, at)| at)
        .into_iter()
        .chain([at])
        .collect();
    report.add(Rule::SeenNotReceived, &lines, || {
        format!("it claims to have seen {seen}, but had received up to {last}")
    });
}

/// A client that resumes does so from its last position, and gets what follows. Returns whether the
/// stream continues there.
fn resumption(
    index: &TraceIndex<'_>,
    span: &StreamSpan,
    delivered: &DeliveryState,
    report: &mut CheckReport,
) -> bool {
    let run = index.run(span.run);
    let Some(join) = span.join else {
        return false;
    };
    let StepKind::JoinSent {
        resume: Some(resume),
        ..
    } = run.steps[join].kind
    else {
        return false;
    };
    let asked = StepRef {
        run: span.run,
        step: join,
    };
    if let Some((last, at)) = delivered.last
        && !delivered.unknown
        && last != resume
    {
        report.add(Rule::ResumedElsewhere, &[at, asked], || {
            format!("it had received up to {last}, and resumes after {resume}")
        });
    }
    if span.welcome.resumed && span.welcome.next != resume.saturating_add(1) {
        report.add(Rule::ResumedElsewhere, &[asked, span.at()], || {
            format!(
                "it resumes after {resume}, but its stream begins at {}",
                span.welcome.next
            )
        });
    }
    span.welcome.next == resume.saturating_add(1)
}

/// Tracks the positions that a stream delivers, and the gaps between them.
struct GapTracker {
    /// The next expected position; `None` after a hole.
    next: Option<u64>,
    last: StepRef,
    gaps: Vec<PositionGap>,
}

/// Positions that were not delivered, and the lines around them.
struct PositionGap {
    first: u64,
    last: u64,
    before: StepRef,
    after: StepRef,
}

impl GapTracker {
    fn new(span: &StreamSpan) -> Self {
        Self {
            next: Some(span.welcome.next),
            last: span.at(),
            gaps: Vec::new(),
        }
    }

    /// Continues after the last position of the stream before.
    fn follow(&mut self, last: u64, at: StepRef, span: &StreamSpan) {
        let next = last.saturating_add(1);
        if span.welcome.next > next {
            self.gaps.push(PositionGap {
                first: next,
                last: span.welcome.next - 1,
                before: at,
                after: span.at(),
            });
        } else {
            self.next = Some(next);
            self.last = at;
        }
    }

    fn receive(&mut self, position: u64, at: StepRef, report: &mut CheckReport) {
        let lines = [self.last, at];
        match self.next {
            Some(next) if position > next => {
                self.gaps.push(PositionGap {
                    first: next,
                    last: position - 1,
                    before: self.last,
                    after: at,
                });
            }
            // An old position fills a gap, if it is late, or is a repeat. The expected one stays.
            Some(next) if position < next => {
                if self.fill(position) {
                    report.add(Rule::OutOfOrder, &lines, || {
                        format!("position {position} came after {}", next - 1)
                    });
                } else {
                    report.add(Rule::Repeat, &lines, || {
                        format!("position {position} came again, after {}", next - 1)
                    });
                }
                return;
            }
            _ => {}
        }
        self.next = Some(position.saturating_add(1));
        self.last = at;
    }

    /// Takes a position out of the gap that it is in. Returns whether there was one: the position is
    /// late then, and not a repeat.
    fn fill(&mut self, position: u64) -> bool {
        let within = |gap: &PositionGap| (gap.first..=gap.last).contains(&position);
        let Some(number) = self.gaps.iter().position(within) else {
            return false;
        };
        let gap = self.gaps.swap_remove(number);
        if position > gap.first {
            let last = position - 1;
            self.gaps.push(PositionGap { last, ..gap });
        }
        if position < gap.last {
            let first = position + 1;
            self.gaps.push(PositionGap { first, ..gap });
        }
        true
    }

    /// Reports the gaps that are left.
    fn finish(self, chat: &TracedChat, report: &mut CheckReport) {
        for gap in self.gaps {
            let lines = [gap.before, gap.after];
            let presence = (gap.first..=gap.last)
                .take(SEARCHED)
                .filter_map(|position| chat.events.get(&position))
                .find(|known| matches!(known.event.kind, LoggedKind::Joined | LoggedKind::Left));
            // A gap in which somebody came or went is the graver violation: it is named by that.
            if let Some(known) = presence {
                report.add(Rule::NotTold, &[known.at, gap.before, gap.after], || {
                    format!("position {} was not delivered to it", known.event.position)
                });
            } else {
                report.add(Rule::Gap, &lines, || match gap.last - gap.first {
                    0 => format!("position {} did not come", gap.first),
                    _ => format!("positions {} to {} did not come", gap.first, gap.last),
                });
            }
        }
    }
}
