//! Whole lines, as a reader of the log file has them (docs/log-format.md).

use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use chitty_chat::{MessageText, Position, Session, SessionHash, logging::subscriber};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    follower::FollowerLimits,
    line_limit::REPEATS,
    log::MemoryStore,
    sequencer::{Handle, Sequencer, SequencerConfig},
};
use chitty_room::{Join, Leave, Publish, RoomRules};

/// What is logged by this thread, each line without the time and the process.
struct Lines {
    all: Arc<Mutex<Vec<String>>>,
    _default: tracing::subscriber::DefaultGuard,
    /// With a single subscriber, tracing asks that of the thread which first comes to a line of
    /// code whether it is wanted, for good; in another test's thread there is none. With two it
    /// asks all.
    _second: tracing::Dispatch,
}

impl Lines {
    fn catch() -> Self {
        let second = subscriber("", "", || UNIX_EPOCH, |_| {});
        let second = tracing::Dispatch::new(second);
        let all = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&all);
        let subscriber = subscriber(
            "server",
            "3f9a21c0",
            || UNIX_EPOCH,
            move |line| {
                let (_, body) = line.split_once("run=3f9a21c0 ").expect("a whole line");
                sink.lock().expect("whole").push(body.trim_end().to_owned());
            },
        );
        Self {
            all,
            _default: tracing::subscriber::set_default(subscriber),
            _second: second,
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.all.lock().expect("whole"))
    }
}

async fn start() -> Handle {
    let config = SequencerConfig {
        rules: RoomRules::default(),
        keep: None,
        idle_exit: None,
        wall: || UNIX_EPOCH,
    };
    let store = Arc::new(MemoryStore::new(&mut |bytes| bytes.fill(7)));
    let (sequencer, chats) = Sequencer::start(store, FollowerLimits::default(), config)
        .await
        .expect("an empty log");
    tokio::spawn(sequencer.run(CancellationToken::new()));
    chats.lobby().clone()
}

fn session(name: &str) -> SessionHash {
    let session = Session::parse(&format!("{name:_<22}")).expect("a session");
    session.hash()
}

fn join(name: &str) -> Join {
    Join {
        session: session(name),
        name: ParticipantName::parse(name),
        lamport: 1.into(),
        resume: None,
        backlog: 0,
        source: None,
        identity: chitty_room::Identity::None,
        invitation: None,
    }
}

fn publish(id: u64) -> Publish {
    Publish {
        session: session("ada"),
        text: MessageText::parse("hi there").expect("a text"),
        id: MessageId::parse(&format!("{id:016}")).ok(),
        seen: Position::new(1),
        lamport: 5.into(),
        identity: chitty_room::Identity::None,
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_asked_and_sent_is_written_down() {
    let lines = Lines::catch();
    let handle = start().await;
    let ada = handle.join(join("ada")).await.expect("free");
    assert_eq!(
        lines.take(),
        [
            "Join received lamport=1 name=ada session=233f52ae clock=2",
            "Broadcast sent lamport=3 position=1 kind=joined participant=1 name=ada \
             text=\"Participant ada joined Chitty-Chat at Lamport time 3\" request=1 clock=3",
            "Join granted lamport=3 position=1 participant=1 generation=1 resumed=false next=1 \
             head=1",
        ]
    );
    handle.publish(publish(7)).await.expect("present");
    assert_eq!(
        lines.take(),
        [
            "Publish received lamport=5 participant=1 session=233f52ae id=0000000000000007 seen=1 \
             clock=6",
            "Broadcast sent lamport=7 position=2 kind=message participant=1 author=ada \
             id=0000000000000007 seen=1 text=\"hi there\" request=5 clock=7",
            "Publish replied lamport=7 position=2 id=0000000000000007",
        ]
    );
    handle.publish(publish(7)).await.expect("known");
    assert_eq!(
        lines.take(),
        [
            "Publish received lamport=5 session=233f52ae id=0000000000000007 seen=1",
            "Publish replied lamport=7 position=2 id=0000000000000007 repeated=true",
        ]
    );
    let leave = Leave {
        session: session("ada"),
        lamport: 8.into(),
        identity: chitty_room::Identity::None,
    };
    handle.leave(leave.clone()).await.expect("present");
    assert_eq!(
        lines.take(),
        [
            "Leave received lamport=8 participant=1 session=233f52ae clock=9",
            "Broadcast sent lamport=10 position=3 kind=left participant=1 name=ada reason=left \
             text=\"Participant ada left Chitty-Chat at Lamport time 10\" request=8 clock=10",
            "Leave replied lamport=10 position=3",
        ]
    );
    handle.leave(leave).await.expect("known");
    assert_eq!(
        lines.take(),
        [
            "Leave received lamport=8 session=233f52ae",
            "Leave replied lamport=10 position=3 repeated=true",
        ]
    );
    drop(ada);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asked_for_is_written_down_too() {
    let lines = Lines::catch();
    let handle = start().await;
    drop(handle.join(join("bob")).await.expect("free"));
    lines.take();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(
        lines.take(),
        [
            "Broadcast sent lamport=4 position=2 kind=left participant=1 name=bob reason=lost \
             text=\"Participant bob left Chitty-Chat at Lamport time 4\" request=0 clock=4"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn repeats_are_written_down_up_to_a_limit_and_the_rest_always() {
    let lines = Lines::catch();
    let handle = start().await;
    let _ada = handle.join(join("ada")).await.expect("free");
    let count = |lines: &[String], words: &str| {
        let with = lines.iter().filter(|line| line.contains(words));
        with.count()
    };
    for _ in 0..=REPEATS.burst + 100 {
        handle.publish(publish(7)).await.expect("new, or known");
    }
    let written = lines.take();
    let repeats = count(&written, "Publish replied") - 1;
    assert_eq!(repeats, REPEATS.burst as usize);
    assert_eq!(count(&written, "repeated=true"), repeats);
    handle.publish(publish(8)).await.expect("new");
    assert_eq!(count(&lines.take(), "id=0000000000000008"), 3);
}
