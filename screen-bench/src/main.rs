//! Measures what the client's screen costs, beside irssi and weechat, in one run: each in a
//! pseudo-terminal of the same size, with a real server, and with its log written.
//!
//! `cargo xtask screen-bench` installs what is missing and runs this.

mod author;
mod chat;
mod edge;
mod measure;
mod table;
mod terminal;

use std::time::Duration;

use clap::Parser;
use color_eyre::eyre::Result;

use self::{author::Flood, chat::MeasuredClient, table::ReportTable};

#[derive(Parser)]
#[command(
    about = "Measures the client's screen beside other chats, and prints a table",
    version
)]
struct ScreenBenchArgs {
    /// A moment for each measurement: does all of it work?
    #[arg(long)]
    quick: bool,

    /// Runs of each measurement; their median is printed
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    runs: usize,

    /// Only this part: flood, idle, start, memory or scroll
    #[arg(long, value_name = "PART")]
    only: Option<String>,
}

/// How much is measured.
struct Plan {
    flood: Flood,
    keys: u32,
    idle: Duration,
    starts: usize,
    memory: u64,
    scroll: u64,
}

impl Plan {
    fn new(quick: bool) -> Self {
        let flood = Flood {
            messages: if quick { 2_000 } else { 20_000 },
            per_second: Some(5_000),
        };
        if quick {
            Self {
                flood,
                keys: 50,
                idle: Duration::from_secs(5),
                starts: 1,
                memory: 10_000,
                scroll: 5_000,
            }
        } else {
            Self {
                flood,
                keys: 400,
                idle: Duration::from_secs(60),
                starts: 5,
                memory: 1_000_000,
                scroll: 100_000,
            }
        }
    }
}

impl Plan {
    /// Our client takes a million messages as fast as they come. The others get more time and fewer
    /// messages: an IRC server drops a client that lags, and both keep only some hundreds or
    /// thousands of lines.
    fn memory(&self, client: MeasuredClient) -> Flood {
        if client == MeasuredClient::Chitty {
            Flood {
                messages: self.memory,
                per_second: None,
            }
        } else {
            Flood {
                messages: self.memory / 10,
                per_second: Some(2_500),
            }
        }
    }
}

fn main() -> Result<()> {
    color_eyre::install()?;
    let args = ScreenBenchArgs::parse();
    let mut table = ReportTable::default();
    let measured = measure(&args, &mut table);
    // Printed even if a later measurement failed.
    table.print()?;
    measured
}

fn measure(args: &ScreenBenchArgs, table: &mut ReportTable) -> Result<()> {
    let plan = Plan::new(args.quick);
    let runs = if args.quick { 1 } else { args.runs };
    let wanted = |part: &str| args.only.as_deref().is_none_or(|only| only == part);
    if wanted("flood") {
        let mut all = [Vec::new(), Vec::new(), Vec::new()];
        // The clients take turns, so that other load on the machine affects all of them alike.
        for _ in 0..runs {
            for (client, runs) in MeasuredClient::ALL.into_iter().zip(&mut all) {
                runs.push(measure::flood(client, plan.flood, plan.keys)?);
            }
        }
        table.flood(&all);
    }
    if wanted("idle") {
        table.idle(plan.idle, &measure::idle(plan.idle)?);
    }
    if wanted("start") {
        let mut all = Vec::new();
        for client in MeasuredClient::ALL {
            all.push(measure::start(client, runs * plan.starts)?);
        }
        table.start(&all);
    }
    if wanted("memory") {
        let mut all = Vec::new();
        for client in MeasuredClient::ALL {
            all.push(measure::memory(client, plan.memory(client))?);
        }
        table.memory(
            MeasuredClient::ALL.map(|client| plan.memory(client).messages),
            &all,
        );
    }
    if wanted("scroll") {
        table.scroll(plan.scroll, &measure::scroll(plan.scroll)?);
    }
    Ok(())
}
