//! What a server was configured to do, and as of when it decided.

use std::time::{Duration, SystemTime};

use chitty_server::record::Record;

use super::{Evidence, ServerRun, number};

/// How finely times are told: what lies this close together may be in either order.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Limits that refusals and announcements rest on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// How long a participant has to come back whose stream ended.
    pub grace: Duration,
    /// How long those who were present have to come back to a server that starts.
    pub restart_grace: Duration,
    /// How many may be present.
    pub max_participants: usize,
    /// How often a participant may write, if that is limited.
    pub publish_rate: Option<PublishRate>,
}

/// So many lines at once, and one more each interval.
#[derive(Clone, Copy, Debug)]
pub struct PublishRate {
    /// At once.
    pub burst: u32,
    /// For each.
    pub interval: Duration,
}

/// A state of a log in which a request may have been decided.
pub(super) struct Moment {
    /// Which life of the log.
    pub(super) log: usize,
    /// Its end then.
    pub(super) position: usize,
    /// When the server started that decided.
    pub(super) server_started: SystemTime,
}

impl ServerRun {
    /// How much of its log it had found when it started, or told since.
    fn told_before(&self, log: &[Record], time: SystemTime) -> usize {
        let found = log.partition_point(|record| record.event.at < self.started);
        let told = self.lines.iter().rev().find(|line| {
            line.call == "Broadcast" && line.step == "sent" && line.time + TICK < time
        });
        let told = told.map_or(0, |line| number(line, "position"));
        found.max(usize::try_from(told).unwrap_or(usize::MAX))
    }
}

impl Evidence {
    /// All states of all logs that a server had between these times: as of what it had decided, or,
    /// while that was not durable yet, as of what it had told.
    pub(super) fn moments(&self, from: SystemTime, to: SystemTime) -> Vec<Moment> {
        let mut moments = Vec::new();
        for (index, run) in self.servers.iter().enumerate() {
            let end = self.servers.get(index + 1).map(|next| next.started);
            if run.started > to + TICK || end.is_some_and(|end| end + TICK < from) {
                continue;
            }
            // Times of a log never fall, as all its writers have one clock.
            let log = self.log(run.log);
            let decided = log.partition_point(|record| record.event.at + TICK < from);
            let first = decided.min(run.told_before(log, from));
            let last = log.partition_point(|record| record.event.at <= to + TICK);
            moments.extend((first..=last).map(|position| Moment {
                log: run.log,
                position,
                server_started: run.started,
            }));
        }
        moments
    }
}
