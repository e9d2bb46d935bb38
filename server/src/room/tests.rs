use std::{collections::HashMap, time::Duration};

use chitty_chat::{
    EventKind, LamportClock, LamportTime, LeftReason, MessageId, MessageText, ParticipantName,
    ParticipantNumber, Position, Session,
};
use proptest::prelude::*;

use super::*;
use crate::record::Record;

const EPOCH: &str = "epoch";

fn session(name: &str) -> chitty_chat::SessionHash {
    Session::parse(&format!("{name:_<22}"))
        .expect("a session")
        .hash()
}

fn now(seconds: u64) -> Now {
    let mono = Duration::from_secs(seconds);
    Now {
        wall: std::time::UNIX_EPOCH + mono,
        mono,
    }
}

fn room() -> Room {
    Room::new(
        Fold::default(),
        EPOCH.into(),
        Position::new(1),
        Rules::default(),
        now(0),
    )
}

fn join(name: &str, lamport: u64) -> Join {
    Join {
        session: session(name),
        name: ParticipantName::parse(name),
        lamport: lamport.into(),
        resume: None,
        backlog: 0,
        source: None,
    }
}

fn publish(name: &str, text: &str, lamport: u64) -> Publish {
    Publish {
        session: session(name),
        text: MessageText::parse(text).expect("a text"),
        id: None,
        seen: Position::ZERO,
        lamport: lamport.into(),
    }
}

fn leave(name: &str, lamport: u64) -> Leave {
    Leave {
        session: session(name),
        lamport: lamport.into(),
    }
}

/// A chat in which everything is kept, as a log would.
struct Chat {
    room: Room,
    log: Vec<Record>,
}

impl Chat {
    fn new() -> Self {
        Self {
            room: room(),
            log: Vec::new(),
        }
    }

    fn decide(&mut self, command: &Command, seconds: u64) -> Result<Decision, Refusal> {
        let decision = self.room.decide(command, now(seconds))?;
        self.log.extend_from_slice(&decision.records);
        Ok(decision)
    }

    fn join(&mut self, join: Join, seconds: u64) -> Result<Granted, Refusal> {
        match self.decide(&Command::Join(join), seconds)?.accepted {
            Accepted::Joined(granted) => Ok(granted),
            other => panic!("{other:?}"),
        }
    }

    fn publish(&mut self, publish: Publish, seconds: u64) -> Result<(Receipt, bool), Refusal> {
        match self.decide(&Command::Publish(publish), seconds)?.accepted {
            Accepted::Published { receipt, duplicate } => Ok((receipt, duplicate)),
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, leave: Leave, seconds: u64) -> Result<Receipt, Refusal> {
        match self.decide(&Command::Leave(leave), seconds)?.accepted {
            Accepted::Left { receipt, .. } => Ok(receipt),
            other => panic!("{other:?}"),
        }
    }

    fn expire(&mut self, seconds: u64) -> Vec<Record> {
        let records = self.room.expire(now(seconds));
        self.log.extend_from_slice(&records);
        records
    }

    fn resume(&self, position: u64) -> Resume {
        let lamport = match position {
            0 => LamportTime::ZERO,
            at => {
                self.log[usize::try_from(at).expect("small") - 1]
                    .event
                    .lamport
            }
        };
        Resume {
            position: position.into(),
            epoch: EPOCH.into(),
            lamport,
            actual: Some(lamport),
        }
    }
}

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
fn names_are_taken_by_those_present_and_look_alikes() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    let mut other = join("Ada", 1);
    other.session = session("other");
    let refused = chat.join(other.clone(), 0).expect_err("taken");
    assert!(matches!(refused, Refusal::NameTaken { retry_in: None, .. }));
    chat.room.detach(ParticipantNumber::new(1), 1, now(1));
    let refused = chat.join(other.clone(), 4).expect_err("still taken");
    assert!(matches!(
        refused,
        Refusal::NameTaken { retry_in: Some(time), .. } if time == Duration::from_secs(7)
    ));
    assert_eq!(chat.expire(10).len(), 0);
    assert_eq!(chat.expire(11).len(), 1);
    chat.join(other, 11).expect("free again");
    assert_eq!(chat.log.len(), 3);
}

#[test]
fn a_join_of_a_live_session_is_nobodys_event() {
    let mut chat = Chat::new();
    let first = chat.join(join("ada", 1), 0).expect("free");
    chat.join(join("bob", 1), 0).expect("free");
    // The first Welcome was lost.
    let mut again = join("zoe", 1);
    again.session = session("ada");
    let again = chat.join(again, 1).expect("alive");
    assert!(again.resumed);
    assert_eq!(&*again.name, "ada");
    assert_eq!(again.participant, first.participant);
    assert_eq!(again.generation, 2);
    assert_eq!((again.position.get(), again.next.get()), (2, 1));
    assert_eq!(again.participants.len(), 2);
    // It comes back from where it is.
    let mut resume = join("ada", 9);
    resume.resume = Some(chat.resume(1));
    let resumed = chat.join(resume, 1).expect("alive");
    assert!(resumed.resumed);
    assert_eq!((resumed.position.get(), resumed.next.get()), (1, 2));
    assert_eq!(resumed.participants, []);
    assert_eq!(chat.log.len(), 2);
    // The end of an older stream counts for nothing.
    chat.room.detach(first.participant, 1, now(2));
    chat.room.detach(first.participant, 2, now(2));
    assert_eq!(chat.expire(100), []);
    chat.room.detach(first.participant, 3, now(100));
    assert_eq!(chat.expire(110).len(), 1);
    assert_eq!(chat.expire(1000), []);
}

