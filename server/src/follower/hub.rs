//! Where the sequencer and the followers meet: the durable head, the newest events, and who is to
//! be woken.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
};

use chitty_chat::{Event, ParticipantNumber, Position};
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::{
    Limits,
    ring::{Ring, Taken},
};

/// Shared by the sequencer, which feeds it, and all followers.
pub struct Hub {
    head: AtomicU64,
    ring: RwLock<Ring>,
    /// In an order of its own, so that the same run wakes them in the same order.
    seats: Mutex<BTreeMap<ParticipantNumber, Arc<Seat>>>,
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
    /// The server goes down.
    Shutdown,
}

/// A follower, as the hub sees it.
#[derive(Debug)]
struct Seat {
    generation: u64,
    waker: AtomicWaker,
    taken_over: AtomicBool,
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
            seats: Mutex::new(BTreeMap::new()),
            detached: Mutex::new(Vec::new()),
            detachment: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The durable end of the log.
    pub fn head(&self) -> Position {
        Position::new(self.head.load(Ordering::Acquire))
    }

    /// What just became durable, in order: everybody is woken for it.
    pub fn publish<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.push(events);
            self.head.store(ring.head().get(), Ordering::Release);
        }
        self.wake_all();
    }

    /// A stream begins. An older one of the same participation is taken over.
    pub fn attach(self: &Arc<Self>, participant: ParticipantNumber, generation: u64) -> Attachment {
        let seat = Arc::new(Seat {
            generation,
            waker: AtomicWaker::new(),
            taken_over: AtomicBool::new(false),
        });
        if let Some(older) = self.seats().insert(participant, Arc::clone(&seat)) {
            older.taken_over.store(true, Ordering::Release);
            older.waker.wake();
        }
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
    pub fn count(&self) -> usize {
        self.seats().len()
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
        for seat in self.seats().values() {
            seat.waker.wake();
        }
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<ParticipantNumber, Arc<Seat>>> {
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
        self.seat.generation
    }

    pub(super) fn register(&self, waker: &Waker) {
        self.seat.waker.register(waker);
    }

    pub(super) fn order(&self) -> Option<Order> {
        if self.seat.taken_over.load(Ordering::Acquire) {
            Some(Order::TakenOver)
        } else if self.hub.closed.load(Ordering::Acquire) {
            Some(Order::Shutdown)
        } else {
            None
        }
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
            if seats
                .get(&self.participant)
                .is_some_and(|seat| Arc::ptr_eq(seat, &self.seat))
            {
                seats.remove(&self.participant);
            }
        }
        let detached = Detached {
            participant: self.participant,
            generation: self.seat.generation,
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
