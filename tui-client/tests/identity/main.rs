//! Servers that are known by their keys, and devices that servers know by theirs: real processes,
//! real files, and somebody in between.

mod commands;
mod join;
mod middle;
mod pinned;
mod socket;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use chitty_chat::{
    fingerprint::Fingerprint,
    link::{ChatLink, LinkSecret},
    secret::os_random,
};
use chitty_server::key::ServerKey;
use chitty_testing::terminal::{ServerProcess, World};

/// The fingerprint of the key of the server in this world's data folder.
fn server_key(world: &World) -> Fingerprint {
    let key = ServerKey::load(&world.data()).expect("readable");
    key.expect("the server has made one").fingerprint()
}

/// A link to an address, for this key.
fn link_to(address: &str, key: Fingerprint) -> ChatLink {
    ChatLink {
        address: address.parse().expect("an address"),
        pin: key.pin(),
        secret: None,
    }
}

fn invitation_to(address: &str, key: Fingerprint) -> ChatLink {
    ChatLink {
        secret: Some(LinkSecret::random(&mut os_random)),
        ..link_to(address, key)
    }
}

/// The same server by its address only, which must be known.
fn by_address(server: &ServerProcess) -> String {
    format!("chitty://{}", server.address())
}

/// The options of a client that sends what it reads, and gives up at once.
fn plain<'a>(server: &'a str, name: &'a str) -> [&'a str; 6] {
    ["--plain", "--wait", "0", "--name", name, server]
}

/// Runs a plain client that has nothing to send.
fn run(mut command: Command) -> Output {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("it starts")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The folder of what a client in this world knows.
fn known(world: &World) -> PathBuf {
    world.path(".local/share/chitty-chat")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").mode() & 0o7777
}

/// Every file in the client's folders, the log files included.
fn everything_written(world: &World) -> String {
    let mut text = String::new();
    let mut folders = vec![known(world), world.logs()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("ours") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("ours");
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    text
}
