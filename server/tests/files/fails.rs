//! A disk that takes no more, and a disk that fails: it is said at once, the server ends, and
//! nothing that was acknowledged is lost.
#![cfg(target_os = "linux")]

use std::process::{Child, Stdio};

use chitty_chat::proto::v1::PublishReply;
use tonic::{Code, Status};

use super::*;

fn request(number: usize) -> PublishRequest {
    PublishRequest {
        session: SESSION.into(),
        text: format!("line {number} {}", "-".repeat(100)),
        id: format!("{number:016}"),
        lamport: 1,
        ..PublishRequest::default()
    }
}

/// Writes until the server does not take any more.
async fn fill(client: &mut ChittyChatClient<Channel>) -> (Vec<PublishReply>, Status) {
    let mut acknowledged = Vec::new();
    loop {
        assert!(acknowledged.len() < 30_000, "the disk is never full");
        match client.publish(request(acknowledged.len())).await {
            Ok(reply) => acknowledged.push(reply.into_inner()),
            Err(status) => return (acknowledged, status),
        }
    }
}

/// The server has ended, and has said why.
async fn ends(folder: &Path, server: &mut ServerChild, reason: &str) {
    assert_eq!(server.ended().await.code(), Some(1));
    let log = fs::read_to_string(folder.join("logs/server.log")).expect("readable");
    for said in [said(folder), log] {
        assert!(
            said.contains("the chat cannot be written any more") && said.contains(reason),
            "{reason}: {said}"
        );
    }
}

/// Fails unless each acknowledged line is at the position that was reported, and the line after
/// them is there once at most.
async fn holds(client: &mut ChittyChatClient<Channel>, acknowledged: &[PublishReply]) {
    for (number, reply) in acknowledged.iter().enumerate() {
        let again = client.publish(request(number)).await;
        assert_eq!(again.expect("known").into_inner(), *reply, "{number}");
    }
    let next = client.publish(request(acknowledged.len())).await;
    let last = acknowledged.last().map_or(1, |reply| reply.position);
    assert_eq!(next.expect("taken").into_inner().position, last + 1);
}

#[tokio::test]
async fn a_store_that_fails_is_said_at_once_and_loses_nothing() {
    for (call, error, file, reason) in [
        ("pwrite64,write", "ENOSPC", "chat.db-wal", "disk is full"),
        ("pwrite64,write", "EROFS", "chat.db-wal", "disk"),
        ("pwrite64,write", "EIO", "chat.db-wal", "disk I/O error"),
        ("fdatasync,fsync", "EIO", "chat.db-wal", "disk I/O error"),
        ("pwrite64,write", "ENOSPC", "chat.db-mark", "the mark"),
        ("pwrite64,write", "EIO", "chat.db-mark", "the mark"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = path(folder.path(), &format!("data/{file}"));
        // The files are made first: a path is one of a file that is there.
        let (mut server, ..) = start(folder.path()).await;
        server.kill().await;
        let tracer = format!(
            "strace -D -f -q -o /dev/null -P {file} -e trace={call} \
             -e inject={call}:error={error}:when=40+"
        );
        let redirect = format!("exec 2>{}/stderr;", folder.path().display());
        let mut server = ServerChild::start_under(folder.path(), &redirect, &tracer);
        let (mut client, _stream, _) = server.join(SESSION).await;
        let (acknowledged, status) = fill(&mut client).await;
        assert_eq!(status.code(), Code::Unavailable, "{call} {error}: {status}");
        ends(folder.path(), &mut server, reason).await;
        let server = ServerChild::start(folder.path(), "");
        let (mut client, _stream, welcome) = server.join(SESSION).await;
        assert!(welcome.resumed);
        holds(&mut client, &acknowledged).await;
    }
}

/// A file system of its own in a mount namespace of its own, which is held by a process.
struct SmallDisk {
    holder: Child,
}

impl SmallDisk {
    /// `None` if this is not possible here, as in most containers.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).expect("made");
        let script = format!(
            "mount -t tmpfs -o mode=0700,size={size} none {} && echo && exec cat",
            at.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut ready = [0];
        let output = holder.stdout.as_mut().expect("piped");
        if std::io::Read::read(output, &mut ready).unwrap_or(0) == 1 {
            return Some(Self { holder });
        }
        let _ = holder.wait();
        eprintln!("not tried: no file system can be mounted here");
        None
    }

    /// Before a program, which then sees it.
    fn inside(&self) -> String {
        let holder = self.holder.id();
        format!("nsenter --preserve-credentials --user --mount --target {holder}")
    }

    fn run(&self, program: &str) -> Output {
        let script = format!("exec {} {program}", self.inside());
        let output = Command::new("sh").args(["-c", &script]).output();
        output.expect("there is a shell")
    }

    fn remount(&self, at: &Path, options: &str) {
        let output = self.run(&format!("mount -o remount,{options} {}", at.display()));
        assert!(output.status.success(), "{options}: {}", stderr(&output));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test]
async fn a_disk_that_is_full_or_read_only_ends_the_server_until_there_is_space() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let data = folder.join("data");
    let Some(disk) = SmallDisk::mount(&data, "256k") else {
        return;
    };
    let start = || {
        let redirect = format!("exec 2>{}/stderr;", folder.display());
        ServerChild::start_under(folder, &redirect, &disk.inside())
    };
    let mut server = start();
    let (mut client, _stream, _) = server.join(SESSION).await;
    let (acknowledged, status) = fill(&mut client).await;
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    ends(folder, &mut server, "disk is full").await;

    // The system does the same if it finds that a file system is damaged.
    disk.remount(&data, "ro");
    let program = format!(
        "{PROGRAM} --listen 127.0.0.1:0 --data {} --log-dir {}/logs",
        data.display(),
        folder.display()
    );
    let output = disk.run(&program);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("ead-only file system"),
        "{}",
        stderr(&output)
    );
    let output = disk.run(&format!("{PROGRAM} check --data {}", data.display()));
    assert!(output.status.success(), "{}", stderr(&output));

    disk.remount(&data, "rw,size=16m");
    let mut server = start();
    let (mut client, _stream, welcome) = server.join(SESSION).await;
    assert!(welcome.resumed);
    holds(&mut client, &acknowledged).await;
    server.end().await;
}

#[tokio::test]
async fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let redirect = format!("exec 2>{}/stderr; ulimit -f 256;", folder.path().display());
    let mut server = ServerChild::start(folder.path(), &redirect);
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
