//! Prints the figures side by side.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use color_eyre::eyre::Result;

use crate::measure::{Flooded, Idle, Scrolled};

/// The rows of the table.
#[derive(Default)]
pub(crate) struct ReportTable(Vec<ReportRow>);

struct ReportRow {
    what: String,
    bar: &'static str,
    /// The figures, in the order of the clients.
    figures: Vec<String>,
    /// Whether the bar is met; `None` if there is none.
    met: Option<bool>,
}

impl ReportTable {
    pub(crate) fn flood(&mut self, all: &[Vec<Flooded>; 3]) {
        let each = |what: fn(&Flooded) -> Duration| -> [Vec<Duration>; 3] {
            all.each_ref().map(|runs| runs.iter().map(what).collect())
        };
        let numbers = |what: fn(&Flooded) -> f64| -> Vec<String> {
            let runs = all.iter().map(|runs| runs.iter().map(what).collect());
            runs.map(|runs| format!("{:.0}", median_number(runs)))
                .collect()
        };
        let cpu = each(|run| run.cpu);
        let (own, irssi) = (median(&cpu[0]), median(&cpu[1]));
        self.row(
            "CPU per message, flood of 5,000 a second",
            "half of irssi",
            with_spread(&cpu, Unit::Microseconds),
            Some(own * 2 <= irssi),
        );
        self.row(
            "messages a second that were on the screen in time",
            "",
            numbers(|run| run.rate),
            None,
        );
        self.row(
            "bytes to the terminal per message",
            "",
            numbers(|run| run.bytes),
            None,
        );
        self.row(
            "bytes to the log per message",
            "",
            numbers(|run| run.logged),
            None,
        );
        self.away(&all[0]);
        self.keys(all);
    }

    fn away(&mut self, own: &[Flooded]) {
        let away: Vec<_> = own.iter().filter_map(|run| run.away).collect();
        let cpu: Vec<_> = away.iter().map(|(cpu, _)| *cpu).collect();
        self.row(
            "CPU per message, another window in front",
            "",
            with_spread(&[cpu], Unit::Microseconds),
            None,
        );
        let bytes = median_number(away.iter().map(|(_, bytes)| *bytes).collect());
        self.row(
            "bytes to the terminal per message, another window in front",
            "",
            vec![format!("{bytes:.0}")],
            None,
        );
    }

    fn keys(&mut self, all: &[Vec<Flooded>; 3]) {
        for (what, bar, limit, percent, keys) in [
            (
                "key to changed screen, idle, p50",
                "",
                None,
                50,
                (|run| &run.idle_keys) as fn(&Flooded) -> &_,
            ),
            (
                "key to changed screen, idle, p99",
                "5 ms",
                Some(5),
                99,
                |run| &run.idle_keys,
            ),
            (
                "key to changed screen, in the flood, p50",
                "",
                None,
                50,
                |run| &run.flood_keys,
            ),
            (
                "key to changed screen, in the flood, p99",
                "20 ms",
                Some(20),
                99,
                |run| &run.flood_keys,
            ),
        ] {
            let times = all.each_ref().map(|runs| {
                runs.iter()
                    .map(|run| keys(run).at(percent))
                    .collect::<Vec<_>>()
            });
            let met = limit.map(|limit| median(&times[0]) <= Duration::from_millis(limit));
            self.row(what, bar, with_spread(&times, Unit::Milliseconds), met);
        }
    }

    pub(crate) fn idle(&mut self, time: Duration, all: &[Idle]) {
        let seconds = time.as_secs();
        self.row(
            format!("bytes to the terminal, idle for {seconds} s"),
            "0",
            all.iter().map(|idle| idle.bytes.to_string()).collect(),
            all.first().map(|own| own.bytes == 0),
        );
        self.row(
            format!("CPU, idle for {seconds} s"),
            "0.1 %",
            all.iter()
                .map(|idle| format!("{:.3} %", idle.cpu * 100.0))
                .collect(),
            all.first().map(|own| own.cpu < 0.001),
        );
    }

    pub(crate) fn start(&mut self, all: &[Vec<Duration>]) {
        self.row(
            "start to the first text on the screen",
            "50 ms",
            with_spread(all, Unit::Milliseconds),
            all.first()
                .map(|own| median(own) < Duration::from_millis(50)),
        );
    }

    pub(crate) fn memory(&mut self, messages: [u64; 3], all: &[(u64, u64)]) {
        let megabytes = |bytes: u64| format!("{} MB", bytes / 1_000_000);
        self.row(
            "memory after the start",
            "",
            all.iter().map(|(before, _)| megabytes(*before)).collect(),
            None,
        );
        self.row(
            format!("memory after {} messages", messages[0]),
            "60 MB",
            all.iter()
                .zip(messages)
                .map(|((_, after), count)| {
                    let fewer = if count == messages[0] {
                        String::new()
                    } else {
                        format!(" (after {count})")
                    };
                    megabytes(*after) + &fewer
                })
                .collect(),
            all.first().map(|(_, after)| *after < 60_000_000),
        );
    }

    pub(crate) fn scroll(&mut self, events: u64, scrolled: &Scrolled) {
        let show = |percent| Unit::Milliseconds.show(scrolled.frames.at(percent));
        let most = scrolled.frames.at(100);
        self.row(
            format!("PageUp to its frame, from the end to the start of {events}: p50"),
            "",
            vec![show(50)],
            None,
        );
        self.row("the same: p99", "", vec![show(99)], None);
        self.row(
            "the same: the slowest",
            "16 ms",
            vec![show(100)],
            Some(scrolled.reached_top && most <= Duration::from_millis(16)),
        );
        let top = if scrolled.reached_top { "yes" } else { "no" };
        self.row(
            "the same: the first event was reached",
            "yes",
            vec![top.into()],
            Some(scrolled.reached_top),
        );
    }

    fn row(
        &mut self,
        what: impl Into<String>,
        bar: &'static str,
        figures: Vec<String>,
        met: Option<bool>,
    ) {
        self.0.push(ReportRow {
            what: what.into(),
            bar,
            figures,
            met,
        });
    }

    pub(crate) fn print(&self) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "| what | aim | chitty | irssi | weechat | |")?;
        writeln!(out, "| --- | --- | --: | --: | --: | --- |")?;
        for row in &self.0 {
            let figure = |index: usize| row.figures.get(index).map_or("–", String::as_str);
            let met = match row.met {
                Some(true) => "met",
                Some(false) => "missed",
                None => "",
            };
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {met} |",
                row.what,
                row.bar,
                figure(0),
                figure(1),
                figure(2)
            )?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Microseconds,
    Milliseconds,
}

impl Unit {
    fn show(self, time: Duration) -> String {
        match self {
            Self::Microseconds => format!("{:.1} µs", time.as_secs_f64() * 1e6),
            Self::Milliseconds => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        }
    }
}

/// The median of each client's runs, followed by the lowest and the highest.
fn with_spread(all: &[Vec<Duration>], unit: Unit) -> Vec<String> {
    all.iter()
        .map(|runs| {
            let lowest = runs.iter().min().copied().unwrap_or_default();
            let highest = runs.iter().max().copied().unwrap_or_default();
            format!(
                "{} ({}–{})",
                unit.show(median(runs)),
                unit.show(lowest),
                unit.show(highest)
            )
        })
        .collect()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn median_number(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
