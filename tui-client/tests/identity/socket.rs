//! Servers on this machine, at the socket in their data folder.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use chitty_testing::terminal::{World, signal, wait_until};

use crate::{errors, mode, run};

const NOBODY: [&str; 5] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--",
];

/// The options of a client with a server of its own in this world.
fn local<'a>(data: &'a str, name: &'a str) -> Vec<&'a str> {
    vec![
        "--plain",
        "--wait",
        "10",
        "--name",
        name,
        "--data",
        data,
        "--idle-exit",
        "60",
    ]
}

/// The process id of the server that has this world's data folder.
fn server_process(world: &World) -> u32 {
    let lock = fs::read_to_string(world.data().join("lock")).expect("it runs");
    let first = lock.lines().next().expect("a line");
    first.trim().parse().expect("a process id")
}

/// The inodes of the sockets that a process has open.
fn sockets(process: u32) -> HashSet<String> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs");
    let name = |file: std::io::Result<fs::DirEntry>| fs::read_link(file.ok()?.path()).ok();
    files
        .filter_map(name)
        .filter_map(|name| {
            let name = name.display().to_string();
            let inode = name.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect()
}

/// The inodes of all TCP sockets.
fn tcp_sockets() -> HashSet<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let inode = |line: &str| line.split_whitespace().nth(9).map(str::to_owned);
            text.lines().filter_map(inode).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_of_ones_own_has_no_port() {
    let world = World::new();
    let data = world.data().display().to_string();
    let output = run(world.plain(&local(&data, "ada")));
    assert!(output.status.success(), "{}", errors(&output));
    let process = server_process(&world);
    let own = sockets(process);
    assert!(!own.is_empty());
    assert!(own.is_disjoint(&tcp_sockets()), "it listens on TCP");
    assert_eq!(mode(&world.data().join("chat.sock")), 0o600);
    // Others find it, in the chat of the same folder only.
    let output = run(world.plain(&local(&data, "bob")));
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(server_process(&world), process);
    for named in [format!("unix:{data}"), format!("unix:{data}/chat.sock")] {
        let output = run(world.plain(&["--plain", "--name", "eve", "--server", &named]));
        assert!(output.status.success(), "{}", errors(&output));
    }
    signal(process, "TERM");
    wait_until("it ends", || {
        let runs = fs::metadata(format!("/proc/{process}")).is_ok();
        (!runs).then_some(()).ok_or_else(|| "it runs".to_owned())
    });
    // A socket that is left over, or none, means a start.
    let output = run(world.plain(&local(&data, "ada")));
    assert!(output.status.success(), "{}", errors(&output));
    signal(server_process(&world), "KILL");
    let output = run(world.plain(&local(&data, "ada")));
    assert!(output.status.success(), "{}", errors(&output));
    signal(server_process(&world), "TERM");
}

#[test]
fn a_socket_of_nobody_is_said() {
    let world = World::new();
    let named = format!("unix:{}", world.data().display());
    let output = run(world.plain(&["--plain", "--wait", "0", "--name", "ada", &named]));
    assert_eq!(output.status.code(), Some(69));
    assert!(
        errors(&output).contains("there is no socket"),
        "{}",
        errors(&output)
    );
}

/// The lock of a server from before the socket has one line.
#[test]
fn an_older_server_that_is_not_found_is_said() {
    if std::net::TcpStream::connect("127.0.0.1:50051").is_ok() {
        eprintln!("not tried: something listens on port 50051");
        return;
    }
    let world = World::new();
    fs::create_dir(world.data()).expect("made");
    fs::set_permissions(world.data(), fs::Permissions::from_mode(0o700)).expect("ours");
    let mut lock = File::create(world.data().join("lock")).expect("made");
    lock.lock().expect("nobody has it");
    writeln!(lock, "1").expect("written");
    let data = world.data().display().to_string();
    let output = run(world.plain(&local(&data, "ada")));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let said = errors(&output);
    assert!(said.contains("an older server has the chat in"), "{said}");
    assert!(said.contains("--server"), "{said}");
}

/// Runs a client as another user; `None` if this user may not.
fn as_nobody(world: &World, named: &str) -> Option<std::process::Output> {
    let own = Command::new(NOBODY[0])
        .args(&NOBODY[1..])
        .arg("true")
        .status();
    if !own.is_ok_and(|status| status.success()) {
        eprintln!("not tried: only root can become another user");
        return None;
    }
    let program = world.path("chitty");
    fs::copy(env!("CARGO_BIN_EXE_chitty"), &program).expect("copied");
    let logs = world.path("nobodys");
    fs::create_dir_all(&logs).expect("made");
    for path in [world.folder(), &*program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    std::os::unix::fs::chown(&logs, Some(65534), Some(65534)).expect("root may");
    let mut command = Command::new(NOBODY[0]);
    command
        .args(&NOBODY[1..])
        .arg(&program)
        .args(["--plain", "--wait", "0", "--name", "eve", "--log-dir"])
        .arg(&logs)
        .arg(named)
        .env("HOME", &logs)
        .current_dir("/")
        .stdin(std::process::Stdio::null());
    Some(run(command))
}

#[cfg(target_os = "linux")]
#[test]
fn another_user_does_not_reach_the_socket() {
    let world = World::new();
    let _server = world.server(&[]);
    let named = format!("unix:{}", world.data().display());
    let Some(output) = as_nobody(&world, &named) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(
        errors(&output).contains("Permission denied"),
        "{}",
        errors(&output)
    );
    // Where modes let it in, neither end trusts the other.
    fs::set_permissions(world.data(), fs::Permissions::from_mode(0o755)).expect("ours");
    let socket = world.data().join("chat.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("ours");
    let output = as_nobody(&world, &named).expect("as before");
    assert!(!output.status.success(), "{}", errors(&output));
    let joined = world
        .log("server")
        .into_iter()
        .any(|line| line.call == "Join");
    assert!(!joined, "{}", errors(&output));
}

/// A false server of another user is not spoken to, wherever its socket is.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_of_another_user_is_not_used() {
    use rustix::{process::Uid, thread::set_thread_res_uid};

    if !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can act as another user");
        return;
    }
    let world = World::new();
    fs::create_dir(world.data()).expect("made");
    fs::set_permissions(world.data(), fs::Permissions::from_mode(0o777)).expect("ours");
    fs::set_permissions(world.folder(), fs::Permissions::from_mode(0o755)).expect("ours");
    let socket = world.data().join("chat.sock");
    let (said, told) = std::sync::mpsc::channel();
    let (bound, ready) = std::sync::mpsc::channel();
    let path = socket.clone();
    std::thread::spawn(move || {
        let mallory = Uid::from_raw(4242);
        set_thread_res_uid(mallory, mallory, mallory).expect("root may");
        let listener = std::os::unix::net::UnixListener::bind(path).expect("bound");
        let _ = bound.send(());
        while let Ok((mut peer, _)) = listener.accept() {
            let mut bytes = Vec::new();
            let _ = std::io::Read::read_to_end(&mut peer, &mut bytes);
            let _ = said.send(bytes);
        }
    });
    ready.recv().expect("it listens");
    let named = format!("unix:{}", world.data().display());
    let output = run(world.plain(&["--plain", "--wait", "0", "--name", "ada", &named]));
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let text = errors(&output);
    assert!(
        text.contains("belongs to user 4242, so it is not used"),
        "{text}"
    );
    assert_eq!(told.recv().expect("it was connected to"), Vec::<u8>::new());
}
