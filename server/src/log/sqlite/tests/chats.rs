//! Several chats in one file, and a file from before there could be several.

mod damage;

use std::{fs, path::Path};

use chitty_chat::secret::os_random;
use chitty_room::Fold;

use super::*;
use crate::{
    log::{ChatAppend, tests::ALL},
    replay::{recover, replay},
};

/// A file that version 0.1.0 wrote and closed, with the third schema: a chat with a cap of 20
/// events, in which positions 13 to 35 are left.
const THIRD_SCHEMA: &[u8] = include_bytes!("third_schema/chat.db");
/// Its mark.
const THIRD_SCHEMA_MARK: &[u8] = include_bytes!("third_schema/chat.db-mark");

const NAMES: [&str; 3] = ["", "dev", "ops"];

fn named(name: &str) -> ChatName {
    ChatName::parse(name).expect("a name")
}

fn serve(folder: &Path) -> Result<SqliteStore, String> {
    let data = DataDir::open(folder).map_err(|error| error.to_string())?;
    SqliteStore::serve::<Fold>(&data, &mut os_random).map_err(|error| error.to_string())
}

/// So many records of one of the chats, which differ from those of the others.
fn records_of(name: &str, count: u64) -> Vec<Record> {
    let mut records = records(count);
    for record in &mut records {
        if let EventKind::Message { text, .. } = &mut record.event.kind {
            *text = format!("{text} in {name}").into();
        }
    }
    records
}

/// Appends records up to so many to each chat, a few at once, with one commit for all chats.
async fn fill(store: &SqliteStore, counts: [u64; 3]) {
    let all: Vec<_> = NAMES
        .iter()
        .zip(counts)
        .map(|(name, count)| (named(name), records_of(name, count)))
        .collect();
    for (name, _) in &all {
        store.create(name, &mut os_random).await.expect("space");
    }
    loop {
        let next = all.iter().filter_map(|(chat, records)| {
            let after = store.log(chat).expect("there").extent().head;
            let start = usize::try_from(after.get()).expect("small");
            let batch: Batch = records[start..].iter().take(3).cloned().collect();
            let chat = chat.clone();
            (!batch.is_empty()).then_some(ChatAppend { chat, after, batch })
        });
        let appends: Vec<_> = next.collect();
        if appends.is_empty() {
            return;
        }
        store.append(appends).await.expect("appended");
    }
}

/// All that can be read of each chat, as it is served, by name.
async fn read_all(store: &SqliteStore) -> Result<Vec<(ChatName, Vec<Record>)>, String> {
    let mut all = Vec::new();
    for chat in Store::chats(store) {
        let log = store.log(&chat).expect("listed");
        let fold = replay(&*log).await.map_err(|error| error.to_string())?;
        assert_eq!(fold.head(), log.extent().head);
        let page = log.read(Position::ZERO, ALL).await;
        all.push((chat, page.map_err(|error| error.to_string())?));
    }
    Ok(all)
}

fn truth(counts: [u64; 3]) -> Vec<(ChatName, Vec<Record>)> {
    let chats = NAMES.iter().zip(counts);
    chats
        .map(|(name, count)| (named(name), records_of(name, count)))
        .collect()
}

/// The rows of the lobby's records, by whatever means they are stored.
fn rows(path: &Path) -> Vec<(i64, Vec<u8>, i64)> {
    let connection = Connection::open(path).expect("opened");
    let mut query = connection
        .prepare("SELECT position, record, checksum FROM records ORDER BY position")
        .expect("the table");
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let rows = rows.expect("the rows").map(|row| row.expect("a row"));
    rows.collect()
}

