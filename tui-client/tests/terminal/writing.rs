//! Writing, with the terminal in between: pastes, the shell, the user's own editor.

use std::time::Duration;

use chitty_testing::terminal::{World, pause, signal, wait_until};

use crate::modes::{Modes, assert_nothing_drawn_meanwhile, assert_restored};

#[test]
fn a_paste_without_an_end_is_ended_by_esc_and_sends_nothing_before() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    let bob = world.client(&server.url, &["--name", "bob"]);
    ada.wait_for("Participant bob joined");
    ada.send("\u{1b}[200~first\rsecond");
    ada.wait_for("first⏎");
    assert!(
        !bob.screen().contains("first"),
        "what is pasted is not sent"
    );
    ada.wait_for("Esc ends it here");
    ada.say(" and");
    ada.wait_for("second and");
    assert!(
        !bob.screen().contains("first"),
        "Enter belongs to the paste"
    );
    // Sent alone, as a key is.
    pause(Duration::from_millis(200));
    ada.send("\u{1b}");
    pause(Duration::from_millis(200));
    ada.say(" more");
    bob.wait_for("second and");
    bob.wait_for("more");
}

#[test]
fn ctrl_z_goes_to_the_shell_and_fg_comes_back() {
    let world = World::new();
    let server = world.server(&[]);
    let script = "set -m; \"$@\"; echo \"stopped $?\"; stty -a | tr ' ;' '\\n\\n' | grep icanon; \
                  read line; fg; echo \"ended $?\"";
    let mut ada = world.client_of_shell(&server.url, "ada", script);
    ada.wait_for("Participant ada joined");
    let mut bob = world.client(&server.url, &["--name", "bob"]);
    ada.wait_for("Participant bob joined");
    ada.send("half a ");
    ada.wait_for("half a");
    // The frame is drawn before the caret is put in its place, so the caret may still be elsewhere.
    let after_the_draft = u16::try_from(" ada › half a ".chars().count()).expect("short");
    wait_until("the caret stands after the draft", || {
        let (_, column) = ada.cursor();
        let stands = column == after_the_draft;
        stands.then_some(()).ok_or(ada.screen())
    });
    let cursor = ada.cursor();
    ada.send("\u{1a}");
    ada.wait_for("stopped 14");
    ada.wait_for("\nicanon");
    let raw = String::from_utf8_lossy(&ada.raw()).into_owned();
    assert_eq!(Modes::of(&raw), Modes::default());
    bob.say("written meanwhile");
    bob.wait_for("written meanwhile");

    ada.send("\r");
    ada.wait_for("written meanwhile");
    ada.wait_for("half a");
    wait_until("the caret is where it was", || {
        (ada.cursor() == cursor).then_some(()).ok_or(ada.screen())
    });
    ada.say("line");
    bob.wait_for("half a line");
    ada.say("/quit");
    ada.wait_for("ended 0");
    assert_eq!(ada.wait(), 0);
    assert_nothing_drawn_meanwhile(&ada);
    assert_restored(&ada, "after fg");
}

#[test]
fn a_window_without_a_shell_is_not_stopped() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client(&server.url, &["--name", "ada"]);
    ada.wait_for("Participant ada joined");
    ada.send("\u{1a}");
    ada.wait_for("There is no shell behind this window");
    ada.say("still here");
    ada.wait_for("still here");
}

/// An editor that shows its input, waits until it may continue, and writes something else.
const EDITOR: &str =
    "trap '' INT; echo editing: $(cat \"$1\"); while [ ! -e go ]; do sleep 0.02; done
    echo 'written elsewhere' > \"$1\"";

#[test]
fn the_editor_gets_the_terminal_while_the_chat_goes_on() {
    let world = World::new();
    let server = world.server(&[]);
    let mut ada = world.client_with_editor(&server.url, "ada", EDITOR);
    ada.wait_for("Participant ada joined");
    let mut bob = world.client(&server.url, &["--name", "bob"]);
    ada.wait_for("Participant bob joined");
    ada.send("half a line\u{18}\u{5}");
    ada.wait_for("editing: half a line");
    let raw = String::from_utf8_lossy(&ada.raw()).into_owned();
    assert_eq!(Modes::of(&raw), Modes::default());
    bob.say("news");
    wait_until("ada's session receives it meanwhile", || {
        let log = world.log("ada");
        let received = |text| log.iter().any(|line| line.get("text") == Some(text));
        received("news")
            .then_some(())
            .ok_or(format!("{} lines", log.len()))
    });
    assert!(!ada.screen().contains("news"), "the screen is the editor's");
    // Ctrl-C goes to the editor, too; this one ignores it.
    ada.send("\u{3}");
    ada.wait_for("^C");
    std::fs::write(world.path("go"), "").expect("written");
    ada.wait_for("› written elsewhere");
    ada.wait_for("news");
    ada.send("\r");
    bob.wait_for("written elsewhere");
    ada.say("/quit");
    assert_eq!(ada.wait(), 0);
    assert_nothing_drawn_meanwhile(&ada);
    assert_restored(&ada, "after an editor");
}

