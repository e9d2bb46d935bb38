use std::time::{Duration, UNIX_EPOCH};

use chitty_chat::{Event, EventKind, LamportTime, ParticipantNumber, Position};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{client::MAX_UNCONFIRMED, *};
use crate::session::{Ended, Link, NameRefusal, Notice, SessionCommand, Ticket, WelcomeNotice};

/// A plain client whose session the test plays.
struct Play {
    commands: mpsc::Receiver<SessionCommand>,
    notices: mpsc::Sender<Notice>,
    log: mpsc::Sender<LogNews>,
    leave: mpsc::Sender<()>,
    input: Option<DuplexStream>,
    output: DuplexStream,
    errors: DuplexStream,
    done: JoinHandle<PlainOutcome>,
}

impl Play {
    fn start() -> Self {
        Self::waiting(Some(WAIT))
    }

    /// A client that waits this long for a server.
    fn waiting(wait: Option<Duration>) -> Self {
        let (asked, commands) = mpsc::channel(64);
        let (notices, notices_out) = mpsc::channel(256);
        let session = SessionHandle {
            commands: asked,
            notices: notices_out,
            task: tokio::spawn(async {}),
        };
        let (log_news, log) = mpsc::channel(1);
        let (leave, left) = mpsc::channel(2);
        let left = ReceiverStream::new(left);
        let (input, typed) = duplex(1 << 16);
        let (output, shown) = duplex(1 << 16);
        let (errors, said) = duplex(1 << 16);
        let config = PlainConfig {
            name: ParticipantName::parse("ada").expect("a name"),
            time_zone: TimeZone::UTC,
            wait,
        };
        let streams = PlainStreams {
            input: BufReader::new(typed),
            output: shown,
            errors: said,
        };
        Self {
            commands,
            notices,
            log: log_news,
            leave,
            input: Some(input),
            output,
            errors,
            done: tokio::spawn(run(config, session, streams, left, log)),
        }
    }

    /// Takes the link down.
    async fn lose(&self) {
        self.notify(Notice::Link(Link::Lost {
            reason: "refused".into(),
            retry_in: Duration::from_secs(1),
        }))
        .await;
    }

    async fn refuse(&self, retry_in: Option<Duration>) {
        self.notify(Notice::Refused(NameRefusal {
            name: "ada".into(),
            reason: "the name ada is taken".into(),
            retry_in,
        }))
        .await;
    }

    async fn joined() -> Self {
        let mut play = Self::start();
        assert!(
            matches!(play.command().await, SessionCommand::Join { name } if name.as_str() == "ada")
        );
        play.notify(Notice::Welcome(welcome())).await;
        play
    }

    async fn notify(&self, notice: Notice) {
        self.notices.send(notice).await.expect("the client listens");
    }

    async fn command(&mut self) -> SessionCommand {
        self.commands.recv().await.expect("the client asks")
    }

    async fn publish(&mut self) -> (Ticket, String) {
        match self.command().await {
            SessionCommand::Publish { ticket, text } => (ticket, text.as_str().to_owned()),
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
                member: None,
            },
        };
        self.notify(Notice::Event {
            event,
            clock: LamportTime::new(1),
            own: Some(ticket),
            live: true,
        })
        .await;
    }

    /// The outcome, the output and the error output.
    async fn end(mut self) -> (PlainOutcome, String, String) {
        let plain = self.done.await.expect("no panic");
        let (mut output, mut errors) = (String::new(), String::new());
        let _ = self.output.read_to_string(&mut output).await;
        let _ = self.errors.read_to_string(&mut errors).await;
        (plain, output, errors)
    }
}

const WAIT: Duration = Duration::from_secs(30);
/// Nothing happens in this time, which passes only virtually.
const LONG: Duration = Duration::from_secs(100_000);

