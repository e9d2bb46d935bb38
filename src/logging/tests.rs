use std::{
    fs,
    sync::Mutex,
    time::{Duration, UNIX_EPOCH},
};

use proptest::prelude::*;
use tempfile::TempDir;
use tracing::subscriber::with_default;

use super::*;
use crate::text::chars;

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_795_395_723_123_456)
}

/// What is logged meanwhile, as ada.
fn lines(log: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let sink = move |line: &str| kept.lock().unwrap().push(line.to_owned());
    with_default(subscriber("ada", "3f9a21c0", clock, sink), log);
    lines.lock().unwrap().clone()
}

fn line(log: impl FnOnce()) -> String {
    let lines = lines(log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

#[test]
fn a_call() {
    let resume: Option<u64> = None;
    let written = line(|| {
        tracing::info!(
            target: CALL,
            call = "Broadcast",
            step = "received",
            lamport = 11,
            position = %crate::Position::new(4),
            kind = "message",
            participant = Some(1_u64),
            resume,
            later = tracing::field::Empty,
            author = "bob",
            text = "hi there",
            duplicate = true,
            clock = 12,
        );
    });
    assert_eq!(
        written,
        "2026-11-23T01:02:03.123456Z ada run=3f9a21c0 Broadcast received lamport=11 position=4 \
         kind=message participant=1 author=bob text=\"hi there\" duplicate=true clock=12\n"
    );
}

#[test]
fn a_diagnostic() {
    let written = line(|| tracing::warn!(target: "h2", took = 1.5, "slow {}", "peer"));
    assert_eq!(
        written,
        "2026-11-23T01:02:03.123456Z ada run=3f9a21c0 log warn target=h2 message=\"slow peer\" \
         took=1.5\n"
    );
}

#[test]
fn what_is_logged_by_default() {
    let logged = lines(|| {
        tracing::info!(target: "chitty_server::room", "one");
        tracing::warn!(target: "h2", "two");
        tracing::info!(target: CALL, call = "Server", step = "started");
        tracing::debug!(target: "chitty_server::room", "no");
        tracing::info!(target: "h2", "no");
    });
    assert_eq!(logged.len(), 3, "{logged:?}");
}

#[test]
fn directives_change_what_is_logged_but_not_the_calls() {
    let filter = filter_from("h2=debug,chitty=off").unwrap();
    assert!(filter.would_enable("h2::frame", &tracing::Level::DEBUG));
    assert!(!filter.would_enable("chitty_server", &tracing::Level::ERROR));
    assert!(filter.would_enable(CALL, &tracing::Level::INFO));
    assert!(!filter.would_enable("hyper", &tracing::Level::INFO));
    let filter = filter_from("debug,chitty::call=off").unwrap();
    assert!(filter.would_enable("hyper", &tracing::Level::DEBUG));
    assert!(filter.would_enable("chitty_server", &tracing::Level::DEBUG));
    assert!(filter.would_enable(CALL, &tracing::Level::INFO));
    assert!(matches!(
        filter_from("h2=loud"),
        Err(LogError::Filter { .. })
    ));
}

#[test]
fn a_span_says_whose_lines_they_are() {
    let logged = lines(|| {
        let session = tracing::info_span!(target: CALL, "session", who = "Bob B", run = "00000001");
        session.in_scope(|| {
            tracing::info!(target: CALL, call = "Join", step = "sent");
            let inner = tracing::info_span!("chitty inner", who = "not a session");
            inner.in_scope(|| tracing::warn!("within"));
            let half = tracing::info_span!(target: CALL, "session", who = "eve");
            half.in_scope(|| tracing::warn!("half"));
        });
        tracing::warn!("outside");
    });
    let heads: Vec<_> = logged
        .iter()
        .map(|line| parse_line(line).unwrap())
        .map(|line| (line.who, line.run))
        .collect();
    let head = |who: &str, run: &str| (who.to_owned(), run.to_owned());
    assert_eq!(
        heads,
        [
            head("Bob B", "00000001"),
            head("Bob B", "00000001"),
            head("eve", "00000001"),
            head("ada", "3f9a21c0"),
        ]
    );
}

#[test]
fn words_of_the_head_cannot_be_forged() {
    let written = line(|| tracing::info!(target: CALL, call = "a b=\n", step = ""));
    let line = parse_line(&written).unwrap();
    assert_eq!((line.call.as_str(), line.step.as_str()), ("a_b__", "_"));
}

#[test]
fn lines_are_held_until_the_log_is_open() {
    let folder = TempDir::new().unwrap();
    let (log, subscriber) = Log::new(clock, "3f9a21c0");
    let path = with_default(subscriber, || {
        tracing::warn!("early");
        assert_eq!(log.path(), None);
        assert!(log.flush());
        let path = log.open("Ada L", folder.path()).unwrap();
        assert_eq!(log.path().as_ref(), Some(&path));
        tracing::warn!("late");
        path
    });
    assert!(log.flush());
    assert!(path.ends_with("Ada%20L.log"));
    let text = fs::read_to_string(&path).unwrap();
    let read: Vec<_> = text.lines().map(|line| parse_line(line).unwrap()).collect();
    assert!(
        read.iter()
            .all(|line| line.who == "Ada L" && line.run == "3f9a21c0")
    );
    let messages: Vec<_> = read.iter().filter_map(|line| line.get("message")).collect();
    assert_eq!(messages, ["early", "late"]);
    assert!(log.failure().is_none());
}

#[test]
fn too_many_held_lines_are_counted() {
    let folder = TempDir::new().unwrap();
    let (log, subscriber) = Log::new(clock, "3f9a21c0");
    let count = 5000;
    with_default(subscriber, || {
        for _ in 0..count {
            tracing::warn!("{}", "x".repeat(1000));
        }
        log.open("ada", folder.path()).unwrap();
    });
    assert!(log.flush());
    let text = fs::read_to_string(log.path().unwrap()).unwrap();
    assert!(text.len() < 2 * 1024 * 1024);
    let kept = text.lines().count() - 1;
    let last = parse_line(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        last.get("dropped"),
        Some((count - kept).to_string().as_str())
    );
    assert!((500..count).contains(&kept));
}

#[test]
fn a_second_name_goes_on_in_another_file() {
    let folder = TempDir::new().unwrap();
    let (log, subscriber) = Log::new(clock, "3f9a21c0");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    with_default(subscriber, || {
        log.open("ada", folder.path()).unwrap();
        tracing::warn!("one");
        log.open("bob", folder.path()).unwrap();
        tracing::warn!("two");
        // A file that cannot be opened changes nothing.
        let blocked = folder.path().join("ada.log");
        let error = log.open("eve", &blocked).unwrap_err();
        assert!(error.to_string().contains("--log-dir"), "{error}");
        tracing::warn!("three");
        drop(log);
        tracing::warn!("after the end");
    });
    assert!(read("ada.log").contains(" ada run=3f9a21c0 ") && read("ada.log").contains("one"));
    assert_eq!(read("ada.log").lines().count(), 1);
    assert!(read("bob.log").contains("two") && read("bob.log").contains("three"));
    assert_eq!(read("bob.log").lines().count(), 2);
}

#[test]
fn no_line_is_lost_under_load() {
    let folder = TempDir::new().unwrap();
    let (log, subscriber) = Log::new(clock, "3f9a21c0");
    let path = log.open("server", folder.path()).unwrap();
    let dispatch = tracing::Dispatch::new(subscriber);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dispatch = &dispatch;
            scope.spawn(move || {
                tracing::dispatcher::with_default(dispatch, || {
                    for number in 0..5000 {
                        tracing::info!(target: CALL, call = "Test", step = "put", thread, number);
                    }
                });
            });
        }
    });
    drop(log);
    let text = fs::read_to_string(path).unwrap();
    let mut next = [0; 4];
    for line in text.lines().map(|line| parse_line(line).unwrap()) {
        let number = |key| line.get(key).unwrap().parse::<usize>().unwrap();
        let thread = number("thread");
        assert_eq!(number("number"), next[thread]);
        next[thread] += 1;
    }
    assert_eq!(next, [5000; 4]);
}

