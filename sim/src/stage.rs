//! Where a run's evidence is gathered; it outlives the crashes of all hosts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty::session::{Command, Ended, Link, Notice};
use chitty_chat::logging::{Line, parse_line};
use tokio_util::sync::CancellationToken;

use crate::oracle::{Fate, Life, Said};

/// Shared by all of a run. Clones are the same.
#[derive(Clone)]
pub(crate) struct Stage {
    /// From then on nobody does anything new, and everything is repaired.
    pub(crate) quiet_from: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    lives: Vec<Life>,
    /// Each with its end.
    lines: Vec<String>,
    /// Before which line a server started, and on which life of the log.
    starts: Vec<(usize, usize)>,
    /// Ends the server.
    shutdown: CancellationToken,
}

/// The place of a life among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LifeId(usize);

impl LifeId {
    /// By which the log lines of this life are told from others'.
    pub(crate) fn run(self) -> String {
        format!("{:08x}", self.0)
    }
}

impl Stage {
    pub(crate) fn new(quiet_from: Duration) -> Self {
        Self {
            quiet_from,
            state: Arc::default(),
        }
    }

    /// A server starts on this life of the log; it ends in order when this is cancelled.
    pub(crate) fn server_starts(&self, life: usize) -> CancellationToken {
        let shutdown = CancellationToken::new();
        let mut state = self.state();
        let line = state.lines.len();
        state.starts.push((line, life));
        state.shutdown = shutdown.clone();
        shutdown
    }

    /// Tells the server to end.
    pub(crate) fn stop_server(&self) {
        self.state().shutdown.cancel();
    }

    /// Somebody starts a client.
    pub(crate) fn begin(&self, host: &str) -> LifeId {
        let mut state = self.state();
        let label = format!("{host}#{}", state.lives.len());
        state.lives.push(Life {
            label,
            said: Vec::new(),
            lines: Vec::new(),
            logs: Vec::new(),
            fate: Fate::Runs,
        });
        LifeId(state.lives.len() - 1)
    }

    pub(crate) fn asked(&self, life: LifeId, command: Command) {
        self.state().lives[life.0].said.push(Said::Asked(command));
    }

    pub(crate) fn told(&self, life: LifeId, notice: Notice) {
        let life = &mut self.state().lives[life.0];
        if matches!(notice, Notice::Ended(_)) {
            life.fate = Fate::Ended;
        }
        life.said.push(Said::Told(notice));
    }

    /// The client on this host is killed, if one runs.
    pub(crate) fn killed(&self, host: &str) {
        for life in &mut self.state().lives {
            let there = life.label.split('#').next() == Some(host);
            if there && life.fate == Fate::Runs {
                life.fate = Fate::Killed;
            }
        }
    }

    /// A line of somebody's log.
    pub(crate) fn line(&self, line: &str) {
        self.state().lines.push(line.to_owned());
    }

    /// Every client that runs follows at the end of the log.
    pub(crate) fn all_live(&self, head: u64) -> bool {
        let state = self.state();
        state
            .lives
            .iter()
            .filter(|life| life.fate == Fate::Runs)
            .all(|life| is_live(life, head))
    }

    /// All lines, and the lives with theirs.
    pub(crate) fn take(&self) -> (Vec<String>, Vec<Life>) {
        let mut state = self.state();
        let lines = std::mem::take(&mut state.lines);
        let mut lives = std::mem::take(&mut state.lives);
        let by_run: HashMap<String, usize> = (0..lives.len())
            .map(|index| (LifeId(index).run(), index))
            .collect();
        // Of which log each Welcome was that the server gave.
        let mut granted: HashMap<String, usize> = HashMap::new();
        let mut starts = state.starts.iter().peekable();
        let mut log = 0;
        for (number, line) in lines.iter().enumerate() {
            while let Some((_, next)) = starts.next_if(|(before, _)| *before <= number) {
                log = *next;
            }
            let Some(line) = parse_line(line) else {
                continue;
            };
            if line.call == "Join" && line.step == "granted" {
                granted.insert(welcome(&line), log);
            }
            if let Some(index) = by_run.get(&line.run) {
                let life = &mut lives[*index];
                if line.call == "Join" && line.step == "replied" {
                    let given = granted.get(&welcome(&line));
                    life.logs.push(given.copied().unwrap_or(log));
                }
                life.lines.push(line);
            }
        }
        (lines, lives)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By which a Welcome is known again.
fn welcome(line: &Line) -> String {
    const TOLD: [&str; 6] = [
        "lamport",
        "position",
        "participant",
        "resumed",
        "next",
        "head",
    ];
    TOLD.map(|key| line.get(key).unwrap_or_default()).join(" ")
}

fn is_live(life: &Life, head: u64) -> bool {
    let told = life.said.iter().rev().filter_map(|said| match said {
        Said::Told(notice) => Some(notice),
        Said::Asked(_) => None,
    });
    let (mut link, mut shown) = (None, None);
    for notice in told {
        match notice {
            Notice::Link(state) if link.is_none() => link = Some(state),
            Notice::Event { event, .. } if shown.is_none() => shown = Some(event.position.get()),
            Notice::Ended(Ended::Left) => return true,
            _ => {}
        }
        if link.is_some() && shown.is_some() {
            break;
        }
    }
    link == Some(&Link::Live) && shown == Some(head)
}
