//! `chitty trust`, `chitty key`, and the keys of bots.

use std::fs;

use chitty_chat::fingerprint::Fingerprint;
use chitty_testing::terminal::World;

use crate::{by_address, errors, known, link_to, mode, plain, run, server_key};

#[test]
fn a_fingerprint_is_asked_for_on_the_terminal() {
    let world = World::new();
    let key = Fingerprint::of_public_key(b"a key").to_string();
    let mut terminal = world.terminal(&["trust", "chat.example.org"], &[]);
    terminal.wait_for("Paste what the owner of chat.example.org gives you");
    terminal.say(&key);
    assert_eq!(terminal.wait(), 0, "{}", terminal.screen());
    let text = fs::read_to_string(known(&world).join("known_servers")).expect("ours");
    assert!(
        text.contains(&format!("chat.example.org:50051 {key}")),
        "{text}"
    );
    for (answer, part) in [
        ("SHA256:abc", "43 characters of base64"),
        (
            "chitty://chat.example.org/#2222222222222222222222",
            "chitty join",
        ),
    ] {
        let mut terminal = world.terminal(&["trust", "chat.example.org"], &[]);
        terminal.wait_for("Paste what");
        terminal.say(answer);
        assert_eq!(terminal.wait(), 1);
        terminal.wait_for(part);
    }
}

#[test]
fn keys_are_written_for_other_programs() {
    let world = World::new();
    let server = world.server(&[]);
    let output = run(world.plain(&["key"]));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no server knows this device yet"), "{text}");
    let link = link_to(server.address(), server_key(&world));
    assert!(
        run(world.plain(&plain(&link.reveal(), "ada")))
            .status
            .success()
    );
    let output = run(world.plain(&["key"]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fingerprint = text.split_whitespace().nth(1).expect("a fingerprint");
    let fingerprint: Fingerprint = fingerprint.parse().expect("one");

    let folder = world.path("pem");
    fs::create_dir(&folder).expect("made");
    let shown = folder.display().to_string();
    let output = run(world.plain(&["key", "--pem", &shown, server.address()]));
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(mode(&folder.join("me.key")), 0o600);
    let certificate = fs::read_to_string(folder.join("me.pem")).expect("ours");
    assert!(
        certificate.starts_with("-----BEGIN CERTIFICATE-----"),
        "{certificate}"
    );
    let exported = chitty::trust::DeviceKey::read(&folder.join("me.key"));
    let exported = exported.expect("a key").expect("there");
    assert_eq!(exported.fingerprint(), fingerprint);
    let output = run(world.plain(&["key", "--pem", &shown, "chat.invalid"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("no server is known at chat.invalid"));
}

#[test]
fn a_bot_brings_its_own_key() {
    let world = World::new();
    let server = world.server(&[]);
    let link = link_to(server.address(), server_key(&world)).reveal();
    let key = world.path("keys-of-bots/bot.key");
    let key = key.display().to_string();
    let bot = [&plain(&link, "bot")[..], &["--key", &key]].concat();
    let output = run(world.plain(&bot));
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(mode(&world.path("keys-of-bots/bot.key")), 0o600);
    assert!(
        !known(&world).join("keys").exists(),
        "it needs no other key"
    );
    let first = run(world.plain(&["key", "--key", &key])).stdout;
    // Again, with the same key.
    let server = by_address(&server);
    let again = [&plain(&server, "bot")[..], &["--key", &key]].concat();
    assert!(run(world.plain(&again)).status.success());
    assert_eq!(run(world.plain(&["key", "--key", &key])).stdout, first);
}
