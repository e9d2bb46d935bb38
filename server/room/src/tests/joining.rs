//! Who comes in, comes back, or does not.

use super::*;

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
    // Its grace is over, and that is not durable yet.
    let refused = chat.join(other.clone(), 11).expect_err("still taken");
    assert!(matches!(
        refused,
        Refusal::NameTaken { retry_in: Some(time), .. } if time == Duration::from_secs(1)
    ));
    assert_eq!(chat.expire(11).len(), 1);
    chat.join(other, 11).expect("free again");
    assert_eq!(chat.log.len(), 3);
}

#[test]
fn who_has_the_name_and_until_when_is_said() {
    let refusal = |name: &str, retry_in| Refusal::NameTaken {
        name: name.into(),
        owner: "ada".into(),
        retry_in,
    };
    for (name, millis, expected) in [
        ("ada", None, "the name ada is taken; choose another"),
        (
            "Ada",
            None,
            "the name Ada is too like ada, who is present; choose another",
        ),
        (
            "ada",
            Some(6_000),
            "the name ada is taken by somebody whose connection is lost; choose another, or try \
             again in 6 s",
        ),
        // Who comes back a moment too early is refused again.
        (
            "Ada",
            Some(6_001),
            "the name Ada is too like ada, whose connection is lost; choose another, or try again \
             in 7 s",
        ),
    ] {
        let retry_in = millis.map(Duration::from_millis);
        assert_eq!(refusal(name, retry_in).to_string(), expected);
    }
}

#[test]
fn the_next_deadline_is_that_of_the_first_whose_grace_runs() {
    let mut chat = Chat::new();
    for name in ["ada", "bob"] {
        chat.join(join(name, 1), 0).expect("free");
    }
    assert_eq!(chat.room.next_deadline(), None);
    chat.room.detach(ParticipantNumber::new(2), 1, now(3));
    chat.room.detach(ParticipantNumber::new(1), 1, now(5));
    assert_eq!(chat.room.next_deadline(), Some(Duration::from_secs(13)));
    chat.expire(13);
    assert_eq!(chat.room.next_deadline(), Some(Duration::from_secs(15)));
    chat.join(join("ada", 9), 14).expect("alive");
    assert_eq!(chat.room.next_deadline(), None);
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
    assert_eq!(&*again.participants[&again.participant].name, "ada");
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
    assert!(resumed.participants.is_empty());
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
            .join(&request, now(0))
            .expect("granted")
            .reply
    };
    assert!(!come_back(1).resumed);
    assert!(come_back(2).resumed);
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
fn those_present_at_the_servers_death_have_a_grace_and_leave_once() {
    let mut chat = Chat::new();
    chat.join(join("ada", 1), 0).expect("free");
    chat.join(join("bob", 1), 0).expect("free");
    let fold = chat.room.fold().clone();
    chat.room = Room::new(
        fold,
        EPOCH.into(),
        Position::new(1),
        RoomRules::default(),
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
    let rules = RoomRules {
        max_participants: 1,
        ..RoomRules::default()
    };
    let mut room = Room::new(
        Fold::default(),
        EPOCH.into(),
        Position::new(1),
        rules,
        now(0),
    );
    room.join(&join("ada", 1), now(0)).expect("room for one");
    let refused = room.join(&join("bob", 1), now(0)).expect_err("full");
    assert_eq!(refused, Refusal::Full { limit: 1 });
}
