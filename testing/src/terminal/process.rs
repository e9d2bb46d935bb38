//! Processes from outside: waiting for them, and signals to them.

use std::{process::Command, thread, time::Duration};

/// Longer than anything here should take; only a test that fails waits this long.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for this long in real time.
#[expect(clippy::disallowed_methods, reason = "real processes take real time")]
pub fn pause(time: Duration) {
    thread::sleep(time);
}

/// Polls until the condition holds, and returns its value. Fails after a long time, with what `ask`
/// says is there instead.
pub fn wait_until<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    #[expect(clippy::disallowed_methods, reason = "real processes take real time")]
    let (now, sleep) = (std::time::Instant::now, thread::sleep);
    let end = now() + PATIENCE;
    loop {
        match ask() {
            Ok(value) => return value,
            Err(instead) if now() >= end => panic!("{what}: not so; instead:\n{instead}"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

/// The login name of the user who runs the test.
pub fn login_name() -> String {
    let output = Command::new("id").arg("-un").output().expect("id is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Sends a signal to a process; the name is one of `kill -l`, such as `TERM`.
pub fn signal(process: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(status.expect("kill is there").success(), "{name}");
}