#[test]
fn what_a_peer_can_make_long_is_cut() {
    let written = line(
        || tracing::info!(target: CALL, call = "Test", step = "put", text = "ä".repeat(1 << 20), clock = 3),
    );
    assert!(written.len() < 5000, "{}", written.len());
    let line = parse_line(&written).unwrap();
    let text = line.get("text").unwrap();
    assert!(text.starts_with("ää") && text.ends_with("ä…"), "{text}");
    assert_eq!(line.get("clock"), Some("3"));
}

#[test]
fn diagnostics_are_limited_and_calls_are_not() {
    fn clock() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(SECOND.get())
    }
    thread_local! {
        static SECOND: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    let folder = TempDir::new().unwrap();
    let limit = Some(Limit::default());
    let (log, subscriber) = Log::with_filter(clock, "3f9a21c0", default_filter(), limit);
    let path = log.open("server", folder.path()).unwrap();
    with_default(subscriber, || {
        for _ in 0..1000 {
            tracing::warn!("the same again");
            tracing::info!(target: CALL, call = "Test", step = "put");
        }
        SECOND.set(1);
        tracing::info!(target: CALL, call = "Test", step = "put");
    });
    drop(log);
    let text = fs::read_to_string(path).unwrap();
    let count = |words: &str| text.matches(words).count();
    assert_eq!(count("the same again"), 50);
    assert_eq!(count(" Test put"), 1001);
    assert_eq!(count(" suppressed=950\n"), 1);
    assert!(text.trim_end().ends_with(" Test put"), "after it");
}

