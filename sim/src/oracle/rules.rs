//! The limits of the servers, and the states of the log in which a request can have been decided.

use std::time::{Duration, SystemTime};

use chitty_room::record::Record;

use super::{Evidence, ServerRun, number};

/// The resolution of times: two times that are closer than this can be in either order.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// The limits that justify refusals and announcements.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfiguredRules {
    /// How long a participant may be without a stream before it is announced as LOST.
    pub grace: Duration,
    /// How long participants may stay away from a server that started before they are CLOSED.
    pub restart_grace: Duration,
    /// How many participants may be present at once.
    pub max_participants: usize,
    /// How often a participant may publish; `None` if that is not limited.
    pub publish_rate: Option<PublishRate>,
}

/// A token bucket: `burst` messages at once, and one more after each interval.
#[derive(Clone, Copy, Debug)]
pub struct PublishRate {
    /// How many messages may come at once.
    pub burst: u32,
    /// How long it takes until one more is allowed.
    pub interval: Duration,
}

/// A state of the log in which a request can have been decided.
pub(super) struct DecisionPoint {
    /// The epoch of the log, as an index into [`Evidence::logs`].
    pub(super) log: usize,
    /// The head of the log at that point.
    pub(super) position: usize,
    /// When the server that decided had started.
    pub(super) server_started: SystemTime,
}

impl ServerRun {
    /// The last position that the server found when it started, or reported in its log before `time`.
    fn reported_before(&self, log: &[Record], time: SystemTime) -> usize {
        let found = log.partition_point(|record| record.event.at < self.started);
        let reported = self.lines.iter().rev().find(|line| {
            line.call == "Broadcast" && line.step == "sent" && line.time + TICK < time
        });
        let reported = reported.map_or(0, |line| number(line, "position"));
        found.max(usize::try_from(reported).unwrap_or(usize::MAX))
    }
}

impl Evidence {
    /// All states in which a server can have decided a request between these times.
    ///
    /// The earliest is the last position that was decided or reported by then: a batch that was
    /// decided but not durable yet may still have failed, and then the state before it counted.
    pub(super) fn decision_points(&self, from: SystemTime, to: SystemTime) -> Vec<DecisionPoint> {
        let mut decision_points = Vec::new();
        for (index, run) in self.servers.iter().enumerate() {
            let end = self.servers.get(index + 1).map(|next| next.started);
            // Servers that did not run between the two times decided nothing.
            if run.started > to + TICK || end.is_some_and(|end| end + TICK < from) {
                continue;
            }
            // The records' wall times never fall, since all simulated writers share one clock.
            let log = self.log(run.log);
            let decided = log.partition_point(|record| record.event.at + TICK < from);
            let first = decided.min(run.reported_before(log, from));
            let last = log.partition_point(|record| record.event.at <= to + TICK);
            decision_points.extend((first..=last).map(|position| DecisionPoint {
                log: run.log,
                position,
                server_started: run.started,
            }));
        }
        decision_points
    }
}
