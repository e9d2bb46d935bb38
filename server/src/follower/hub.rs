//! Where the sequencer and the followers meet: the durable head, the newest events, and who is to
//! be woken.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use chitty_chat::{Event, ParticipantNumber, Position};
use tokio::{sync::Notify, time::sleep};

use super::{
    FollowerLimits,
    ring::{Ring, RingRead},
    subscription::{Subscription, TICKS},
    wave::{PART, Waves},
};
use crate::net::StreamAbort;

/// Shared by the sequencer, which feeds it, and all followers.
pub struct Hub {
    head: AtomicU64,
    ring: RwLock<Ring>,
    subscriptions: Mutex<Subscriptions>,
    waves: Waves,
    stall: Duration,
    /// Counts the looks that were taken at streams which do not read.
    tick: AtomicU64,
    detached: Mutex<Vec<Detached>>,
    detachment: Notify,
    closed: AtomicBool,
}

/// A stream that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detached {
    /// Whose.
    pub participant: ParticipantNumber,
    /// Which of its streams.
    pub generation: u64,
}

/// What a follower is told beside events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A newer stream of the same participation has come.
    TakenOver,
    /// It has not read for too long.
    TooSlow,
    /// The server goes down.
    Shutdown,
}

#[derive(Default)]
struct Subscriptions {
    current: BTreeMap<ParticipantNumber, Arc<Subscription>>,
    /// Taken over, and not ended yet: one for each participant, as those before it are cut.
    older: BTreeMap<ParticipantNumber, Arc<Subscription>>,
}

/// A stream that is attached: when this is dropped, the participant has the grace to come back.
#[derive(Debug)]
pub struct Attachment {
    hub: Arc<Hub>,
    subscription: Arc<Subscription>,
    participant: ParticipantNumber,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// A hub behind `head`.
    pub fn new(limits: FollowerLimits, head: Position) -> Self {
        Self {
            head: AtomicU64::new(head.get()),
            ring: RwLock::new(Ring::new(limits, head)),
            subscriptions: Mutex::new(Subscriptions::default()),
            waves: Waves::default(),
            stall: limits.stall,
            tick: AtomicU64::new(1),
            detached: Mutex::new(Vec::new()),
            detachment: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The durable end of the log.
    pub fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    /// What just became durable, in order: everybody is woken for it, at once where all has been
    /// calm.
    pub fn publish<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let count = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.push(events);
            let head = ring.head().get();
            head - self.head.swap(head, Ordering::AcqRel)
        };
        if self.waves.is_due(u32::try_from(count).unwrap_or(u32::MAX)) {
            self.wake_wave(None);
        }
    }

    /// A stream begins. An older one of the same participation is taken over.
    pub fn attach(self: &Arc<Self>, participant: ParticipantNumber, generation: u64) -> Attachment {
        let tick = self.tick.load(Ordering::Acquire);
        let subscription = Arc::new(Subscription::new(generation, tick));
        let mut subscriptions = self.subscriptions();
        if let Some(older) = subscriptions
            .current
            .insert(participant, Arc::clone(&subscription))
        {
            older.take_over();
            // Else whoever joins in a loop and does not read has any number of streams.
            if let Some(oldest) = subscriptions.older.insert(participant, older) {
                oldest.abort();
            }
        }
        drop(subscriptions);
        Attachment {
            hub: Arc::clone(self),
            subscription,
            participant,
        }
    }

