//! The newcomers of one network, and the order in which they are let in.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use chitty_chat::SessionHash;
use tokio::time::Instant;

/// A refused newcomer is asked to wait at most this long because of others that were refused
/// before.
pub(super) const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// How long a reservation is kept after its owner may come back: twice the longest pause between
/// two attempts of a client.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(10);

/// Joins of one network that may wait for their turns at once.
const MOST_WAITING: usize = 32;

/// Longest wait for a turn; a client gives up after 5 s.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// How often a Join that is not first in the queue checks whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Reservations of one network. When it has more, the oldest is dropped: with this many, one that
/// is kept for 2 s outlives 2,000 refused connections a second.
pub(super) const MOST_RESERVED: usize = 4_096;

/// How a newcomer is recognised when it comes back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) enum NewcomerKey {
    /// By its session, which nobody else knows.
    Session(SessionHash),
    /// By its name, if the server is to pick the session. Others may use the same name.
    Name(Arc<str>),
}

/// A client that wants to join.
#[derive(Clone, Debug)]
pub(in crate::service) struct Newcomer {
    pub(in crate::service) key: NewcomerKey,
    pub(in crate::service) source: IpAddr,
    pub(in crate::service) connection: u64,
}

/// The newcomers of one network.
#[derive(Default)]
pub(super) struct NetworkQueue {
    /// Joins that got their turns and are not answered yet.
    pub(super) under_way: u32,
    /// The newcomers that came back as asked, by when they were first refused.
    pub(super) waiting: BTreeSet<QueuePlace>,
    pub(super) reservations: HashMap<NewcomerKey, Reservation>,
    by_connection: HashMap<u64, NewcomerKey>,
    /// The reservations from the oldest on. Some keys in it have none any more; `sweep` removes
    /// those.
    order: VecDeque<NewcomerKey>,
}

pub(super) type QueuePlace = (Instant, u64);

#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    /// When the newcomer was first refused.
    since: Instant,
    /// When its owner may come back.
    from: Instant,
    /// The place at which its owner waits, or waited.
    place: Option<QueuePlace>,
}

/// What is decided about a newcomer.
pub(super) enum QueueVerdict {
    Go,
    /// It is refused, and may come back after so long.
    Refuse(Duration),
    /// It waits at this place, and is to check again after so long.
    Wait(QueuePlace, Duration),
}

/// What a queue needs to know about the moment and about the other queues.
#[derive(Clone, Copy)]
pub(super) struct QueueContext {
    pub(super) now: Instant,
    /// A number that is different each time, so that places are unique.
    pub(super) number: u64,
    /// Whether one more reservation may be made.
    pub(super) has_space: bool,
    /// The time between two Joins at the configured rate.
    pub(super) interval: Duration,
}

impl NetworkQueue {
    pub(super) fn ask(
        &mut self,
        newcomer: &Newcomer,
        ready: impl Fn(u32) -> Result<(), Duration>,
        until: Instant,
        moment: QueueContext,
    ) -> QueueVerdict {
        let now = moment.now;
        let reserved = self.reservations.get(&newcomer.key).copied();
        match reserved.filter(|reservation| reservation.until() >= now) {
            Some(reservation) if now >= reservation.from => {
                self.line_up(newcomer, reservation, ready, until, moment)
            }
            // This may be somebody else with the same name, so the reservation is left as it is.
            Some(reservation) if matches!(newcomer.key, NewcomerKey::Name(_)) => {
                QueueVerdict::Refuse(reservation.from - now)
            }
            // It comes too early, or for the first time.
            early => {
                let wait = match ready(self.under_way + 1) {
                    // A newcomer that comes too early, or while others wait as asked, is refused
                    // even if there is a seat for it.
                    Ok(()) if early.is_none() && !self.is_anybody_first(now) => {
                        self.under_way += 1;
                        return QueueVerdict::Go;
                    }
                    Ok(()) => Duration::ZERO,
                    Err(wait) => wait,
                };
                self.reserve(newcomer, wait, moment)
            }
        }
    }

    /// Whether a newcomer that came back as asked waits, or was put off and is due to come again.
    fn is_anybody_first(&self, now: Instant) -> bool {
        let is_first = |held: &Reservation| held.place.is_some() && held.until() >= now;
        !self.waiting.is_empty() || self.reservations.values().any(is_first)
    }

