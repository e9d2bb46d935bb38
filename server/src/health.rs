//! The `health` command: asks a server whether it serves, for containers, service managers and
//! scripts.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use chitty_chat::{
    cause::{of_status, root_cause},
    proto::v1,
    text::display,
};
use clap::Args as ClapArgs;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    cli::parse_seconds,
    listen::{DEFAULT, ListenAddress},
};

/// The options of `health`.
#[derive(Clone, Debug, ClapArgs)]
pub struct HealthArgs {
    /// Address and port of the server; for one that listens on every address, this machine's own is
    /// used
    #[arg(
        env = "CHITTY_LISTEN",
        value_name = "ADDR",
        default_value = DEFAULT
    )]
    address: ListenAddress,

    /// Seconds that the answer may take
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_seconds)]
    within: Duration,
}

/// Prints whether the server serves. The exit code is 0 if it does, and 1 if not.
pub fn run(args: &HealthArgs) -> ExitCode {
    let place = own(&args.address);
    match ask(&place, args.within) {
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

fn ask(place: &ListenAddress, within: Duration) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let asking = async {
        let endpoint =
            Endpoint::from_shared(format!("http://{place}")).map_err(|error| root_cause(&error))?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| root_cause(&error))?;
        let request = HealthCheckRequest {
            service: v1::SERVICE_NAME.to_owned(),
        };
        let reply = HealthClient::new(channel).check(request).await;
        let status = reply.map_err(|status| of_status(&status))?.into_inner();
        match status.status() {
            ServingStatus::Serving => Ok(()),
            _ => Err("it says so".to_owned()),
        }
    };
    runtime.block_on(async {
        tokio::time::timeout(within, asking)
            .await
            .unwrap_or_else(|_| Err(format!("no answer for {} s", within.as_secs_f64())))
    })
}
