//! Records the evidence of a run. It lives outside of the simulated hosts, so that their crashes
//! lose none of it.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use chitty::session::{Ended, Link, Notice, SessionCommand};
use chitty_chat::logging::{Line, parse_line};
use tokio_util::sync::CancellationToken;

use crate::{
    network,
    oracle::{ClientRun, Exchange, Fate, Fault, ServerRun},
};

/// The length of a step of the simulation.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The evidence of a run, apart from the chat's log.
pub(crate) struct RecordedEvidence {
    /// The log lines of all processes, each with its line feed.
    pub(crate) lines: Vec<String>,
    pub(crate) clients: Vec<ClientRun>,
    pub(crate) servers: Vec<ServerRun>,
}

/// Shared by all parts of a run. Clones are the same recorder.
#[derive(Clone)]
pub(crate) struct Recorder {
    /// The simulated time from which on users do nothing new and all faults are ended.
    pub(crate) quiet_from: Duration,
    state: Arc<Mutex<RecorderState>>,
}

#[derive(Default)]
struct RecorderState {
    clients: Vec<ClientRun>,
    /// Log lines of all processes, each with its line feed.
    lines: Vec<String>,
    /// The servers, each with the number of log lines that there were when it started.
    starts: Vec<(usize, ServerRun)>,
    /// By the host of the client.
    troubles: HashMap<String, Vec<TroubleSpan>>,
    /// Asks the server that runs to shut down.
    shutdown: CancellationToken,
}

/// A time in which something was wrong for the client of one host.
struct TroubleSpan {
    fault: Fault,
    trouble: Trouble,
}

/// How bad something is, by what it takes until all is well after it is over. In ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Something is late, and arrives after a while.
    Slow,
    /// The connection may be dead without the client knowing: it takes another connection.
    Lossy,
}

/// A time after any simulation, in seconds since 1970.
const NEVER: Duration = Duration::from_secs(2_000_000_000);
/// How long after a slow phase everything has arrived.
const LATE: Duration = Duration::from_secs(5);

/// A client run, by its index among those of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientRunId(usize);

impl ClientRunId {
    /// The run id in the log lines of this client, which sets them apart from those of others.
    pub(crate) fn run(self) -> String {
        format!("{:08x}", self.0)
    }
}

impl Recorder {
    pub(crate) fn new(quiet_from: Duration) -> Self {
        Self {
            quiet_from,
            state: Arc::default(),
        }
    }

    /// Records that a server starts on this epoch of the log. The server shuts down in order when
    /// the token is cancelled.
    pub(crate) fn server_starts(&self, epoch: usize) -> CancellationToken {
        let shutdown = CancellationToken::new();
        let mut state = self.state();
        let line = state.lines.len();
        let run = ServerRun {
            log: epoch,
            started: network::wall(),
            lines: Vec::new(),
        };
        state.starts.push((line, run));
        state.shutdown = shutdown.clone();
        shutdown
    }

    /// Asks the server to shut down.
    pub(crate) fn stop_server(&self) {
        self.state().shutdown.cancel();
    }

    /// Records that a client starts on this host.
    pub(crate) fn begin(&self, host: &str) -> ClientRunId {
        let mut state = self.state();
        let label = format!("{host}#{}", state.clients.len());
        state.clients.push(ClientRun {
            label,
            exchanges: Vec::new(),
            exchanged_at: Vec::new(),
            faults: Vec::new(),
            lines: Vec::new(),
            logs: Vec::new(),
            fate: Fate::Runs,
        });
        ClientRunId(state.clients.len() - 1)
    }

    /// Records what the user asked the client for.
    pub(crate) fn asked(&self, client: ClientRunId, command: SessionCommand) {
        let client = &mut self.state().clients[client.0];
        client.exchanges.push(Exchange::Asked(command));
        client.exchanged_at.push(network::wall());
    }

    /// Records what the client reported to its user.
    pub(crate) fn notified(&self, client: ClientRunId, notice: Notice) {
        let client = &mut self.state().clients[client.0];
        if matches!(notice, Notice::Ended(_)) {
            client.fate = Fate::Ended;
        }
        client.exchanges.push(Exchange::Notified(notice));
        client.exchanged_at.push(network::wall());
    }

    /// Records that the user takes no notices for this long.
    pub(crate) fn pauses(&self, client: ClientRunId, time: Duration) {
        let from = network::wall();
        let to = from + time;
        self.state().clients[client.0]
            .faults
            .push(Fault { from, to });
    }

