//! Where a run's evidence is gathered; it outlives the crashes of all hosts.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use chitty::session::{Ended, Link, Notice, SessionCommand as Command};
use chitty_chat::logging::{Line, parse_line};
use tokio_util::sync::CancellationToken;

use crate::{
    network,
    oracle::{Fate, Fault, Life, Said, ServerRun},
};

/// The simulation goes in such steps.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// What a run leaves behind beside the chat's log.
pub(crate) struct Left {
    /// Each with its end.
    pub(crate) lines: Vec<String>,
    pub(crate) lives: Vec<Life>,
    pub(crate) servers: Vec<ServerRun>,
}

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
    starts: Vec<(usize, ServerRun)>,
    /// By client.
    amiss: HashMap<String, Vec<Amiss>>,
    /// Ends the server.
    shutdown: CancellationToken,
}

/// A time in which something was wrong for a client.
struct Amiss {
    fault: Fault,
    what: Trouble,
}

/// How long it takes until all is well after what went wrong is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// What is late comes in a while.
    Slow,
    /// The connection may be dead, which its client does not know: until it has another one.
    Lossy,
}

/// Longer than any simulation, also from its first day on.
const NEVER: Duration = Duration::from_secs(2_000_000_000);
/// What was slow comes so much later.
const LATE: Duration = Duration::from_secs(5);

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
        let run = ServerRun {
            log: life,
            started: network::wall(),
            lines: Vec::new(),
        };
        state.starts.push((line, run));
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
            said_at: Vec::new(),
            faults: Vec::new(),
            lines: Vec::new(),
            logs: Vec::new(),
            fate: Fate::Runs,
        });
        LifeId(state.lives.len() - 1)
    }

    pub(crate) fn asked(&self, life: LifeId, command: Command) {
        let life = &mut self.state().lives[life.0];
        life.said.push(Said::Asked(command));
        life.said_at.push(network::wall());
    }

    pub(crate) fn told(&self, life: LifeId, notice: Notice) {
        let life = &mut self.state().lives[life.0];
        if matches!(notice, Notice::Ended(_)) {
            life.fate = Fate::Ended;
        }
        life.said.push(Said::Told(notice));
        life.said_at.push(network::wall());
    }

    /// The user does not look for so long.
    pub(crate) fn dozes(&self, life: LifeId, time: Duration) {
        let from = network::wall();
        let to = from + time;
        self.state().lives[life.0].faults.push(Fault { from, to });
    }

    /// Something is wrong for the client of this host, at this step of the simulation.
    pub(crate) fn amiss(&self, host: &str, what: Trouble, elapsed: Duration) {
        let now = network::wall_at(elapsed);
        let mut state = self.state();
        let amiss = state.amiss.entry(host.to_owned()).or_default();
        match amiss.last_mut() {
            // It goes on; the worse of two at the same time is what counts.
            Some(last) if last.fault.to + 2 * TICK >= now => {
                last.fault.to = now;
                last.what = last.what.max(what);
            }
            _ => amiss.push(Amiss {
                fault: Fault { from: now, to: now },
                what,
            }),
        }
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

    /// All that is left behind.
    pub(crate) fn take(&self) -> Left {
        let mut state = self.state();
        let lines = mem::take(&mut state.lines);
        let mut lives = mem::take(&mut state.lives);
        for life in &mut lives {
            let host = life.label.split('#').next().unwrap_or_default();
            let amiss = state.amiss.get(host).map_or(&[][..], Vec::as_slice);
            let faults = amiss.iter().map(|amiss| amiss.until_well(life));
            let faults: Vec<_> = faults.collect();
            life.faults.extend(faults);
        }
        let by_run: HashMap<String, usize> = (0..lives.len())
            .map(|index| (LifeId(index).run(), index))
            .collect();
        // Of which log each Welcome was that the server gave.
        let mut granted: HashMap<String, usize> = HashMap::new();
        let mut starts = mem::take(&mut state.starts).into_iter().peekable();
        let mut servers: Vec<ServerRun> = Vec::new();
        let mut log = 0;
        for (number, line) in lines.iter().enumerate() {
            while let Some((_, next)) = starts.next_if(|(before, _)| *before <= number) {
                log = next.log;
                servers.push(next);
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
            } else if let Some(server) = servers.last_mut() {
                server.lines.push(line);
            }
        }
        servers.extend(starts.map(|(_, server)| server));
        Left {
            lines,
            lives,
            servers,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Amiss {
    /// Also until it is over for this client.
    fn until_well(&self, life: &Life) -> Fault {
        let Fault { from, to } = self.fault;
        let welcomes = life.said.iter().zip(&life.said_at);
        let mut welcomes = welcomes
            .filter(|(said, at)| matches!(said, Said::Told(Notice::Welcome(_))) && **at > to);
        let to = match self.what {
            Trouble::Slow => to + LATE,
            Trouble::Lossy => welcomes
                .next()
                .map_or(SystemTime::UNIX_EPOCH + NEVER, |(_, at)| *at),
        };
        Fault { from, to }
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
