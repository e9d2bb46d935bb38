//! A whole server: the log, the sequencer, the service, the connections.

use std::{sync::Arc, time::Duration};

use chitty_chat::proto::v1;
use thiserror::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    follower,
    log::{Log, ReplayError},
    net::{self, Ends, Listener},
    sequencer::{self, Handle, Sequencer, SequencerError, StopReason},
    service::ChittyChat,
};

/// After the store has failed, connections are cut when they have had so long to hear of it. With
/// the time until a failure is noticed, that is less than a second.
const DRAIN_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// What is configured about a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// The chat.
    pub sequencer: sequencer::SequencerConfig,
    /// What followers keep and get.
    pub followers: follower::FollowerLimits,
    /// Connections.
    pub connections: net::Limits,
    /// Fills a buffer with what nobody can guess.
    pub random: fn(&mut [u8]),
    /// Hears at once that the store has failed, and nothing is acknowledged any more. [`serve`]
    /// returns when connections have ended, too, which takes as long as peers let it.
    pub failed: fn(&SequencerError),
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
    config: ServerConfig,
    shutdown: CancellationToken,
) -> Result<StopReason, ServeError> {
    let started = Sequencer::start(Arc::clone(&log), config.followers, config.sequencer);
    let (sequencer, handle) = tokio::select! {
        biased;
        // To fold a large chat takes seconds.
        () = shutdown.cancelled() => return Ok(StopReason::Shutdown),
        started = started => started?,
    };
    let hub = Arc::clone(handle.hub());
    let (health, service) = services(handle, config.random).await?;
    let service = service.with_replies(config.connections.replies);
    let ends = Ends {
        shutdown: shutdown.child_token(),
        ..Ends::default()
    };
    let network = net::serve(listener, service, config.connections, ends.clone());
    let network = tokio::spawn(network);
    // On the runtime's threads, so that who is woken by it needs no other thread to be told.
    let result = tokio::spawn(async move {
        let result = tokio::select! {
            biased;
            result = sequencer.run(shutdown) => result,
            never = hub.run() => match never {},
        };
        if let Err(error) = &result {
            (config.failed)(error);
        }
        result
    })
    .await;
    // Probes hear of it before the port is gone.
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