fn welcome() -> WelcomeNotice {
    WelcomeNotice {
        name: "ada".into(),
        number: ParticipantNumber::new(1),
        participants: Some(Vec::new()),
        position: Position::new(1),
        // No earlier events follow.
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
    assert_eq!(play.command().await, SessionCommand::Leave);
    play.notify(Notice::Ended(Ended::Left)).await;
    let (plain, output, errors) = play.end().await;
    assert_eq!(plain.outcome, ExitReason::Over(Ended::Left));
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
    play.notify(Notice::Rejected {
        ticket,
        reason: "the server\x07 says no".into(),
    })
    .await;
    play.input = None;
    assert_eq!(play.command().await, SessionCommand::Leave);
    play.notify(Notice::Ended(Ended::Left)).await;
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
    for _ in 0..MAX_UNCONFIRMED {
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
    assert_eq!(play.command().await, SessionCommand::Leave);
}

#[tokio::test]
async fn a_refused_name_ends_it() {
    let play = Play::start();
    play.refuse(None).await;
    let (plain, ..) = play.end().await;
    assert_eq!(
        plain.outcome,
        ExitReason::NeverJoined("the name \"ada\" is refused: the name ada is taken".into())
    );
    assert!(!plain.unreachable);
}

#[tokio::test]
async fn a_lost_link_is_said_and_lines_are_kept() {
    let mut play = Play::joined().await;
    // Each failed try is reported to the client, which says so once.
    for _ in 0..50 {
        play.lose().await;
        play.notify(Notice::Link(Link::Connecting)).await;
        play.notify(Notice::Link(Link::StartingServer)).await;
    }
    play.type_in("kept\n").await;
    let (ticket, _) = play.publish().await;
    play.notify(Notice::Link(Link::Live)).await;
    play.confirm(ticket, "kept").await;
    play.notify(Notice::Ended(Ended::Failed("gone".into())))
        .await;
    let (plain, _, errors) = play.end().await;
    assert_eq!(
        plain.outcome,
        ExitReason::Over(Ended::Failed("gone".into()))
    );
    assert_eq!(
        errors,
        "chitty: not connected (refused); trying again\nchitty: no server is running here: one is \
         started\nchitty: connected\n"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_waited_for_as_long_as_was_said() {
    for wait in [Duration::ZERO, Duration::from_millis(1500), WAIT] {
        let start = Instant::now();
        let mut play = Play::waiting(Some(wait));
        play.command().await;
        tokio::time::advance(wait / 3).await;
        assert!(!play.done.is_finished());
        play.lose().await;
        let (plain, _, errors) = play.end().await;
        assert_eq!(start.elapsed().as_secs(), wait.as_secs());
        assert!(plain.unreachable);
        let ExitReason::NeverJoined(reason) = plain.outcome else {
            panic!("{:?}", plain.outcome);
        };
        assert!(
            reason.contains("cannot enter the chat: refused"),
            "{reason}"
        );
        assert_eq!(
            errors.lines().count(),
            usize::from(!wait.is_zero()),
            "{errors}"
        );
    }
    let mut play = Play::waiting(None);
    play.lose().await;
    assert!(timeout(LONG, &mut play.done).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_lost_is_waited_for_while_there_is_input() {
    let mut play = Play::joined().await;
    play.type_in("hello\n").await;
    play.publish().await;
    play.lose().await;
    assert!(timeout(LONG, &mut play.done).await.is_err());
    let start = Instant::now();
    play.input = None;
    let (plain, _, errors) = play.end().await;
    assert_eq!(start.elapsed().as_secs(), WAIT.as_secs());
    assert!(plain.unreachable);
    assert!(matches!(plain.outcome, ExitReason::Over(Ended::Failed(_))));
    assert_eq!(plain.unsent, 1);
    assert!(errors.contains("line 1 is not confirmed"), "{errors}");

    // After a recovery the full time is granted again.
    let mut play = Play::joined().await;
    play.type_in("hello\n").await;
    let (ticket, _) = play.publish().await;
    play.input = None;
    play.lose().await;
    assert!(timeout(WAIT / 2, &mut play.done).await.is_err());
    play.notify(Notice::Welcome(welcome())).await;
    play.notify(Notice::Link(Link::Live)).await;
    assert!(timeout(LONG, &mut play.done).await.is_err());
    play.confirm(ticket, "hello").await;
    assert_eq!(play.command().await, SessionCommand::Leave);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_lost_participant_holds_is_waited_for() {
    let mut play = Play::start();
    play.command().await;
    let free_in = Duration::from_secs(10);
    // Longer than a server would be waited for, and less than a second.
    for free_in in [free_in, free_in * 4, Duration::ZERO] {
        let start = Instant::now();
        play.refuse(Some(free_in)).await;
        assert!(
            matches!(play.command().await, SessionCommand::Join { name } if name.as_str() == "ada")
        );
        assert_eq!(start.elapsed().as_secs(), free_in.as_secs().max(1));
    }
    play.notify(Notice::Welcome(welcome())).await;
    play.notify(Notice::Ended(Ended::Left)).await;
    let (_, _, errors) = play.end().await;
    assert_eq!(
        errors,
        "chitty: the name ada is taken; waiting until the name is free\n"
    );

    // A participant that keeps reconnecting may hold the name forever, and another one may take it.
    for then in [Some(free_in), None] {
        let mut play = Play::start();
        play.command().await;
        let mut asked = 0;
        play.refuse(Some(free_in)).await;
        while timeout(free_in * 2, play.commands.recv())
            .await
            .is_ok_and(|command| command.is_some())
        {
            asked += 1;
            play.refuse(then).await;
        }
        assert_eq!(asked, if then.is_some() { 6 } else { 1 });
        let (plain, ..) = play.end().await;
        assert!(matches!(plain.outcome, ExitReason::NeverJoined(_)));
    }
}

/// Fills the client's output, which nobody reads.
async fn stall(play: &mut Play) {
    let text = "x".repeat(128);
    for number in 0..5000 {
        let confirmed = play.confirm(Ticket(number), &text);
        if timeout(Duration::from_secs(1), confirmed).await.is_err() {
            return;
        }
    }
    panic!("it takes whatever comes");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_is_felt_and_does_not_keep_a_client_that_is_to_end() {
    let mut play = Play::joined().await;
    stall(&mut play).await;
    play.leave.send(()).await.expect("it listens");
    assert_eq!(play.command().await, SessionCommand::Leave);
    // The client still takes what comes afterwards.
    for number in 0..20_000 {
        play.confirm(Ticket(number), &"x".repeat(128)).await;
    }
    play.notify(Notice::Ended(Ended::Left)).await;
    let start = Instant::now();
    let plain = play.done.await.expect("no panic");
    assert_eq!(plain.outcome, ExitReason::Over(Ended::Left));
    assert!(start.elapsed() < LAST_LINES * 2);
}

#[tokio::test(start_paused = true)]
async fn told_twice_to_end_it_does_at_once() {
    let mut play = Play::joined().await;
    play.type_in("hello\n").await;
    play.publish().await;
    for _ in 0..2 {
        play.leave.send(()).await.expect("it listens");
    }
    let (plain, _, errors) = play.end().await;
    assert_eq!(plain.unsent, 1);
    assert!(errors.contains("line 1 is not confirmed"), "{errors}");

    let play = Play::start();
    play.leave.send(()).await.expect("it listens");
    play.notify(Notice::Ended(Ended::Left)).await;
    let (plain, ..) = play.end().await;
    assert!(matches!(plain.outcome, ExitReason::NeverJoined(_)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_all() {
    let mut play = Play::joined().await;
    stall(&mut play).await;
    let (mut output, mut read) = (std::mem::replace(&mut play.output, duplex(1).0), Vec::new());
    play.input = None;
    while play.commands.try_recv().is_err() {
        let mut part = [0; 100];
        let count = output.read(&mut part).await.expect("it is open");
        read.extend_from_slice(&part[..count]);
    }
    play.confirm(Ticket(9), "the last one").await;
    play.notify(Notice::Ended(Ended::Left)).await;
    tokio::time::sleep(LONG).await;
    output.read_to_end(&mut read).await.expect("it is open");
    let text = String::from_utf8(read).expect("text");
    assert!(text.ends_with("the last one\n"), "{text}");
    assert!(text.lines().count() > 1000, "{}", text.lines().count());
}

#[tokio::test]
async fn a_reader_that_has_enough_ends_the_client() {
    let mut play = Play::joined().await;
    drop(std::mem::replace(&mut play.output, duplex(1).0));
    play.confirm(Ticket(5), "hello").await;
    assert_eq!(play.command().await, SessionCommand::Leave);
    play.notify(Notice::Ended(Ended::Left)).await;
    let (plain, _, errors) = play.end().await;
    assert_eq!((plain.unsent, &*errors), (0, ""));
}

#[tokio::test]
async fn a_log_that_fails_is_said_and_the_chat_goes_on() {
    let mut play = Play::joined().await;
    let path = std::path::PathBuf::from("/logs/ada.log");
    let trouble = chitty_chat::logging::LogTrouble {
        path: path.clone(),
        reason: "it belongs to root".into(),
    };
    for news in [LogNews::Fails(trouble), LogNews::Works { path, lost: 2 }] {
        play.log.send(news).await.expect("the client listens");
    }
    play.type_in("hello\n").await;
    let (ticket, _) = play.publish().await;
    play.confirm(ticket, "hello").await;
    play.notify(Notice::Ended(Ended::Left)).await;
    let (_, _, errors) = play.end().await;
    assert_eq!(
        errors,
        "chitty: cannot write the log file /logs/ada.log: it belongs to root; choose another \
         folder with --log-dir\nchitty: the log file /logs/ada.log is written again; 2 lines are \
         missing from it\n"
    );
}

#[tokio::test]
async fn the_help_names_only_what_works_without_a_screen() {
    let mut play = Play::joined().await;
    play.type_in("/help\n").await;
    play.input = None;
    assert_eq!(play.command().await, SessionCommand::Leave);
    play.notify(Notice::Ended(Ended::Left)).await;
    let (_, _, errors) = play.end().await;
    assert!(
        errors.contains("/who") && errors.contains("/quit"),
        "{errors}"
    );
    for screen in ["/search", "/at", "/clear"] {
        assert!(!errors.contains(screen), "{screen}: {errors}");
    }
}
