//! Entering by a link, again by the address, and after the server's key has changed.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, process::Stdio};

use chitty_testing::terminal::{World, wait_until};

use crate::{
    by_address, errors, everything_written, invitation_to, known, link_to, mode, plain, run,
    server_key,
};

#[test]
fn who_enters_by_a_link_is_known_and_knows_the_server() {
    let world = World::new();
    let server = world.server(&[]);
    let link = invitation_to(server.address(), server_key(&world));
    let output = run(world.plain(&plain(&link.reveal(), "ada")));
    assert!(output.status.success(), "{}", errors(&output));
    let folder = known(&world);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("keys")), 0o700);
    assert_eq!(mode(&folder.join("known_servers")), 0o600);
    let line = fs::read_to_string(folder.join("known_servers")).expect("ours");
    let line = line.lines().last().expect("a line").to_owned();
    let start = format!("{} {} key=", server.address(), server_key(&world));
    assert!(line.starts_with(&start), "{line}");
    assert!(line.contains(" name=ada "), "{line}");
    let keys: Vec<_> = fs::read_dir(folder.join("keys")).expect("ours").collect();
    assert_eq!(keys.len(), 1);
    let key = keys[0].as_ref().expect("readable").path();
    assert_eq!(mode(&key), 0o600);
    // The secret is nowhere, in no log file either.
    let secret = link.secret.expect("there").reveal();
    assert!(!everything_written(&world).contains(&secret));

    // From now on, the address is enough, and nothing changes.
    let before = everything_known(&world);
    let output = run(world.plain(&plain(&by_address(&server), "ada")));
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(everything_known(&world), before);
}

