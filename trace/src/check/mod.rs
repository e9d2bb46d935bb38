//! Checks whether the logs keep the rules. Each file is one group of rules.

mod clocks;
mod fold;
mod journal;
mod limits;
mod receptions;
mod requests;
mod rule;
mod sameness;

use std::collections::BTreeMap;

pub use self::rule::Rule;
use crate::chat::{StepRef, TraceIndex};

/// How many violations of one rule are kept; further ones are only counted.
const KEPT: usize = 100;

/// A violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that is broken.
    pub rule: Rule,
    /// How it is broken, for people.
    pub message: String,
    /// The lines that show the violation.
    pub lines: Vec<StepRef>,
}

/// The result of checking a trace.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The violations in the order in which they were found; a limited number of each rule.
    pub violations: Vec<Violation>,
    /// How often each rule is broken. Rules that are kept are not in it.
    pub counts: BTreeMap<Rule, u64>,
    /// What could not be checked, because lines are missing.
    pub unchecked: Vec<String>,
}

impl CheckReport {
    /// Counts a violation. The message is only made if the violation is kept.
    fn add(&mut self, rule: Rule, lines: &[StepRef], message: impl FnOnce() -> String) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        // A broken log can have a violation in each line.
        if *count <= KEPT as u64 {
            self.violations.push(Violation {
                rule,
                message: message(),
                lines: lines.to_vec(),
            });
        }
    }

    /// Whether there is a violation of this rule.
    pub fn has(&self, rule: Rule) -> bool {
        self.counts.contains_key(&rule)
    }
}

/// Checks a trace against all rules.
pub fn check(index: &TraceIndex<'_>) -> CheckReport {
    let mut report = CheckReport::default();
    clocks::check(index, &mut report);
    journal::check(index, &mut report);
    fold::check(index, &mut report);
    receptions::check(index, &mut report);
    sameness::check(index, &mut report);
    requests::check(index, &mut report);
    limits::note(index, &mut report);
    report
}

/// Whether the number can be what is left of the expected one, because its line was cut.
fn is_cut(frayed: bool, found: u64, expected: u64) -> bool {
    frayed && expected.to_string().starts_with(&found.to_string())
}
