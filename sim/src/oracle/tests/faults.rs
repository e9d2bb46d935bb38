//! Refusals, graces, and lines that are not said: what each check lets pass, and what it finds.

use super::*;

const REFUSAL: &str = "a refusal is true";

/// The checks that fail if ada's client sends this request in second 42 and gets this refusal in
/// second 43.
fn refused(sent: &str, heard: &str, change: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    found(|run| {
        let lines = &mut run.clients[0].lines;
        lines.push(line_at(42, sent));
        lines.push(line_at(43, heard));
        change(run);
    })
}

fn publish(fields: &str) -> String {
    format!("Publish sent clock=12 id=second {fields}")
}

fn publish_refused(status: &str) -> String {
    format!("Publish refused lamport=12 id=second status={status}")
}

#[test]
fn a_line_is_refused_for_what_it_says() {
    let invalid = publish_refused("INVALID_ARGUMENT");
    let honest = publish("lamport=12 seen=4 text=x");
    assert_eq!(refused(&honest, &invalid, |_| {}), [REFUSAL]);
    // The log ends at 4, and ada has said before that she has seen 2.
    for seen in [5, 1] {
        let request = publish(&format!("lamport=12 seen={seen} text=x"));
        let found = refused(&request, &invalid, |_| {});
        assert_eq!(found, ["seen is what was shown"], "{seen}");
    }
    let ahead = publish(&format!("lamport={} seen=4 text=x", 11_u64 + (1 << 32)));
    let found = refused(&ahead, &invalid, |_| {});
    assert!(!found.contains(&REFUSAL), "{found:?}");
}

#[test]
fn an_id_is_taken_by_another_text_only() {
    let taken = "Publish refused lamport=7 id=first status=ALREADY_EXISTS";
    for (text, is_true) in [("hello", false), ("goodbye", true)] {
        let request = format!("Publish sent lamport=7 clock=11 id=first seen=4 text={text}");
        let found = refused(&request, taken, |_| {});
        assert_eq!(!found.contains(&REFUSAL), is_true, "{text}: {found:?}");
    }
}

#[test]
fn only_who_is_gone_is_unknown() {
    let unknown = "Publish failed lamport=12 id=second status=UNAUTHENTICATED";
    let request = publish("lamport=12 seen=4 text=x");
    assert_eq!(refused(&request, unknown, |_| {}), [REFUSAL]);
    let gone = refused(&request, unknown, |run| {
        let kind = EventKind::Left {
            name: "ada".into(),
            reason: LeftReason::Lost,
            participant: ParticipantNumber::new(1),
        };
        let mut gone = record(5, 0, 11, kind);
        gone.event.at = second(42);
        run.logs[0].push(gone);
    });
    assert!(!gone.contains(&REFUSAL), "{gone:?}");
    // Another log, in which nobody is.
    let replaced = refused(&request, unknown, |run| {
        run.logs.push(Vec::new());
        let started = second(41);
        let (log, lines) = (1, Vec::new());
        run.servers.push(ServerRun {
            log,
            started,
            lines,
        });
    });
    assert!(!replaced.contains(&REFUSAL), "{replaced:?}");
}

#[test]
fn who_is_present_may_read_a_page() {
    let request = "History sent before=4 limit=10 clock=11";
    let refusal = |status| format!("History refused before=4 status={status}");
    for status in ["UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"] {
        assert_eq!(
            refused(request, &refusal(status), |_| {}),
            [REFUSAL],
            "{status}"
        );
    }
    let much = refused(request, &refusal("RESOURCE_EXHAUSTED"), |run| {
        let more = vec![line_at(42, request); 8];
        run.clients[0].lines.splice(9..9, more);
    });
    assert_eq!(much, [""; 0]);
    // The client refuses by itself what it cannot ask for.
    let local = "History refused before=4 reason=busy";
    assert_eq!(refused(request, local, |_| {}), [""; 0]);
}

#[test]
fn who_writes_too_fast_has_written_before() {
    let fast = "Publish failed lamport=12 id=second status=RESOURCE_EXHAUSTED";
    let request = publish("lamport=12 seen=4 text=x");
    let limited = |burst, seconds| {
        refused(&request, fast, |run| {
            let interval = Duration::from_secs(seconds);
            run.rules.publish_rate = Some(PublishRate { burst, interval });
        })
    };
    assert_eq!(refused(&request, fast, |_| {}), [REFUSAL], "no limit");
    // One line, twelve seconds ago.
    assert_eq!(limited(1, 20), [""; 0]);
    assert_eq!(limited(1, 10), [REFUSAL], "it is paid back");
    assert_eq!(limited(2, 20), [REFUSAL], "two may be said at once");
}

