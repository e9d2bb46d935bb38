//! `chitty trust` and `chitty key`.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use chitty_chat::{
    address::ServerAddress,
    files,
    fingerprint::{Fingerprint, FingerprintError},
    link::SCHEME,
};
use thiserror::Error;

use crate::{
    enter::{AskError, Terminal},
    trust::{DeviceKey, DeviceKeyError, KnownError, Trust, Trusted},
};

/// The options of `chitty trust`.
#[derive(Clone, Debug, clap::Args)]
pub struct TrustArgs {
    /// The server.
    #[arg(value_name = "HOST[:PORT]")]
    server: ServerAddress,
    /// The fingerprint of its key, as `chitty-server key` prints it on the server. Without one, the
    /// terminal asks for it
    #[arg(value_name = "SHA256:…")]
    fingerprint: Option<Fingerprint>,
}

/// The options of `chitty key`.
#[derive(Clone, Debug, clap::Args)]
pub struct KeyArgs {
    /// Write the key and the certificate by which this server knows this device, for other
    /// programs, to the files me.key and me.pem in this folder
    #[arg(long, num_args = 2, value_names = ["DIR", "HOST[:PORT]"])]
    pem: Option<Vec<String>>,
    /// The file with the key of this device for every server
    #[arg(long, value_name = "FILE", env = "CHITTY_KEY", value_parser = crate::cli::path())]
    pub key: Option<PathBuf>,
}

/// Why a command about keys failed.
#[derive(Debug, Error)]
pub enum KeyCommandError {
    /// The servers that are known cannot be read or written.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] DeviceKeyError),
    /// There is nobody to ask for the fingerprint.
    #[error("{0}; give the fingerprint after the host")]
    Ask(#[from] AskError),
    /// The text is no fingerprint.
    #[error("{0}")]
    Fingerprint(#[from] FingerprintError),
    /// The text is a link.
    #[error("that is a link, which vouches for the key by itself; enter by `chitty join`")]
    Link,
    /// The server is not known.
    #[error("no server is known at {0}, so this device has no key for it; enter its chat first")]
    Unknown(ServerAddress),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] chitty_chat::address::AddressError),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Trusts a key of a server. Returns what to print.
pub fn trust(trust: &Trust, args: &TrustArgs) -> Result<String, KeyCommandError> {
    let server = &args.server;
    let key = match args.fingerprint {
        Some(key) => key,
        None => ask(server)?,
    };
    Ok(match trust.trust(server, key)? {
        Trusted::Already => format!("{server} is known by this key already\n"),
        Trusted::Added => format!("{server} is trusted by the key {key}\n"),
        Trusted::Replaced(old) => {
            format!("{server} is trusted by the key {key}\n  and no more by  {old}\n")
        }
    })
}

fn ask(server: &ServerAddress) -> Result<Fingerprint, KeyCommandError> {
    let mut terminal = Terminal::open()?;
    let question = format!("Paste what the owner of {server} gives you (SHA256:…): ");
    terminal.say(&question).map_err(AskError::from)?;
    let answer = terminal.line().map_err(AskError::from)?;
    let answer = answer.unwrap_or_default();
    if answer.contains(SCHEME) {
        return Err(KeyCommandError::Link);
    }
    Ok(answer.parse()?)
}

/// Prints the fingerprints by which servers know this device, or writes a key for other programs.
/// Returns what to print.
pub fn key(trust: &Trust, args: &KeyArgs) -> Result<String, KeyCommandError> {
    if let Some([folder, server]) = args.pem.as_deref() {
        return export(trust, Path::new(folder), &server.parse()?);
    }
    if let Some(path) = &trust.key {
        let key = DeviceKey::read(path)?.ok_or_else(|| DeviceKeyError::Gone(path.clone()))?;
        return Ok(format!("{}\n", key.fingerprint()));
    }
    let mut text = String::new();
    for server in trust.known()?.all() {
        let Some(name) = &server.key else { continue };
        let path = trust.key_path(name);
        let key = DeviceKey::read(&path)?.ok_or(DeviceKeyError::Gone(path))?;
        // Writing to a string never fails.
        let _ = writeln!(text, "{}  {}", server.address, key.fingerprint());
    }
    if text.is_empty() {
        text.push_str("no server knows this device yet; the first connection makes a key\n");
    }
    Ok(text)
}

fn export(trust: &Trust, folder: &Path, server: &ServerAddress) -> Result<String, KeyCommandError> {
    let path = if let Some(path) = &trust.key {
        path.clone()
    } else {
        let known = trust.known()?;
        let name = known.at(server).find_map(|line| line.key.as_ref());
        let name = name.ok_or_else(|| KeyCommandError::Unknown(server.clone()))?;
        trust.key_path(name)
    };
    let key = DeviceKey::read(&path)?.ok_or(DeviceKeyError::Gone(path))?;
    let write = |name: &str, text: String| {
        files::write_private(folder, OsStr::new(name), text.as_bytes()).map_err(|source| {
            KeyCommandError::Write {
                path: folder.join(name),
                source,
            }
        })
    };
    write("me.key", key.private_pem())?;
    write("me.pem", key.certificate_pem())?;
    Ok(format!(
        "{} and {} are the key of this device for {server}: whoever has them is you there\n",
        folder.join("me.key").display(),
        folder.join("me.pem").display()
    ))
}