#[tokio::test]
async fn a_chat_of_the_third_schema_becomes_the_lobby_and_stays_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    fs::write(&path, THIRD_SCHEMA).expect("written");
    fs::write(beside(&path, "-mark"), THIRD_SCHEMA_MARK).expect("written");
    let before = check::<Fold>(&path).expect("in order");
    assert_eq!((before.schema, before.marked), (3, Marked::All));
    assert_eq!(
        (before.extent.first, before.extent.head, before.extent.base),
        (13.into(), 35.into(), 44.into())
    );
    assert_eq!(&*before.epoch, "25f38345769c75ae369853b59f5d8f52");
    let (old_rows, snapshot) = (rows(&path), {
        let connection = Connection::open(&path).expect("opened");
        let chat = chat_row::raw_snapshot(&connection, 3, ChatNumber::LOBBY);
        chat.expect("read").expect("one was kept")
    });

    let store = serve(folder.path()).expect("migrated");
    assert_eq!(Store::chats(&store), [ChatName::LOBBY]);
    let lobby = store.lobby();
    assert_eq!(
        (lobby.epoch(), lobby.extent()),
        (before.epoch, before.extent)
    );
    assert_eq!(lobby.snapshot().await.expect("whole"), Some(snapshot));
    let fold = replay(&*lobby).await.expect("in order");
    assert_eq!((fold.head(), fold.now()), (35.into(), before.lamport));
    let page = lobby.read(20.into(), ALL).await.expect("readable");
    assert_eq!(page[0].event.position, 21.into());
    drop((store, lobby));
    // The positions, the bytes and the checksums of the records, too.
    assert_eq!(rows(&path), old_rows);
    let after = check::<Fold>(&path).expect("in order");
    assert_eq!((after.schema, after.marked), (4, Marked::All));
    assert_eq!(
        (after.extent, after.lamport),
        (before.extent, before.lamport)
    );

    // It goes on, and gets company.
    let store = serve(folder.path()).expect("the same");
    let mut fold = replay(&*store.lobby()).await.expect("in order");
    let next = Record {
        event: Event {
            position: 36.into(),
            lamport: fold.next_time(1.into()),
            kind: EventKind::Unknown,
            ..records(1)[0].event.clone()
        },
        ..records(2)[1].clone()
    };
    fold.apply(&next).expect("by the rules");
    store
        .create(&named("dev"), &mut os_random)
        .await
        .expect("space");
    let appends = [
        (ChatName::LOBBY, 35, vec![next]),
        (named("dev"), 0, records(5)),
    ];
    let appends = appends.map(|(chat, after, records)| ChatAppend {
        chat,
        after: after.into(),
        batch: records.into(),
    });
    store.append(appends.into()).await.expect("appended");
    drop(store);
    let summary = check::<Fold>(&path).expect("in order");
    assert_eq!(summary.extent.head, 36.into());
    assert_eq!(summary.others[0].extent.head, 5.into());
    assert_eq!(rows(&path)[..old_rows.len()], old_rows);
}

#[tokio::test]
async fn a_killed_server_of_the_third_schema_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, path) = (folder.path().join("old.db"), folder.path().join("chat.db"));
    fs::write(&old, THIRD_SCHEMA).expect("written");
    let connection = Connection::open(&old).expect("opened");
    schema::configure(&connection).expect("in WAL mode");
    let last = chat_row::ChatRow::read(&connection, 3, ChatNumber::LOBBY).expect("a row");
    let before = rows::last(&connection, ChatNumber::LOBBY).expect("read");
    assert_eq!((before, last.0.name), (Some(35.into()), ChatName::LOBBY));
    // The event of position 36, which is in the write-ahead log only.
    let mut fold = {
        let snapshot = chat_row::raw_snapshot(&connection, 3, ChatNumber::LOBBY).expect("read");
        Fold::decode(&snapshot.expect("one was kept")).expect("whole")
    };
    let mut chain = 0;
    for (position, record, checksum) in rows(&old) {
        let record = Record::decode(&record).expect("a record");
        if rows::position(position) > fold.head() {
            fold.apply(&record).expect("by the rules");
        }
        chain = checksum::Checksum::unpack(checksum).chain;
    }
    let mut next = records(2).remove(1);
    next.event.position = 36.into();
    next.event.kind = EventKind::Unknown;
    next.event.lamport = fold.next_time(1.into());
    let bytes = next.encode();
    let checksum = checksum::Checksum::of(chain, Position::new(36), &bytes);
    connection
        .execute(
            "INSERT INTO records VALUES (36, ?1, ?2)",
            rusqlite::params![bytes, checksum.pack()],
        )
        .expect("appended");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&old, suffix), beside(&path, suffix)).expect("copied");
    }
    let log = SqliteLog::open::<Fold>(&path, &mut os_random).expect("migrated");
    assert_eq!(log.extent().head, 36.into());
    let page = log.read(35.into(), ALL).await.expect("readable");
    assert_eq!(page, [next]);
}

