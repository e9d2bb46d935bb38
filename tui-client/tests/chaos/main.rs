//! Chaos: a real server that is killed with -9 under load, again and again, behind connections
//! that are cut and stalled; clients that must not notice more than a pause.
//!
//! Short by default; as long as asked by hand:
//!
//! ```sh
//! CHITTY_CHAOS_CLIENTS=50 CHITTY_CHAOS_CYCLES=200 cargo test -p chitty --test chaos -- --nocapture
//! ```

mod client;
mod oracle;
mod proxy;

#[path = "../terminal/support.rs"]
mod support;

use std::time::Duration;

use client::{Client, Report};
use proxy::{Mode, Proxy};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use support::{Server, World};
use tokio::time::{Instant, sleep};

const SERVER: [&str; 6] = [
    "--publish-rate",
    "off",
    "--grace",
    "2",
    "--restart-grace",
    "5",
];

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_shown_twice() {
    let cycles = from_environment("CHITTY_CHAOS_CYCLES", 8);
    let seed = from_environment("CHITTY_CHAOS_SEED", 1);
    let count = usize::try_from(from_environment("CHITTY_CHAOS_CLIENTS", 4)).expect("small");
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new();
    let mut server = world.server(&SERVER);
    let address = server.address().to_owned();
    let mut proxies = Vec::new();
    let mut clients = Vec::new();
    for number in 0..count {
        let proxy = Proxy::start(&address).await;
        clients.push(Client::start(&format!("client{number}"), proxy.address()));
        proxies.push(proxy);
    }
    let mut kills = 0;
    let mut away = Duration::ZERO;
    for _ in 0..cycles {
        sleep(Duration::from_millis(random.random_range(50..400))).await;
        match random.random_range(0..4) {
            // Most of all, this.
            0 | 1 => {
                let before: Vec<_> = clients.iter().map(Client::times_live).collect();
                server.kill();
                kills += 1;
                let began = Instant::now();
                server = restart(&world, &address);
                for (client, before) in clients.iter_mut().zip(before) {
                    client.live_again(before).await;
                }
                away = away.max(began.elapsed());
            }
            2 => proxies[random.random_range(0..count)].set(Mode::Cut),
            _ => {
                let proxy = &proxies[random.random_range(0..count)];
                proxy.set(Mode::Stall);
                sleep(Duration::from_millis(random.random_range(50..1500))).await;
                proxy.set(Mode::Pass);
            }
        }
    }
    let mut reports: Vec<Report> = Vec::new();
    for client in clients {
        reports.push(client.finish().await);
    }
    let log = client::read_all(&address).await;
    let sum = oracle::check(&log, &reports);
    println!(
        "seed {seed}: {count} clients, {cycles} cycles, {kills} kills of the server; {} lines acknowledged, {} lost, \
         {} duplicated; all clients follow again at most {away:.1?} after a restart begins",
        sum.acknowledged, sum.lost, sum.duplicated
    );
    assert_eq!((sum.lost, sum.duplicated), (0, 0));
    assert!(sum.acknowledged > 0);
    drop(server);
}

fn restart(world: &World, address: &str) -> Server {
    world.server_on(address, &SERVER)
}
