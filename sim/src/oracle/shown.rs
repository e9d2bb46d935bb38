//! What each screen showed: a contiguous run of the log, the same on all screens.

use chitty::session::{Ended, Notice, WelcomeNotice};
use chitty_chat::{Event, logging::Line};
use chitty_room::record::Record;

use super::{ClientRun, Evidence, Exchange, Fate, Verdict, at, number};

/// The position that a screen has reached in the log.
#[derive(Default)]
struct ModelScreen {
    /// The next position to be shown; `None` before the first Welcome.
    next: Option<u64>,
    /// An event was shown since the timeline began.
    begun: bool,
}

pub(super) fn check(client: &ClientRun, evidence: &Evidence, verdict: &mut Verdict) {
    let mut screen = ModelScreen::default();
    let mut welcomes = 0;
    let mut log = 0;
    // Notices and log lines of events come in the same order: compare them pairwise.
    let mut received = client.calls("Broadcast", "received");
    for notice in client.notices() {
        match notice {
            Notice::Welcome(welcome) => {
                welcomes += 1;
                let before = std::mem::replace(&mut log, client.log_after(welcomes));
                screen.welcome(welcome, before != log, client, verdict);
            }
            Notice::Event { event, clock, .. } => {
                screen.event(event, client, verdict);
                check_durable(event, evidence.log(log), client, verdict);
                check_line(event, clock.get(), received.next(), client, verdict);
            }
            Notice::Ended(ended) => check_end(ended, client, verdict),
            _ => {}
        }
    }
    if evidence.at_rest && client.fate == Fate::Runs {
        let head = evidence.log(log).len() as u64;
        let at_end = log + 1 == evidence.logs.len() && screen.next == Some(head + 1);
        verdict.must(at_end, "all is shown", || {
            format!(
                "{}: expects {:?}, the log (epoch {log}) ends at {head}",
                client.label, screen.next
            )
        });
    }
}

impl ModelScreen {
    /// Takes a Welcome. A timeline that has begun may jump only if the next events were trimmed, or
    /// if the log is `another` one.
    fn welcome(
        &mut self,
        welcome: &WelcomeNotice,
        another: bool,
        client: &ClientRun,
        verdict: &mut Verdict,
    ) {
        let next = welcome.next.get();
        if self.begun {
            let reported = welcome.another_log;
            verdict.must(reported == another, "another log is said", || {
                format!(
                    "{}: {reported} at {next}, and it is {another}",
                    client.label
                )
            });
        }
        // Before the first event there is no timeline yet, which any Welcome may place.
        if self.begun && (another || self.next != Some(next)) {
            let expected = self.next.unwrap_or_default();
            let may_jump = another || welcome.first.get() > expected;
            let says_so = welcome.participants.is_some() && !welcome.resumed;
            verdict.must(may_jump && says_so, "no jump", || {
                format!("{}: goes on at {next} instead of {expected}", client.label)
            });
            self.begun = false;
        }
        self.next = Some(next);
    }

    fn event(&mut self, event: &Event, client: &ClientRun, verdict: &mut Verdict) {
        let position = event.position.get();
        verdict.must(self.next == Some(position), "a contiguous run", || {
            format!(
                "{}: shows {position} instead of {:?}",
                client.label, self.next
            )
        });
        self.next = Some(position + 1);
        self.begun = true;
    }
}

/// Each shown event is the one in the log. Hence all screens agree on every position.
fn check_durable(event: &Event, log: &[Record], client: &ClientRun, verdict: &mut Verdict) {
    let durable = at(log, event.position.get()).map(|record| &record.event);
    verdict.must(durable == Some(event), "shown is durable", || {
        format!("{}: shows {event:?}, the log has {durable:?}", client.label)
    });
}

/// The client's log has the same event and clock.
fn check_line(
    event: &Event,
    clock: u64,
    line: Option<&Line>,
    client: &ClientRun,
    verdict: &mut Verdict,
) {
    let logged = line.map(|line| ["position", "lamport", "clock"].map(|key| number(line, key)));
    let shown = [event.position.get(), event.lamport.get(), clock];
    verdict.must(logged == Some(shown), "the log tells what is shown", || {
        format!("{}: shows {shown:?}, its log has {logged:?}", client.label)
    });
}

fn check_end(ended: &Ended, client: &ClientRun, verdict: &mut Verdict) {
    let asked = client.exchanges.iter().any(|exchange| {
        matches!(
            exchange,
            Exchange::Asked(chitty::session::SessionCommand::Leave)
        )
    });
    verdict.must(
        asked && *ended == Ended::Left,
        "ends only when asked",
        || format!("{}: {ended:?}", client.label),
    );
}
