//! `recover`, killed at any moment.

use std::{
    process::{Child, Stdio},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::{Event, EventKind, secret::os_random};
use chitty_room::{Fold, record::Record};
use chitty_server::{
    data::DataDir,
    log::{Log, SqliteLog},
};
use tokio::time::sleep;

use super::*;

/// Enough that it takes a while.
const RECORDS: u64 = 30_000;

/// A chat of events that have no kind: what is in them does not matter.
async fn large(folder: &Path) -> PathBuf {
    let data = DataDir::open(&folder.join("data")).expect("ours");
    let log = SqliteLog::serve::<Fold>(&data, &mut os_random).expect("new");
    let records: Vec<_> = (1..=RECORDS)
        .map(|position| Record {
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
        })
        .collect();
    log.append(0.into(), records.into())
        .await
        .expect("appended");
    folder.join("data/chat.db")
}

/// A recovery that has begun to write.
async fn begin(chat: &str, new: &str, partial: &str) -> Child {
    loop {
        let mut child = Command::new(PROGRAM)
            .args(["recover", chat, "--to", new])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // Another test may be starting a process, which has the chat's lock for a moment.
        while child.try_wait().expect("a child").is_none() {
            if fs::exists(partial).expect("ours") {
                return child;
            }
            sleep(Duration::from_millis(1)).await;
        }
        if fs::exists(new).expect("ours") {
            return child;
        }
    }
}

/// Whether it was killed before it had ended.
fn kill(mut child: Child) -> bool {
    let is_running = child.try_wait().expect("a child").is_none();
    child.kill().expect("killed");
    child.wait().expect("ended");
    is_running
}

#[tokio::test]
async fn a_recovery_that_is_killed_leaves_no_file_that_looks_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let chat = large(folder).await;
    // The middle is damaged, and the end is whole.
    let mut bytes = fs::read(&chat).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&chat, &bytes).expect("written");
    let chat = chat.display().to_string();
    let new = path(folder, "new.db");
    let partial = path(folder, "new.db.partial");
    let mut killed = 0;
    for step in 0..12_u32 {
        let child = begin(&chat, &new, &partial).await;
        sleep(Duration::from_millis(20) * step).await;
        let was_running = kill(child);
        if fs::exists(&new).expect("ours") {
            // It has its name only when it is whole.
            succeeds(&["check", &new]);
            fs::remove_file(&new).expect("ours");
        } else {
            assert!(was_running, "it ended without a file");
            killed += 1;
            assert!(fs::exists(&partial).expect("ours"));
        }
        assert!(
            fs::read(&chat).expect("readable") == bytes,
            "it was touched"
        );
    }
    assert!(killed > 0, "it never was in the middle of it");
    let printed = succeeds(&["recover", &chat, "--to", &new]);
    assert!(printed.contains("lost:"), "{printed}");
    succeeds(&["check", &new]);
    let mut left: Vec<_> = names(folder)
        .into_iter()
        .filter(|name| name.starts_with("new"))
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["new.db"],
        "nothing is left of those that were killed"
    );
}
