//! Parsers for the values of options.

use std::{path::PathBuf, time::Duration};

use chitty_chat::files;
use clap::{
    Args,
    builder::{PathBufValueParser, TypedValueParser},
};

use crate::{data::default_data_dir, log::Keep};
use chitty_room::rate::Rate;

/// The longest time that an option takes, so that adding it to a clock cannot overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "give a number of seconds, such as 10")?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if time > LONGEST {
        return Err("give at most ten years".into());
    }
    Ok(time)
}

/// A parser for paths that no shell has expanded, as in an environment variable.
pub(crate) fn user_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(files::user_path)
}

/// The folder of a chat, for commands about a chat or its server.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Folder of the chat [default: chitty-chat in the XDG data folder]
    #[arg(long, env = "CHITTY_DATA", value_name = "DIR", value_parser = user_path())]
    pub(crate) data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder that is named, or the default one.
    pub(crate) fn folder(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(default_data_dir)
    }
}

/// The limit of the client: `chitty` shows the first 20,000 participants, and refuses a Welcome
/// larger than one with that many of the longest names.
const MOST_PARTICIPANTS: usize = 20_000;

pub(super) fn parse_number(text: &str) -> Result<usize, &'static str> {
    text.parse().map_err(|_| "give a whole number, such as 100")
}

pub(super) fn parse_participants(text: &str) -> Result<usize, String> {
    match parse_number(text)? {
        number @ 1..=MOST_PARTICIPANTS => Ok(number),
        _ => Err(format!("give a number from 1 to {MOST_PARTICIPANTS}")),
    }
}

/// A rate limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited(pub Option<Rate>);

pub(super) fn parse_rate(text: &str) -> Result<Limited, String> {
    const HELP: &str = "give so many a second and so many at once, such as 5/10, or off";
    if text == "off" {
        return Ok(Limited(None));
    }
    let (rate, burst) = text.split_once('/').ok_or(HELP)?;
    let rate: f64 = rate.parse().map_err(|_| HELP)?;
    let burst: u32 = burst.parse().map_err(|_| HELP)?;
    match Duration::try_from_secs_f64(1.0 / rate) {
        Ok(interval) if burst > 0 && interval > Duration::ZERO => {
            Ok(Limited(Some(Rate { burst, interval })))
        }
        _ => Err(HELP.into()),
    }
}

pub(super) fn parse_keep(text: &str) -> Result<Keep, String> {
    const HELP: &str = "give a number of events, such as 100000, or a size, such as 64MiB";
    let (number, unit) = split_unit(text).ok_or(HELP)?;
    if number == 0 {
        return Err("keep at least one event".into());
    }
    if unit.is_empty() {
        return Ok(Keep::Events(number));
    }
    let shift = shift_of(unit).ok_or(HELP)?;
    Ok(Keep::Bytes(
        number
            .checked_mul(1 << shift)
            .ok_or("that is more than any disk holds")?,
    ))
}

/// Parses a size, and returns it in bytes.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    const HELP: &str = "give a size, such as 32MiB";
    let (number, unit) = split_unit(text).ok_or(HELP)?;
    let shift = shift_of(unit).ok_or(HELP)?;
    number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "that is more than any memory holds".into())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    Some((digits.parse().ok()?, &text[digits.len()..]))
}

/// A unit, as a power of 2.
fn shift_of(unit: &str) -> Option<u32> {
    match unit {
        "B" => Some(0),
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_events_or_sizes() {
        assert_eq!(parse_keep("1000"), Ok(Keep::Events(1000)));
        assert_eq!(parse_keep("64MiB"), Ok(Keep::Bytes(64 << 20)));
        assert_eq!(parse_keep("1GiB"), Ok(Keep::Bytes(1 << 30)));
        for bad in ["", "0", "MiB", "10 MB", "-1", "99999999999GiB", "1e3", "٣"] {
            assert!(parse_keep(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn there_are_no_more_participants_than_clients_can_be_told_of() {
        assert_eq!(parse_participants("1"), Ok(1));
        assert_eq!(parse_participants("20000"), Ok(MOST_PARTICIPANTS));
        for bad in ["", "0", "-1", "20001", "many", "1e3"] {
            assert!(parse_participants(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(parse_size("32MiB"), Ok(32 << 20));
        assert_eq!(parse_size("0B"), Ok(0));
        for bad in ["", "32", "MiB", "1.5MiB", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_so_many_a_second_and_so_many_at_once() {
        let rate = |per_second, burst| Ok(Limited(Some(Rate::per_second(per_second, burst))));
        assert_eq!(parse_rate("5/10"), rate(5, 10));
        assert_eq!(parse_rate("10/50"), rate(10, 50));
        let slow = Rate {
            burst: 1,
            interval: Duration::from_secs(2),
        };
        assert_eq!(parse_rate("0.5/1"), Ok(Limited(Some(slow))));
        assert_eq!(parse_rate("off"), Ok(Limited(None)));
        for bad in [
            "", "5", "/", "5/", "0/1", "5/0", "-1/1", "nan/1", "inf/1", "1e12/1", "5/10/2",
            "1e-30/1",
        ] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_may_be_parts_of_one() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "-1", "nan", "inf", "ten", "1e18"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
