//! The measurements, part by part.

use std::{path::Path, time::Duration};

use color_eyre::eyre::{Result, ensure};

use crate::{
    aims::Aims,
    clients::{self, Answers},
    history::{self, CaughtUp},
    http2,
    load::{Load, connect},
    system::{Server, System},
    table::{Workload, median, millis, table},
};

pub(crate) const IN_FLIGHT: usize = 64;
pub(crate) const TEXT: usize = 64;
pub(crate) const PARTICIPANTS: usize = 200;
const FEW: usize = 4;
const CLIENTS: usize = 64;
const HISTORY: u64 = 1_000_000;
const STORM: u64 = 5_000;
/// The total rate of the paced load: 200 messages a second to 200 participants.
pub(crate) const PACED_DELIVERIES: usize = 40_000;

const ALL: [System; 7] = [
    System::Durable,
    System::Tls,
    System::Ephemeral,
    System::Redis,
    System::Nats,
    System::Ngircd,
    System::Floor,
];

/// The size of the measurements.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) runs: usize,
    pub(crate) seconds: u64,
    pub(crate) idle_seconds: u64,
    pub(crate) against: Option<&'static Path>,
}

impl Plan {
    /// The servers that are measured side by side.
    fn systems(self) -> Vec<System> {
        match self.against {
            None => ALL.to_vec(),
            Some(program) => vec![System::Durable, System::Build(program)],
        }
    }

    fn rows(self) -> Vec<(System, usize)> {
        let systems = self.systems().into_iter();
        systems.map(|system| (system, PARTICIPANTS)).collect()
    }
}

/// A few participants for a short time.
pub(crate) async fn smoke() -> Result<()> {
    for system in [System::Durable, System::Tls, System::Ephemeral] {
        let server = Server::start(system, false).await?;
        let mut load = Load::join(system, &server, 8, TEXT).await?;
        load.saturate(IN_FLIGHT, Duration::from_secs(1)).await?;
        load.drain().await?;
        let (messages, deliveries) = (load.tally.completed() as u64, load.tally.deliveries());
        ensure!(messages > 0, "no message arrived");
        ensure!(
            deliveries == messages * 8,
            "{deliveries} deliveries of {messages} messages to 8 participants"
        );
        println!(
            "{}: {messages} messages reached all of 8 participants",
            system.name()
        );
    }
    Ok(())
}

/// All parts, or only the named one.
pub(crate) async fn all(plan: Plan, only: Option<&str>) -> Result<()> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut aims = Aims::default();
    if wanted("saturated") {
        saturated(plan, &mut aims).await?;
    }
    if wanted("paced") {
        paced(plan, &mut aims).await?;
    }
    if wanted("idle") {
        idle(plan, &mut aims).await?;
    }
    if wanted("commits") {
        commits(plan, &mut aims).await?;
    }
    if wanted("joins") {
        joins(plan, &mut aims).await?;
    }
    if wanted("catch-up") {
        catch_up(plan, &mut aims).await?;
    }
    if wanted("start") {
        start(plan).await?;
    }
    if wanted("growth") {
        growth(plan, &mut aims).await?;
    }
    aims.print();
    Ok(())
}

async fn saturated(plan: Plan, aims: &mut Aims) -> Result<()> {
    println!("\n{PARTICIPANTS} participants, saturated: {IN_FLIGHT} messages in flight\n");
    let measured = table(plan, &plan.rows(), Workload::Saturated).await?;
    for (other, bar) in [
        (System::Redis, 1.0),
        (System::Nats, 0.8),
        (System::Ngircd, 0.5),
    ] {
        let what = format!("saturated, durable: CPU per delivery, to {}", other.name());
        aims.at_most(&what, bar, measured.cost_to(other), "");
    }
    let what = "saturated, durable: CPU per delivery over TLS, to plain text";
    aims.at_most(what, 1.5, 1.0 / measured.cost_to(System::Tls), "");
    Ok(())
}

