//! The real binary and its files: others' files, files that change under it, files that do not
//! belong together, and files that are not all there.

mod support;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use chitty_chat::proto::v1::{
    Broadcast, HistoryRequest, PublishRequest, chitty_chat_client::ChittyChatClient,
};
use support::process::{PROGRAM, Server};
use tonic::{Streaming, transport::Channel};

const SESSION: &str = "0123456789abcdef0123456789abcdef";
/// Whom nothing of ours belongs to.
const NOBODY: u32 = 65534;

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a server says that does not start; no longer than `timeout` allows.
fn refused(folder: &Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let output = Command::new("timeout")
        .args(["20", PROGRAM, "--listen", "127.0.0.1:0"])
        .args(["--data", &path("data"), "--log-dir", &path("logs")])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

/// A server whose standard error is kept, and a participant.
async fn start(folder: &Path) -> (Server, Participant, String) {
    let redirect = format!("exec 2>{}/stderr;", folder.display());
    let server = Server::start(folder, &redirect);
    let (client, stream, welcome) = server.join(SESSION).await;
    let participant = Participant {
        client,
        _stream: stream,
    };
    (server, participant, welcome.epoch)
}

struct Participant {
    client: ChittyChatClient<Channel>,
    /// Whose stream ends is lost after a while.
    _stream: Streaming<Broadcast>,
}

async fn publish(participant: &mut Participant, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let request = PublishRequest {
            session: SESSION.into(),
            text: format!("line {number}"),
            id: format!("{number:016}"),
            lamport: 1,
            ..PublishRequest::default()
        };
        let reply = participant.client.publish(request).await;
        reply.expect("acknowledged");
    }
}

/// The messages that are in the chat.
async fn lines(participant: &mut Participant) -> Vec<String> {
    use chitty_chat::proto::v1::event::Kind;
    let request = HistoryRequest {
        session: SESSION.into(),
        limit: 1000,
        ..HistoryRequest::default()
    };
    let page = participant.client.history(request).await.expect("readable");
    let events = page.into_inner().events.into_iter();
    events
        .filter_map(|event| match event.kind {
            Some(Kind::Message(message)) => Some(message.text),
            _ => None,
        })
        .collect()
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

/// A chat of three lines, whose server was killed: its write-ahead log is there.
async fn killed(folder: &Path) -> (PathBuf, String) {
    let (mut server, mut client, epoch) = start(folder).await;
    publish(&mut client, 0..3).await;
    server.kill().await;
    (folder.join("data/chat.db"), epoch)
}

#[tokio::test]
async fn files_that_change_under_a_server_end_it() {
    for (change, named) in [
        ("rm data/chat.db", "chat.db"),
        ("mv data/chat.db data/elsewhere", "chat.db"),
        ("rm data/chat.db-wal", "chat.db-wal"),
        ("rm data/chat.db-shm", "chat.db-shm"),
        ("rm data/chat.db-mark", "chat.db-mark"),
        ("rm data/lock", "lock"),
        ("mv data elsewhere", "data"),
        ("mv data elsewhere; cp -a elsewhere data", "data"),
        ("rm -r data", "data"),
        ("cp data/chat.db copy; mv copy data/chat.db", "chat.db"),
        ("cp other data/chat.db", "chat.db"),
        ("truncate -s 4096 data/chat.db", "chat.db"),
        ("truncate -s 100 data/chat.db-wal", "chat.db-wal"),
        ("cp other data/chat.db-wal", "chat.db-wal"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut server, mut client, _) = start(folder.path()).await;
        publish(&mut client, 0..3).await;
        fs::write(folder.path().join("other"), "something else".repeat(5000)).expect("written");
        let status = Command::new("sh")
            .args(["-c", change])
            .current_dir(folder.path())
            .status();
        assert!(status.expect("there is a shell").success(), "{change}");
        let status = server.ended().await;
        assert_eq!(status.code(), Some(1), "{change}");
        for file in ["stderr", "logs/server.log"] {
            let said = fs::read_to_string(folder.path().join(file)).expect("readable");
            assert!(
                said.contains("the chat cannot be written any more") && said.contains(named),
                "{change}: {file}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn a_backup_that_is_laid_over_a_chat_becomes_the_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    let output = run(&["backup", "--data", &path("data"), &path("backup.db")]);
    assert!(output.status.success(), "{}", stderr(&output));
    publish(&mut client, 3..6).await;
    server.kill().await;
    let log = fs::read(path("data/chat.db-wal")).expect("it was killed");
    fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
    let output = run(&["check", "--data", &path("data")]);
    assert!(
        stderr(&output).contains("chat.db-wal"),
        "{}",
        stderr(&output)
    );

    let (mut server, mut client, restored) = start(folder.path()).await;
    assert_ne!(restored, epoch);
    assert_eq!(lines(&mut client).await, numbered(0..3));
    let aside = path("data/chat.db-wal.aside-1");
    assert_eq!(fs::read(&aside).expect("kept"), log);
    let said = fs::read_to_string(path("stderr")).expect("readable");
    assert!(said.contains("chat.db-wal.aside-1"), "{said}");
    // It goes on as any other chat, also if it is killed at once.
    publish(&mut client, 6..7).await;
    server.kill().await;
    let (_server, mut client, again) = start(folder.path()).await;
    assert_eq!(again, restored);
    let expected = [numbered(0..3), numbered(6..7)].concat();
    assert_eq!(lines(&mut client).await, expected);
}

#[tokio::test]
async fn a_backup_that_is_laid_over_a_chat_that_goes_on_becomes_the_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..3).await;
    let output = run(&["backup", "--data", &path("data"), &path("backup.db")]);
    assert!(output.status.success(), "{}", stderr(&output));
    publish(&mut client, 3..6).await;
    fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
    // It may be told to end before it notices, and must not write to the file then either.
    server.signal("TERM");
    server.ended().await;
    let (_server, mut client, restored) = start(folder.path()).await;
    assert_ne!(restored, epoch);
    assert_eq!(lines(&mut client).await, numbered(0..3));
}

#[tokio::test]
async fn a_first_start_on_a_backup_may_be_killed_at_any_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (mut server, mut client, epoch) = start(folder.path()).await;
    publish(&mut client, 0..30).await;
    let output = run(&["backup", "--data", &path("data"), &path("backup.db")]);
    assert!(output.status.success(), "{}", stderr(&output));
    server.kill().await;
    for delay in 0..12 {
        fs::copy(path("backup.db"), path("data/chat.db")).expect("copied");
        let mut child = Command::new(PROGRAM)
            .args(["--listen", "127.0.0.1:0", "--data", &path("data")])
            .args(["--log-dir", &path("logs-of-the-killed")])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        tokio::time::sleep(std::time::Duration::from_millis(3 * delay)).await;
        child.kill().expect("killed");
        child.wait().expect("ended");
        let (mut server, mut client, restored) = start(folder.path()).await;
        assert_ne!(restored, epoch);
        assert_eq!(lines(&mut client).await, numbered(0..30), "{delay}");
        server.kill().await;
    }
}

#[tokio::test]
async fn another_chats_file_is_that_chat() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = tempfile::tempdir().expect("a folder");
    let (chat, epoch) = killed(folder.path()).await;
    let (mut server, mut client, other_epoch) = start(other.path()).await;
    publish(&mut client, 10..20).await;
    server.signal("TERM");
    server.ended().await;
    fs::copy(other.path().join("data/chat.db"), &chat).expect("copied");
    let (_server, mut client, now) = start(folder.path()).await;
    assert_ne!(now, epoch);
    assert_eq!(now, other_epoch);
    assert_eq!(lines(&mut client).await, numbered(10..20));
    assert!(names(&folder.path().join("data")).contains(&"chat.db-wal.aside-1".into()));
}

