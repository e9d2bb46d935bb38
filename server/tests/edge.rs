//! Frames of HTTP/2 that a peer may send, in any order, with anything in them, torn and changed,
//! over a real socket: the server closes the connection or serves it, what it says are frames, and
//! nobody who chats meanwhile notices.
//!
//! ```sh
//! PROPTEST_CASES=100000 cargo test -p chitty-server --test edge
//! ```

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    time::Duration,
};

use chitty_chat::proto::v1::{HistoryRequest, JoinRequest, PublishRequest, SERVICE_NAME};
use chitty_load::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PREFACE,
    PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, headers_of, put_frame,
};
use chitty_testing::server::{
    PATIENCE,
    fuzz::{ByteMutation, FuzzFixture, mutate, mutations, runner},
};
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};

/// A flag of HEADERS and DATA: the payload begins with the length of the padding at its end.
const PADDED: u8 = 8;
/// A flag of HEADERS: the payload begins with a priority.
const HAS_PRIORITY: u8 = 0x20;

/// The payload of the PING that a peer sends last.
const LAST: [u8; 8] = *b"the last";
/// How long a peer waits for the answer to that PING.
const A_MOMENT: Duration = Duration::from_millis(50);

/// One peer: the bytes that it sends, and how they are torn and changed.
#[derive(Clone, Debug)]
struct Peer {
    settings: Vec<(u16, u32)>,
    parts: Vec<Part>,
    changes: Vec<ByteMutation>,
    /// The ends of the pieces in which its bytes are sent.
    cuts: Vec<Index>,
}

/// A part of the bytes that a peer sends.
#[derive(Clone, Debug)]
enum Part {
    Call(Call),
    Ping([u8; 8], bool),
    Settings(Vec<(u16, u32)>, bool),
    Window(Stream, u32),
    Priority(Stream, [u8; 5]),
    Reset(Stream, u32),
    GoAway(u32, u32),
    Data(Stream, u8, Vec<u8>),
    Headers(Stream, u8, Vec<u8>),
    Continuation(Stream, u8, Vec<u8>),
    Any(u8, u8, Stream, Vec<u8>),
    Bytes(Vec<u8>),
}

/// Which stream a frame is on.
#[derive(Clone, Debug)]
enum Stream {
    Connection,
    /// One that was opened before.
    Opened(Index),
    Any(u32),
}

/// A call, as a client would make it, whole or not.
#[derive(Clone, Debug)]
struct Call {
    path: String,
    message: Vec<u8>,
    /// How many CONTINUATION frames follow the HEADERS frame.
    continuations: usize,
    padding: Option<u8>,
    priority: bool,
    end: End,
}

/// How a call's request ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    /// Without a message.
    Headers,
    Half,
    Never,
    Reset,
    Trailers,
}

/// Puts parts together.
#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    opened: Vec<u32>,
}

impl Writer {
    fn stream(&self, stream: &Stream) -> u32 {
        match stream {
            Stream::Connection => 0,
            // Before the first call there is none: then it is about the connection.
            Stream::Opened(_) if self.opened.is_empty() => 0,
            Stream::Opened(index) => *index.get(&self.opened),
            Stream::Any(stream) => *stream,
        }
    }

