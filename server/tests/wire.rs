//! The layers below the calls: malformed requests, silent and slow peers, probes.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BufMut};
use chitty_chat::{
    proto::v1::{
        SERVICE_NAME, chitty_chat_client::ChittyChatClient, event::Kind as EventKind, left,
    },
    secret::os_random,
};
use chitty_server::{log::MemoryLog, net};
use chitty_testing::server::{PATIENCE, TestServer, code, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Endpoint,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

/// Sends bytes that need not be a message.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

async fn send_raw(server: &TestServer, method: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = Grpc::new(server.channel().await);
    client.ready().await.expect("connected");
    let path: PathAndQuery = format!("/{SERVICE_NAME}/{method}").parse().expect("a path");
    client
        .unary(Request::new(bytes), path, Raw)
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn malformed_requests_are_the_clients_mistake() {
    let server = TestServer::start().await;
    // Field 2, a string, of bytes that are not UTF-8.
    let not_utf8 = vec![0x12, 2, 0xff, 0xfe];
    let status = send_raw(&server, "Publish", not_utf8)
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    assert_eq!(
        details.bad_request().expect("details").field_violations[0].field,
        "text"
    );
    for method in ["Join", "Publish", "Leave", "History"] {
        for garbage in [vec![0xff; 40], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]] {
            let refused = send_raw(&server, method, garbage).await;
            assert_eq!(code(refused), Code::InvalidArgument, "{method}");
        }
        let large = send_raw(&server, method, vec![0; 1 << 20]).await;
        assert!(
            matches!(code(large), Code::OutOfRange | Code::ResourceExhausted),
            "{method}"
        );
    }
    assert_eq!(
        code(send_raw(&server, "Shout", Vec::new()).await),
        Code::Unimplemented
    );
    let mut ada = server.join("ada").await;
    ada.publish("served all the same").await;
}

#[tokio::test]
async fn probes_and_reflection_are_answered() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest {
        service: SERVICE_NAME.into(),
    };
    let reply = health.check(request).await.expect("known").into_inner();
    assert_eq!(
        reply.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );

    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::once(request);
    let mut replies = reflection
        .server_reflection_info(requests)
        .await
        .expect("v1")
        .into_inner();
    let reply = replies.message().await.expect("one").expect("one");
    let Some(MessageResponse::ListServicesResponse(list)) = reply.message_response else {
        panic!("a list");
    };
    assert!(
        list.service
            .iter()
            .any(|service| service.name == SERVICE_NAME)
    );
}

/// Forwards both ways until the token is cancelled, and then keeps the connections open in
/// silence, as a pulled cable does.
async fn cable(server: &TestServer) -> (String, tokio_util::sync::CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let pulled = tokio_util::sync::CancellationToken::new();
    let (target, stop) = (server.address, pulled.clone());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(target).await.expect("it listens");
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = stop.cancelled() => sleep(Duration::from_secs(60)).await,
                }
            });
        }
    });
    (url, pulled)
}

#[tokio::test]
async fn a_pulled_cable_is_noticed_and_announced() {
    let mut config = config();
    config.connections = net::Limits {
        keepalive_interval: Duration::from_millis(200),
        keepalive_timeout: Duration::from_secs(5),
        ..config.connections
    };
    let server = TestServer::on(Arc::new(MemoryLog::new(&mut os_random)), config).await;
    let mut ada = server.join("ada").await;
    let (url, pulled) = cable(&server).await;
    let channel = Endpoint::from_shared(url)
        .expect("a URL")
        .connect()
        .await
        .expect("a cable");
    let mut client = ChittyChatClient::new(channel);
    let request = chitty_chat::proto::v1::JoinRequest {
        name: "bob".into(),
        lamport: 1,
        ..Default::default()
    };
    let mut stream = client.join(request).await.expect("free").into_inner();
    stream.message().await.expect("a Welcome");
    ada.events(2).await;
    // Alive for many keepalives, and not announced.
    sleep(Duration::from_millis(1200)).await;
    ada.publish("still two").await;
    assert!(matches!(
        ada.event().await.kind,
        Some(EventKind::Message(_))
    ));
    pulled.cancel();
    let Some(EventKind::Left(left)) = ada.event().await.kind else {
        panic!("a Left")
    };
    assert_eq!(
        (left.name.as_str(), left.reason()),
        ("bob", left::Reason::Lost)
    );
}

#[tokio::test]
async fn who_does_not_read_delays_nobody_and_misses_nothing() {
    let server = TestServer::start().await;
    let mut ada = server.join("ada").await;
    ada.event().await;
    // The windows of a chat's client: a window for the connection that is larger than a stream's.
    let channel = Endpoint::from_shared(format!("http://{}", server.address))
        .expect("a URL")
        .initial_stream_window_size(64 << 10)
        .initial_connection_window_size(1 << 20)
        .connect()
        .await
        .expect("it listens");
    let request = chitty_chat::proto::v1::JoinRequest {
        name: "bob".into(),
        lamport: 1,
        ..Default::default()
    };
    let mut bob = ChittyChatClient::new(channel)
        .join(request)
        .await
        .expect("free")
        .into_inner();
    ada.event().await;
    // Far more than the windows and the ring hold.
    let text = "x".repeat(128);
    let mut expected = 2;
    for _ in 0..10_000 {
        ada.publish(&text).await;
        expected += 1;
        assert_eq!(ada.event().await.position, expected);
    }
    bob.message().await.expect("a Welcome");
    for position in 2..=expected {
        let message = timeout(PATIENCE, bob.message())
            .await
            .expect("in time")
            .expect("alive");
        let Some(chitty_chat::proto::v1::broadcast::Kind::Event(event)) =
            message.and_then(|broadcast| broadcast.kind)
        else {
            panic!("an event");
        };
        assert_eq!(event.position, position);
    }
}

#[tokio::test]
async fn garbage_on_the_port_harms_nobody() {
    let server = TestServer::start().await;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n",
        &[0; 4096],
        b"",
    ] {
        let mut stream = TcpStream::connect(server.address)
            .await
            .expect("it listens");
        stream.write_all(bytes).await.expect("written");
        stream.shutdown().await.expect("closed");
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("it is closed");
    }
    server
        .join("ada")
        .await
        .publish("served all the same")
        .await;
}

/// A body that need not be a message, as the HTTP/2 stream has it; the status of the answer.
async fn send_body(server: &TestServer, method: &str, body: &'static [u8]) -> Code {
    let mut channel = server.channel().await;
    let request = http::Request::post(format!("http://server/{SERVICE_NAME}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(tonic::body::Body::new(http_body_util::Full::from(body)))
        .expect("a request");
    std::future::poll_fn(|cx| tower_service::Service::poll_ready(&mut channel, cx))
        .await
        .expect("connected");
    let answer = tower_service::Service::call(&mut channel, request)
        .await
        .expect("an answer");
    Status::from_header_map(answer.headers())
        .expect("a status")
        .code()
}

#[tokio::test]
async fn what_is_no_request_at_all_is_the_clients_mistake_too() {
    let server = TestServer::start().await;
    for method in ["Join", "Publish", "Leave", "History"] {
        // Nothing; flagged as compressed; an unknown flag; less than announced.
        for body in [
            &b""[..],
            b"\x01\0\0\0\0",
            b"\x02\0\0\0\0",
            b"\0\0\0\0\x09abc",
        ] {
            let code = send_body(&server, method, body).await;
            assert_eq!(code, Code::InvalidArgument, "{method} {body:?}");
        }
    }
}
