//! What is generated and changed, and whom it must not harm.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{FileFailurePersistence, TestRunner},
};
use tokio::runtime::Runtime;

use super::{TestParticipant, TestServer};

/// The server's threads have this name, by which its panics are told from those of a test.
const THREADS: &str = "server";

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// As many cases as `PROPTEST_CASES` asks for, else 256; what failed once is tried first.
pub fn runner(file: &'static str) -> TestRunner {
    let regressions = FileFailurePersistence::WithSource("regressions");
    TestRunner::new(ProptestConfig {
        source_file: Some(file),
        failure_persistence: Some(Box::new(regressions)),
        ..ProptestConfig::default()
    })
}

/// A server with somebody in the chat.
pub struct FuzzFixture {
    /// The runtime of the server, whose threads have a name of their own.
    pub runtime: Runtime,
    /// The server under test.
    pub server: TestServer,
    /// A participant who must not notice anything.
    pub ada: TestParticipant,
}

impl Default for FuzzFixture {
    fn default() -> Self {
        Self::new()
    }
}

impl FuzzFixture {
    /// Starts the server, and counts the panics of its threads from now on.
    pub fn new() -> Self {
        // A panic in a server's task would otherwise only end that task, and go unnoticed.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name() == Some(THREADS) {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            before(panic);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime");
        let (server, ada) = runtime.block_on(async {
            let server = TestServer::start().await;
            let mut ada = server.join("ada").await;
            ada.event().await;
            (server, ada)
        });
        Self {
            runtime,
            server,
            ada,
        }
    }

    /// Ada is served as if nothing had been.
    pub fn end(mut self) {
        self.runtime.block_on(async {
            let last = self.ada.publish("served all the same").await.position;
            while self.ada.event().await.position < last {}
            self.server.stop().await;
        });
        assert_eq!(PANICS.load(Ordering::Relaxed), 0, "the server panicked");
    }
}

/// A change of some bytes.
#[derive(Clone, Debug)]
pub enum ByteMutation {
    /// Replaces the byte at this index.
    Set(Index, u8),
    /// Inserts bytes before this index.
    Insert(Index, Vec<u8>),
    /// Removes the byte at this index.
    Remove(Index),
    /// Cuts the rest off.
    Truncate(Index),
    /// Appends a copy of the rest.
    Repeat(Index),
}

impl ByteMutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |index: &Index| index.index(bytes.len() + 1);
        match self {
            Self::Set(index, byte) => {
                let at = at(index);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Insert(index, more) => {
                let at = at(index);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Remove(index) => {
                let at = at(index);
                bytes.drain(at..bytes.len().min(at + 1));
            }
            Self::Truncate(index) => bytes.truncate(at(index)),
            Self::Repeat(index) => bytes.extend_from_within(at(index)..),
        }
    }
}

/// Makes these changes, one after the other.
pub fn mutate(bytes: &mut Vec<u8>, mutations: &[ByteMutation]) {
    for mutation in mutations {
        mutation.apply(bytes);
    }
}

/// Generates some changes, mostly none.
pub fn mutations() -> impl Strategy<Value = Vec<ByteMutation>> {
    let mutation = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(index, byte)| ByteMutation::Set(index, byte)),
        (any::<Index>(), vec(any::<u8>(), 1..12))
            .prop_map(|(index, more)| ByteMutation::Insert(index, more)),
        any::<Index>().prop_map(ByteMutation::Remove),
        any::<Index>().prop_map(ByteMutation::Truncate),
        any::<Index>().prop_map(ByteMutation::Repeat),
    ];
    prop_oneof![2 => Just(Vec::new()), 1 => vec(mutation, 1..4)]
}
