//! The log lines, as `docs/log-format.md` has them.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use chitty::session::{HistoryPage, Notice, SessionCommand};
use chitty_chat::proto::v1::{HistoryReply, LeaveReply, PublishReply, closing::Reason};
use chitty_testing::fake_server::Fake;
use tonic::Status;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    subscriber::set_default,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use crate::user::User;

/// Collects the CALL lines of this thread: `Join sent lamport=1 ...`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line {
    call: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.fields, " {}={value:?}", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "call" => value.clone_into(&mut self.call),
            "step" => {
                let _ = write!(self.call, " {value}");
            }
            _ => self.record_debug(field, &value),
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == chitty_chat::logging::CALL {
            let mut line = Line::default();
            event.record(&mut line);
            let mut lines = self.0.lock().expect("no test fails while it holds this");
            lines.push(line.call + &line.fields);
        }
    }
}

/// Collects the lines of this thread until the guards are dropped.
fn catch() -> (Lines, impl Sized) {
    let lines = Lines::default();
    // With a single subscriber, tracing asks the thread that first reaches a line of code whether
    // the line is wanted, and keeps the answer; a thread of another test has no subscriber. With
    // two it asks all of them.
    let second = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = set_default(tracing_subscriber::registry().with(lines.clone()));
    (lines, (second, guard))
}

#[tokio::test]
async fn what_is_refused_and_what_is_read_back_are_lines_too() {
    let (lines, _guards) = catch();
    let mut server = Fake::start().await;
    let mut user = User::with_random(&server, |bytes| bytes.fill(0));
    user.join("ada").await;
    let call = server.join().await;
    call.refuse(Status::already_exists("taken"));
    user.refused().await;
    user.join("bob").await;
    let stream = server.join().await.welcome_first();
    user.live().await;
    for page in [
        HistoryPage::Before(9.into()),
        HistoryPage::After(8.into()),
        HistoryPage::At(7.into()),
    ] {
        user.ask(SessionCommand::History { page, limit: 10 }).await;
        server.history().await.refuse(Status::unavailable("later"));
        user.ask(SessionCommand::History { page, limit: 10 }).await;
        let start = true;
        let events = Vec::new();
        server.history().await.reply(HistoryReply { events, start });
    }
    for _ in 0..6 {
        user.until(|notice| matches!(notice, Notice::History { .. }).then_some(()))
            .await;
    }
    user.publish(1, "hello").await;
    let call = server.publish().await;
    let id = call.request.id.clone();
    call.refuse(Status::invalid_argument("rude"));
    user.rejected().await;
    stream.close(Reason::Shutdown, "for the night");
    user.lost().await;
    let _stream = server.join().await.welcome_first();
    user.welcome().await;
    user.ask(SessionCommand::Leave).await;
    server.leave().await.refuse(Status::unavailable("too late"));
    user.ended().await;
    let address = server.address;
    let lines = lines.0.lock().expect("nothing failed").clone();
    for expected in [
        "Join refused lamport=1 status=\"ALREADY_EXISTS\" reason=\"taken\"",
        "History sent before=9 limit=10 clock=",
        "History sent after=8 limit=10 clock=",
        "History sent at_lamport=7 limit=10 clock=",
        "History refused before=9 status=\"UNAVAILABLE\" reason=\"later\"",
        "History refused after=8 status=\"UNAVAILABLE\" reason=\"later\"",
        "History replied lamport=0 before=9 events=0 start=true clock=",
        "History replied lamport=0 at_lamport=7 events=0 start=true clock=",
        &format!(
            "Publish refused lamport=6 id=\"{id}\" status=\"INVALID_ARGUMENT\" reason=\"rude\""
        ),
        "Closing received position=1 kind=\"SHUTDOWN\" reason=\"for the night\"",
        &format!("Link lost server=\"{address}\" reason=\"the server shuts down\" retry_ms=0"),
        "Leave refused lamport=",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(expected)),
            "{expected}: {lines:#?}"
        );
    }
}

#[tokio::test]
async fn every_sending_and_every_receipt_is_a_line() {
    let (lines, _guards) = catch();
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    user.publish(1, "hello").await;
    let call = server.publish().await;
    let id = call.request.id.clone();
    call.refuse(Status::unavailable("later"));
    let call = server.publish().await;
    stream.position(2).time(7).published(&call.request);
    user.event().await;
    call.reply(PublishReply {
        position: 2,
        lamport: 7,
    });
    user.ask(SessionCommand::Leave).await;
    server.leave().await.reply(LeaveReply {
        lamport: 11,
        position: 3,
    });
    user.ended().await;

    let address = server.address;
    let expected = [
        format!("Link connecting server=\"{address}\""),
        "Join sent lamport=1 clock=1 name=\"ada\"".into(),
        "Join replied lamport=3 position=1 participant=1 resumed=false next=1 head=1 clock=3"
            .into(),
        "Broadcast received lamport=3 position=1 kind=\"joined\" participant=1 name=\"ada\" \
         text=\"Participant ada joined Chitty-Chat at Lamport time 3\" request=1 clock=4"
            .into(),
        format!("Link live server=\"{address}\""),
        format!("Publish sent lamport=5 clock=5 id=\"{id}\" seen=1 text=\"hello\""),
        format!("Publish failed lamport=5 id=\"{id}\" status=\"UNAVAILABLE\" reason=\"later\""),
        format!("Publish sent lamport=5 clock=5 id=\"{id}\" seen=1 retry=true text=\"hello\""),
        format!(
            "Broadcast received lamport=7 position=2 kind=\"message\" participant=1 \
             author=\"somebody\" id=\"{id}\" seen=1 text=\"hello\" request=5 clock=8"
        ),
        format!("Publish replied lamport=7 position=2 id=\"{id}\" clock=8"),
        format!("Link leaving server=\"{address}\""),
        "Leave sent lamport=9 clock=9".into(),
        "Leave replied lamport=11 position=3 clock=11".into(),
        format!("Link ended server=\"{address}\" reason=\"left\""),
    ];
    let mut lines = lines.0.lock().expect("nothing failed").clone();
    // The reply and the command to leave arrive at once, in either order.
    let leaving = &expected[10];
    lines.retain(|line| line != leaving);
    let expected: Vec<&String> = expected.iter().filter(|line| *line != leaving).collect();
    assert_eq!(lines.iter().collect::<Vec<_>>(), expected);
}
