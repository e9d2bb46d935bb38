//! Probes that repeat: reading history, joining, and resuming after the link was cut.

use std::{net::IpAddr, time::Duration};

use chitty_chat::proto::v1::{HistoryRequest, JoinRequest};
use color_eyre::eyre::{Report, Result};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{
    Phase, Place, Seen, Waited,
    client::{Joined, join, request, session},
};

const PAUSE: Duration = Duration::from_millis(500);
/// The longest wait of a probe.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two attempts if the server gives no retry time.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// Events of a page, as the chat's own client asks for.
const BACKLOG: u32 = 200;
const RETURNS: &str = "returns";

pub(super) struct Probe {
    place: Place,
    from: IpAddr,
    /// The participant whose link is cut.
    returns: Option<Joined>,
    resume: JoinRequest,
    newcomers: u64,
    seen: Seen,
}

impl Probe {
    pub(super) async fn join(place: Place, from: IpAddr) -> Result<Self> {
        let client = place.connect(from).await?;
        let joined = join(client, request(RETURNS, 0)).await?;
        Ok(Self {
            place,
            from,
            resume: joined.resume(RETURNS),
            returns: Some(joined),
            newcomers: 0,
            seen: Seen::default(),
        })
    }

    pub(super) async fn run(mut self, mut phase: watch::Receiver<Phase>) -> Seen {
        let _ = phase.wait_for(|phase| *phase == Phase::During).await;
        while *phase.borrow() == Phase::During {
            let history = self.measure(Self::read_history).await;
            self.seen.history = self.seen.history.max(history);
            // The same one, however often it has to try.
            self.newcomers += 1;
            let newcomer = self.measure(Self::come_in).await;
            self.seen.newcomer = self.seen.newcomer.max(newcomer);
            let resume = self.measure(Self::come_back).await;
            self.seen.resume = self.seen.resume.max(resume);
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = phase.wait_for(|phase| *phase == Phase::After) => {}
            }
        }
        self.seen
    }

    /// How long it takes, with all attempts that it needs.
    async fn measure(&mut self, attempt: impl AsyncFn(&mut Self) -> Result<()>) -> Option<Waited> {
        let begun = Instant::now();
        let done = timeout(PATIENCE, async {
            while let Err(error) = attempt(self).await {
                sleep(retry_in(&error)).await;
            }
        });
        let done = done.await;
        let time = begun.elapsed();
        Some(match done {
            Ok(()) => Waited::For(time),
            Err(_) => Waited::InVain(time),
        })
    }

    async fn read_history(&mut self) -> Result<()> {
        let request = HistoryRequest {
            session: session(RETURNS),
            limit: 100,
            ..HistoryRequest::default()
        };
        let mut client = match &self.returns {
            Some(joined) => joined.client.clone(),
            None => self.place.connect(self.from).await?,
        };
        client.history(request).await?;
        Ok(())
    }

    async fn come_in(&mut self) -> Result<()> {
        let client = self.place.connect(self.from).await?;
        let request = request(&format!("newcomer {}", self.newcomers), BACKLOG);
        let mut joined = join(client, request).await?;
        joined.catch_up().await?;
        joined.leave().await
    }

    async fn come_back(&mut self) -> Result<()> {
        // Its link is gone, and the server may not know it yet.
        self.returns = None;
        let client = self.place.connect(self.from).await?;
        let joined = join(client, self.resume.clone()).await?;
        if !joined.welcome.resumed {
            self.seen.lost += 1;
        }
        self.resume = joined.resume(RETURNS);
        self.returns = Some(joined);
        Ok(())
    }
}

/// The pause before the next attempt: as the server says, or as a patient client would wait.
fn retry_in(error: &Report) -> Duration {
    let status = error.downcast_ref::<Status>();
    let told = status.and_then(|status| status.get_details_retry_info()?.retry_delay);
    told.map_or(BETWEEN_TRIES, |told| {
        told.clamp(Duration::from_millis(10), PATIENCE)
    })
}
