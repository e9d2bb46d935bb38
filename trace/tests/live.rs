//! Live reports on logs that grow, have half-written lines, and are rotated while they are read.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use chitty_chat::signs::{RECEIVED, REPLY, SENT};
use chitty_trace::{
    chat::TraceIndex,
    check::check,
    draw::{Detail, Diagram, DiagramNode, NodeKind},
    live::{LiveReport, LiveView},
    read::Trace,
};
use proptest::prelude::*;
use support::{Logs, run};

/// All lines, each with the name of its file, in the order in which they were written.
fn by_time(logs: &Logs) -> Vec<(&str, &str)> {
    let lines = logs
        .iter()
        .flat_map(|(name, lines)| lines.iter().map(|line| (name.as_str(), line.as_str())));
    let mut lines: Vec<_> = lines.collect();
    lines.sort_by_key(|(_, line)| line.split(' ').next());
    lines
}

fn append(folder: &Path, name: &str, bytes: &[u8]) {
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(name));
    file.expect("opened").write_all(bytes).expect("written");
}

fn rotate(folder: &Path, name: &str) {
    let path = |number: u32| match number {
        0 => folder.join(name),
        number => folder.join(format!("{name}.{number}")),
    };
    for number in (0..5).rev() {
        if path(number).exists() {
            fs::rename(path(number), path(number + 1)).expect("renamed");
        }
    }
}

/// What happens before the next line is written, or while it is.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    Refresh,
    /// The report is refreshed when half of the line is written.
    Torn,
    Rotate,
}

/// Writes the logs line by line, as their processes do, and refreshes a report in between. Returns
/// what the report wrote.
fn watched(logs: &Logs, between: &[Between], show: LiveView) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut report = LiveReport::new(vec![folder.path().to_owned()], show);
    let mut said = Vec::new();
    // A file that is rotated more than five times would lose its first lines.
    let mut rotations = 0;
    for ((name, line), between) in by_time(logs).into_iter().zip(between.iter().cycle()) {
        let (one, other) = line.as_bytes().split_at(line.len() / 2);
        match between {
            Between::Refresh => report.refresh(&mut said).expect("readable"),
            Between::Rotate if rotations < 5 => {
                rotate(folder.path(), name);
                rotations += 1;
            }
            Between::Nothing | Between::Torn | Between::Rotate => {}
        }
        append(folder.path(), name, one);
        if matches!(between, Between::Torn) {
            report.refresh(&mut said).expect("readable");
        }
        append(folder.path(), name, other);
        append(folder.path(), name, b"\n");
    }
    for _ in 0..3 {
        report.refresh(&mut said).expect("readable");
    }
    (String::from_utf8(said).expect("text"), folder)
}

fn between() -> impl Strategy<Value = Vec<Between>> {
    let one = prop_oneof![
        20 => Just(Between::Nothing),
        3 => Just(Between::Refresh),
        2 => Just(Between::Torn),
        1 => Just(Between::Rotate),
    ];
    prop::collection::vec(one, 1..80)
}

/// How many nodes a text diagram has. The legend has one sign of each kind, which does not count.
fn drawn(said: &str) -> usize {
    let signs = [SENT, RECEIVED, REPLY].map(|sign| said.matches(sign.sign).count());
    signs.iter().sum::<usize>().saturating_sub(signs.len())
}

