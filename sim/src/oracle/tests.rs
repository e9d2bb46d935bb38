//! Each check finds what it is for, and nothing else, in a small run made by hand.

mod faults;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chitty::session::{Ended, Link, Ticket, WelcomeNotice};
use chitty_chat::{
    EventKind, LeftReason, MessageText, ParticipantNumber, Position, Session, logging::parse_line,
};

use super::*;

const TEXT: &str = "hello";

/// The wall time this many seconds after the run began. The event at position 3 is of second 30.
fn second(number: u64) -> SystemTime {
    const BEGIN: u64 = 1_767_225_600;
    UNIX_EPOCH + Duration::from_secs(BEGIN + number)
}

fn record(position: u64, request: u64, lamport: u64, kind: EventKind) -> Record {
    let event = chitty_chat::Event {
        position: position.into(),
        lamport: lamport.into(),
        at: second(10 * position),
        request: request.into(),
        kind,
    };
    Record {
        event,
        session: None,
        generation: 0,
        private: None,
    }
}

fn message(position: u64, request: u64, lamport: u64, id: &str) -> Record {
    let kind = EventKind::Message {
        author: "ada".into(),
        text: TEXT.into(),
        id: id.into(),
        seen: 2.into(),
        participant: ParticipantNumber::new(1),
        member: None,
    };
    record(position, request, lamport, kind)
}

fn left(position: u64, lamport: u64) -> Record {
    let kind = EventKind::Left {
        name: "bob".into(),
        reason: LeftReason::Lost,
        participant: ParticipantNumber::new(2),
    };
    record(position, 0, lamport, kind)
}

fn joined(position: u64, lamport: u64, name: &str) -> Record {
    let session = Session::parse(&format!("{name:-<22}")).expect("it is long enough");
    Record {
        session: Some(session.hash()),
        ..record(
            position,
            1,
            lamport,
            EventKind::Joined {
                name: name.into(),
                member: None,
            },
        )
    }
}

/// The log of the run: ada joins, bob joins, ada writes, bob is lost.
fn log() -> Vec<Record> {
    vec![
        joined(1, 3, "ada"),
        joined(2, 5, "bob"),
        message(3, 7, 9, "first"),
        left(4, 10),
    ]
}

fn welcome() -> Notice {
    Notice::Welcome(WelcomeNotice {
        name: "ada".into(),
        number: ParticipantNumber::new(1),
        participants: Some(vec![(ParticipantNumber::new(1), "ada".into())]),
        position: 1.into(),
        next: 1.into(),
        head: 1.into(),
        first: 1.into(),
        clock: 3.into(),
        resumed: false,
        seen: Vec::new(),
        another_log: false,
        server: String::new(),
    })
}

fn shown(record: &Record, clock: u64) -> Exchange {
    let own = matches!(record.event.kind, EventKind::Message { .. }).then_some(Ticket(1));
    Exchange::Notified(Notice::Event {
        event: record.event.clone(),
        clock: clock.into(),
        own,
        live: true,
    })
}

fn line(body: &str) -> Line {
    line_at(0, body)
}

fn line_at(number: u64, body: &str) -> Line {
    let line = format!("2026-01-01T00:00:00.000000Z ada run=00000000 {body}");
    Line {
        time: second(number),
        ..parse_line(&line).expect("it is a line")
    }
}

/// The server's lines: both join, and bob's connection is lost.
fn server() -> ServerRun {
    let lines = [
        (10, "Broadcast sent position=1"),
        (20, "Broadcast sent position=2"),
        (30, "Broadcast sent position=3"),
        (40, "Broadcast sent position=4"),
        (10, "Join granted participant=1 generation=1"),
        (10, "Stream opened participant=1 generation=1"),
        (20, "Join granted participant=2 generation=1"),
        (20, "Stream opened participant=2 generation=1"),
        (36, "Stream ended participant=2 generation=1"),
    ];
    ServerRun {
        log: 0,
        started: second(5),
        lines: lines.map(|(at, body)| line_at(at, body)).to_vec(),
    }
}

