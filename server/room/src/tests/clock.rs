//! Nobody burns the clock for all, and at the end of the numbers no time stands still.

use super::*;
use crate::FoldError;

const FAR: u64 = 1 << 32;

/// A chat with ada in it, at this time.
fn at(time: u64) -> Chat {
    let mut fold = Fold::default();
    let record = joined(&fold, time - 2);
    fold.apply(&record).expect("follows");
    let rules = RoomRules::default();
    let mut room = Room::new(fold, EPOCH.into(), Position::new(1), rules, now(0));
    let mut again = join("ada", time);
    again.resume = Some(Resume {
        position: 1.into(),
        epoch: EPOCH.into(),
        lamport: time.into(),
        actual: Some(time.into()),
    });
    room.join(&again, now(0)).expect("goes on");
    let log = vec![record];
    Chat { room, log }
}

fn joined(fold: &Fold, request: u64) -> Record {
    Record {
        event: chitty_chat::Event {
            position: fold.head().next(),
            lamport: fold.next_time(request.into()),
            at: std::time::UNIX_EPOCH,
            request: request.into(),
            kind: EventKind::Joined {
                name: "ada".into(),
                member: None,
            },
        },
        session: Some(session("ada")),
        generation: 1,
        private: None,
    }
}

#[test]
fn who_is_far_ahead_gets_in_and_nobody_gets_on_like_that() {
    let mut chat = Chat::new();
    chat.join(join("ada", FAR), 0).expect("once");
    let clock = chat.room.fold().now().get();
    chat.publish(publish("ada", "far", clock + FAR), 0)
        .expect("twice");
    let clock = chat.room.fold().now().get();
    let before = chat.room.fold().clone();
    for _ in 0..100 {
        for refused in [
            chat.publish(publish("ada", "farther", clock + FAR), 0)
                .err(),
            chat.join(join("bob", clock + FAR), 0).err(),
            chat.leave(leave("ada", clock + FAR), 0).err(),
        ] {
            let refused = refused.expect("too often");
            let retry_in = Duration::from_secs(60);
            assert!(
                matches!(refused, Refusal::TimeJump { retry_in: told, .. } if told == retry_in),
                "{refused:?}"
            );
        }
    }
    assert_eq!(chat.room.fold(), &before);
    // Whoever is not ahead notices nothing.
    chat.join(join("bob", 1), 0).expect("as ever");
    chat.publish(publish("bob", "hi", clock + 9000), 0)
        .expect("a little ahead");
    let clock = chat.room.fold().now().get();
    chat.publish(publish("ada", "as told", clock + FAR - 100_000), 60)
        .expect("as told");
}

#[test]
fn what_is_refused_or_known_already_is_not_counted() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    for _ in 0..100 {
        let mut unseen = publish("ada", "hi", FAR);
        unseen.seen = 9.into();
        assert!(chat.publish(unseen, 0).is_err());
        assert!(chat.publish(publish("eve", "hi", FAR), 0).is_err());
        let mut taken = join("bob", FAR);
        taken.name = ParticipantName::parse("Ada");
        assert!(chat.join(taken, 0).is_err());
        assert!(chat.leave(leave("eve", FAR), 0).is_err());
    }
    let mut far = publish("ada", "hi", FAR);
    far.id = MessageId::parse(&"x".repeat(16)).ok();
    for _ in 0..100 {
        chat.publish(far.clone(), 0).expect("the first, or known");
    }
    let clock = chat.room.fold().now().get();
    chat.publish(publish("ada", "again", clock + FAR), 0)
        .expect("the second");
    // A granted resume moves no clock, however far ahead it is.
    let mut again = join("ada", chat.room.fold().now().get() + FAR);
    again.resume = Some(chat.resume(2));
    for _ in 0..100 {
        chat.join(again.clone(), 0).expect("goes on");
    }
}

/// All that 10,000 seats can do in an hour is 62 times 2^32.
#[test]
fn the_clock_is_not_burnt() {
    let mut chat = at(10);
    let mut clock = 0;
    for second in 0..3600 {
        for _ in 0..3 {
            clock = chat.room.fold().now().get();
            for ahead in [FAR, FAR / 8, (1 << 14) + 1] {
                let _ = chat.publish(publish("ada", "x", clock + ahead), second);
            }
        }
    }
    assert!(clock > 50 * FAR && clock < 63 * FAR, "{clock}");
}

#[test]
fn at_the_end_nobody_joins_or_writes_and_times_still_rise() {
    let last = LamportTime::LAST_ENTRY.get();
    let mut chat = at(last - 6);
    chat.publish(publish("ada", "the last but one", 1), 0)
        .expect("in time");
    chat.publish(publish("ada", "the last but one", last - 4), 0)
        .expect("in time");
    assert_eq!(chat.room.fold().now().get(), last - 2);
    let ends = |refused: Option<Refusal>| matches!(refused, Some(Refusal::TimeEnds { .. }));
    assert!(ends(chat.publish(publish("ada", "hi", last - 1), 0).err()));
    assert!(ends(chat.join(join("bob", last - 1), 0).err()));
    chat.publish(publish("ada", "the last", last - 2), 0)
        .expect("in time");
    assert_eq!(chat.room.fold().now().get(), last);
    for time in [1, last, u64::MAX] {
        assert!(ends(chat.publish(publish("ada", "hi", time), 0).err()));
        assert!(ends(chat.join(join("bob", time), 0).err()));
    }
    // Who leaves can still be announced, by their own wish and by their loss.
    assert!(ends(chat.leave(leave("ada", u64::MAX), 0).err()));
    let mut leaving = Chat {
        room: chat.room.clone(),
        log: chat.log.clone(),
    };
    let left = leaving.leave(leave("ada", last), 0).expect("in time");
    assert_eq!(left.lamport.get(), last + 2);
    chat.room.detach(ParticipantNumber::new(1), 2, now(0));
    let lost = chat.expire(60);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].event.lamport.get(), last + 1);
    let times: Vec<_> = chat.log.iter().map(|record| record.event.lamport).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

/// Only a log that was written without these rules comes here.
#[test]
fn at_the_last_number_nothing_is_appended() {
    let mut chat = at(u64::MAX);
    chat.room.detach(ParticipantNumber::new(1), 2, now(0));
    assert!(chat.expire(60).is_empty());
    assert_eq!(chat.room.next_deadline(), None, "nor tried again and again");
    assert!(chat.publish(publish("ada", "hi", 1), 60).is_err());
    assert!(chat.leave(leave("ada", 1), 60).is_err());
    let mut fold = chat.room.fold().clone();
    let mut stands = joined(&fold, 1);
    stands.event.lamport = u64::MAX.into();
    let error = FoldError::StandsStill {
        position: 2.into(),
        found: u64::MAX.into(),
    };
    assert_eq!(fold.apply(&stands), Err(error));
}
