//! Faults that are planted into correct logs are found, each under its rule.
#![expect(clippy::ptr_arg, reason = "each way to plant one has the same type")]

mod support;

use std::collections::BTreeSet;

use chitty_trace::check::Rule;
use support::{Logs, broken, run};

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

/// Changes the log of one client at a line that has all of these words.
fn client(logs: &mut Logs, words: &str, change: fn(&mut Vec<String>, usize) -> bool) -> bool {
    let mut files = logs.iter_mut().filter(|(name, _)| *name != "server.log");
    files.any(|(_, lines)| at(lines, words, change))
}

fn server(logs: &mut Logs, words: &str, change: fn(&mut Vec<String>, usize) -> bool) -> bool {
    logs.get_mut("server.log")
        .is_some_and(|lines| at(lines, words, change))
}

/// Prefers a line in the middle, which has lines before and after it to compare with.
fn at(lines: &mut Vec<String>, words: &str, change: fn(&mut Vec<String>, usize) -> bool) -> bool {
    let mut words = words.splitn(3, ' ');
    let step = format!(
        "{} {} ",
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default()
    );
    let field = words
        .next()
        .map_or(String::new(), |field| format!(" {field}"));
    let fits = |number: &usize| {
        let line = &lines[*number];
        line.contains(&step)
            && match field.as_str() {
                " once" => is_once(lines, line),
                " inside" => line.contains("kind=message") && is_inside(&lines[number + 1..]),
                field => line.contains(field),
            }
    };
    let found: Vec<_> = (1..lines.len().saturating_sub(2)).filter(fits).collect();
    found
        .get(found.len() / 2)
        .is_some_and(|number| change(lines, *number))
}

fn is_once(lines: &[String], line: &str) -> bool {
    let Some((start, end)) = value(line, "id") else {
        return false;
    };
    let with_it = |words| {
        let fits = |other: &&String| other.contains(words) && other.contains(&line[start..end]);
        lines.iter().filter(fits).count()
    };
    (with_it("Publish sent"), with_it("Publish replied")) == (1, 1)
}

fn is_inside(after: &[String]) -> bool {
    let mut events = after
        .iter()
        .take_while(|line| !line.contains("Server "))
        .filter(|line| line.contains("Broadcast sent"));
    events.nth(1).is_some()
}

fn value(line: &str, key: &str) -> Option<(usize, usize)> {
    let start = line.find(&format!(" {key}="))? + key.len() + 2;
    let rest = &line[start..];
    let length = match rest.strip_prefix('"') {
        Some(quoted) => quoted.find('"')? + 2,
        None => rest.find(' ').unwrap_or(rest.len()),
    };
    Some((start, start + length))
}

fn get(line: &str, key: &str) -> Option<u64> {
    let (start, end) = value(line, key)?;
    line[start..end].parse().ok()
}

fn set(lines: &mut [String], number: usize, key: &str, to: &str) -> bool {
    let Some((start, end)) = value(&lines[number], key) else {
        return false;
    };
    let changed = lines[number][start..end] != *to;
    lines[number].replace_range(start..end, to);
    changed
}

fn add(lines: &mut [String], number: usize, key: &str, delta: i64) -> bool {
    let Some(now) = get(&lines[number], key) else {
        return false;
    };
    let Some(then) = now.checked_add_signed(delta) else {
        return false;
    };
    set(lines, number, key, &then.to_string())
}

fn exchange(lines: &mut Vec<String>, number: usize) -> bool {
    let both = [number, number + 1].map(|number| lines[number].contains("Broadcast received"));
    lines.swap(number, number + 1);
    both == [true, true]
}

fn remove(lines: &mut Vec<String>, number: usize) -> bool {
    lines.remove(number);
    true
}

fn twice(lines: &mut Vec<String>, number: usize) -> bool {
    lines.insert(number + 1, lines[number].clone());
    true
}

/// Exchanges the words of this message's line and the next one's.
fn other_order(lines: &mut Vec<String>, number: usize) -> bool {
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains(" kind=message"));
    let Some(next) = next.filter(|next| lines[*next].contains("Broadcast received")) else {
        return false;
    };
    let middle = |line: &str| {
        let from = line.find(" kind=")?;
        Some((from, line.find(" clock=")?))
    };
    let (Some(this), Some(that)) = (middle(&lines[number]), middle(&lines[next])) else {
        return false;
    };
    let (first, second) = (
        lines[number][this.0..this.1].to_owned(),
        lines[next][that.0..that.1].to_owned(),
    );
    lines[number].replace_range(this.0..this.1, &second);
    lines[next].replace_range(that.0..that.1, &first);
    true
}

fn forge(lines: &mut Vec<String>, number: usize) -> bool {
    set(lines, number, "text", "forged")
        && set(lines, number, "id", "forgedforgedforged")
        && set(lines, number, "author", "mallory")
}

/// Replaces the next message by a copy of this one.
fn same_id(lines: &mut Vec<String>, number: usize) -> bool {
    let Some((start, end)) = value(&lines[number], "id") else {
        return false;
    };
    let id = lines[number][start..end].to_owned();
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains("Broadcast sent"));
    next.is_some_and(|next| set(lines, next, "id", &id))
}

fn exchange_positions(lines: &mut Vec<String>, number: usize) -> bool {
    let next = (number + 1..lines.len()).find(|next| lines[*next].contains("Broadcast sent"));
    next.is_some_and(|next| add(lines, number, "position", 1) && add(lines, next, "position", -1))
}

fn refuse(lines: &mut Vec<String>, number: usize) -> bool {
    lines[number] = lines[number].replace("Publish replied", "Publish refused");
    true
}

fn leave_again(lines: &mut Vec<String>, number: usize) -> bool {
    let last = lines
        .iter()
        .rev()
        .find(|line| line.contains("Broadcast sent"));
    let (Some(position), Some(lamport)) = (
        last.and_then(|line| get(line, "position")),
        last.and_then(|line| get(line, "lamport")),
    ) else {
        return false;
    };
    lines.push(lines[number].clone());
    let end = lines.len() - 1;
    set(lines, end, "position", &(position + 1).to_string())
        && set(lines, end, "lamport", &(lamport + 1).to_string())
}

/// Removes an acknowledged message from all logs but its author's.
fn not_broadcast(logs: &mut Logs) -> bool {
    let acknowledged = |line: &&String| line.contains("Publish replied") && line.contains("clock=");
    let found = logs
        .iter()
        .filter(|(name, _)| *name != "server.log")
        .find_map(|(_, lines)| lines.iter().find(acknowledged));
    let Some((id, (start, end))) = found.and_then(|line| Some((line, value(line, "id")?))) else {
        return false;
    };
    let id = id[start..end].to_owned();
    for lines in logs.values_mut() {
        lines.retain(|line| !(line.contains("Broadcast") && line.contains(&id)));
    }
    true
}
