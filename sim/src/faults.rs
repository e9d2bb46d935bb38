//! The faults of a run: what goes wrong, when, and for how long, all drawn from the seed.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};
use turmoil::Sim;

use crate::{
    log::{DiskConditions, SimLog},
    network::SERVER,
    recorder::{Recorder, Trouble},
};

/// What ends a fault that was caused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Recovery {
    /// Start the server again.
    StartServer,
    /// Start the client of this number again.
    StartClient(usize),
    /// Let packets through between this client and the server again.
    Repair(usize),
    /// Deliver the packets that were held back between this client and the server.
    Release(usize),
    /// Make the disk quick and reliable again.
    HealDisk,
}

/// All faults of a run.
pub(crate) struct Faults {
    rng: StdRng,
    log: SimLog,
    recorder: Recorder,
    clients: Vec<String>,
    /// By client: its link is cut or held.
    broken: Vec<bool>,
    /// By client: its link is slow. It stays slow for the rest of the run.
    slow: Vec<bool>,
    conditions: DiskConditions,
    /// The log was replaced by another one, which happens at most once in a run.
    replaced: bool,
    /// When the next fault begins, in simulated time.
    next: Duration,
    /// Recoveries that are still to come, each with its time.
    recoveries: Vec<(Duration, Recovery)>,
}

impl Faults {
    pub(crate) fn new(rng: StdRng, log: SimLog, recorder: Recorder, clients: Vec<String>) -> Self {
        Self {
            rng,
            log,
            recorder,
            broken: vec![false; clients.len()],
            slow: vec![false; clients.len()],
            conditions: DiskConditions::HEALTHY,
            replaced: false,
            clients,
            next: Duration::from_secs(2),
            recoveries: Vec::new(),
        }
    }

