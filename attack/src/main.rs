//! Measures what hostile peers cost the server, and those who chat meanwhile. Each attack runs
//! against a server of its own for a few seconds, and makes a row of a table.
//!
//! Everything stays on this machine. If the system allows it, the program runs in a network
//! namespace with only a loopback interface, in which whole networks of addresses are local, so
//! that attackers and others can come from as many addresses as needed.

mod attacks;
mod honest;
mod namespace;
mod peer;
mod run;
mod server;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use color_eyre::eyre::{Result, bail};

use crate::run::Plan;

/// The longest duration of an attack.
const LONGEST: u64 = 60;

#[derive(Parser)]
#[command(
    about = "Attacks the server, and prints what it costs the server and those who chat meanwhile",
    version
)]
struct Args {
    /// Only this attack; --list prints their names
    #[arg(long, value_name = "NAME")]
    only: Option<String>,

    /// Seconds of each attack
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=LONGEST))]
    seconds: u64,

    /// The server to attack [default: chitty-server beside this program]
    #[arg(long, value_name = "PROGRAM")]
    server: Option<PathBuf>,

    /// Attack another build of the server as well, in turns
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,

    /// All attacks for a moment, at a fiftieth of their size: are those who chat served?
    #[arg(long, conflicts_with_all = ["seconds", "against"])]
    smoke: bool,

    /// Print the names of the attacks
    #[arg(long)]
    list: bool,

    /// In the namespace already, or without one
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> Result<ExitCode> {
    color_eyre::install()?;
    let args = Args::parse();
    if args.list {
        for attack in attacks::ALL {
            println!("{:17} {}", attack.name, attack.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !args.inside
        && let Some(code) = namespace::enter()?
    {
        return Ok(code);
    }
    if let Some(only) = &args.only
        && !attacks::ALL.iter().any(|attack| attack.name == only)
    {
        bail!("there is no attack {only:?}; --list prints their names");
    }
    server::allow_open_files();
    let own = server::beside_this_program();
    let plan = Plan {
        time: if args.smoke {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(args.seconds)
        },
        divisor: if args.smoke { 50 } else { 1 },
        smoke: args.smoke,
        server: args.server.map_or(own, Ok)?,
        against: args.against,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run::all(&plan, args.only.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}
