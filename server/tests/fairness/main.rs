//! Fairness: a peer that requests much waits, and nobody else does.
//!
//! Without sockets, under a paused clock: what is measured is who waits for whom, on any machine.

mod chat;

use std::{sync::Arc, time::Duration};

use chat::{Chat, HOURLY, READ, SlowLog, back, caller, named, retry_in};
use chitty_chat::proto::v1::{JoinRequest, LeaveReply, LeaveRequest, PublishReply, PublishRequest};
use chitty_room::{RoomRules, rate::Rate};
use chitty_server::log::Log;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_one_who_asks_for_page_after_page() {
    let log = SlowLog::new();
    let chat = Chat::on(log, RoomRules::default()).await;
    let _ada = chat.join(&named("ada"), caller(1)).await.expect("free");
    let _bob = chat.join(&named("bob"), caller(2)).await.expect("free");
    let eve = chat.join(&named("eve"), caller(3)).await.expect("free");
    // On 400 connections, ada requests pages as fast as she is allowed to.
    for connection in 100..500 {
        let chat = chat.clone();
        tokio::spawn(async move {
            loop {
                let page = chat.history("ada", caller(connection), |_| {}).await;
                if let Err(status) = page {
                    retry_in(&status);
                    sleep(READ).await;
                }
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    // Meanwhile eve resumes, and bob reads and searches, each within a few reads of the disk.
    for _ in 0..3 {
        let began = Instant::now();
        let again = back("eve", &eve.welcome.epoch, 1);
        let resumed = chat.join(&again, caller(4)).await.expect("alive");
        assert!(resumed.welcome.resumed);
        assert!(began.elapsed() <= 2 * READ, "resume: {:?}", began.elapsed());
        let began = Instant::now();
        chat.history("bob", caller(2), |_| {})
            .await
            .expect("its turn");
        assert!(began.elapsed() <= 4 * READ, "page: {:?}", began.elapsed());
        let began = Instant::now();
        let found = chat.history("bob", caller(2), |page| page.at_lamport = 5);
        assert_eq!(found.await.expect("its turn").events.len(), 3);
        assert!(began.elapsed() <= 6 * READ, "search: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn pages_beyond_a_few_are_refused_on_whatever_connections_they_are_asked_for() {
    let chat = Chat::on(SlowLog::new(), RoomRules::default()).await;
    let _ada = chat.join(&named("ada"), caller(1)).await.expect("free");
    let pages = (0..400).map(|number| chat.history("ada", caller(number), |_| {}));
    let pages = futures_util::future::join_all(pages).await;
    let (served, refused): (Vec<_>, Vec<_>) = pages.into_iter().partition(Result::is_ok);
    // One is read, eight wait.
    assert_eq!(served.len(), 9);
    for status in refused {
        assert!(retry_in(&status.expect_err("refused")) > Duration::ZERO);
    }
    // A client has three under way at most: to scroll, to search, and to jump.
    for _ in 0..100 {
        let pages = (0..3).map(|_| chat.history("ada", caller(1), |page| page.limit = 1000));
        for page in futures_util::future::join_all(pages).await {
            page.expect("never refused");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_refused_costs_no_read() {
    let log = SlowLog::new();
    let rules = RoomRules {
        max_participants_per_source: 3,
        join_rate: Some(HOURLY),
        ..RoomRules::default()
    };
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), caller(1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    let bob = chat.join(&named("bob"), caller(2)).await.expect("free");
    let leave = LeaveRequest {
        session: bob.welcome.session.clone(),
        lamport: 1,
    };
    let left = chat.ask::<LeaveReply>("Leave", &leave, caller(2)).await;
    assert_eq!(left.expect("present").position, 3);
    // Sources 2, 3 and 4 fill their shares of the seats.
    let mut here = Vec::new();
    for number in 0..9 {
        let name = format!("number {number}");
        here.push(
            chat.join_as_told(&named(&name), caller(9).at_source(2 + number / 3))
                .await,
        );
    }
    let refused = async |request: JoinRequest, source, code| {
        let status = chat.join(&request, caller(3).at_source(source)).await.err();
        assert_eq!(status.expect("refused").code(), code, "{request:?}");
    };
    // Each of these asks for a resume, for which the log would be read if it were not refused: a
    // bad name, a taken one, a session that is over, no seat, and a request without a time.
    for _ in 0..100 {
        refused(back(" eve", epoch, 1), 1, Code::InvalidArgument).await;
        refused(back("Ada", epoch, 1), 1, Code::AlreadyExists).await;
        refused(back("bob", epoch, 1), 1, Code::Unauthenticated).await;
        refused(back("eve", epoch, 1), 2, Code::ResourceExhausted).await;
        let timeless = JoinRequest {
            lamport: 0,
            ..back("eve", epoch, 1)
        };
        refused(timeless, 1, Code::InvalidArgument).await;
    }
    assert_eq!(log.reads(), 0);
    // Nor is the log read for a resume after an event of another log, or after its end.
    let mut stale = vec![back("eve", "another", 1), back("joe", epoch, 1 << 40)];
    let head = chat.service_head(&ada).await;
    stale.push(back("sue", epoch, head + 2));
    for (number, request) in stale.iter().enumerate() {
        chat.join_as_told(request, caller(number as u64).at_source(9))
            .await;
    }
    assert_eq!(log.reads(), 0);
    // A resume that may be granted is worth a read.
    chat.join(&back("amy", epoch, 1), caller(1).at_source(10))
        .await
        .expect("free");
    assert_eq!(log.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_for_resumes_are_counted_before_they_are_made() {
    let log = SlowLog::new();
    let rules = RoomRules {
        join_rate: Some(HOURLY),
        stream_rate: Some(HOURLY),
        ..RoomRules::default()
    };
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), caller(1)).await.expect("free");
    chat.join(&named("bob"), caller(2)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    // All at once, so that each is counted before any of the others is decided.
    let live = (0..100).map(|connection| {
        let request = back("ada", epoch, 1);
        let chat = &chat;
        async move { chat.join(&request, caller(connection)).await.is_ok() }
    });
    let granted = futures_util::future::join_all(live).await;
    let granted = granted.into_iter().filter(|granted| *granted).count();
    assert_eq!(granted, 10, "as many as the rate allows");
    assert_eq!(log.reads(), 10, "one for each that is granted");
    // Newcomers who break off while the log is read.
    for number in 0..100 {
        let request = back(&format!("number {number}"), epoch, 1);
        let join = chat.join(&request, caller(number).at_source(2));
        let _ = timeout(READ / 2, join).await;
    }
    assert_eq!(log.reads(), 10 + 20);
}

#[tokio::test(start_paused = true)]
async fn who_waits_as_told_is_in_while_others_join_in_a_loop() {
    let rules = RoomRules {
        join_rate: Some(Rate::per_second(10, 50)),
        stream_rate: Some(Rate::per_second(2, 20)),
        ..RoomRules::default()
    };
    let chat = Chat::on(SlowLog::new(), rules).await;
    let live = chat.join(&named("live"), caller(1)).await.expect("free");
    let epoch = live.welcome.epoch.clone();
    // Eight loops join under new names, resume, repeat a Join, or use one name again and again.
    for hammer in 0..8_u64 {
        let (chat, epoch) = (chat.clone(), epoch.clone());
        tokio::spawn(async move {
            let mut number = 0_u64;
            loop {
                number += 1;
                let name = format!("{hammer} and {number}");
                let request = match hammer % 4 {
                    0 => named(&name),
                    1 => back(&name, &epoch, 1),
                    // One that is here, as if its first Welcome was lost.
                    2 => named("live"),
                    _ => named(&format!("{hammer}")),
                };
                let connection = 1000 + hammer;
                // Streams are dropped: what they held is free after the grace.
                drop(chat.join(&request, caller(connection)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    // Newcomers from the same source are in soon if they keep to the waits that they are given.
    for number in 0..3 {
        let began = Instant::now();
        let request = named(&format!("newcomer {number}"));
        let stream = chat.join_as_told(&request, caller(5000 + number)).await;
        assert!(!stream.welcome.resumed);
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(4), "{took:?}");
    }
    // Another source does not notice anything.
    let began = Instant::now();
    chat.join(&named("elsewhere"), caller(1).at_source(2))
        .await
        .expect("free");
    assert!(began.elapsed() < READ);
}

#[tokio::test(start_paused = true)]
async fn a_seat_that_becomes_free_goes_to_who_waits_as_told() {
    let rules = RoomRules {
        max_participants_per_source: 5,
        join_rate: Some(Rate::per_second(10, 50)),
        ..RoomRules::default()
    };
    let chat = Chat::on(SlowLog::new(), rules).await;
    for hammer in 0..8_u64 {
        let chat = chat.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let request = named(&format!("{hammer} and {number}"));
                drop(chat.join(&request, caller(1000 + hammer)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    let refused = chat.join(&named("ada"), caller(1)).await.err();
    let refused = refused.expect("all seats are taken");
    assert!(refused.message().contains("5 participants"), "{refused}");
    let began = Instant::now();
    chat.join_as_told(&named("ada"), caller(2)).await;
    // Seats are held for the grace by those who have gone.
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn all_may_come_back_at_once_after_a_restart() {
    const MEMBERS: u64 = 300;
    let log = SlowLog::new();
    // Without limits, 300 participants of one source join. Then the server ends.
    let free = Chat::on(Arc::clone(&log) as Arc<dyn Log>, RoomRules::default()).await;
    let mut here = Vec::new();
    for number in 0..MEMBERS {
        let request = named(&format!("number {number}"));
        here.push(free.join(&request, caller(number)).await.expect("free"));
    }
    let epoch = here[0].welcome.epoch.clone();
    free.shutdown.cancel();
    drop((free, here));
    sleep(Duration::from_secs(1)).await;
    // The next server has limits far below that number, and yet lets all of them resume.
    let rules = RoomRules {
        max_participants_per_source: 5,
        join_rate: Some(HOURLY),
        stream_rate: Some(HOURLY),
        ..RoomRules::default()
    };
    let chat = Chat::on(log, rules).await;
    let backs = (0..MEMBERS).map(|number| {
        let request = back(&format!("number {number}"), &epoch, number + 1);
        let chat = &chat;
        async move { chat.join(&request, caller(number)).await }
    });
    for stream in futures_util::future::join_all(backs).await {
        assert!(stream.expect("alive").welcome.resumed);
    }
    let newcomer = chat.join(&named("joe"), caller(999)).await.err();
    let full = newcomer.expect("no seat");
    assert!(full.message().contains("address"), "{full}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_anyway_does_not_wait_for_a_commit() {
    let rules = RoomRules {
        stream_rate: Some(HOURLY),
        ..RoomRules::default()
    };
    let log = SlowLog::new();
    let chat = Chat::on(Arc::clone(&log) as Arc<dyn Log>, rules).await;
    let ada = chat.join(&named("ada"), caller(1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    for _ in 0..HOURLY.burst {
        let again = back("ada", epoch, 1);
        chat.join(&again, caller(1)).await.expect("a burst");
    }
    // From now on a commit hangs: bob's Join is decided, and waits to be durable.
    log.hangs.send_replace(true);
    let commit = tokio::spawn({
        let chat = chat.clone();
        async move { chat.join(&named("bob"), caller(2)).await.map(drop) }
    });
    sleep(Duration::from_secs(1)).await;
    let at_once = Duration::from_millis(100);
    let leave = LeaveRequest {
        session: named("nobody").session,
        lamport: 1,
    };
    let publish = PublishRequest {
        session: named("nobody").session,
        text: "hi".into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    let again = back("ada", epoch, 1);
    let answers = async {
        let left = chat.ask::<LeaveReply>("Leave", &leave, caller(3)).await;
        assert_eq!(left.expect_err("unknown").code(), Code::Unauthenticated);
        let published = chat
            .ask::<PublishReply>("Publish", &publish, caller(3))
            .await;
        assert_eq!(
            published.expect_err("unknown").code(),
            Code::Unauthenticated
        );
        retry_in(&chat.join(&again, caller(4)).await.err().expect("too often"));
        let taken = chat.join(&named("Ada"), caller(4)).await.err();
        assert_eq!(taken.expect("taken").code(), Code::AlreadyExists);
        let page = chat.history("ada", caller(1), |_| {}).await;
        page.expect("a page of what is durable");
    };
    timeout(at_once, answers)
        .await
        .expect("no turn of the sequencer");
    // bob's Join may become durable yet, so his Leave waits for that.
    let leave = LeaveRequest {
        session: named("bob").session,
        lamport: 1,
    };
    let left = tokio::spawn({
        let chat = chat.clone();
        async move { chat.ask::<LeaveReply>("Leave", &leave, caller(2)).await }
    });
    sleep(at_once).await;
    assert!(!commit.is_finished() && !left.is_finished());
    log.hangs.send_replace(false);
    commit.await.expect("it ran").expect("free");
    left.await.expect("it ran").expect("he was there");
}
