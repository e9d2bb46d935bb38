//! The contract of [`Store`], one test for each clause, for every implementation of it.
//!
//! [`store_contract!`](crate::store_contract!) generates the tests. Each clause gets a new store.

use std::sync::Arc;

use chitty_chat::{Position, secret::os_random, text::ChatName};
use chitty_room::record::Batch;
use chitty_server::log::{
    AppendError, ChatAppend, CreateError, Keep, Log, MOST_CHATS, PageLimit, Store,
};

use crate::log_contract::batch;

/// Generates a module with a test for each clause of the contract.
///
/// It takes the attribute of the tests, the name of the module, and a function that makes a new
/// store. The function returns a guard, too, such as a temporary folder, which lives as long as the
/// store:
///
/// ```text
/// fn new_store() -> (TempDir, MyStore) { … }
///
/// chitty_testing::store_contract! {
///     #[tokio::test]
///     my_store => crate::new_store
/// }
/// ```
#[macro_export]
macro_rules! store_contract {
    (#[$test:meta] $module:ident => $new:path) => {
        $crate::store_contract! {
            @clauses #[$test] $module => $new;
            has_an_empty_lobby,
            lists_the_lobby_first_and_then_by_name,
            creates_a_chat_once,
            has_a_limit_on_its_chats,
            appends_to_several_chats_at_once,
            appends_nothing_if_one_chat_ends_elsewhere,
            refuses_an_append_to_a_chat_that_is_not_there,
            refuses_two_batches_of_one_chat,
            shares_its_logs_with_those_who_have_them,
            keeps_the_chats_apart,
            trims_one_chat_only,
        }
    };
    (@clauses #[$test:meta] $module:ident => $new:path; $($clause:ident,)+) => {
        mod $module {
            $(
                #[$test]
                async fn $clause() {
                    // The store is declared last, and so dropped before its guard.
                    let (_guard, store) = $new();
                    $crate::store_contract::$clause(&store).await;
                }
            )+
        }
    };
}

const ALL: PageLimit = PageLimit {
    records: 1_000,
    bytes: usize::MAX,
};

/// A new store has the lobby, and nothing in it.
pub async fn has_an_empty_lobby(store: &dyn Store) {
    assert_eq!(store.chats(), [ChatName::LOBBY]);
    assert_eq!(store.lobby().extent().head, Position::ZERO);
    let lobby = store.log(&ChatName::LOBBY).expect("always there");
    assert_eq!(lobby.epoch(), store.lobby().epoch());
    assert!(store.log(&named("dev")).is_none());
    assert_eq!(positions(&*lobby).await, [0_u64; 0]);
}

/// The names of the chats are in order, whatever the order in which they were created.
pub async fn lists_the_lobby_first_and_then_by_name(store: &dyn Store) {
    for name in ["ops", "dev", "2nd"] {
        create(store, name).await;
    }
    let names: Vec<_> = store
        .chats()
        .iter()
        .map(|chat| chat.as_str().to_owned())
        .collect();
    assert_eq!(names, ["", "2nd", "dev", "ops"]);
}

/// A chat has one epoch, which no other chat has, and is there at once for everybody.
pub async fn creates_a_chat_once(store: &dyn Store) {
    let dev = create(store, "dev").await;
    assert_eq!(dev.extent().head, Position::ZERO);
    assert_ne!(dev.epoch(), store.lobby().epoch());
    assert_ne!(dev.epoch(), create(store, "ops").await.epoch());
    append(store, [("dev", 0, 3)]).await.expect("appended");
    let again = create(store, "dev").await;
    assert_eq!((again.epoch(), again.extent()), (dev.epoch(), dev.extent()));
    let found = store.log(&named("dev")).expect("created");
    assert_eq!((found.epoch(), found.extent()), (dev.epoch(), dev.extent()));
    let lobby = store.create(&ChatName::LOBBY, &mut os_random).await;
    assert_eq!(lobby.expect("there").epoch(), store.lobby().epoch());
}

/// There are at most so many chats; those that are there can still be had.
pub async fn has_a_limit_on_its_chats(store: &dyn Store) {
    for number in 1..MOST_CHATS {
        create(store, &format!("chat-{number}")).await;
    }
    let full = store.create(&named("more"), &mut os_random).await;
    assert!(matches!(full, Err(CreateError::Full)));
    assert!(store.log(&named("more")).is_none());
    assert_eq!(store.chats().len(), MOST_CHATS);
    create(store, "chat-7").await;
}

/// Batches of several chats are appended together.
pub async fn appends_to_several_chats_at_once(store: &dyn Store) {
    create(store, "dev").await;
    create(store, "ops").await;
    append(store, [("", 0, 3), ("dev", 0, 5)])
        .await
        .expect("empty");
    append(store, [("dev", 5, 6), ("ops", 0, 2), ("", 3, 4)])
        .await
        .expect("in any order");
    assert_eq!(heads(store), [4, 6, 2]);
    append(store, []).await.expect("nothing to do");
    append(store, [("ops", 2, 2)]).await.expect("no record");
    assert_eq!(heads(store), [4, 6, 2]);
}

