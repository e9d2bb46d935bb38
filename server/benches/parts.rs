//! What the parts of the way of a message cost, each by itself: time, and calls of the allocator.
//!
//! A batch is what one commit holds. `cargo bench -p chitty-server --bench parts`.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::{
    Event, EventKind, LamportTime, MessageId, MessageText, ParticipantName, Position, Session,
    SessionHash, logging,
};
use chitty_room::{
    DecisionTime, Fold, Join, Publish, Room, RoomRules,
    record::{Batch, EncodedEvent, EncodedRecord, Record, put_bare},
};
use chitty_server::{
    data::DataDir,
    follower::{self, Hub},
    log::{Log, LogFuture, MemoryLog, PageLimit, SqliteLog},
};
use divan::{AllocProfiler, Bencher, counter::ItemsCount};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::watch};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Messages of one commit: a lone one, and as many as a busy chat gathers.
const BATCHES: [u64; 2] = [1, 64];
const PARTICIPANTS: u64 = 200;
const TEXT: &str = "sixty-four bytes, which is about what people write in one line..";

fn main() {
    divan::main();
}

/// The message at this position.
fn record(position: u64) -> Record {
    Record {
        event: Event {
            position: position.into(),
            lamport: (2 * position).into(),
            at: UNIX_EPOCH,
            request: 1.into(),
            kind: EventKind::Message {
                author: "ada".into(),
                text: TEXT.into(),
                id: format!("{position:022}").into(),
                seen: Position::new(position - 1),
                participant: Position::new(1).into(),
                member: None,
            },
        },
        session: None,
        generation: 1,
        private: None,
    }
}

fn batch(after: Position, records: u64) -> Batch {
    let first = after.get() + 1;
    (first..first + records).map(record).collect()
}

/// An event as the bytes that are stored, and that all participants share.
#[divan::bench]
fn encode(bencher: Bencher) {
    let event = record(1).event;
    bencher
        .counter(ItemsCount::new(1_u64))
        .bench(|| EncodedEvent::from(&event));
}

/// The line of a broadcast, up to where its bytes go to the thread that writes.
#[divan::bench]
fn log_line(bencher: Bencher) {
    let event = record(4_711).event;
    let lines = logging::subscriber(
        "server",
        "3f9a21c0",
        || UNIX_EPOCH,
        |line| {
            divan::black_box(line);
        },
    );
    tracing::subscriber::with_default(lines, || {
        bencher.bench_local(|| logging::broadcast("sent", &event, event.lamport));
    });
}

/// A batch into the ring that all followers share, with nobody to wake.
#[divan::bench(args = BATCHES)]
fn ring(bencher: Bencher, records: u64) {
    let hub = Hub::new(follower::FollowerLimits::default(), Position::ZERO);
    bencher
        .counter(ItemsCount::new(records))
        .with_inputs(|| batch(hub.head(), records))
        .bench_values(|batch| hub.publish(batch.iter().map(EncodedRecord::event)));
}

fn session(number: u64) -> SessionHash {
    Session::parse(&format!("{number:032x}")).unwrap().hash()
}

fn now() -> DecisionTime {
    DecisionTime {
        wall: UNIX_EPOCH,
        mono: Duration::ZERO,
    }
}

/// A chat with its participants.
fn room() -> Room {
    let rules = RoomRules::default();
    let first = Position::new(1);
    let mut room = Room::new(Fold::default(), "epoch".into(), first, rules, now());
    for number in 1..=PARTICIPANTS {
        let join = Join {
            session: session(number),
            name: ParticipantName::parse(&format!("p{number}")),
            lamport: LamportTime::new(1),
            resume: None,
            backlog: 0,
            source: None,
            identity: chitty_room::Identity::None,
            invitation: None,
        };
        room.join(&join, now()).unwrap();
    }
    room
}

/// A batch as the sequencer decides it: on a clone, which takes the place of the room.
#[divan::bench(args = BATCHES)]
fn decide(bencher: Bencher, records: u64) {
    decide_and(bencher, records, |_| ());
}

/// The same, and what is published of the room for those who read beside the sequencer.
#[divan::bench(args = BATCHES)]
fn decide_and_publish_view(bencher: Bencher, records: u64) {
    let published = watch::Sender::new(Arc::new(room().view()));
    decide_and(bencher, records, |room| {
        published.send_replace(Arc::new(room.view()));
    });
}

fn decide_and(bencher: Bencher, records: u64, publish_view: impl Fn(&Room)) {
    let mut room = room();
    let mut ids = 0_u64;
    let mut publish = || {
        ids += 1;
        Publish {
            session: session(1 + ids % PARTICIPANTS),
            text: MessageText::parse(TEXT).unwrap(),
            id: Some(MessageId::parse(&format!("{ids:022}")).unwrap()),
            seen: Position::ZERO,
            lamport: LamportTime::new(1),
            identity: chitty_room::Identity::None,
        }
    };
    bencher
        .counter(ItemsCount::new(records))
        .with_inputs(|| (0..records).map(|_| publish()).collect::<Vec<_>>())
        .bench_local_refs(|messages| {
            let mut scratch = room.clone();
            for message in messages {
                divan::black_box(scratch.publish(message, now()).unwrap());
            }
            room.adopt(scratch);
            publish_view(&room);
        });
}

fn random(buffer: &mut [u8]) {
    buffer.fill(7);
}

/// A log in a file, as a server has it, on whatever disk temporary files are on.
fn sqlite() -> (TempDir, SqliteLog) {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    let log = SqliteLog::serve::<Fold>(&data, &mut random).unwrap();
    (folder, log)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn append(bencher: Bencher, log: &dyn Log, records: u64) {
    let runtime = runtime();
    bencher
        .counter(ItemsCount::new(records))
        .with_inputs(|| {
            let head = log.extent().head;
            (head, batch(head, records))
        })
        .bench_local_values(|(head, batch)| runtime.block_on(log.append(head, batch)).unwrap());
}

/// A commit: the batch is on the disk when it returns.
#[divan::bench(args = BATCHES)]
fn append_durable(bencher: Bencher, records: u64) {
    let (_folder, log) = sqlite();
    append(bencher, &log, records);
}

/// The same in memory.
#[divan::bench(args = BATCHES)]
fn append_in_memory(bencher: Bencher, records: u64) {
    append(bencher, &MemoryLog::new(&mut random), records);
}

/// A page of the log, as the fold reads it.
#[divan::bench]
fn page(bencher: Bencher) {
    page_by(bencher, SqliteLog::read);
}

/// The same page, as a lagging follower and History read it.
#[divan::bench]
fn page_of_events(bencher: Bencher) {
    page_by(bencher, |log, after, limit| {
        log.read_events(after, limit, put_bare)
    });
}

fn page_by<T>(bencher: Bencher, read: impl Fn(&SqliteLog, Position, PageLimit) -> LogFuture<T>) {
    const RECORDS: u64 = 64;
    let (_folder, log) = sqlite();
    let runtime = runtime();
    let filled = log.append(Position::ZERO, batch(Position::ZERO, 16 * RECORDS));
    runtime.block_on(filled).unwrap();
    let limit = PageLimit {
        records: usize::try_from(RECORDS).unwrap(),
        bytes: usize::MAX,
    };
    bencher
        .counter(ItemsCount::new(RECORDS))
        .bench_local(|| runtime.block_on(read(&log, Position::ZERO, limit)));
}