    fn put(&mut self, part: &Part) {
        let ack = |is_ack: &bool| if *is_ack { ACK } else { 0 };
        let frame = |kind, flags, stream: &Stream, payload: &[u8]| {
            (kind, flags, self.stream(stream), payload.to_vec())
        };
        let on_connection = Stream::Connection;
        let (kind, flags, stream, payload) = match part {
            Part::Call(call) => return self.call(call),
            Part::Bytes(bytes) => return self.out.extend(bytes),
            Part::Ping(payload, is_ack) => frame(PING, ack(is_ack), &on_connection, payload),
            Part::Settings(settings, is_ack) => {
                frame(SETTINGS, ack(is_ack), &on_connection, &encode(settings))
            }
            Part::Window(stream, more) => frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes()),
            Part::Priority(stream, payload) => frame(PRIORITY, 0, stream, payload),
            Part::Reset(stream, code) => frame(RST_STREAM, 0, stream, &code.to_be_bytes()),
            Part::GoAway(last, code) => {
                let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                frame(GOAWAY, 0, &on_connection, &payload)
            }
            Part::Data(stream, flags, payload) => frame(DATA, *flags, stream, payload),
            Part::Headers(stream, flags, block) => frame(HEADERS, *flags, stream, block),
            Part::Continuation(stream, flags, block) => frame(CONTINUATION, *flags, stream, block),
            Part::Any(kind, flags, stream, payload) => frame(*kind, *flags, stream, payload),
        };
        put_frame(&mut self.out, kind, flags, stream, &payload);
    }

    fn call(&mut self, call: &Call) {
        let stream = self.opened.last().map_or(1, |last| last + 2);
        self.opened.push(stream);
        let block = headers_of(&call.path);
        let (first, rest) = block.split_at(block.len() / (call.continuations + 1));
        let mut flags = 0;
        let mut payload = Vec::new();
        if let Some(padding) = call.padding {
            flags |= PADDED;
            payload.push(padding);
        }
        if call.priority {
            flags |= HAS_PRIORITY;
            payload.extend([0, 0, 0, 0, 15]);
        }
        payload.extend(first);
        payload.resize(payload.len() + usize::from(call.padding.unwrap_or(0)), 0);
        if rest.is_empty() {
            flags |= END_HEADERS;
        }
        if matches!(call.end, End::Headers) {
            flags |= END_STREAM;
        }
        put_frame(&mut self.out, HEADERS, flags, stream, &payload);
        let step = rest.len().div_ceil(call.continuations.max(1)).max(1);
        let count = rest.len().div_ceil(step);
        for (number, part) in rest.chunks(step).enumerate() {
            let flags = if number + 1 == count { END_HEADERS } else { 0 };
            put_frame(&mut self.out, CONTINUATION, flags, stream, part);
        }
        self.body(stream, call);
    }

    fn body(&mut self, stream: u32, call: &Call) {
        let length = u32::try_from(call.message.len()).expect("short");
        let body = [&[0], &length.to_be_bytes()[..], &call.message].concat();
        match call.end {
            End::Whole => put_frame(&mut self.out, DATA, END_STREAM, stream, &body),
            End::Half => put_frame(&mut self.out, DATA, 0, stream, &body[..body.len() / 2]),
            End::Headers | End::Never => {}
            End::Reset => put_frame(&mut self.out, RST_STREAM, 0, stream, &[0, 0, 0, 8]),
            End::Trailers => {
                put_frame(&mut self.out, DATA, 0, stream, &body);
                let flags = END_STREAM | END_HEADERS;
                put_frame(
                    &mut self.out,
                    HEADERS,
                    flags,
                    stream,
                    &[0, 1, b'x', 1, b'y'],
                );
            }
        }
    }
}

fn encode(settings: &[(u16, u32)]) -> Vec<u8> {
    let each = settings.iter();
    each.flat_map(|(key, value)| {
        let (key, value) = (key.to_be_bytes(), value.to_be_bytes());
        [key[0], key[1], value[0], value[1], value[2], value[3]]
    })
    .collect()
}

impl Peer {
    fn says(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.out.extend(PREFACE);
        writer.put(&Part::Settings(self.settings.clone(), false));
        for part in &self.parts {
            writer.put(part);
        }
        writer.put(&Part::Ping(LAST, false));
        let mut bytes = writer.out;
        mutate(&mut bytes, &self.changes);
        bytes
    }

