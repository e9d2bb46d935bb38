//! The newest events, framed, shared by all followers.

use std::{
    collections::VecDeque,
    iter::Peekable,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use chitty_chat::{LeftReason, ParticipantNumber, Position};

use super::{FollowerLimits, frame};
use chitty_room::record::EncodedEvent;

/// The newest events, in chunks. A chunk is one commit, or as much of a large commit as fits in one
/// DATA frame: a peer that holds a slice of a chunk keeps all of it in memory.
pub(super) struct Ring {
    limits: FollowerLimits,
    chunks: VecDeque<Chunk>,
    bytes: usize,
    head: Position,
    /// The frame that was merged last for a follower that lagged by several commits. The next
    /// follower mostly needs the same one.
    merged: Mutex<Option<MergedChunks>>,
}

/// Several commits merged into one DATA frame. No participant's Left is among them, so that the
/// frame suits every follower.
#[derive(Clone)]
struct MergedChunks {
    after: Position,
    /// The ring's head when they were merged.
    head: Position,
    bytes: Bytes,
    last: Position,
}

struct Chunk {
    before: Position,
    last: Position,
    frames: Bytes,
    /// Where each event's frame ends in `frames`.
    ends: Vec<usize>,
    lefts: Vec<(Position, ParticipantNumber, LeftReason)>,
}

/// What a follower finds in the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RingRead {
    /// There is nothing after the follower's position yet.
    UpToDate,
    /// Events up to position `last`. `own_left` says why the participant left if its own Left is
    /// the last of them.
    Frames {
        bytes: Bytes,
        last: Position,
        own_left: Option<LeftReason>,
    },
    /// The follower lags too far: only the log still has the next event.
    Lagging,
}

impl Ring {
    pub(super) fn new(limits: FollowerLimits, head: Position) -> Self {
        Self {
            limits,
            chunks: VecDeque::new(),
            bytes: 0,
            head,
            merged: Mutex::new(None),
        }
    }

    pub(super) const fn head(&self) -> Position {
        self.head
    }

    /// Appends the events of one commit, and evicts the oldest chunks if the ring is too large.
    pub(super) fn push<'a>(&mut self, events: impl Iterator<Item = &'a EncodedEvent>) {
        let mut events = events.peekable();
        while events.peek().is_some() {
            let chunk = Chunk::new(self.head, &mut events, self.limits.frame_bytes);
            self.head = chunk.last;
            self.bytes += chunk.frames.len();
            self.chunks.push_back(chunk);
        }
        // The newest chunk is kept even if it is larger than the ring. Otherwise followers that are
        // up to date would have to read it from the log.
        while self.bytes > self.limits.ring_bytes && self.chunks.len() > 1 {
            if let Some(oldest) = self.chunks.pop_front() {
                self.bytes -= oldest.frames.len();
            }
        }
    }

    /// The events after `after`, as many as fit in one DATA frame. They end with the participant's
    /// own Left if it is among them.
    pub(super) fn take(&self, after: Position, participant: ParticipantNumber) -> RingRead {
        if after >= self.head {
            return RingRead::UpToDate;
        }
        let index = self.chunks.partition_point(|chunk| chunk.last <= after);
        let Some(chunk) = self.chunks.get(index).filter(|chunk| chunk.before <= after) else {
            return RingRead::Lagging;
        };
        let taken = chunk.slice(after, participant, self.limits.frame_bytes);
        if taken.last == self.head || taken.own_left.is_some() {
            return taken.into();
        }
        // Several small commits are due. They go into one frame, because peers limit how many small
        // frames they accept.
        let mut shared = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(merged) = &*shared
            && (merged.after, merged.head) == (after, self.head)
        {
            return RingRead::Frames {
                bytes: merged.bytes.clone(),
                last: merged.last,
                own_left: None,
            };
        }
        let (taken, anybodys) = self.merge(index, taken, participant);
        *shared = anybodys.then(|| MergedChunks {
            after,
            head: self.head,
            bytes: taken.bytes.clone(),
            last: taken.last,
        });
        taken.into()
    }

    /// Appends as many whole chunks after this one as the frame has space for. Also says whether
    /// every follower at that position would get the same bytes.
    fn merge(
        &self,
        index: usize,
        mut taken: Slice,
        participant: ParticipantNumber,
    ) -> (Slice, bool) {
        let mut anybodys = self.chunks[index].lefts.is_empty();
        let mut merged = Vec::new();
        for chunk in self.chunks.iter().skip(index + 1) {
            let space = self
                .limits
                .frame_bytes
                .saturating_sub(taken.bytes.len() + merged.len());
            // The stream ends at its own Left, and a chunk of which only a part was taken cannot be
            // followed by another.
            if taken.own_left.is_some() || taken.last != chunk.before || chunk.frames.len() > space
            {
                break;
            }
            if merged.is_empty() {
                merged.extend_from_slice(&taken.bytes);
                taken.bytes = Bytes::new();
            }
            anybodys &= chunk.lefts.is_empty();
            let more = chunk.slice(taken.last, participant, space);
            merged.extend_from_slice(&more.bytes);
            taken.last = more.last;
            taken.own_left = more.own_left;
        }
        if !merged.is_empty() {
            // Its capacity may be twice its length, and followers hold it for a while.
            merged.shrink_to_fit();
            taken.bytes = merged.into();
        }
        (taken, anybodys)
    }
}

