//! Times, ids, and what is refused.

use std::collections::HashMap;

use super::*;

#[test]
fn the_times_are_those_of_the_design() {
    let mut chat = Chat::new();
    let mut clocks: HashMap<&str, LamportClock> = HashMap::new();
    let mut received = 0;
    // Everybody present receives all events up to now.
    let mut deliver = |chat: &Chat, clocks: &mut HashMap<&str, LamportClock>| {
        for record in &chat.log[received..] {
            for clock in clocks.values_mut() {
                clock.receive(record.event.lamport);
            }
        }
        received = chat.log.len();
    };
    for (name, request, at, clock) in [("ada", 1, 3, 4), ("bob", 1, 5, 6), ("eve", 1, 7, 8)] {
        clocks.insert(name, LamportClock::new());
        let sent = clocks.get_mut(name).expect("it").tick().get();
        assert_eq!(sent, request);
        let granted = chat.join(join(name, sent), 0).expect("free");
        assert_eq!(granted.lamport.get(), at);
        deliver(&chat, &mut clocks);
        assert_eq!(clocks[name].now().get(), clock);
    }
    assert_eq!(
        chat.log[0].event.sentence().as_deref(),
        Some("Participant ada joined Chitty-Chat at Lamport time 3")
    );
    for (name, at) in [("ada", 11), ("bob", 15)] {
        let sent = clocks.get_mut(name).expect("it").tick().get();
        let (receipt, _) = chat.publish(publish(name, "hi", sent), 0).expect("present");
        assert_eq!(receipt.lamport.get(), at);
        deliver(&chat, &mut clocks);
    }
    let sent = clocks.get_mut("eve").expect("it").tick().get();
    assert_eq!(
        chat.leave(leave("eve", sent), 0)
            .expect("present")
            .lamport
            .get(),
        19
    );
    // Nobody asked for this one: it has no receipt.
    chat.room.detach(ParticipantNumber::new(2), 1, now(5));
    let lost = chat.expire(15);
    assert_eq!(lost[0].event.lamport.get(), 20);
    assert_eq!(lost[0].event.request, LamportTime::ZERO);
}

#[test]
fn a_retry_is_told_by_its_id_whoever_asks() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    let mut request = publish("ada", "hi", 5);
    request.id = Some(MessageId::parse("0123456789abcdef").expect("an id"));
    let (receipt, duplicate) = chat.publish(request.clone(), 0).expect("present");
    assert!(!duplicate);
    let before = chat.room.fold().clone();
    chat.leave(leave("ada", 9), 0).expect("present");
    let after = chat.room.fold().clone();
    assert_ne!(before, after);
    // Also when its session is over.
    assert_eq!(chat.publish(request.clone(), 1), Ok((receipt, true)));
    assert_eq!(chat.room.fold(), &after, "a retry moves nothing");
    request.text = MessageText::parse("other").expect("a text");
    assert_eq!(
        chat.publish(request, 1).expect_err("other text"),
        Refusal::IdTaken {
            position: receipt.position
        }
    );
}

#[test]
fn seen_and_time_have_bounds() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    chat.join(join("bob", 1), 0).expect("free");
    let mut seen = |position: u64| {
        let mut request = publish("ada", "hi", 1);
        request.seen = position.into();
        chat.publish(request, 0)
    };
    seen(2).expect("is the head");
    seen(2).expect("nothing new was shown");
    assert!(matches!(seen(1), Err(Refusal::SeenFell { .. })));
    seen(0).expect("not told");
    assert!(matches!(seen(6), Err(Refusal::SeenAhead { .. })));
    assert_eq!(
        chat.publish(publish("ada", "hi", 0), 0),
        Err(Refusal::NoTime)
    );
    let clock = chat.room.fold().now().get();
    let ahead = publish("ada", "hi", clock + (1 << 32) + 1);
    assert!(matches!(
        chat.publish(ahead, 0),
        Err(Refusal::TimeAhead { .. })
    ));
    chat.publish(publish("ada", "hi", clock + (1 << 32)), 0)
        .expect("just so");
}

#[test]
#[should_panic(expected = "a record that the room decides follows from its fold")]
fn a_record_that_does_not_fold_is_never_made() {
    let mut room = room();
    let kind = EventKind::Left {
        name: "nobody".into(),
        reason: LeftReason::Left,
        participant: ParticipantNumber::new(9),
    };
    room.record(kind, LamportTime::new(1), None, now(0));
}
