//! Faults that are planted into correct logs are found, each under its rule.

mod support;

use std::collections::BTreeSet;

use chitty_trace::check::Rule;
use support::{
    Logs, broken,
    plant::{
        add, client, exchange, exchange_positions, forge, leave_again, not_broadcast, other_order,
        refuse, remove, same_id, server, set, twice,
    },
    run,
};

/// Plants a fault. Returns false if the logs have no line for it.
type Plant = fn(&mut Logs) -> bool;

const FAULTS: &[(Rule, &str, Plant)] = &[
    (Rule::Gap, "a message is not heard", |logs| {
        client(logs, MESSAGE, remove)
    }),
    (Rule::NotTold, "a joining is not heard", |logs| {
        client(logs, "Broadcast received kind=joined", remove)
    }),
    (Rule::Repeat, "a message is heard twice", |logs| {
        client(logs, MESSAGE, twice)
    }),
    (Rule::OutOfOrder, "two receptions are exchanged", |logs| {
        client(logs, MESSAGE, exchange)
    }),
    (
        Rule::OrderDiffers,
        "two messages are heard in the other order",
        |logs| client(logs, MESSAGE, other_order),
    ),
    (
        Rule::SentAtAnotherTime,
        "a sending's time is shifted",
        |logs| client(logs, PUBLISH, |l, n| add(l, n, "lamport", 3)),
    ),
    (Rule::ClockNotByTheRule, "a client's clock jumps", |logs| {
        client(logs, MESSAGE, |l, n| add(l, n, "clock", 2))
    }),
    (
        Rule::ClockNotRising,
        "a client's clock stands still",
        |logs| client(logs, PUBLISH, |l, n| add(l, n, "clock", -1)),
    ),
    (
        Rule::ReceiptNotAfterSending,
        "a reception is before its sending",
        |logs| client(logs, MESSAGE, |l, n| set(l, n, "clock", "1")),
    ),
    (
        Rule::TimeDiffers,
        "a message is heard at another time",
        |logs| client(logs, MESSAGE, |l, n| add(l, n, "lamport", -1)),
    ),
    (Rule::TextDiffers, "another text is heard", |logs| {
        client(logs, MESSAGE, |l, n| set(l, n, "text", "forged"))
    }),
    (Rule::TextDiffers, "another text was sent", |logs| {
        client(logs, PUBLISH, |l, n| set(l, n, "text", "forged"))
    }),
    (Rule::NameDiffers, "another author is heard", |logs| {
        client(logs, MESSAGE, |l, n| set(l, n, "author", "mallory"))
    }),
    (Rule::IdDiffers, "another id is heard", |logs| {
        client(logs, MESSAGE, |l, n| set(l, n, "id", "forgedforgedforged"))
    }),
    (Rule::SeenDiffers, "another seen is heard", |logs| {
        client(logs, MESSAGE, |l, n| add(l, n, "seen", 1))
    }),
    (Rule::EventDiffers, "another reason is heard", |logs| {
        client(logs, "Broadcast received kind=left", |l, n| {
            set(l, n, "reason", "removed")
        })
    }),
    (
        Rule::WrongSentence,
        "a sentence says another time",
        |logs| {
            client(logs, "Broadcast received kind=joined", |l, n| {
                set(
                    l,
                    n,
                    "text",
                    "\"Participant ada joined Chitty-Chat at Lamport time 1000\"",
                )
            })
        },
    ),
    (
        Rule::WrongSentence,
        "the server's sentence is another",
        |logs| {
            server(logs, "Broadcast sent kind=left", |l, n| {
                set(l, n, "text", "gone")
            })
        },
    ),
    (Rule::ReceiptWithoutSending, "a message is forged", |logs| {
        client(logs, MESSAGE, forge)
    }),
    (
        Rule::ReceiptWithoutSending,
        "the server did not broadcast",
        |logs| server(logs, SENT, remove),
    ),
    (
        Rule::AcceptedNotBroadcast,
        "a broadcast is dropped",
        |logs| server(logs, SENT, remove),
    ),
    (
        Rule::AcknowledgedNotBroadcast,
        "what is acknowledged is not broadcast",
        not_broadcast,
    ),
    (Rule::Gap, "the server leaves a position out", |logs| {
        server(logs, SENT, remove)
    }),
    (Rule::BroadcastTwice, "a broadcast is repeated", |logs| {
        server(logs, SENT, twice)
    }),
    (
        Rule::BroadcastTwice,
        "one message has two positions",
        |logs| server(logs, SENT, same_id),
    ),
    (
        Rule::OutOfOrder,
        "the server exchanges two broadcasts",
        |logs| server(logs, SENT, exchange_positions),
    ),
    (
        Rule::TimeNotByTheFold,
        "a broadcast's time is shifted",
        |logs| server(logs, SENT, |l, n| add(l, n, "lamport", 5)),
    ),
    (
        Rule::TimeNotRising,
        "a broadcast is before the last one",
        |logs| server(logs, SENT, |l, n| set(l, n, "lamport", "2")),
    ),
    (
        Rule::TimeEnds,
        "a message has one of the last times",
        |logs| {
            server(logs, SENT, |l, n| {
                // 2^64 - 2^32
                set(l, n, "lamport", "18446744069414584320")
            })
        },
    ),
    (
        Rule::ReceiptNotByTheFold,
        "a receipt's clock is shifted",
        |logs| server(logs, RECEIVED, |l, n| add(l, n, "clock", 1)),
    ),
    (
        Rule::TakenBack,
        "the server starts at an earlier position",
        |logs| server(logs, "Server started", |l, n| add(l, n, "position", -1)),
    ),
    (Rule::NotAnswered, "the server's reply is dropped", |logs| {
        server(logs, "Publish replied", remove)
    }),
    (
        Rule::BroadcastWithoutRequest,
        "a receipt is dropped",
        |logs| server(logs, RECEIVED, remove),
    ),
    (
        Rule::BroadcastWithoutSending,
        "a sending is dropped",
        |logs| client(logs, PUBLISH, remove),
    ),
    (
        Rule::BroadcastWithoutSending,
        "a leaving is dropped",
        |logs| client(logs, "Leave sent", remove),
    ),
    (
        Rule::RequestWithoutSending,
        "the server receives what nobody sent",
        |logs| client(logs, PUBLISH, remove),
    ),
    (
        Rule::RequestDiffers,
        "a request is received with another time",
        |logs| server(logs, RECEIVED, |l, n| add(l, n, "lamport", -1)),
    ),
    (
        Rule::RequestDiffers,
        "a joining has another request",
        |logs| {
            server(logs, "Broadcast sent kind=joined", |l, n| {
                add(l, n, "request", 1)
            })
        },
    ),
    (Rule::RetryDiffers, "a retry has another text", |logs| {
        client(logs, "Publish sent retry=true", |l, n| {
            set(l, n, "text", "forged")
        })
    }),
    (
        Rule::RefusedYetBroadcast,
        "what was refused is broadcast",
        |logs| client(logs, "Publish replied", refuse),
    ),
    (Rule::ReplyWithoutRequest, "a reply to nothing", |logs| {
        client(logs, PUBLISH, remove)
    }),
    (
        Rule::ReplyWithoutRequest,
        "a Welcome without a Join",
        |logs| client(logs, "Join sent", remove),
    ),
    (
        Rule::ReplyDiffers,
        "another position is acknowledged",
        |logs| client(logs, "Publish replied", |l, n| add(l, n, "position", -1)),
    ),
    (
        Rule::ReplyDiffers,
        "the server answers another time",
        |logs| server(logs, "Publish replied", |l, n| add(l, n, "lamport", 1)),
    ),
    (
        Rule::ReplyDiffers,
        "a Leave is answered with another position",
        |logs| client(logs, "Leave replied", |l, n| add(l, n, "position", -1)),
    ),
    (
        Rule::WelcomeWithoutGrant,
        "a Welcome that was not granted",
        |logs| server(logs, "Join granted", remove),
    ),
    (Rule::NotPresent, "a message of nobody", |logs| {
        server(logs, SENT, |l, n| set(l, n, "participant", "100000"))
    }),
    (Rule::NotPresent, "somebody leaves twice", |logs| {
        server(logs, "Broadcast sent kind=left", leave_again)
    }),
    (Rule::WrongName, "an author under another's name", |logs| {
        server(logs, SENT, |l, n| set(l, n, "author", "mallory"))
    }),
    (Rule::SeenNotReceived, "seen was never shown", |logs| {
        client(logs, PUBLISH, |l, n| add(l, n, "seen", 1))
    }),
    (Rule::ResumedElsewhere, "resumed from elsewhere", |logs| {
        client(logs, "Join sent resume=", |l, n| add(l, n, "resume", -1))
    }),
];