fn lines() -> Vec<Line> {
    [
        "Join sent lamport=1 clock=1",
        "Join replied lamport=3 position=1 participant=1 next=1 clock=3",
        "Broadcast received lamport=3 position=1 clock=4",
        "Broadcast received lamport=5 position=2 clock=6",
        "Publish sent lamport=7 clock=7 id=first seen=2 text=hello",
        "Publish sent lamport=7 clock=7 id=first seen=2 retry=true text=hello",
        "Publish replied lamport=9 position=3 id=first clock=9",
        "Broadcast received lamport=9 position=3 clock=10",
        "Broadcast received lamport=10 position=4 clock=11",
    ]
    .map(line)
    .to_vec()
}

/// The evidence of the run, with ada's client.
fn evidence() -> Evidence {
    let log = log();
    let publish = SessionCommand::Publish {
        ticket: Ticket(1),
        text: MessageText::parse(TEXT).expect("it is valid"),
    };
    let exchanges = vec![
        Exchange::Notified(welcome()),
        shown(&log[0], 4),
        Exchange::Notified(Notice::Link(Link::Live)),
        shown(&log[1], 6),
        Exchange::Asked(publish),
        shown(&log[2], 10),
        shown(&log[3], 11),
    ];
    let client = ClientRun {
        label: "ada".into(),
        exchanges,
        exchanged_at: Vec::new(),
        faults: Vec::new(),
        lines: lines(),
        logs: vec![0],
        fate: Fate::Runs,
    };
    Evidence {
        logs: vec![log],
        clients: vec![client],
        servers: vec![server()],
        rules: ConfiguredRules {
            grace: Duration::from_secs(4),
            restart_grace: Duration::from_secs(6),
            max_participants: 2,
            publish_rate: None,
        },
        at_rest: true,
    }
}

/// The checks that find something after this change.
fn found(change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = evidence();
    change(&mut evidence);
    let mut found: Vec<_> = judge(&evidence).iter().map(|broken| broken.check).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(judge(&evidence()), []);
}

#[test]
fn what_was_acknowledged_and_lost() {
    let found = found(|run| {
        run.clients[0].exchanges.truncate(5);
        run.clients[0].lines.truncate(7);
        run.logs[0].truncate(2);
        run.at_rest = false;
    });
    assert_eq!(found, ["acknowledged is there"]);
}

#[test]
fn what_was_shown_and_is_not_durable() {
    let found = found(|run| run.logs[0].truncate(3));
    assert!(found.contains(&"shown is durable"), "{found:?}");
}

#[test]
fn a_message_twice() {
    let twice = found(|run| run.logs[0].push(message(5, 7, 12, "first")));
    assert!(twice.contains(&"one id, one event"), "{twice:?}");
    let invented = found(|run| run.logs[0].push(message(5, 7, 12, "second")));
    assert!(invented.contains(&"somebody sent it"), "{invented:?}");
    let unasked = found(|run| match &mut run.logs[0][3].event.kind {
        EventKind::Left { reason, .. } => *reason = LeftReason::Left,
        _ => unreachable!("bob is lost"),
    });
    assert!(unasked.contains(&"somebody sent it"), "{unasked:?}");
}

#[test]
fn a_second_left() {
    let found = found(|run| run.logs[0].push(left(5, 11)));
    assert!(found.contains(&"each Left once"), "{found:?}");
}

#[test]
fn times_that_are_not_by_the_rules() {
    for (position, time) in [(2, 6), (2, 3), (4, 11)] {
        let found = found(|run| run.logs[0][position - 1].event.lamport = time.into());
        assert!(found.contains(&"times by the rules"), "{found:?}");
    }
}

#[test]
fn positions_that_are_shown_twice_or_not_at_all() {
    let twice = found(|run| {
        let again = run.clients[0].exchanges[3].clone();
        run.clients[0].exchanges.insert(4, again);
    });
    assert!(twice.contains(&"a contiguous run"), "{twice:?}");
    let never = found(|run| drop(run.clients[0].exchanges.remove(3)));
    assert!(never.contains(&"a contiguous run"), "{never:?}");
    let late = found(|run| drop(run.clients[0].exchanges.pop()));
    assert!(late.contains(&"all is shown"), "{late:?}");
}

#[test]
fn a_resume_that_jumps() {
    let jump = |first: u64| {
        let Notice::Welcome(mut welcome) = welcome() else {
            return vec![];
        };
        welcome.next = 5.into();
        welcome.first = first.into();
        let welcome = Exchange::Notified(Notice::Welcome(welcome));
        found(|run| {
            run.clients[0].exchanges.remove(6);
            run.clients[0].exchanges.push(welcome);
        })
    };
    assert!(jump(1).contains(&"no jump"));
    assert!(!jump(5).contains(&"no jump"));
}

