//! One run: the server, the clients, the faults, and the verdict.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::logging;
use chitty_server::{
    app::{self, ServeError},
    follower,
    log::{Keep, Log as _, ReplayError},
    net,
    rate::Rate,
    room, sequencer,
    sequencer::SequencerError,
};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use turmoil::{Builder, Sim};

use crate::{
    faults::Faults,
    log::SimLog,
    network::{self, SERVER, SimListener},
    oracle::{Evidence, PublishRate, Rules, Violation, judge},
    person::Person,
    stage::{Left, Stage, TICK},
};

/// All has come to rest when nothing is amiss for so long: longer than a silent peer is believed
/// in, and its grace after that.
const REST: Duration = Duration::from_secs(20);
/// All must have come to rest so long after the last fault.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// From which everything was drawn.
    pub seed: u64,
    /// The rules that were broken.
    pub violations: Vec<Violation>,
    /// The log lines of all processes, in order, each with its end.
    pub lines: Vec<String>,
    /// How many events the chat has.
    pub events: usize,
    /// How many clients were started.
    pub lives: usize,
}

/// Runs a seed, and judges. Runs of one process wait for each other.
pub fn run(seed: u64) -> Run {
    // A runtime that is dropped, as in a crash, drops its tasks in an order that depends on their
    // numbers, which tokio counts for the whole process: each run begins at a round one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    begin_at_a_round_task();

    let mut rng = StdRng::seed_from_u64(seed);
    let quiet_from = Duration::from_secs(rng.random_range(10..50));
    let stage = Stage::new(quiet_from);
    let lines = stage.clone();
    let subscriber = logging::subscriber(SERVER, "00server", network::wall, move |line| {
        lines.line(line);
    });
    tracing::subscriber::with_default(subscriber, || Theatre::build(rng, stage).play(seed))
}

/// Spawns tasks until the next one has a number that any count of shards divides.
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

struct Theatre {
    rules: Rules,
    sim: Sim<'static>,
    log: SimLog,
    stage: Stage,
    faults: Faults,
}

impl Theatre {
    fn build(mut rng: StdRng, stage: Stage) -> Self {
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
        serve(&mut sim, log.clone(), stage.clone(), config);
        let clients: Vec<String> = (0..rng.random_range(2..6))
            .map(|index| format!("client-{index}"))
            .collect();
        for client in &clients {
            let person = Person::new(client, stage.clone(), rng.next_u64());
            sim.host(client.as_str(), move || {
                let person = person.clone();
                async move {
                    person.live().await;
                    Ok(())
                }
            });
        }
        let faults = Faults::new(rng, log.clone(), stage.clone(), clients);
        Self {
            rules: rules(&config.sequencer.rules),
            sim,
            log,
            stage,
            faults,
        }
    }

    fn play(mut self, seed: u64) -> Run {
        let mut violations = Vec::new();
        let at_rest = self.act().unwrap_or_else(|error| {
            violations.push(Violation {
                check: "all processes work",
                what: error.to_string(),
            });
            false
        });
        if !at_rest && violations.is_empty() {
            violations.push(Violation {
                check: "all comes to rest",
                what: format!("not within {} s", PATIENCE.as_secs()),
            });
        }
        let Left {
            lines,
            lives,
            servers,
        } = self.stage.take();
        let evidence = Evidence {
            logs: self.log.lives(),
            lives,
            servers,
            rules: self.rules,
            // What is owed by now is owed also where it did not come.
            at_rest: true,
        };
        violations.extend(judge(&evidence));
        Run {
            seed,
            violations,
            lines,
            events: evidence.logs.iter().map(Vec::len).sum(),
            lives: evidence.lives.len(),
        }
    }

    /// Faults, then quiet; whether all came to rest.
    fn act(&mut self) -> Result<bool, Box<dyn Error>> {
        while self.sim.elapsed() < self.stage.quiet_from {
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
            if head != Some(now) || !self.stage.all_live(now.get()) {
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

fn serve(sim: &mut Sim<'static>, log: SimLog, stage: Stage, config: app::ServerConfig) {
    sim.host(SERVER, move || {
        let (log, stage) = (log.clone(), stage.clone());
        async move {
            log.recover();
            let life = log.life();
            let listener = SimListener::bind().await?;
            match app::serve(listener, Arc::new(log), config, stage.server_starts(life)).await {
                // The disk failed: as the process would, the host ends, until it is started again.
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

/// As the oracle is told.
fn rules(rules: &room::RoomRules) -> Rules {
    Rules {
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
    // Often so little that most is read from the log.
    let ring_bytes = if rng.random_bool(0.5) { 1 << 20 } else { 300 };
    app::ServerConfig {
        sequencer: sequencer::SequencerConfig {
            rules: room::RoomRules {
                grace: Duration::from_secs(3),
                restart_grace: Duration::from_secs(6),
                max_participants: 100,
                max_participants_per_source: 100,
                publish_rate,
                join_rate: None,
                stream_rate: None,
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
        // Only for a session that a client did not pick, which these all do.
        random: |bytes| bytes.fill(1),
        failed: |_| {},
    }
}
