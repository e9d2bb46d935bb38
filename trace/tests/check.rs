//! Logs of runs that keep the rules have no violations.

mod support;

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use chitty_trace::{
    chat::TraceIndex,
    check::{Rule, check},
    read::Trace,
};

use support::{Logs, assert_clean, broken, run};

#[test]
fn runs_that_keep_the_rules_are_clean() {
    for seed in 0..200 {
        assert_clean(&run(seed, 600));
    }
}

#[test]
fn so_is_every_subset_of_their_logs() {
    for seed in 0..60 {
        let logs = run(seed, 400);
        for (number, name) in logs.keys().enumerate() {
            let mut without = logs.clone();
            without.remove(name);
            assert_clean(&without);
            let only = logs.iter().skip(number).take(2);
            assert_clean(
                &only
                    .map(|(name, lines)| (name.clone(), lines.clone()))
                    .collect(),
            );
        }
    }
}

/// Somebody takes part in several chats, and has one folder for the logs. The servers' logs of the
/// other chats are elsewhere.
#[test]
fn so_are_those_of_other_chats_in_the_same_folder() {
    for seed in 0..20 {
        let mut logs = run(seed, 400);
        // At the same time, and at the same positions.
        logs.insert("gus.log".into(), other_chat("01:00:00", 1, 3));
        assert_clean(&logs);
        // At positions that this chat had not reached by then.
        let later = other_chat("00:55:00", 6000, 20_000);
        logs.insert("mia.log".into(), later);
        assert_clean(&logs);
        // Nothing but their ids distinguishes these two.
        logs.insert("ned.log".into(), other_chat("01:00:00", 1, 3));
        logs.remove("server.log");
        logs.retain(|name, _| name == "gus.log" || name == "ned.log");
        assert_clean(&logs);
    }
}

/// The log of somebody who joins at this position and time, and writes three messages.
fn other_chat(wall: &str, position: u64, lamport: u64) -> Vec<String> {
    static CHATS: AtomicU64 = AtomicU64::new(0);
    let chat = CHATS.fetch_add(1, Ordering::Relaxed);
    let (mut micros, mut lines) = (0, Vec::new());
    let mut line = |text: String| {
        micros += 1;
        lines.push(format!(
            "2026-11-23T{wall}.{micros:06}Z gus run={chat:08x} {text}"
        ));
    };
    line("Join sent lamport=1 clock=1 name=gus".into());
    line(format!(
        "Join replied lamport={lamport} position={position} participant={position} resumed=false \
         next={position} head={position} clock={lamport}"
    ));
    line(format!(
        "Broadcast received lamport={lamport} position={position} kind=joined \
         participant={position} name=gus \
         text=\"Participant gus joined Chitty-Chat at Lamport time {lamport}\" request=1 clock={}",
        lamport + 1
    ));
    for number in 1..=3 {
        let (sent, at) = (lamport + 4 * number - 2, position + number);
        let id = format!("{chat:028x}{number:04x}");
        line(format!(
            "Publish sent lamport={sent} clock={sent} id={id} seen={} text=hi",
            at - 1
        ));
        line(format!(
            "Broadcast received lamport={} position={at} kind=message participant={position} \
             author=gus id={id} seen={} text=hi request={sent} clock={}",
            sent + 2,
            at - 1,
            sent + 3
        ));
        let (reply, clock) = (sent + 2, sent + 3);
        line(format!(
            "Publish replied lamport={reply} position={at} id={id} clock={clock}"
        ));
    }
    lines
}

/// Logs recorded with the real programs: four clients, one of which is killed, and a server that is
/// killed, started again, stopped and started again.
#[test]
fn the_logs_of_a_real_run_are_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let trace = Trace::read(&[folder]).unwrap();
    let index = TraceIndex::of(&trace);
    let report = check(&index);
    assert_eq!(report.violations, []);
    assert_eq!((trace.runs.len(), index.chats.len()), (7, 1));
    assert_eq!(index.chats[0].events.len(), 16);
}

/// The logs of docs/report: three clients, two of which publish concurrently and one is killed.
#[test]
fn the_logs_of_the_report_are_clean_and_have_its_times() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report/logs");
    let trace = Trace::read(&[folder]).unwrap();
    let index = TraceIndex::of(&trace);
    assert_eq!(check(&index).violations, []);
    let known = &index.chats[0].events;
    let times: Vec<_> = (1..=9).map(|position| known[&position].lamport).collect();
    assert_eq!(times, [3, 5, 7, 11, 15, 17, 21, 22, 26]);
    assert_eq!((known[&5].event.seen, known[&6].event.seen), (4, 4));
}

/// A server and a client that ignore the end of time: at `u64::MAX` all clocks stand still.
#[test]
fn a_time_that_stands_still_is_found() {
    let line = |process: &str, text: &str| {
        format!("2026-11-23T03:37:11.634412Z {process} run=0fd86b35 {text}")
    };
    let end = u64::MAX;
    let message = |position: u64| {
        format!(
            "lamport={end} position={position} kind=message participant=1 author=ada \
             id=idididididididid{position} seen=0 text=hi request=5"
        )
    };
    let mut logs = Logs::new();
    let mut server = vec![
        line(
            "server",
            "Server started address=127.0.0.1:1 epoch=e position=6 first=1",
        ),
        line("server", &format!("Publish received lamport=5 clock={end}")),
        line(
            "server",
            &format!("Broadcast sent {} clock={end}", message(7)),
        ),
        line("server", &format!("Publish received lamport=5 clock={end}")),
        line(
            "server",
            &format!("Broadcast sent {} clock={end}", message(8)),
        ),
    ];
    logs.insert("server.log".into(), server.clone());
    let found = broken(&logs);
    for rule in [Rule::TimeNotRising, Rule::TimeEnds] {
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
    // The last positions must not cause an overflow.
    for line in &mut server {
        *line = line.replace("position=8", &format!("position={end}"));
    }
    logs.insert("server.log".into(), server);
    broken(&logs);

    let mut logs = Logs::new();
    let client = [7, 8].map(|position| {
        let event = message(position);
        line("bob", &format!("Broadcast received {event} clock={end}"))
    });
    let welcome = "Join replied lamport=3 position=1 participant=1 resumed=false next=7 head=1";
    let welcome = line("bob", &format!("{welcome} clock=3"));
    logs.insert(
        "bob.log".into(),
        [welcome].into_iter().chain(client).collect(),
    );
    let found = broken(&logs);
    assert!(found.contains(&Rule::ReceiptNotAfterSending), "{found:?}");
    for lines in logs.values_mut() {
        lines[1] = lines[1].replace(&format!("lamport={end}"), "lamport=9");
        lines[2] = lines[2].replace(&format!("lamport={end}"), "lamport=11");
    }
    let found = broken(&logs);
    assert!(found.contains(&Rule::ClockNotRising), "{found:?}");
}
