//! A malicious server: whatever it says, the terminal gets only the client's own sequences, and no
//! character that could pass for something else.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chitty_chat::proto::v1;
use chitty_testing::fake_server::{Fake, welcome};
use chitty_testing::terminal::{Terminal, World};
use tonic::Status;

/// Sequences for the title, the clipboard, the screen and an answer of the terminal, with seven and
/// with eight bits; control characters; and characters that reverse, hide or fake a text.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}]52;c;b3duZWQ=\u{1b}\\\u{1b}[2J\u{1b}[?1049l\
    \u{1b}[6n\u{1b}P+q544e\u{1b}\\\u{9b}31m\u{9d}0;owned\u{9c}\u{7}\u{8}\r\n\u{b}\u{0}\u{7f}\
    \u{202e}\u{2066}\u{200b}\u{200f}\u{feff}\u{e0041}\u{ad}\u{1b}";

/// Modes that the client may set and reset.
const MODES: [&str; 10] = [
    "?7", "?25", "?1000", "?1002", "?1003", "?1004", "?1006", "?1049", "?2004", "?2026",
];

/// What the terminal was sent beside the screen.
#[derive(Default)]
struct Told {
    bells: usize,
    /// Titles, links, notifications and what was copied.
    commands: Vec<String>,
}

/// Parses the output, if it consists of text and the client's own sequences.
fn read(raw: &str) -> Result<Told, String> {
    let mut told = Told::default();
    let mut chars = raw.chars().peekable();
    let mut text = String::new();
    while let Some(c) = chars.next() {
        let around = || text.chars().rev().take(80).collect::<Vec<_>>();
        let around = || around().into_iter().rev().collect::<String>();
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => {
                    let mut sequence = String::new();
                    for c in chars.by_ref() {
                        sequence.push(c);
                        if ('@'..='~').contains(&c) {
                            break;
                        }
                    }
                    if !is_own(&sequence) {
                        return Err(format!("CSI {sequence:?} behind {:?}", around()));
                    }
                }
                Some(']') => {
                    let mut command = String::new();
                    loop {
                        match chars.next() {
                            Some('\u{7}') => break,
                            Some('\u{1b}') if chars.next_if_eq(&'\\').is_some() => break,
                            Some(c) if is_plain(c) => command.push(c),
                            other => return Err(format!("OSC {command:?} has {other:?}")),
                        }
                    }
                    told.commands.push(command);
                }
                // The cursor's position is saved while hyperlinks are written.
                Some('7' | '8') => {}
                other => return Err(format!("ESC {other:?} behind {:?}", around())),
            },
            '\u{7}' => told.bells += 1,
            '\r' | '\n' => {}
            c if is_plain(c) => text.push(c),
            c => return Err(format!("{c:?} behind {:?}", around())),
        }
    }
    Ok(told)
}

fn is_own(sequence: &str) -> bool {
    let Some((end, last)) = sequence.char_indices().next_back() else {
        return false;
    };
    let parameters = &sequence[..end];
    let numbers = parameters
        .chars()
        .all(|c| c.is_ascii_digit() || ";:".contains(c));
    match last {
        'H' | 'm' => numbers,
        'J' => parameters == "2",
        'n' => parameters == "5",
        'h' | 'l' => MODES.contains(&parameters),
        't' => ["22;0", "23;0"].contains(&parameters),
        'u' => ["?", ">5", "<1"].contains(&parameters),
        _ => false,
    }
}

fn is_plain(c: char) -> bool {
    let tricks = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !tricks
}

fn message(position: u64, lamport: u64, author: &str, text: &str) -> v1::broadcast::Kind {
    v1::broadcast::Kind::Event(v1::Event {
        position,
        lamport,
        request: lamport - 2,
        kind: Some(v1::event::Kind::Message(v1::Message {
            author: author.into(),
            text: text.into(),
            id: format!("{position}{HOSTILE}"),
            seen: 0,
            participant: 1,
            member: 0,
        })),
        ..Default::default()
    })
}

fn hostile(marker: &str) -> String {
    format!("{HOSTILE} {marker} {HOSTILE}")
}

