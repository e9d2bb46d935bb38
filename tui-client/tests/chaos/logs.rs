//! Compares the log files of real clients with the database.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use chitty_chat::{
    Event, EventKind, LeftReason,
    logging::{Line, parse_line},
};

use crate::person::Sitting;

/// The counts of a check.
#[derive(Default)]
pub(crate) struct Counts {
    /// Runs of clients.
    pub(crate) runs: usize,
    /// Lines that a process logged as acknowledged.
    pub(crate) acknowledged: usize,
    /// Those of them that are not in the database as they were acknowledged.
    pub(crate) lost: usize,
    /// Broadcasts that were received.
    pub(crate) received: usize,
    /// Log lines that are torn, as kill -9 may leave them.
    pub(crate) torn: usize,
}

/// The database, with indices.
struct Chat<'a> {
    events: &'a [Event],
    by_id: HashMap<&'a str, &'a Event>,
    by_text: HashMap<&'a str, u64>,
}

/// One run of a client.
#[derive(Default)]
struct Run {
    /// The last position that it received.
    last: Option<u64>,
    /// Its participations, by their numbers.
    participants: Vec<u64>,
}

/// Checks the log of every client, and the fate of every typed line.
pub(crate) fn check(folder: &Path, events: &[Event], sittings: &[Sitting]) -> Counts {
    let chat = Chat::of(events);
    let mut counts = Counts::default();
    let mut runs: HashMap<String, Run> = HashMap::new();
    for path in chitty_trace::read::find(&[folder.to_owned()]).expect("readable") {
        for line in BufReader::new(File::open(path).expect("readable")).split(b'\n') {
            let line = line.expect("readable");
            match str::from_utf8(&line).ok().and_then(parse_line) {
                Some(line) if line.who == "server" => {}
                Some(line) => {
                    let run = runs.entry(line.run.clone()).or_default();
                    chat.check_line(&line, run, &mut counts);
                }
                None => counts.torn += 1,
            }
        }
    }
    for sitting in sittings {
        chat.check_typed(sitting);
        if let Some(run) = sitting.run.as_ref().and_then(|run| runs.get(run)) {
            chat.check_end(sitting, run);
        }
    }
    counts.runs = runs.len();
    counts
}

impl<'a> Chat<'a> {
    fn of(events: &'a [Event]) -> Self {
        let (mut by_id, mut by_text) = (HashMap::new(), HashMap::new());
        for event in events {
            if let EventKind::Message { id, text, .. } = &event.kind {
                let before = by_id.insert(&**id, event);
                assert!(
                    before.is_none(),
                    "one id, two events: {before:?}, {event:?}"
                );
                by_text.insert(&**text, event.position.get());
            }
        }
        Self {
            events,
            by_id,
            by_text,
        }
    }

    fn check_line(&self, line: &Line, run: &mut Run, counts: &mut Counts) {
        match (line.call.as_str(), line.step.as_str()) {
            ("Join", "replied") => {
                let participant = number(line, "participant");
                if run.participants.last() != Some(&participant) {
                    run.participants.push(participant);
                }
            }
            ("Broadcast", "received") => {
                counts.received += 1;
                self.check_received(line, run);
            }
            ("Publish", "replied") => {
                counts.acknowledged += 1;
                let told = (number(line, "position"), number(line, "lamport"));
                let there = self.by_id.get(line.get("id").unwrap_or_default());
                let there = there.map(|event| (event.position.get(), event.lamport.get()));
                counts.lost += usize::from(there != Some(told));
            }
            ("Publish", "refused") => {
                let id = line.get("id").unwrap_or_default();
                assert!(!self.by_id.contains_key(id), "refused, and there: {line:?}");
            }
            _ => {}
        }
    }

    /// Checks that it received a contiguous run without repeats, each event as it is in the
    /// database.
    fn check_received(&self, line: &Line, run: &mut Run) {
        let position = number(line, "position");
        if let Some(last) = run.last.replace(position) {
            assert_eq!(position, last + 1, "a gap or a repeat: {line:?}");
        }
        let index = usize::try_from(position).expect("small") - 1;
        let event = self.events.get(index);
        let event = event.unwrap_or_else(|| panic!("it is not in the database: {line:?}"));
        let text = match &event.kind {
            EventKind::Message { text, .. } => Some(text.to_string()),
            _ => event.sentence(),
        };
        assert_eq!(
            (number(line, "lamport"), line.get("kind"), line.get("text")),
            (event.lamport.get(), Some(event.kind_str()), text.as_deref()),
            "{event:?}"
        );
    }

    /// Checks that typed lines are in the log in their order: all of them, or up to some line if
    /// the process was killed.
    fn check_typed(&self, sitting: &Sitting) {
        let positions: Vec<Option<u64>> = sitting
            .typed
            .iter()
            .map(|line| self.by_text.get(line.as_str()).copied())
            .collect();
        let there: Vec<u64> = positions.iter().map_while(|at| *at).collect();
        let name = &sitting.name;
        assert!(there.is_sorted(), "{name} typed in another order");
        let holes = positions[there.len()..].iter().flatten().count();
        assert_eq!(holes, 0, "a line of {name} is left out: {positions:?}");
        assert!(
            sitting.killed || there.len() == sitting.typed.len(),
            "lines of {name} are lost: {positions:?}"
        );
    }

    /// Checks that a killed process did not leave, and was announced as gone once.
    fn check_end(&self, sitting: &Sitting, run: &Run) {
        let Some(last) = run.participants.last() else {
            return;
        };
        let own: HashSet<_> = run.participants.iter().collect();
        assert_eq!(own.len(), run.participants.len(), "{}", sitting.name);
        let reasons: Vec<LeftReason> = self
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Left {
                    participant,
                    reason,
                    ..
                } if participant.get() == *last => Some(*reason),
                _ => None,
            })
            .collect();
        let as_it_was = if sitting.killed {
            matches!(reasons[..], [LeftReason::Lost | LeftReason::Closed])
        } else {
            reasons == [LeftReason::Left]
        };
        assert!(as_it_was, "{} ({last}) is gone: {reasons:?}", sitting.name);
    }
}

fn number(line: &Line, key: &str) -> u64 {
    let value = line.get(key).and_then(|value| value.parse().ok());
    value.unwrap_or_else(|| panic!("{key} is not told: {line:?}"))
}