#[tokio::test]
async fn an_end_that_is_missing_is_said_and_can_be_done_without() {
    for (change, said) in [
        ("rm data/chat.db-wal", "was acknowledged"),
        ("truncate -s 5000 data/chat.db-wal", "was acknowledged"),
        (
            "cp old.db data/chat.db; rm data/chat.db-wal",
            "was acknowledged",
        ),
        ("rm data/chat.db", "was acknowledged"),
        ("rm data/chat.db data/chat.db-wal", "was acknowledged"),
        (": > data/chat.db", "was acknowledged"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut server, mut client, _) = start(folder.path()).await;
        publish(&mut client, 0..1).await;
        server.signal("TERM");
        server.ended().await;
        let chat = folder.path().join("data/chat.db");
        fs::copy(&chat, folder.path().join("old.db")).expect("copied");
        let (mut server, mut client, _) = start(folder.path()).await;
        publish(&mut client, 1..3).await;
        server.kill().await;
        let status = Command::new("sh")
            .args(["-c", change])
            .current_dir(folder.path())
            .status();
        assert!(status.expect("there is a shell").success());
        let error = refused(folder.path());
        assert!(error.contains(said), "{change}: {error}");
        if !chat.exists() || fs::metadata(&chat).expect("there").len() == 0 {
            continue;
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let output = run(&["check", "--data", &path("data")]);
        assert_eq!(output.status.code(), Some(1));
        let output = run(&["recover", &path("data/chat.db"), "--to", &path("new.db")]);
        assert!(output.status.success(), "{}", stderr(&output));
        fs::rename(path("new.db"), &chat).expect("ours");
        let (_server, mut client, _) = start(folder.path()).await;
        let found = lines(&mut client).await;
        assert!(numbered(0..3).starts_with(&found), "{change}: {found:?}");
        assert!(!found.is_empty(), "{change}");
    }
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let redirect = format!("exec 2>{}/stderr; ulimit -f 256;", folder.path().display());
    let mut server = Server::start(folder.path(), &redirect);
    let (mut client, _stream, _) = server.join(SESSION).await;
    let mut acknowledged = 0;
    loop {
        assert!(acknowledged < 10_000, "the disk is never full");
        let request = PublishRequest {
            session: SESSION.into(),
            text: format!("line {acknowledged}"),
            lamport: 1,
            ..PublishRequest::default()
        };
        match client.publish(request).await {
            Ok(_) => acknowledged += 1,
            Err(_) => break,
        }
    }
    assert_eq!(server.ended().await.code(), Some(1));
    let said = fs::read_to_string(folder.path().join("stderr")).expect("readable");
    assert!(said.contains("ulimit -f"), "{said}");
    let (_server, mut client, _) = start(folder.path()).await;
    let found = lines(&mut client).await;
    assert!(
        found.len() >= acknowledged.min(999),
        "{} of {acknowledged}",
        found.len()
    );
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("ours");
}

#[tokio::test]
async fn a_chat_that_others_could_reach_is_closed_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::write(data.join("lock"), "").expect("written");
    for path in [&data, &data.join("lock")] {
        chmod(path, 0o777);
    }
    let (_server, mut client, _) = start(folder.path()).await;
    publish(&mut client, 0..1).await;
    assert_eq!(mode(&data), 0o700);
    for name in names(&data) {
        assert_eq!(mode(&data.join(&name)) & 0o077, 0, "{name}");
    }
}

