//! Where the sequencer and the followers meet: the durable head, the newest events, and the
//! followers to wake.

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

use chitty_chat::{ParticipantNumber, Position};
use tokio::time::sleep;

use super::{
    ChatSlot, Detached, DetachedStreams, FollowerLimits,
    pages::{PageBudget, PagePermit},
    ring::{Ring, RingRead},
    subscription::{Subscription, TICKS},
    wave::{PART, Waves},
};
use crate::net::StreamAbort;
use chitty_room::record::EncodedEvent;

/// The meeting point of the sequencer, which publishes events, and all followers of the chat.
pub struct Hub {
    head: AtomicU64,
    ring: RwLock<Ring>,
    subscriptions: Mutex<Subscriptions>,
    waves: Waves,
    /// What followers that lag may read.
    stall: Duration,
    /// The number of the current stall check. Stalls are measured in these ticks, so that a
    /// follower stores a number instead of reading a clock for each event.
    tick: AtomicU64,
    /// The chat, as the hub names it when it reports that a stream has ended.
    chat: ChatSlot,
    shared: SharedByHubs,
    closed: AtomicBool,
}

/// What the hubs of all chats of a server have in common. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct SharedByHubs {
    /// The streams that ended.
    pub detached: Arc<DetachedStreams>,
    /// The memory for followers that lag, which is a limit of the whole server.
    pages: PageBudget,
}

/// Why a stream has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A newer stream of the same participation has come.
    TakenOver,
    /// It has not read for too long.
    TooSlow,
    /// The server is shutting down.
    Shutdown,
}

#[derive(Default)]
struct Subscriptions {
    current: BTreeMap<ParticipantNumber, Arc<Subscription>>,
    /// Streams that were taken over and have not ended yet: at most one for each participant, since
    /// the ones before it are aborted.
    older: BTreeMap<ParticipantNumber, Arc<Subscription>>,
}

