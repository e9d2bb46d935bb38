use std::{cell::Cell, path::Path};

use jiff::civil::date;

use super::*;

fn trust_in(folder: &Path) -> Trust {
    Trust {
        folder: folder.join("chitty-chat"),
        key: None,
        today: || date(2026, 11, 26),
        random: |bytes| {
            thread_local! {
                static NEXT: Cell<u8> = const { Cell::new(0) };
            }
            NEXT.set(NEXT.get() + 1);
            bytes.fill(NEXT.get());
        },
    }
}

fn key(of: &str) -> Fingerprint {
    Fingerprint::of_public_key(of.as_bytes())
}

fn at(address: &str) -> SecureServer {
    SecureServer {
        address: address.parse().expect("an address"),
        pin: None,
        replaces: false,
    }
}

fn by_link(address: &str, of: &str) -> SecureServer {
    SecureServer {
        pin: Some(key(of).pin()),
        ..at(address)
    }
}

/// Connects to a server that has this key. Returns the key that this device showed.
fn enter(trust: &Trust, server: &SecureServer, of: &str) -> Fingerprint {
    let terms = trust.terms(server).expect("allowed");
    assert!(terms.expected.accepts(key(of)), "{:?}", terms.expected);
    trust.confirm(server, &terms, key(of)).expect("remembered");
    terms.device.fingerprint()
}

fn lines(trust: &Trust) -> Vec<String> {
    let known = trust.known().expect("readable");
    known.all().map(ToString::to_string).collect()
}

#[test]
fn an_unknown_server_is_refused_without_a_link() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let error = trust
        .terms(&at("chat.example.org"))
        .expect_err("unknown")
        .to_string();
    assert!(error.contains("one without a secret will do"), "{error}");
    assert!(!error.contains("--help"), "{error}");
    let error = trust.terms(&at("sreve")).expect_err("unknown").to_string();
    assert!(error.contains("chitty --help"), "{error}");
    assert!(!trust.folder.exists(), "nothing is written");
}

#[test]
fn a_link_makes_a_server_known_and_a_key_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let link = by_link("chat.example.org", "a");
    let terms = trust.terms(&link).expect("allowed");
    assert!(!terms.expected.accepts(key("b")));
    assert!(
        !trust.folder.exists(),
        "nothing is written before the server has proved its key"
    );
    let shown = enter(&trust, &link, "a");
    let known = lines(&trust);
    assert_eq!(known.len(), 1);
    assert!(known[0].ends_with(" since=2026-11-26"), "{known:?}");
    // By its address, and by the link again, it is the same device.
    assert_eq!(enter(&trust, &at("chat.example.org"), "a"), shown);
    assert_eq!(enter(&trust, &link, "a"), shown);
    assert_eq!(lines(&trust), known);
    // Another server knows the device by another key.
    assert_ne!(
        enter(&trust, &by_link("other.example.org", "b"), "b"),
        shown
    );
    trust
        .entered(&at("chat.example.org"), "ada (desktop)")
        .expect("written");
    let name = trust.name_at(&at("chat.example.org"));
    assert_eq!(name.as_deref(), Some("ada (desktop)"));
}

#[test]
fn a_known_server_must_show_its_whole_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    enter(&trust, &by_link("chat.example.org", "a"), "a");
    let mut same_pin = *key("a").as_bytes();
    same_pin[31] ^= 1;
    let same_pin = Fingerprint::from_bytes(same_pin);
    for server in [at("chat.example.org"), by_link("chat.example.org", "a")] {
        let terms = trust.terms(&server).expect("known");
        assert!(!terms.expected.accepts(same_pin), "{server:?}");
    }
}

#[test]
fn a_link_with_another_pin_is_refused_until_the_user_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let device = enter(&trust, &by_link("chat.example.org", "a"), "a");
    enter(&trust, &by_link("mirror.example.org", "a"), "a");
    let other = by_link("chat.example.org", "b");
    let error = trust.terms(&other).expect_err("another key").to_string();
    assert!(error.contains("since 2026-11-26"), "{error}");
    // The key of another known server is no better.
    enter(&trust, &by_link("else.example.org", "c"), "c");
    let swapped = by_link("chat.example.org", "c");
    assert!(matches!(
        trust.terms(&swapped),
        Err(Refusal::OtherPin { .. })
    ));
    let agreed = SecureServer {
        replaces: true,
        ..other
    };
    assert_eq!(
        enter(&trust, &agreed, "b"),
        device,
        "the key of this device stays"
    );
    // At its other address, too.
    assert_eq!(enter(&trust, &at("mirror.example.org"), "b"), device);
}

