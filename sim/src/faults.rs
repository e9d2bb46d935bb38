//! What goes wrong, when, and when it is over: drawn from the seed.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use turmoil::Sim;

use crate::{
    log::{SimLog, Weather},
    network::SERVER,
    stage::{Stage, Trouble},
};

/// What can go wrong, and what ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    /// Starts the server again.
    StartServer,
    /// Starts a client again.
    StartClient(usize),
    /// Mends a client's link.
    Repair(usize),
    /// Lets what was held through.
    Release(usize),
    /// The disk works again.
    Weather,
}

/// All faults of a run.
pub(crate) struct Faults {
    rng: StdRng,
    log: SimLog,
    stage: Stage,
    clients: Vec<String>,
    /// Whose link has a fault.
    broken: Vec<bool>,
    /// Whose link is slow, from some time on.
    slow: Vec<bool>,
    weather: Weather,
    /// The log was replaced by another one: once in a run at most.
    replaced: bool,
    next: Duration,
    undo: Vec<(Duration, Undo)>,
}

impl Faults {
    pub(crate) fn new(rng: StdRng, log: SimLog, stage: Stage, clients: Vec<String>) -> Self {
        Self {
            rng,
            log,
            stage,
            broken: vec![false; clients.len()],
            slow: vec![false; clients.len()],
            weather: Weather::FAIR,
            replaced: false,
            clients,
            next: Duration::from_secs(2),
            undo: Vec::new(),
        }
    }

    /// Does what is due.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>) {
        self.mend(sim);
        let now = sim.elapsed();
        if now >= self.next {
            self.cause(sim, now);
            self.next = now + self.up_to(6000);
        }
    }

    /// Ends what is over, and nothing else.
    pub(crate) fn mend(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        self.notice_ended_server(sim, now);
        while let Some(index) = self.undo.iter().position(|(at, _)| *at <= now) {
            let (_, undo) = self.undo.remove(index);
            self.undo(&undo, sim);
        }
    }

    /// Everything is over now; some clients stay dead.
    pub(crate) fn end(&mut self, sim: &mut Sim<'_>) {
        for (_, undo) in std::mem::take(&mut self.undo) {
            if !matches!(undo, Undo::StartClient(_)) || self.rng.random_bool(0.5) {
                self.undo(&undo, sim);
            }
        }
        self.set_weather(Weather::FAIR);
    }

    /// Lets it be known what is amiss at this step.
    pub(crate) fn note(&self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let server_is_down = !sim.is_host_running(SERVER);
        let disk_is_bad = self.weather != Weather::FAIR;
        for (client, name) in self.clients.iter().enumerate() {
            if server_is_down || self.broken[client] {
                self.stage.amiss(name, Trouble::Lossy, now);
            } else if disk_is_bad || self.slow[client] {
                self.stage.amiss(name, Trouble::Slow, now);
            }
        }
    }

    fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.log.set_weather(weather);
    }

    /// The server ended by itself, as its disk failed: somebody starts it again.
    fn notice_ended_server(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let starts = |(_, undo): &(Duration, Undo)| *undo == Undo::StartServer;
        if !sim.is_host_running(SERVER) && !self.undo.iter().any(starts) {
            let wait = self.up_to(4000);
            self.undo.push((now + wait, Undo::StartServer));
        }
    }

    fn up_to(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(20..=millis))
    }

    fn cause(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let client = self.rng.random_range(0..self.clients.len());
        match self.rng.random_range(0..100) {
            0..17 => self.crash_server(sim, now),
            17..20 => self.stage.stop_server(),
            20..45 if !self.broken[client] => {
                self.broken[client] = true;
                let name = self.clients[client].as_str();
                match self.rng.random_range(0..3) {
                    0 => sim.partition(name, SERVER),
                    1 => sim.partition_oneway(name, SERVER),
                    _ => sim.partition_oneway(SERVER, name),
                }
                self.later(now, 25_000, Undo::Repair(client));
            }
            45..60 if !self.broken[client] => {
                self.broken[client] = true;
                sim.hold(self.clients[client].as_str(), SERVER);
                self.later(now, 12_000, Undo::Release(client));
            }
            60..75 => self.kill_client(client, sim, now),
            75..90 => self.change_weather(now),
            90..95 => {
                self.slow[client] = true;
                let latency = self.up_to(800);
                sim.set_link_max_message_latency(self.clients[client].as_str(), SERVER, latency);
            }
            _ => {}
        }
    }

    fn later(&mut self, now: Duration, millis: u64, undo: Undo) {
        let wait = self.up_to(millis);
        self.undo.push((now + wait, undo));
    }

    /// With or without the network's help to let the clients know.
    fn crash_server(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if !sim.is_host_running(SERVER) {
            return;
        }
        if self.rng.random_bool(0.3) {
            for client in 0..self.clients.len() {
                if !std::mem::replace(&mut self.broken[client], true) {
                    sim.partition(self.clients[client].as_str(), SERVER);
                    self.later(now, 5000, Undo::Repair(client));
                }
            }
        }
        sim.crash(SERVER);
        if !self.replaced && self.rng.random_bool(0.1) {
            self.replaced = true;
            self.log.replace();
        }
        self.later(now, 8000, Undo::StartServer);
    }

    fn kill_client(&mut self, client: usize, sim: &mut Sim<'_>, now: Duration) {
        let name = self.clients[client].clone();
        if !sim.is_host_running(name.as_str()) {
            return;
        }
        // Its machine vanishes with it, so that nobody is told.
        if self.rng.random_bool(0.4) && !self.broken[client] {
            self.broken[client] = true;
            sim.partition(name.as_str(), SERVER);
            self.later(now, 15_000, Undo::Repair(client));
        }
        sim.crash(name.as_str());
        self.stage.killed(&name);
        self.later(now, 15_000, Undo::StartClient(client));
    }

    fn change_weather(&mut self, now: Duration) {
        let often = |rng: &mut StdRng, fails| if rng.random_bool(0.4) { fails } else { 0.0 };
        let weather = Weather {
            sync: self.up_to(3000),
            read: self.up_to(300),
            append_fails: often(&mut self.rng, 0.3),
            read_fails: often(&mut self.rng, 0.3),
            // It is seldom trimmed.
            trim_fails: often(&mut self.rng, 0.8),
            conflicts: often(&mut self.rng, 0.3),
        };
        self.set_weather(weather);
        self.later(now, 8000, Undo::Weather);
    }

    fn undo(&mut self, undo: &Undo, sim: &mut Sim<'_>) {
        match undo {
            Undo::StartServer => sim.bounce(SERVER),
            Undo::StartClient(client) => sim.bounce(self.clients[*client].as_str()),
            Undo::Repair(client) => {
                let name = self.clients[*client].as_str();
                sim.repair(name, SERVER);
                self.broken[*client] = false;
            }
            Undo::Release(client) => {
                sim.release(self.clients[*client].as_str(), SERVER);
                self.broken[*client] = false;
            }
            Undo::Weather => self.set_weather(Weather::FAIR),
        }
    }
}
