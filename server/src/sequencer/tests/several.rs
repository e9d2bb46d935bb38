//! Several chats of one sequencer: one batch, one commit, and each chat by itself otherwise.

use chitty_chat::proto::v1::Welcome;
use http_body_util::BodyExt as _;

use super::*;
use crate::{
    follower::{Follower, StreamStart},
    net::StreamAbort,
};

fn named(name: &str) -> ChatName {
    ChatName::parse(name).expect("a name")
}

/// The chat of this name, created if need be.
async fn chat(running: &Running, name: &str) -> Handle {
    let name = named(name);
    let created = running.chats.create(&name, &mut os_random).await;
    created.expect("there is space")
}

fn heads(chats: &[&Handle]) -> Vec<u64> {
    chats.iter().map(|chat| chat.hub().head().get()).collect()
}

/// The record of somebody who joins an empty chat at another server.
fn elsewhere(name: &str) -> Record {
    let now = DecisionTime {
        wall: UNIX_EPOCH,
        mono: Duration::ZERO,
    };
    let (fold, rules) = (chitty_room::Fold::default(), RoomRules::default());
    let mut room = Room::new(fold, "".into(), Position::new(1), rules, now);
    let other = Join {
        session: join("elsewhere").session,
        ..join(name)
    };
    let mut records = room.join(&other, now).expect("free").records;
    records.remove(0)
}

#[tokio::test(start_paused = true)]
async fn chats_have_participants_positions_and_times_of_their_own() {
    let running = start(TestStore::new(Script::default()), config()).await;
    let (lobby, dev) = (running.handle.clone(), chat(&running, "dev").await);
    assert_ne!(lobby.log().epoch(), dev.log().epoch());
    let ada = lobby.join(join("ada")).await.expect("free").granted;
    let bob = lobby.join(join("bob")).await.expect("free").granted;
    // The same name, the same session and the same position as in the lobby.
    let here = dev.join(join("ada")).await.expect("free").granted;
    assert_eq!(
        (ada.position, ada.lamport, bob.position),
        (here.position, here.lamport, Position::new(2))
    );
    assert_eq!(here.participants.len(), 1);
    let unknown = dev.publish(publish("bob", "hi", None)).await;
    assert_eq!(unknown, Err(RequestError::Refusal(Refusal::UnknownSession)));
    dev.publish(publish("ada", "hi", None))
        .await
        .expect("there");
    assert_eq!(heads(&[&lobby, &dev]), [2, 2]);
    assert_eq!((lobby.name().as_str(), dev.name().as_str()), ("", "dev"));
}

