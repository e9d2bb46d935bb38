//! The run of the report (docs/report): who joins, publishes and leaves when, and at which Lamport
//! times. The run is driven so that it can take only one course, and every number of the report's
//! tables is required of its logs: of a new run's, and of those that the report shows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use chitty_chat::{
    MessageText,
    logging::{Line, parse_line},
    proto::v1::{PublishRequest, chitty_chat_client::ChittyChatClient},
};
use chitty_testing::terminal::{Terminal, World, wait_until};
use chitty_trace::{
    chat::TraceIndex,
    check::check,
    cli::write_report,
    draw::{Detail, Diagram, svg},
    read::{LogSource, Trace},
};
use tonic::{Code, transport::Endpoint};

use super::{
    broadcasts,
    gate::{Gate, Way},
    leaves,
};

/// The folder in which to keep the logs of the run.
const KEEP: &str = "CHITTY_REPORT_LOGS";
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/report");
/// The processes, as the report has them from left to right.
const WHO: [&str; 4] = ["server", "X", "Y", "Z"];

/// The lines of each process.
type Logs = BTreeMap<&'static str, Vec<Line>>;

#[test]
fn the_run_of_the_report_has_the_times_that_the_rules_give() {
    let keep = std::env::var_os(KEEP).map(PathBuf::from);
    let world = World::new();
    run(&world);
    require(&WHO.map(|who| (who, world.log(who))).into());
    if let Some(folder) = &keep {
        for who in WHO {
            let name = format!("{who}.log");
            fs::copy(world.logs().join(&name), folder.join(&name)).expect("copied");
        }
    }
}

#[test]
fn the_report_shows_such_a_run() {
    let text = |who| {
        let path = Path::new(REPORT).join(format!("logs/{who}.log"));
        fs::read_to_string(path).expect("it is in the checkout")
    };
    let lines = |who| -> Vec<Line> {
        let text = text(who);
        let lines = text.lines().map(parse_line);
        lines.map(|line| line.expect("a log line")).collect()
    };
    require(&WHO.map(|who| (who, lines(who))).into());

    // The report's figures are made from these sources.
    let sources = WHO.map(|who| LogSource::memory(&format!("logs/{who}.log"), &text(who)));
    let trace = Trace::from_sources(sources.into()).expect("memory can be read");
    let index = TraceIndex::of(&trace);
    let (mut drawn, mut said) = (Vec::new(), Vec::new());
    svg::write(&index, &Diagram::of(&index, 0, Detail::Events), &mut drawn).expect("drawn");
    write_report(&index, &check(&index), &mut said).expect("checked");
    is_legible(&String::from_utf8_lossy(&drawn));
    for (name, made) in [("diagram.svg", drawn), ("check.txt", said)] {
        let kept = fs::read(Path::new(REPORT).join(name)).expect("it is in the checkout");
        assert!(kept == made, "{name} is of another run: cargo xtask report");
    }
}

/// Checks that on paper, where the drawing is as wide as the text, its letters have at least 7
/// points.
fn is_legible(svg: &str) {
    let number = |mark: &str| -> f64 {
        let (_, rest) = svg.split_once(mark).expect(mark);
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .expect("it goes on");
        rest[..end].parse().expect("a number")
    };
    // A4 without the margins of report.typ: 210 mm less twice 23.
    let text_width = (210.0 - 2.0 * 23.0) / 25.4 * 72.0;
    let points = number("text{font:") * text_width / number(" width=\"");
    assert!(points >= 7.0, "{points}");
}

