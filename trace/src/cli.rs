//! `chitty trace`: the command line.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use chitty_chat::{logging, text::display};
use clap::Args as ClapArgs;

use crate::{
    chat::Facts,
    check::{Report, Violation, check},
    read::{Lines, Trace},
};

/// The logs cannot be read, or what is made of them cannot be written.
const EXIT_TROUBLE: u8 = 2;

/// The options.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_help = "\
Without an option it checks: exit status 0 where every rule is kept, 1 where one is not, and 2
where the logs cannot be read.

Examples:
  chitty trace                       check the logs in the usual folder
  chitty trace logs/ada.log logs/server.log")]
pub struct Args {
    /// Log files, and folders of them [default: where chitty and its server write them]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// Does what is asked for, on standard output; what goes wrong is said on standard error.
pub fn run(args: &Args) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = execute(args, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        // Whoever reads has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chitty trace: {error}");
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

fn execute(args: &Args, out: &mut dyn Write) -> io::Result<ExitCode> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        paths.push(logging::default_directory());
    }
    let trace = Trace::read(&paths).map_err(io::Error::other)?;
    let facts = Facts::of(&trace);
    let report = check(&facts);
    write_report(&facts, &report, out)?;
    let clean = report.counts.is_empty();
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The report, as text that is safe for a terminal.
pub fn write_report(facts: &Facts<'_>, report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = Lines::default();
    for violation in &report.violations {
        write_violation(facts, violation, &mut lines, out)?;
    }
    let more = report.counts.values().sum::<u64>() - report.violations.len() as u64;
    if more > 0 {
        writeln!(out, "... and {more} more\n")?;
    }
    for unchecked in &report.unchecked {
        writeln!(out, "not checked: {}", display::safe(unchecked))?;
    }
    let trace = facts.trace;
    let events: usize = facts.chats.iter().map(|chat| chat.told.len()).sum();
    writeln!(
        out,
        "{} lines of {} runs in {} files; {events} events in {} chats",
        trace.lines,
        trace.runs.len(),
        trace.sources.len(),
        facts.chats.len(),
    )?;
    if report.counts.is_empty() {
        return writeln!(out, "every rule is kept, as far as these logs tell");
    }
    let counts = report
        .counts
        .iter()
        .map(|(rule, count)| format!("{rule} {count}"));
    writeln!(out, "BROKEN: {}", counts.collect::<Vec<_>>().join(", "))
}

fn write_violation(
    facts: &Facts<'_>,
    violation: &Violation,
    lines: &mut Lines,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "{}: {}",
        violation.rule,
        display::safe(&violation.message)
    )?;
    for at in &violation.lines {
        let place = facts.step(*at).place;
        let source = facts.trace.sources.get(place.file as usize);
        let name = source.map_or("", |source| source.name());
        let line = lines.get(&facts.trace.sources, place).unwrap_or_default();
        let (name, line) = (display::safe(name), display::safe(&line));
        writeln!(out, "  {name}:{}: {line}", place.line)?;
    }
    writeln!(out)
}
