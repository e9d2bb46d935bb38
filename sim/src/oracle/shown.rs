//! What a screen showed: a contiguous run of the log, the same on all.

use chitty::session::{Ended, Notice, WelcomeNotice as Welcome};
use chitty_chat::{Event, logging::Line};
use chitty_server::record::Record;

use super::{Evidence, Fate, Life, Said, Verdict, at, number};

/// Where a screen is in the log.
#[derive(Default)]
struct Screen {
    /// The next position, once there was a welcome.
    next: Option<u64>,
    /// Something was shown since the timeline began.
    begun: bool,
}

pub(super) fn check(life: &Life, evidence: &Evidence, verdict: &mut Verdict) {
    let mut screen = Screen::default();
    let mut welcomes = 0;
    let mut log = 0;
    let mut received = life.calls("Broadcast", "received");
    for notice in life.notices() {
        match notice {
            Notice::Welcome(welcome) => {
                welcomes += 1;
                let before = std::mem::replace(&mut log, life.log_after(welcomes));
                screen.welcome(welcome, before != log, life, verdict);
            }
            Notice::Event { event, clock, .. } => {
                screen.event(event, life, verdict);
                check_durable(event, evidence.log(log), life, verdict);
                check_line(event, clock.get(), received.next(), life, verdict);
            }
            Notice::Ended(ended) => check_end(ended, life, verdict),
            _ => {}
        }
    }
    if evidence.at_rest && life.fate == Fate::Runs {
        let head = evidence.log(log).len() as u64;
        let at_end = log + 1 == evidence.logs.len() && screen.next == Some(head + 1);
        verdict.must(at_end, "all is shown", || {
            format!(
                "{}: expects {:?}, the log (of life {log}) ends at {head}",
                life.label, screen.next
            )
        });
    }
}

impl Screen {
    /// Only where what follows is not kept any more, or the log is `another` one, a timeline that
    /// began may jump.
    fn welcome(&mut self, welcome: &Welcome, another: bool, life: &Life, verdict: &mut Verdict) {
        let next = welcome.next.get();
        if self.begun {
            let said = welcome.another_log;
            verdict.must(said == another, "another log is said", || {
                format!("{}: {said} at {next}, and it is {another}", life.label)
            });
        }
        if self.begun && (another || self.next != Some(next)) {
            let expected = self.next.unwrap_or_default();
            let may_jump = another || welcome.first.get() > expected;
            let says_so = welcome.participants.is_some() && !welcome.resumed;
            verdict.must(may_jump && says_so, "no jump", || {
                format!("{}: goes on at {next} instead of {expected}", life.label)
            });
            self.begun = false;
        }
        self.next = Some(next);
    }

    fn event(&mut self, event: &Event, life: &Life, verdict: &mut Verdict) {
        let position = event.position.get();
        verdict.must(self.next == Some(position), "a contiguous run", || {
            format!(
                "{}: shows {position} instead of {:?}",
                life.label, self.next
            )
        });
        self.next = Some(position + 1);
        self.begun = true;
    }
}

/// All agree on every position, since each agrees with the log.
fn check_durable(event: &Event, log: &[Record], life: &Life, verdict: &mut Verdict) {
    let durable = at(log, event.position.get()).map(|record| &record.event);
    verdict.must(durable == Some(event), "shown is durable", || {
        format!("{}: shows {event:?}, the log has {durable:?}", life.label)
    });
}

/// The log of the client tells the same.
fn check_line(event: &Event, clock: u64, line: Option<&Line>, life: &Life, verdict: &mut Verdict) {
    let told = line.map(|line| ["position", "lamport", "clock"].map(|key| number(line, key)));
    let shown = [event.position.get(), event.lamport.get(), clock];
    verdict.must(told == Some(shown), "the log tells what is shown", || {
        format!("{}: shows {shown:?}, its log has {told:?}", life.label)
    });
}

fn check_end(ended: &Ended, life: &Life, verdict: &mut Verdict) {
    let asked = life
        .said
        .iter()
        .any(|said| matches!(said, Said::Asked(chitty::session::SessionCommand::Leave)));
    verdict.must(
        asked && *ended == Ended::Left,
        "ends only when asked",
        || format!("{}: {ended:?}", life.label),
    );
}
