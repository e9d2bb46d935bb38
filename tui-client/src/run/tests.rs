//! The loop under paused time, with a session, keys and signals of the test's own.

use std::cell::Cell;

use chitty_app::{
    options::Options,
    testing::{at, joined, message, welcome},
};
use jiff::tz::TimeZone;
use ratatui::backend::TestBackend;
use tokio::{sync::watch, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::{
    locale::CharacterSet,
    session::{Link, Ticket},
    view::Palette,
};

thread_local! {
    /// How many sequences the terminal was sent beside the screen; each test has its own thread.
    static WRITTEN: Cell<usize> = const { Cell::new(0) };
}

/// A running screen with its surroundings.
struct Bench {
    keys: Option<mpsc::UnboundedSender<io::Result<Vec<u8>>>>,
    signals: mpsc::UnboundedSender<ProcessSignal>,
    commands: mpsc::Receiver<SessionCommand>,
    notices: mpsc::Sender<Notice>,
    /// How many pieces the terminal has not taken.
    unwritten: watch::Sender<usize>,
    log: mpsc::Sender<LogNews>,
    screen: JoinHandle<(ExitReason, String)>,
}

fn bench() -> Bench {
    bench_on(true)
}

/// On a terminal that marks pastes, or does not.
fn bench_on(marks_pastes: bool) -> Bench {
    let (keys, bytes) = mpsc::unbounded_channel();
    let (send_signal, signals) = mpsc::unbounded_channel();
    let (commands_in, commands) = mpsc::channel(1);
    let (notices, notices_out) = mpsc::channel(10_000);
    let config = ScreenConfig {
        name: Some("ada".into()),
        login: "root".into(),
        server: "here".into(),
        time_zone: TimeZone::UTC,
        wall: || at(100),
        marks_pastes,
        notifier: Notifier::default(),
        backlog: true,
        options: Options::default(),
        palette: Some(Palette::TERMINAL),
        editor: "false".into(),
        characters: CharacterSet::default(),
    };
    let session = SessionHandle {
        commands: commands_in,
        notices: notices_out,
        task: tokio::spawn(async {}),
    };
    let (unwritten, follow) = watch::channel(0);
    let (log_news, log) = mpsc::channel(1);
    let screen = tokio::spawn(async move {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("in memory");
        let bytes = UnboundedReceiverStream::new(bytes);
        let signals = UnboundedReceiverStream::new(signals);
        let host = Host {
            frame: || Box::new(io::sink()),
            present: || Ok(()),
            write_sequence: |_| {
                WRITTEN.set(WRITTEN.get() + 1);
                Ok(())
            },
            take_mouse: |_| {},
            query_key_reports: || {},
            enable_key_reports: || {},
            give_up: || {},
            take: || Ok(()),
            stop: || false,
        };
        let screen = (&mut terminal, follow);
        let outcome = drive(screen, host, bytes, signals, config, session, log).await;
        (outcome, terminal.backend().to_string())
    });
    Bench {
        keys: Some(keys),
        signals: send_signal,
        commands,
        notices,
        unwritten,
        log: log_news,
        screen,
    }
}

impl Bench {
    async fn joined() -> Self {
        Self::joined_on(bench()).await
    }

    async fn joined_on(mut bench: Self) -> Self {
        assert!(matches!(bench.command().await, SessionCommand::Join { .. }));
        bench
            .notice(Notice::Welcome(welcome("ada", 1, &[(1, "ada")])))
            .await;
        bench.notice(Notice::Link(Link::Live)).await;
        bench.event(joined(1, 3, "ada")).await;
        // Keys take precedence over notices, which must be processed first here.
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench
    }

    async fn command(&mut self) -> SessionCommand {
        self.commands.recv().await.expect("the screen runs")
    }

    async fn notice(&self, notice: Notice) {
        self.notices.send(notice).await.expect("the screen runs");
    }

    async fn event(&self, event: chitty_chat::Event) {
        let clock = event.lamport;
        self.notice(Notice::Event {
            event,
            clock,
            own: None,
            live: true,
        })
        .await;
    }

    fn press(&self, bytes: &[u8]) {
        let keys = self.keys.as_ref().expect("not hung up");
        keys.send(Ok(bytes.to_vec())).expect("the screen runs");
    }

    async fn end(self) -> (ExitReason, String) {
        self.screen.await.expect("no panic")
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_goes_out_and_esc_leaves() {
    let mut bench = Bench::joined().await;
    bench.press(b"hello\r");
    let SessionCommand::Publish { ticket, text } = bench.command().await else {
        panic!("the line is sent");
    };
    assert_eq!((ticket, text.as_str()), (Ticket(1), "hello"));
    bench.press(b"\x1b");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    bench.notice(Notice::Ended(Ended::Left)).await;
    let (outcome, screen) = bench.end().await;
    assert_eq!(outcome, ExitReason::Left);
    assert!(screen.contains("hello"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn a_split_arrow_key_does_not_leave() {
    let mut bench = Bench::joined().await;
    bench.press(b"x\r");
    bench.command().await;
    bench.press(b"\x1b");
    tokio::time::sleep(Duration::from_millis(30)).await;
    bench.press(b"[A");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.press(b"y\r");
    let SessionCommand::Publish { text, .. } = bench.command().await else {
        panic!("still in the chat");
    };
    assert_eq!(text.as_str(), "xy", "Up has brought back x");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_answer_holds_the_screen_for_a_second() {
    let mut bench = Bench::joined().await;
    let start = Instant::now();
    bench
        .signals
        .send(ProcessSignal::Leave)
        .expect("the screen runs");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    let (outcome, _) = bench.end().await;
    assert_eq!(outcome, ExitReason::Left);
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_leaves_without_spinning() {
    let mut bench = Bench::joined().await;
    bench.keys = None;
    assert_eq!(bench.command().await, SessionCommand::Leave);
    let (outcome, _) = bench.end().await;
    assert_eq!(outcome, ExitReason::Left);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_takes_no_commands_does_not_block_the_screen() {
    let mut bench = Bench::joined().await;
    for n in 0..10 {
        bench.press(format!("{n}\r").as_bytes());
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    for n in 0..10 {
        let SessionCommand::Publish { text, .. } = bench.command().await else {
            panic!("the lines are sent");
        };
        assert_eq!(text.as_str(), n.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_vanishes_is_told() {
    let bench = bench();
    let Bench {
        commands,
        notices,
        screen,
        keys,
        signals,
        unwritten,
        log,
    } = bench;
    drop((commands, notices));
    let (outcome, _) = screen.await.expect("no panic");
    assert!(matches!(outcome, ExitReason::NeverJoined(_)), "{outcome:?}");
    drop((keys, signals, unwritten, log));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_is_shown() {
    let mut bench = Bench::joined().await;
    let trouble = chitty_chat::logging::LogTrouble {
        path: "/logs/ada.log".into(),
        reason: "it belongs to root".into(),
    };
    let sent = bench.log.send(LogNews::Fails(trouble)).await;
    sent.expect("the screen runs");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.press(b"\x03");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    bench.notice(Notice::Ended(Ended::Left)).await;
    let (_, screen) = bench.end().await;
    assert!(screen.contains("/logs/ada.log"), "{screen}");
    assert!(screen.contains("! no log"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_shown_to_its_end() {
    let mut bench = Bench::joined().await;
    for n in 2..=5000 {
        bench
            .event(message(n, n * 4, "bob", &format!("line {n}")))
            .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.press(b"\x03");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    bench.notice(Notice::Ended(Ended::Left)).await;
    let (_, screen) = bench.end().await;
    assert!(screen.contains("line 5000"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn the_title_is_told_with_the_frame_however_much_is_unread() {
    let bench = Bench::joined().await;
    bench.press(b"\x1b[O");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = WRITTEN.get();
    for n in 2..=1000 {
        bench
            .event(message(n, n * 4, "bob", &format!("line {n}")))
            .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let titles = WRITTEN.get() - before;
    assert!((1..=10).contains(&titles), "{titles} titles");
    bench.press(b"\x1b[I");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(WRITTEN.get() - before, titles + 1, "nothing is unread");
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_hangs_stops_nothing_but_the_screen() {
    let mut bench = Bench::joined().await;
    bench.unwritten.send_replace(1);
    for n in 2..=2000 {
        bench
            .event(message(n, n * 4, "bob", &format!("line {n}")))
            .await;
    }
    bench.press(b"hello\r");
    let SessionCommand::Publish { text, .. } = bench.command().await else {
        panic!("the line is sent");
    };
    assert_eq!(text.as_str(), "hello");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    bench.unwritten.send_replace(0);
    // A frame that has been due for long is drawn then.
    tokio::time::sleep(Duration::from_millis(1)).await;
    bench.press(b"\x03");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    bench.notice(Notice::Ended(Ended::Left)).await;
    let (_, screen) = bench.end().await;
    assert!(screen.contains("line 2000"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn a_paste_without_an_end_sends_nothing_until_esc_ends_it() {
    let mut bench = Bench::joined().await;
    bench.press(b"\x1b[200~pasted\rlines");
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.press(b"!\r");
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.press(b"\x1b");
    tokio::time::sleep(Duration::from_secs(2)).await;
    bench.press(b"?\r");
    let SessionCommand::Publish { text, .. } = bench.command().await else {
        panic!("still in the chat");
    };
    assert_eq!(text.as_str(), "pasted\nlines!?");
}

#[tokio::test(start_paused = true)]
async fn a_window_without_a_shell_is_not_left_stopped() {
    let mut bench = Bench::joined().await;
    bench.press(b"\x1a");
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench
        .signals
        .send(ProcessSignal::Interrupted)
        .expect("the screen runs");
    assert_eq!(bench.command().await, SessionCommand::Leave);
    bench.notice(Notice::Ended(Ended::Left)).await;
    let (_, screen) = bench.end().await;
    assert!(screen.contains("no shell"), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn lines_that_arrive_at_once_are_a_paste_if_the_terminal_marks_none() {
    let mut bench = Bench::joined_on(bench_on(false)).await;
    bench.press(b"the first secret\rthe second\r");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bench.commands.try_recv().is_err(), "nothing is sent");
    bench.press(b"!\r");
    let SessionCommand::Publish { text, .. } = bench.command().await else {
        panic!("Enter sends them");
    };
    assert_eq!(text.as_str(), "the first secret\nthe second!");
    // Where pastes are marked, they were typed while the client was busy.
    let mut bench = Bench::joined().await;
    bench.press(b"one\rtwo\r");
    for line in ["one", "two"] {
        let SessionCommand::Publish { text, .. } = bench.command().await else {
            panic!("each is sent");
        };
        assert_eq!(text.as_str(), line);
    }
}

#[test]
fn old_terminals_and_gnu_screen_do_not_mark_pastes() {
    let marks = |term: &str, sty: &str| {
        marks_pastes(|name| Some(if name == "TERM" { term } else { sty }.to_owned()))
    };
    assert!(marks("xterm-256color", "") && marks("tmux-256color", "") && marks("screen", ""));
    assert!(!marks("linux", "") && !marks("vt220", "") && !marks("screen", "1.pts-0.host"));
}
