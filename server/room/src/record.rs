//! Records: the entries of the log. Each is an event, and what the fold needs beside it.
//!
//! The event in a stored record and the event in a broadcast are the same protobuf message,
//! `chitty.v1.Event`. So it is encoded once, when it is decided ([`Batch`]): the same bytes go into
//! the file, into the ring, and to every participant, also to one who reads them from the file
//! years later.

use std::{
    fmt,
    ops::{Deref, Range},
    sync::Arc,
};

use bytes::Bytes;
use chitty_chat::{
    Event, EventKind, LeftReason, ParticipantNumber, Position, SessionHash,
    fingerprint::Fingerprint,
    proto::{log_v1, v1},
    secret::digest,
};
use prost::Message as _;
use thiserror::Error;

/// One entry of the log, `chitty.log.v1.Record`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The event that is broadcast.
    pub event: Event,
    /// The session that a Joined belongs to; `None` for other events.
    pub session: Option<SessionHash>,
    /// The number of the participation's latest stream, from 1, when the record was written. It
    /// never falls within a participation, not even after a restart.
    pub generation: u64,
    /// What only the server knows about members and invitations; `None` for most records, which
    /// therefore need no memory for it.
    pub private: Option<Box<PrivatePart>>,
}

/// What a record about members or invitations has that is in no event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivatePart {
    /// For an Invitation: the prefix of its secret's SHA-256.
    pub secret: Option<SecretHash>,
    /// For a Joined: the key that the connection proved. For an Invitation: that of its maker.
    pub key: Option<Fingerprint>,
    /// For a Member: all its devices.
    pub devices: Arc<[Device]>,
    /// For an Invitation: the name that is kept for the guest; empty if the guest chooses.
    pub name: Arc<str>,
    /// For an Invitation: the epoch of the log in which it was made. A restored backup has another,
    /// in which it is worth nothing.
    pub epoch: Arc<str>,
}

/// A device of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its public key's fingerprint.
    pub key: Fingerprint,
    /// What people call it.
    pub label: Arc<str>,
    /// The invitation by which it came; 0: none.
    pub invitation: Position,
}

/// The first 16 bytes of the SHA-256 (FIPS 180-4) of an invitation's secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; Self::LENGTH]);

impl SecretHash {
    /// Length in bytes.
    pub const LENGTH: usize = 16;

    /// The hash of a secret as it is in a link and in a Join.
    pub fn of(secret: &str) -> Self {
        Self(digest(secret))
    }

    /// The prefix of a SHA-256, or what was stored; `None` if it is shorter.
    pub fn from_prefix(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.get(..Self::LENGTH)?.try_into().ok()?))
    }

    /// The bytes, to be stored.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Debug for SecretHash {
    /// Even the hash is kept out of logs: it tells links apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// Why bytes are not a record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not the encoding of a record.
    #[error("not a record of the log: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// The event is missing.
    #[error("a record of the log without an event")]
    NoEvent,
    /// The session is not 16 bytes.
    #[error("a record of the log with a session of {0} bytes")]
    Session(usize),
    /// A key is not 32 bytes.
    #[error("a record of the log with a key of {0} bytes")]
    Key(usize),
    /// The hash of a secret is not 16 bytes.
    #[error("a record of the log with a secret's hash of {0} bytes")]
    Secret(usize),
}

impl Record {
    /// Encodes the record as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_around(EncodedEvent::from(&self.event).bytes)
    }

    /// The bytes that are stored, with the event as it is encoded already.
    fn encode_around(&self, event: Bytes) -> Vec<u8> {
        let around = RecordAround {
            event,
            session: self
                .session
                .map_or_else(Bytes::new, |hash| Bytes::copy_from_slice(hash.as_bytes())),
            generation: self.generation,
            ..RecordAround::default()
        };
        let around = match &self.private {
            Some(private) => private.added_to(around),
            None => around,
        };
        around.encode_to_vec()
    }

    /// Decodes a record from the bytes in the store.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let record = log_v1::Record::decode(bytes)?;
        let session = match record.session.as_slice() {
            [] => None,
            bytes => Some(SessionHash::from_bytes(bytes).ok_or(RecordError::Session(bytes.len()))?),
        };
        Ok(Self {
            private: PrivatePart::of(&record)?,
            event: record.event.ok_or(RecordError::NoEvent)?.into(),
            session,
            generation: record.generation,
        })
    }
}