/// A stream's registration at the hub. Dropping it detaches the stream, and the participant's grace
/// begins.
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
    /// A hub for a log that ends at `head`, the only one of its sequencer.
    pub fn new(limits: FollowerLimits, head: Position) -> Self {
        Self::of_chat(ChatSlot::default(), limits, head, SharedByHubs::default())
    }

    /// A hub for the log of this chat, which ends at `head`.
    pub fn of_chat(
        chat: ChatSlot,
        limits: FollowerLimits,
        head: Position,
        shared: SharedByHubs,
    ) -> Self {
        Self {
            head: AtomicU64::new(head.get()),
            ring: RwLock::new(Ring::new(limits, head)),
            subscriptions: Mutex::new(Subscriptions::default()),
            waves: Waves::default(),
            stall: limits.stall,
            tick: AtomicU64::new(1),
            chat,
            shared,
            closed: AtomicBool::new(false),
        }
    }

    /// The durable end of the log.
    pub fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    /// Publishes the events that just became durable, in order. Followers are woken at once if the
    /// chat has been calm, and with the next wave otherwise.
    pub fn publish<'a>(&self, events: impl Iterator<Item = &'a EncodedEvent>) {
        let count = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.push(events);
            let head = ring.head().get();
            // Swapped while the ring is locked: a follower that sees the new head finds its events
            // in the ring, or finds that they were evicted from it.
            head - self.head.swap(head, Ordering::AcqRel)
        };
        // A calm chat wakes its followers right here, without a trip through the timer task.
        if self.waves.is_due(u32::try_from(count).unwrap_or(u32::MAX)) {
            self.wake_wave(None);
        }
    }

    /// Registers a stream. An older stream of the same participation is taken over.
    pub fn attach(self: &Arc<Self>, participant: ParticipantNumber, generation: u64) -> Attachment {
        let tick = self.tick.load(Ordering::Acquire);
        let subscription = Arc::new(Subscription::new(generation, tick));
        let mut subscriptions = self.subscriptions();
        if let Some(older) = subscriptions
            .current
            .insert(participant, Arc::clone(&subscription))
        {
            older.take_over();
            // Without this, a client that joins in a loop and never reads would hold any number of
            // streams.
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

    /// Ends every stream, because the server is shutting down.
    pub fn close(&self) {
        // Stored before the wake-ups, so that a follower that is polled because of one sees it.
        self.closed.store(true, Ordering::Release);
        self.wake_all();
    }

    /// How many streams are attached.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.subscriptions().current.len()
    }

    /// Runs the hub's timers for as long as it is polled: the waves that could not be sent at once,
    /// and the checks for stalled streams.
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
        // A stream cannot notice by itself that it stalls: HTTP/2 does not poll it while its peer
        // grants no window.
        // At least a millisecond, so that a stall time of 0 does not make a busy loop.
        let pause = (self.stall / TICKS).max(Duration::from_millis(1));
        loop {
            sleep(pause).await;
            self.check_stalls();
        }
    }

    /// Checks every stream once. A stream may stall for [`TICKS`] of these checks.
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

    fn wake_all(&self) {
        // The older streams were woken when they were taken over.
        for subscription in self.subscriptions().current.values() {
            subscription.wake();
        }
    }

    /// Wakes the next part of a wave: the followers after this participant, or from the first one
    /// on.
    fn wake_wave(&self, after: Option<ParticipantNumber>) {
        let head = self.head();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let in_flight = self.waves.in_flight();
        // The wave counts itself. So it does not end before all followers were woken, however quick
        // they are, and it ends even if nobody waits.
        in_flight.add();
        let subscriptions = self.subscriptions();
        let mut woken = 0;
        for (&participant, subscription) in subscriptions.current.range((from, Bound::Unbounded)) {
            if subscription.deliver(head, in_flight) {
                woken += 1;
            }
            // The rest is woken after other tasks have run. `Waves` remembers where to go on.
            if woken == PART {
                self.waves.go_on_after(participant);
                break;
            }
        }
        drop(subscriptions);
        // After the lock is released, because the end of a wave wakes the timer task, which locks
        // again.
        self.waves.ended(in_flight.remove());
    }

    /// Stops waiting for the followers that were woken and have not been polled since.
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
    /// The participation that the stream belongs to.
    pub fn participant(&self) -> ParticipantNumber {
        self.participant
    }

    /// Which stream of the participation.
    pub fn generation(&self) -> u64 {
        self.subscription.generation()
    }

    /// Sets the handle that ends the stream while HTTP/2 does not poll its body.
    pub fn set_abort(&self, abort: StreamAbort) {
        self.subscription.set_abort(abort);
    }

    /// Records that HTTP/2 has taken all of the Welcome.
    pub(super) fn welcomed(&self) {
        self.subscription.welcomed();
    }

    /// Records that HTTP/2 polls the body: the peer has window for more, and the wave has reached
    /// this follower.
    pub(super) fn polled(&self) {
        self.hub.delivered(&self.subscription);
        self.subscription.polled();
    }

    /// Registers the waker. The follower polls once more after this, so that an event that is
    /// published in between is not missed.
    pub(super) fn register_waker(&self, waker: &Waker) {
        self.subscription.register_waker(waker);
    }

    /// Records that HTTP/2 has taken bytes that end at `cursor`, and that the peer has to ask for
    /// more from now on.
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

    /// What this follower may read from the log, because the ring does not have it any more.
    pub(super) fn page_permit(&self) -> PagePermit {
        self.hub.shared.pages.permit()
    }

    pub(super) fn take(&self, after: Position) -> RingRead {
        // Checked without the ring's lock: in a calm chat most polls end here.
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
                    // Only its own entry: a newer stream of the same participant may have replaced
                    // it.
                    .is_some_and(|subscription| Arc::ptr_eq(subscription, &self.subscription))
                {
                    subscriptions.remove(&self.participant);
                }
            }
        }
        self.hub.delivered(&self.subscription);
        // Outside the lock, because the end of a wave takes another one. After the removal, so that
        // no new wave can wake this stream in between.
        self.hub.shared.detached.add(Detached {
            chat: self.hub.chat,
            participant: self.participant,
            generation: self.subscription.generation(),
        });
    }
}