/// What is known, without the lock.
fn everything_known(world: &World) -> String {
    fs::read_to_string(known(world).join("known_servers")).expect("ours")
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let world = World::new();
    let server = world.server(&[]);
    let link = link_to(server.address(), server_key(&world));
    assert!(
        run(world.plain(&plain(&link.reveal(), "ada")))
            .status
            .success()
    );
    let folder = known(&world);
    let key = fs::read_dir(folder.join("keys")).expect("ours").next();
    let key = key.expect("a key").expect("readable").path();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("ours");
    let output = run(world.plain(&plain(&by_address(&server), "ada")));
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(
        said.contains("can be read by others (0640); chmod 600 it"),
        "{said}"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    let list = folder.join("known_servers");
    fs::set_permissions(&list, fs::Permissions::from_mode(0o644)).expect("ours");
    let output = run(world.plain(&plain(&by_address(&server), "ada")));
    assert!(errors(&output).contains("chmod 600"), "{}", errors(&output));
}

/// A folder of somebody else's, or a link, is not written to; then nothing is said to the server.
#[test]
fn what_cannot_be_remembered_is_not_entered() {
    let world = World::new();
    let server = world.server(&[]);
    let link = link_to(server.address(), server_key(&world));
    let folder = known(&world);
    fs::create_dir_all(&folder).expect("made");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("ours");
    let output = run(world.plain(&plain(&link.reveal(), "ada")));
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(said.contains("others can write to it"), "{said}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("ours");
    std::os::unix::fs::symlink(world.path("elsewhere"), folder.join("known_servers"))
        .expect("made");
    let output = run(world.plain(&plain(&link.reveal(), "ada")));
    assert!(
        errors(&output).contains("symbolic link"),
        "{}",
        errors(&output)
    );
    assert!(!world.path("elsewhere").exists());
    let joined = world
        .log("server")
        .into_iter()
        .any(|line| line.call == "Join");
    assert!(!joined, "nothing was said to the server");
}

/// A disk with space for the key and not for the list leaves neither, and nothing is said.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_the_client_out() {
    let world = World::new();
    let server = world.server(&[]);
    let link = link_to(server.address(), server_key(&world)).reveal();
    let folder = known(&world);
    fs::create_dir_all(&folder).expect("made");
    let list = world.path("list");
    let script = format!(
        "mount -t tmpfs -o mode=0700,size=4k none {0} || exit 99; \"$@\"; status=$?; \
         ls -R {0} > {1}; exit $status",
        folder.display(),
        list.display()
    );
    let mut client = std::process::Command::new("unshare");
    client
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_chitty"))
        .args(plain(&link, "ada"))
        .env("HOME", world.folder())
        .env("CHITTY_LOG_DIR", world.logs())
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null());
    let output = run(client);
    if output.status.code() == Some(99) || errors(&output).contains("unshare failed") {
        eprintln!("not tried: this user cannot mount a small disk");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(said.contains("cannot remember the server in"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let left = fs::read_to_string(list).expect("listed");
    assert!(!left.contains(".key") && !left.contains(".new"), "{left}");
    let joined = world
        .log("server")
        .into_iter()
        .any(|line| line.call == "Join");
    assert!(!joined, "nothing was said to the server");
}

/// The server's key is made anew: everything stops, with the reason on the restored terminal.
#[test]
fn a_changed_key_stops_the_screen_until_it_is_trusted() {
    let world = World::new();
    let mut server = world.server(&[]);
    let address = server.address().to_owned();
    let old = server_key(&world);
    let link = link_to(&address, old);
    let mut ada = world.terminal(&[&link.reveal(), "--name", "ada"], &[]);
    ada.wait_for("Participant ada joined");
    ada.send("\u{1b}");
    assert_eq!(ada.wait(), 0);
    ada.wait_for(&format!("Come back by: chitty 'chitty://{address}/#"));
    let before = world.plain(&["key"]);
    let before = run(before).stdout;

    server.kill();
    fs::remove_file(world.data().join("server.key")).expect("there");
    let server = world.server_on(&address, &[]);
    let new = server_key(&world);
    assert_ne!(old, new);
    let mut ada = world.terminal(&[&by_address(&server), "--name", "ada"], &[]);
    assert_eq!(ada.wait(), 1, "{}", ada.screen());
    ada.wait_for(&format!("THE KEY OF {address} HAS CHANGED"));
    for part in [
        &old.to_string(),
        &new.to_string(),
        "Nothing was sent to it",
        "chitty trust",
    ] {
        ada.wait_for(part);
    }
    // The alternate screen was left, and so the text stays.
    let raw = String::from_utf8_lossy(&ada.raw()).into_owned();
    let (left, told) = (raw.rfind("\u{1b}[?1049l"), raw.find("WARNING"));
    assert!(left.is_some() && left < told, "{raw:?}");

    // Another fingerprint than the server's does not help, and the right one does.
    let wrong = chitty_chat::fingerprint::Fingerprint::of_public_key(b"wrong");
    for (key, works) in [(wrong, false), (new, true)] {
        let trusted = run(world.plain(&["trust", &address, &key.to_string()]));
        assert!(trusted.status.success(), "{}", errors(&trusted));
        let output = run(world.plain(&plain(&by_address(&server), "ada")));
        assert_eq!(output.status.success(), works, "{}", errors(&output));
    }
    assert_eq!(
        run(world.plain(&["key"])).stdout,
        before,
        "the device is the same"
    );
}

/// A key that changes while somebody is in the chat: what was not sent is told.
#[test]
fn a_key_that_changes_in_the_middle_leaves_no_line_unreported() {
    let world = World::new();
    let mut server = world.server(&[]);
    let address = server.address().to_owned();
    let link = link_to(&address, server_key(&world));
    let mut command = world.plain(&["--plain", "--name", "ada", &link.reveal()]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut client = command.spawn().expect("it starts");
    let mut lines = client.stdin.take().expect("piped");
    writeln!(lines, "before").expect("it reads");
    wait_until("the line is there", || {
        let log = world.log("server");
        let there = log.iter().any(|line| line.get("text") == Some("before"));
        there.then_some(()).ok_or(format!("{} lines", log.len()))
    });
    server.kill();
    fs::remove_file(world.data().join("server.key")).expect("there");
    writeln!(lines, "meanwhile").expect("it reads");
    let _server = world.server_on(&address, &[]);
    let output = client.wait_with_output().expect("it ends");
    drop(lines);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(said.contains("HAS CHANGED"), "{said}");
    let sent = world.log("server").into_iter();
    let mut sent = sent.filter(|line| line.call == "Publish" && line.step == "received");
    assert!(sent.all(|line| line.get("text") != Some("meanwhile")));
    assert!(said.contains("line 2 is not confirmed"), "{said}");
    assert!(!said.contains("close_notify"), "{said}");
}

#[test]
fn a_link_with_another_key_than_the_known_one_needs_a_yes() {
    let world = World::new();
    let known_key = chitty_chat::fingerprint::Fingerprint::of_public_key(b"known");
    let other = chitty_chat::fingerprint::Fingerprint::of_public_key(b"other");
    let trusted = run(world.plain(&["trust", "chat.invalid", &known_key.to_string()]));
    assert!(trusted.status.success(), "{}", errors(&trusted));
    let link = link_to("chat.invalid", other).reveal();
    // Without a terminal it is a refusal.
    let output = run(world.plain(&plain(&link, "ada")));
    assert_eq!(output.status.code(), Some(1));
    let said = errors(&output);
    assert!(
        said.contains("another key of chat.invalid than the one that is known"),
        "{said}"
    );
    for answer in ["no", "", "y"] {
        let mut ada = world.terminal(&[&link, "--name", "ada"], &[]);
        ada.wait_for("[yes/no]");
        ada.wait_for(&known_key.to_string());
        ada.say(answer);
        assert_eq!(ada.wait(), 1, "{answer}: {}", ada.screen());
    }
    assert!(everything_known(&world).contains(&known_key.to_string()));
}