/// If one of the chats ends elsewhere, nothing is appended to any of them.
pub async fn appends_nothing_if_one_chat_ends_elsewhere(store: &dyn Store) {
    create(store, "dev").await;
    create(store, "ops").await;
    append(store, [("", 0, 3), ("dev", 0, 5)])
        .await
        .expect("empty");
    for appends in [
        [("", 3, 4), ("dev", 4, 6)],
        [("dev", 4, 6), ("", 3, 4)],
        [("ops", 0, 2), ("dev", 6, 7)],
    ] {
        let conflict = append(store, appends).await;
        let Err(AppendError::Conflict { tail }) = conflict else {
            panic!("{appends:?}: {conflict:?}");
        };
        assert_eq!(tail, Position::new(5));
        assert_eq!(heads(store), [3, 5, 0]);
    }
    append(store, [("", 3, 4), ("dev", 5, 6)])
        .await
        .expect("at the ends");
}

/// Nothing is appended if one of the chats is not there.
pub async fn refuses_an_append_to_a_chat_that_is_not_there(store: &dyn Store) {
    let error = append(store, [("", 0, 1), ("dev", 0, 1)]).await;
    let error = error.expect_err("there is no such chat").to_string();
    assert!(error.contains("#dev"), "{error}");
    assert_eq!(store.lobby().extent().head, Position::ZERO);
}

/// One commit has at most one batch of a chat.
pub async fn refuses_two_batches_of_one_chat(store: &dyn Store) {
    create(store, "dev").await;
    let error = append(store, [("dev", 0, 1), ("", 0, 1), ("dev", 1, 2)]).await;
    let error = error.expect_err("twice").to_string();
    assert!(error.contains("#dev"), "{error}");
    assert_eq!(store.lobby().extent().head, Position::ZERO);
}

/// A log sees what its store appends, and the store what the log appends.
pub async fn shares_its_logs_with_those_who_have_them(store: &dyn Store) {
    let (dev, lobby) = (create(store, "dev").await, store.lobby());
    append(store, [("", 0, 1), ("dev", 0, 2)])
        .await
        .expect("empty");
    assert_eq!(
        (lobby.extent().head, dev.extent().head),
        (1.into(), 2.into())
    );
    dev.append(2.into(), batch(3..=4))
        .await
        .expect("at its end");
    append(store, [("dev", 4, 5)]).await.expect("at its end");
    assert_eq!(positions(&*dev).await, [1, 2, 3, 4, 5]);
    let page = dev.read(Position::new(3), ALL).await;
    assert_eq!(Batch::from(page.expect("readable")), batch(4..=5));
}

/// What is in one chat is in no other: records, times, snapshots.
pub async fn keeps_the_chats_apart(store: &dyn Store) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    append(store, [("one", 0, 9), ("", 0, 2), ("two", 0, 4)])
        .await
        .expect("empty");
    one.keep_snapshot(9.into(), Box::new(|| vec![1]))
        .await
        .expect("kept");
    for (log, head, snapshot) in [
        (store.lobby(), 2, None),
        (Arc::clone(&one), 9, Some(vec![1])),
        (Arc::clone(&two), 4, None),
    ] {
        assert_eq!(positions(&*log).await, (1..=head).collect::<Vec<_>>());
        assert_eq!(log.snapshot().await.expect("readable"), snapshot);
        let beyond = log.read(Position::new(head), ALL).await;
        assert_eq!(beyond.expect("readable"), []);
        let last = log.locate((head * 3).into()).await.expect("readable");
        assert_eq!(last, Position::new(head));
        let beyond = log.locate((head * 3 + 1).into()).await.expect("readable");
        assert_eq!(beyond, Position::new(head + 1));
    }
    let early = two.keep_snapshot(9.into(), Box::new(|| vec![2])).await;
    assert!(matches!(early, Err(AppendError::Conflict { tail }) if tail == 4.into()));
}

/// A trim leaves the other chats alone.
pub async fn trims_one_chat_only(store: &dyn Store) {
    let (one, two) = (create(store, "one").await, create(store, "two").await);
    append(store, [("one", 0, 9), ("", 0, 9), ("two", 0, 9)])
        .await
        .expect("empty");
    one.keep_snapshot(9.into(), Box::new(|| vec![1]))
        .await
        .expect("kept");
    let extent = one.trim(Keep::Events(2), 9.into()).await.expect("trimmed");
    assert_eq!((extent, extent.events()), (one.extent(), 2));
    assert_eq!(positions(&*one).await, [8, 9]);
    for other in [store.lobby(), two] {
        assert_eq!(other.extent().events(), 9);
        assert_eq!(positions(&*other).await.len(), 9);
    }
    append(store, [("one", 9, 10)]).await.expect("goes on");
    assert_eq!(positions(&*one).await, [8, 9, 10]);
}

fn named(name: &str) -> ChatName {
    ChatName::parse(name).expect("a name")
}

async fn create(store: &dyn Store, name: &str) -> Arc<dyn Log> {
    let created = store.create(&named(name), &mut os_random).await;
    created.expect("there is space")
}

/// Appends to each of these chats, after a position and up to another one.
async fn append<const N: usize>(
    store: &dyn Store,
    appends: [(&str, u64, u64); N],
) -> Result<(), AppendError> {
    let appends = appends.map(|(chat, after, to)| ChatAppend {
        chat: named(chat),
        after: after.into(),
        batch: batch(after + 1..=to),
    });
    store.append(appends.into()).await
}

/// The heads of the lobby, #dev and #ops.
fn heads(store: &dyn Store) -> [u64; 3] {
    ["", "dev", "ops"].map(|name| {
        let log = store.log(&named(name)).expect("there");
        log.extent().head.get()
    })
}

async fn positions(log: &dyn Log) -> Vec<u64> {
    let page = log.read(Position::ZERO, ALL).await.expect("readable");
    page.iter()
        .map(|record| record.event.position.get())
        .collect()
}
