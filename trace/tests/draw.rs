//! The diagrams: causes come first, every reception has its arrow, and nothing in them can harm.

mod support;

use std::collections::{HashMap, HashSet};

use chitty_trace::{
    chat::Facts,
    draw::{Detail, Diagram, html, svg, text},
    export::{json, mermaid, shiviz},
    read::step::{Kind, What},
};
use support::{run, trace};

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn causes_come_before_their_effects_and_times_rise_along_arrows() {
    for seed in 0..30 {
        let trace = trace(&run(seed, 500));
        let facts = Facts::of(&trace);
        let diagram = Diagram::of(&facts, 0, Detail::Events);
        let mut last = HashMap::new();
        for (number, node) in diagram.nodes.iter().enumerate() {
            let before = last.insert(node.at.run, node.at.step);
            assert!(before.is_none_or(|before| before < node.at.step));
            if let Some(source) = node.source {
                assert!(source < number);
                assert!(diagram.nodes[source].time < node.time, "{node:?}");
            }
            if matches!(facts.step(node.at).what, What::BroadcastReceived(_)) {
                assert!(node.source.is_some(), "{node:?}");
            }
        }
    }
}

#[test]
fn a_cause_has_the_smaller_vector_clock() {
    let trace = trace(&run(3, 500));
    let facts = Facts::of(&trace);
    let diagram = Diagram::of(&facts, 0, Detail::All);
    let out = written(|out| shiviz::write(&facts, &diagram, out));
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
    let facts = Facts::of(&trace);
    let diagram = Diagram::of(&facts, 0, Detail::Events);
    assert!(
        diagram
            .nodes
            .iter()
            .any(|node| node.label.contains("<script>"))
    );
    for out in [
        written(|out| text::write(&diagram, out)),
        written(|out| svg::write(&facts, &diagram, out)),
        written(|out| html::write(&facts, &diagram, out)),
        written(|out| mermaid::write(&diagram, out)),
        written(|out| shiviz::write(&facts, &diagram, out)),
        written(|out| json::write(&facts, &diagram, out)),
    ] {
        assert!(!out.contains(|c: char| c != '\n' && c.is_control()));
        assert!(!out.contains('\u{202e}'));
    }
    let svg = written(|out| svg::write(&facts, &diagram, out));
    assert!(!svg.contains("<script") && !svg.contains("href"));
    // The page has a script of its own.
    let html = written(|out| html::write(&facts, &diagram, out));
    assert_eq!(html.matches("<script").count(), 1);
    assert_eq!(html.matches("</script").count(), 1);
    let mermaid = written(|out| mermaid::write(&diagram, out));
    assert!(!mermaid.contains("script>"));
}

#[test]
fn only_the_last_events_are_drawn_where_that_is_asked_for() {
    let trace = trace(&run(7, 900));
    let facts = Facts::of(&trace);
    let mut diagram = Diagram::of(&facts, 0, Detail::Events);
    let all = diagram.nodes.len();
    diagram.last(&facts, 5);
    assert!(diagram.nodes.len() < all);
    let shown = diagram
        .nodes
        .iter()
        .filter_map(|node| match facts.step(node.at).what {
            What::BroadcastSent(event) => Some(event.position),
            _ => None,
        });
    assert!(shown.collect::<HashSet<_>>().len() >= 5);
}

#[test]
fn messages_that_crossed_others_are_marked() {
    let mut marks = 0;
    for seed in 0..20 {
        let trace = trace(&run(seed, 300));
        let facts = Facts::of(&trace);
        let diagram = Diagram::of(&facts, 0, Detail::Events);
        let svg = written(|out| svg::write(&facts, &diagram, out));
        let told = &facts.chats[0].told;
        for (position, one) in told {
            let crossed = (one.event.seen + 1..*position).filter(|other| {
                let other = &told[other].event;
                other.kind == Kind::Message && other.participant != one.event.participant
            });
            let mark = match crossed.count() {
                count @ 1.. if one.event.kind == Kind::Message && one.event.seen > 0 => {
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