/// ada, in a chat with a participant of a hostile name.
async fn enter(
    world: &World,
    server: &mut Fake,
) -> (Terminal, chitty_testing::fake_server::FakeStream) {
    let ada = world.client(&server.url(), &["--name", "ada"]);
    let stream = server.join().await.accept();
    let mallory = hostile("mallory");
    let mut welcome = welcome("ada", 2, 5);
    welcome.next = 1;
    welcome.participants.push(v1::Participant {
        name: mallory.clone(),
        number: 1,
        seen: 0,
        member: 0,
    });
    stream.welcome(welcome);
    stream.position(1).time(3).request(1).joined(&mallory);
    stream.position(2).time(5).request(1).joined("ada");
    ada.wait_for("Participant ada joined");
    (ada, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_server_says_the_terminal_gets_the_clients_own_sequences_only() {
    let world = World::new();
    let mut server = Fake::start().await;
    let (mut ada, stream) = enter(&world, &mut server).await;
    ada.wait_for("mallory");

    // A mention while another window has the keyboard: a bell, a notification, a title.
    ada.send("\u{1b}[O");
    ada.say("/time");
    ada.wait_for("Your Lamport clock");
    let said = format!("ada: {} https://a.example/{HOSTILE}", hostile("words"));
    stream.send(message(3, 9, &hostile("mallory"), &said));
    stream.send(message(
        4,
        11,
        &hostile("mallory"),
        &format!("/me {}", hostile("waves")),
    ));
    stream
        .position(5)
        .time(13)
        .request(11)
        .participant(1)
        .left(&hostile("mallory"));
    ada.wait_for("Lamport time 13");

    ada.say("refuse this");
    let publish = server.publish().await;
    publish.refuse(Status::invalid_argument(hostile("refused")));
    ada.wait_for("refused");
    ada.say("/at 1");
    let history = server.history().await;
    history.refuse(Status::invalid_argument(hostile("unfound")));
    ada.wait_for("unfound");

    // The diagram, and the clipboard.
    ada.send("\u{1b}OQ");
    ada.wait_for("F2 closes");
    ada.send("\u{1b}OQ");
    for _ in 0..3 {
        ada.send("\u{1b}[1;5A");
    }
    ada.send("\r");
    ada.wait_for("in the clipboard");

    // The end: the last message, on the restored terminal.
    stream.close(v1::closing::Reason::Shutdown, &hostile("closing"));
    stream.fail(Status::unavailable(hostile("going")));
    let again = server.join().await;
    again.refuse(Status::permission_denied(hostile("never")));
    ada.wait_for("✗ over");
    ada.send("\u{1b}");
    ada.leave_by("\u{1b}");
    ada.wait();
    ada.wait_for("The log of this chat");

    let raw = String::from_utf8(ada.raw()).expect("it writes UTF-8");
    let told = read(&raw).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (_, last) = raw.rsplit_once("\u{1b}[?1049l").expect("it was given up");
    assert!(last.contains("never"), "{last:?}");
    for own in ["0;owned", "52;c;b3duZWQ="] {
        assert!(!told.commands.iter().any(|command| command == own), "{own}");
    }
    assert!(told.bells <= 1, "{} bells", told.bells);
    let with = |kind: &str| {
        let mut commands = told.commands.iter();
        commands
            .find_map(|command| command.strip_prefix(kind))
            .map(str::to_owned)
    };
    assert!(with("0;").or(with("2;")).is_some(), "{:?}", told.commands);
    assert!(with("9;").or(with("777;")).is_some(), "{:?}", told.commands);
    assert!(with("8;").is_some(), "{:?}", told.commands);
    let copied = with("52;c;").expect("a line was copied");
    let copied = BASE64_STANDARD.decode(copied).expect("base64");
    let copied = String::from_utf8(copied).expect("a text");
    assert!(
        copied.chars().all(|c| c == '\n' || is_plain(c)),
        "{copied:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_got_in_is_told_why_in_plain_text() {
    let world = World::new();
    let mut server = Fake::start().await;
    let mut ada = world.client(&server.url(), &["--name", "ada"]);
    let refused = Status::already_exists(hostile("taken"));
    server.join().await.refuse(refused);
    ada.wait_for("taken");
    ada.send("\r");
    let refused = Status::permission_denied(hostile("unwanted"));
    server.join().await.refuse(refused);
    ada.wait();
    ada.wait_for("unwanted");
    let raw = String::from_utf8(ada.raw()).expect("it writes UTF-8");
    read(&raw).unwrap_or_else(|wrong| panic!("{wrong}"));
}

/// The largest memory use of a process so far, in bytes.
#[cfg(target_os = "linux")]
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes
        .and_then(|number| number.trim().parse::<u64>().ok())
        .expect("a number")
        << 10
}

/// 10,000 texts of 2 MB took 837 MB in under a minute, and would have taken 20 GB.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn texts_that_break_the_rules_do_not_fill_the_memory() {
    const TEXT: usize = 2_000_000;
    const TEXTS: u64 = 40;
    const BUDGET: u64 = 56 << 20;

    let world = World::new();
    let mut server = Fake::start().await;
    let ada = world.client(&server.url(), &["--name", "ada"]);
    let stream = server.join().await.accept();
    let mut welcome = welcome("ada", 2, 5);
    welcome.next = 1;
    stream.welcome(welcome);
    stream.position(1).time(3).request(1).joined("mallory");
    stream.position(2).time(5).request(1).joined("ada");
    for position in 3..3 + TEXTS {
        let text = format!("text {position} {}", "é".repeat(TEXT / 2));
        stream.send(message(position, position * 4, "mallory", &text));
        if position % 10 == 0 {
            ada.wait_for(&format!("text {position} "));
        }
    }
    ada.wait_for(&format!("text {} ", 2 + TEXTS));
    let peak = peak(ada.process());
    println!(
        "{} MiB, where {} came",
        peak >> 20,
        (TEXTS * TEXT as u64) >> 20
    );
    assert!(peak < BUDGET, "{} MiB", peak >> 20);
}