/// X, Y and Z join; X publishes; Y and Z publish concurrently; a message of 129 characters is
/// refused; Y leaves, Z is killed, X leaves.
fn run(world: &World) {
    let mut server = world.server(&["--grace", "1"]);
    let gate = Gate::before(server.address());
    let client = |url: &str, name| {
        let terminal = world.client(url, &["--name", name, "--backlog", "0"]);
        terminal.wait_for(&format!("Participant {name} joined Chitty-Chat"));
        terminal
    };
    let mut x = client(&server.url, "X");
    let mut y = client(&server.url, "Y");
    all_have(world, &["X"], 2);
    let mut z = client(&gate.url, "Z");
    all_have(world, &["X", "Y"], 3);
    x.say("hello from X");
    all_have(world, &["X", "Y", "Z"], 4);
    answered(world, "X");
    // While nothing passes between Z and the server, neither Y nor Z can know of the other's line.
    // Z's line reaches the server after Y's is in the log, so that their order is always the same.
    draft(&mut y, "Y answers");
    draft(&mut z, "Z answers too");
    gate.hold();
    y.send("\r");
    all_have(world, &["X", "Y"], 5);
    answered(world, "Y");
    z.send("\r");
    wait_for(world, "Z", "Publish", "sent");
    gate.release(Way::Down);
    all_have(world, &["Z"], 5);
    gate.release(Way::Up);
    all_have(world, &["X", "Y", "Z"], 6);
    answered(world, "Z");
    // The client keeps a text that is too long, and says by how much; the server refuses it.
    x.send(&too_long());
    x.wait_for("✗-1");
    x.send("\r\u{15}");
    x.wait_without("ÆÆ");
    is_refused(&server.url);
    wait_for(world, "server", "Publish", "refused");
    y.say("/quit");
    leaves(y);
    all_have(world, &["X", "Z"], 7);
    z.kill();
    all_have(world, &["X"], 8);
    x.say("/quit");
    leaves(x);
    assert_eq!(server.terminate(), Some(0));
}

fn draft(terminal: &mut Terminal, text: &str) {
    terminal.send(text);
    terminal.wait_for(text);
}

fn answered(world: &World, who: &str) {
    wait_for(world, who, "Publish", "replied");
}

fn wait_for(world: &World, who: &str, call: &str, step: &str) {
    wait_until(&format!("{who}: {call} {step}"), || {
        let lines = world.log(who);
        if of(&lines, call, step).is_empty() {
            return Err(format!("{} lines", lines.len()));
        }
        Ok(())
    });
}

/// Waits until these have received all up to this position.
fn all_have(world: &World, who: &[&str], position: u64) {
    for who in who {
        wait_until(&format!("{who} has {position}"), || {
            let received = broadcasts(&world.log(who), "received");
            match received.last() {
                Some(last) if last.position >= position => Ok(()),
                last => Err(format!("{last:?}")),
            }
        });
    }
}

fn too_long() -> String {
    "Æ".repeat(MessageText::MAX_CHARS + 1)
}

