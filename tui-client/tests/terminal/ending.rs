//! The end of a client that is asked to end, of its log, and of the server that it started.

use chitty_chat::logging::Line;
use chitty_testing::terminal::{World, signal, wait_until};

use crate::{free_address, leaves};

/// Checks that its log ends with its leaving: the reply, and its own Left as the last broadcast.
fn ends_with_its_leaving(log: &[Line]) {
    let last = |call: &str, step: &str| {
        let found = log
            .iter()
            .rposition(|line| (&*line.call, &*line.step) == (call, step));
        found.unwrap_or_else(|| panic!("no {call} {step} in {log:#?}"))
    };
    let replied = last("Leave", "replied");
    assert!(last("Leave", "sent") < replied, "{log:#?}");
    assert!(last("Publish", "replied") < replied, "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.call == "Leave").count(), 2);
}

#[test]
fn a_client_that_is_told_to_end_leaves_and_its_log_is_complete() {
    let world = World::new();
    let server = world.server(&["--grace", "600"]);
    let ada = world.client(&server.url, &["--name", "ada"]);
    for (name, told) in [("bob", "TERM"), ("eve", "HUP")] {
        let mut client = world.client(&server.url, &["--name", name]);
        client.wait_for(&format!("Participant {name} joined"));
        client.say(&format!("the words of {name}"));
        ada.wait_for(&format!("the words of {name}"));
        client.wait_for(&format!("the words of {name}"));
        signal(client.process(), told);
        client.wait();
        // Long before its grace is over.
        ada.wait_for(&format!("Participant {name} left Chitty-Chat"));
        ends_with_its_leaving(&world.log(name));
    }
}

#[test]
fn a_server_of_ones_own_ends_after_a_client_that_was_told_to_end() {
    let world = World::new();
    let address = free_address();
    let arguments = ["--name", "ada", "--idle-exit", "1"];
    let mut ada = world.local_client(&address, &arguments);
    ada.wait_for("Participant ada joined");
    ada.say("keep this");
    ada.wait_for("keep this");
    signal(ada.process(), "TERM");
    ada.wait();
    wait_until("its server ends, and its log says why", || {
        let log = world.log("server");
        match log.last() {
            Some(line) if line.step == "stopped" && line.get("reason") == Some("idle") => Ok(()),
            last => Err(format!("{last:?}")),
        }
    });
    // The folder is free again, and no message was lost.
    let mut eve = world.local_client(&address, &["--name", "eve", "--idle-exit", "1"]);
    eve.wait_for("keep this");
    eve.wait_for("Participant eve joined");
    eve.say("/quit");
    leaves(eve);
}
