//! Chaos: a real server that is killed with -9 under load, again and again; real clients in
//! pseudo-terminals that are killed and stopped; connections that are cut, delayed and stalled. A
//! surviving client must notice no more than a pause.
//!
//! The test is short by default. For a longer one:
//!
//! ```sh
//! CHITTY_CHAOS_CLIENTS=50 CHITTY_CHAOS_CYCLES=450 cargo test -p chitty --test chaos -- --nocapture
//! ```

mod client;
mod database;
mod faults;
mod logs;
mod oracle;
mod person;
mod proxy;
mod tail;

use std::{path::Path, sync::Arc, time::Duration};

use chitty_testing::terminal::{World, wait_until};
use chitty_trace::{chat::TraceIndex, check, cli::write_report, read::Trace};
use client::{Client, Report};
use faults::Stage;
use person::{Order, Person, Sitting};
use proxy::Proxy;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_shown_twice() {
    // Every fault once, and five kills of the server.
    let cycles = from_environment("CHITTY_CHAOS_CYCLES", faults::DECK as u64);
    let seed = from_environment("CHITTY_CHAOS_SEED", 1);
    // Sessions in this process, and client processes.
    let sessions = from_environment("CHITTY_CHAOS_CLIENTS", 4);
    let processes = from_environment("CHITTY_CHAOS_PROCESSES", 3);

    let world = Arc::new(World::new());
    let mut stage = Stage::new(Arc::clone(&world), seed);
    // Together they write some 400 lines a second.
    let pace = Duration::from_micros(2500) * u32::try_from(sessions).expect("small");
    for number in 0..sessions {
        let proxy = Proxy::start(stage.address()).await;
        let name = format!("client{number}");
        stage
            .clients
            .push(Client::start(&name, proxy.address(), pace));
        stage.proxies.push(proxy);
    }
    for number in 0..processes {
        let proxy = Proxy::start(stage.address()).await;
        let name = format!("person{number}");
        stage
            .people
            .push(Person::start(&world, &name, proxy.address()));
        stage.proxies.push(proxy);
    }
    for _ in 0..cycles {
        stage.cycle().await;
    }
    println!("seed {seed}: {sessions} sessions and {processes} processes, {cycles} cycles");
    println!("  kept where it fails: {}", world.folder().display());
    println!("  {}", stage.counts);
    finish(stage, &world).await;
}

/// Lets everything come to rest, and then checks the database and the logs.
async fn finish(mut stage: Stage, world: &World) {
    for person in &stage.people {
        person.order(Order::Finish);
    }
    let mut reports: Vec<Report> = Vec::new();
    for client in stage.clients.drain(..) {
        reports.push(client.finish().await);
    }
    let mut sittings: Vec<Sitting> = Vec::new();
    for person in stage.people.drain(..) {
        let ended = tokio::task::spawn_blocking(|| person.sittings()).await;
        sittings.extend(ended.expect("it ran"));
    }
    let database = world.data().join("chat.db");
    wait_until("nobody is present", || database::is_empty(&database));
    assert_eq!(stage.server.terminate(), Some(0));

    let events = database::read(&database).await;
    let sum = oracle::check(&events, &reports);
    let told = logs::check(&world.logs(), &events, &sittings);
    println!(
        "  {} lines acknowledged, {} lost, {} duplicated; {} events in the database",
        sum.acknowledged + told.acknowledged,
        sum.lost + told.lost,
        sum.duplicated,
        events.len()
    );
    println!(
        "  logs of {} client runs: {} broadcasts received without gap or repeat, {} torn lines",
        told.runs, told.received, told.torn
    );
    assert_eq!((sum.lost, told.lost, sum.duplicated), (0, 0, 0));
    assert!(sum.acknowledged > 0 && told.acknowledged > 0);
    assert!(told.torn <= stage.counts.all_kills(), "{} torn", told.torn);
    check_times(&world.logs());
}

/// Checks the logs of all processes against the rules of logical time.
fn check_times(folder: &Path) {
    let trace = Trace::read(&[folder.to_owned()]).expect("readable");
    let index = TraceIndex::of(&trace);
    let report = check::check(&index);
    let mut text = Vec::new();
    write_report(&index, &report, &mut text).expect("memory");
    let text = String::from_utf8_lossy(&text);
    println!("  {}", text.trim().replace('\n', "\n  "));
    assert!(report.counts.is_empty(), "{text}");
}