#[test]
fn names_are_taken_by_those_who_are_present() {
    let taken = "Join refused lamport=12 status=ALREADY_EXISTS";
    for (name, reported, is_true) in [
        ("bob", 4, false),
        // The server has decided his Left, but not reported it yet.
        ("bob", 3, true),
        ("ada", 4, true),
        ("eve", 3, false),
    ] {
        let found = found(|run| {
            if reported == 3 {
                run.servers[0].lines.remove(3);
            }
            // Somebody else's client.
            let join = format!("Join sent lamport=1 clock=1 name={name}");
            let lines = vec![line_at(42, &join), line_at(43, taken)];
            run.clients.push(ClientRun {
                label: "eve".into(),
                exchanges: Vec::new(),
                exchanged_at: Vec::new(),
                faults: Vec::new(),
                lines,
                logs: Vec::new(),
                fate: Fate::Killed,
            });
        });
        assert_eq!(!found.contains(&REFUSAL), is_true, "{name}: {found:?}");
    }
}

#[test]
fn who_joins_is_kept_out_by_a_full_chat_or_after_leaving() {
    let join = "Join sent lamport=12 clock=12 name=ada";
    let full = "Join refused lamport=12 status=RESOURCE_EXHAUSTED";
    assert_eq!(refused(join, full, |_| {}), [REFUSAL]);
    let one = refused(join, full, |run| run.rules.max_participants = 1);
    assert_eq!(one, [""; 0]);
    let ended = "Join refused lamport=12 status=UNAUTHENTICATED";
    assert_eq!(refused(join, ended, |_| {}), [REFUSAL]);
    let left = refused(join, ended, |run| {
        run.clients[0]
            .lines
            .insert(9, line_at(41, "Leave sent lamport=12 clock=12"));
        run.clients[0].lines[10] = line_at(42, "Join sent lamport=13 clock=13 name=ada");
    });
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_status_that_no_rule_gives_is_no_refusal() {
    let request = publish("lamport=12 seen=4 text=x");
    let odd = publish_refused("NOT_FOUND");
    assert_eq!(refused(&request, &odd, |_| {}), [REFUSAL]);
    let unasked = found(|run| {
        let lines = &mut run.clients[0].lines;
        lines.push(line("Leave refused lamport=12 status=UNAUTHENTICATED"));
    });
    assert_eq!(unasked, [REFUSAL]);
    // The server is down: nobody is accused of it.
    let down = publish_refused("UNAVAILABLE");
    assert_eq!(refused(&request, &down, |_| {}), [""; 0]);
}

#[test]
fn nobody_is_told_to_wait_for_longer_than_a_grace() {
    for (seconds, expected) in [(6, None), (7, Some(REFUSAL))] {
        let refusal = Notice::Refused(chitty::session::NameRefusal {
            name: "bob".into(),
            reason: String::new(),
            retry_in: Some(Duration::from_secs(seconds)),
        });
        let found = found(|run| run.clients[0].exchanges.push(Exchange::Notified(refusal)));
        assert_eq!(found.first().copied(), expected, "{seconds} s");
    }
}

#[test]
fn who_is_lost_had_the_grace() {
    const CHECK: &str = "LOST after the grace";
    let early = found(|run| run.servers[0].lines[8].time = second(37));
    assert_eq!(early, [CHECK]);
    let attached = found(|run| drop(run.servers[0].lines.pop()));
    assert_eq!(attached, [CHECK]);
    let came_back = found(|run| {
        let lines = ["Join granted", "Stream opened"];
        let lines = lines.map(|what| line_at(38, &format!("{what} participant=2 generation=2")));
        run.servers[0].lines.extend(lines);
    });
    assert_eq!(came_back, [CHECK]);
    // Its caller was gone before the stream was there.
    let never_fetched = |at| {
        found(|run| {
            let lines = &mut run.servers[0].lines;
            lines.truncate(6);
            lines.push(line_at(at, "Join granted participant=2 generation=1"));
        })
    };
    assert_eq!(never_fetched(36), [""; 0]);
    assert_eq!(never_fetched(37), [CHECK]);
    let late = found(|run| run.rules.grace = Duration::from_millis(1));
    assert_eq!(late, [""; 0]);
    let much_too_late = found(|run| {
        run.servers[0].lines[8].time = second(21);
        run.rules.grace = Duration::from_millis(1);
        run.logs[0][3].event.at = second(60);
    });
    assert!(much_too_late.contains(&CHECK), "{much_too_late:?}");
}

#[test]
fn who_was_there_when_a_server_started_had_the_restart_grace() {
    const CHECK: &str = "CLOSED after the restart grace";
    let closed = |started, lines| {
        found(|run| {
            run.servers.push(ServerRun {
                log: 0,
                started: second(started),
                lines,
            });
            if let EventKind::Left { reason, .. } = &mut run.logs[0][3].event.kind {
                *reason = LeftReason::Closed;
            }
            run.clients[0].exchanges.pop();
            let bob = &run.logs[0][3];
            run.clients[0].exchanges.push(shown(bob, 11));
        })
    };
    assert_eq!(closed(34, Vec::new()), [""; 0]);
    assert_eq!(closed(35, Vec::new()), [CHECK]);
    let lost = found(|run| {
        let started = second(30);
        let (log, lines) = (0, Vec::new());
        run.servers.push(ServerRun {
            log,
            started,
            lines,
        });
    });
    assert_eq!(lost, ["LOST after the grace"], "it is to be CLOSED");
    let came_back = vec![line_at(35, "Join granted participant=2 generation=2")];
    assert_eq!(closed(33, came_back), [CHECK]);
}

#[test]
fn who_lost_the_thread_begins_anew_at_once() {
    let anew = found(|run| {
        run.servers[0].lines.pop();
        let session = run.logs[0][1].session;
        let mut again = joined(5, 13, "bob");
        again.session = session;
        again.event.request = 11.into();
        run.logs[0].push(again);
    });
    assert!(!anew.contains(&"LOST after the grace"), "{anew:?}");
    // Another writer was first with the half of it, and with somebody who came and went.
    let (mut again, mut gone) = (joined(7, 16, "bob"), left(6, 14));
    again.event.request = 14.into();
    if let EventKind::Left { participant, .. } = &mut gone.event.kind {
        *participant = ParticipantNumber::new(5);
    }
    let apart = found(|run| {
        run.servers[0].lines.pop();
        run.logs[0].extend([joined(5, 13, "eve"), gone, again]);
    });
    assert!(!apart.contains(&"LOST after the grace"), "{apart:?}");
    let message = found(|run| {
        run.servers[0].lines.pop();
        run.logs[0].extend([message(5, 11, 13, "second"), joined(6, 15, "bob")]);
    });
    assert!(message.contains(&"LOST after the grace"), "{message:?}");
}

/// The checks that fail if ada types in second 22, while all is well until the second `fault`.
fn typed(end: u64, fault: Option<u64>, change: impl FnOnce(&mut ClientRun)) -> Vec<&'static str> {
    found(|run| {
        let client = &mut run.clients[0];
        client.exchanged_at = [10, 10, 11, 20, 22, end, 60].map(second).to_vec();
        client.faults = fault
            .map(|from| Fault {
                from: second(from),
                to: second(from + 1),
            })
            .into_iter()
            .collect();
        change(client);
    })
}

