//! A chat with a past that no server of today would accept.

use std::{fs, path::Path, time::UNIX_EPOCH};

use chitty_chat::{Event, EventKind, ParticipantNumber, Position, Session, secret::os_random};
use chitty_room::{Fold, record::Record};
use chitty_server::{
    data::chat_file,
    log::{Log as _, SqliteLog},
};

/// Writes a Joined of this name and a message with this text.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let joined = EventKind::Joined {
        name: name.into(),
        member: None,
    };
    let message = EventKind::Message {
        author: name.into(),
        text: text.into(),
        id: "".into(),
        seen: Position::ZERO,
        participant: ParticipantNumber::new(1),
        member: None,
    };
    let session = Session::random(&mut os_random).hash();
    let mut fold = Fold::default();
    let mut records = Vec::new();
    for (kind, session) in [(joined, Some(session)), (message, None)] {
        let event = Event {
            position: fold.head().next(),
            lamport: fold.next_time(1.into()),
            at: UNIX_EPOCH,
            request: 1.into(),
            kind,
        };
        let record = Record {
            event,
            session,
            generation: 1,
            private: None,
        };
        fold.apply(&record).expect("by the rules");
        records.push(record);
    }
    fs::create_dir_all(folder).expect("made");
    let log = SqliteLog::open::<Fold>(&chat_file(folder), &mut os_random).expect("new");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let appended = log.append(Position::ZERO, records.into());
    let appended = runtime.expect("a runtime").block_on(appended);
    appended.expect("appended");
}
