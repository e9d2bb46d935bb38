//! The real binaries in real pseudo-terminals: what users see, and what the logs say about it.

mod ending;
mod flood;
mod gate;
mod history;
mod hostile;
mod modes;
mod reading;
mod report;
mod surroundings;
mod writing;

use std::collections::HashSet;

use chitty_chat::logging::Line;
use chitty_testing::terminal::{Terminal, World, login_name, signal, wait_until};

fn leaves(mut terminal: Terminal) {
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
}

/// An event, as a line of a log file has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LoggedEvent {
    position: u64,
    time: u64,
    text: String,
}

/// Whether no position is left out between the first event and the last one.
fn has_no_gap(events: &[LoggedEvent]) -> bool {
    events
        .windows(2)
        .all(|pair| pair[0].position + 1 == pair[1].position)
}

/// The events that a client received.
fn received(lines: &[Line]) -> Vec<LoggedEvent> {
    broadcasts(lines, "received")
}

/// The events that were sent or received, in the order of the lines.
fn broadcasts(lines: &[Line], step: &str) -> Vec<LoggedEvent> {
    lines
        .iter()
        .filter(|line| line.call == "Broadcast" && line.step == step)
        .map(|line| {
            let number = |key| {
                line.get(key)
                    .and_then(|value| value.parse().ok())
                    .expect("a number")
            };
            LoggedEvent {
                position: number("position"),
                time: number("lamport"),
                text: line.get("text").expect("a text").to_owned(),
            }
        })
        .collect()
}

