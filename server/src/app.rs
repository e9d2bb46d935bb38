//! A whole server, put together: the store, the sequencer, the service, the connections.

use std::{sync::Arc, time::Duration};

use chitty_chat::proto::v1;
use thiserror::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    follower,
    log::Store,
    net::{self, Ends, Listener},
    replay::ReplayError,
    sequencer::{self, Chats, Sequencer, SequencerError, StopReason},
    service::ChittyChat,
};

/// How long connections have to receive their Closing after the store has failed. With the time
/// until a failure is noticed, this is less than a second.
const DRAIN_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What is configured about a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// The configuration of the chats.
    pub sequencer: sequencer::SequencerConfig,
    /// The limits on followers.
    pub followers: follower::FollowerLimits,
    /// The limits on connections.
    pub connections: net::Limits,
    /// Fills a buffer with unpredictable bytes.
    pub random: fn(&mut [u8]),
    /// Called at once when the store has failed and nothing is acknowledged any more. [`serve`]
    /// returns later, after all connections have ended.
    pub failed: fn(&SequencerError),
}

/// Why a server cannot serve, or cannot go on.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The chat cannot be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The chat cannot be written.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The descriptors for reflection are damaged, which is a bug of the build.
    #[error("cannot offer gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the chats in this store on this listener until `shutdown`, until nobody has been present for
/// the configured time, or until the store fails. All streams have ended or were aborted when this
/// returns.
pub async fn serve(
    listener: impl Listener,
    store: Arc<dyn Store>,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> Result<StopReason, ServeError> {
    let started = Sequencer::start(store, config.followers, config.sequencer);
    let (sequencer, chats) = tokio::select! {
        biased;
        // Folding large chats takes seconds.
        () = shutdown.cancelled() => return Ok(StopReason::Shutdown),
        started = started => started?,
    };
    let (health, service) = services(chats, config.random).await?;
    let service = service.with_replies(config.connections.replies);
    // A child token, so that ending the connections does not cancel the caller's token.
    let ends = Ends {
        shutdown: shutdown.child_token(),
        ..Ends::default()
    };
    let network = net::serve(listener, service, config.connections, ends.clone());
    let network = tokio::spawn(network);
    // On the runtime's threads, so that waking a task does not have to wake another thread first.
    let result = tokio::spawn(async move {
        let result = sequencer.run_with_hubs(shutdown).await;
        if let Err(error) = &result {
            (config.failed)(error);
        }
        result
    })
    .await;
    // Health probes see this before the port is closed.
    for service in [v1::SERVICE_NAME, ""] {
        health
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    ends.shutdown.cancel();
    if matches!(result, Ok(Err(_))) {
        tokio::spawn(async move {
            sleep(DRAIN_AFTER_FAILURE).await;
            ends.aborted.cancel();
        });
    }
    if network.await.is_err() {
        tracing::error!("the accept loop failed");
    }
    match result {
        Ok(result) => Ok(result?),
        // The task is never cancelled, so it can only have panicked.
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

async fn services(
    chats: Chats,
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
    Ok((health, ChittyChat::new(chats, random, others)))
}
