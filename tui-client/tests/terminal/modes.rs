//! Every mode that the client sets is undone, on every way out and in between.

use std::{collections::BTreeSet, path::Path, time::SystemTime};

use chitty::{
    launch,
    locale::CharacterSet,
    osc::Notifier,
    run::{ScreenConfig, run},
    session::{self, SessionConfig},
    view::Palette,
};
use chitty_app::options::Options;
use chitty_testing::terminal::{Terminal, World, signal, wait_until};

/// The modes that a program's output has set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes {
    /// DEC private modes, except for the cursor's.
    pub(crate) set: BTreeSet<String>,
    pub(crate) cursor_hidden: bool,
    pub(crate) no_wrap: bool,
    /// How many keyboard flags were pushed and not popped.
    pub(crate) keyboard: i32,
}

impl Modes {
    pub(crate) fn of(raw: &str) -> Self {
        let mut modes = Self::default();
        for sequence in raw.split("\u{1b}[").skip(1) {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic());
            let Some((parameters, rest)) = end.map(|end| sequence.split_at(end)) else {
                continue;
            };
            let last = rest.chars().next().unwrap_or_default();
            if let ('h' | 'l', Some(numbers)) = (last, parameters.strip_prefix('?')) {
                for number in numbers.split(';') {
                    // What is set at the start of a terminal is set at its end.
                    if number == "7" {
                        modes.no_wrap = last == 'l';
                    } else if number == "25" {
                        modes.cursor_hidden = last == 'l';
                    } else if last == 'h' {
                        modes.set.insert(number.into());
                    } else {
                        modes.set.remove(number);
                    }
                }
            }
            modes.keyboard += match (last, parameters.chars().next()) {
                ('u', Some('>')) => 1,
                ('u', Some('<')) => -1,
                _ => 0,
            };
        }
        modes
    }
}

/// Fails if a mode is set that was not set before the program started.
pub(crate) fn assert_restored(terminal: &Terminal, why: &str) {
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert_eq!(
        Modes::of(&raw),
        Modes::default(),
        "{why}: {}",
        terminal.screen()
    );
    for mode in ["?1049h", "?2004h", "?1004h", "?2026h"] {
        let set = raw.contains(&format!("\u{1b}[{mode}"));
        assert!(set, "{why}: {mode} was never set: {}", terminal.screen());
    }
    let (before, now) = terminal.line_settings();
    assert_eq!(now, before, "{why}: the line settings");
}

/// Fails if something was drawn while another program had the terminal.
pub(crate) fn assert_nothing_drawn_meanwhile(terminal: &Terminal) {
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let (_, rest) = raw.split_once("\u{1b}[?1049l").expect("it was given up");
    let (meanwhile, _) = rest.split_once("\u{1b}[?1049h").expect("it was taken back");
    assert!(!meanwhile.contains("\u{1b}[?2026h"), "{meanwhile:?}");
}

/// Answers the query as a terminal that reports all keys does.
fn tell_keys(terminal: &mut Terminal) {
    terminal.wait_written(0, "\u{1b}[?u");
    terminal.send("\u{1b}[?0u");
    terminal.wait_written(0, "\u{1b}[>5u");
}

#[test]
fn the_terminal_is_restored_on_every_way_out() {
    type Way = (&'static str, fn(&mut Terminal));
    let world = World::new();
    let server = world.server(&["--grace", "1"]);
    let ways: [Way; 6] = [
        ("escape", |terminal| terminal.send("\u{1b}")),
        // As sent by a terminal that reports all keys.
        ("escape-key", |terminal| terminal.send("\u{1b}[27u")),
        ("quit", |terminal| terminal.say("/quit")),
        ("sigterm", |terminal| {
            signal(terminal.process(), "TERM");
        }),
        ("sigint", |terminal| {
            signal(terminal.process(), "INT");
        }),
        ("sighup", |terminal| {
            signal(terminal.process(), "HUP");
        }),
    ];
    for (name, leave) in ways {
        let mut terminal = world.client(&server.url, &["--name", name]);
        terminal.wait_for(&format!("Participant {name} joined"));
        tell_keys(&mut terminal);
        leave(&mut terminal);
        terminal.wait();
        terminal.wait_for("The log of this chat");
        assert_restored(&terminal, name);
        wait_until("its leaving is announced at once, by its own Leave", || {
            let log = world.log("server");
            let mut left = log.iter().filter(|line| {
                line.call == "Broadcast"
                    && line.get("kind") == Some("left")
                    && line.get("name") == Some(name)
            });
            match left.next() {
                Some(line) if line.get("reason") == Some("left") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
}

#[test]
fn the_first_frame_comes_before_any_question() {
    let world = World::new();
    let server = world.server(&[]);
    let terminal = world.client(&server.url, &[]);
    terminal.wait_written(0, "\u{1b}[?u");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let (before, _) = raw.split_once("\u{1b}[?u").expect("it was just there");
    assert!(before.contains("1 to 32 characters"), "{before:?}");
    assert!(
        before.ends_with("\u{1b}[?2026l"),
        "in one piece: {before:?}"
    );
    assert!(!raw.contains("\u{1b}[>5u"), "only after an answer");
}

#[test]
fn a_panic_restores_the_terminal_before_it_is_reported() {
    let world = World::new();
    let server = world.server(&[]);
    let mut terminal = world.own_test("modes::a_screen_that_panics", &server.url);
    terminal.wait_for("Your name");
    tell_keys(&mut terminal);
    std::fs::write(world.path("stop"), "").expect("written");
    terminal.send("x");
    assert_ne!(terminal.wait(), 0);
    terminal.wait_for("the clock has stopped");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let (before, _) = raw
        .split_once("the clock has stopped")
        .expect("it is there");
    assert_eq!(Modes::of(before), Modes::default());
    assert_restored(&terminal, "panic");
}

/// Panics once the other test has asked for it by a file in their folder.
fn clock() -> SystemTime {
    assert!(!Path::new("stop").exists(), "the clock has stopped");
    SystemTime::UNIX_EPOCH
}

#[tokio::test]
#[ignore = "a part of another test, which runs it in a terminal of its own"]
async fn a_screen_that_panics() {
    let server = std::env::var("CHITTY_TEST_SERVER").expect("run by the other test");
    let session = session::spawn(SessionConfig {
        connector: launch::remote(server.parse().expect("a URL")),
        random: Box::new(chitty_chat::secret::os_random),
        backlog: 0,
        on_accepted: Box::new(|_| {}),
        span: None,
    });
    let config = ScreenConfig {
        name: None,
        login: "ada".into(),
        server,
        time_zone: jiff::tz::TimeZone::UTC,
        wall: clock,
        marks_pastes: true,
        notifier: Notifier::default(),
        backlog: true,
        options: Options::default(),
        palette: Some(Palette::TERMINAL),
        editor: "false".into(),
        characters: CharacterSet::default(),
    };
    let (_log, news) = tokio::sync::mpsc::channel(1);
    let outcome = run(config, session, news).await;
    panic!("{outcome:?}, and no panic");
}
