//! Requests of any bytes, at any of the calls: each is answered by a status that says that it was
//! the client's mistake, or is taken; nothing panics, and others are served.
//!
//! ```sh
//! PROPTEST_CASES=100000 cargo test -p chitty-server --test decode
//! ```

use std::future::poll_fn;

use bytes::Bytes;
use chitty_chat::proto::{
    log_v1,
    v1::{
        Event, HistoryRequest, JoinRequest, LeaveRequest, Message, PublishRequest, Resume,
        SERVICE_NAME, event::Kind,
    },
};
use chitty_room::record::Record;
use chitty_testing::server::{
    PATIENCE,
    fuzz::{FuzzFixture, mutate, mutations, runner},
    raw::{PREFACE, SETTINGS, frame},
};
use http_body_util::Full;
use proptest::{collection::vec, option, prelude::*};
use prost::Message as _;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tonic::{Code, Status, transport::Channel};
use tower_service::Service as _;

#[derive(Clone, Copy, Debug)]
enum Call {
    Join,
    Publish,
    Leave,
    History,
}

/// Numbers at which something may overflow, and others.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..10_u64,
        1 => (0..70_u32).prop_map(|bits| 1_u64.checked_shl(bits).unwrap_or(u64::MAX)),
        1 => (0..10_u64).prop_map(|less| u64::MAX - less),
        1 => any::<u64>(),
    ]
}

/// One that is known, none, and others.
fn session(known: String) -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(known), 1 => Just(String::new()),
        1 => "[ -~]{16,64}",
        1 => any::<String>()
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z]{1,30}", 1 => "(?s).{0,140}", 1 => any::<String>()]
}

prop_compose! {
    fn join(known: Known)(
        name in text(), session in session(known.loose), room in option::weighted(0.1, text()),
        (lamport, backlog) in (number(), any::<u32>()),
        epoch in prop_oneof![Just(known.epoch), text()],
        resume in option::of((number(), number())),
    ) -> Vec<u8> {
        let resume = resume.map(|(position, lamport)| Resume { position, epoch, lamport });
        let room = room.unwrap_or_default();
        let invitation = String::new();
        JoinRequest { name, lamport, resume, backlog, session, room, invitation }.encode_to_vec()
    }
}

prop_compose! {
    fn publish(known: Known)(
        session in session(known.session), text in text(), id in "|[ -~]{16,64}|.*",
        seen in number(), lamport in number(),
    ) -> Vec<u8> {
        PublishRequest { session, text, id, seen, lamport }.encode_to_vec()
    }
}

prop_compose! {
    // Ada is to stay.
    fn leave()(session in session("x".repeat(32)), lamport in number()) -> Vec<u8> {
        LeaveRequest { session, lamport }.encode_to_vec()
    }
}

prop_compose! {
    fn history(known: Known)(
        session in session(known.session), before in number(), after in number(),
        at_lamport in number(), limit in any::<u32>(),
    ) -> Vec<u8> {
        HistoryRequest { session, before, limit, after, at_lamport }.encode_to_vec()
    }
}

/// The secrets and the epoch that clients know.
#[derive(Clone, Debug)]
struct Known {
    /// The session of a participant that stays.
    session: String,
    /// The session of a participant that comes and goes.
    loose: String,
    epoch: String,
}

/// A call, and the message in its request.
fn request(known: &Known) -> impl Strategy<Value = (Call, Vec<u8>)> + use<> {
    let calls = vec![Call::Join, Call::Publish, Call::Leave, Call::History];
    prop_oneof![
        join(known.clone()).prop_map(|bytes| (Call::Join, bytes)),
        publish(known.clone()).prop_map(|bytes| (Call::Publish, bytes)),
        leave().prop_map(|bytes| (Call::Leave, bytes)),
        history(known.clone()).prop_map(|bytes| (Call::History, bytes)),
        (prop::sample::select(calls), vec(any::<u8>(), 0..300)),
    ]
}

/// The body of a request: the message after gRPC's prefix of its length.
fn body(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[0], &length[..], message].concat()
}