    /// Ends every stream: the server goes down.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake_all();
    }

    /// How many streams are attached.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.subscriptions().current.len()
    }

    /// Wakes followers for what came too soon after the last time, and looks after streams that do
    /// not read, for as long as it is polled.
    pub async fn run(&self) -> Infallible {
        tokio::join!(self.make_waves(), self.watch_stalls()).0
    }

    async fn make_waves(&self) -> Infallible {
        loop {
            let next = self.waves.next().await;
            if next.gave_up {
                self.give_up();
            }
            self.wake_wave(next.after);
        }
    }

    async fn watch_stalls(&self) -> Infallible {
        // HTTP/2 asks a stream for nothing while its peer has no room for more, so that a stream
        // cannot notice by itself that it stands still.
        let pause = (self.stall / TICKS).max(Duration::from_millis(1));
        loop {
            sleep(pause).await;
            self.check_stalls();
        }
    }

    /// One look: [`TICKS`] of them are the time that a stream may stand still.
    pub(super) fn check_stalls(&self) {
        let now = self.tick.fetch_add(1, Ordering::AcqRel) + 1;
        let head = self.head();
        let subscriptions = self.subscriptions();
        for subscription in subscriptions
            .current
            .values()
            .chain(subscriptions.older.values())
        {
            subscription.check_stall(now, head);
        }
    }

    /// The streams that ended since the last call.
    pub fn take_detached(&self) -> Vec<Detached> {
        std::mem::take(&mut self.detached.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns when a stream has ended.
    pub async fn detachment(&self) {
        self.detachment.notified().await;
    }

    fn wake_all(&self) {
        for subscription in self.subscriptions().current.values() {
            subscription.wake();
        }
    }

    /// Wakes the next part of a wave: those after this participant, or the first.
    fn wake_wave(&self, after: Option<ParticipantNumber>) {
        let head = self.head();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let in_flight = self.waves.in_flight();
        // The wave counts itself: it does not end before all were woken, however quick they are,
        // and it ends even if nobody waits.
        in_flight.add();
        let subscriptions = self.subscriptions();
        let mut woken = 0;
        for (&participant, subscription) in subscriptions.current.range((from, Bound::Unbounded)) {
            if subscription.deliver(head, in_flight) {
                woken += 1;
            }
            if woken == PART {
                self.waves.go_on_after(participant);
                break;
            }
        }
        drop(subscriptions);
        self.waves.ended(in_flight.remove());
    }

    /// Does not wait any longer for those who were woken and have not come.
    fn give_up(&self) {
        let subscriptions = self.subscriptions();
        for subscription in subscriptions
            .current
            .values()
            .chain(subscriptions.older.values())
        {
            self.delivered(subscription);
        }
    }

    fn delivered(&self, subscription: &Subscription) {
        let in_flight = self.waves.in_flight();
        self.waves.ended(subscription.delivered(in_flight));
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Whose.
    pub fn participant(&self) -> ParticipantNumber {
        self.participant
    }

    /// Which stream of the participation.
    pub fn generation(&self) -> u64 {
        self.subscription.generation()
    }

    /// Gives the means to end the stream while its body is not asked for anything.
    pub fn set_abort(&self, abort: StreamAbort) {
        self.subscription.set_abort(abort);
    }

    /// HTTP/2 got all of the Welcome.
    pub(super) fn welcomed(&self) {
        self.subscription.welcomed();
    }

    /// HTTP/2 has room for more.
    pub(super) fn polled(&self) {
        self.hub.delivered(&self.subscription);
        self.subscription.polled();
    }

    /// Called before the last look, so that nothing that comes meanwhile is missed.
    pub(super) fn register_waker(&self, waker: &Waker) {
        self.subscription.register_waker(waker);
    }

    /// HTTP/2 got something, the last of which is at `cursor`.
    pub(super) fn handed_over(&self, cursor: Position) {
        self.subscription
            .handed_over(cursor, self.hub.tick.load(Ordering::Acquire));
    }

    pub(super) fn close_reason(&self) -> Option<CloseReason> {
        self.subscription.close_reason().or_else(|| {
            self.hub
                .closed
                .load(Ordering::Acquire)
                .then_some(CloseReason::Shutdown)
        })
    }

    pub(super) fn take(&self, after: Position) -> RingRead {
        if after >= self.hub.head() {
            return RingRead::UpToDate;
        }
        self.hub
            .ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .take(after, self.participant)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        {
            let mut subscriptions = self.hub.subscriptions();
            let Subscriptions { current, older } = &mut *subscriptions;
            for subscriptions in [current, older] {
                let subscription = subscriptions.get(&self.participant);
                if subscription
                    .is_some_and(|subscription| Arc::ptr_eq(subscription, &self.subscription))
                {
                    subscriptions.remove(&self.participant);
                }
            }
        }
        self.hub.delivered(&self.subscription);
        let detached = Detached {
            participant: self.participant,
            generation: self.subscription.generation(),
        };
        // At most one for each stream that is open: bounded by the number of streams.
        self.hub
            .detached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(detached);
        self.hub.detachment.notify_one();
    }
}
