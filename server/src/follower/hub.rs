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
    Limits,
    ring::{Ring, Taken},
    seat::{Seat, TICKS},
    wave::{PART, Waves},
};
use crate::net::Cut;

/// Shared by the sequencer, which feeds it, and all followers.
pub struct Hub {
    head: AtomicU64,
    ring: RwLock<Ring>,
    seats: Mutex<Seats>,
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
pub enum Order {
    /// A newer stream of the same participation has come.
    TakenOver,
    /// It has not read for too long.
    TooSlow,
    /// The server goes down.
    Shutdown,
}

#[derive(Default)]
struct Seats {
    current: BTreeMap<ParticipantNumber, Arc<Seat>>,
    /// Taken over, and not ended yet: one for each participant, as those before it are cut.
    older: BTreeMap<ParticipantNumber, Arc<Seat>>,
}

/// A stream that is attached: when this is dropped, the participant has the grace to come back.
#[derive(Debug)]
pub struct Attachment {
    hub: Arc<Hub>,
    seat: Arc<Seat>,
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
    pub fn new(limits: Limits, head: Position) -> Self {
        Self {
            head: AtomicU64::new(head.get()),
            ring: RwLock::new(Ring::new(limits, head)),
            seats: Mutex::new(Seats::default()),
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
            self.call(None);
        }
    }

    /// A stream begins. An older one of the same participation is taken over.
    pub fn attach(self: &Arc<Self>, participant: ParticipantNumber, generation: u64) -> Attachment {
        let tick = self.tick.load(Ordering::Acquire);
        let seat = Arc::new(Seat::new(generation, tick));
        let mut seats = self.seats();
        if let Some(older) = seats.current.insert(participant, Arc::clone(&seat)) {
            older.take_over();
            // Else whoever joins in a loop and does not read has any number of streams.
            if let Some(oldest) = seats.older.insert(participant, older) {
                oldest.cut();
            }
        }
        drop(seats);
        Attachment {
            hub: Arc::clone(self),
            seat,
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
        self.seats().current.len()
    }

    /// Wakes followers for what came too soon after the last time, and looks after streams that do
    /// not read, for as long as it is polled.
    pub async fn run(&self) -> Infallible {
        tokio::join!(self.make_waves(), self.watch()).0
    }

    async fn make_waves(&self) -> Infallible {
        loop {
            let next = self.waves.next().await;
            if next.gave_up {
                self.give_up();
            }
            self.call(next.after);
        }
    }

    async fn watch(&self) -> Infallible {
        // HTTP/2 asks a stream for nothing while its peer has no room for more, so that a stream
        // cannot notice by itself that it stands still.
        let pause = (self.stall / TICKS).max(Duration::from_millis(1));
        loop {
            sleep(pause).await;
            self.look();
        }
    }

    /// One look: [`TICKS`] of them are the time that a stream may stand still.
    pub(super) fn look(&self) {
        let now = self.tick.fetch_add(1, Ordering::AcqRel) + 1;
        let head = self.head();
        let seats = self.seats();
        for seat in seats.current.values().chain(seats.older.values()) {
            seat.look(now, head);
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
        for seat in self.seats().current.values() {
            seat.wake();
        }
    }

    /// The next part of those who wait is to take what is new.
    fn call(&self, after: Option<ParticipantNumber>) {
        let head = self.head();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        // The wave is not over before this is, whoever is quick and even if nobody waits.
        self.waves.called();
        let seats = self.seats();
        let mut called = 0;
        for (&participant, seat) in seats.current.range((from, Bound::Unbounded)) {
            if seat.call(head, &self.waves) {
                called += 1;
            }
            if called == PART {
                self.waves.go_on_after(participant);
                break;
            }
        }
        drop(seats);
        self.waves.served();
    }

    fn give_up(&self) {
        let seats = self.seats();
        for seat in seats.current.values().chain(seats.older.values()) {
            seat.answer(&self.waves);
        }
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attachment {
    /// Whose.
    pub fn participant(&self) -> ParticipantNumber {
        self.participant
    }

    /// Which stream of the participation.
    pub fn generation(&self) -> u64 {
        self.seat.generation()
    }

    /// Gives the means to end the stream while its body is not asked for anything.
    pub fn cut_by(&self, cut: Cut) {
        self.seat.cut_by(cut);
    }

    /// HTTP/2 got all of the Welcome.
    pub(super) fn welcomed(&self) {
        self.seat.welcomed();
    }

    /// HTTP/2 has room for more.
    pub(super) fn asked(&self) {
        self.seat.answer(&self.hub.waves);
        self.seat.asked();
    }

    /// Called before the last look, so that nothing that comes meanwhile is missed.
    pub(super) fn wake_by(&self, waker: &Waker) {
        self.seat.wake_by(waker);
    }

    /// HTTP/2 got something, the last of which is at `cursor`.
    pub(super) fn handed_over(&self, cursor: Position) {
        self.seat
            .handed_over(cursor, self.hub.tick.load(Ordering::Acquire));
    }

    pub(super) fn order(&self) -> Option<Order> {
        self.seat.order().or_else(|| {
            self.hub
                .closed
                .load(Ordering::Acquire)
                .then_some(Order::Shutdown)
        })
    }

    pub(super) fn take(&self, after: Position) -> Taken {
        if after >= self.hub.head() {
            return Taken::UpToDate;
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
            let mut seats = self.hub.seats();
            let Seats { current, older } = &mut *seats;
            for seats in [current, older] {
                let seat = seats.get(&self.participant);
                if seat.is_some_and(|seat| Arc::ptr_eq(seat, &self.seat)) {
                    seats.remove(&self.participant);
                }
            }
        }
        self.seat.answer(&self.hub.waves);
        let detached = Detached {
            participant: self.participant,
            generation: self.seat.generation(),
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