impl PrivatePart {
    /// The private part of a stored record; `None` if it has none of the fields.
    fn of(record: &log_v1::Record) -> Result<Option<Box<Self>>, RecordError> {
        let log_v1::Record {
            secret,
            key,
            keys,
            name,
            epoch,
            ..
        } = record;
        if secret.is_empty()
            && key.is_empty()
            && keys.is_empty()
            && name.is_empty()
            && epoch.is_empty()
        {
            return Ok(None);
        }
        Ok(Some(Box::new(Self {
            secret: match secret.as_slice() {
                [] => None,
                bytes if bytes.len() == SecretHash::LENGTH => SecretHash::from_prefix(bytes),
                bytes => return Err(RecordError::Secret(bytes.len())),
            },
            key: parse_key(key)?,
            devices: keys
                .iter()
                .map(Device::try_from)
                .collect::<Result<_, _>>()?,
            name: name.as_str().into(),
            epoch: epoch.as_str().into(),
        })))
    }

    fn added_to(&self, around: RecordAround) -> RecordAround {
        RecordAround {
            secret: self
                .secret
                .map_or_else(Bytes::new, |hash| Bytes::copy_from_slice(hash.as_bytes())),
            key: key_bytes(self.key).into(),
            keys: self.devices.iter().map(Into::into).collect(),
            name: self.name.to_string(),
            epoch: self.epoch.to_string(),
            ..around
        }
    }
}

/// A key as it is stored; empty if there is none.
pub(crate) fn key_bytes(key: Option<Fingerprint>) -> Vec<u8> {
    key.map_or_else(Vec::new, |key| key.as_bytes().to_vec())
}

/// A key that was stored; `None` if there is none.
pub(crate) fn parse_key(bytes: &[u8]) -> Result<Option<Fingerprint>, RecordError> {
    match bytes {
        [] => Ok(None),
        bytes => match bytes.try_into() {
            Ok(bytes) => Ok(Some(Fingerprint::from_bytes(bytes))),
            Err(_) => Err(RecordError::Key(bytes.len())),
        },
    }
}

impl From<&Device> for log_v1::MemberKey {
    fn from(device: &Device) -> Self {
        Self {
            key: key_bytes(Some(device.key)),
            label: device.label.to_string(),
            invitation: device.invitation.get(),
        }
    }
}

impl TryFrom<&log_v1::MemberKey> for Device {
    type Error = RecordError;

    fn try_from(stored: &log_v1::MemberKey) -> Result<Self, RecordError> {
        Ok(Self {
            key: parse_key(&stored.key)?.ok_or(RecordError::Key(0))?,
            label: stored.label.as_str().into(),
            invitation: stored.invitation.into(),
        })
    }
}

/// `chitty.log.v1.Record` without a look into its event. A message within a message is encoded as
/// its bytes are (<https://protobuf.dev/programming-guides/encoding/#submessages>).
#[derive(Clone, PartialEq, prost::Message)]
struct RecordAround {
    #[prost(bytes = "bytes", tag = "1")]
    event: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    session: Bytes,
    #[prost(uint64, tag = "3")]
    generation: u64,
    #[prost(bytes = "bytes", tag = "5")]
    secret: Bytes,
    #[prost(bytes = "bytes", tag = "6")]
    key: Bytes,
    #[prost(message, repeated, tag = "7")]
    keys: Vec<log_v1::MemberKey>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(string, tag = "9")]
    epoch: String,
}

/// What a stream has to know of an event that it passes on: the fields of `chitty.v1.Event` of the
/// same numbers. What is not named here is skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct EventPeek {
    #[prost(uint64, tag = "1")]
    position: u64,
    #[prost(message, optional, tag = "5")]
    left: Option<v1::Left>,
}

/// The encoding of a record's event, which comes first: prost writes fields in the order of their
/// numbers.
fn event_of(record: &[u8]) -> Result<&[u8], RecordError> {
    // Number 1, and "a length follows".
    const EVENT: u8 = 1 << 3 | 2;
    let Some((&EVENT, mut rest)) = record.split_first() else {
        return Err(RecordError::NoEvent);
    };
    let length = prost::decode_length_delimiter(&mut rest)?;
    rest.get(..length).ok_or(RecordError::NoEvent)
}

/// An event as protobuf, `chitty.v1.Event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Where it is in the log.
    pub position: Position,
    /// Which participation it ends, and why, if it is a Left.
    pub left: Option<(ParticipantNumber, LeftReason)>,
    /// Its encoding.
    pub bytes: Bytes,
}

/// Consecutive events, encoded one after the other into one buffer.
///
/// One allocation holds a whole page: an allocation or a reference count for each event would be a
/// fifth of what it costs to read a long log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedEvents {
    first: Position,
    bytes: Vec<u8>,
    /// Where each event ends in `bytes`.
    ends: Vec<usize>,
    lefts: Vec<EncodedLeft>,
}