#[test]
fn a_folder_that_is_meant_for_all_is_not_a_chats() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    chmod(&data, 0o1777);
    let said = refused(folder.path());
    assert!(said.contains("others can write to it"), "{said}");
    assert_eq!((mode(&data), names(&data).len()), (0o1777, 0));
}

#[tokio::test]
async fn what_is_no_file_of_ours_is_not_used() {
    let give_away = |path: &Path| std::os::unix::fs::lchown(path, Some(NOBODY), None).is_ok();
    for name in [
        "lock",
        "chat.db",
        "chat.db-wal",
        "chat.db-shm",
        "chat.db-mark",
    ] {
        for kind in ["link", "pipe", "links", "foreign"] {
            let folder = tempfile::tempdir().expect("a folder");
            let data = folder.path().join("data");
            fs::create_dir(&data).expect("made");
            let (path, target) = (data.join(name), folder.path().join("target"));
            let reason = match kind {
                "link" => {
                    fs::write(&target, "").expect("written");
                    symlink(&target, &path).expect("made");
                    "a symbolic link"
                }
                "pipe" => {
                    let made = Command::new("mkfifo").arg(&path).status();
                    assert!(made.expect("it is there").success());
                    "a pipe"
                }
                "links" => {
                    fs::write(&target, "").expect("written");
                    fs::hard_link(&target, &path).expect("made");
                    "2 names"
                }
                _ => {
                    fs::write(&path, "").expect("written");
                    if !give_away(&path) {
                        continue;
                    }
                    "belongs to"
                }
            };
            let said = refused(folder.path());
            assert!(
                said.contains(reason) && said.contains(name),
                "{kind} {name}: {said}"
            );
            assert_eq!(fs::read(&target).unwrap_or_default(), b"", "{kind} {name}");
            if kind == "pipe" && name == "chat.db" {
                let path = path.display().to_string();
                for args in [["check", &path], ["recover", &path]] {
                    let output = run(&args);
                    assert!(stderr(&output).contains("a pipe"), "{}", stderr(&output));
                }
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    if give_away(&data) {
        let said = refused(folder.path());
        assert!(said.contains("belongs to"), "{said}");
        assert_eq!(names(&data).len(), 0);
    }
}

#[tokio::test]
async fn a_lock_that_another_user_holds_keeps_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    fs::write(data.join("lock"), "").expect("written");
    for (path, mode) in [
        (folder.path(), 0o755),
        (&data, 0o755),
        (&data.join("lock"), 0o644),
    ] {
        chmod(path, mode);
    }
    let held = folder.path().join("held");
    fs::write(&held, "").expect("written");
    chmod(&held, 0o666);
    let script = format!("echo yes >{}; sleep 60", held.display());
    let holder = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "flock"])
        .arg(data.join("lock"))
        .args(["sh", "-c", &script])
        .spawn();
    let Ok(mut holder) = holder else {
        eprintln!("not tried: there is no setpriv");
        return;
    };
    while fs::read(&held).expect("readable").is_empty() {
        if holder.try_wait().expect("a child").is_some() {
            eprintln!("not tried: only root can become another user");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let (_server, mut client, _) = start(folder.path()).await;
    publish(&mut client, 0..1).await;
    holder.kill().expect("killed");
    holder.wait().expect("ended");
}

#[tokio::test]
async fn nobody_serves_a_folder_of_somebody_else() {
    let give_away = |path: &Path| std::os::unix::fs::lchown(path, Some(NOBODY), None).is_ok();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    if give_away(&data) {
        let said = refused(folder.path());
        assert!(said.contains("belongs to"), "{said}");
        assert_eq!(names(&data).len(), 0);
    }
}
