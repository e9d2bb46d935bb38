//! Damage to any of several chats in one file is found, and so is a missing end of any of them.

use super::*;

const COUNTS: [u64; 3] = [31, 22, 13];

/// What the files hold: their names and their bytes.
type Files = Vec<(&'static str, Vec<u8>)>;

fn files_of(folder: &Path) -> Files {
    ["chat.db", "chat.db-wal", "chat.db-mark"]
        .into_iter()
        .filter_map(|name| Some((name, fs::read(folder.join(name)).ok()?)))
        .collect()
}

fn write(folder: &Path, files: &Files) {
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("written");
    }
}

/// Flips bits of this file, so many, spread over all of it. Each is found, or everything is read as it
/// was written. Returns how many were found.
async fn flip(files: &Files, name: &str, count: usize) -> usize {
    let index = files.iter().position(|(file, _)| *file == name);
    let index = index.expect("one of them");
    let length = files[index].1.len();
    let mut found = 0;
    for number in 0..count {
        let mut flipped = files.clone();
        let byte = number * length / count;
        flipped[index].1[byte] ^= 1 << (number % 8);
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &flipped);
        let check = check::<Fold>(&folder.path().join("chat.db"));
        let read = match serve(folder.path()) {
            Ok(store) => read_all(&store).await,
            Err(error) => Err(error),
        };
        match read {
            Ok(all) => assert_eq!(all, truth(COUNTS), "{name} {byte}: served otherwise"),
            Err(error) => {
                assert!(check.is_err(), "{name} {byte}: check is silent: {error}");
                found += 1;
            }
        }
    }
    found
}

#[tokio::test]
async fn a_flipped_bit_of_closed_chats_is_found_or_never_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    fill(&store, COUNTS).await;
    drop(store);
    let files = files_of(folder.path());
    let found = flip(&files, "chat.db", 300).await;
    assert!(found > 75, "most of the file means something: {found}");
}

#[tokio::test]
async fn a_flipped_bit_of_chats_that_a_killed_server_left_is_found_or_never_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    fill(&store, COUNTS).await;
    let files = files_of(folder.path());
    assert_eq!(files.len(), 3);
    let found = flip(&files, "chat.db-wal", 100).await;
    assert_eq!(found, 100, "no end of any chat may be missing");
    // The mark may be damaged: what it was for is there.
    assert_eq!(flip(&files, "chat.db-mark", 60).await, 0);
}

/// What is wrong after this change to the rows, for a check and at a start.
async fn problems_after(change: &str) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    fill(&store, COUNTS).await;
    drop(store);
    let path = folder.path().join("chat.db");
    let connection = Connection::open(&path).expect("opened");
    connection.execute_batch(change).expect("changed");
    drop(connection);
    let checked = check::<Fold>(&path).err();
    let started = serve(folder.path()).err();
    (
        checked.map(|error| error.to_string()).unwrap_or_default(),
        started.unwrap_or_default(),
    )
}

#[tokio::test]
async fn what_is_wrong_is_said_of_the_chat_that_has_it() {
    // Chat 1 is #dev, and chat 2 is #ops.
    for (change, problem) in [
        (
            "UPDATE records SET record = x'0aff' WHERE position = (1 << 40) + 7",
            "in #dev: position 7",
        ),
        (
            "DELETE FROM records WHERE position = (1 << 40) + 7",
            "in #dev: the log has position 8 where 7 follows",
        ),
        (
            "DELETE FROM records WHERE position = 7",
            "the log has position 8 where 7 follows",
        ),
        // The end of each chat, and all of it.
        (
            "DELETE FROM records WHERE position = 31",
            "it ends at position 30, but everything up to 31 was acknowledged",
        ),
        (
            "DELETE FROM records WHERE position = (1 << 40) + 22",
            "in #dev: it ends at position 21, but everything up to 22 was acknowledged",
        ),
        (
            "DELETE FROM records WHERE position > 2 << 40",
            "in #ops: it ends at position 0, but everything up to 13 was acknowledged",
        ),
        // The same record in another chat.
        (
            "UPDATE records SET
                 record = (SELECT record FROM records WHERE position = 9),
                 checksum = (SELECT checksum FROM records WHERE position = 9)
             WHERE position = (1 << 40) + 9",
            "in #dev: position 9: the checksum is wrong",
        ),
        // A chat that is not listed, and one that is gone.
        (
            "DELETE FROM chat WHERE number = 1",
            "records of chat number 1, which is not in its list",
        ),
        (
            "DELETE FROM chat WHERE number = 2; DELETE FROM records WHERE position > 2 << 40",
            "chat number 2 is missing, of which everything up to 13 was acknowledged",
        ),
        (
            "INSERT INTO records SELECT position + (3 << 40), record, checksum FROM records
             WHERE position = 1",
            "records of chat number 3",
        ),
        (
            "UPDATE chat SET name = 'other' WHERE number = 1",
            "in #other: its epoch, its first position or its flags are damaged",
        ),
        ("UPDATE chat SET name = 'x' WHERE number = 0", "are damaged"),
        ("UPDATE chat SET number = 7 WHERE number = 2", "are damaged"),
        (
            "UPDATE chat SET first = 2 WHERE number = 2",
            "in #ops: its epoch, its first position or its flags are damaged",
        ),
    ] {
        let (checked, started) = problems_after(change).await;
        assert!(checked.contains(problem), "{change}: {checked}");
        assert!(started.contains(problem), "{change}: {started}");
    }
}

