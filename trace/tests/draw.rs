//! The diagrams: causes come first, each reception has its arrow, and no text in them can do harm.

mod support;

use std::collections::{BTreeMap, HashMap, HashSet};

use chitty_chat::{logging::parse_line, signs};
use chitty_trace::{
    chat::TraceIndex,
    draw::{Detail, Diagram, NodeKind, html, svg, text},
    export::{json, mermaid, shiviz},
    read::step::{LoggedKind, StepKind},
};
use proptest::prelude::*;
use support::{Logs, run, trace};

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn causes_come_before_their_effects_and_times_rise_along_arrows() {
    for seed in 0..30 {
        let trace = trace(&run(seed, 500));
        let index = TraceIndex::of(&trace);
        let diagram = Diagram::of(&index, 0, Detail::Events);
        let mut last = HashMap::new();
        for (number, node) in diagram.nodes.iter().enumerate() {
            let before = last.insert(node.at.run, node.at.step);
            assert!(before.is_none_or(|before| before < node.at.step));
            if let Some(source) = node.source {
                assert!(source < number);
                assert!(diagram.nodes[source].time < node.time, "{node:?}");
            }
            if matches!(index.step(node.at).kind, StepKind::BroadcastReceived(_)) {
                assert!(node.source.is_some(), "{node:?}");
            }
        }
    }
}