/// The sending of a message that was sent once and acknowledged.
const PUBLISH: &str = "Publish sent once";
const MESSAGE: &str = "Broadcast received kind=message";
/// The broadcast of a message that was acknowledged and has another one after it in the same run.
const SENT: &str = "Broadcast sent inside";
const RECEIVED: &str = "Publish received participant=";

#[test]
fn each_fault_is_found_and_named() {
    let mut missed = Vec::new();
    for (rule, what, plant) in FAULTS {
        let mut planted = 0;
        for seed in 0..40 {
            let mut logs = run(seed, 600);
            if planted == 8 || !plant(&mut logs) {
                continue;
            }
            planted += 1;
            let found = broken(&logs);
            if !found.contains(rule) {
                missed.push(format!("{what} (seed {seed}): {rule} is not in {found:?}"));
            }
        }
        if planted < 3 {
            missed.push(format!("{what} has no place in these runs: {planted}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_rule_has_a_fault() {
    let planted: BTreeSet<_> = FAULTS.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(planted, Rule::ALL.iter().copied().collect());
}

#[test]
fn every_rule_is_on_the_page() {
    let page = include_str!("../../docs/trace.md");
    for rule in Rule::ALL {
        assert!(page.contains(&format!("| `{rule}` |")), "{rule}");
    }
}