#[test]
fn a_clock_that_is_wrong() {
    let receipt = "Broadcast received lamport=5 position=2 clock=5";
    let wrong = found(|run| run.clients[0].lines[3] = line(receipt));
    assert!(wrong.contains(&"the client's clock"), "{wrong:?}");
    assert!(wrong.contains(&"the log tells what is shown"), "{wrong:?}");
    let retry = "Publish sent lamport=8 clock=8 id=first seen=2 retry=true text=hello";
    let ticked = found(|run| run.clients[0].lines[5] = line(retry));
    assert_eq!(ticked, ["a retry is the same", "the client's clock"]);
    let sent = "Join sent lamport=2 clock=1";
    let carried = found(|run| run.clients[0].lines[0] = line(sent));
    assert_eq!(carried, ["requests carry the clock"]);
}

#[test]
fn lines_that_do_not_end_once() {
    let rejected = Exchange::Notified(Notice::Rejected {
        ticket: Ticket(1),
        reason: String::new(),
    });
    let twice = found(|run| run.clients[0].exchanges.push(rejected));
    assert_eq!(twice, ["every line ends once"]);
    let never = found(|run| match &mut run.clients[0].exchanges[5] {
        Exchange::Notified(Notice::Event { own, .. }) => *own = None,
        _ => unreachable!("it is the message"),
    });
    assert_eq!(never, ["every line ends once"]);
    let nowhere = Exchange::Notified(Notice::Accepted {
        ticket: Ticket(1),
        position: Position::new(9),
    });
    let nowhere = found(|run| run.clients[0].exchanges.push(nowhere));
    assert_eq!(nowhere, ["accepted is there", "every line ends once"]);
}

#[test]
fn what_was_refused_and_is_there() {
    let found = found(|run| run.clients[0].lines.push(line("Publish refused id=first")));
    assert_eq!(found, ["refused is not there"]);
}

#[test]
fn who_is_present_and_is_not_shown_or_not_there() {
    let unseen = found(|run| match &mut run.clients[0].exchanges[0] {
        Exchange::Notified(Notice::Welcome(welcome)) => welcome.participants = Some(vec![]),
        _ => unreachable!("it is the welcome"),
    });
    assert_eq!(unseen, ["who is present"]);
    let dead = found(|run| run.clients[0].fate = Fate::Killed);
    assert_eq!(dead, ["presence is the truth"]);
}

#[test]
fn an_end_that_nobody_asked_for() {
    let removed = Exchange::Notified(Notice::Ended(Ended::TakenOver));
    let found = found(|run| run.clients[0].exchanges.push(removed));
    assert_eq!(found, ["ends only when asked"]);
}

/// Replaces the log by one in which ada joins again, and nobody else is present.
fn replace(run: &mut Evidence) {
    let joined = EventKind::Joined {
        name: "ada".into(),
        member: None,
    };
    run.logs.push(vec![record(1, 12, 14, joined)]);
    let client = &mut run.clients[0];
    client.logs.push(1);
    client.lines.push(line("Join sent lamport=12 clock=12"));
    let replied = "Join replied lamport=14 position=1 participant=1 clock=14";
    client.lines.push(line(replied));
    let received = "Broadcast received lamport=14 position=1 clock=15";
    client.lines.push(line(received));
    let Notice::Welcome(mut again) = welcome() else {
        unreachable!("it is the welcome");
    };
    again.another_log = true;
    client
        .exchanges
        .push(Exchange::Notified(Notice::Welcome(again)));
    client.exchanges.push(shown(&run.logs[1][0], 15));
}

#[test]
fn another_log_starts_afresh_and_is_said() {
    assert_eq!(found(replace), [""; 0]);
    let unsaid = found(|run| {
        replace(run);
        match &mut run.clients[0].exchanges[7] {
            Exchange::Notified(Notice::Welcome(welcome)) => welcome.another_log = false,
            _ => unreachable!("it is the welcome"),
        }
    });
    assert_eq!(unsaid, ["another log is said"]);
    let left_behind = found(|run| run.logs.push(vec![]));
    assert!(left_behind.contains(&"all is shown"), "{left_behind:?}");
}