#[test]
fn a_cause_has_the_smaller_vector_clock() {
    let trace = trace(&run(3, 500));
    let index = TraceIndex::of(&trace);
    let diagram = Diagram::of(&index, 0, Detail::All);
    let out = written(|out| shiviz::write(&index, &diagram, out));
    let clocks: Vec<_> = out.lines().skip(2).step_by(2).collect();
    assert_eq!(clocks.len(), diagram.nodes.len());
    assert_eq!(clocks.iter().collect::<HashSet<_>>().len(), clocks.len());
    let count = |line: &str, host: &str| -> u64 {
        let found = line.split_once(&format!("\"{host}\":"));
        let digits = found.map_or("0", |(_, rest)| rest);
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    for (node, clock) in diagram.nodes.iter().zip(&clocks) {
        let Some(source) = node.source else { continue };
        for column in &diagram.columns {
            assert!(count(clocks[source], &column.host) <= count(clock, &column.host));
        }
    }
}

#[test]
fn what_somebody_wrote_stays_a_text() {
    let mut logs = run(5, 300);
    for line in logs.values_mut().flatten() {
        *line = line.replace(
            "text=\"line ",
            "text=\"\\u{1b}[2J\\u{202e}</text><script>#;: \\\" ",
        );
    }
    let trace = trace(&logs);
    let index = TraceIndex::of(&trace);
    let diagram = Diagram::of(&index, 0, Detail::Events);
    assert!(
        diagram
            .nodes
            .iter()
            .any(|node| node.label.contains("<script>"))
    );
    for out in [
        written(|out| text::write(&diagram, out)),
        written(|out| svg::write(&index, &diagram, out)),
        written(|out| html::write(&index, &diagram, out)),
        written(|out| mermaid::write(&diagram, out)),
        written(|out| shiviz::write(&index, &diagram, out)),
        written(|out| json::write(&index, &diagram, out)),
    ] {
        assert!(!out.contains(|c: char| c != '\n' && c.is_control()));
        assert!(!out.contains('\u{202e}'));
    }
    let svg = written(|out| svg::write(&index, &diagram, out));
    assert!(!svg.contains("<script") && !svg.contains("href"));
    // The page has a script of its own.
    let html = written(|out| html::write(&index, &diagram, out));
    assert_eq!(html.matches("<script").count(), 1);
    assert_eq!(html.matches("</script").count(), 1);
    let mermaid = written(|out| mermaid::write(&diagram, out));
    assert!(!mermaid.contains("script>"));
}

#[test]
fn an_action_is_drawn_as_an_action() {
    let mut logs = run(5, 300);
    for line in logs.values_mut().flatten() {
        *line = line.replace("text=\"line ", "text=\"/me does ");
    }
    let trace = trace(&logs);
    let index = TraceIndex::of(&trace);
    let diagram = Diagram::of(&index, 0, Detail::Events);
    let actions = diagram.nodes.iter().filter(|node| {
        let label = node.label.strip_prefix("* ");
        label.is_some_and(|label| label.contains(" does "))
    });
    assert!(actions.count() > 0);
    assert!(
        diagram
            .nodes
            .iter()
            .all(|node| !node.label.contains(": /me"))
    );
}

#[test]
fn only_the_last_events_are_drawn_where_that_is_asked_for() {
    let trace = trace(&run(7, 900));
    let index = TraceIndex::of(&trace);
    let mut diagram = Diagram::of(&index, 0, Detail::Events);
    let all = diagram.nodes.len();
    diagram.last(&index, 5);
    assert!(diagram.nodes.len() < all);
    let shown = diagram
        .nodes
        .iter()
        .filter_map(|node| match index.step(node.at).kind {
            StepKind::BroadcastSent(event) => Some(event.position),
            _ => None,
        });
    assert!(shown.collect::<HashSet<_>>().len() >= 5);
}

#[test]
fn messages_that_crossed_others_are_marked() {
    let mut marks = 0;
    for seed in 0..20 {
        let trace = trace(&run(seed, 300));
        let index = TraceIndex::of(&trace);
        let diagram = Diagram::of(&index, 0, Detail::Events);
        let svg = written(|out| svg::write(&index, &diagram, out));
        let known = &index.chats[0].events;
        for (position, one) in known {
            let crossed = (one.event.seen + 1..*position).filter(|other| {
                let other = &known[other].event;
                other.kind == LoggedKind::Message && other.participant != one.event.participant
            });
            let mark = match crossed.count() {
                count @ 1.. if one.event.kind == LoggedKind::Message && one.event.seen > 0 => {
                    marks += 1;
                    format!(">∥{count}</tspan>")
                }
                _ => "∥".to_owned(),
            };
            let group = svg
                .split("<g class=\"event")
                .find(|group| {
                    group.contains(&format!("data-position=\"{position}\""))
                        && group.contains("Broadcast sent")
                })
                .expect("it is drawn");
            let group = group.split("</g>").next().expect("its own part");
            assert_eq!(group.contains(&mark), mark.len() > "∥".len(), "{group}");
        }
    }
    assert!(marks > 20, "{marks}");
}

/// The times on each vertical line of the text diagram, downwards.
type Times = BTreeMap<usize, Vec<u64>>;

/// The times by the column of the line.
fn times_in_text(out: &str) -> Times {
    let is_sign = |c: &char| {
        let signs = [signs::SENT, signs::RECEIVED, signs::REPLY];
        signs.iter().any(|sign| sign.sign.contains(*c))
    };
    let mut times = Times::new();
    for row in out.lines() {
        let cells: Vec<char> = row.chars().collect();
        for (column, _) in cells.iter().enumerate().filter(|(_, cell)| is_sign(cell)) {
            let digits: String = cells[column + 1..]
                .iter()
                .take_while(|cell| cell.is_ascii_digit())
                .collect();
            if let Ok(time) = digits.parse() {
                times.entry(column).or_default().push(time);
            }
        }
    }
    times
}

/// The heights of the events by the number of the lane.
fn times_in_svg(out: &str) -> Times {
    let after = |text: &str, mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    let mut events = Vec::new();
    for event in out.split("<g class=\"event").skip(1) {
        let (_, location) = event.split_once("transform=\"translate(").expect("a place");
        let y = after(location, ",").expect("a height");
        let lane = after(event, "data-lane=\"").expect("a line");
        events.push((lane, y, after(event, "<tspan class=\"time\">")));
    }
    events.sort_unstable();
    let heights: HashSet<_> = events.iter().map(|(lane, y, _)| (lane, y)).collect();
    assert_eq!(heights.len(), events.len(), "two events are in one place");
    let mut times = Times::new();
    for (lane, _, time) in events {
        let lane = usize::try_from(lane).expect("small");
        times.entry(lane).or_default().extend(time);
    }
    times
}

/// Wall clocks of processes can differ by any amount, also between runs of the server.
fn with_other_wall_clocks(logs: &mut Logs, hours: &[u8]) {
    let mut runs = HashMap::new();
    for line in logs.values_mut().flatten() {
        let run = parse_line(line).expect("a line").run;
        let count = runs.len();
        let hour = hours[*runs.entry(run).or_insert(count) % hours.len()];
        *line = line.replacen("T01:", &format!("T{hour:02}:"), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_times_of_each_line_rise_downwards(
        seed in 0..100_000_u64,
        hours in prop::collection::vec(0..24_u8, 1..5),
        missing in prop::option::of(0..4_usize),
        last in prop::option::of(1..60_u64),
    ) {
        let mut logs = run(seed, 400);
        with_other_wall_clocks(&mut logs, &hours);
        if let Some(missing) = missing {
            let name = logs.keys().rev().nth(missing).cloned();
            name.and_then(|name| logs.remove(&name));
        }
        let trace = trace(&logs);
        let index = TraceIndex::of(&trace);
        for chat in 0..index.chats.len() {
            let mut diagram = Diagram::of(&index, chat, Detail::Events);
            if let Some(last) = last {
                diagram.last(&index, last);
            }
            let text = written(|out| text::write(&diagram, out));
            let svg = written(|out| svg::write(&index, &diagram, out));
            let html = written(|out| html::write(&index, &diagram, out));
            let times: usize = diagram.nodes.iter().filter(|node| node.time.is_some()).count();
            for (what, found) in [
                (&text, times_in_text(&text)),
                (&svg, times_in_svg(&svg)),
                (&html, times_in_svg(&html)),
            ] {
                prop_assert_eq!(found.values().map(Vec::len).sum::<usize>(), times);
                for (line, times) in found {
                    let rises = times.windows(2).all(|pair| pair[0] < pair[1]);
                    prop_assert!(rises, "{line}: {times:?}\n{what}");
                }
            }
        }
    }
}

/// Without replies a number such as 18 after 13 and 15 could not be recomputed.
#[test]
fn the_replies_that_raised_a_clock_are_drawn() {
    let mut drawn = 0;
    for seed in 0..20 {
        let logs = run(seed, 300);
        let mut raised = 0;
        for (_, lines) in logs.iter().filter(|(name, _)| *name != "server.log") {
            let mut before = 0;
            for line in lines.iter().map(|line| parse_line(line).expect("a line")) {
                let clock = line.get("clock").and_then(|clock| clock.parse().ok());
                let clock = clock.unwrap_or(before);
                raised += usize::from(line.step == "replied" && clock > before);
                before = clock;
            }
        }
        let trace = trace(&logs);
        let index = TraceIndex::of(&trace);
        let diagram = Diagram::of(&index, 0, Detail::Events);
        let replies = diagram
            .nodes
            .iter()
            .filter(|node| node.kind == NodeKind::Reply && !diagram.columns[node.column].server);
        assert!(replies.clone().all(|node| node.source.is_some()));
        assert_eq!(replies.count(), raised);
        let text = written(|out| text::write(&diagram, out));
        // One of them is in the legend.
        assert_eq!(text.matches(signs::REPLY.sign).count(), raised + 1);
        let svg = written(|out| svg::write(&index, &diagram, out));
        let arrows = svg.split("<g class=\"arrow ").skip(1);
        let thin = arrows.filter(|arrow| {
            arrow
                .split('"')
                .next()
                .is_some_and(|class| class.ends_with(" reply"))
        });
        assert_eq!(thin.count(), raised);
        drawn += raised;
    }
    assert!(drawn > 100, "{drawn}");
}

#[test]
fn every_legend_is_the_table_of_signs() {
    let trace = trace(&run(3, 200));
    let index = TraceIndex::of(&trace);
    let diagram = Diagram::of(&index, 0, Detail::Events);
    let text = written(|out| text::write(&diagram, out));
    assert!(text.contains(&signs::diagram_legend()), "{text}");
    let svg = written(|out| svg::write(&index, &diagram, out));
    for sign in [
        signs::SENT,
        signs::RECEIVED,
        signs::REPLY,
        signs::CROSSED_TWO,
    ] {
        assert!(svg.contains(&format!(">{}</text>", sign.means)), "{sign:?}");
    }
}