#[test]
fn a_log_that_cannot_be_opened_is_told_tried_again_and_keeps_its_lines() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ada.log");
    fs::create_dir(&path).unwrap();
    let (log, subscriber) = Log::new(clock, "3f9a21c0");
    let (report, reported) = std::sync::mpsc::channel();
    log.watch(move |news| drop(report.send(news))).unwrap();
    with_default(subscriber, || {
        log.open("ada", folder.path()).unwrap_err();
        tracing::warn!("one");
        let news = reported.recv_timeout(Duration::from_secs(20)).unwrap();
        let LogNews::Fails(trouble) = &news else {
            panic!("{news:?}");
        };
        assert_eq!(trouble.path, path);
        assert!(news.to_string().contains("it is a folder"), "{news}");
        assert_eq!(log.trouble().as_ref(), Some(trouble));
        fs::remove_dir(&path).unwrap();
        let news = reported.recv_timeout(Duration::from_secs(20)).unwrap();
        let works = LogNews::Works {
            path: path.clone(),
            lost: 0,
        };
        assert_eq!(news, works);
        tracing::warn!("two");
    });
    assert_eq!(log.trouble(), None);
    drop(log);
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains("one") && text.contains("two"), "{text}");
    // It is over, and nothing more is told.
    reported.recv_timeout(Duration::from_secs(20)).unwrap_err();
}

#[test]
fn the_documented_example_is_as_this_writes_it() {
    let documented = include_str!("../../docs/log-format.md");
    let example: Vec<_> = documented
        .lines()
        .filter(|line| line.starts_with("2026-"))
        .collect();
    assert_eq!(example.len(), 20);
    for line in example {
        let read = parse_line(line).expect(line);
        let mut body = format!("{} {}", read.call, read.step);
        for (key, value) in &read.fields {
            body.extend([" ", key, "="]);
            escape::push_value(&mut body, value);
        }
        let record = line::LineRecord {
            time: read.time,
            origin: line::LineOrigin::default(),
            body,
        };
        let again = record.render(&escape::encode(&read.who), &read.run);
        assert_eq!(again.trim_end(), line);
    }
}

/// Any text, often one that is made to break a line.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"\\\\= \n\r\t{}u\u{1b}\u{85}\u{202e}\u{2028}\u{feff}a]{0,20}",
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(text in hostile(), name in "(?s).{1,20}", number: i64, flag: bool) {
        let lines = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&lines);
        let sink = move |line: &str| kept.lock().unwrap().push_str(line);
        with_default(subscriber(&name, "3f9a21c0", clock, sink), || {
            tracing::info!(
                target: CALL, call = "Publish", step = "sent", number, flag, text, again = %text,
            );
        });
        let written = lines.lock().unwrap().clone();
        prop_assert_eq!(written.find('\n'), Some(written.len() - 1));
        let bad = |c: char| c.is_control() || chars::is_hidden(c);
        prop_assert!(!written.trim_end_matches('\n').contains(bad));
        let line = parse_line(&written).unwrap();
        prop_assert_eq!(line.time, clock());
        prop_assert_eq!(&line.who, &name);
        let fields = [
            ("number", number.to_string()),
            ("flag", flag.to_string()),
            ("text", text.clone()),
            ("again", text),
        ];
        prop_assert_eq!(line.fields, fields.map(|(key, value)| (key.to_owned(), value)));
    }
}