#[test]
fn three_clients_see_each_other_join_talk_and_leave() {
    let world = World::new();
    let mut server = world.server(&["--grace", "1"]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined Chitty-Chat at Lamport time 3");
    let mut bob = world.client(&server.url, &["--name", "bob"]);
    let mut eve = world.client(&server.url, &["--name", "eve"]);
    for terminal in [&ada, &bob, &eve] {
        terminal.wait_for("ada");
        terminal.wait_for("Participant bob joined Chitty-Chat at Lamport time");
        terminal.wait_for("Participant eve joined Chitty-Chat at Lamport time");
    }
    ada.say("hello, all");
    bob.say("/me waves to ada 👋");
    eve.say("grüß euch, 你好");
    for terminal in [&ada, &bob, &eve] {
        terminal.wait_for("hello, all");
        terminal.wait_for("waves to ada");
        terminal.wait_for("grüß euch, 你好");
    }
    // One leaves by a command, one is killed with -9, one leaves by a key.
    bob.say("/quit");
    leaves(bob);
    ada.wait_for("Participant bob left Chitty-Chat at Lamport time");
    eve.kill();
    ada.wait_for("Participant eve left Chitty-Chat at Lamport time");
    ada.send("\u{1b}");
    leaves(ada);
    assert_eq!(server.terminate(), Some(0));

    // The logs of all four processes agree.
    let sent = broadcasts(&world.log("server"), "sent");
    assert_eq!(sent.len(), 9, "{sent:?}");
    assert!(has_no_gap(&sent), "{sent:?}");
    assert!(sent.windows(2).all(|pair| pair[0].time < pair[1].time));
    let all: HashSet<_> = sent.iter().cloned().collect();
    // ada has all of it. bob and eve join after her, and leave before her.
    for (who, least) in [("ada", 9), ("bob", 6), ("eve", 5)] {
        let lines = world.log(who);
        let got = received(&lines);
        assert!(got.len() >= least, "{who} has {got:?}");
        assert!(has_no_gap(&got), "{who} has {got:?}");
        assert!(
            got.iter().all(|event| all.contains(event)),
            "{who} has {got:?}"
        );
        assert!(lines.iter().all(|line| line.who == who));
    }
    let sentences = |text: &str| {
        let having = sent.iter().filter(|event| event.text.contains(text));
        having.count()
    };
    assert_eq!(
        sentences("left Chitty-Chat at Lamport time"),
        3,
        "each leaves once: {sent:?}"
    );
}

#[test]
fn without_a_server_the_first_client_starts_one_and_the_chat_is_kept() {
    let world = World::new();
    let address = free_address();
    let arguments = |name| ["--name", name, "--idle-exit", "1"];
    // Both at the same moment, and still one chat.
    let mut ada = world.local_client(&address, &arguments("ada"));
    let mut bob = world.local_client(&address, &arguments("bob"));
    ada.wait_for("Participant bob joined Chitty-Chat");
    bob.wait_for("Participant ada joined Chitty-Chat");
    ada.say("keep this");
    bob.wait_for("keep this");
    ada.say("/quit");
    leaves(ada);
    // The server outlives the client that started it.
    bob.wait_for("Participant ada left Chitty-Chat");
    bob.say("still here");
    bob.wait_for("still here");
    bob.send("\u{1b}");
    leaves(bob);
    wait_until(
        "the server ends when nobody has been there for a while",
        || {
            let log = world.log("server");
            let mut newest = log.iter().rev();
            match newest.find(|line| line.call == "Server" && line.step == "stopped") {
                Some(line) if line.get("reason") == Some("idle") => Ok(()),
                _ => Err(format!("{} lines", log.len())),
            }
        },
    );
    let mut eve = world.local_client(&address, &arguments("eve"));
    eve.wait_for("keep this");
    eve.wait_for("Participant eve joined Chitty-Chat");
    eve.send("\u{1b}");
    leaves(eve);
}

#[test]
fn a_refused_name_is_explained_and_can_be_changed() {
    let world = World::new();
    let server = world.server(&[]);
    let ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let mut second = world.client(&server.url, &["--name", "Ada"]);
    second.wait_for("is too like ada, who is present");
    second.send("\u{15}bob\r");
    second.wait_for("Participant bob joined");
    ada.wait_for("Participant bob joined");
    // Without a name the login name is offered.
    let mut third = world.client(&server.url, &[]);
    let login = login_name();
    third.wait_for(&login);
    third.send("\r");
    ada.wait_for(&format!("Participant {login} joined"));
    third.wait_for(&format!("Participant {login} joined"));
}

#[test]
fn a_log_that_cannot_be_opened_is_shown_until_it_can() {
    let world = World::new();
    let server = world.server(&[]);
    std::fs::create_dir_all(world.logs()).expect("made");
    let log = world.logs().join("ada.log");
    std::os::unix::fs::symlink(world.path("victim"), &log).expect("made");
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("it is a symbolic link");
    ada.wait_for("! no log");
    std::fs::remove_file(&log).expect("removed");
    ada.wait_for("is written again");
    ada.wait_without("! no log");
    ada.send("\u{3}");
    assert_eq!(ada.wait(), 0);
    assert!(!world.path("victim").exists());
    // The log includes what was held until then.
    let lines = world.log("ada");
    assert_eq!(
        (lines[0].call.as_str(), lines[0].step.as_str()),
        ("Link", "connecting")
    );
    assert_eq!(lines.last().expect("lines").step, "ended");
}

#[test]
fn a_draft_is_not_lost_by_one_escape_and_an_unknown_command_is_not_sent() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    let bob = world.client(&server.url, &["--name", "bob"]);
    ada.wait_for("Participant bob joined");
    ada.say("/nosuch thing");
    ada.wait_for("/help");
    ada.send("\u{15}an unfinished");
    ada.wait_for("an unfinished");
    ada.send("\u{1b}");
    ada.wait_for("again");
    ada.send(" thought\r");
    bob.wait_for("an unfinished thought");
    assert!(!bob.screen().contains("nosuch"));
    ada.send("\u{1b}");
    leaves(ada);
}

/// Whether a sequence in two parts leaves the chat is a question of time, so that is tested in
/// paused time (`run::tests`).
#[test]
fn an_arrow_key_moves_the_caret() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    ada.send("still hee");
    ada.send("\u{1b}[D");
    ada.say("r");
    ada.wait_for("still here");
    assert_eq!(ada.cursor().0, 23, "the caret is on the input line");
}

