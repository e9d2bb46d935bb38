//! The faults, drawn from a seed.

use std::{fmt, sync::Arc, time::Duration};

use chitty_testing::terminal::{ServerProcess, World};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use tokio::time::{Instant, sleep};

use crate::{
    client::Client,
    person::{Order, Person},
    proxy::{Mode, Proxy},
};

const SERVER: [&str; 6] = [
    "--publish-rate",
    "off",
    "--grace",
    "2",
    "--restart-grace",
    "5",
];

#[derive(Clone, Copy)]
enum Fault {
    KillServer,
    Cut,
    Stall,
    Delay,
    StopProcess,
    KillProcess { renamed: bool },
}

/// The number of faults in a deck, which is shuffled and played to its end before the next one.
pub(crate) const DECK: usize = FAULTS.len();

const FAULTS: [Fault; 11] = [
    Fault::KillServer,
    Fault::KillServer,
    Fault::KillServer,
    Fault::KillServer,
    Fault::KillServer,
    Fault::Cut,
    Fault::Stall,
    Fault::Delay,
    Fault::StopProcess,
    Fault::KillProcess { renamed: false },
    Fault::KillProcess { renamed: true },
];

/// The faults that were injected.
#[derive(Default)]
pub(crate) struct Counts {
    server_kills: usize,
    process_kills: usize,
    stops: usize,
    links: usize,
    /// The longest time from the beginning of a restart until all sessions followed again.
    away: Duration,
}

impl Counts {
    pub(crate) fn all_kills(&self) -> usize {
        self.server_kills + self.process_kills
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "kill -9 of the server {} times, of clients {}; SIGSTOP {}; connections cut, stalled or delayed {}; \
             all sessions follow again at most {:.1?} after a restart begins",
            self.server_kills, self.process_kills, self.stops, self.links, self.away
        )
    }
}

pub(crate) struct Stage {
    pub(crate) server: ServerProcess,
    pub(crate) clients: Vec<Client>,
    pub(crate) people: Vec<Person>,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) counts: Counts,
    world: Arc<World>,
    random: StdRng,
    deck: Vec<Fault>,
    address: String,
}

impl Stage {
    pub(crate) fn new(world: Arc<World>, seed: u64) -> Self {
        let server = world.server(&SERVER);
        Self {
            address: server.address().to_owned(),
            server,
            clients: Vec::new(),
            people: Vec::new(),
            proxies: Vec::new(),
            counts: Counts::default(),
            world,
            random: StdRng::seed_from_u64(seed),
            deck: Vec::new(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A while without faults, then a fault.
    pub(crate) async fn cycle(&mut self) {
        sleep(self.between(50, 400)).await;
        match self.draw() {
            Fault::KillServer => self.kill_server().await,
            Fault::Cut => {
                self.counts.links += 1;
                self.proxy().set(Mode::Cut);
            }
            Fault::Stall => self.disturb(Mode::Stall).await,
            Fault::Delay => {
                let time = self.between(10, 200);
                self.disturb(Mode::Delay(time)).await;
            }
            Fault::StopProcess => {
                self.counts.stops += 1;
                let time = self.between(50, 4000);
                self.person().order(Order::Stop(time));
            }
            Fault::KillProcess { renamed } => {
                self.counts.process_kills += 1;
                self.person().order(Order::Kill { renamed });
            }
        }
    }

    fn draw(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = FAULTS.to_vec();
            self.deck.shuffle(&mut self.random);
        }
        self.deck.pop().expect("it was filled")
    }

    fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least..most))
    }

    fn proxy(&mut self) -> &Proxy {
        &self.proxies[self.random.random_range(0..self.proxies.len())]
    }

    fn person(&mut self) -> &Person {
        &self.people[self.random.random_range(0..self.people.len())]
    }

    async fn kill_server(&mut self) {
        let before: Vec<_> = self.clients.iter().map(Client::times_live).collect();
        self.server.kill();
        self.counts.server_kills += 1;
        let began = Instant::now();
        self.server = self.world.server_on(&self.address, &SERVER);
        for (client, before) in self.clients.iter_mut().zip(before) {
            client.live_again(before).await;
        }
        self.counts.away = self.counts.away.max(began.elapsed());
    }

    async fn disturb(&mut self, mode: Mode) {
        self.counts.links += 1;
        let time = self.between(50, 1500);
        let proxy = &self.proxies[self.random.random_range(0..self.proxies.len())];
        proxy.set(mode);
        sleep(time).await;
        proxy.set(Mode::Pass);
    }
}
