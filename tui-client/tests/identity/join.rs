//! `chitty join`, `CHITTY_LINK`, and the offer of known chats.

use chitty_testing::terminal::{Terminal, World};

use crate::{everything_written, invitation_to, link_to, plain, run, server_key};

fn command_line(terminal: &Terminal) -> String {
    let path = format!("/proc/{}/cmdline", terminal.process());
    let words = std::fs::read(path).expect("it runs");
    String::from_utf8_lossy(&words).replace('\0', " ")
}

fn leave(mut terminal: Terminal) {
    terminal.send("\u{1b}");
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
}

#[test]
fn a_link_is_read_from_the_terminal_and_is_in_no_argument() {
    let world = World::new();
    let server = world.server(&[]);
    let link = invitation_to(server.address(), server_key(&world));
    let secret = link.secret.clone().expect("there").reveal();
    let text = link.reveal();
    let (start, end) = text.split_at(text.len() - 10);
    for pasted in [
        format!("{text}\r"),
        // As a chat in a terminal shows it, with borders, in two lines, with more after it.
        format!("│ chitty '{start} │\r│ {end}' │\r│ see you │\r"),
    ] {
        let mut ada = world.terminal(&["join", "--name", "ada"], &[]);
        ada.wait_for("Paste the link");
        ada.send(&pasted);
        ada.wait_for("Participant ada joined");
        assert!(
            !command_line(&ada).contains(&secret[..8]),
            "{}",
            command_line(&ada)
        );
        assert!(!ada.screen().contains("see you"), "{}", ada.screen());
        leave(ada);
    }
    assert!(!everything_written(&world).contains(&secret));
}

#[test]
fn a_cut_link_says_what_is_missing() {
    let world = World::new();
    let link = invitation_to("chat.example.org", server_key_of_nobody());
    let text = link.reveal();
    let mut ada = world.terminal(&["join"], &[]);
    ada.wait_for("Paste the link");
    ada.send(&format!("{}\r", &text[..text.len() - 5]));
    ada.send("\r");
    assert_ne!(ada.wait(), 0);
    ada.wait_for("its last 5 characters are missing");
}

fn server_key_of_nobody() -> chitty_chat::fingerprint::Fingerprint {
    chitty_chat::fingerprint::Fingerprint::of_public_key(b"nobody")
}

/// The variable is for the client alone: neither the editor nor a server gets it.
#[test]
fn the_link_in_the_environment_stays_with_the_client() {
    let world = World::new();
    let server = world.server(&[]);
    let link = invitation_to(server.address(), server_key(&world)).reveal();
    let seen = world.path("seen");
    let editor = world.path("editor");
    std::fs::write(&editor, format!("env > {}", seen.display())).expect("written");
    let editor = format!("sh {}", editor.display());
    let variables = [("CHITTY_LINK", link.as_str()), ("VISUAL", &editor)];
    let mut ada = world.terminal(&["--name", "ada"], &variables);
    ada.wait_for("Participant ada joined");
    // The draft in the editor.
    ada.send("\u{18}\u{5}");
    chitty_testing::terminal::wait_until("the editor has run", || {
        let text = std::fs::read_to_string(&seen).unwrap_or_default();
        text.contains("HOME=")
            .then_some(())
            .ok_or_else(|| ada.screen())
    });
    let text = std::fs::read_to_string(&seen).expect("written");
    assert!(!text.contains("CHITTY_LINK"), "{text}");
    ada.wait_for("ada ›");
    leave(ada);
}

#[test]
fn known_chats_are_offered_beside_the_local_one() {
    let world = World::new();
    let server = world.server(&[]);
    // At an address of this machine nothing is offered, because tunnels end there.
    let link = link_to(server.address(), server_key(&world));
    assert!(
        run(world.plain(&plain(&link.reveal(), "ada")))
            .status
            .success()
    );
    let key = server_key_of_nobody().to_string();
    assert!(
        run(world.plain(&["trust", "chat.invalid", &key]))
            .status
            .success()
    );
    let mut ada = world.terminal(&["--name", "ada"], &[]);
    ada.wait_for("Which chat?");
    ada.wait_for("2  chat.invalid");
    assert!(!ada.screen().contains("127.0.0.1"), "{}", ada.screen());
    ada.say("7");
    ada.say("2");
    ada.wait_for("chat.invalid");
    ada.send("\u{3}");
    ada.wait();
    // Whoever named a server is not asked.
    let ada = world.terminal(&["--server", &server.url, "--name", "ada"], &[]);
    ada.wait_for("Participant ada joined");
    assert!(!ada.screen().contains("Which chat?"));
    leave(ada);
}
