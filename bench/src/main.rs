//! Measures what it costs to send one message to everybody: this server beside Redis, NATS, an IRC
//! server, and the least that a broadcast can cost, in one run.
//!
//! The server under test has one core, the load the other.

mod aims;
mod clients;
mod floor;
mod history;
mod http2;
mod load;
mod run;
mod system;
mod table;
mod tally;
mod text;
mod wire;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use color_eyre::eyre::{Result, WrapErr as _};
use tokio::task::LocalSet;

#[derive(Parser)]
#[command(
    about = "Measures this server beside others, and prints a table",
    version
)]
struct Args {
    /// Only this server, for a moment: does every message reach every participant?
    #[arg(long)]
    smoke: bool,

    /// Runs of each measurement; their median is printed
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    runs: usize,

    /// Seconds of each run
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u64,

    /// Seconds in which nobody writes; one run
    #[arg(long, value_name = "SECONDS", default_value_t = 21)]
    idle_seconds: u64,

    /// Only this part: saturated, paced, idle, commits, joins, catch-up, start or
    /// growth
    #[arg(long, value_name = "PART")]
    only: Option<String>,

    /// Beside this server only another build of it, in the parts saturated, paced and idle: what
    /// has a change cost or saved?
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// The floor itself, as a server
    #[command(hide = true)]
    Floor {
        /// The address to listen on
        address: String,
    },
}

fn main() -> Result<()> {
    color_eyre::install()?;
    let args = Args::parse();
    if let Some(Command::Floor { address }) = args.command {
        return floor::run(&address).wrap_err("the floor failed");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    if args.smoke {
        return local.block_on(&runtime, run::smoke());
    }
    pin_to_second_core()?;
    let plan = run::Plan {
        runs: args.runs,
        seconds: args.seconds,
        idle_seconds: args.idle_seconds,
        // For as long as the program runs, so that a server's name can be copied.
        against: args.against.map(|program| &*program.leak()),
    };
    local.block_on(&runtime, run::all(plan, args.only.as_deref()))
}

fn pin_to_second_core() -> Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(1);
    rustix::thread::sched_setaffinity(None, &cores)
        .wrap_err("the load cannot have a core of its own; a machine of two cores is needed")
}