#[test]
fn a_lost_one_comes_back_as_new_and_misses_nothing() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    chat.room.detach(ParticipantNumber::new(1), 1, now(0));
    chat.expire(10);
    let mut back = join("ada", 5);
    back.resume = Some(chat.resume(1));
    let granted = chat.join(back, 20).expect("free");
    assert!(!granted.resumed);
    assert_eq!((granted.position.get(), granted.next.get()), (3, 2));
    assert_eq!(granted.participants.len(), 1);
}

#[test]
fn a_stale_resume_is_a_new_participation_without_replay() {
    for spoil in [
        (|resume: &mut Resume| resume.epoch = "another".into()) as fn(&mut Resume),
        |resume| resume.lamport = LamportTime::new(99),
        |resume| resume.position = Position::new(99),
        |resume| resume.actual = None,
    ] {
        // Of an unknown session.
        let mut chat = Chat::new();
        chat.join(join("ada", 1), 0).expect("free");
        let mut stale = join("bob", 3);
        let mut resume = chat.resume(1);
        spoil(&mut resume);
        stale.resume = Some(resume.clone());
        let granted = chat.join(stale, 0).expect("free");
        assert!(!granted.resumed);
        assert_eq!((granted.position.get(), granted.next.get()), (2, 2));
        // Of a live one: its old participation ends, there are never two.
        let mut stale = join("ada", 9);
        stale.resume = Some(resume);
        let granted = chat.join(stale, 0).expect("free");
        assert!(!granted.resumed);
        assert_eq!((granted.position.get(), granted.next.get()), (4, 4));
        assert!(matches!(
            chat.log[2].event.kind,
            EventKind::Left {
                reason: LeftReason::Lost,
                ..
            }
        ));
        assert_eq!(chat.room.fold().count(), 2);
    }
}

#[test]
fn a_resume_below_what_is_kept_is_stale() {
    let mut chat = Chat::new();
    for name in ["ada", "bob", "eve", "joe"] {
        chat.join(join(name, 1), 0).expect("free");
    }
    chat.room.set_first(Position::new(3));
    let come_back = |position| {
        let mut request = join("ada", 9);
        request.resume = Some(chat.resume(position));
        chat.room
            .clone()
            .decide(&Command::Join(request), now(0))
            .expect("granted")
    };
    let granted = |decision: Decision| match decision.accepted {
        Accepted::Joined(granted) => granted,
        other => panic!("{other:?}"),
    };
    assert!(!granted(come_back(1)).resumed);
    assert!(granted(come_back(2)).resumed);
    // And a backlog ends where the log begins.
    let mut request = join("new", 9);
    request.backlog = 100;
    let granted = chat.join(request, 0).expect("free");
    assert_eq!(
        (
            granted.position.get(),
            granted.next.get(),
            granted.first.get()
        ),
        (5, 3, 3)
    );
}

#[test]
fn who_left_is_never_revived_and_hears_the_same_again() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    let first = chat.leave(leave("ada", 5), 0).expect("present");
    assert_eq!(chat.leave(leave("ada", 5), 1), Ok(first));
    assert_eq!(chat.log.len(), 2);
    assert_eq!(
        chat.join(join("ada", 9), 1).expect_err("left"),
        Refusal::EndedSession
    );
    assert_eq!(
        chat.publish(publish("ada", "hi", 9), 1).expect_err("left"),
        Refusal::UnknownSession
    );
    assert_eq!(
        chat.leave(leave("nobody", 1), 1).expect_err("unknown"),
        Refusal::UnknownSession
    );
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
    assert!(matches!(seen(1), Err(Refusal::SeenFell { .. })));
    seen(0).expect("not told");
    assert!(matches!(seen(5), Err(Refusal::SeenAhead { .. })));
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
fn those_present_at_the_servers_death_have_a_grace_and_leave_once() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    chat.join(join("bob", 1), 0).expect("free");
    let fold = chat.room.fold().clone();
    chat.room = Room::new(
        fold,
        EPOCH.into(),
        Position::new(1),
        Rules::default(),
        now(0),
    );
    let mut back = join("ada", 5);
    back.resume = Some(chat.resume(2));
    assert!(chat.join(back, 29).expect("alive").resumed);
    assert_eq!(chat.expire(29), []);
    let closed = chat.expire(30);
    assert_eq!(closed.len(), 1);
    assert!(matches!(
        &closed[0].event.kind,
        EventKind::Left { name, reason: LeftReason::Closed, .. } if &**name == "bob"
    ));
    assert_eq!(chat.expire(1000), []);
}

#[test]
fn a_full_room_says_so() {
    let rules = Rules {
        max_participants: 1,
        ..Rules::default()
    };
    let mut room = Room::new(
        Fold::default(),
        EPOCH.into(),
        Position::new(1),
        rules,
        now(0),
    );
    room.decide(&Command::Join(join("ada", 1)), now(0))
        .expect("room for one");
    let refused = room
        .decide(&Command::Join(join("bob", 1)), now(0))
        .expect_err("full");
    assert_eq!(refused, Refusal::Full { limit: 1 });
}

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
                EventKind::Joined { name } => {
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
                EventKind::Unknown => {}
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
                        fold, EPOCH.into(), Position::new(1), Rules::default(), now(seconds),
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
            generation: 0,
        };
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