struct Slice {
    bytes: Bytes,
    last: Position,
    own_left: Option<LeftReason>,
}

impl From<Slice> for RingRead {
    fn from(slice: Slice) -> Self {
        Self::Frames {
            bytes: slice.bytes,
            last: slice.last,
            own_left: slice.own_left,
        }
    }
}

impl Chunk {
    /// A chunk of the next events, up to `most` bytes but with at least one event.
    fn new<'a>(
        before: Position,
        events: &mut Peekable<impl Iterator<Item = &'a EncodedEvent>>,
        most: usize,
    ) -> Self {
        let mut frames = Vec::new();
        let mut chunk = Self {
            before,
            last: before,
            frames: Bytes::new(),
            ends: Vec::new(),
            lefts: Vec::new(),
        };
        while let Some(&event) = events.peek() {
            debug_assert_eq!(event.position, chunk.last.next());
            let before = frames.len();
            frame::put_event(&mut frames, &event.bytes);
            // An event's size is known only after encoding it. Taking it back costs one encoding
            // for each chunk.
            if before > 0 && frames.len() > most {
                frames.truncate(before);
                break;
            }
            events.next();
            chunk.ends.push(frames.len());
            chunk.last = event.position;
            if let Some((participant, reason)) = event.left {
                chunk.lefts.push((event.position, participant, reason));
            }
        }
        // A growing buffer may be twice as large as its contents, and the ring holds them for a
        // while.
        frames.shrink_to_fit();
        chunk.frames = frames.into();
        chunk
    }

    /// The events of this chunk after `after`, in at most `most` bytes but at least one event.
    fn slice(&self, after: Position, participant: ParticipantNumber, most: usize) -> Slice {
        let own_left = self
            .lefts
            .iter()
            .find(|(position, left, _)| *position > after && *left == participant);
        let skip = index(after.get() - self.before.get());
        let start = skip.checked_sub(1).map_or(0, |index| self.ends[index]);
        // Nothing after its own Left belongs to the stream.
        let stop = own_left.map_or(self.ends.len(), |(position, ..)| {
            index(position.get() - self.before.get())
        });
        let fitting = self.ends[skip..stop].partition_point(|end| end - start <= most);
        let count = fitting.max(1);
        let last = Position::new(after.get() + count as u64);
        Slice {
            bytes: self.frames.slice(start..self.ends[skip + count - 1]),
            last,
            own_left: own_left
                .filter(|(at, ..)| *at == last)
                .map(|(.., reason)| *reason),
        }
    }
}