    /// Records that something is wrong for the client of this host, at this step of the simulation.
    pub(crate) fn trouble(&self, host: &str, trouble: Trouble, elapsed: Duration) {
        let now = network::wall_at(elapsed);
        let mut state = self.state();
        let spans = state.troubles.entry(host.to_owned()).or_default();
        match spans.last_mut() {
            // The same span continues. Of two troubles at the same time the worse one counts.
            Some(last) if last.fault.to + 2 * TICK >= now => {
                last.fault.to = now;
                last.trouble = last.trouble.max(trouble);
            }
            _ => spans.push(TroubleSpan {
                fault: Fault { from: now, to: now },
                trouble,
            }),
        }
    }

    /// Records that the client on this host was killed, if one runs.
    pub(crate) fn killed(&self, host: &str) {
        for client in &mut self.state().clients {
            let there = client.label.split('#').next() == Some(host);
            if there && client.fate == Fate::Runs {
                client.fate = Fate::Killed;
            }
        }
    }

    /// Records a log line of any process.
    pub(crate) fn line(&self, line: &str) {
        self.state().lines.push(line.to_owned());
    }

    /// Whether every client that runs is connected and was shown the log up to its head.
    pub(crate) fn all_live(&self, head: u64) -> bool {
        let state = self.state();
        state
            .clients
            .iter()
            .filter(|client| client.fate == Fate::Runs)
            .all(|client| is_live(client, head))
    }

    /// Takes out all the evidence, with the log lines sorted by process.
    pub(crate) fn take(&self) -> RecordedEvidence {
        let mut state = self.state();
        let lines = mem::take(&mut state.lines);
        let mut clients = mem::take(&mut state.clients);
        for client in &mut clients {
            let host = client.label.split('#').next().unwrap_or_default();
            let spans = state.troubles.get(host).map_or(&[][..], Vec::as_slice);
            let faults = spans.iter().map(|span| span.until_well(client));
            let faults: Vec<_> = faults.collect();
            client.faults.extend(faults);
        }
        let by_run: HashMap<String, usize> = (0..clients.len())
            .map(|index| (ClientRunId(index).run(), index))
            .collect();
        // The epoch of each Welcome that a server granted. A client's line may come after the server
        // already runs on another epoch.
        let mut granted: HashMap<String, usize> = HashMap::new();
        let mut starts = mem::take(&mut state.starts).into_iter().peekable();
        let mut servers: Vec<ServerRun> = Vec::new();
        let mut log = 0;
        for (number, line) in lines.iter().enumerate() {
            // Lines before a start belong to the server before it.
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
                let client = &mut clients[*index];
                if line.call == "Join" && line.step == "replied" {
                    let given = granted.get(&welcome(&line));
                    client.logs.push(given.copied().unwrap_or(log));
                }
                client.lines.push(line);
            } else if let Some(server) = servers.last_mut() {
                server.lines.push(line);
            }
        }
        servers.extend(starts.map(|(_, server)| server));
        RecordedEvidence {
            lines,
            clients,
            servers,
        }
    }

    fn state(&self) -> MutexGuard<'_, RecorderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TroubleSpan {
    /// The time of the trouble, extended to when all was well again for this client.
    fn until_well(&self, client: &ClientRun) -> Fault {
        let Fault { from, to } = self.fault;
        let welcomes = client.exchanges.iter().zip(&client.exchanged_at);
        let mut welcomes = welcomes.filter(|(exchange, at)| {
            matches!(exchange, Exchange::Notified(Notice::Welcome(_))) && **at > to
        });
        let to = match self.trouble {
            Trouble::Slow => to + LATE,
            Trouble::Lossy => welcomes
                .next()
                .map_or(SystemTime::UNIX_EPOCH + NEVER, |(_, at)| *at),
        };
        Fault { from, to }
    }
}

/// Identifies a Welcome: the fields that the server's line and the client's line have in common.
fn welcome(line: &Line) -> String {
    const FIELDS: [&str; 6] = [
        "lamport",
        "position",
        "participant",
        "resumed",
        "next",
        "head",
    ];
    FIELDS
        .map(|key| line.get(key).unwrap_or_default())
        .join(" ")
}

/// Whether the client ended by leaving, or is connected and was shown the event at `head`.
fn is_live(client: &ClientRun, head: u64) -> bool {
    let newest_first = client
        .exchanges
        .iter()
        .rev()
        .filter_map(|exchange| match exchange {
            Exchange::Notified(notice) => Some(notice),
            Exchange::Asked(_) => None,
        });
    let (mut link, mut shown) = (None, None);
    for notice in newest_first {
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
