//! Against a naive model.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Join(usize, u64, Option<u64>),
    Publish(usize, u64, Option<u8>, u64),
    Leave(usize, u64),
    Detach(usize),
    Wait(u64),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = 0..4_usize;
    let step = prop_oneof![
        (who.clone(), 0..40_u64, prop::option::of(0..30_u64))
            .prop_map(|(who, time, resume)| Step::Join(who, time, resume)),
        (who.clone(), 0..40_u64, prop::option::of(0..6_u8), 0..30_u64)
            .prop_map(|(who, time, id, seen)| Step::Publish(who, time, id, seen)),
        (who.clone(), 0..40_u64).prop_map(|(who, time)| Step::Leave(who, time)),
        who.prop_map(Step::Detach),
        (0..20_u64).prop_map(Step::Wait),
        Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..60)
}

/// What the rules say, said the plain way: over the whole log, each time.
mod naive {
    use super::*;

    /// Who is present, by walking the whole log.
    pub(super) fn present(log: &[Record]) -> Vec<(u64, String)> {
        let mut present = Vec::new();
        for Record { event, .. } in log {
            match &event.kind {
                EventKind::Joined { name, .. } => {
                    present.push((event.position.get(), name.to_string()));
                }
                EventKind::Left { participant, .. } => {
                    let before = present.len();
                    present.retain(|(number, _)| *number != participant.get());
                    assert_eq!(
                        present.len() + 1,
                        before,
                        "each Left ends one participation"
                    );
                }
                EventKind::Message { participant, .. } => {
                    assert!(
                        present
                            .iter()
                            .any(|(number, _)| *number == participant.get())
                    );
                }
                EventKind::Member(_) | EventKind::Invitation(_) | EventKind::Unknown => {}
            }
        }
        present
    }

    pub(super) fn times(log: &[Record]) -> Vec<u64> {
        let mut clock = 0;
        log.iter()
            .map(|Record { event, .. }| {
                if event.request.get() > 0 {
                    clock = u64::max(clock, event.request.get()) + 1;
                }
                clock += 1;
                clock
            })
            .collect()
    }
}

const NAMES: [&str; 4] = ["ada", "bob", "eve", "Bob"];

proptest! {
    #[test]
    fn a_room_does_what_the_naive_model_says(steps in steps()) {
        let mut chat = Chat::new();
        let mut seconds = 0;
        let mut answered: HashMap<u8, Receipt> = HashMap::new();
        let mut folds = vec![chat.room.fold().clone()];
        for step in steps {
            let before = chat.room.fold().clone();
            let length = chat.log.len();
            let refused = match step {
                Step::Join(who, time, resume) => {
                    let mut request = join(NAMES[who], time);
                    request.session = session(&format!("{who}"));
                    request.resume =
                        resume.filter(|at| *at <= length as u64).map(|at| chat.resume(at));
                    chat.join(request, seconds).is_err()
                }
                Step::Publish(who, time, id, seen) => {
                    let mut request = publish(NAMES[who], "hi", time);
                    request.session = session(&format!("{who}"));
                    request.seen = seen.into();
                    request.id = id.and_then(|id| MessageId::parse(&format!("{id:016}")).ok());
                    let answer = chat.publish(request, seconds);
                    if let (Ok((receipt, duplicate)), Some(id)) = (&answer, id) {
                        let first = *answered.entry(id).or_insert(*receipt);
                        prop_assert_eq!(first, *receipt, "one id, one event");
                        prop_assert_eq!(*duplicate, chat.log.len() == length);
                    }
                    answer.is_err()
                }
                Step::Leave(who, time) => {
                    let mut request = leave(NAMES[who], time);
                    request.session = session(&format!("{who}"));
                    chat.leave(request, seconds).is_err()
                }
                Step::Detach(who) => {
                    let hash = session(&format!("{who}"));
                    if let Some(SessionState::Present(number)) = chat.room.fold().session(&hash) {
                        for generation in 1..20 {
                            chat.room.detach(number, generation, now(seconds));
                        }
                    }
                    false
                }
                Step::Wait(time) => {
                    seconds += time;
                    chat.expire(seconds);
                    false
                }
                Step::Restart => {
                    let fold = chat.room.fold().clone();
                    chat.room = Room::new(
                        fold, EPOCH.into(), Position::new(1), RoomRules::default(), now(seconds),
                    );
                    false
                }
            };
            if refused {
                prop_assert_eq!(chat.room.fold(), &before, "a refusal moves nothing");
                prop_assert_eq!(chat.log.len(), length);
            }
            while folds.len() <= chat.log.len() {
                // The states in between, of several events at once, are those of the replay.
                let mut fold = folds[folds.len() - 1].clone();
                fold.apply(&chat.log[folds.len() - 1]).expect("follows");
                folds.push(fold);
            }
            prop_assert_eq!(chat.room.fold(), &folds[chat.log.len()]);
        }
        let times: Vec<_> = chat.log.iter().map(|record| record.event.lamport.get()).collect();
        prop_assert_eq!(&times, &naive::times(&chat.log));
        prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        let present: Vec<_> = chat.room.fold().participants()
            .map(|known| (known.number.get(), known.name.to_string())).collect();
        prop_assert_eq!(present, naive::present(&chat.log));
        // Replaying any prefix gives the state that lived through it, also by way of bytes and
        // of a snapshot.
        let mut replayed = Fold::default();
        for (record, lived) in chat.log.iter().zip(&folds[1..]) {
            let record = Record::decode(&record.encode()).expect("its own bytes");
            replayed = Fold::decode(&replayed.encode()).expect("its own bytes");
            replayed.apply(&record).expect("follows");
            prop_assert_eq!(&replayed, lived);
        }
    }

    #[test]
    fn a_record_out_of_place_is_found(steps in steps(), position in 0..100_u64, time in 0..400_u64) {
        let mut chat = Chat::new();
        for step in steps {
            if let Step::Join(who, at, _) = step {
                let _ = chat.join(join(NAMES[who], at), 0);
            }
        }
        let mut next = Record {
            event: chitty_chat::Event {
                position: chat.room.fold().head().next(),
                lamport: chat.room.fold().next_time(LamportTime::new(7)),
                at: std::time::UNIX_EPOCH,
                request: LamportTime::new(7),
                kind: EventKind::Unknown,
            },
            session: None,
            generation: 0, private: None };
        let mut fold = chat.room.fold().clone();
        fold.apply(&next).expect("an unknown kind takes its place");
        prop_assert_eq!(fold.count(), chat.room.fold().count());
        let fold = chat.room.fold().clone();
        let (right_position, right_time) = (next.event.position, next.event.lamport);
        next.event.position = position.into();
        let applied = fold.clone().apply(&next);
        prop_assert_eq!(applied.is_ok(), right_position.get() == position);
        next.event.position = right_position;
        next.event.lamport = time.into();
        let applied = fold.clone().apply(&next);
        prop_assert_eq!(applied.is_ok(), right_time.get() == time);
    }
}