/// A distance within a chunk, which fits because the chunk's length is a `usize`.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use chitty_chat::{Event, EventKind};
    use proptest::prelude::*;

    use super::*;

    fn message(position: u64, text: &str) -> EncodedEvent {
        (&message_event(position, text)).into()
    }

    fn message_event(position: u64, text: &str) -> Event {
        Event {
            position: position.into(),
            lamport: (position * 2).into(),
            at: UNIX_EPOCH,
            request: 1.into(),
            kind: EventKind::Message {
                author: "ada".into(),
                text: text.into(),
                id: "".into(),
                seen: Position::ZERO,
                participant: ParticipantNumber::new(1),
                member: None,
            },
        }
    }

    fn left(position: u64, participant: u64) -> EncodedEvent {
        let kind = EventKind::Left {
            name: "bob".into(),
            reason: LeftReason::Left,
            participant: ParticipantNumber::new(participant),
        };
        let event = Event {
            kind,
            ..message_event(position, "")
        };
        (&event).into()
    }

    /// All that a participant gets from the ring: the bytes of all events, and the last position.
    fn follow(ring: &Ring, mut after: Position, participant: u64) -> Option<(Vec<u8>, Position)> {
        let mut all = Vec::new();
        loop {
            match ring.take(after, ParticipantNumber::new(participant)) {
                RingRead::UpToDate => return Some((all, after)),
                RingRead::Lagging => return None,
                RingRead::Frames {
                    bytes,
                    last,
                    own_left,
                } => {
                    assert!(last > after);
                    all.extend_from_slice(&bytes);
                    after = last;
                    if own_left.is_some() {
                        return Some((all, after));
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn everybody_gets_the_same_bytes_from_anywhere(
            commits in prop::collection::vec(1..6_u64, 1..20), after in 0..100_u64,
            frame_bytes in 1..400_usize,
        ) {
            let limits = FollowerLimits { ring_bytes: 1 << 20, frame_bytes, ..FollowerLimits::default() };
            let mut ring = Ring::new(limits, Position::ZERO);
            let mut expected = Vec::new();
            let mut position = 0;
            for size in commits {
                let events: Vec<_> =
                    (position + 1..=position + size).map(|at| message(at, "hi")).collect();
                for event in events.iter().filter(|event| event.position.get() > after) {
                    frame::put_event(&mut expected, &event.bytes);
                }
                ring.push(events.iter());
                position += size;
            }
            let (bytes, end) = follow(&ring, after.into(), 7).expect("all is kept");
            prop_assert_eq!(bytes, expected);
            prop_assert_eq!(end.get(), position.max(after));
        }

        #[test]
        fn what_was_dropped_is_said_to_be_behind(count in 50..200_u64, after in 0..200_u64) {
            let limits = FollowerLimits { ring_bytes: 1000, frame_bytes: 100, ..FollowerLimits::default() };
            let mut ring = Ring::new(limits, Position::ZERO);
            for position in 1..=count {
                ring.push([message(position, "hello")].iter());
            }
            prop_assert!(ring.bytes <= limits.ring_bytes);
            let oldest = ring.chunks[0].before;
            let got = ring.take(after.into(), ParticipantNumber::new(1));
            prop_assert_eq!(got == RingRead::Lagging, after < oldest.get());
        }
    }

    #[test]
    fn a_stream_ends_with_its_own_left() {
        let mut ring = Ring::new(FollowerLimits::default(), Position::ZERO);
        ring.push([message(1, "a"), left(2, 9), message(3, "b")].iter());
        ring.push([left(4, 8), message(5, "c")].iter());
        let (_, end) = follow(&ring, Position::ZERO, 9).expect("all is kept");
        assert_eq!(end.get(), 2);
        let (_, end) = follow(&ring, Position::ZERO, 8).expect("all is kept");
        assert_eq!(end.get(), 4);
        let (_, end) = follow(&ring, Position::ZERO, 7).expect("all is kept");
        assert_eq!(end.get(), 5);
    }

    #[test]
    fn no_chunk_of_a_large_commit_is_larger_than_a_frame() {
        let limits = FollowerLimits {
            frame_bytes: 1000,
            ..FollowerLimits::default()
        };
        let mut ring = Ring::new(limits, Position::ZERO);
        let events: Vec<_> = (1..=1000).map(|at| message(at, "hello")).collect();
        ring.push(events.iter());
        assert!(ring.chunks.len() > 30);
        assert!(ring.chunks.iter().all(|chunk| chunk.frames.len() <= 1000));
        let (_, end) = follow(&ring, Position::ZERO, 7).expect("all is kept");
        assert_eq!(end.get(), 1000);
    }

    #[test]
    fn several_small_commits_go_in_one_frame() {
        let mut ring = Ring::new(FollowerLimits::default(), Position::ZERO);
        for position in 1..=10 {
            ring.push([message(position, "hi")].iter());
        }
        let taken = ring.take(Position::new(3), ParticipantNumber::new(1));
        assert!(matches!(taken, RingRead::Frames { last, .. } if last.get() == 10));
    }
}