/// A Left among [`EncodedEvents`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedLeft {
    /// Where it is in the log.
    pub position: Position,
    /// The participation that it ends.
    pub participant: ParticipantNumber,
    /// The reason why it ends.
    pub reason: LeftReason,
}

/// Appends the encoding of an event to a buffer, in the form that a reader needs.
pub type PutEvent = fn(&mut Vec<u8>, &[u8]);

/// Puts an event into a buffer as it is.
pub fn put_bare(buffer: &mut Vec<u8>, event: &[u8]) {
    buffer.extend_from_slice(event);
}

impl EncodedEvents {
    /// Appends the event of a stored record, in the bytes in which it was stored, and returns its
    /// position. The caller appends records in order and without gaps.
    ///
    /// # Errors
    /// The bytes are no record, or its event has no readable position. Nothing was appended.
    pub fn push(&mut self, record: &[u8], put: PutEvent) -> Result<Position, RecordError> {
        let event = event_of(record)?;
        let peek = EventPeek::decode(event)?;
        if peek.position == 0 {
            return Err(RecordError::NoEvent);
        }
        let position = peek.position.into();
        if let Some(left) = peek.left {
            self.lefts.push(EncodedLeft {
                position,
                participant: ParticipantNumber::new(left.participant),
                reason: left.reason().into(),
            });
        }
        if self.ends.is_empty() {
            self.first = position;
        }
        put(&mut self.bytes, event);
        self.ends.push(self.bytes.len());
        Ok(position)
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The position of the first event; 0 if there is none.
    pub const fn first(&self) -> Position {
        self.first
    }

    /// The position of the last event; 0 if there is none.
    pub fn last(&self) -> Position {
        Position::new((self.first.get() + self.len() as u64).saturating_sub(1))
    }

    /// The Lefts, in order.
    pub fn lefts(&self) -> &[EncodedLeft] {
        &self.lefts
    }

    /// The range of each event in the buffer, in order.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
        (0..self.len()).map(|index| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            start..self.ends[index]
        })
    }

    /// Drops the events after this position.
    pub fn truncate(&mut self, last: Position) {
        let kept = (last.get() + 1).saturating_sub(self.first.get());
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        if kept < self.len() {
            self.ends.truncate(kept);
            self.bytes.truncate(self.ends.last().copied().unwrap_or(0));
            self.lefts.retain(|left| left.position <= last);
        }
    }

    /// The buffer with all events, in an allocation that is hardly larger.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

impl From<&Event> for EncodedEvent {
    fn from(event: &Event) -> Self {
        Self {
            position: event.position,
            left: match event.kind {
                EventKind::Left {
                    participant,
                    reason,
                    ..
                } => Some((participant, reason)),
                EventKind::Joined { .. }
                | EventKind::Message { .. }
                | EventKind::Member(_)
                | EventKind::Invitation(_)
                | EventKind::Unknown => None,
            },
            bytes: v1::Event::from(event).encode_to_vec().into(),
        }
    }
}

/// A record whose event is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    record: Record,
    event: EncodedEvent,
}

impl EncodedRecord {
    /// Its event, as it is stored and sent.
    pub const fn event(&self) -> &EncodedEvent {
        &self.event
    }

    /// The bytes that are stored.
    pub fn encode(&self) -> Vec<u8> {
        self.record.encode_around(self.event.bytes.clone())
    }
}

impl From<Record> for EncodedRecord {
    fn from(record: Record) -> Self {
        let event = (&record.event).into();
        Self { record, event }
    }
}

impl Deref for EncodedRecord {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

/// What one append makes durable together. A clone shares the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch(Arc<[EncodedRecord]>);

impl Deref for Batch {
    type Target = [EncodedRecord];

