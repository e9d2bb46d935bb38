use std::time::{Duration, UNIX_EPOCH};

use chitty_chat::{Event, EventKind, LamportTime, ParticipantNumber, Position};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, BufReader, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
};

use super::*;
use crate::session::{Refusal, Welcome};

/// A client, and the session that the test plays.
struct Play {
    commands: mpsc::Receiver<Command>,
    notices: mpsc::Sender<Notice>,
    input: Option<DuplexStream>,
    output: DuplexStream,
    errors: DuplexStream,
    done: JoinHandle<io::Result<Plain>>,
}

impl Play {
    fn start() -> Self {
        let (asked, commands) = mpsc::channel(64);
        let (notices, told) = mpsc::channel(256);
        let session = SessionHandle {
            commands: asked,
            notices: told,
            task: tokio::spawn(async {}),
        };
        let (input, typed) = duplex(1 << 16);
        let (output, shown) = duplex(1 << 16);
        let (errors, said) = duplex(1 << 16);
        let config = PlainConfig {
            name: ParticipantName::parse("ada").expect("a name"),
            time_zone: TimeZone::UTC,
        };
        let streams = Streams {
            input: BufReader::new(typed),
            output: shown,
            errors: said,
        };
        Self {
            commands,
            notices,
            input: Some(input),
            output,
            errors,
            done: tokio::spawn(run(config, session, streams, stream::pending())),
        }
    }

    async fn joined() -> Self {
        let mut play = Self::start();
        assert!(matches!(play.command().await, Command::Join { name } if name.as_str() == "ada"));
        play.tell(Notice::Welcome(welcome())).await;
        play
    }

    async fn tell(&self, notice: Notice) {
        self.notices.send(notice).await.expect("the client listens");
    }

    async fn command(&mut self) -> Command {
        self.commands.recv().await.expect("the client asks")
    }

    async fn publish(&mut self) -> (Ticket, String) {
        match self.command().await {
            Command::Publish { ticket, text } => (ticket, text.as_str().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    async fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(text.as_bytes()).await.expect("it is read");
    }

    async fn confirm(&self, ticket: Ticket, text: &str) {
        let event = Event {
            position: Position::new(ticket.0),
            lamport: LamportTime::new(ticket.0 * 10),
            at: UNIX_EPOCH + Duration::from_secs(60),
            request: 1.into(),
            kind: EventKind::Message {
                author: "ada".into(),
                text: text.into(),
                id: "".into(),
                seen: Position::ZERO,
                participant: ParticipantNumber::new(1),
            },
        };
        self.tell(Notice::Event {
            event,
            clock: LamportTime::new(1),
            own: Some(ticket),
        })
        .await;
    }

    /// How it went, what was shown and what was said.
    async fn end(mut self) -> (Plain, String, String) {
        let plain = self.done.await.expect("no panic").expect("it can write");
        let (mut output, mut errors) = (String::new(), String::new());
        let _ = self.output.read_to_string(&mut output).await;
        let _ = self.errors.read_to_string(&mut errors).await;
        (plain, output, errors)
    }
}

fn welcome() -> Welcome {
    Welcome {
        name: "ada".into(),
        number: ParticipantNumber::new(1),
        participants: Some(Vec::new()),
        position: Position::new(1),
        // Nothing of what was said before follows.
        next: Position::new(2),
        head: Position::new(1),
        first: Position::new(1),
        clock: LamportTime::new(3),
        resumed: false,
        another_log: false,
        seen: Vec::new(),
        server: "http://here".into(),
    }
}

#[tokio::test]
async fn a_pipe_leaves_when_all_is_sent() {
    let mut play = Play::joined().await;
    play.type_in("hello\n\n/me waves").await;
    play.input = None;
    let (first, text) = play.publish().await;
    assert_eq!(text, "hello");
    let (second, text) = play.publish().await;
    assert_eq!(text, "/me waves");
    assert!(
        play.commands.try_recv().is_err(),
        "nothing is confirmed yet"
    );
    play.confirm(first, "hello").await;
    tokio::task::yield_now().await;
    assert!(
        play.commands.try_recv().is_err(),
        "one is not confirmed yet"
    );
    play.confirm(second, "/me waves").await;
    assert_eq!(play.command().await, Command::Leave);
    play.tell(Notice::Ended(Ended::Left)).await;
    let (plain, output, errors) = play.end().await;
    assert_eq!(plain.outcome, Outcome::Over(Ended::Left));
    assert_eq!(plain.unsent, 0);
    assert_eq!(output, "00:01 L10 ada: hello\n00:01 L30 * ada waves\n");
    assert_eq!(errors, "");
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_and_counted() {
    let mut play = Play::joined().await;
    let long = "x".repeat(129);
    play.type_in(&format!("{long}\n/etc/passwd\nfine\n")).await;
    let (ticket, text) = play.publish().await;
    assert_eq!(text, "fine");
    play.tell(Notice::Rejected {
        ticket,
        reason: "the server\x07 says no".into(),
    })
    .await;
    play.input = None;
    assert_eq!(play.command().await, Command::Leave);
    play.tell(Notice::Ended(Ended::Left)).await;
    let (plain, output, errors) = play.end().await;
    assert_eq!(plain.unsent, 3);
    assert_eq!(output, "");
    assert_eq!(
        errors,
        "chitty: line 1 is not sent: 1 too many, a message has at most 128 characters\n\
         chitty: line 2 is not sent: No command /etc/passwd: /help lists them, a second / sends it as text\n\
         chitty: line 3 is not sent: the server␇ says no\n"
    );
}

#[tokio::test]
async fn the_input_waits_for_the_server() {
    let mut play = Play::joined().await;
    play.type_in(&"hi\n".repeat(100)).await;
    let mut tickets = Vec::new();
    for _ in 0..MAX_PENDING {
        tickets.push(play.publish().await.0);
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(play.commands.try_recv().is_err());
    play.confirm(tickets[0], "hi").await;
    play.publish().await;
}

#[tokio::test]
async fn quit_leaves_though_there_is_more() {
    let mut play = Play::joined().await;
    play.type_in("/quit\nmore\n").await;
    assert_eq!(play.command().await, Command::Leave);
}

#[tokio::test]
async fn a_refused_name_ends_it() {
    let play = Play::start();
    play.tell(Notice::Refused(Refusal {
        name: "ada".into(),
        reason: "it is taken".into(),
        retry_in: None,
    }))
    .await;
    let (plain, ..) = play.end().await;
    assert_eq!(
        plain.outcome,
        Outcome::NeverJoined("the name \"ada\" is refused: it is taken".into())
    );
}

#[tokio::test]
async fn a_lost_link_is_said_and_lines_are_kept() {
    let mut play = Play::joined().await;
    play.tell(Notice::Link(Link::Lost {
        reason: "refused".into(),
        retry_in: Duration::from_secs(1),
    }))
    .await;
    play.type_in("kept\n").await;
    let (ticket, _) = play.publish().await;
    play.tell(Notice::Link(Link::Live)).await;
    play.confirm(ticket, "kept").await;
    play.tell(Notice::Ended(Ended::Failed("gone".into()))).await;
    let (plain, _, errors) = play.end().await;
    assert_eq!(plain.outcome, Outcome::Over(Ended::Failed("gone".into())));
    assert_eq!(
        errors,
        "chitty: not connected (refused); trying again\nchitty: connected\n"
    );
}
