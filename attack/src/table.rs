//! The table, as rows of Markdown.

use std::time::Duration;

use color_eyre::eyre::Report;

use crate::{honest::Waited, run::Row};

pub(crate) const HEAD: &str = "\
| attack | server | resident: before, peak, after | CPU of one core | lines of others: p50 | p99 | max | History, at worst | newcomer, at worst | resume, at worst | the attack itself |
| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --- |";

pub(crate) fn row(attack: &str, build: &str, row: &Row) -> String {
    let seen = &row.seen;
    let of = |percent| millis(percentile(&seen.broadcasts, percent));
    let mut said = vec![row.figure.clone()];
    if seen.refused > 0 {
        said.push(format!(
            "{} lines of others were refused ({})",
            seen.refused, seen.refusal
        ));
    }
    if seen.missing > 0 {
        said.push(format!("{} lines of others are missing", seen.missing));
    }
    if seen.lost > 0 {
        said.push(format!("who came back had been lost: {} times", seen.lost));
    }
    said.retain(|part| !part.is_empty());
    format!(
        "| {attack} | {build} | {}, {}, {} MiB | {:.0} % | {} | {} | {} | {} | {} | {} | {} |",
        row.base / 1024,
        row.peak / 1024,
        row.after / 1024,
        row.busy * 100.0,
        of(50),
        of(99),
        of(100),
        waited(seen.history),
        waited(seen.newcomer),
        waited(seen.resume),
        said.join("; ")
    )
}

/// The row of an attack that could not be measured, or whose server ended.
pub(crate) fn failure(attack: &str, build: &str, error: &Report) -> String {
    format!("| {attack} | {build} | | | | | | | | | **{error:#}** |")
}

fn waited(waited: Option<Waited>) -> String {
    match waited {
        None => String::new(),
        Some(Waited::For(time)) => millis(time),
        Some(Waited::InVain(time)) => format!("in vain for {:.0} s", time.as_secs_f64()),
    }
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 10_000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1e3)
    }
}

/// A percentile of sorted times, by the nearest-rank method.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_as_many_digits_as_say_something() {
        for (micros, text) in [
            (0, "0.0 ms"),
            (1_250, "1.2 ms"),
            (150_400, "150 ms"),
            (20_000_000, "20.0 s"),
        ] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
        let seconds = Duration::from_secs(30);
        assert_eq!(waited(Some(Waited::InVain(seconds))), "in vain for 30 s");
        assert!(Waited::InVain(seconds) > Waited::For(2 * seconds));
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