    /// Ends the faults that are over, and causes the next one if it is due.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>) {
        self.mend(sim);
        let now = sim.elapsed();
        if now >= self.next {
            self.cause(sim, now);
            self.next = now + self.up_to(6000);
        }
    }

    /// Ends the faults that are over by now.
    pub(crate) fn mend(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        self.notice_ended_server(sim, now);
        while let Some(index) = self.recoveries.iter().position(|(at, _)| *at <= now) {
            let (_, recovery) = self.recoveries.remove(index);
            self.recover(&recovery, sim);
        }
    }

    /// Ends all faults at once. Some of the killed clients are not started again, so that the end of
    /// a run also covers participants that never come back.
    pub(crate) fn end(&mut self, sim: &mut Sim<'_>) {
        for (_, recovery) in std::mem::take(&mut self.recoveries) {
            if !matches!(recovery, Recovery::StartClient(_)) || self.rng.random_bool(0.5) {
                self.recover(&recovery, sim);
            }
        }
        self.set_conditions(DiskConditions::HEALTHY);
    }

    /// Reports to the recorder which clients have a fault at this step of the simulation.
    pub(crate) fn note(&self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let server_is_down = !sim.is_host_running(SERVER);
        let disk_is_bad = self.conditions != DiskConditions::HEALTHY;
        for (client, name) in self.clients.iter().enumerate() {
            if server_is_down || self.broken[client] {
                self.recorder.trouble(name, Trouble::Lossy, now);
            } else if disk_is_bad || self.slow[client] {
                self.recorder.trouble(name, Trouble::Slow, now);
            }
        }
    }

    fn set_conditions(&mut self, conditions: DiskConditions) {
        self.conditions = conditions;
        self.log.set_conditions(conditions);
    }

    /// Schedules a start of the server if it ended by itself, because its disk failed.
    fn notice_ended_server(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let starts = |(_, recovery): &(Duration, Recovery)| *recovery == Recovery::StartServer;
        if !sim.is_host_running(SERVER) && !self.recoveries.iter().any(starts) {
            let wait = self.up_to(4000);
            self.recoveries.push((now + wait, Recovery::StartServer));
        }
    }

    fn up_to(&mut self, millis: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(20..=millis))
    }

    fn cause(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let client = self.rng.random_range(0..self.clients.len());
        match self.rng.random_range(0..100) {
            // Percentages. What they leave over, or meets a client that is cut already, is no fault.
            0..17 => self.crash_server(sim, now),
            // An orderly end: `notice_ended_server` sees to the next start.
            17..20 => self.recorder.stop_server(),
            20..45 if !self.broken[client] => {
                self.broken[client] = true;
                let name = self.clients[client].as_str();
                // One way: requests arrive and answers do not, or the other way round.
                match self.rng.random_range(0..3) {
                    0 => sim.partition(name, SERVER),
                    1 => sim.partition_oneway(name, SERVER),
                    _ => sim.partition_oneway(SERVER, name),
                }
                self.later(now, 25_000, Recovery::Repair(client));
            }
            45..60 if !self.broken[client] => {
                self.broken[client] = true;
                sim.hold(self.clients[client].as_str(), SERVER);
                self.later(now, 12_000, Recovery::Release(client));
            }
            60..75 => self.kill_client(client, sim, now),
            75..90 => self.change_conditions(now),
            90..95 => {
                self.slow[client] = true;
                let latency = self.up_to(800);
                sim.set_link_max_message_latency(self.clients[client].as_str(), SERVER, latency);
            }
            _ => {}
        }
    }

    fn later(&mut self, now: Duration, millis: u64, recovery: Recovery) {
        let wait = self.up_to(millis);
        self.recoveries.push((now + wait, recovery));
    }

    /// Crashes the server, sometimes with all links cut first, so that the clients get no reset and
    /// have to find out by their keepalive.
    fn crash_server(&mut self, sim: &mut Sim<'_>, now: Duration) {
        if !sim.is_host_running(SERVER) {
            return;
        }
        if self.rng.random_bool(0.3) {
            for client in 0..self.clients.len() {
                if !std::mem::replace(&mut self.broken[client], true) {
                    sim.partition(self.clients[client].as_str(), SERVER);
                    self.later(now, 5000, Recovery::Repair(client));
                }
            }
        }
        sim.crash(SERVER);
        if !self.replaced && self.rng.random_bool(0.1) {
            self.replaced = true;
            self.log.replace();
        }
        self.later(now, 8000, Recovery::StartServer);
    }

    fn kill_client(&mut self, client: usize, sim: &mut Sim<'_>, now: Duration) {
        let name = self.clients[client].clone();
        if !sim.is_host_running(name.as_str()) {
            return;
        }
        // Cut the link first, as if the whole machine vanished: the server gets no reset.
        if self.rng.random_bool(0.4) && !self.broken[client] {
            self.broken[client] = true;
            sim.partition(name.as_str(), SERVER);
            self.later(now, 15_000, Recovery::Repair(client));
        }
        sim.crash(name.as_str());
        self.recorder.killed(&name);
        self.later(now, 15_000, Recovery::StartClient(client));
    }

    fn change_conditions(&mut self, now: Duration) {
        let often = |rng: &mut StdRng, fails| if rng.random_bool(0.4) { fails } else { 0.0 };
        let conditions = DiskConditions {
            sync: self.up_to(3000),
            read: self.up_to(300),
            append_fails: often(&mut self.rng, 0.3),
            read_fails: often(&mut self.rng, 0.3),
            // Trims are rare: make them fail more often, so that runs have such failures.
            trim_fails: often(&mut self.rng, 0.8),
            conflicts: often(&mut self.rng, 0.3),
        };
        self.set_conditions(conditions);
        self.later(now, 8000, Recovery::HealDisk);
    }

    fn recover(&mut self, recovery: &Recovery, sim: &mut Sim<'_>) {
        match recovery {
            Recovery::StartServer => sim.bounce(SERVER),
            Recovery::StartClient(client) => sim.bounce(self.clients[*client].as_str()),
            Recovery::Repair(client) => {
                let name = self.clients[*client].as_str();
                sim.repair(name, SERVER);
                self.broken[*client] = false;
            }
            Recovery::Release(client) => {
                sim.release(self.clients[*client].as_str(), SERVER);
                self.broken[*client] = false;
            }
            Recovery::HealDisk => self.set_conditions(DiskConditions::HEALTHY),
        }
    }
}
