use chitty_chat::{EventKind, ParticipantName};

use super::*;

fn message(position: u64, author: &str, text: &str, id: &str) -> v1::Event {
    v1::Event {
        position,
        lamport: position * 2 + 1,
        kind: Some(event::Kind::Message(v1::Message {
            author: author.into(),
            text: text.into(),
            id: id.into(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

fn read(event: v1::Event) -> Event {
    let mut read = v1::Broadcast {
        kind: Some(Kind::Event(event)),
    };
    broadcast(&mut read);
    match read.kind {
        Some(Kind::Event(event)) => event.into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_keeps_the_rules_stays_as_it_is() {
    let (author, text, id) = ("é".repeat(32), "😀".repeat(128), "x".repeat(64));
    let EventKind::Message {
        author: read_author,
        text: read_text,
        id: read_id,
        ..
    } = read(message(1, &author, &text, &id)).kind
    else {
        panic!("a message");
    };
    assert_eq!(
        (&*read_author, &*read_text, &*read_id),
        (&*author, &*text, &*id)
    );
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let long = "é".repeat(1 << 20);
    let event = read(message(1, &long, &long, &long));
    let EventKind::Message {
        author, text, id, ..
    } = &event.kind
    else {
        panic!("a message");
    };
    for (cut, max) in [(author, NAME), (text, TEXT), (id, ID)] {
        assert_eq!(**cut, format!("{}…", "é".repeat(max / 2)));
    }
    for kind in [
        event::Kind::Joined(v1::Joined {
            name: long.clone(),
            member: 0,
        }),
        event::Kind::Left(v1::Left {
            name: long.clone(),
            ..Default::default()
        }),
    ] {
        let event = read(v1::Event {
            kind: Some(kind),
            ..Default::default()
        });
        let sentence = event.sentence().expect("it is announced");
        assert!(sentence.len() < 500, "{sentence}");
    }
}

#[test]
fn a_welcome_is_bounded() {
    let long = "x".repeat(1 << 16);
    let participants = (0..PARTICIPANTS as u64 + 9).map(|number| v1::Participant {
        name: if number == 0 {
            long.clone()
        } else {
            "ada".into()
        },
        number,
        seen: 0,
        member: 0,
    });
    let mut welcome = v1::Broadcast {
        kind: Some(Kind::Welcome(v1::Welcome {
            session: long.clone(),
            epoch: long.clone(),
            room: long.clone(),
            participants: participants.collect(),
            ..Default::default()
        })),
    };
    broadcast(&mut welcome);
    let Some(Kind::Welcome(welcome)) = welcome.kind else {
        panic!("a welcome");
    };
    assert_eq!(welcome.participants.len(), PARTICIPANTS);
    assert_eq!(welcome.participants[0].name.len(), NAME + '…'.len_utf8());
    assert_eq!(welcome.epoch.len(), EPOCH + '…'.len_utf8());
    assert!(welcome.session.is_empty() && welcome.room.is_empty());
}

#[test]
fn a_page_is_the_one_that_was_asked_for_or_none() {
    let reply = |positions: &[u64]| v1::HistoryReply {
        events: positions
            .iter()
            .map(|&position| message(position, "ada", "hi", ""))
            .collect(),
        start: false,
    };
    let at = |position| Position::new(position);
    let (before, after) = (HistoryPage::Before(at(9)), HistoryPage::After(at(9)));
    let around = HistoryPage::At(5.into());
    let end = HistoryPage::Before(Position::ZERO);
    for (wanted, positions) in [
        (before, &[7, 8][..]),
        (before, &[]),
        (after, &[10, 11]),
        (around, &[10, 11, 12]),
        (end, &[u64::MAX / 4]),
    ] {
        let (events, _) = page(wanted, 3, reply(positions)).expect("in order");
        let read: Vec<_> = events.iter().map(|event| event.position.get()).collect();
        assert_eq!(read, positions);
    }
    for (wanted, positions, wrong) in [
        (before, &[9, 10][..], WrongPage::Elsewhere(at(10))),
        (after, &[8, 9], WrongPage::Elsewhere(at(8))),
        (around, &[0, 1], WrongPage::Elsewhere(at(0))),
        (around, &[5, 7], WrongPage::OutOfOrder(at(7))),
        (around, &[5, 5], WrongPage::OutOfOrder(at(5))),
        (around, &[5, 4], WrongPage::OutOfOrder(at(4))),
        (
            around,
            &[5, 6, 7, 8],
            WrongPage::TooMany {
                events: 4,
                limit: 3,
            },
        ),
    ] {
        assert_eq!(page(wanted, 3, reply(positions)), Err(wrong));
    }
    let mut standing = reply(&[5, 6]);
    standing.events[1].lamport = standing.events[0].lamport;
    let wrong = page(around, 3, standing);
    assert_eq!(wrong, Err(WrongPage::OutOfOrder(at(6))));
}

#[test]
fn nobody_waits_longer_than_stated() {
    let asked = |seconds, nanos| wait(&prost_types::Duration { seconds, nanos });
    assert_eq!(asked(3, 500_000_000), Duration::from_millis(3500));
    for (seconds, nanos, read) in [
        (i64::MAX, i32::MAX, LONGEST_WAIT),
        (i64::MIN, i32::MIN, Duration::ZERO),
        (-1, 0, Duration::ZERO),
        (1, -1, Duration::from_secs(1)),
        (300, 0, Duration::from_secs(300)),
        (301, 0, Duration::from_secs(300)),
    ] {
        assert_eq!(asked(seconds, nanos), read, "{seconds} s, {nanos} ns");
    }
}

/// The largest messages that the contract allows can be read.
#[test]
fn what_the_contract_allows_fits() {
    use prost::Message as _;

    let name = "😀".repeat(ParticipantName::MAX_CHARS);
    let participants = (0..PARTICIPANTS).map(|_| v1::Participant {
        name: name.clone(),
        number: u64::MAX,
        seen: u64::MAX,
        member: 0,
    });
    let welcome = v1::Broadcast {
        kind: Some(Kind::Welcome(v1::Welcome {
            epoch: "e".repeat(EPOCH),
            participants: participants.collect(),
            ..Default::default()
        })),
    };
    assert!(welcome.encoded_len() < PARTICIPANTS * PARTICIPANT);
    // Beside the participants there is space for other fields, but not for anything.
    let space = STREAM_MESSAGE.checked_sub(PARTICIPANTS * PARTICIPANT);
    assert!(space.is_some_and(|space| (32 << 10..256 << 10).contains(&space)));
    // As many bytes of events as a page has at most, in the smallest events there are.
    let page = v1::HistoryReply {
        events: vec![message(1, &"x".repeat(32), &"x".repeat(218), ""); 1000],
        start: true,
    };
    let events: usize = page.events.iter().map(prost::Message::encoded_len).sum();
    assert!((255 << 10..257 << 10).contains(&events), "{events}");
    assert!(page.encoded_len() < PAGE);
}
