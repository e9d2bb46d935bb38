//! The log of a whole process: in a test binary of its own, since a process has one.

use std::fs;

use chitty_chat::logging::{CALL, Log, LogError, parse_line};

#[test]
fn the_process_log_takes_what_is_logged_anywhere_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::install().unwrap();
    assert!(matches!(Log::install(), Err(LogError::Installed)));
    tracing::info!(target: CALL, call = "Server", step = "started");
    let path = log.open("server", &folder.path().join("logs")).unwrap();
    let run = log.run().to_owned();
    std::thread::spawn(|| tracing::warn!("from elsewhere"))
        .join()
        .unwrap();
    drop(log);

    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().map(|line| parse_line(line).unwrap()).collect();
    assert_eq!(run.len(), 8);
    assert!(
        lines
            .iter()
            .all(|line| line.who == "server" && line.run == run)
    );
    assert_eq!((lines[0].call.as_str(), lines.len()), ("Server", 2));
    assert_eq!(lines[1].get("message"), Some("from elsewhere"));
}
