//! What messages do to a real terminal.

use std::collections::BTreeSet;

use chitty_testing::terminal::{Terminal, World, wait_until};

/// Every kind of sequence in a program's output: "CSI H", "OSC 8". Panics at anything that is
/// neither a sequence nor text.
fn sequences(raw: &[u8]) -> BTreeSet<String> {
    let text = std::str::from_utf8(raw).expect("UTF-8");
    let mut kinds = BTreeSet::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {}
            '\r' | '\n' => continue,
            '\u{7}' => {
                kinds.insert("BEL".into());
                continue;
            }
            c => {
                assert!(!c.is_control(), "U+{:04X} in the open", u32::from(c));
                continue;
            }
        }
        let kind = match chars.next() {
            Some('[') => {
                let private = chars.next_if(|c| "?<>=".contains(*c));
                let last = chars.find(|c| ('@'..='~').contains(c)).expect("an end");
                format!(
                    "CSI {}{last}",
                    private.map(String::from).unwrap_or_default()
                )
            }
            Some(']') => {
                let mut body = String::new();
                loop {
                    match chars.next().expect("an end") {
                        '\u{1b}' => {
                            assert_eq!(chars.next(), Some('\\'), "in {body:?}");
                            break;
                        }
                        c => {
                            assert!(!c.is_control(), "in {body:?}");
                            body.push(c);
                        }
                    }
                }
                format!("OSC {}", body.split(';').next().unwrap_or(""))
            }
            other => format!("ESC {}", other.expect("something follows")),
        };
        kinds.insert(kind);
    }
    kinds
}

/// What may be written: cursor, colours, erasing, modes, a query for the status, the stack of
/// titles, and the sequences beside the screen.
const ALLOWED: &[&str] = &[
    "BEL", "CSI ?h", "CSI ?l", "CSI ?u", "CSI >u", "CSI <u", "CSI A", "CSI B", "CSI C", "CSI D",
    "CSI G", "CSI H", "CSI J", "CSI K", "CSI m", "CSI n", "CSI t", "ESC 7", "ESC 8", "OSC 2",
    "OSC 8", "OSC 9", "OSC 52",
];

fn wait_for_bytes(terminal: &Terminal, what: &str) {
    wait_until(what, || {
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        if raw.contains(what) {
            Ok(())
        } else {
            Err(terminal.screen())
        }
    });
}

#[test]
fn hostile_text_reaches_the_terminal_only_in_what_is_allowed() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    let mut bob = world.client(&server.url, &["--name", "bob];9;x"]);
    ada.wait_for("Participant bob];9;x joined");
    // She looks elsewhere; the letter typed after it shows when that was read.
    ada.send("\u{1b}[Oz");
    ada.wait_for("› z");
    ada.send("\u{7f}");
    let hostile = "ada: ]0;owned http://a.example/;x]52;c;eA== \u{202e}\u{9b}31m\u{200b}\\";
    bob.send(&format!("\u{1b}[200~{hostile}\u{1b}[201~\r"));
    ada.wait_for("owned");
    ada.wait_for("new since you looked away");
    wait_for_bytes(&ada, "\u{1b}]2;(1!) Chitty-Chat · ada\u{1b}\\");
    wait_for_bytes(&ada, "\u{1b}]9;Chitty-Chat: bob];9;x: ada:");
    wait_for_bytes(&ada, ";http://a.example/;x]52;c;eA==\u{1b}\\");
    ada.send("\u{1b}[I");
    wait_for_bytes(&ada, "\u{1b}]2;Chitty-Chat · ada\u{1b}\\");
    // To the line by its time, and back.
    ada.send("\u{1b}[1;5A");
    ada.wait_for("Enter copies");
    ada.send("l");
    wait_for_bytes(&ada, "\u{1b}]52;c;TD");
    ada.send("\u{1b}");
    ada.wait_without("Enter copies");
    ada.leave_by("\u{1b}");
    assert_eq!(ada.wait(), 0, "{}", ada.screen());
    wait_for_bytes(&ada, "\u{1b}[23;0t");
    let raw = ada.raw();
    let text = String::from_utf8_lossy(&raw).into_owned();
    assert!(
        text.rfind("\u{1b}[23;0t") > text.rfind("\u{1b}]2;"),
        "the title is given back"
    );
    let other: Vec<_> = sequences(&raw)
        .into_iter()
        .filter(|kind| !ALLOWED.contains(&kind.as_str()))
        .collect();
    assert_eq!(other, [""; 0]);
}

#[test]
fn old_lines_are_fetched_searched_and_left_again() {
    let world = World::new();
    let server = world.server(&["--publish-rate", "off"]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    for n in 1..=60 {
        ada.say(&format!("line number {n}."));
        ada.wait_for(&format!("line number {n}."));
    }
    let mut bob = world.client(&server.url, &["--name", "bob", "--backlog", "20"]);
    bob.wait_for("Participant bob joined");
    bob.wait_for("line number 60.");
    bob.send("\u{6}NUMBER 7.");
    bob.wait_for("line number 7.");
    bob.send("\r");
    bob.wait_for("Enter copies");
    // Anything typed right after it would be read as Alt with that key.
    bob.send("\u{1b}");
    bob.wait_without("Enter copies");
    bob.say("/at 3");
    bob.wait_for("Participant ada joined Chitty-Chat at Lamport time 3");
    bob.send("\u{1b}[1;5F");
    bob.wait_for("Participant bob joined");
    bob.send("\u{1b}[1;5H");
    bob.wait_for("Participant ada joined Chitty-Chat at Lamport time 3");
    // The wheel, until the newest line is there again.
    for _ in 0..40 {
        bob.send("\u{1b}[<65;5;5M");
    }
    bob.wait_for("Participant bob joined");
    bob.leave_by("\u{1b}");
    assert_eq!(bob.wait(), 0, "{}", bob.screen());
}
