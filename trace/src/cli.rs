//! The command line of `chitty trace`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use chitty_chat::{files, logging, text::display};
use clap::{
    Args,
    builder::{PathBufValueParser, TypedValueParser},
};

use crate::{
    chat::TraceIndex,
    check::{CheckReport, Violation, check},
    draw::{self, Detail, Diagram},
    export,
    live::{LiveReport, LiveView, RefreshError},
    read::{LineLookup, Trace},
};

/// The exit status if the logs cannot be read or the output cannot be written.
const EXIT_TROUBLE: u8 = 2;

/// The options of `chitty trace`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Without an option it checks the logs. The exit status is 0 if every rule is kept, 1 if one is
broken, and 2 if the logs cannot be read.

Examples:
  chitty trace                       check the logs in the usual folder
  chitty trace logs/ada.log logs/server.log
  chitty trace --text logs           draw them in the terminal
  chitty trace --html chat.html --last 0 logs
  chitty trace --follow --text       draw what happens, as it happens")]
pub struct TraceArgs {
    /// Log files, and folders of them [default: where chitty and its server write them]
    #[arg(value_name = "PATH", value_parser = user_path())]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    output: OutputArgs,

    /// Follow the logs while they are being written, and report violations as they come; with
    /// --text, draw new events, too. Ctrl-C ends it
    #[arg(short, long, conflicts_with_all = ["svg", "html", "mermaid", "json", "shiviz"])]
    follow: bool,

    /// How many of the newest events to draw; 0 draws all
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = number)]
    last: u64,
}

fn number(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "give a whole number, such as 40")
}

/// Parses a path in which `~` is the home folder, also if no shell expands it, as in
/// `--html=~/chat.html`.
fn user_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(files::user_path)
}

/// The output to write instead of a check.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "as on the command line")]
struct OutputArgs {
    /// Draw the space-time diagram in the terminal
    #[arg(long)]
    text: bool,

    /// Draw the space-time diagram as SVG; - is standard output
    #[arg(long, value_name = "FILE", value_parser = user_path())]
    svg: Option<PathBuf>,

    /// Draw it as a web page in one file, with zoom and the log lines; - is standard output
    #[arg(long, value_name = "FILE", value_parser = user_path())]
    html: Option<PathBuf>,

    /// Write a Mermaid sequence diagram
    #[arg(long)]
    mermaid: bool,

    /// Write each event as a line of JSON, every cause before its effects
    #[arg(long)]
    json: bool,

    /// Write a log for ShiViz, with vector clocks
    #[arg(long)]
    shiviz: bool,
}

/// Runs the command: writes to standard output, and reports errors on standard error. Returns the
/// exit status.
pub fn run(args: &TraceArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = execute(args, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => code,
        // The reader, such as `head`, has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chitty trace: {error}");
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

fn execute(args: &TraceArgs, out: &mut dyn Write) -> io::Result<ExitCode> {
    let mut paths = args.paths.clone();
    if paths.is_empty() {
        let default = logging::default_directory();
        if let Some(notice) = default.notice() {
            eprintln!("chitty trace: {}", display::safe(&notice));
        }
        paths.push(default.path);
    }
    if args.follow {
        return follow(args, paths, out);
    }
    let trace = Trace::read(&paths).map_err(io::Error::other)?;
    let index = TraceIndex::of(&trace);
    // Without lines nothing is broken, but nothing was checked either.
    if trace.runs.is_empty() {
        return Err(io::Error::other(
            "there are no log lines; give log files, or folders of them",
        ));
    }
    if args.output.text {
        draw::text::write(&diagram(args, &index, Detail::Events), out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.output.svg {
        let diagram = diagram(args, &index, Detail::Events);
        to_file(path, out, |out| draw::svg::write(&index, &diagram, out))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.output.html {
        let diagram = diagram(args, &index, Detail::Events);
        to_file(path, out, |out| draw::html::write(&index, &diagram, out))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.output.mermaid {
        export::mermaid::write(&diagram(args, &index, Detail::Events), out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.output.json || args.output.shiviz {
        // Exports have all events and replies, whatever a drawing leaves out.
        for chat in 0..index.chats.len() {
            let diagram = Diagram::of(&index, chat, Detail::All);
            if args.output.json {
                export::json::write(&index, &diagram, out)?;
            // The format has one execution a file: the last chat's.
            } else if chat + 1 == index.chats.len() {
                export::shiviz::write(&index, &diagram, out)?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let report = check(&index);
    write_report(&index, &report, out)?;
    let clean = report.counts.is_empty();
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Follows the logs until the process is interrupted, or its output is closed.
fn follow(args: &TraceArgs, paths: Vec<PathBuf>, out: &mut dyn Write) -> io::Result<ExitCode> {
    let show = if args.output.text {
        LiveView::Rows(args.last)
    } else {
        LiveView::Violations
    };
    let mut report = LiveReport::new(paths, show);
    loop {
        report.refresh(out).map_err(|error| match error {
            RefreshError::Read(error) => io::Error::other(error),
            RefreshError::Write(error) => error,
        })?;
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the edge, and a thread of its own"
        )]
        std::thread::sleep(report.interval());
    }
}

/// The diagram of the newest chat.
fn diagram(args: &TraceArgs, index: &TraceIndex<'_>, detail: Detail) -> Diagram {
    let chats = index.chats.len();
    if chats > 1 {
        eprintln!("chitty trace: the logs have {chats} chats; this is the last one");
    }
    let mut diagram = Diagram::of(index, chats.saturating_sub(1), detail);
    if args.last > 0 {
        diagram.last(index, args.last);
    }
    diagram
}

fn to_file(
    path: &Path,
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    if path == Path::new("-") {
        return write(out);
    }
    let failed = |error| io::Error::other(format!("cannot write {}: {error}", path.display()));
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    write(&mut file).and_then(|()| file.flush()).map_err(failed)
}

/// Writes a report as text that is safe for a terminal.
///
/// # Errors
///
/// Fails if `out` cannot be written.
pub fn write_report(
    index: &TraceIndex<'_>,
    report: &CheckReport,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = LineLookup::default();
    for violation in &report.violations {
        write_violation(index, violation, &mut lines, out)?;
    }
    let more = report.counts.values().sum::<u64>() - report.violations.len() as u64;
    if more > 0 {
        writeln!(out, "... and {more} more\n")?;
    }
    for unchecked in &report.unchecked {
        writeln!(out, "not checked: {}", display::safe(unchecked))?;
    }
    let trace = index.trace;
    let events: usize = index.chats.iter().map(|chat| chat.events.len()).sum();
    writeln!(
        out,
        "{} lines of {} runs in {} files; {events} events in {} chats",
        trace.lines,
        trace.runs.len(),
        trace.sources.len(),
        index.chats.len(),
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

/// Writes one violation with the log lines that show it.
pub(crate) fn write_violation(
    index: &TraceIndex<'_>,
    violation: &Violation,
    lines: &mut LineLookup,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "{}: {}",
        violation.rule,
        display::safe(&violation.message)
    )?;
    for at in &violation.lines {
        let location = index.step(*at).location;
        let source = index.trace.sources.get(location.file as usize);
        let name = source.map_or("", |source| source.name());
        let line = lines
            .get(&index.trace.sources, location)
            .unwrap_or_default();
        let (name, line) = (display::safe(name), display::safe(&line));
        writeln!(out, "  {name}:{}: {line}", location.line)?;
    }
    writeln!(out)
}