/// How many nodes of a diagram are drawn: the sending of a reply by the server is not.
fn events(diagram: &Diagram) -> usize {
    let is_event =
        |node: &&DiagramNode| node.kind != NodeKind::Reply || !diagram.columns[node.column].server;
    diagram.nodes.iter().filter(is_event).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_broken_where_nothing_is(seed in 0..1000_u64, between in between()) {
        let (said, _folder) = watched(&run(seed, 150), &between, LiveView::Violations);
        prop_assert_eq!(said, "");
    }

    #[test]
    fn what_is_broken_is_said_once(seed in 0..1000_u64, between in between(), which: prop::sample::Index) {
        let mut logs = run(seed, 150);
        let lines = logs.get_mut("server.log").expect("there");
        let sent: Vec<_> = (0..lines.len()).filter(|line| lines[*line].contains("Broadcast sent")).collect();
        let line = &mut lines[sent[which.index(sent.len())]];
        *line = line.replacen(" request=", " request=7", 1);
        let (said, folder) = watched(&logs, &between, LiveView::Violations);
        let trace = Trace::read(&[folder.path().to_owned()]).expect("readable");
        let index = TraceIndex::of(&trace);
        let mut expected: Vec<_> = check(&index).violations.iter().map(|found| format!("{}: {}", found.rule, found.message)).collect();
        prop_assert!(!expected.is_empty());
        // Each violation comes once, followed by its lines, which begin with blanks.
        let mut heads: Vec<_> = said.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).map(str::to_owned).collect();
        expected.sort();
        heads.sort();
        prop_assert_eq!(heads, expected);
    }

    #[test]
    fn every_event_is_drawn_once(seed in 0..1000_u64, between in between()) {
        let (said, folder) = watched(&run(seed, 150), &between, LiveView::Rows(0));
        let trace = Trace::read(&[folder.path().to_owned()]).expect("readable");
        let index = TraceIndex::of(&trace);
        let nodes = events(&Diagram::of(&index, 0, Detail::Events));
        prop_assert_eq!(drawn(&said), nodes);
        for (line, times) in times(&said) {
            prop_assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{line}: {times:?}\n{said}");
        }
    }
}

/// The times of each process, downwards. After each empty line there is a heading with the columns of
/// the processes from there on.
fn times(said: &str) -> BTreeMap<String, Vec<u64>> {
    let mut heading: Vec<char> = Vec::new();
    let mut times = BTreeMap::<String, Vec<u64>>::new();
    let mut after_gap = false;
    for row in said.lines() {
        let cells: Vec<char> = row.chars().collect();
        if std::mem::replace(&mut after_gap, row.is_empty()) {
            heading = cells;
            continue;
        }
        for (column, cell) in cells.iter().enumerate() {
            let is_sign = [SENT, RECEIVED, REPLY]
                .iter()
                .any(|sign| sign.sign.contains(*cell));
            let digits = cells[column + 1..]
                .iter()
                .take_while(|cell| cell.is_ascii_digit());
            let Ok(time) = digits.collect::<String>().parse() else {
                continue;
            };
            if is_sign {
                let title: String = heading.iter().skip(column).collect();
                let title = title.split("  ").next().unwrap_or_default().to_owned();
                times.entry(title).or_default().push(time);
            }
        }
    }
    times
}

#[test]
fn a_file_that_is_made_anew_is_read_from_its_beginning() {
    let logs = run(4, 200);
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("server.log");
    let mut report = LiveReport::new(vec![folder.path().to_owned()], LiveView::Rows(0));
    let mut said = Vec::new();
    report
        .refresh(&mut said)
        .expect("an empty folder is no error");
    let half = logs["server.log"].len() / 2;
    let (one, other) = logs["server.log"].split_at(half);
    fs::write(&path, one.join("\n") + "\n").expect("written");
    report.refresh(&mut said).expect("readable");
    fs::remove_file(&path).expect("removed");
    report.refresh(&mut said).expect("no file is no error");
    fs::write(&path, other.join("\n") + "\n").expect("written");
    report.refresh(&mut said).expect("readable");
    report.refresh(&mut said).expect("readable");
    let said = String::from_utf8(said).expect("text");
    let whole = tempfile::tempdir().expect("a folder");
    fs::write(
        whole.path().join("server.log"),
        logs["server.log"].join("\n") + "\n",
    )
    .expect("written");
    let trace = Trace::read(&[whole.path().to_owned()]).expect("readable");
    let nodes = events(&Diagram::of(&TraceIndex::of(&trace), 0, Detail::Events));
    assert_eq!(drawn(&said), nodes);
    let missing = LiveReport::new(vec![folder.path().join("none")], LiveView::Violations)
        .refresh(&mut Vec::new());
    assert!(missing.is_err());
}