    /// Lines up a newcomer that came back as asked. If too many wait, the one that was refused last
    /// is put off.
    fn line_up(
        &mut self,
        newcomer: &Newcomer,
        reservation: Reservation,
        ready: impl Fn(u32) -> Result<(), Duration>,
        until: Instant,
        moment: QueueContext,
    ) -> QueueVerdict {
        let place = (reservation.since, moment.number);
        // A request that is sent again takes the place of the first one.
        if let Some(older) = reservation.place {
            self.waiting.remove(&older);
        }
        self.waiting.insert(place);
        if let Some(reservation) = self.reservations.get_mut(&newcomer.key) {
            reservation.place = Some(place);
        }
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_last();
        }
        self.check_turn(place, &newcomer.key, ready, until, moment)
    }

    /// Checks whether it is this newcomer's turn.
    pub(super) fn check_turn(
        &mut self,
        place: QueuePlace,
        key: &NewcomerKey,
        ready: impl Fn(u32) -> Result<(), Duration>,
        until: Instant,
        moment: QueueContext,
    ) -> QueueVerdict {
        if !self.waiting.contains(&place) {
            return self.put_off(key, Duration::ZERO, moment);
        }
        let wait = if self.waiting.first() == Some(&place) {
            match ready(self.under_way + 1) {
                Ok(()) => {
                    self.waiting.remove(&place);
                    self.reservations.remove(key);
                    self.under_way += 1;
                    return QueueVerdict::Go;
                }
                Err(wait) => wait,
            }
        } else {
            LOOK_EVERY
        };
        if moment.now + wait <= until {
            return QueueVerdict::Wait(place, wait);
        }
        self.waiting.remove(&place);
        self.put_off(key, wait, moment)
    }

    /// Refuses a newcomer once more. Its reservation keeps its age.
    fn put_off(&mut self, key: &NewcomerKey, wait: Duration, moment: QueueContext) -> QueueVerdict {
        let retry_in = self.retry_in(wait, moment);
        if let Some(reservation) = self.reservations.get_mut(key) {
            reservation.from = moment.now + retry_in;
        }
        QueueVerdict::Refuse(retry_in)
    }

    fn reserve(
        &mut self,
        newcomer: &Newcomer,
        wait: Duration,
        moment: QueueContext,
    ) -> QueueVerdict {
        let Newcomer {
            key, connection, ..
        } = newcomer;
        // One reservation for each connection: one that asks under many keys loses the older ones.
        let older = self.by_connection.insert(*connection, key.clone());
        if let Some(older) = older.filter(|older| older != key) {
            self.reservations.remove(&older);
        }
        while self.reservations.len() >= MOST_RESERVED
            && let Some(oldest) = self.order.pop_front()
        {
            self.reservations.remove(&oldest);
        }
        let retry_in = self.retry_in(wait, moment);
        if moment.has_space || self.reservations.contains_key(key) {
            let reservation = Reservation {
                since: moment.now,
                from: moment.now + retry_in,
                place: None,
            };
            self.reservations.insert(key.clone(), reservation);
            self.order.push_back(key.clone());
        }
        // `order` collects keys whose reservations are gone.
        if self.order.len() > 2 * MOST_RESERVED {
            self.sweep(moment.now);
        }
        QueueVerdict::Refuse(retry_in)
    }

    /// After which time a refused newcomer is to come back: later, the more others there are, so
    /// that they do not all come at once.
    fn retry_in(&self, wait: Duration, moment: QueueContext) -> Duration {
        let before = u32::try_from(self.reservations.len()).unwrap_or(u32::MAX);
        let others = moment.interval.saturating_mul(before.saturating_add(1));
        wait.max(others.min(LONGEST_RETRY))
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.reservations
            .retain(|_, reservation| reservation.until() >= now);
        let reservations = &self.reservations;
        let mut known = HashSet::new();
        self.order
            .retain(|key| reservations.contains_key(key) && known.insert(key.clone()));
        self.by_connection
            .retain(|_, key| reservations.contains_key(key));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty() && self.reservations.is_empty()
    }
}

impl Reservation {
    fn until(self) -> Instant {
        self.from + KEPT_FOR
    }
}