#[tokio::test]
async fn chats_are_there_after_reopening_each_with_what_it_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let counts = [40, 25, 7];
    let store = serve(folder.path()).expect("new");
    fill(&store, counts).await;
    let dev = store.log(&named("dev")).expect("there");
    let snapshot = replay(&*dev).await.expect("in order").encode();
    dev.keep_snapshot(25.into(), Box::new(|| snapshot))
        .await
        .expect("kept");
    dev.trim(Keep::Events(10), 25.into())
        .await
        .expect("trimmed");
    let extents = |store: &SqliteStore| {
        let logs = NAMES.map(|name| store.log(&named(name)).expect("there"));
        logs.map(|log| (log.epoch(), log.extent()))
    };
    let before = extents(&store);
    drop((store, dev));
    let summary = check::<Fold>(&folder.path().join("chat.db")).expect("in order");
    let others: Vec<_> = summary.others.iter().map(|chat| &chat.name).collect();
    assert_eq!(others, [&named("dev"), &named("ops")]);
    assert_eq!(summary.others[0].extent, before[1].1);
    assert!(summary.others.iter().all(|chat| chat.marked == Marked::All));
    assert_eq!(names(folder.path()), ["chat.db", "chat.db-mark", "lock"]);

    let store = serve(folder.path()).expect("the same");
    assert_eq!(extents(&store), before);
    let mut expected = truth(counts);
    expected[1].1.drain(..15);
    assert_eq!(read_all(&store).await, Ok(expected));
    // It goes on in each of them.
    fill(&store, [41, 27, 10]).await;
    assert_eq!(
        read_all(&store).await.expect("readable")[2],
        truth([41, 27, 10])[2]
    );
}

#[tokio::test]
async fn a_backup_has_all_chats_and_begins_another_life_of_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let (live, copy) = (folder.path().join("live"), folder.path().join("copy.db"));
    let counts = [40, 25, 7];
    let store = serve(&live).expect("new");
    fill(&store, counts).await;
    backup::<Fold>(&live.join("chat.db"), &copy, &mut os_random).expect("copied");
    let summary = check::<Fold>(&copy).expect("in order");
    assert_eq!((summary.backup, summary.others.len()), (true, 2));
    // In the place of the chat, whose marks are there and further on.
    fill(&store, [44, 29, 11]).await;
    let epochs =
        |store: &SqliteStore| NAMES.map(|name| store.log(&named(name)).expect("it").epoch());
    let before = epochs(&store);
    drop(store);
    fs::copy(&copy, live.join("chat.db")).expect("copied");
    let store = serve(&live).expect("another life");
    assert_eq!(read_all(&store).await, Ok(truth(counts)));
    let after = epochs(&store);
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(before, after)| before != after)
    );
    drop(store);
    let again = serve(&live).expect("the same life");
    assert_eq!(epochs(&again), after);
    drop(again);
    let summary = check::<Fold>(&live.join("chat.db")).expect("in order");
    assert!(!summary.backup && summary.others.iter().all(|chat| chat.marked == Marked::All));
}

#[tokio::test]
async fn a_commit_of_several_chats_is_all_there_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    fill(&store, [4, 4, 4]).await;
    let stale = |chat: &str, after: u64| ChatAppend {
        chat: named(chat),
        after: after.into(),
        batch: records_of(chat, 6)[4..].into(),
    };
    let conflict = store.append(vec![stale("", 4), stale("dev", 3)]).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { tail }) if tail == 4.into()));
    assert_eq!(read_all(&store).await, Ok(truth([4, 4, 4])));
    // No file can hold the second chat's record, which is found after the first one's was written.
    let mut far = records(1);
    far[0].event.position = (1 << 40).into();
    let far = ChatAppend {
        batch: far.into(),
        ..stale("dev", 4)
    };
    let failed = store.append(vec![stale("", 4), far]).await;
    let failed = failed.expect_err("too far").to_string();
    assert!(failed.contains("greater than any"), "{failed}");
    let lobby = store.lobby();
    assert_eq!(lobby.extent().head, 4.into());
    assert_eq!(lobby.read(4.into(), ALL).await.expect("readable"), []);
    drop((store, lobby));
    let store = serve(folder.path()).expect("in order");
    assert_eq!(read_all(&store).await, Ok(truth([4, 4, 4])));
}