    /// Sends everything, and returns the server's bytes up to the end of the connection.
    async fn meet(&self, server: SocketAddr) -> io::Result<Vec<u8>> {
        let bytes = self.says();
        let mut ends: Vec<_> = self
            .cuts
            .iter()
            .map(|cut| cut.index(bytes.len() + 1))
            .collect();
        ends.sort_unstable();
        ends.push(bytes.len());
        let mut stream = TcpStream::connect(server).await?;
        let (mut read, mut write) = stream.split();
        let (heard, answered) = (RefCell::new(Vec::new()), Notify::new());
        let says = async {
            let mut from = 0;
            for to in ends {
                write.write_all(&bytes[from..to]).await?;
                tokio::task::yield_now().await;
                from = to;
            }
            // Calls are answered before the connection ends, unless it is out of step already.
            let _ = timeout(A_MOMENT, answered.notified()).await;
            write.shutdown().await
        };
        let hears = async {
            let mut bytes = [0; 4096];
            loop {
                let count = read.read(&mut bytes).await?;
                heard.borrow_mut().extend_from_slice(&bytes[..count]);
                if count == 0 || heard.borrow().ends_with(&frame(PING, ACK, 0, &LAST)) {
                    answered.notify_one();
                }
                if count == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        // It may be closed before all is written.
        let (_, end) = tokio::join!(says, timeout(PATIENCE, hears));
        end.expect("it is closed")?;
        Ok(heard.into_inner())
    }
}

/// Settings that break no rule.
fn orderly_settings() -> impl Strategy<Value = Vec<(u16, u32)>> {
    let setting = prop::sample::select(vec![
        (1, 0),
        (1, 4096),
        (2, 0),
        (3, 100),
        (4, 0),
        (4, 1),
        (4, 65_535),
        (4, (1 << 31) - 1),
        (5, 16_384),
        (5, (1 << 24) - 1),
        (6, 100),
        (0x77, 7),
    ]);
    vec(setting, 0..4)
}

/// Known settings, with values at which something may overflow, and others.
fn settings() -> impl Strategy<Value = Vec<(u16, u32)>> {
    let value = prop_oneof![
        2 => 0..3_u32,
        2 => prop::sample::select(vec![100, 16_383, 16_384, 65_535, 1 << 24, (1 << 31) - 1, 1 << 31]),
        1 => any::<u32>(),
    ];
    let key = prop_oneof![8 => 1..7_u16, 1 => any::<u16>()];
    vec((key, value), 0..4)
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![
        1 => Just(Stream::Connection),
        6 => any::<Index>().prop_map(Stream::Opened),
        1 => (0..70_u32).prop_map(Stream::Any),
        1 => any::<u32>().prop_map(Stream::Any),
    ]
}

fn call(session: String) -> impl Strategy<Value = Call> {
    let chat = move |method: &str, message: Vec<u8>| (format!("/{SERVICE_NAME}/{method}"), message);
    let history = HistoryRequest {
        session: session.clone(),
        limit: 1000,
        ..HistoryRequest::default()
    };
    let join = JoinRequest {
        name: "eve".into(),
        lamport: 1,
        ..JoinRequest::default()
    };
    let publish = PublishRequest {
        session,
        text: "hello".into(),
        lamport: 1,
        ..PublishRequest::default()
    };
    let what = prop::sample::select(vec![
        chat("History", history.encode_to_vec()),
        chat("Join", join.encode_to_vec()),
        chat("Publish", publish.encode_to_vec()),
        chat("Leave", vec![0xff; 40]),
        ("/grpc.health.v1.Health/Check".into(), Vec::new()),
        ("/grpc.health.v1.Health/Watch".into(), Vec::new()),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".into(),
            vec![0x3a, 0],
        ),
        ("*".into(), Vec::new()),
    ]);
    let end = prop::sample::select(vec![
        End::Whole,
        End::Whole,
        End::Whole,
        End::Headers,
        End::Half,
        End::Never,
        End::Reset,
        End::Trailers,
    ]);
    let padding = prop::option::weighted(0.2, any::<u8>());
    // More than a few are taken for an attack.
    let continuations = prop_oneof![70 => Just(0), 10 => 1..3_usize, 1 => 3..20_usize];
    (what, continuations, padding, prop::bool::weighted(0.2), end).prop_map(
        |((path, message), continuations, padding, priority, end)| Call {
            path,
            message,
            continuations,
            padding,
            priority,
            end,
        },
    )
}

fn part(session: String) -> impl Strategy<Value = Part> {
    let bytes = || vec(any::<u8>(), 0..60);
    prop_oneof![
        8 => call(session).prop_map(Part::Call),
        1 => (any::<[u8; 8]>(), any::<bool>()).prop_map(|(payload, ack)| Part::Ping(payload, ack)),
        1 => (settings(), prop::bool::weighted(0.3)).prop_map(|(s, ack)| Part::Settings(s, ack)),
        2 => (stream(), prop_oneof![0..4_u32, any::<u32>()]).prop_map(|(s, more)| Part::Window(s, more)),
        1 => (stream(), any::<[u8; 5]>()).prop_map(|(s, payload)| Part::Priority(s, payload)),
        2 => (stream(), 0..20_u32).prop_map(|(s, code)| Part::Reset(s, code)),
        1 => (any::<u32>(), 0..20_u32).prop_map(|(last, code)| Part::GoAway(last, code)),
        2 => (stream(), any::<u8>(), bytes()).prop_map(|(s, flags, b)| Part::Data(s, flags, b)),
        1 => (stream(), any::<u8>(), bytes()).prop_map(|(s, flags, b)| Part::Headers(s, flags, b)),
        1 => (stream(), any::<u8>(), bytes()).prop_map(|(s, flags, b)| Part::Continuation(s, flags, b)),
        1 => (any::<u8>(), any::<u8>(), stream(), bytes())
            .prop_map(|(kind, flags, s, b)| Part::Any(kind, flags, s, b)),
        1 => bytes().prop_map(Part::Bytes),
    ]
}

/// A part that breaks no rule, unless it is about a stream that has ended.
fn orderly_part(session: String) -> impl Strategy<Value = Part> {
    prop_oneof![
        8 => call(session).prop_map(Part::Call),
        1 => any::<[u8; 8]>().prop_map(|payload| Part::Ping(payload, false)),
        1 => orderly_settings().prop_map(|settings| Part::Settings(settings, false)),
        1 => (any::<Index>(), 1..4_u32).prop_map(|(s, more)| Part::Window(Stream::Opened(s), more)),
    ]
}

/// A peer that keeps the rules, if not those of the chat, or one that does not.
fn peer(session: &str) -> impl Strategy<Value = Peer> + use<> {
    let session = session.to_owned();
    let orderly = vec(orderly_part(session.clone()), 0..30);
    let orderly = (orderly_settings(), orderly, Just(Vec::new()));
    let changed = vec(orderly_part(session.clone()), 0..30);
    let changed = (orderly_settings(), changed, mutations());
    let disorderly = (settings(), vec(part(session), 0..30), mutations());
    let says = prop_oneof![orderly, changed, disorderly];
    (says, vec(any::<Index>(), 0..6)).prop_map(|((settings, parts, changes), cuts)| Peer {
        settings,
        parts,
        changes,
        cuts,
    })
}

#[test]
fn others_chat_while_any_frames_come() {
    let mut fixture = FuzzFixture::new();
    let address = fixture.server.address;
    let bob = fixture.runtime.block_on(fixture.server.join("bob"));
    let peers = peer(&bob.welcome.session);
    let (ada, runtime) = (RefCell::new(&mut fixture.ada), &fixture.runtime);
    let (answers, ends) = (Cell::new(0), Cell::new(0));
    let served = runner(file!()).run(&peers, |peer| {
        let mut ada = ada.borrow_mut();
        let heard = runtime.block_on(async {
            let chats = async {
                let said = ada.publish("served all the same").await.position;
                while ada.event().await.position < said {}
            };
            tokio::join!(peer.meet(address), chats).0
        });
        // A connection that is reset may be torn anywhere.
        if let Ok(heard) = heard {
            let mut frames = Frames::default();
            frames.feed(&heard);
            let mut taken = 0;
            while let Some(frame) = frames.take() {
                taken += 9 + frame.payload.len();
                answers.set(answers.get() + u32::from(frame.kind == HEADERS));
                ends.set(ends.get() + u32::from(frame.kind == GOAWAY));
            }
            prop_assert_eq!(taken, heard.len(), "whole frames");
        }
        Ok(())
    });
    served.unwrap_or_else(|error| panic!("{error}"));
    // Both happened: calls were answered, and connections were ended.
    let (answers, ends) = (answers.get(), ends.get());
    println!("{answers} answers, {ends} connections ended");
    assert!(answers > 0 && ends > 0, "{answers} answers, {ends} ends");
    drop(bob);
    fixture.end();
}