#[test]
fn one_key_serves_all_addresses_of_a_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let device = enter(&trust, &by_link("chat.example.org", "a"), "a");
    trust
        .entered(&at("chat.example.org"), "ada")
        .expect("written");
    assert_eq!(enter(&trust, &by_link("192.0.2.1:443", "a"), "a"), device);
    assert_eq!(trust.name_at(&at("192.0.2.1:443")).as_deref(), Some("ada"));
    assert_eq!(lines(&trust).len(), 2);
}

#[test]
fn tunnels_to_several_servers_may_end_at_one_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let a = enter(&trust, &by_link("localhost", "a"), "a");
    assert_eq!(enter(&trust, &at("localhost"), "a"), a);
    let b = enter(&trust, &by_link("localhost", "b"), "b");
    assert_ne!(a, b);
    assert_eq!(enter(&trust, &by_link("localhost", "a"), "a"), a);
    let error = trust.terms(&at("localhost")).expect_err("two").to_string();
    assert!(error.contains("chitty://"), "{error}");
    let address = at("localhost").address;
    let added = trust.trust(&address, key("c")).expect("written");
    assert_eq!(added, Trusted::Added, "none of the two is replaced");
    assert_eq!(lines(&trust).len(), 3);
}

#[test]
fn a_new_pin_leaves_the_key_of_this_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let device = enter(&trust, &by_link("chat.example.org", "a"), "a");
    let address = at("chat.example.org").address;
    assert_eq!(
        trust.trust(&address, key("a")).expect("written"),
        Trusted::Already
    );
    let replaced = trust.trust(&address, key("b")).expect("written");
    assert_eq!(replaced, Trusted::Replaced(key("a")));
    let terms = trust.terms(&at("chat.example.org")).expect("known");
    assert!(!terms.expected.accepts(key("a")));
    assert_eq!(enter(&trust, &at("chat.example.org"), "b"), device);
    // A server that was never seen gets its key at the first connection.
    let new = at("new.example.org").address;
    assert_eq!(
        trust.trust(&new, key("c")).expect("written"),
        Trusted::Added
    );
    let first = enter(&trust, &at("new.example.org"), "c");
    assert_eq!(enter(&trust, &at("new.example.org"), "c"), first);
}

#[test]
fn the_file_that_the_user_names_has_the_key_for_every_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = Trust {
        key: Some(folder.path().join("bot.key")),
        ..trust_in(folder.path())
    };
    let device = enter(&trust, &by_link("chat.example.org", "a"), "a");
    assert_eq!(
        enter(&trust, &by_link("other.example.org", "b"), "b"),
        device
    );
    assert!(!trust.folder.join(KEYS).exists());
    assert!(lines(&trust).iter().all(|line| !line.contains("key=")));
}

#[test]
fn a_key_that_is_gone_is_not_replaced_silently() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    enter(&trust, &by_link("chat.example.org", "a"), "a");
    std::fs::remove_dir_all(trust.folder.join(KEYS)).expect("ours");
    let error = trust
        .terms(&at("chat.example.org"))
        .expect_err("gone")
        .to_string();
    assert!(error.contains("is gone"), "{error}");
}

#[test]
fn of_two_clients_that_come_first_one_gives_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let trust = trust_in(folder.path());
    let link = by_link("chat.example.org", "a");
    let (one, other) = (
        trust.terms(&link).expect("allowed"),
        trust.terms(&link).expect("allowed"),
    );
    trust.confirm(&link, &one, key("a")).expect("remembered");
    let late = trust.confirm(&link, &other, key("a"));
    assert!(matches!(late, Err(Refusal::Raced)), "{late:?}");
    let keys = std::fs::read_dir(trust.folder.join(KEYS))
        .expect("ours")
        .count();
    assert_eq!(keys, 1, "the key that no server knows is removed");
    assert_eq!(enter(&trust, &link, "a"), one.device.fingerprint());
}