#[test]
fn an_editor_that_fails_leaves_the_draft() {
    let world = World::new();
    let server = world.server(&[]);
    let scripts = [
        ("exit 3", "exit status: 3"),
        ("exec no-such-editor", "there is no editor"),
        ("printf '\\377' > \"$1\"", "not UTF-8"),
    ];
    for (index, (script, why)) in scripts.into_iter().enumerate() {
        let name = format!("ada{index}");
        let mut ada = world.client_with_editor(&server.url, &name, script);
        ada.wait_for(&format!("Participant {name} joined"));
        ada.send("half a line\u{18}\u{5}");
        ada.wait_for("The draft is as it was");
        ada.wait_for(why);
        ada.wait_for("› half a line");
    }
}

#[test]
fn more_than_a_draft_takes_is_not_lost() {
    let world = World::new();
    let server = world.server(&[]);
    let script = "printf '%05000d' 7 > \"$1\"";
    let mut ada = world.client_with_editor(&server.url, "ada", script);
    ada.wait_for("Participant ada joined");
    ada.send("\u{18}\u{5}");
    ada.wait_for("Only a part fits");
    let mut kept = std::fs::read_dir(world.path("."))
        .expect("the folder")
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .filter(|text| text.len() == 5000 && text.ends_with('7'));
    assert!(kept.next().is_some(), "{}", ada.screen());
}

#[test]
fn a_signal_ends_the_editor_as_well() {
    let world = World::new();
    let server = world.server(&["--grace", "1"]);
    let script = "stty raw -echo; echo \"process: $$.\"; exec sleep 1000";
    let mut ada = world.client_with_editor(&server.url, "ada", script);
    ada.wait_for("Participant ada joined");
    ada.send("\u{18}\u{5}");
    ada.wait_for("process: ");
    let screen = wait_until("the editor's process", || {
        let screen = ada.screen();
        screen
            .contains("process: ")
            .then_some(screen.clone())
            .ok_or(screen)
    });
    let (_, rest) = screen.split_once("process: ").expect("it is there");
    let (editor, _) = rest.split_once('.').expect("a full stop");
    let editor = std::path::Path::new("/proc").join(editor);
    assert!(editor.exists());
    signal(ada.process(), "TERM");
    ada.wait();
    assert!(!editor.exists());
    assert_restored(&ada, "a signal while an editor runs");
}

#[test]
fn the_keys_are_those_of_the_configuration() {
    let world = World::new();
    let server = world.server(&[]);
    let config = world.path("config.toml");
    let text = "[keys]\nsend = \"ctrl-t\"\nleave = [\"ctrl-q\", \"ctrl-x l\"]\nhelp = \"f9\"\n";
    std::fs::write(&config, text).expect("written");
    let config = config.to_str().expect("it is text");
    let mut ada = world.client(&server.url, &["--name", "ada", "--config", config]);
    ada.wait_for("Participant ada joined");
    ada.wait_for("F9 help");
    ada.send("by another key\u{14}");
    ada.wait_for("ada  by another key");
    ada.send("\u{1b}[20~");
    ada.wait_for("Ctrl-Q closes");
    ada.send("\u{11}\u{18}");
    ada.wait_for("Ctrl-X: l leave · Ctrl-E editor");
    ada.send("\u{18}");
    ada.leave_by("\u{18}l");
    assert_eq!(ada.wait(), 0);
    assert_restored(&ada, "after another key");
}

#[test]
fn keys_that_cannot_be_are_told_before_the_screen_comes() {
    let world = World::new();
    let config = world.path("config.toml");
    std::fs::write(&config, "[keys]\nserch = \"f9\"\n").expect("written");
    let config = config.to_str().expect("it is text");
    let mut ada = world.client("http://127.0.0.1:1", &["--config", config]);
    assert_eq!(ada.wait(), 1);
    let said = ada.screen();
    for part in ["config.toml, line 2, serch", "did you mean search?"] {
        assert!(said.contains(part), "{said}");
    }
}
