use chitty_chat::{ParticipantNumber, secret::os_random};

use super::*;

fn record(position: u64, lamport: u64, request: u64, kind: EventKind) -> Record {
    Record {
        event: Event {
            position: position.into(),
            lamport: lamport.into(),
            at: UNIX_EPOCH,
            request: request.into(),
            kind,
        },
        session: SessionHash::from_bytes(&[7; 16]),
        generation: 1,
        private: None,
    }
}

fn message(participant: u64) -> EventKind {
    EventKind::Message {
        author: format!("number {participant}").as_str().into(),
        text: "hi".into(),
        id: "".into(),
        seen: Position::ZERO,
        participant: ParticipantNumber::new(participant),
        member: None,
    }
}

/// ada joined at position 1, time 3.
fn fold() -> Fold {
    let mut fold = Fold::default();
    let joined = EventKind::Joined {
        name: "ada".into(),
        member: None,
    };
    fold.apply(&record(1, 3, 1, joined)).expect("by the rules");
    fold
}

#[test]
fn only_who_is_not_known_is_lost() {
    let mut lost = LostParticipants::after(&fold());
    // Of one who is known, of itself, of one who comes later.
    for (position, participant) in [(5, 1), (6, 6), (7, 9)] {
        lost.observe(&record(position, 0, 0, message(participant)).event);
    }
    assert!(lost.names.is_empty());
    for (position, participant) in [(8, 4), (9, 3), (10, 9)] {
        lost.observe(&record(position, 0, 0, message(participant)).event);
    }
    let numbers: Vec<_> = lost.names.keys().map(|number| number.get()).collect();
    assert_eq!(numbers, [3, 4, 9]);
    let fold = lost.fold_before(5.into(), 20.into(), &mut os_random);
    let fold = fold.expect("whole");
    assert_eq!((fold.head().get(), fold.now().get()), (4, 20));
    let sessions: BTreeSet<_> = fold
        .participants()
        .map(|participant| *participant.session.as_bytes())
        .collect();
    assert_eq!(sessions.len(), 2, "each has one of its own");
    assert!(!sessions.contains(&[0; 16]) && !sessions.contains(&[1; 16]));
}

#[test]
fn a_hole_is_filled_if_there_are_times_for_it() {
    let lost = LostParticipants::default();
    // Nobody asked for it, so the time before is one less; the position between needs one.
    for (lamport, taken) in [(4, 0), (5, 2), (6, 2), (90, 2)] {
        let mut mender = Mender::new(fold(), 1.into(), 3.into(), &lost);
        let found = record(3, lamport, 0, EventKind::Unknown);
        let records = mender.take(found, &mut os_random);
        assert_eq!(records.len(), taken, "{lamport}");
        assert_eq!(mender.report.kept, taken as u64 / 2);
        assert_eq!(mender.report.contradicting, 1 - taken as u64 / 2);
        let mut fold = fold();
        for record in &records {
            fold.apply(record).expect("by the rules");
        }
    }
}

#[test]
fn what_contradicts_is_counted_and_left_out() {
    let lost = LostParticipants::default();
    let mut mender = Mender::new(fold(), 1.into(), 3.into(), &lost);
    for count in 1..=3 {
        let stranger = record(2, 5, 1, message(9));
        assert!(mender.take(stranger, &mut os_random).is_empty());
        assert_eq!(mender.report.contradicting, count);
    }
    let records = mender.take(record(2, 5, 1, message(1)), &mut os_random);
    assert_eq!((records.len(), mender.report.kept), (1, 1));
}

#[test]
fn what_a_snapshot_covers_is_filled_up_to_its_time() {
    let lost = LostParticipants::default();
    let fold = lost.fold_before(6.into(), 20.into(), &mut os_random);
    let mut mender = Mender::new(fold.expect("whole"), 2.into(), 6.into(), &lost);
    let filled = mender.fill_to_snapshot(&mut os_random).expect("there is");
    let positions: Vec<_> = filled.iter().map(|it| it.event.position.get()).collect();
    assert_eq!(positions, [3, 4, 5]);
    assert_eq!(filled[2].event.lamport.get(), 20);
    assert_eq!(mender.at().get(), 5);
    assert!(
        mender
            .fill_to_snapshot(&mut os_random)
            .expect("done")
            .is_empty()
    );
}
