//! A seeded model of a chat, which writes the logs that real processes would write.
#![allow(dead_code, reason = "each test file uses its own part of this")]

mod model;
pub(crate) mod plant;

use std::collections::BTreeMap;

use chitty_trace::{
    chat::TraceIndex,
    check::{CheckReport, Rule, check},
    read::{LogSource, Trace},
};

pub(crate) use model::run;

/// The lines of each log, by the name of its file.
pub(crate) type Logs = BTreeMap<String, Vec<String>>;

pub(crate) fn trace(logs: &Logs) -> Trace {
    let sources = logs.iter().map(|(name, lines)| {
        let text: String = lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect();
        LogSource::memory(name, &text)
    });
    Trace::from_sources(sources.collect()).expect("memory can be read")
}

pub(crate) fn report(logs: &Logs) -> CheckReport {
    let trace = trace(logs);
    check(&TraceIndex::of(&trace))
}

pub(crate) fn broken(logs: &Logs) -> Vec<Rule> {
    report(logs).counts.into_keys().collect()
}

#[track_caller]
pub(crate) fn assert_clean(logs: &Logs) {
    let report = report(logs);
    let trace = trace(logs);
    if let Some(first) = report.violations.first() {
        let mut shown = String::new();
        for at in &first.lines {
            let location = trace.runs[at.run].steps[at.step].location;
            let name = trace.sources[location.file as usize].name();
            let line = &logs[name][location.line as usize - 1];
            shown = format!("{shown}\n{name}:{} {line}", location.line);
        }
        panic!(
            "{} {}{shown}\n(of {:?})",
            first.rule, first.message, report.counts
        );
    }
}
