//! The fake server's connections: the proxy that can cut them, and the calls that come on them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};

use chitty_chat::proto::v1;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, body::Body, server::Grpc, transport::Server};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::{AnyCall, PendingCall};

/// Connects each client with the server, until the connection is cut.
pub(super) async fn proxy(listener: TcpListener, inner: SocketAddr, cut: watch::Receiver<u32>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut cut = cut.clone();
        // Only cuts from now on count for this connection.
        cut.mark_unchanged();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(inner).await else {
                return;
            };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

/// Serves on a free port, and passes each call to the test. Returns the address.
pub(super) async fn serve(
    calls: mpsc::UnboundedSender<AnyCall>,
    health: Arc<AtomicI32>,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let service = service_fn(move |request| {
        let (calls, health) = (calls.clone(), Arc::clone(&health));
        async move { Ok::<_, std::convert::Infallible>(answer(request, calls, health).await) }
    });
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().serve_with_incoming(service, incoming));
    address
}

async fn answer(
    request: Request<Body>,
    calls: mpsc::UnboundedSender<AnyCall>,
    health: Arc<AtomicI32>,
) -> Response<Body> {
    match request.uri().path() {
        "/chitty.v1.ChittyChat/Join" => {
            let join = hand_over(calls, AnyCall::Join);
            let mut grpc = Grpc::new(ProstCodec::<v1::Broadcast, v1::JoinRequest>::default());
            grpc.server_streaming(service_fn(join), request).await
        }
        "/chitty.v1.ChittyChat/Publish" => {
            let publish = hand_over(calls, AnyCall::Publish);
            let mut grpc = Grpc::new(ProstCodec::<v1::PublishReply, v1::PublishRequest>::default());
            grpc.unary(service_fn(publish), request).await
        }
        "/chitty.v1.ChittyChat/Leave" => {
            let leave = hand_over(calls, AnyCall::Leave);
            let mut grpc = Grpc::new(ProstCodec::<v1::LeaveReply, v1::LeaveRequest>::default());
            grpc.unary(service_fn(leave), request).await
        }
        "/chitty.v1.ChittyChat/History" => {
            let history = hand_over(calls, AnyCall::History);
            let mut grpc = Grpc::new(ProstCodec::<v1::HistoryReply, v1::HistoryRequest>::default());
            grpc.unary(service_fn(history), request).await
        }
        "/grpc.health.v1.Health/Check" => {
            let check = move |request: tonic::Request<HealthCheckRequest>| {
                let status = health.load(Ordering::SeqCst);
                let known = request.get_ref().service == "chitty.v1.ChittyChat";
                std::future::ready(if known {
                    Ok(tonic::Response::new(HealthCheckResponse { status }))
                } else {
                    Err(Status::not_found("no such service"))
                })
            };
            let codec = ProstCodec::<HealthCheckResponse, HealthCheckRequest>::default();
            Grpc::new(codec).unary(service_fn(check), request).await
        }
        _ => Status::unimplemented("no such call").into_http(),
    }
}

/// Passes each call to the test, and waits for its answer.
fn hand_over<Q: Send + 'static, R: Send + 'static>(
    calls: mpsc::UnboundedSender<AnyCall>,
    kind: fn(PendingCall<Q, R>) -> AnyCall,
) -> impl FnMut(tonic::Request<Q>) -> BoxFuture<'static, Result<tonic::Response<R>, Status>> {
    move |request| {
        let (answer, answered) = oneshot::channel();
        let request = request.into_inner();
        let _ = calls.send(kind(PendingCall { request, answer }));
        Box::pin(async move {
            let answer = answered.await;
            answer
                .unwrap_or_else(|_| Err(Status::unavailable("the test ended")))
                .map(tonic::Response::new)
        })
    }
}
