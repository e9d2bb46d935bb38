//! Runs seeds of the simulation: one by one, and prints those that fail.

use std::{ops::Range, process::ExitCode};

use chitty_sim::{Run, run};
use clap::Parser;

/// Runs the whole of Chitty-Chat on a simulated network with faults drawn from a seed.
#[derive(Parser)]
struct Args {
    /// Run this seed alone, and print the log lines of all its processes
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,

    /// Run these, such as 0..5000
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range, default_value = "0..100")]
    seeds: Range<u64>,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let parse = |number: &str| number.parse().map_err(|_| "give a range such as 0..5000");
    let (from, to) = text
        .split_once("..")
        .ok_or("give a range such as 0..5000")?;
    Ok(parse(from)?..parse(to)?)
}

fn main() -> ExitCode {
    let args = Args::parse();
    let failures = match args.seed {
        Some(seed) => {
            let run = run(seed);
            run.lines.iter().for_each(|line| print!("{line}"));
            u64::from(report(&run))
        }
        None => all(args.seeds),
    };
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn all(seeds: Range<u64>) -> u64 {
    let count = seeds.end.saturating_sub(seeds.start);
    let (mut failures, mut events, mut lives) = (0, 0, 0);
    for seed in seeds {
        let run = run(seed);
        failures += u64::from(report(&run));
        events += run.events;
        lives += run.lives;
    }
    println!("{count} seeds, {events} events, {lives} clients: {failures} failures");
    failures
}

/// Whether it failed.
fn report(run: &Run) -> bool {
    for violation in &run.violations {
        println!("seed {}: {violation}", run.seed);
    }
    !run.violations.is_empty()
}
