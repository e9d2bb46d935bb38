//! What each participant was told: all of it, once, in order.

use super::{Report, Rule, fold};
use crate::{
    chat::{At, Chat, Facts, Stint},
    read::step::{Event, Kind, What},
};

/// Of a gap so many positions are looked at, one by one.
const LOOKED_AT: usize = 1000;

pub(super) fn check(facts: &Facts<'_>, report: &mut Report) {
    let mut shown = Shown::default();
    for stint in &facts.stints {
        let chat = &facts.chats[stint.chat];
        if shown.run != Some(stint.run) {
            let first = At {
                run: stint.run,
                step: 0,
            };
            shown = Shown {
                run: Some(stint.run),
                last: None,
                unknown: !facts.run(stint.run).begun || has_hole(facts, first, stint.at()),
            };
        }
        let goes_on = resumption(facts, stint, &shown, report);
        let mut row = Row::new(stint);
        if let Some((last, at)) = shown.last
            && goes_on
            && !shown.unknown
        {
            row.follow(last, at, stint);
        } else if shown
            .last
            .is_none_or(|(last, _)| last.saturating_add(1) != stint.welcome.next)
        {
            shown.last = None;
        }
        for (at, step) in stint.steps(facts.trace) {
            if step.after_hole {
                row.next = None;
                shown.unknown = true;
            }
            match step.what {
                What::BroadcastReceived(event) => {
                    row.receive(event.position, at, report);
                    reception(facts, chat, &event, at, report);
                    shown.last = Some((event.position, at));
                    shown.unknown = false;
                }
                What::PublishSent { seen, retry, .. } if !retry => {
                    seen_is_shown(seen, &shown, at, report);
                }
                _ => {}
            }
        }
        row.finish(chat, report);
    }
}

/// Whether lines are missing between these two.
fn has_hole(facts: &Facts<'_>, from: At, to: At) -> bool {
    let steps = &facts.run(from.run).steps;
    steps[from.step..=to.step]
        .iter()
        .any(|step| step.after_hole)
}

/// What a run was shown last.
#[derive(Default)]
struct Shown {
    run: Option<usize>,
    last: Option<(u64, At)>,
    /// Lines are missing.
    unknown: bool,
}

fn reception(facts: &Facts<'_>, chat: &Chat, event: &Event, at: At, report: &mut Report) {
    if !chat.told.contains_key(&event.position) {
        report.add(Rule::ReceiptWithoutSending, &[at], || {
            format!("the server did not broadcast position {}", event.position)
        });
    }
    let lamport = facts.step(at).lamport;
    if !fold::has_its_sentence(facts, event, lamport) {
        report.add(Rule::WrongSentence, &[at], || {
            fold::wrong_sentence(event, lamport)
        });
    }
}

fn seen_is_shown(seen: u64, shown: &Shown, at: At, report: &mut Report) {
    let last = shown.last.map_or(0, |(last, _)| last);
    if shown.unknown || seen == 0 || seen == last {
        return;
    }
    let lines: Vec<_> = shown
        .last
        .map(|(_, at)| at)
        .into_iter()
        .chain([at])
        .collect();
    report.add(Rule::SeenNotReceived, &lines, || {
        format!("it says that it had seen {seen}, and had been shown {last}")
    });
}

/// Who resumes, does so from where it was, and gets what follows. Whether it goes on from there.
fn resumption(facts: &Facts<'_>, stint: &Stint, shown: &Shown, report: &mut Report) -> bool {
    let run = facts.run(stint.run);
    let Some(join) = stint.join else {
        return false;
    };
    let What::JoinSent {
        resume: Some(resume),
        ..
    } = run.steps[join].what
    else {
        return false;
    };
    let asked = At {
        run: stint.run,
        step: join,
    };
    if let Some((last, at)) = shown.last
        && !shown.unknown
        && last != resume
    {
        report.add(Rule::ResumedElsewhere, &[at, asked], || {
            format!("it was shown {last}, and resumes behind {resume}")
        });
    }
    if stint.welcome.resumed && stint.welcome.next != resume.saturating_add(1) {
        report.add(Rule::ResumedElsewhere, &[asked, stint.at()], || {
            format!(
                "it resumes behind {resume}, and gets what follows from {}",
                stint.welcome.next
            )
        });
    }
    stint.welcome.next == resume.saturating_add(1)
}

/// The positions that a stint brings.
struct Row {
    /// What follows; `None` after a hole.
    next: Option<u64>,
    last: At,
    gaps: Vec<Missing>,
}

struct Missing {
    first: u64,
    last: u64,
    before: At,
    after: At,
}

impl Row {
    fn new(stint: &Stint) -> Self {
        Self {
            next: Some(stint.welcome.next),
            last: stint.at(),
            gaps: Vec::new(),
        }
    }

    /// It goes on behind what was shown before.
    fn follow(&mut self, last: u64, at: At, stint: &Stint) {
        let next = last.saturating_add(1);
        if stint.welcome.next > next {
            self.gaps.push(Missing {
                first: next,
                last: stint.welcome.next - 1,
                before: at,
                after: stint.at(),
            });
        } else {
            self.next = Some(next);
            self.last = at;
        }
    }

    fn receive(&mut self, position: u64, at: At, report: &mut Report) {
        let lines = [self.last, at];
        match self.next {
            Some(next) if position > next => {
                self.gaps.push(Missing {
                    first: next,
                    last: position - 1,
                    before: self.last,
                    after: at,
                });
            }
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

    /// Takes a position out of the gaps, if it is in one.
    fn fill(&mut self, position: u64) -> bool {
        let within = |gap: &Missing| (gap.first..=gap.last).contains(&position);
        let Some(number) = self.gaps.iter().position(within) else {
            return false;
        };
        let gap = self.gaps.swap_remove(number);
        if position > gap.first {
            let last = position - 1;
            self.gaps.push(Missing { last, ..gap });
        }
        if position < gap.last {
            let first = position + 1;
            self.gaps.push(Missing { first, ..gap });
        }
        true
    }

    fn finish(self, chat: &Chat, report: &mut Report) {
        for gap in self.gaps {
            let lines = [gap.before, gap.after];
            let presence = (gap.first..=gap.last)
                .take(LOOKED_AT)
                .filter_map(|position| chat.told.get(&position))
                .find(|told| matches!(told.event.kind, Kind::Joined | Kind::Left));
            if let Some(told) = presence {
                report.add(Rule::NotTold, &[told.at, gap.before, gap.after], || {
                    format!("it was not told of position {}", told.event.position)
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
