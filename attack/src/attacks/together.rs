//! All attacks on memory at the same time.

use color_eyre::eyre::Result;

use super::{Limits, Outcome, Target, calls, connections, frames, logs, seats};

/// Limits that are small enough for the attacks to reach them.
pub(super) const LIMITS: Limits = Limits {
    participants: 1000,
    unjoined: 400,
    replies: 8,
};

pub(super) async fn run(target: &Target<'_>) -> Result<Outcome> {
    let (pages, halves, welcomes, watchers, history, joins, leaves, pings) = tokio::join!(
        calls::zero_windows(target),
        calls::half_bodies(target),
        seats::some_unread_welcomes(target),
        connections::watchers(target),
        calls::history_loop(target),
        calls::join_flood(target),
        logs::unknown_leaves(target),
        frames::pings(target),
    );
    let parts = [
        pages, halves, welcomes, watchers, history, joins, leaves, pings,
    ];
    let (mut done, mut failed) = (0, 0);
    for part in &parts {
        match part {
            Ok(outcome) => done += outcome.done,
            // Such as one who was not let in.
            Err(_) => failed += 1,
        }
    }
    let (peak, promised) = (target.server.memory()?.peak, LIMITS.promised(target.base));
    Ok(Outcome {
        done,
        figure: format!(
            "{} MiB at most, where {} may be; {failed} of {} did not get in",
            peak / 1024,
            promised / 1024,
            parts.len()
        ),
    })
}
