//! What is measured, and the tables of it.

use std::time::Duration;

use color_eyre::eyre::{Result, ensure};

use crate::{
    load::Load,
    system::{Server, System},
    tally::Latencies,
};

const IN_FLIGHT: usize = 64;
const TEXT: usize = 64;
const PARTICIPANTS: usize = 200;
const FEW: usize = 4;
const STORM: u64 = 5_000;
/// In all, where the load is paced: 200 messages a second to 200 participants.
const PACED_DELIVERIES: usize = 40_000;
const WARM_UP: Duration = Duration::from_millis(700);

const ALL: [System; 6] = [
    System::Durable,
    System::Ephemeral,
    System::Redis,
    System::Nats,
    System::Ngircd,
    System::Floor,
];

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) runs: usize,
    pub(crate) seconds: u64,
    pub(crate) idle_seconds: u64,
}

#[derive(Clone, Copy)]
enum Workload {
    Saturated,
    Paced,
}

/// One run's figures.
#[derive(Clone, Copy)]
struct Figures {
    cpu_micros: f64,
    per_second: f64,
    latencies: Latencies,
}

/// A few participants for a moment.
pub(crate) async fn smoke() -> Result<()> {
    for system in [System::Durable, System::Ephemeral] {
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
    for (part, title, workload) in [
        (
            "saturated",
            "saturated: 64 messages in flight",
            Workload::Saturated,
        ),
        ("paced", "paced: 200 messages a second", Workload::Paced),
    ] {
        if wanted(part) {
            println!("\n{PARTICIPANTS} participants, {title}\n");
            let rows = ALL.map(|system| (system, PARTICIPANTS));
            table(plan, &rows, workload).await?;
        }
    }
    if wanted("idle") {
        idle(plan).await?;
    }
    if wanted("commits") {
        // With few readers, what is left is the way of a message into the log.
        println!("\n{FEW} participants, saturated: a message is {FEW} deliveries\n");
        let rows = [(System::Durable, FEW), (System::Ephemeral, FEW)];
        table(plan, &rows, Workload::Saturated).await?;
    }
    if wanted("joins") {
        joins(plan).await?;
    }
    if wanted("growth") {
        let rows = [50, 200, 1_000, 5_000].map(|count| (System::Durable, count));
        println!("\nby participants, saturated\n");
        table(plan, &rows, Workload::Saturated).await?;
        println!("\nby participants, {PACED_DELIVERIES} deliveries a second\n");
        table(plan, &rows, Workload::Paced).await?;
    }
    Ok(())
}

/// What participants cost who only listen, while nobody writes.
async fn idle(plan: Plan) -> Result<()> {
    println!(
        "\nidle\n\n| server | participants | resident memory of each | of a core |\n| --- | --: | \
         --: | --: |"
    );
    for system in ALL {
        for participants in [200, 1_000] {
            let (mut memory, mut cpu) = (Vec::new(), Vec::new());
            for _ in 0..plan.runs {
                let server = Server::start(system, true).await?;
                let empty = server.memory()?;
                let _load = Load::join(system, &server, participants, TEXT).await?;
                let before = server.cpu()?;
                let begun = tokio::time::Instant::now();
                // Long enough for a whole interval of the keepalive.
                tokio::time::sleep(Duration::from_secs(plan.idle_seconds)).await;
                let busy = server.cpu()?.saturating_sub(before);
                cpu.push(busy.as_secs_f64() / begun.elapsed().as_secs_f64());
                memory.push(ratio(server.memory()?.saturating_sub(empty), participants));
            }
            println!(
                "| {} | {participants} | {:.1} KiB | {:.2} % |",
                system.name(),
                median(memory),
                median(cpu) * 100.0
            );
        }
    }
    Ok(())
}

/// Many join one right after the other: until the last announcement has reached the last of them.
async fn joins(plan: Plan) -> Result<()> {
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
    println!(
        "\n{STORM} joins, each announced to all: {:.2} s, {:.2} s of server CPU",
        median(times),
        median(costs)
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
fn ratio(of: u64, to: usize) -> f64 {
    of as f64 / to as f64
}

/// The runs of all rows alternate, so that a noisy minute of the machine is everybody's.
async fn table(plan: Plan, rows: &[(System, usize)], workload: Workload) -> Result<()> {
    let mut measured: Vec<Vec<Figures>> = vec![Vec::new(); rows.len()];
    for _ in 0..plan.runs {
        for (&(system, participants), figures) in rows.iter().zip(&mut measured) {
            figures.push(measure(plan, system, participants, workload).await?);
        }
    }
    println!(
        "| server | participants | CPU per delivery (spread) | deliveries/s | p50 | p99 | max | \
         p99 of all deliveries |\n| --- | --: | --: | --: | --: | --: | --: | --: |"
    );
    for ((system, participants), runs) in rows.iter().zip(&measured) {
        let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
        let millis = |figure: fn(&Figures) -> Duration| {
            let median = median(runs.iter().map(|run| figure(run).as_secs_f64()).collect());
            format!("{:.2} ms", median * 1e3)
        };
        let costs = runs.iter().map(|run| run.cpu_micros);
        println!(
            "| {} | {participants} | {:.2} µs ({:.2}–{:.2}) | {:.0} | {} | {} | {} | {} |",
            system.name(),
            of(|run| run.cpu_micros),
            costs.clone().fold(f64::INFINITY, f64::min),
            costs.fold(0.0, f64::max),
            of(|run| run.per_second),
            millis(|run| run.latencies.p50),
            millis(|run| run.latencies.p99),
            millis(|run| run.latencies.max),
            millis(|run| run.latencies.p99_of_deliveries),
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "these counts are small")]
async fn measure(
    plan: Plan,
    system: System,
    participants: usize,
    workload: Workload,
) -> Result<Figures> {
    let server = Server::start(system, true).await?;
    let mut load = Load::join(system, &server, participants, TEXT).await?;
    press(&mut load, participants, workload, WARM_UP).await?;
    load.tally.forget_latencies();
    let (before, delivered) = (server.cpu()?, load.tally.deliveries());
    let begun = tokio::time::Instant::now();
    press(
        &mut load,
        participants,
        workload,
        Duration::from_secs(plan.seconds),
    )
    .await?;
    let (cpu, time) = (server.cpu()?.saturating_sub(before), begun.elapsed());
    let deliveries = (load.tally.deliveries() - delivered) as f64;
    load.drain().await?;
    Ok(Figures {
        cpu_micros: cpu.as_secs_f64() * 1e6 / deliveries,
        per_second: deliveries / time.as_secs_f64(),
        latencies: load.tally.latencies(),
    })
}

async fn press(
    load: &mut Load,
    participants: usize,
    workload: Workload,
    time: Duration,
) -> Result<()> {
    match workload {
        Workload::Saturated => load.saturate(IN_FLIGHT, time).await,
        Workload::Paced => {
            let rate = u32::try_from(PACED_DELIVERIES / participants).unwrap_or(1);
            load.pace(rate.max(1), time).await
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
