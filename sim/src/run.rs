//! One run: builds server, clients and faults from a seed, plays them, and judges the evidence.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::logging;
use chitty_room::{RoomRules, rate::Rate};
use chitty_server::{
    app::{self, ServeError},
    follower,
    log::{Keep, Log as _},
    net,
    replay::ReplayError,
    sequencer,
    sequencer::SequencerError,
};
use chitty_testing::one_chat::OneChat;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use turmoil::{Builder, Sim};

use crate::{
    faults::Faults,
    log::SimLog,
    network::{self, SERVER, SimListener},
    oracle::{BrokenRule, ConfiguredRules, Evidence, PublishRate, judge},
    recorder::{RecordedEvidence, Recorder, TICK},
    user::SimUser,
};

/// How long nothing may change until a run counts as at rest. Longer than the keepalive of a dead
/// connection and the grace together, since nothing changes while these run.
const REST: Duration = Duration::from_secs(20);
/// A run that is not at rest this long after the last fault is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// The result of a run.
#[derive(Debug)]
pub struct SimRun {
    /// The seed that everything was drawn from.
    pub seed: u64,
    /// The rules that were broken; empty if the run is good.
    pub broken_rules: Vec<BrokenRule>,
    /// The log lines of all processes, in order, each with its line feed.
    pub lines: Vec<String>,
    /// How many events the chat has, over all epochs of its log.
    pub events: usize,
    /// How many clients were started.
    pub clients: usize,
}

/// Runs a seed, and judges what it left behind. Runs within one process wait for each other.
pub fn run(seed: u64) -> SimRun {
    // When a host crashes, its runtime drops its tasks in an order that depends on their numbers,
    // and tokio counts these for the whole process. The same seed would give another run after a
    // run before it, unless each begins at a round number.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    begin_at_a_round_task();

    let mut rng = StdRng::seed_from_u64(seed);
    let quiet_from = Duration::from_secs(rng.random_range(10..50));
    let recorder = Recorder::new(quiet_from);
    let lines = recorder.clone();
    let subscriber = logging::subscriber(SERVER, "00server", network::wall, move |line| {
        lines.line(line);
    });
    // For this thread only: all simulated hosts run in it.
    tracing::subscriber::with_default(subscriber, || Simulation::build(rng, recorder).play(seed))
}

/// Spawns tasks until the next one has a number that is a multiple of any count of shards that
/// tokio uses.
fn begin_at_a_round_task() {
    const SHARDS: u64 = 64;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        loop {
            let id = tokio::spawn(async {}).id().to_string();
            if id
                .parse::<u64>()
                .is_ok_and(|id| (id + 1).is_multiple_of(SHARDS))
            {
                return;
            }
        }
    });
}

struct Simulation {
    rules: ConfiguredRules,
    sim: Sim<'static>,
    log: SimLog,
    recorder: Recorder,
    faults: Faults,
}

