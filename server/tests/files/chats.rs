//! A file that holds several chats, and one from before there could be several.

use std::time::UNIX_EPOCH;

use chitty_chat::{Event, EventKind, secret::os_random, text::ChatName};
use chitty_room::{Fold, record::Record};
use chitty_server::log::{SqliteStore, Store as _};

use super::*;

/// Creates a chat beside the lobby that a server has left, with so many events that have no kind. It
/// takes no lock on the folder, which a process that another test starts would have for a moment, too.
async fn add_chat(folder: &Path, name: &str, count: u64) {
    let file = folder.join("data/chat.db");
    let store = SqliteStore::open::<Fold>(&file, &mut os_random).expect("in order");
    let name = ChatName::parse(name).expect("a name");
    let log = store.create(&name, &mut os_random).await.expect("space");
    let records = (1..=count).map(|position| Record {
        event: Event {
            position: position.into(),
            lamport: position.into(),
            at: UNIX_EPOCH,
            request: 0.into(),
            kind: EventKind::Unknown,
        },
        session: None,
        generation: 0,
        private: None,
    });
    let appended = log.append(0.into(), records.collect()).await;
    appended.expect("appended");
}

/// The part of a command's output that is about this chat.
fn part_of<'a>(output: &'a str, chat: &str) -> &'a str {
    let (_, part) = output.split_once(&format!("  {chat}\n")).expect("listed");
    part.split_once("\n  #").map_or(part, |(part, _)| part)
}

#[tokio::test]
async fn a_server_serves_the_lobby_and_keeps_the_other_chats() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name| path(folder.path(), name);
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    server.end().await;
    add_chat(folder.path(), "dev", 50).await;
    add_chat(folder.path(), "ops", 7).await;

    let (mut server, mut client, again) = start(folder.path()).await;
    assert_eq!(again, epoch);
    publish(&mut client, 3..6).await;
    assert_eq!(lines(&mut client).await, numbered(0..6));
    let live = succeeds(&["check", "--data", &path("data")]);
    backup(folder.path());
    server.end().await;
    assert_eq!(said(folder.path()), "");
    succeeds(&["recover", &path("data"), "--to", &path("new.db")]);
    let recovered = succeeds(&["recover", &path("data"), "--to", &path("again.db")]);
    for checked in [
        live,
        succeeds(&["check", "--data", &path("data")]),
        succeeds(&["check", &path("backup.db")]),
        succeeds(&["check", &path("new.db")]),
    ] {
        let (lobby, _) = checked.split_once("  #dev\n").expect("listed");
        assert!(lobby.contains("  schema:    4"), "{checked}");
        let dev = part_of(&checked, "#dev");
        assert!(dev.contains("  positions: 1 to 50\n"), "{checked}");
        assert!(dev.contains("  time:      50\n"), "{checked}");
        let ops = part_of(&checked, "#ops");
        assert!(ops.contains("  positions: 1 to 7\n"), "{checked}");
        assert!(!checked.contains("mark:"), "{checked}");
    }
    let dev = part_of(&recovered, "#dev");
    assert!(dev.contains("  whole:     50 events\n"), "{recovered}");
    assert!(dev.contains("  lost:      0 events"), "{recovered}");
}

#[tokio::test]
async fn an_end_that_is_missing_in_another_chat_is_missed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut server, ..) = start(folder.path()).await;
    server.end().await;
    add_chat(folder.path(), "dev", 5).await;
    shell(folder.path(), "cp data/chat.db old.db");
    add_chat(folder.path(), "ops", 7).await;
    shell(folder.path(), "cp old.db data/chat.db");
    let error = refused(folder.path());
    assert!(error.contains("chat number 2 is missing"), "{error}");
    assert!(error.contains("everything up to 7 was"), "{error}");
}

/// What version 0.1.0 left is served as the lobby.
#[tokio::test]
async fn a_chat_from_before_there_were_several_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    let chat = include_bytes!("../../src/log/sqlite/tests/third_schema/chat.db");
    let mark = include_bytes!("../../src/log/sqlite/tests/third_schema/chat.db-mark");
    fs::write(data.join("chat.db"), chat).expect("written");
    fs::write(data.join("chat.db-mark"), mark).expect("written");
    let (mut server, mut client, epoch) = start(folder.path()).await;
    assert_eq!(epoch, "25f38345769c75ae369853b59f5d8f52");
    publish(&mut client, 0..2).await;
    let found = lines(&mut client).await;
    assert_eq!(found[0], "line 12, before the chats");
    let newest = ["after the trim", "line 0", "line 1"];
    assert_eq!(found[found.len() - 3..], newest);
    server.end().await;
    assert_eq!(said(folder.path()), "");
    let checked = succeeds(&["check", "--data", &path(folder.path(), "data")]);
    // The Joined and two lines.
    assert!(checked.contains("positions: 13 to 38\n"), "{checked}");
}