#[tokio::test(start_paused = true)]
async fn ten_busy_chats_cost_the_commits_of_one() {
    const CHATS: usize = 10;
    const LINES: usize = 20;
    let slow = Some(Duration::from_millis(5));
    let log = TestStore::new(Script {
        slow,
        ..Script::default()
    });
    let running = start(log.clone(), config()).await;
    let mut chats = vec![running.handle.clone()];
    for number in 1..CHATS {
        chats.push(chat(&running, &format!("chat{number}")).await);
    }
    let mut streams = Vec::new();
    for chat in &chats {
        streams.push(chat.join(join("ada")).await.expect("free"));
    }
    // Everybody writes the next line as soon as the one before is acknowledged.
    let busy = async |chats: Vec<Handle>| {
        let before = log.commits();
        let writers = chats.into_iter().map(|chat| async move {
            for line in 0..LINES {
                let line = publish("ada", &format!("line {line}"), None);
                chat.publish(line).await.expect("present");
            }
        });
        futures_util::future::join_all(writers).await;
        log.commits() - before
    };
    let one = busy(vec![chats[0].clone()]).await;
    let ten = busy(chats.clone()).await;
    assert_eq!((one, ten), (LINES, LINES));
    let expected: Vec<_> = (0..CHATS)
        .map(|number| 1 + (LINES + if number == 0 { LINES } else { 0 }) as u64)
        .collect();
    assert_eq!(heads(&chats.iter().collect::<Vec<_>>()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_in_one_chat_has_all_decided_again() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let (lobby, dev) = (running.handle.clone(), chat(&running, "dev").await);
    let before = log.commits();
    let intruder = Some((named("dev"), elsewhere("ada")));
    log.script.lock().expect("whole").intruder = intruder;
    let (here, there, bob) = tokio::join!(
        lobby.join(join("ada")),
        dev.join(join("ada")),
        dev.join(join("bob"))
    );
    // Nobody was first in the lobby, so that the same is decided there once more.
    assert_eq!(here.expect("free").granted.position, Position::new(1));
    assert!(matches!(
        there,
        Err(RequestError::Refusal(Refusal::NameTaken { .. }))
    ));
    let bob = bob.expect("free").granted;
    assert_eq!((bob.position, bob.participants.len()), (2.into(), 2));
    assert_eq!(heads(&[&lobby, &dev]), [1, 2]);
    assert_eq!(log.commits() - before, 2);
    let kept = [lobby.log().extent().head, dev.log().extent().head];
    assert_eq!(kept, [1.into(), 2.into()]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_acknowledges_and_shows_nothing_in_any_chat() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let (lobby, dev) = (running.handle.clone(), chat(&running, "dev").await);
    let _ada = lobby.join(join("ada")).await.expect("free");
    let _here = dev.join(join("ada")).await.expect("free");
    log.script.lock().expect("whole").fail = true;
    let answers = tokio::join!(
        lobby.publish(publish("ada", "hi", None)),
        dev.publish(publish("ada", "hi", None)),
        // A refusal may rest on what is not durable.
        dev.publish(publish("eve", "hi", None)),
    );
    let gone = || Err(RequestError::Gone(SequencerGone));
    assert_eq!(answers, (gone(), gone(), gone()));
    assert_eq!(heads(&[&lobby, &dev]), [1, 1]);
    assert_eq!(dev.log().extent().head, Position::new(1));
    running.task.await.expect("it ran").expect_err("failed");
    let late = running.chats.create(&named("late"), &mut os_random).await;
    assert!(matches!(late, Err(ChatError::Gone(_))));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_is_lost_in_its_own_chat_only() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let (lobby, dev) = (running.handle.clone(), chat(&running, "dev").await);
    let _ada = lobby.join(join("ada")).await.expect("free");
    let here = dev.join(join("ada")).await.expect("free");
    drop(here);
    tokio::time::sleep(Duration::from_millis(9_900)).await;
    assert_eq!(heads(&[&lobby, &dev]), [1, 1]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(heads(&[&lobby, &dev]), [1, 2]);
    assert_eq!(
        dev.view()
            .reader(&join("ada").session, chitty_room::Identity::None),
        Err(Refusal::UnknownSession)
    );
    lobby
        .view()
        .reader(&join("ada").session, chitty_room::Identity::None)
        .expect("present");
}

#[tokio::test(start_paused = true)]
async fn graces_that_end_at_the_same_time_share_a_commit() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let (lobby, dev) = (running.handle.clone(), chat(&running, "dev").await);
    let streams = [
        lobby.join(join("ada")).await.expect("free"),
        dev.join(join("ada")).await.expect("free"),
    ];
    let before = log.commits();
    drop(streams);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(heads(&[&lobby, &dev]), [2, 2]);
    assert_eq!(log.commits() - before, 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_chat_is_open_if_somebody_is_present_in_it() {
    let log = TestStore::new(Script::default());
    let running = start(log.clone(), config()).await;
    let (busy, calm) = (chat(&running, "busy").await, chat(&running, "calm").await);
    let _ada = busy.join(join("ada")).await.expect("free");
    let _bob = calm.join(join("bob")).await.expect("free");
    let request = Leave {
        session: join("bob").session,
        lamport: LamportTime::new(9),
        identity: chitty_room::Identity::None,
    };
    calm.leave(request).await.expect("present");
    running.shutdown.cancel();
    running.task.await.expect("it ran").expect("orderly");

    let again = start(log.clone(), config()).await;
    // Nobody has asked for the chat, and yet the restart grace ends there.
    tokio::time::sleep(Duration::from_secs(31)).await;
    let heads = |name| log.log(&named(name)).expect("there").extent().head.get();
    assert_eq!((heads("busy"), heads("calm")), (2, 2));
    // The other one is replayed when it is asked for, and once only.
    let calm = again.chats.open(&named("calm")).await.expect("there");
    assert!(calm.view().knows(&join("bob").session));
    let same = again.chats.open(&named("calm")).await.expect("there");
    assert!(Arc::ptr_eq(calm.hub(), same.hub()));
    calm.join(join("cyd")).await.expect("free");
    assert_eq!(same.hub().head(), Position::new(3));
}

#[tokio::test(start_paused = true)]
async fn a_chat_is_opened_once_however_many_ask_for_it() {
    let running = start(TestStore::new(Script::default()), config()).await;
    let dev = named("dev");
    let unknown = running.chats.open(&dev).await.err().expect("not there");
    assert_eq!(unknown.to_string(), "there is no chat #dev here");
    let opened = (0..20).map(|_| async { chat(&running, "dev").await });
    let opened = futures_util::future::join_all(opened).await;
    for chat in &opened {
        assert!(Arc::ptr_eq(chat.hub(), opened[0].hub()));
    }
    let lobby = running.chats.open(&ChatName::LOBBY).await.expect("there");
    assert!(Arc::ptr_eq(lobby.hub(), running.handle.hub()));
}

#[tokio::test(start_paused = true)]
async fn a_server_is_idle_only_if_nobody_is_in_any_chat() {
    let config = SequencerConfig {
        idle_exit: Some(Duration::from_secs(60)),
        ..config()
    };
    let running = start(TestStore::new(Script::default()), config).await;
    let dev = chat(&running, "dev").await;
    let ada = dev.join(join("ada")).await.expect("free");
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(!running.task.is_finished());
    drop(ada);
    // The grace, and then the time.
    tokio::time::sleep(Duration::from_secs(69)).await;
    assert!(!running.task.is_finished());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let end = running.task.await.expect("it ran").expect("orderly");
    assert_eq!(end, StopReason::Idle);
}

#[tokio::test(start_paused = true)]
async fn each_chat_has_the_whole_cap_and_they_are_trimmed_in_turns() {
    let log = TestStore::new(Script::default());
    let keep = Some(Keep::Events(5));
    let running = start(log.clone(), SequencerConfig { keep, ..config() }).await;
    let chats = [
        running.handle.clone(),
        chat(&running, "one").await,
        chat(&running, "two").await,
    ];
    let mut streams = Vec::new();
    for (chat, lines) in chats.iter().zip([20, 4, 20]) {
        streams.push(chat.join(join("ada")).await.expect("free"));
        for line in 0..lines {
            let line = publish("ada", &line.to_string(), None);
            chat.publish(line).await.expect("present");
        }
    }
    let kept = || chats.each_ref().map(|chat| chat.log().extent().events());
    assert_eq!(kept(), [21, 5, 21]);
    // Snapshot, snapshot, trim, trim.
    tokio::time::sleep(TRIM_EVERY + TRIM_PAUSE / 2).await;
    for expected in [[21, 5, 21], [21, 5, 21], [5, 5, 21], [5, 5, 5]] {
        assert_eq!(kept(), expected);
        tokio::time::sleep(TRIM_PAUSE).await;
    }
    assert_eq!(log.snapshots.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_timers_of_all_hubs_run_with_the_sequencer() {
    let limits = FollowerLimits::default();
    let store = TestStore::new(Script::default());
    let (sequencer, chats) = Sequencer::start(store, limits, config())
        .await
        .expect("empty logs");
    tokio::spawn(sequencer.run_with_hubs(CancellationToken::new()));
    let dev = named("dev");
    let dev = chats.create(&dev, &mut os_random).await.expect("space");
    let joined = [
        chats.lobby().join(join("ada")).await.expect("free"),
        dev.join(join("ada")).await.expect("free"),
    ];
    let aborts = [StreamAbort::default(), StreamAbort::default()];
    let log = chats.lobby().log();
    let followers = joined.into_iter().zip(&aborts).map(|(reply, abort)| {
        reply.attachment.set_abort(abort.clone());
        let start = StreamStart {
            welcome: Welcome::default(),
            participants: reply.granted.participants,
            attachment: reply.attachment,
        };
        Follower::new(start, Arc::clone(log))
    });
    let mut followers: Vec<_> = followers.collect();
    // Each peer takes the first piece of its Welcome, and no other one.
    for follower in &mut followers {
        let frame = follower.frame().await.expect("a piece");
        assert!(frame.expect("no error").is_data());
    }
    let aborted = || aborts.each_ref().map(StreamAbort::is_aborted);
    tokio::time::sleep(limits.stall / 8).await;
    assert_eq!(aborted(), [false, false]);
    tokio::time::sleep(limits.stall).await;
    assert_eq!(aborted(), [true, true]);
    drop(followers);
}
