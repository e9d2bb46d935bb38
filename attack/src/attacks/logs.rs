//! Attacks on the server's log files by clients without a session.

use std::{
    collections::HashMap, fs, io, os::unix::fs::MetadataExt as _, path::Path, time::Duration,
};

use chitty_chat::proto::v1::LeaveRequest;
use chitty_load::http2::headers;
use color_eyre::eyre::Result;

use super::{
    Outcome, Target,
    calls::{Calls, per_second, repeat},
};
use crate::namespace::host;

/// How often the files are checked: far more often than one is full.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn unknown_leaves(target: &Target<'_>) -> Result<Outcome> {
    let calls = Calls {
        headers: headers("Leave"),
        in_flight: 32,
        message: |number| LeaveRequest {
            session: format!("{number:022}"),
            lamport: 1,
        },
        reset: false,
    };
    let logs = target.server.logs();
    let mut written = Written::default();
    written.look(&logs)?;
    let before = written.all();
    let attack = repeat(target, host(2), 3, &calls);
    tokio::pin!(attack);
    let counts = loop {
        tokio::select! {
            counts = &mut attack => break counts,
            () = tokio::time::sleep(LOOK) => written.look(&logs)?,
        }
    };
    written.look(&logs)?;
    let bytes = written.all() - before;
    let lines = bytes / mean_line(&logs)?;
    let seconds = target.time.as_secs_f64();
    Ok(Outcome {
        done: counts.answered() + counts.cut,
        figure: format!(
            "{} calls a second; {} lines and {} KiB of server.log a second",
            per_second(counts.answered(), seconds),
            per_second(lines, seconds),
            per_second(bytes / 1024, seconds)
        ),
    })
}

/// Bytes that were written to each file that ever existed, including those that rotation deleted.
#[derive(Default)]
struct Written(HashMap<u64, u64>);

impl Written {
    fn look(&mut self, logs: &Path) -> io::Result<()> {
        for entry in fs::read_dir(logs)? {
            // It may be gone since.
            if let Ok(metadata) = entry.and_then(|entry| entry.metadata()) {
                let size = self.0.entry(metadata.ino()).or_default();
                *size = metadata.len().max(*size);
            }
        }
        Ok(())
    }

    fn all(&self) -> u64 {
        self.0.values().sum()
    }
}

/// The size of the newest file in bytes.
fn mean_line(logs: &Path) -> io::Result<u64> {
    let text = fs::read(logs.join("server.log"))?;
    let lines = text.split(|&byte| byte == b'\n').count();
    Ok((text.len() / lines.max(1)).max(1) as u64)
}
