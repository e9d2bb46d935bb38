//! Runs seeds of the simulation one after the other, and prints those that fail.

use std::{ops::Range, process::ExitCode};

use chitty_sim::{SimRun, run};
use clap::Parser;

/// Run Chitty-Chat on a simulated network, with faults drawn from a seed
#[derive(Parser)]
struct SimArgs {
    /// Run this seed alone, and print the log lines of all its processes
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,

    /// Run this range of seeds, such as 0..5000
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
    let args = SimArgs::parse();
    let failures = match args.seed {
        Some(seed) => {
            let run = run(seed);
            run.lines.iter().for_each(|line| print!("{line}"));
            u64::from(report(&run))
        }
        None => run_all(args.seeds),
    };
    if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run_all(seeds: Range<u64>) -> u64 {
    let count = seeds.end.saturating_sub(seeds.start);
    let (mut failures, mut events, mut clients) = (0, 0, 0);
    for seed in seeds {
        let run = run(seed);
        failures += u64::from(report(&run));
        events += run.events;
        clients += run.clients;
    }
    println!("{count} seeds, {events} events, {clients} clients: {failures} failures");
    failures
}

/// Prints the rules that a run broke. Returns whether there are any.
fn report(run: &SimRun) -> bool {
    for broken_rule in &run.broken_rules {
        println!("seed {}: {broken_rule}", run.seed);
    }
    !run.broken_rules.is_empty()
}