async fn paced(plan: Plan, aims: &mut Aims) -> Result<()> {
    println!("\n{PARTICIPANTS} participants, paced: 200 messages a second\n");
    let measured = table(plan, &plan.rows(), Workload::Paced).await?;
    let text = "x".repeat(TEXT);
    let [p50, p99] = history::bare_commits(plan.seconds * 200, &text).await?;
    println!(
        "\na commit of one record by itself, 200 a second: p50 {:.2} ms, p99 {:.2} ms",
        millis(p50),
        millis(p99)
    );
    for (other, bar) in [(System::Nats, 1.0), (System::Floor, 2.0)] {
        let what = format!("paced, durable: CPU per delivery, to {}", other.name());
        aims.at_most(&what, bar, measured.cost_to(other), "");
    }
    let what = "paced, durable: CPU per delivery over TLS, to plain text";
    aims.at_most(what, 1.1, 1.0 / measured.cost_to(System::Tls), "");
    let p99_of = |system| {
        measured.median(system, PARTICIPANTS, |run| {
            millis(run.latencies.p99_of_deliveries)
        })
    };
    let bar = 1.5 * p99_of(System::Redis);
    let memory = p99_of(System::Ephemeral);
    aims.at_most(
        "paced, in memory: p99 of all deliveries",
        bar,
        memory,
        " ms",
    );
    let what = "paced, durable: p99 of all deliveries";
    aims.at_most(what, bar + millis(p99), p99_of(System::Durable), " ms");
    Ok(())
}

async fn growth(plan: Plan, aims: &mut Aims) -> Result<()> {
    let rows = [50, 200, 1_000, 5_000].map(|count| (System::Durable, count));
    println!("\nby participants, saturated\n");
    let measured = table(plan, &rows, Workload::Saturated).await?;
    println!("\nby participants, {PACED_DELIVERIES} deliveries a second\n");
    table(plan, &rows, Workload::Paced).await?;
    let cost = |count| measured.median(System::Durable, count, |run| run.cpu_micros);
    let what = "CPU per delivery at 5,000 participants, to 200, saturated";
    aims.at_most(what, 1.25, cost(5_000) / cost(200), "");
    Ok(())
}

/// Measures the way of a message into the log, with nearly no readers.
async fn commits(plan: Plan, aims: &mut Aims) -> Result<()> {
    println!(
        "\n{CLIENTS} clients, each with one message in flight, {FEW} participants\n\n| server | \
         messages/s | p50 | p99 |\n| --- | --: | --: | --: |"
    );
    for system in [System::Durable, System::Ephemeral] {
        let mut runs: Vec<Answers> = Vec::new();
        for _ in 0..plan.runs {
            let server = Server::start(system, true).await?;
            let load = Load::join(system, &server, FEW, TEXT).await?;
            let (text, time) = ("x".repeat(TEXT), Duration::from_secs(plan.seconds));
            runs.push(clients::write(&server, &load, CLIENTS, &text, time).await?);
        }
        let of = |figure: fn(&Answers) -> f64| median(runs.iter().map(figure).collect());
        let per_second = of(|run| run.per_second);
        println!(
            "| {} | {per_second:.0} | {:.2} ms | {:.2} ms |",
            system.name(),
            of(|run| millis(run.p50)),
            of(|run| millis(run.p99)),
        );
        if system == System::Durable {
            let what = format!("durable messages, {CLIENTS} clients with one in flight each");
            aims.at_least(&what, 15_000.0, per_second, " a second");
        }
    }
    Ok(())
}

/// Measures a start on an empty chat and on longer ones.
async fn start(plan: Plan) -> Result<()> {
    println!(
        "\nuntil a server answers\n\n| events in its chat | CPU time | resident memory |\n| --: | \
         --: | --: |"
    );
    for events in [1, HISTORY / 100, HISTORY] {
        let mut runs = Vec::new();
        for _ in 0..plan.runs {
            runs.push(history::start(events, &"x".repeat(TEXT)).await?);
        }
        let cpu = median(runs.iter().map(|(cpu, _)| cpu.as_secs_f64()).collect());
        let resident = median(runs.iter().map(|(_, kib)| kib_to_mb(*kib)).collect());
        println!("| {events} | {cpu:.2} s | {resident:.1} MB |");
    }
    Ok(())
}

