//! How often the log is read for a resume before its Join is decided.

use std::{
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chitty_chat::ParticipantNumber;

use chitty_room::{
    Lookup, Outlook, RoomRules,
    rate::{Buckets, Rate, Sources},
};

/// How many times as often as it may join a source may have the log read. A client that breaks off
/// before its Join is decided uses up a look-up and no Join, and must not take those of others.
const PER_ARRIVAL: u32 = 2;

/// The rate limits on look-ups: by participant for one that is present, otherwise by source. They
/// are counted before the log is read.
#[derive(Default)]
pub(super) struct LookUps {
    participants: Mutex<Buckets<ParticipantNumber>>,
    sources: Mutex<Sources>,
}

impl LookUps {
    /// Checks whether a newcomer's look-up may be made now; the error is the time after which it
    /// may. `rate` is that of Joins from one source.
    pub(super) fn check(
        &self,
        outlook: Outlook,
        source: IpAddr,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        match (outlook.lamport, outlook.participant) {
            (Lookup::InLog(_), None) => {
                lock(&self.sources).check(source, 1, rate.times(PER_ARRIVAL), now)
            }
            _ => Ok(()),
        }
    }

    /// Counts a look-up; the error is the time after which it may be made.
    pub(super) fn count(
        &self,
        outlook: Outlook,
        source: Option<IpAddr>,
        rules: &RoomRules,
        now: Duration,
    ) -> Result<(), Duration> {
        match (outlook.participant, source) {
            (Some(participant), _) => match rules.stream_rate {
                Some(rate) => lock(&self.participants).take(participant, rate, now),
                None => Ok(()),
            },
            (None, Some(source)) => match rules.join_rate {
                Some(rate) => lock(&self.sources).take(source, rate.times(PER_ARRIVAL), now),
                None => Ok(()),
            },
            (None, None) => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
