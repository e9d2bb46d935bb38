//! The chat's file, read without a server.

use std::path::Path;

use chitty_chat::{Event, Position, secret::os_random};
use chitty_room::Fold;
use chitty_server::log::{Log as _, PageLimit, SqliteLog, check};

/// Whether nobody is present at the end of the log, or what it holds instead. The file must be in
/// order, whoever has it open.
pub(crate) fn is_empty(file: &Path) -> Result<(), String> {
    let summary = check::<Fold>(file).expect("it is in order");
    match summary.present {
        0 => Ok(()),
        present => Err(format!("{present} are present")),
    }
}

/// All events in the file.
pub(crate) async fn read(file: &Path) -> Vec<Event> {
    let log = SqliteLog::open::<Fold>(file, &mut os_random).expect("a chat");
    let limit = PageLimit {
        records: 1000,
        bytes: 1 << 20,
    };
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Position::ZERO, |last| last.position);
        let page = log.read(after, limit).await.expect("readable");
        if page.is_empty() {
            return events;
        }
        events.extend(page.into_iter().map(|record| record.event));
    }
}
