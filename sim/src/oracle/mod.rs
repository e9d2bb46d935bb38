//! Judges a run by what it left behind: the log, and what each client was asked, told and wrote
//! down. Pure, and without a line of the server or the client in it: each rule is written down
//! here a second time.
//!
//! It knows nothing of the simulation: what real processes leave behind can be judged as well.

mod chat;
mod clock;
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

pub use self::rules::{PublishRate, Rules};

use chitty::session::{Notice, SessionCommand as Command};
use chitty_chat::logging::Line;
use chitty_server::record::Record;

/// What a run left behind.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Every record that ever was durable, from position 1, in each life of the log. The last one
    /// is that which goes on.
    pub logs: Vec<Vec<Record>>,
    /// The clients, each from its start to its end.
    pub lives: Vec<Life>,
    /// The servers, one after the other.
    pub servers: Vec<ServerRun>,
    /// What they were configured to do.
    pub rules: Rules,
    /// At the end everything was repaired and had the time to come to rest.
    pub at_rest: bool,
}

/// What one server left behind, from its start to its end or crash.
#[derive(Clone, Debug)]
pub struct ServerRun {
    /// On which life of the chat's log it ran, by the place in [`Evidence::logs`].
    pub log: usize,
    /// When.
    pub started: SystemTime,
    /// Its log.
    pub lines: Vec<Line>,
}

/// A time in which something was amiss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Since when.
    pub from: SystemTime,
    /// When all was well again, and known to be.
    pub to: SystemTime,
}

/// What one client left behind.
#[derive(Clone, Debug)]
pub struct Life {
    /// Which one, for the reader of a report.
    pub label: String,
    /// What passed between it and its user, in order.
    pub said: Vec<Said>,
    /// When each of it was.
    pub said_at: Vec<SystemTime>,
    /// When something was amiss with it, its link, its user, or the server.
    pub faults: Vec<Fault>,
    /// Its log.
    pub lines: Vec<Line>,
    /// Of which life of the chat's log each of its Welcomes was, by the place in
    /// [`Evidence::logs`]. What it was told next is of that as well.
    pub logs: Vec<usize>,
    /// What became of it.
    pub fate: Fate,
}

/// One thing between a client and its user.
#[derive(Clone, Debug)]
pub enum Said {
    /// The user wanted something.
    Asked(Command),
    /// The user was told something.
    Told(Notice),
}

/// What became of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs at the end.
    Runs,
    /// It came to its end in order.
    Ended,
    /// It was killed, and what it was told last may be unknown.
    Killed,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which check found it.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// All the rules that were broken.
pub fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    let chats: Vec<_> = evidence
        .logs
        .iter()
        .map(|log| chat::fold(log, &mut verdict))
        .collect();
    for life in &evidence.lives {
        shown::check(life, evidence, &mut verdict);
        clock::check(life, &mut verdict);
        presence::check(life, &chats, &mut verdict);
        outcomes::check(life, evidence, &mut verdict);
        refusals::check(life, &chats, evidence, &mut verdict);
        typed::check(life, &mut verdict);
    }
    grace::check(evidence, &mut verdict);
    outcomes::check_origins(evidence, &mut verdict);
    if let Some(chat) = chats.last().filter(|_| evidence.at_rest) {
        presence::check_rest(evidence, chat, &mut verdict);
    }
    verdict.violations
}

#[derive(Debug, Default)]
struct Verdict {
    violations: Vec<Violation>,
}

impl Verdict {
    fn broken(&mut self, check: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.violations.push(Violation { check, what });
    }

    fn must(&mut self, holds: bool, check: &'static str, what: impl FnOnce() -> String) {
        if !holds {
            self.broken(check, what());
        }
    }
}

impl Evidence {
    /// The log of this place, if there is one.
    fn log(&self, place: usize) -> &[Record] {
        self.logs.get(place).map_or(&[], Vec::as_slice)
    }
}

impl Fault {
    fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        self.from <= to && from <= self.to
    }
}

impl Life {
    /// The place of the log after so many Welcomes.
    fn log_after(&self, welcomes: usize) -> usize {
        let place = welcomes
            .checked_sub(1)
            .and_then(|index| self.logs.get(index));
        place.copied().unwrap_or(0)
    }

    fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.said.iter().filter_map(|said| match said {
            Said::Told(notice) => Some(notice),
            Said::Asked(_) => None,
        })
    }

    /// The lines of what was called.
    fn calls<'a>(&'a self, call: &'a str, step: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines
            .iter()
            .filter(move |line| line.call == call && line.step == step)
    }
}

/// A number in a line; 0 where it is not there.
fn number(line: &Line, key: &str) -> u64 {
    line.get(key)
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// The record at a position.
fn at(log: &[Record], position: u64) -> Option<&Record> {
    let index = usize::try_from(position.checked_sub(1)?).ok()?;
    log.get(index)
}
