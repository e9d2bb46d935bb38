//! A Welcome in pieces, each of which is encoded when the peer has window for it.
//!
//! A Welcome to a full chat is hundreds of kilobytes, and a peer may ask for one and never read it.
//! For such a peer the server holds only one piece and a reference to the persistent map of
//! participants, which all streams share.

use std::ops::Bound;

use bytes::{BufMut as _, Bytes, BytesMut};
use chitty_chat::{ParticipantNumber, proto::v1};
use imbl::OrdMap;
use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};

use crate::grpc::{self, PREFIX};
use chitty_room::Participant;

/// Bytes of participants in one piece, which becomes one DATA frame. The last participant may
/// exceed it.
const PIECE: usize = 8 << 10;

/// The field number of `Broadcast.welcome`.
const WELCOME: u32 = 1;
/// The field number of `Welcome.participants`.
const PARTICIPANTS: u32 = 5;

/// The part of a Welcome that has not been encoded yet.
pub(super) struct WelcomeEncoder {
    /// All fields but the participants; `None` once they were handed over.
    head: Option<v1::Welcome>,
    participants: OrdMap<ParticipantNumber, Participant>,
    /// The last participant that was encoded.
    last: Option<ParticipantNumber>,
}

impl WelcomeEncoder {
    pub(super) fn new(
        head: v1::Welcome,
        participants: OrdMap<ParticipantNumber, Participant>,
    ) -> Self {
        Self {
            head: Some(head),
            participants,
            last: None,
        }
    }

    /// The next piece of the message. The first one has the message's length and all fields but the
    /// participants. It is small, because it is what waits for a peer that grants no window at all.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        match self.head.take() {
            Some(head) => Some(begin(&head, &self.participants)),
            None => self.next_participants(),
        }
    }

    /// Whether [`WelcomeEncoder::next`] has no more.
    pub(super) fn is_over(&self) -> bool {
        let last = self.participants.get_max().map(|(number, _)| *number);
        self.head.is_none() && self.last == last
    }

    fn next_participants(&mut self) -> Option<Bytes> {
        let from = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let mut piece = BytesMut::new();
        for (number, participant) in self.participants.range((from, Bound::Unbounded)) {
            put_participant(&mut piece, participant);
            self.last = Some(*number);
            if piece.len() >= PIECE {
                break;
            }
        }
        (!piece.is_empty()).then(|| piece.freeze())
    }
}

/// The first piece: the prefix of the whole message, and all fields but the participants. Protobuf
/// allows fields in any order, so the participants can come last.
fn begin(head: &v1::Welcome, participants: &OrdMap<ParticipantNumber, Participant>) -> Bytes {
    let of_participants: usize = participants
        .values()
        .map(|participant| field_len(participant_len(participant)))
        .sum();
    let length = head.encoded_len() + of_participants;
    let mut piece = BytesMut::with_capacity(PREFIX + 11 + head.encoded_len());
    piece.put_slice(&grpc::prefix(field_len(length)));
    put_field(&mut piece, WELCOME, length);
    // Into memory, which grows.
    let _ = head.encode(&mut piece);
    piece.freeze()
}

/// `chitty.v1.Participant`: a name and two numbers, without an allocation for each of ten thousand.
fn put_participant(piece: &mut BytesMut, participant: &Participant) {
    put_field(piece, PARTICIPANTS, participant_len(participant));
    if !participant.name.is_empty() {
        put_field(piece, 1, participant.name.len());
        piece.put_slice(participant.name.as_bytes());
    }
    for (tag, number) in numbers(participant) {
        if number != 0 {
            encode_key(tag, WireType::Varint, piece);
            encode_varint(number, piece);
        }
    }
}

fn participant_len(participant: &Participant) -> usize {
    let name = match participant.name.len() {
        0 => 0,
        length => field_len(length),
    };
    let numbers = numbers(participant).map(|(_, number)| match number {
        0 => 0,
        number => 1 + encoded_len_varint(number),
    });
    name + numbers.iter().sum::<usize>()
}

fn numbers(participant: &Participant) -> [(u32, u64); 2] {
    [(2, participant.number.get()), (3, participant.seen.get())]
}

/// A field of bytes with a tag below 16.
fn put_field(piece: &mut BytesMut, tag: u32, length: usize) {
    encode_key(tag, WireType::LengthDelimited, piece);
    encode_varint(length as u64, piece);
}

fn field_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

#[cfg(test)]
mod tests {
    use chitty_chat::SessionHash;
    use proptest::prelude::*;

    use super::*;

    fn participant(number: u64, name: &str, seen: u64) -> Participant {
        Participant {
            number: ParticipantNumber::new(number),
            name: name.into(),
            session: SessionHash::from_bytes(&[7; 16]).expect("16 bytes"),
            seen: seen.into(),
            generation: 1,
            key: None,
            member: None,
        }
    }

    /// All pieces, and the size of the largest.
    fn pieces(mut welcome: WelcomeEncoder) -> (Vec<u8>, usize) {
        let (mut all, mut largest) = (Vec::new(), 0);
        while !welcome.is_over() {
            let piece = welcome.next().expect("it is not over");
            largest = largest.max(piece.len());
            all.extend(piece);
        }
        assert_eq!(welcome.next(), None);
        (all, largest)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pieces_together_are_the_message(
            people in prop::collection::btree_map(
                1..u64::MAX, ("\\PC{0,32}", prop_oneof![Just(0), any::<u64>()]), 0..2000,
            ),
            position: u64,
            resumed: bool,
        ) {
            let head = v1::Welcome {
                session: "0123456789abcdef0123456789abcdef".into(),
                position,
                resumed,
                participant: position,
                ..v1::Welcome::default()
            };
            let participants = people.iter().map(|(number, (name, seen))| {
                let number = *number;
                (ParticipantNumber::new(number), participant(number, name, *seen))
            });
            let participants: OrdMap<_, _> = participants.collect();
            let whole = v1::Welcome {
                participants: participants.values().map(Into::into).collect(),
                ..head.clone()
            };
            let (bytes, largest) = pieces(WelcomeEncoder::new(head, participants));
            prop_assert!(largest <= PIECE + 200, "{}", largest);
            let (prefix, message) = bytes.split_at(PREFIX);
            prop_assert_eq!(prefix[0], 0);
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
            prop_assert_eq!(length as usize, message.len());
            let decoded = v1::Broadcast::decode(message).expect("protobuf").kind;
            prop_assert_eq!(decoded, Some(v1::broadcast::Kind::Welcome(whole)));
        }
    }

    #[test]
    fn what_waits_for_who_has_no_room_is_small() {
        let participants = (1..=10_000).map(|number| {
            let name = format!("participant {number}");
            (
                ParticipantNumber::new(number),
                participant(number, &name, number),
            )
        });
        let mut welcome = WelcomeEncoder::new(v1::Welcome::default(), participants.collect());
        assert!(welcome.next().is_some_and(|piece| piece.len() < 100));
        assert!(!welcome.is_over());
    }
}
