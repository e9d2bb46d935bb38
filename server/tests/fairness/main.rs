//! That whoever asks for much waits for itself, and nobody else does.
//!
//! Without sockets, under a paused clock: what is measured is who waits for whom, on any machine.

mod chat;

use std::{sync::Arc, time::Duration};

use chat::{Chat, HOURLY, READ, SlowLog, back, named, retry_in};
use chitty_chat::proto::v1::{JoinRequest, LeaveReply, LeaveRequest, PublishReply, PublishRequest};
use chitty_room::{RoomRules, rate::Rate};
use chitty_server::log::Log;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_one_who_asks_for_page_after_page() {
    let log = SlowLog::new();
    let chat = Chat::on(log, RoomRules::default()).await;
    let _ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let _bob = chat.join(&named("bob"), (1, 2)).await.expect("free");
    let eve = chat.join(&named("eve"), (1, 3)).await.expect("free");
    for connection in 100..500 {
        let chat = chat.clone();
        tokio::spawn(async move {
            loop {
                let page = chat.history("ada", (1, connection), |_| {}).await;
                if let Err(status) = page {
                    retry_in(&status);
                    sleep(READ).await;
                }
            }
        });
    }
    sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        let began = Instant::now();
        let again = back("eve", &eve.welcome.epoch, 1);
        let resumed = chat.join(&again, (1, 4)).await.expect("alive");
        assert!(resumed.welcome.resumed);
        assert!(began.elapsed() <= 2 * READ, "resume: {:?}", began.elapsed());
        let began = Instant::now();
        chat.history("bob", (1, 2), |_| {}).await.expect("its turn");
        assert!(began.elapsed() <= 4 * READ, "page: {:?}", began.elapsed());
        let began = Instant::now();
        let found = chat.history("bob", (1, 2), |page| page.at_lamport = 5);
        assert_eq!(found.await.expect("its turn").events.len(), 3);
        assert!(began.elapsed() <= 6 * READ, "search: {:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn pages_beyond_a_few_are_refused_on_whatever_connections_they_are_asked_for() {
    let chat = Chat::on(SlowLog::new(), RoomRules::default()).await;
    let _ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let pages = (0..400).map(|number| chat.history("ada", (1, number), |_| {}));
    let pages = futures_util::future::join_all(pages).await;
    let (served, refused): (Vec<_>, Vec<_>) = pages.into_iter().partition(Result::is_ok);
    // One is read, eight wait.
    assert_eq!(served.len(), 9);
    for status in refused {
        assert!(retry_in(&status.expect_err("refused")) > Duration::ZERO);
    }
    // A client has three under way at most: to scroll, to search, and to jump.
    for _ in 0..100 {
        let pages = (0..3).map(|_| chat.history("ada", (1, 1), |page| page.limit = 1000));
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
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    let bob = chat.join(&named("bob"), (1, 2)).await.expect("free");
    let leave = LeaveRequest {
        session: bob.welcome.session.clone(),
        lamport: 1,
    };
    let left = chat.ask::<LeaveReply>("Leave", &leave, (1, 2)).await;
    assert_eq!(left.expect("present").position, 3);
    let mut here = Vec::new();
    for number in 0..9 {
        let name = format!("number {number}");
        here.push(chat.join_as_told(&named(&name), (2 + number / 3, 9)).await);
    }
    let refused = async |request: JoinRequest, source, code| {
        let status = chat.join(&request, (source, 3)).await.err();
        assert_eq!(status.expect("refused").code(), code, "{request:?}");
    };
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
    // Nor does what is known, or is not there.
    let mut stale = vec![back("eve", "another", 1), back("joe", epoch, 1 << 40)];
    let head = chat.service_head(&ada).await;
    stale.push(back("sue", epoch, head + 2));
    for (number, request) in stale.iter().enumerate() {
        chat.join_as_told(request, (9, number as u64)).await;
    }
    assert_eq!(log.reads(), 0);
    chat.join(&back("amy", epoch, 1), (10, 1))
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
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    chat.join(&named("bob"), (1, 2)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    // All at once, so that none is decided before the others are looked at.
    let live = (0..100).map(|connection| {
        let request = back("ada", epoch, 1);
        let chat = &chat;
        async move { chat.join(&request, (1, connection)).await.is_ok() }
    });
    let granted = futures_util::future::join_all(live).await;
    let granted = granted.into_iter().filter(|granted| *granted).count();
    assert_eq!((granted, log.reads()), (10, 10));
    // Newcomers who break off while the log is read.
    for number in 0..100 {
        let request = back(&format!("number {number}"), epoch, 1);
        let join = chat.join(&request, (2, number));
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
    let live = chat.join(&named("live"), (1, 1)).await.expect("free");
    let epoch = live.welcome.epoch.clone();
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
                drop(chat.join(&request, (1, connection)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    for number in 0..3 {
        let began = Instant::now();
        let request = named(&format!("newcomer {number}"));
        let stream = chat.join_as_told(&request, (1, 5000 + number)).await;
        assert!(!stream.welcome.resumed);
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(4), "{took:?}");
    }
    let began = Instant::now();
    chat.join(&named("elsewhere"), (2, 1)).await.expect("free");
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
                drop(chat.join(&request, (1, 1000 + hammer)).await);
                sleep(Duration::from_millis(1)).await;
            }
        });
    }
    sleep(Duration::from_secs(6)).await;
    let refused = chat.join(&named("ada"), (1, 1)).await.err();
    let refused = refused.expect("all seats are taken");
    assert!(refused.message().contains("5 participants"), "{refused}");
    let began = Instant::now();
    chat.join_as_told(&named("ada"), (1, 2)).await;
    // Seats are held for the grace by those who have gone.
    let took = began.elapsed();
    assert!(took <= Duration::from_secs(15), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn all_may_come_back_at_once_after_a_restart() {
    const MEMBERS: u64 = 300;
    let log = SlowLog::new();
    let free = Chat::on(Arc::clone(&log) as Arc<dyn Log>, RoomRules::default()).await;
    let mut here = Vec::new();
    for number in 0..MEMBERS {
        let request = named(&format!("number {number}"));
        here.push(free.join(&request, (1, number)).await.expect("free"));
    }
    let epoch = here[0].welcome.epoch.clone();
    free.shutdown.cancel();
    drop((free, here));
    sleep(Duration::from_secs(1)).await;
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
        async move { chat.join(&request, (1, number)).await }
    });
    for stream in futures_util::future::join_all(backs).await {
        assert!(stream.expect("alive").welcome.resumed);
    }
    let newcomer = chat.join(&named("joe"), (1, 999)).await.err();
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
    let ada = chat.join(&named("ada"), (1, 1)).await.expect("free");
    let epoch = &ada.welcome.epoch;
    for _ in 0..HOURLY.burst {
        let again = back("ada", epoch, 1);
        chat.join(&again, (1, 1)).await.expect("a burst");
    }
    log.hangs.send_replace(true);
    let commit = tokio::spawn({
        let chat = chat.clone();
        async move { chat.join(&named("bob"), (1, 2)).await.map(drop) }
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
        let left = chat.ask::<LeaveReply>("Leave", &leave, (1, 3)).await;
        assert_eq!(left.expect_err("unknown").code(), Code::Unauthenticated);
        let published = chat.ask::<PublishReply>("Publish", &publish, (1, 3)).await;
        assert_eq!(
            published.expect_err("unknown").code(),
            Code::Unauthenticated
        );
        retry_in(&chat.join(&again, (1, 4)).await.err().expect("too often"));
        let taken = chat.join(&named("Ada"), (1, 4)).await.err();
        assert_eq!(taken.expect("taken").code(), Code::AlreadyExists);
        let page = chat.history("ada", (1, 1), |_| {}).await;
        page.expect("a page of what is durable");
    };
    timeout(at_once, answers)
        .await
        .expect("no turn of the sequencer");
    // Bob's Join may become durable yet: his Leave waits for that.
    let leave = LeaveRequest {
        session: named("bob").session,
        lamport: 1,
    };
    let left = tokio::spawn({
        let chat = chat.clone();
        async move { chat.ask::<LeaveReply>("Leave", &leave, (1, 2)).await }
    });
    sleep(at_once).await;
    assert!(!commit.is_finished() && !left.is_finished());
    log.hangs.send_replace(false);
    commit.await.expect("it ran").expect("free");
    left.await.expect("it ran").expect("he was there");
}
