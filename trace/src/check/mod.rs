//! Whether the logs keep the rules.

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

/// So many violations of one rule are kept; the others are counted.
const KEPT: usize = 100;

/// A rule that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// How.
    pub message: String,
    /// The lines that show it.
    pub lines: Vec<StepRef>,
}

/// What came of checking.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// What is broken, in the order in which it was found.
    pub violations: Vec<Violation>,
    /// How often each rule is broken.
    pub counts: BTreeMap<Rule, u64>,
    /// What could not be checked.
    pub unchecked: Vec<String>,
}

impl CheckReport {
    fn add(&mut self, rule: Rule, lines: &[StepRef], message: impl FnOnce() -> String) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= KEPT as u64 {
            self.violations.push(Violation {
                rule,
                message: message(),
                lines: lines.to_vec(),
            });
        }
    }

    /// Whether this rule is broken.
    pub fn has(&self, rule: Rule) -> bool {
        self.counts.contains_key(&rule)
    }
}

/// Checks every rule.
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

/// Whether the number may be what is left of the other one where a line is cut.
fn is_cut(frayed: bool, found: u64, expected: u64) -> bool {
    frayed && expected.to_string().starts_with(&found.to_string())
}