#[test]
fn who_closes_the_window_leaves() {
    let world = World::new();
    let server = world.server(&["--grace", "600"]);
    let ada = world.client(&server.url, &["--name", "ada"]);
    let mut bob = world.client_in_window(&server.url, "bob");
    bob.wait_for("Participant bob joined");
    bob.kill();
    ada.wait_for("Participant bob left");
    world.wait_for_end_of("bob");
}

#[test]
fn a_terminal_that_hangs_stops_the_screen_only() {
    let world = World::new();
    let mut server = world.server(&["--publish-rate", "off"]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    ada.read(false);
    flood::flood(&server.url, "bob", 4000);
    // Far more than a terminal takes that nobody reads: she has received all of it.
    wait_until("ada follows", || {
        let got = received(&world.log("ada"));
        let is_there = got.iter().any(|event| event.text.contains("line 4000 "));
        is_there.then_some(()).ok_or(format!("{:?}", got.last()))
    });
    // What she types still arrives.
    ada.say("still here");
    let sent = |part: &str| -> Vec<_> {
        let sent = broadcasts(&world.log("server"), "sent").into_iter();
        sent.filter(|event| event.text.contains(part)).collect()
    };
    let wait_for_sent = |part: &str| {
        wait_until(part, || match sent(part).len() {
            0 => Err("it was not sent".into()),
            _ => Ok(()),
        });
    };
    wait_for_sent("still here");
    ada.read(true);
    ada.wait_for("still here");
    ada.read(false);
    flood::flood(&server.url, "eve", 1000);
    // She can leave, too; the process waits only for its terminal, to restore it.
    signal(ada.process(), "TERM");
    wait_for_sent("ada left Chitty-Chat");
    ada.read(true);
    leaves(ada);
    server.terminate();
    assert_eq!(sent("ada left Chitty-Chat").len(), 1);
}

#[test]
fn hostile_text_does_not_reach_the_terminal() {
    let world = World::new();
    // Text that no server of today accepts but another one may send: an override, zero-width
    // characters, controls of C0 and C1.
    let hostile = "abc\u{202e}def\u{200b}ghi\u{9b}31m\u{1b}]0;title\u{7}\u{90}jkl";
    history::write(&world.data(), "e\u{9b}ve\u{202e}", hostile);
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("jkl");
    // Pasting has the same effect.
    let bob = world.client(&server.url, &["--name", "bob"]);
    bob.wait_for("Participant bob joined");
    ada.send("\u{1b}[200~mno\u{202e}pqr\u{200b}stu\u{9b}31m\u{1b}[201~\r");
    bob.wait_for("stu");
    for terminal in [&ada, &bob] {
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        for bad in ["\u{202e}", "\u{200b}", "\u{9b}", "\u{90}", "\u{1b}]0;title"] {
            assert!(!raw.contains(bad), "{bad:?} reached the terminal");
        }
    }
}

#[test]
fn any_size_of_window_is_survived() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    for (rows, columns) in [(1, 1), (2, 3), (5, 20), (10, 40), (60, 200), (24, 80)] {
        ada.resize(rows, columns);
        std::thread::yield_now();
        ada.say(&format!("at {columns}x{rows}"));
    }
    ada.wait_for("at 80x24");
    ada.send("\u{1b}");
    leaves(ada);
}

#[test]
fn a_server_that_comes_back_finds_its_clients_again() {
    let world = World::new();
    let mut server = world.server(&[]);
    let address = server.address().to_owned();
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    ada.say("before");
    ada.wait_for("before");
    server.kill();
    ada.wait_for("offline");
    ada.say("written meanwhile");
    let _server = world.server_on(&address, &[]);
    ada.wait_without("offline");
    let bob = world.client(&format!("http://{address}"), &["--name", "bob"]);
    bob.wait_for("before");
    bob.wait_for("written meanwhile");
    let events = received(&world.log("ada"));
    assert!(has_no_gap(&events), "{events:?}");
}

#[test]
fn something_else_on_the_port_is_told_apart() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut ada = world.local_client(&address, &["--name", "ada"]);
    assert_ne!(ada.wait(), 0);
    ada.wait_for("not a Chitty-Chat");
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}