/// The client does not send a text that is too long, so this calls the server itself.
fn is_refused(url: &str) {
    let request = PublishRequest {
        session: "the session of nobody who is here".to_owned(),
        text: too_long(),
        lamport: 1,
        ..Default::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let status = runtime.block_on(async {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("an address");
        let mut client = ChittyChatClient::new(endpoint.connect().await.expect("it listens"));
        client.publish(request).await.expect_err("it is too long")
    });
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

/// An event of the run: a description, the times of its request, of its receipt by the log and of
/// its broadcast, and the clocks of X, Y and Z after they received it.
struct Expected {
    what: &'static str,
    request: Option<u64>,
    received: Option<u64>,
    broadcast: u64,
    clocks: [Option<u64>; 3],
}

const fn event(
    what: &'static str,
    request: Option<u64>,
    received: Option<u64>,
    broadcast: u64,
    clocks: [Option<u64>; 3],
) -> Expected {
    Expected {
        what,
        request,
        received,
        broadcast,
        clocks,
    }
}

/// The report's table. An event that a process did not receive has no number: Y and Z had not
/// joined yet, or had left.
#[rustfmt::skip]
const EVENTS: [Expected; 9] = [
    event("joined X", Some(1), Some(2), 3, [Some(4), None, None]),
    event("joined Y", Some(1), Some(4), 5, [Some(6), Some(6), None]),
    event("joined Z", Some(1), Some(6), 7, [Some(8), Some(8), Some(8)]),
    event("message X", Some(9), Some(10), 11, [Some(12), Some(12), Some(12)]),
    event("message Y", Some(13), Some(14), 15, [Some(16), Some(16), Some(16)]),
    event("message Z", Some(13), Some(16), 17, [Some(18), Some(18), Some(18)]),
    event("left Y", Some(19), Some(20), 21, [Some(22), Some(22), Some(22)]),
    event("left Z", None, None, 22, [Some(23), None, None]),
    event("left X", Some(24), Some(25), 26, [Some(27), None, None]),
];

/// Checks that every number of the report's tables is in these logs, and follows from the rules.
fn require(logs: &Logs) {
    let server = &logs["server"];
    let broadcasts = of(server, "Broadcast", "sent");
    assert_eq!(broadcasts.len(), EVENTS.len());
    for ((expected, line), position) in EVENTS.iter().zip(broadcasts).zip(1..) {
        let who = line.get("author").or(line.get("name"));
        let what = format!("{} {}", line.get("kind").unwrap_or(""), who.unwrap_or(""));
        assert_eq!(what, expected.what);
        assert_eq!(number(line, "position"), position);
        assert_eq!(
            number(line, "request"),
            expected.request.unwrap_or(0),
            "{what}"
        );
        assert_eq!(number(line, "lamport"), expected.broadcast, "{what}");
        assert_eq!(number(line, "clock"), expected.broadcast, "{what}");
        for (client, clock) in WHO[1..].iter().zip(expected.clocks) {
            let received: Vec<_> = of(&logs[client], "Broadcast", "received")
                .into_iter()
                .filter(|line| number(line, "position") == position)
                .collect();
            let clocks: Vec<_> = received.iter().map(|line| number(line, "clock")).collect();
            assert_eq!(clocks, Vec::from_iter(clock), "{what} at {client}");
            for received in received {
                assert_eq!(number(received, "lamport"), expected.broadcast, "{what}");
            }
        }
    }
    let received: Vec<_> = ["Join", "Publish", "Leave"]
        .iter()
        .flat_map(|call| of(server, call, "received"))
        .map(|line| number(line, "clock"))
        .collect();
    let mut expected: Vec<_> = EVENTS.iter().filter_map(|event| event.received).collect();
    expected.sort_unstable();
    let mut sorted = received;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for who in WHO {
        clock_is_by_the_rules(who, &logs[who]);
    }
    knows_no_other(logs);
    let refused = of(server, "Publish", "refused");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].get("status"), Some("INVALID_ARGUMENT"));
    let reason = refused[0].get("reason").unwrap_or("");
    assert!(reason.contains("129"), "{reason}");
}

/// Checks that Y's and Z's lines were sent at the same time of their clocks, and that neither
/// author had seen the other's.
fn knows_no_other(logs: &Logs) {
    for who in ["Y", "Z"] {
        let sent = of(&logs[who], "Publish", "sent");
        let told: Vec<_> = sent
            .iter()
            .map(|line| (number(line, "lamport"), number(line, "seen")))
            .collect();
        assert_eq!(told, [(13, 4)], "{who}");
    }
}

/// Checks that each line's clock follows from the line before, as the report's rules say.
fn clock_is_by_the_rules(who: &str, lines: &[Line]) {
    let mut clock = 0;
    for line in lines {
        let Some(told) = line.get("clock") else {
            continue;
        };
        let lamport = || number(line, "lamport");
        clock = match (line.call.as_str(), line.step.as_str()) {
            ("History", "sent") => clock,
            (_, "sent") => {
                assert_eq!(lamport(), clock + 1, "{who}: {line:?}");
                clock + 1
            }
            (_, "received") => clock.max(lamport()) + 1,
            (_, "replied") => clock.max(lamport()),
            other => panic!("{who}: {other:?} has a clock"),
        };
        assert_eq!(told, clock.to_string(), "{who}: {line:?}");
    }
    assert!(clock > 0, "{who}");
}

fn of<'a>(lines: &'a [Line], call: &str, step: &str) -> Vec<&'a Line> {
    lines
        .iter()
        .filter(|line| line.call == call && line.step == step)
        .collect()
}

fn number(line: &Line, key: &str) -> u64 {
    line.get(key)
        .and_then(|value| value.parse().ok())
        .expect("a number")
}
