//! Files of other users, and files that are none.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

use super::*;

/// Whom nothing of ours belongs to.
const NOBODY: u32 = 65534;

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

#[test]
fn what_is_no_file_of_ours_is_not_used() {
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

#[test]
fn nobody_serves_a_folder_of_somebody_else() {
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
