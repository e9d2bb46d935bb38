//! Judges a run by the evidence that it left behind: the chat's log, what passed between each
//! client and its user, and the log lines of all processes.
//!
//! The oracle is pure and calls no code of the server or the client: it states each rule a second
//! time, from the wire contract, so that an error in one of the two shows. It knows nothing of the
//! simulation either, and can judge what real processes leave behind.

mod clock;
mod fold;
mod grace;
mod outcomes;
mod presence;
mod refusals;
mod rules;
mod shown;
mod typed;

#[cfg(test)]
mod tests;

use std::{fmt, time::SystemTime};

pub use self::rules::{ConfiguredRules, PublishRate};

use chitty::session::{Notice, SessionCommand};
use chitty_chat::logging::Line;
use chitty_room::record::Record;

/// The evidence of a run.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every record that was ever durable, by epoch of the log, each from position 1. The last epoch
    /// is the current one.
    pub logs: Vec<Vec<Record>>,
    /// The clients, each from its start to its end.
    pub clients: Vec<ClientRun>,
    /// The servers, in the order in which they ran.
    pub servers: Vec<ServerRun>,
    /// The limits that all servers were configured with.
    pub rules: ConfiguredRules,
    /// At the end everything was repaired and had the time to come to rest, so that whatever is
    /// missing by then is lost.
    pub at_rest: bool,
}

/// What one server left behind, from its start to its end or crash.
#[derive(Clone, Debug)]
pub struct ServerRun {
    /// The epoch of the log that it ran on, as an index into [`Evidence::logs`].
    pub log: usize,
    /// When it started, by the wall clock.
    pub started: SystemTime,
    /// Its log lines, in order.
    pub lines: Vec<Line>,
}

/// A time in which something was wrong, so that late or missing lines are excused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it began.
    pub from: SystemTime,
    /// When all was well again, and the client had noticed.
    pub to: SystemTime,
}

/// What one client left behind, from its start to its end.
#[derive(Clone, Debug)]
pub struct ClientRun {
    /// Names the client in reports.
    pub label: String,
    /// What passed between the client and its user, in order.
    pub exchanges: Vec<Exchange>,
    /// The time of each exchange, by the wall clock.
    pub exchanged_at: Vec<SystemTime>,
    /// The times in which something was wrong with the client, its link, its user, or the server.
    pub faults: Vec<Fault>,
    /// Its log lines, in order.
    pub lines: Vec<Line>,
    /// The epoch of each of its Welcomes, as an index into [`Evidence::logs`]. The events up to the
    /// next Welcome are of the same epoch.
    pub logs: Vec<usize>,
    /// How the client ended, if it did.
    pub fate: Fate,
}

/// Something that passed between a client and its user.
#[derive(Clone, Debug)]
pub enum Exchange {
    /// The user gave a command.
    Asked(SessionCommand),
    /// The client reported something to its user.
    Notified(Notice),
}

/// How a client ended, if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It still runs at the end.
    Runs,
    /// It ended in order.
    Ended,
    /// It was killed, so that its last log lines may be missing.
    Killed,
}

/// A rule that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule {
    /// The name of the check, as listed in docs/testing.md.
    pub check: &'static str,
    /// What is wrong, with numbers and names.
    pub what: String,
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// Runs all checks. Returns the rules that were broken; empty if the run is good.
pub fn judge(evidence: &Evidence) -> Vec<BrokenRule> {
    let mut verdict = Verdict::default();
    let presences: Vec<_> = evidence
        .logs
        .iter()
        .map(|log| fold::replay(log, &mut verdict))
        .collect();
    for client in &evidence.clients {
        shown::check(client, evidence, &mut verdict);
        clock::check(client, &mut verdict);
        presence::check(client, &presences, &mut verdict);
        outcomes::check(client, evidence, &mut verdict);
        refusals::check(client, &presences, evidence, &mut verdict);
        typed::check(client, &mut verdict);
    }
    grace::check(evidence, &mut verdict);
    outcomes::check_origins(evidence, &mut verdict);
    if let Some(presence) = presences.last().filter(|_| evidence.at_rest) {
        presence::check_rest(evidence, presence, &mut verdict);
    }
    verdict.broken_rules
}

#[derive(Debug, Default)]
struct Verdict {
    broken_rules: Vec<BrokenRule>,
}

impl Verdict {
    fn broken(&mut self, check: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.broken_rules.push(BrokenRule { check, what });
    }

    fn must(&mut self, holds: bool, check: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.broken(check, what());
        }
    }
}

impl Evidence {
    /// The records of this epoch; empty if there is no such epoch.
    fn log(&self, epoch: usize) -> &[Record] {
        self.logs.get(epoch).map_or(&[], Vec::as_slice)
    }
}

impl Fault {
    fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        self.from <= to && from <= self.to
    }
}

impl ClientRun {
    /// The epoch that the client follows after this many Welcomes.
    fn log_after(&self, welcomes: usize) -> usize {
        let epoch = welcomes
            .checked_sub(1)
            .and_then(|index| self.logs.get(index));
        epoch.copied().unwrap_or(0)
    }

    fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.exchanges.iter().filter_map(|exchange| match exchange {
            Exchange::Notified(notice) => Some(notice),
            Exchange::Asked(_) => None,
        })
    }

    /// The log lines of one call and one of its steps.
    fn calls<'a>(&'a self, call: &'a str, step: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines
            .iter()
            .filter(move |line| line.call == call && line.step == step)
    }
}

/// A numeric field of a log line; 0 if the line has no such field.
fn number(line: &Line, key: &str) -> u64 {
    line.get(key)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// The record at a position, counted from 1.
fn at(log: &[Record], position: u64) -> Option<&Record> {
    let index = usize::try_from(position.checked_sub(1)?).ok()?;
    log.get(index)
}