/// Measures a participant that catches up with a long log.
async fn catch_up(plan: Plan, aims: &mut Aims) -> Result<()> {
    let mut runs: Vec<CaughtUp> = Vec::new();
    for _ in 0..plan.runs {
        runs.push(history::catch_up(HISTORY, &"x".repeat(TEXT)).await?);
    }
    let of = |figure: fn(&CaughtUp) -> f64| median(runs.iter().map(figure).collect());
    let per_second = of(|run| run.per_second);
    let growth = of(|run| kib_to_mb(run.growth));
    println!(
        "\none participant catches up {HISTORY} events: {per_second:.0} a second, {:.2} s of \
         server CPU; the server grows by {growth:.1} MB",
        of(|run| run.cpu.as_secs_f64())
    );
    aims.at_least(
        "catching up a million events",
        300_000.0,
        per_second,
        " a second",
    );
    aims.at_most("growth of the server meanwhile", 16.0, growth, " MB");
    Ok(())
}

/// Measures participants that only listen while nobody writes.
async fn idle(plan: Plan, aims: &mut Aims) -> Result<()> {
    println!(
        "\nidle\n\n| server | participants | resident memory of each | of a core |\n| --- | --: | \
         --: | --: |"
    );
    for system in plan.systems() {
        for participants in [200, 1_000] {
            // One run: it is long, and nothing moves.
            let server = Server::start(system, true).await?;
            let empty = server.memory()?;
            let _load = Load::join(system, &server, participants, TEXT).await?;
            let before = server.cpu()?;
            let begun = tokio::time::Instant::now();
            // Long enough for a whole interval of the keepalive.
            tokio::time::sleep(Duration::from_secs(plan.idle_seconds)).await;
            let busy = server.cpu()?.saturating_sub(before);
            let cpu = busy.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0;
            let memory = ratio(server.memory()?.saturating_sub(empty), participants);
            println!(
                "| {} | {participants} | {memory:.1} KiB | {cpu:.2} % |",
                system.name(),
            );
            if system == System::Tls {
                let what = format!("idle memory of each of {participants} over TLS");
                aims.at_most(&what, 36.0, memory * 1.024, " KB");
            }
            if system == System::Durable {
                let what = format!("idle memory of each of {participants} participants");
                aims.at_most(&what, 27.0, memory * 1.024, " KB");
                let what = format!("idle server with {participants} participants, of a core");
                aims.at_most(&what, 0.5, cpu, " %");
            }
        }
    }
    for participants in [200, 1_000] {
        let memory = before_the_join(participants).await?;
        println!("\nOf each of {participants}, before its Join: {memory:.1} KiB (TCP, HTTP/2)");
    }
    Ok(())
}

/// The memory in KiB that this server holds for a connection that has not sent a request.
async fn before_the_join(connections: usize) -> Result<f64> {
    let server = Server::start(System::Durable, true).await?;
    let empty = server.memory()?;
    let mut hello = Vec::new();
    http2::put_hello(&mut hello);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(connect(&server, &hello).await?);
    }
    // Shorter than the server waits for a first request.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(ratio(server.memory()?.saturating_sub(empty), connections))
}

/// Has many join one right after the other, and measures until the last announcement has reached
/// the last of them.
async fn joins(plan: Plan, aims: &mut Aims) -> Result<()> {
    let (mut times, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let server = Server::start(System::Durable, true).await?;
        let begun = tokio::time::Instant::now();
        let participants = usize::try_from(STORM)?;
        let load = Load::join(System::Durable, &server, participants, TEXT).await?;
        let last = load.tally.last_bytes().unwrap_or(begun);
        // Each has a Welcome, and is told of itself and all who come later.
        let announcements = load.tally.announcements();
        ensure!(
            announcements == STORM + STORM * (STORM + 1) / 2,
            "{announcements} announcements of {STORM} joins"
        );
        times.push((last - begun).as_secs_f64());
        costs.push(server.cpu()?.as_secs_f64());
    }
    let time = median(times);
    println!(
        "\n{STORM} joins, each announced to all: {time:.2} s, {:.2} s of server CPU",
        median(costs)
    );
    let what = format!("{STORM} joins, until all have heard of all");
    aims.at_most(&what, 30.0, time, " s");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
fn kib_to_mb(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
fn ratio(of: u64, to: usize) -> f64 {
    of as f64 / to as f64
}