async fn send(mut channel: Channel, call: Call, body: Vec<u8>) -> Code {
    let request = http::Request::post(format!("http://server/{SERVICE_NAME}/{call:?}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(Full::from(Bytes::from(body))))
        .expect("a request");
    poll_fn(|cx| channel.poll_ready(cx))
        .await
        .expect("connected");
    let answer = timeout(PATIENCE, channel.call(request)).await;
    let answer = answer.expect("in time").expect("an answer");
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |status| status.code())
}

#[test]
fn any_request_is_answered() {
    let fixture = FuzzFixture::new();
    let eve = fixture.runtime.block_on(fixture.server.join("eve"));
    let known = Known {
        session: fixture.ada.welcome.session.clone(),
        loose: eve.welcome.session,
        epoch: eve.welcome.epoch,
    };
    let requests = (request(&known), mutations(), mutations());
    let channel = fixture.runtime.block_on(fixture.server.channel());
    let answered = runner(file!()).run(&requests, |((call, mut message), inner, outer)| {
        mutate(&mut message, &inner);
        let mut body = body(&message);
        mutate(&mut body, &outer);
        let code = fixture.runtime.block_on(send(channel.clone(), call, body));
        let allowed = [
            Code::Ok,
            Code::InvalidArgument,
            Code::NotFound,
            Code::AlreadyExists,
            Code::Unauthenticated,
            Code::ResourceExhausted,
            Code::OutOfRange,
        ];
        prop_assert!(allowed.contains(&code), "{code:?}");
        Ok(())
    });
    answered.unwrap_or_else(|error| panic!("{error}"));
    fixture.end();
}

#[test]
fn any_frames_are_survived() {
    let fixture = FuzzFixture::new();
    let address = fixture.server.address;
    let frames = vec(
        (0..12_u8, any::<u8>(), 0..6_u32, vec(any::<u8>(), 0..60)),
        0..8,
    );
    let survived = runner(file!()).run(&(frames, mutations()), |(frames, changes)| {
        let mut bytes = frame(SETTINGS, 0, 0, &[]);
        for (kind, flags, stream, payload) in frames {
            bytes.extend(frame(kind, flags, stream, &payload));
        }
        mutate(&mut bytes, &changes);
        fixture.runtime.block_on(async {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            // It may be closed before all is written.
            let _ = stream.write_all(&[PREFACE, &bytes].concat()).await;
            let _ = stream.shutdown().await;
            let mut rest = Vec::new();
            let end = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
            let _ = timeout(PATIENCE, end).await.expect("it is closed");
        });
        Ok(())
    });
    survived.unwrap_or_else(|error| panic!("{error}"));
    fixture.end();
}

prop_compose! {
    fn record()(
        (position, lamport, request) in (number(), number(), number()),
        (seconds, nanos) in any::<(i64, i32)>(),
        (author, text, id, seen, participant) in (text(), text(), text(), number(), number()),
        session in option::of(vec(any::<u8>(), 14..18)), generation in number(), server in text(),
    ) -> Vec<u8> {
        let message = Message { author, text, id, seen, participant, member: 0  };
        let event = Event {
            position,
            lamport,
            request,
            at: Some(prost_types::Timestamp { seconds, nanos }),
            kind: Some(Kind::Message(message)),
        };
        log_v1::Record {
            event: Some(event),
            session: session.unwrap_or_default(),
            generation,
            server, ..Default::default()
        }
        .encode_to_vec()
    }
}

#[test]
fn any_bytes_in_the_log_are_a_record_or_none() {
    let bytes = prop_oneof![record(), vec(any::<u8>(), 0..200)];
    let survived = runner(file!()).run(&(bytes, mutations()), |(mut bytes, changes)| {
        mutate(&mut bytes, &changes);
        if let Ok(record) = Record::decode(&bytes) {
            let again = Record::decode(&record.encode()).expect("a record");
            prop_assert_eq!(again.encode(), record.encode());
        }
        Ok(())
    });
    survived.unwrap_or_else(|error| panic!("{error}"));
}