impl Simulation {
    fn build(mut rng: StdRng, recorder: Recorder) -> Self {
        let log = SimLog::new(rng.next_u64());
        let mut sim = Builder::new()
            .epoch(UNIX_EPOCH)
            .rng_seed(rng.next_u64())
            .tick_duration(TICK)
            .simulation_duration(Duration::from_secs(3600))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(rng.random_range(2..120)))
            .build();
        let config = config(&mut rng);
        serve(&mut sim, log.clone(), recorder.clone(), config);
        let clients: Vec<String> = (0..rng.random_range(2..6))
            .map(|index| format!("client-{index}"))
            .collect();
        for client in &clients {
            let user = SimUser::new(client, recorder.clone(), rng.next_u64());
            sim.host(client.as_str(), move || {
                let user = user.clone();
                async move {
                    user.live().await;
                    Ok(())
                }
            });
        }
        let faults = Faults::new(rng, log.clone(), recorder.clone(), clients);
        Self {
            rules: rules(&config.sequencer.rules),
            sim,
            log,
            recorder,
            faults,
        }
    }

    fn play(mut self, seed: u64) -> SimRun {
        let mut broken_rules = Vec::new();
        let at_rest = self.act().unwrap_or_else(|error| {
            broken_rules.push(BrokenRule {
                check: "all processes work",
                what: error.to_string(),
            });
            false
        });
        if !at_rest && broken_rules.is_empty() {
            broken_rules.push(BrokenRule {
                check: "all comes to rest",
                what: format!("not within {} s", PATIENCE.as_secs()),
            });
        }
        let RecordedEvidence {
            lines,
            clients,
            servers,
        } = self.recorder.take();
        let evidence = Evidence {
            logs: self.log.epochs(),
            clients,
            servers,
            rules: self.rules,
            // Judge also a run that is not at rest as if it were: what is missing is the fault.
            at_rest: true,
        };
        broken_rules.extend(judge(&evidence));
        SimRun {
            seed,
            broken_rules,
            lines,
            events: evidence.logs.iter().map(Vec::len).sum(),
            clients: evidence.clients.len(),
        }
    }

    /// Plays the faults, then a quiet phase. Returns whether everything came to rest.
    fn act(&mut self) -> Result<bool, Box<dyn Error>> {
        while self.sim.elapsed() < self.recorder.quiet_from {
            self.faults.step(&mut self.sim);
            self.faults.note(&mut self.sim);
            self.sim.step()?;
        }
        self.faults.end(&mut self.sim);
        let give_up = self.sim.elapsed() + PATIENCE;
        let mut head = None;
        let mut since = self.sim.elapsed();
        while self.sim.elapsed() < give_up {
            self.faults.mend(&mut self.sim);
            self.faults.note(&mut self.sim);
            self.sim.step()?;
            let now = self.log.extent().head;
            // Anything that moves, or a client that lags, starts the wait anew.
            if head != Some(now) || !self.recorder.all_live(now.get()) {
                head = Some(now);
                since = self.sim.elapsed();
            }
            if self.sim.elapsed() >= since + REST {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn serve(sim: &mut Sim<'static>, log: SimLog, recorder: Recorder, config: app::ServerConfig) {
    sim.host(SERVER, move || {
        let (log, recorder) = (log.clone(), recorder.clone());
        async move {
            log.recover();
            let epoch = log.current_epoch();
            let listener = SimListener::bind().await?;
            match app::serve(
                listener,
                Arc::new(OneChat(Arc::new(log))),
                config,
                recorder.server_starts(epoch),
            )
            .await
            {
                // The disk failed. The host ends, as the process would, until it is started again.
                Ok(_)
                | Err(
                    ServeError::Sequencer(
                        SequencerError::Append(_) | SequencerError::Replay(ReplayError::Read(_)),
                    )
                    | ServeError::Replay(ReplayError::Read(_)),
                ) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    });
}

/// The server's rules in the terms of the oracle, which knows none of the server's types.
fn rules(rules: &RoomRules) -> ConfiguredRules {
    ConfiguredRules {
        grace: rules.grace,
        restart_grace: rules.restart_grace,
        max_participants: rules.max_participants,
        publish_rate: rules.publish_rate.map(|rate| PublishRate {
            burst: rate.burst,
            interval: rate.interval,
        }),
    }
}

fn config(rng: &mut StdRng) -> app::ServerConfig {
    let keep = rng
        .random_bool(0.2)
        .then(|| Keep::Events(rng.random_range(1..40)));
    let publish_rate = rng.random_bool(0.3).then(|| Rate {
        burst: 10,
        interval: Duration::from_millis(200),
    });
    // Often tiny, so that followers read most events from the log.
    let ring_bytes = if rng.random_bool(0.5) { 1 << 20 } else { 300 };
    app::ServerConfig {
        sequencer: sequencer::SequencerConfig {
            rules: RoomRules {
                grace: Duration::from_secs(3),
                restart_grace: Duration::from_secs(6),
                max_participants: 100,
                max_participants_per_source: 100,
                publish_rate,
                join_rate: None,
                stream_rate: None,
                access: chitty_room::Access::ByLog,
            },
            keep,
            idle_exit: None,
            wall: network::wall,
        },
        followers: follower::FollowerLimits {
            ring_bytes,
            ..follower::FollowerLimits::default()
        },
        connections: net::Limits {
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(3),
            ..net::Limits::default()
        },
        // Used only for a session that the client did not pick, and these clients all do.
        random: |bytes| bytes.fill(1),
        failed: |_| {},
    }
}
