//! The ambient functions: real time and real processes are what is measured here.

use std::{
    fs, io,
    time::{Duration, Instant},
};

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "no runtime runs on this thread")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn sleep_until(at: Instant) {
    sleep(at.saturating_duration_since(now()));
}

/// The CPU time of all threads of a process, to the nanosecond. It does not include threads that
/// have ended.
pub(crate) fn cpu(process: u32) -> io::Result<Duration> {
    let mut all = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // The thread may have ended meanwhile.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        let first = text.split_whitespace().next();
        let nanoseconds = first.and_then(|field| field.parse().ok());
        all += Duration::from_nanos(nanoseconds.unwrap_or(0));
    }
    Ok(all)
}

/// Resident memory in bytes.
pub(crate) fn memory(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("the system does not tell a process's memory"))
}