    fn deref(&self) -> &[EncodedRecord] {
        &self.0
    }
}

impl<R: Into<EncodedRecord>> FromIterator<R> for Batch {
    fn from_iter<I: IntoIterator<Item = R>>(records: I) -> Self {
        Self(records.into_iter().map(Into::into).collect())
    }
}

impl From<Vec<Record>> for Batch {
    fn from(records: Vec<Record>) -> Self {
        records.into_iter().collect()
    }
}

impl<const N: usize> From<[Record; N]> for Batch {
    fn from(records: [Record; N]) -> Self {
        records.into_iter().collect()
    }
}

impl From<&[Record]> for Batch {
    fn from(records: &[Record]) -> Self {
        records.iter().cloned().collect()
    }
}

impl From<&[EncodedRecord]> for Batch {
    fn from(records: &[EncodedRecord]) -> Self {
        Self(records.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    fn any_text() -> impl Strategy<Value = Arc<str>> {
        any::<String>().prop_map(Arc::from)
    }

    fn any_kind() -> impl Strategy<Value = EventKind> {
        let reason = prop::sample::select(vec![
            LeftReason::Unspecified,
            LeftReason::Left,
            LeftReason::Lost,
            LeftReason::Closed,
            LeftReason::Removed,
        ]);
        let number = || any::<u64>().prop_map(ParticipantNumber::new);
        prop_oneof![
            Just(EventKind::Unknown),
            any_text().prop_map(|name| EventKind::Joined { name, member: None }),
            (any_text(), reason, number()).prop_map(|(name, reason, participant)| {
                EventKind::Left {
                    name,
                    reason,
                    participant,
                }
            }),
            (any_text(), any_text(), any_text(), any::<u64>(), number()).prop_map(
                |(author, text, id, seen, participant)| EventKind::Message {
                    author,
                    text,
                    id,
                    seen: seen.into(),
                    participant,
                    member: None
                }
            ),
        ]
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let event = (
            1..=u64::MAX,
            any::<u64>(),
            any::<u64>(),
            0..4_000_000_000_000_u64,
            any_kind(),
        )
            .prop_map(|(position, lamport, request, milliseconds, kind)| Event {
                position: position.into(),
                lamport: lamport.into(),
                at: UNIX_EPOCH + Duration::from_millis(milliseconds),
                request: request.into(),
                kind,
            });
        let session = prop::option::of(any::<[u8; 16]>());
        (event, session, any::<u64>()).prop_map(|(event, session, generation)| Record {
            event,
            session: session.and_then(|bytes| SessionHash::from_bytes(&bytes)),
            generation,
            private: None,
        })
    }

    proptest! {
        /// An older version of the server, and `check`, read records field by field.
        #[test]
        fn a_record_is_encoded_as_the_schema_says(record in any_record()) {
            let by_schema = log_v1::Record {
                event: Some((&record.event).into()),
                session: record.session.map_or_else(Vec::new, |hash| hash.as_bytes().to_vec()),
                generation: record.generation,
                server: String::new(),
                ..log_v1::Record::default()
            };
            let encoded = EncodedRecord::from(record.clone());
            prop_assert_eq!(encoded.encode(), by_schema.encode_to_vec());
            prop_assert_eq!(record.encode(), by_schema.encode_to_vec());
        }

        #[test]
        fn what_is_read_back_is_what_was_encoded(record in any_record()) {
            let encoded = EncodedRecord::from(record.clone());
            let event = encoded.event();
            let mut events = EncodedEvents::default();
            prop_assert_eq!(events.push(&encoded.encode(), put_bare).ok(), Some(event.position));
            let left = events.lefts().first().map(|left| (left.participant, left.reason));
            prop_assert_eq!(left, event.left);
            prop_assert_eq!(events.into_bytes(), &*event.bytes);
            let read = v1::Event::decode(&*event.bytes).expect("an event");
            prop_assert_eq!(Event::from(read), record.event);
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_refused() {
        for bytes in [
            &b""[..],
            b"\x0a",
            b"\x0a\x02\x08",
            b"\x12\x01x",
            b"\x0a\x02\x08\x00",
        ] {
            let mut events = EncodedEvents::default();
            events.push(bytes, put_bare).expect_err("no record");
            assert_eq!(events, EncodedEvents::default());
        }
    }

    #[test]
    fn a_page_knows_each_of_its_events() {
        let left = |position: u64| EventKind::Left {
            name: "ada".into(),
            reason: LeftReason::Lost,
            participant: ParticipantNumber::new(position - 1),
        };
        let record = |position: u64| Record {
            event: Event {
                position: position.into(),
                lamport: position.into(),
                at: UNIX_EPOCH,
                request: position.into(),
                kind: left(position),
            },
            session: None,
            generation: 1,
            private: None,
        };
        let mut events = EncodedEvents::default();
        assert_eq!((events.first(), events.last()), (0.into(), 0.into()));
        for position in 7..=9 {
            let encoded = record(position).encode();
            events.push(&encoded, put_bare).expect("a record");
        }
        assert_eq!((events.first(), events.last()), (7.into(), 9.into()));
        let bytes = events.clone().into_bytes();
        for (position, range) in (7..).zip(events.ranges()) {
            let event = EncodedEvent::from(&record(position).event);
            assert_eq!(bytes[range], *event.bytes);
        }
        events.truncate(9.into());
        assert_eq!(events.len(), 3, "none is after the last");
        events.truncate(7.into());
        assert_eq!((events.len(), events.last()), (1, 7.into()));
        let participants: Vec<_> = events.lefts().iter().map(|left| left.participant).collect();
        assert_eq!(participants, [ParticipantNumber::new(6)]);
        assert_eq!(
            events.into_bytes(),
            *EncodedEvent::from(&record(7).event).bytes
        );
    }
}