#[test]
fn what_is_typed_is_said() {
    const CHECK: &str = "typed is said";
    assert_eq!(typed(24, None, |_| {}), [""; 0]);
    assert_eq!(typed(30, None, |_| {}), [CHECK]);
    assert_eq!(typed(30, Some(24), |_| {}), [""; 0], "there was a fault");
    assert_eq!(typed(30, Some(10), |_| {}), [CHECK], "it was over");
    let without_a_link = typed(30, None, |client| drop(client.exchanges.remove(2)));
    assert_eq!(without_a_link, [""; 0]);
    let left = typed(30, None, |client| {
        client
            .exchanges
            .insert(5, Exchange::Asked(SessionCommand::Leave));
        client.exchanged_at.insert(5, second(23));
    });
    assert_eq!(left, [""; 0]);
}

#[test]
fn what_is_typed_is_not_refused_for_nothing() {
    let rejected = |ticket| {
        Exchange::Notified(Notice::Rejected {
            ticket: Ticket(ticket),
            reason: "no".into(),
        })
    };
    let refused = typed(23, None, |client| client.exchanges[5] = rejected(1));
    assert!(refused.contains(&"typed is said"), "{refused:?}");
    // The hundred-and-first that waits is one too many.
    let full = typed(24, None, |client| {
        let text = MessageText::parse(TEXT).expect("it is valid");
        for ticket in 2..=101 {
            let text = text.clone();
            let ticket = Ticket(ticket);
            client
                .exchanges
                .insert(5, Exchange::Asked(SessionCommand::Publish { ticket, text }));
            client.exchanged_at.insert(5, second(22));
        }
        client.exchanges.insert(105, rejected(101));
        client.exchanged_at.insert(105, second(22));
        client.exchanges.truncate(107);
        client.fate = Fate::Killed;
    });
    assert!(!full.contains(&"typed is said"), "{full:?}");
}
