//! The way into a chat, with what only the binary knows: the server that it can start.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use chitty::{
    cli::ClientOptions,
    enter::{self, Entrance, Terminal},
    launch::{LocalPlace, LocalServer},
    trust::{self, Trust},
};
use chitty_chat::secret::os_random;
use color_eyre::eyre::{Result, WrapErr as _};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::wall_clock;

/// The keys of servers and of this device.
pub(super) fn known_by(key: Option<PathBuf>) -> Trust {
    Trust {
        folder: trust::default_folder().unwrap_or_else(chitty_server::data::default_data_dir),
        key,
        today: || {
            Timestamp::try_from(wall_clock())
                .map_or(Date::MIN, |now| now.to_zoned(TimeZone::system()).date())
        },
        random: os_random,
    }
}

/// The way to the server that was named, or to the local one. What is in doubt is asked on the
/// terminal, unless lines are read and written.
pub(super) async fn find_entrance(
    options: &mut ClientOptions,
    trust: &Arc<Trust>,
    log_dir: &Path,
) -> Result<Entrance> {
    let mut terminal = if options.plain {
        None
    } else {
        Terminal::open().ok()
    };
    let mut server = options.server.take();
    let is_chosen = server.is_some() || options.local.is_some() || options.data.is_some();
    if let Some(terminal) = terminal.as_mut().filter(|_| !is_chosen) {
        server = enter::offer(trust, terminal)?;
    }
    let local = local_server(options, log_dir)?;
    let entrance = enter::enter(server, local, trust, terminal.as_mut()).await?;
    let entrance = entrance.on_device(device());
    options.name = options.name.take().or_else(|| entrance.name.clone());
    if let Some(warning) = &entrance.warning {
        let _ = writeln!(io::stderr(), "chitty: {warning}");
    }
    Ok(entrance)
}

fn local_server(args: &ClientOptions, log_dir: &Path) -> Result<LocalServer> {
    let program = std::env::current_exe().wrap_err("cannot find this program to start a server")?;
    let data = args
        .data
        .clone()
        .unwrap_or_else(chitty_server::data::default_data_dir);
    let data = absolute(&data)?;
    let listen = args
        .local
        .map_or("none".into(), |address| address.to_string());
    let arguments: Vec<OsString> = vec![
        "serve".into(),
        "--detach".into(),
        "--listen".into(),
        listen.into(),
        "--data".into(),
        data.clone().into(),
        "--log-dir".into(),
        absolute(log_dir)?.into(),
        "--idle-exit".into(),
        args.idle_exit.to_string().into(),
    ];
    Ok(LocalServer {
        place: args
            .local
            .map_or(LocalPlace::Socket(data), LocalPlace::Address),
        program,
        arguments,
        locked: chitty_server::cli::EXIT_LOCKED,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).wrap_err_with(|| format!("{} is no folder", path.display()))
}

/// The name of this device: the first part of the name of its host.
fn device() -> Option<String> {
    let host = whoami::hostname().ok()?;
    let name = host.split('.').next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}