/// A chat that was copied when it had another neighbour, or none.
#[tokio::test]
async fn an_older_copy_of_the_file_is_not_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let store = serve(folder.path()).expect("new");
    store
        .create(&named("dev"), &mut os_random)
        .await
        .expect("it");
    drop(store);
    let old = fs::read(&path).expect("readable");
    // Only a chat is created, and nothing is written to it.
    let store = serve(folder.path()).expect("the same");
    store
        .create(&named("ops"), &mut os_random)
        .await
        .expect("it");
    drop(store);
    let with_ops = fs::read(&path).expect("readable");
    fs::write(&path, &old).expect("written");
    let error = serve(folder.path()).err().expect("not complete");
    assert!(error.contains("chat number 2 is missing"), "{error}");
    check::<Fold>(&path).expect_err("not complete");
    // Only one chat goes on.
    fs::write(&path, &with_ops).expect("written");
    let store = serve(folder.path()).expect("complete");
    fill(&store, [0, 4, 0]).await;
    drop(store);
    fs::write(&path, &with_ops).expect("written");
    let error = serve(folder.path()).err().expect("not complete");
    assert!(error.contains("in #dev: it ends at position 0"), "{error}");
}

#[tokio::test]
async fn a_mark_that_is_older_or_lost_raises_no_alarm() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let mark = beside(&path, "-mark");
    let store = serve(folder.path()).expect("new");
    fill(&store, [4, 4, 4]).await;
    let older = fs::read(&mark).expect("readable");
    fill(&store, COUNTS).await;
    drop(store);
    for (bytes, marked) in [
        (Some(&older[..]), [Marked::UpTo(4.into()); 3]),
        // As if it was not yet allocated for #ops.
        (
            Some(&older[..2 * 8192]),
            [
                Marked::UpTo(4.into()),
                Marked::UpTo(4.into()),
                Marked::Nothing,
            ],
        ),
        (None, [Marked::Nothing; 3]),
    ] {
        match bytes {
            Some(bytes) => fs::write(&mark, bytes).expect("written"),
            None => fs::remove_file(&mark).expect("there"),
        }
        let summary = check::<Fold>(&path).expect("in order");
        let found = [
            summary.marked,
            summary.others[0].marked,
            summary.others[1].marked,
        ];
        assert_eq!(found, marked);
        let store = serve(folder.path()).expect("in order");
        assert_eq!(read_all(&store).await, Ok(truth(COUNTS)));
        drop(store);
        let summary = check::<Fold>(&path).expect("in order");
        assert_eq!(summary.others[1].marked, Marked::All, "it was made anew");
    }
}

#[tokio::test]
async fn the_write_ahead_log_of_another_file_with_the_same_chats_is_put_aside() {
    let parent = tempfile::tempdir().expect("a folder");
    let (one, other) = (parent.path().join("one"), parent.path().join("other"));
    let store = serve(&one).expect("new");
    fill(&store, COUNTS).await;
    drop(store);
    let killed = serve(&other).expect("new");
    fill(&killed, [5, 5, 5]).await;
    fs::copy(other.join("chat.db-wal"), one.join("chat.db-wal")).expect("copied");
    let store = serve(&one).expect("in order");
    assert_eq!(read_all(&store).await, Ok(truth(COUNTS)));
    assert!(one.join("chat.db-wal.aside-1").exists());
}

/// The lobby has nothing to miss, but another chat has.
#[tokio::test]
async fn a_file_that_is_gone_is_missed_if_anything_was_said_in_any_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = serve(folder.path()).expect("new");
    fill(&store, [0, 4, 0]).await;
    drop(store);
    let path = folder.path().join("chat.db");
    fs::remove_file(&path).expect("there");
    let error = serve(folder.path()).err().expect("gone");
    assert!(error.contains("everything up to position 4"), "{error}");
}

#[tokio::test]
async fn a_backup_is_not_compared_with_what_is_left_of_a_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("chat.db"), folder.path().join("copy.db"));
    let store = serve(folder.path()).expect("new");
    fill(&store, [4, 4, 0]).await;
    backup::<Fold>(&path, &copy, &mut os_random).expect("copied");
    store
        .create(&named("more"), &mut os_random)
        .await
        .expect("it");
    fill(&store, [5, 5, 5]).await;
    drop(store);
    // The lobby's slots are damaged, and those of chats that the backup has or lacks are whole.
    let mark = beside(&path, "-mark");
    let mut bytes = fs::read(&mark).expect("readable");
    bytes[..8192].fill(7);
    fs::write(&mark, bytes).expect("written");
    fs::copy(&copy, &path).expect("copied");
    for _ in 0..2 {
        let store = serve(folder.path()).expect("another life");
        assert_eq!(read_all(&store).await, Ok(truth([4, 4, 0])));
    }
    assert_eq!(fs::metadata(&mark).expect("there").len(), 3 * 8192);
}
