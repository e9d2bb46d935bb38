//! Pages of the log: how many at a time, and of which timeline.

use std::time::Duration;

use chitty::session::{HistoryPage, Notice, SessionCommand};
use chitty_chat::{Event, Position, proto::v1};
use chitty_testing::fake_server::{Fake, welcome};
use tonic::Status;

use crate::user::User;

async fn ask(user: &User) {
    let page = HistoryPage::Before(Position::ZERO);
    user.ask(SessionCommand::History { page, limit: 10 }).await;
}

async fn page(user: &mut User) -> Result<Vec<Event>, String> {
    user.until(|notice| match notice {
        Notice::History { events, .. } => Some(events),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_few_pages_are_asked_for_at_a_time_and_some_more_wait() {
    let mut server = Fake::start().await;
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        ask(&user).await;
        calls.push(server.history().await);
    }
    for _ in 0..64 {
        ask(&user).await;
    }
    server.quiet(Duration::from_millis(200)).await;
    ask(&user).await;
    let refused = page(&mut user).await.expect_err("too many");
    assert!(refused.contains("too many pages"), "{refused}");
    // Each answer lets the next request go out.
    for answered in 0..68 {
        let call = calls.remove(0);
        call.reply(v1::HistoryReply::default());
        page(&mut user).await.expect("answered");
        if answered < 64 {
            calls.push(server.history().await);
        }
    }
    ask(&user).await;
    server.history().await.reply(v1::HistoryReply::default());
    page(&mut user).await.expect("there is space again");
}

#[tokio::test]
async fn without_a_link_there_is_no_page() {
    let mut server = Fake::start().await;
    let mut user = User::of(&server);
    ask(&user).await;
    let refused = page(&mut user).await.expect_err("not connected");
    assert!(refused.contains("not connected"), "{refused}");
    let (mut user, _stream) = User::in_chat(&mut server, "ada").await;
    server.down().await;
    user.lost().await;
    ask(&user).await;
    let refused = page(&mut user).await.expect_err("not connected");
    assert!(refused.contains("not connected"), "{refused}");
}

#[tokio::test]
async fn a_page_of_another_timeline_is_not_shown() {
    let mut server = Fake::start().await;
    let (mut user, stream) = User::in_chat(&mut server, "ada").await;
    ask(&user).await;
    let history = server.history().await;
    stream.fail(Status::unavailable("the stream alone"));
    let stream = server.join().await.accept();
    stream.welcome(v1::Welcome {
        epoch: "another".into(),
        ..welcome("ada", 5, 20)
    });
    assert!(user.welcome().await.another_log);
    history.reply(v1::HistoryReply::default());
    let refused = page(&mut user).await.expect_err("of the other log");
    assert!(refused.contains("started afresh"), "{refused}");
}
