//! Tables of servers side by side.

use std::time::Duration;

use color_eyre::eyre::Result;

use crate::{
    load::Load,
    run::{IN_FLIGHT, PACED_DELIVERIES, PARTICIPANTS, Plan, TEXT},
    system::{Server, System, own_cpu},
    tally::Latencies,
};

const WARM_UP: Duration = Duration::from_millis(700);

#[derive(Clone, Copy)]
pub(crate) enum Workload {
    Saturated,
    Paced,
}

/// The figures of one run.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) cpu_micros: f64,
    pub(crate) per_second: f64,
    per_send: f64,
    server_busy: f64,
    load_busy: f64,
    pub(crate) latencies: Latencies,
}

/// The runs of each row of a table.
pub(crate) struct Measured(Vec<((System, usize), Vec<Figures>)>);

impl Measured {
    pub(crate) fn median(
        &self,
        system: System,
        participants: usize,
        figure: fn(&Figures) -> f64,
    ) -> f64 {
        let row = self
            .0
            .iter()
            .find(|(row, _)| *row == (system, participants));
        row.map_or(f64::NAN, |(_, runs)| {
            median(runs.iter().map(figure).collect())
        })
    }

    /// The median cost of this server as a multiple of another's.
    pub(crate) fn cost_to(&self, other: System) -> f64 {
        let cost = |system| self.median(system, PARTICIPANTS, |run| run.cpu_micros);
        cost(System::Durable) / cost(other)
    }
}

/// Alternates the runs of all rows, so that a noisy minute of the machine affects all of them.
pub(crate) async fn table(
    plan: Plan,
    rows: &[(System, usize)],
    workload: Workload,
) -> Result<Measured> {
    let mut runs: Vec<Vec<Figures>> = vec![Vec::new(); rows.len()];
    for _ in 0..plan.runs {
        for (&(system, participants), figures) in rows.iter().zip(&mut runs) {
            figures.push(measure(plan, system, participants, workload).await?);
        }
    }
    println!(
        "| server | participants | CPU per delivery (spread) | deliveries/s | per send | p50 | \
         p99 | max | p99 of all deliveries | server busy | load busy |\n| --- | --: | --: | --: | \
         --: | --: | --: | --: | --: | --: | --: |"
    );
    let measured = Measured(rows.iter().copied().zip(runs).collect());
    for ((system, participants), runs) in &measured.0 {
        let of = |figure| measured.median(*system, *participants, figure);
        let costs = runs.iter().map(|run| run.cpu_micros);
        println!(
            "| {} | {participants} | {:.2} µs ({:.2}–{:.2}) | {:.0} | {:.1} | {:.2} ms | {:.2} ms \
             | {:.2} ms | {:.2} ms | {:.0} % | {:.0} % |",
            system.name(),
            of(|run| run.cpu_micros),
            costs.clone().fold(f64::INFINITY, f64::min),
            costs.fold(0.0, f64::max),
            of(|run| run.per_second),
            of(|run| run.per_send),
            of(|run| millis(run.latencies.p50)),
            of(|run| millis(run.latencies.p99)),
            of(|run| millis(run.latencies.max)),
            of(|run| millis(run.latencies.p99_of_deliveries)),
            of(|run| run.server_busy * 100.0),
            of(|run| run.load_busy * 100.0),
        );
    }
    Ok(measured)
}

/// The resources that were used up to a moment.
struct Used {
    server: Duration,
    load: Duration,
    sends: u64,
    deliveries: u64,
    at: tokio::time::Instant,
}

impl Used {
    fn now(server: &Server, load: &Load) -> Result<Self> {
        Ok(Self {
            server: server.cpu()?,
            load: own_cpu()?,
            sends: server.sent()?,
            deliveries: load.tally.deliveries(),
            at: tokio::time::Instant::now(),
        })
    }
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
    let before = Used::now(&server, &load)?;
    let time = Duration::from_secs(plan.seconds);
    press(&mut load, participants, workload, time).await?;
    let after = Used::now(&server, &load)?;
    let time = (after.at - before.at).as_secs_f64();
    let deliveries = (after.deliveries - before.deliveries) as f64;
    let cpu = after.server.saturating_sub(before.server).as_secs_f64();
    load.drain().await?;
    Ok(Figures {
        cpu_micros: cpu * 1e6 / deliveries,
        per_second: deliveries / time,
        per_send: deliveries / (after.sends - before.sends) as f64,
        server_busy: cpu / time,
        load_busy: after.load.saturating_sub(before.load).as_secs_f64() / time,
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

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
