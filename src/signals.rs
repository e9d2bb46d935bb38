//! Signals that the parent process wants this process to ignore.

use rustix::process::Signal;

/// Whether this process ignores a signal; `None` if the system does not say, as only Linux does.
///
/// `nohup` and shells start programs with some signals ignored, so that these do not end them:
/// SIGHUP, and for a background job SIGINT and SIGQUIT. Installing a handler for such a signal
/// would undo that, so check this first.
pub fn is_ignored(signal: Signal) -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    // The lowest bit is that of signal 1.
    let bit = u32::try_from(signal.as_raw()).ok()?.checked_sub(1)?;
    Some(mask.checked_shr(bit)? & 1 != 0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_told() {
        // Rust's runtime ignores it, so that a pipe without a reader is an error.
        assert_eq!(is_ignored(Signal::PIPE), Some(true));
        assert_eq!(is_ignored(Signal::SEGV), Some(false));
    }
}
