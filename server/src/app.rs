//! A whole server: the log, the sequencer, the service, the connections.

use std::sync::Arc;

use chitty_chat::proto::v1;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    follower,
    log::{Log, ReplayError},
    net::{self, Listener},
    sequencer::{self, End, Handle, Sequencer, SequencerError},
    service::ChittyChat,
};

/// What is configured about a server.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The chat.
    pub sequencer: sequencer::Config,
    /// What followers keep and get.
    pub followers: follower::Limits,
    /// Connections.
    pub connections: net::Limits,
    /// Fills a buffer with what nobody can guess.
    pub random: fn(&mut [u8]),
}

/// Why a server cannot serve, or not any more.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The chat cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The chat cannot be written.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The reflection's descriptors are damaged: a mistake of the build.
    #[error("cannot offer gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the chat in this log on this listener until told to end, idle for long enough, or the
/// store fails. All streams have ended when this returns, or were cut.
pub async fn serve(
    listener: impl Listener,
    log: Arc<dyn Log>,
    config: Config,
    shutdown: CancellationToken,
) -> Result<End, ServeError> {
    let (sequencer, handle) =
        Sequencer::start(Arc::clone(&log), config.followers, config.sequencer).await?;
    let hub = Arc::clone(handle.hub());
    let (health, service) = services(handle, config.random).await?;
    let service = service.with_replies(config.connections.replies);
    let connections = shutdown.child_token();
    let network = tokio::spawn(net::serve(
        listener,
        service,
        config.connections,
        connections.clone(),
    ));
    // On the runtime's threads, so that who is woken by it needs no other thread to be told.
    let result = tokio::spawn(async move {
        tokio::select! {
            biased;
            result = sequencer.run(shutdown) => result,
            never = hub.run() => match never {},
        }
    })
    .await;
    // Probes hear of it before the port is gone.
    for service in [v1::SERVICE_NAME, ""] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    connections.cancel();
    if network.await.is_err() {
        tracing::error!("the accept loop failed");
    }
    match result {
        Ok(result) => Ok(result?),
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

async fn services(
    handle: Handle,
    random: fn(&mut [u8]),
) -> Result<(HealthReporter, ChittyChat), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health
        .set_service_status(v1::SERVICE_NAME, ServingStatus::Serving)
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let others = Routes::new(health_service).add_service(reflection);
    Ok((health, ChittyChat::new(handle, random, others)))
}