/// Commits in a write-ahead log: the frames that say how long the file is afterwards
/// (<https://www.sqlite.org/fileformat2.html#walformat>).
fn commits(folder: &Path) -> usize {
    let log = fs::read(folder.join("chat.db-wal")).expect("there");
    let frames = log[32..].chunks_exact(24 + 4096);
    let salts = &log[16..24];
    frames
        .filter(|frame| &frame[8..16] == salts && frame[4..8] != [0; 4])
        .count()
}

/// Each commit is one sync of the write-ahead log, so that this is what ten busy chats cost.
#[tokio::test]
async fn a_batch_of_ten_chats_is_one_commit_as_a_batch_of_one_is() {
    const CHATS: u64 = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    for number in 1..CHATS {
        let name = named(&format!("chat{number}"));
        store.create(&name, &mut os_random).await.expect("space");
    }
    let chats = Store::chats(&store);
    let mut counted = Vec::new();
    for (busy, from, to) in [(1, 0, 20), (10, 0, 20), (10, 20, 40)] {
        let before = commits(folder.path());
        for position in from..to {
            let appends = chats.iter().rev().take(busy).map(|chat| {
                let after = store.log(chat).expect("there").extent().head;
                let all = records(100);
                let next = usize::try_from(after.get()).expect("small");
                let batch = all[next..=next].into();
                let chat = chat.clone();
                ChatAppend { chat, after, batch }
            });
            let appended = store.append(appends.collect()).await;
            appended.unwrap_or_else(|error| panic!("{position}: {error}"));
        }
        counted.push(commits(folder.path()) - before);
    }
    assert_eq!(counted, [20, 20, 20]);
}

#[tokio::test]
async fn all_of_several_chats_is_rescued_chat_by_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let counts = [40, 250, 30];
    let store = serve(&folder.path().join("data")).expect("new");
    fill(&store, counts).await;
    drop(store);
    let path = folder.path().join("data/chat.db");
    let target = folder.path().join("new.db");
    let connection = Connection::open(&path).expect("opened");
    let dev = ChatNumber::LOBBY.next().expect("a number");
    let key = |position: u64| dev.key(position.into()).expect("a key").column();
    connection
        .execute(
            "UPDATE records SET record = x'00' WHERE position = ?1",
            [key(99)],
        )
        .expect("changed");
    // The name of #ops is lost with its row.
    connection
        .execute("UPDATE chat SET name = 'oops' WHERE number = 2", [])
        .expect("changed");
    drop(connection);
    let said = check::<Fold>(&path).expect_err("damaged").to_string();
    assert!(said.contains("in #dev: position 99"), "{said}");
    assert!(said.contains("in #oops: its epoch"), "{said}");
    let recovered = recover(&path, &target, &mut os_random).expect("something");
    assert_eq!((recovered.kept, recovered.filled.len()), (40, 0));
    let found: Vec<_> = recovered
        .others
        .iter()
        .map(|(name, chat)| (name.as_str(), chat.kept, chat.filled.clone()))
        .collect();
    let hole = vec![(99.into(), 99.into())];
    assert_eq!(found, [("dev", 249, hole), ("recovered-2", 30, vec![])]);
    let store = SqliteStore::open::<Fold>(&target, &mut os_random).expect("in order");
    let all = read_all(&store).await.expect("readable");
    let expected = truth(counts);
    assert_eq!(all[0], expected[0]);
    assert_eq!(all[1].1.len(), 250);
    assert_eq!(all[1].1[99..], expected[1].1[99..]);
    assert_eq!(
        (all[2].0.as_str(), &all[2].1),
        ("recovered-2", &expected[2].1)
    );
}
