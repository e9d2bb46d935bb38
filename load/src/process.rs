//! The resources that a process uses, as Linux reports them.

use std::{fs, io, time::Duration};

use thiserror::Error;

/// Why the use of a process is not known.
#[derive(Debug, Error)]
pub enum UsageError {
    /// The process has ended, or the system has no `/proc`.
    #[error("cannot read what process {process} uses; does it still run? ({error})")]
    Read {
        /// Its number, or `self`.
        process: String,
        /// The error that the system reported.
        error: io::Error,
    },
    /// The system reports it in another form than Linux does.
    #[error("cannot find {what} in /proc/{process}; is this Linux?")]
    Missing {
        /// The field that is missing.
        what: &'static str,
        /// Its number, or `self`.
        process: String,
    },
}

fn read(process: &str, file: &str) -> Result<String, UsageError> {
    fs::read_to_string(format!("/proc/{process}/{file}")).map_err(|error| UsageError::Read {
        process: process.to_owned(),
        error,
    })
}

/// The CPU time of all threads of a process so far, user and system. `process` is its number, or
/// `self`.
pub fn cpu(process: &str) -> Result<Duration, UsageError> {
    // The clock of these fields is 100 Hz on every Linux (`sysconf(_SC_CLK_TCK)`).
    let stat = read(process, "stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok());
    Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
}

/// KiB that a server may have resident at most beyond what it needs by itself. `replies` is in MiB
/// (docs/protocol.md, "Memory").
pub const fn promised(participants: u64, unjoined: u64, replies: u64) -> u64 {
    participants * 288 + unjoined * 192 + ((4 + 72 + replies) << 10)
}

/// Resident memory in KiB.
pub fn resident(process: &str) -> Result<u64, UsageError> {
    status(process, "VmRSS:")
}

/// The peak of resident memory in KiB.
pub fn peak(process: &str) -> Result<u64, UsageError> {
    status(process, "VmHWM:")
}

fn status(process: &str, what: &'static str) -> Result<u64, UsageError> {
    let status = read(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| UsageError::Missing {
            what,
            process: process.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_uses() {
        let resident = resident("self").expect("it runs");
        assert!(resident > 0);
        assert!(peak("self").expect("it runs") >= resident);
        assert!(cpu("self").is_ok());
    }

    #[test]
    fn a_process_that_is_not_there() {
        let error = resident("0").expect_err("the system's own number");
        assert!(error.to_string().contains("process 0"), "{error}");
    }
}
