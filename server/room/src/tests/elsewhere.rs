//! What the log says that was not decided here: another writer appended it, or one who breaks the
//! rules.

use super::*;
use crate::FoldError;

#[test]
fn streams_are_counted_on_from_those_of_another_server() {
    let mut other = Chat::new();
    for _ in 0..3 {
        other.join(join("ada", 1), 0).expect("free, then alive");
    }
    other.publish(publish("ada", "hi", 9), 0).expect("present");
    let mut here = Chat::new();
    here.room.advance(other.room.fold().clone());
    // No stream of hers has begun here.
    here.publish(publish("ada", "ho", 9), 0).expect("present");
    assert_eq!(here.log[0].generation, 3);
    let granted = here.join(join("ada", 9), 0).expect("alive");
    assert_eq!(granted.generation, 4);
    here.publish(publish("ada", "hey", 9), 0).expect("present");
    assert_eq!(here.log[1].generation, 4);
}

#[test]
fn who_left_through_another_server_is_waited_for_no_more() {
    let mut chat = Chat::new();
    for name in ["ada", "bob"] {
        chat.join(join(name, 1), 0).expect("free");
    }
    let mut other = chat.room.clone();
    chat.room.detach(ParticipantNumber::new(1), 1, now(3));
    chat.room.detach(ParticipantNumber::new(2), 1, now(5));
    other.leave(&leave("ada", 9), now(4)).expect("present");
    chat.room.advance(other.fold().clone());
    assert_eq!(chat.room.next_deadline(), Some(Duration::from_secs(15)));
    let gone = chat.expire(100);
    assert!(matches!(
        gone.as_slice(),
        [Record { event, .. }] if matches!(&event.kind, EventKind::Left { name, .. } if &**name == "bob")
    ));
}

#[test]
fn who_is_not_present_neither_writes_nor_leaves() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    chat.publish(publish("ada", "hi", 5), 0).expect("present");
    chat.leave(leave("ada", 9), 0).expect("present");
    let stranger = ParticipantNumber::new(7);
    let mut fold = Fold::default();
    for record in &chat.log {
        let mut strange = record.clone();
        match &mut strange.event.kind {
            EventKind::Message { participant, .. } | EventKind::Left { participant, .. } => {
                *participant = stranger;
                let error = FoldError::NotPresent {
                    position: record.event.position,
                    participant: stranger,
                };
                let before = fold.clone();
                assert_eq!(fold.apply(&strange), Err(error));
                assert_eq!(fold, before);
            }
            EventKind::Joined { .. } => {
                strange.session = None;
                let position = record.event.position;
                assert_eq!(fold.apply(&strange), Err(FoldError::NoSession { position }));
            }
            EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => {
                unreachable!("nobody asks for it")
            }
        }
        fold.apply(record).expect("follows");
    }
}
