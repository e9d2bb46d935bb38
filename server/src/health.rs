//! The `health` command: asks a server whether it serves, for containers, service managers and
//! scripts.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use chitty_chat::{
    cause::{of_status, root_cause},
    local::{DialError, SOCKET},
    proto::v1,
    text::display,
};
use clap::Args as ClapArgs;
use thiserror::Error;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    cli::{DataArgs, parse_seconds},
    listen::{DEFAULT, Listen, ListenAddress},
    local,
};

/// The options of `health`.
#[derive(Clone, Debug, ClapArgs)]
pub struct HealthArgs {
    /// Address and port of the server, which has to take plain text there; for one that listens on
    /// every address, this machine's own is used [default: the socket in the data folder, and if
    /// there is none, 127.0.0.1:50051]
    #[arg(value_name = "ADDR")]
    address: Option<ListenAddress>,

    /// The server's own option, from the environment of a container or service.
    #[arg(long, env = "CHITTY_LISTEN", hide = true)]
    listen: Option<Listen>,

    #[command(flatten)]
    data: DataArgs,

    /// Seconds that the answer may take
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    within: Duration,
}

/// Prints whether the server serves. The exit code is 0 if it does, and 1 if not.
pub fn run(args: &HealthArgs) -> ExitCode {
    let (place, answer) = args.ask();
    match answer {
        Ok(()) => {
            let _ = writeln!(io::stdout(), "{place} serves");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let why = display::safe(&why);
            let _ = writeln!(io::stderr(), "chitty-server: {place} does not serve: {why}");
            ExitCode::FAILURE
        }
    }
}

impl HealthArgs {
    /// The place that was asked, and its answer.
    fn ask(&self) -> (String, Result<(), String>) {
        let is_given = self.data.data.is_some() || self.listen.is_none();
        if self.address.is_none() && is_given {
            let data = self.data.folder();
            let asked = ask(self.within, async { Ok(local::channel(&data).await?) });
            let is_absent = asked.as_ref().is_err_and(AskError::is_absent);
            // A server without a socket: an older one, or one that keeps nothing.
            if !is_absent || self.listen == Some(Listen::Nowhere) {
                let place = data.join(SOCKET).display().to_string();
                return (place, asked.map_err(|error| error.to_string()));
            }
        }
        let listening = match &self.listen {
            Some(Listen::On(address)) => Some(address),
            Some(Listen::Nowhere) | None => None,
        };
        let place = self
            .address
            .as_ref()
            .or(listening)
            .map_or_else(|| DEFAULT.to_owned(), |address| own(address).to_string());
        let asked = ask(self.within, async {
            let endpoint = Endpoint::from_shared(format!("http://{place}"))?;
            Ok(endpoint.connect().await?)
        });
        (place, asked.map_err(|error| error.to_string()))
    }
}

/// The loopback address of a server that listens on every address: not every system can connect to
/// the unspecified address.
fn own(place: &ListenAddress) -> ListenAddress {
    let host = match place.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    ListenAddress {
        host: host.to_owned(),
        port: place.port,
    }
}

/// Why a server did not answer that it serves.
#[derive(Debug, Error)]
enum AskError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{}", root_cause(_0))]
    Transport(#[from] tonic::transport::Error),
    #[error("{0}")]
    Answer(String),
}

impl AskError {
    /// Whether there is no server to ask, as opposed to one that does not answer.
    const fn is_absent(&self) -> bool {
        matches!(
            self,
            Self::Dial(DialError::NoSocket { .. } | DialError::NobodyListens { .. })
        )
    }
}

/// Asks the server to which `connecting` leads.
fn ask(
    within: Duration,
    connecting: impl Future<Output = Result<Channel, AskError>>,
) -> Result<(), AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AskError::Answer(error.to_string()))?;
    let asking = async {
        let channel = connecting.await?;
        let request = HealthCheckRequest {
            service: v1::SERVICE_NAME.to_owned(),
        };
        let reply = HealthClient::new(channel).check(request).await;
        let reply = reply.map_err(|status| AskError::Answer(of_status(&status)))?;
        match reply.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            _ => Err(AskError::Answer("it says so".to_owned())),
        }
    };
    runtime.block_on(async {
        tokio::time::timeout(within, asking)
            .await
            .unwrap_or_else(|_| {
                let late = format!("no answer for {} s", within.as_secs_f64());
                Err(AskError::Answer(late))
            })
    })
}
