//! The ways into a server: its ports and its Unix socket, and what is printed about them.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use chitty_chat::{
    files,
    fingerprint::Fingerprint,
    local::{ANYBODY, SOCKET},
};
use chitty_room::Access;
use color_eyre::eyre::{Result, WrapErr as _};
use thiserror::Error;
use tracing::warn;

use super::{ServeArgs, say};
use crate::{
    advertise::{LinkPlace, routed_address},
    data::DataDir,
    key::ServerKey,
    listen::{Listen, Ports, own_addresses, takes_plain_text, ways_in},
    net::{Doors, Tls, UnixDoor},
};

/// A server that nobody could reach.
#[derive(Debug, Error)]
#[error(
    "--listen none leaves only the socket in the data folder, and --ephemeral has no folder; leave \
     one of them out"
)]
pub(super) struct Unreachable;

/// Options that do not go together.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum AccessError {
    /// In plain text nobody can show a key.
    #[error(
        "with --insecure nobody shows a key, so that members cannot be told from strangers: leave \
         out --closed, and add --open if everybody who can reach the server may join"
    )]
    InsecureAndClosed,
    /// Nobody could be invited.
    #[error(
        "with --ephemeral there is no socket over which the first member could be invited: add \
         --open if everybody who can reach the server may join, or leave out --ephemeral"
    )]
    NobodyInvites,
}

/// Who may take part. A port that other machines can reach closes the chat, because nobody should
/// have to remember that.
fn access(args: &ServeArgs, listening: &[SocketAddr]) -> Result<Access, AccessError> {
    let is_reachable = listening.iter().any(|at| !takes_plain_text(at.ip(), false));
    let is_closed = args.closed || (is_reachable && !args.open);
    if args.open {
        return Ok(Access::Open);
    }
    match (is_closed, args.insecure, args.ephemeral) {
        (false, _, _) => Ok(Access::ByLog),
        (true, true, _) => Err(AccessError::InsecureAndClosed),
        (true, false, true) => Err(AccessError::NobodyInvites),
        (true, false, false) => Ok(Access::Closed),
    }
}

/// What a server listens on.
#[derive(Debug)]
pub(super) struct Entrances {
    /// Who may take part.
    pub(super) access: Access,
    pub(super) listening: Vec<SocketAddr>,
    takes_both: bool,
    is_insecure: bool,
    key: Option<Fingerprint>,
    place: Option<LinkPlace>,
    data: Option<PathBuf>,
    /// Whether the socket in the data folder is open.
    has_socket: bool,
}

/// Opens all that the options ask for. `data` is the locked data folder, if the chat is kept.
pub(super) async fn open(args: &ServeArgs, data: Option<&DataDir>) -> Result<(Doors, Entrances)> {
    let data = data.map(DataDir::path);
    let (key, ports) = match &args.listen {
        Listen::Nowhere if data.is_none() => return Err(Unreachable.into()),
        Listen::Nowhere => (None, Ports::default()),
        Listen::On(address) => {
            let key = data.map_or_else(ServerKey::ephemeral, ServerKey::load_or_make)?;
            (Some(key), Ports::bind(address).await?)
        }
    };
    let unix = match data.map(UnixDoor::bind).transpose() {
        Ok(unix) => unix,
        // Not every disk can hold a socket. With a port, the server is of use without one.
        Err(error) if key.is_some() => {
            warn!(%error, "there is no socket in the data folder");
            say(&format!("{error}; commands to this server will not work"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    let listening = ports.addresses()?;
    let access = access(args, &listening)?;
    let place = LinkPlace::of(args.advertise.as_ref(), &listening, routed_address());
    if let (Some(place), Some(data)) = (&place, data)
        && let Err(error) = place.store(data)
    {
        warn!(%error, "the place for links cannot be stored");
    }
    let entrances = Entrances {
        access,
        takes_both: ports.takes_both(),
        is_insecure: args.insecure,
        key: key.as_ref().map(ServerKey::fingerprint),
        place,
        data: data.map(Path::to_path_buf),
        has_socket: unix.is_some(),
        listening,
    };
    let ports = match &key {
        Some(key) => ports.with(&Tls::new(key).wrap_err("cannot use TLS")?, args.insecure)?,
        None => Vec::new(),
    };
    Ok((Doors::new(ports, unix), entrances))
}

impl Entrances {
    /// What is printed at a start. The last word of the first line is an address or a path.
    pub(super) fn text(&self, log_path: &Path) -> String {
        let socket = self.data.as_ref().map(|data| data.join(SOCKET));
        let socket = socket.filter(|_| self.has_socket);
        let mut places: Vec<_> = self.listening.iter().map(ToString::to_string).collect();
        if places.is_empty() {
            places.extend(socket.iter().map(|path| path.display().to_string()));
        }
        let mut text = format!("chitty-server listens on {}\n", places.join(", "));
        // A string can always be written to.
        let mut line = |label: &str, line: &str| {
            let _ = writeln!(text, "  {label:<10}{line}");
        };
        if self.is_exposed() {
            line(
                "WARNING:",
                "--insecure: everybody on the way can read and change everything",
            );
        }
        let mut label = "join it:";
        for way in self.ways(&own_addresses()) {
            line(label, &way);
            label = "";
        }
        line("for:", &self.guests());
        if let Some(key) = &self.key {
            let kept = if self.data.is_some() {
                "server.key in the data folder: keep a copy"
            } else {
                "a new one at each start, as nothing is kept"
            };
            line("its key:", &format!("{key} ({kept})"));
        }
        if let Some(socket) = &socket {
            let users = match files::effective_user() {
                ANYBODY => "root only",
                _ => "this user and root",
            };
            line("socket:", &format!("{} (for {users})", socket.display()));
        }
        line("its log:", &log_path.display().to_string());
        text
    }

    /// Who may join.
    fn guests(&self) -> String {
        match self.access {
            Access::Closed => "members only".to_owned(),
            Access::ByLog if self.listening.is_empty() => {
                "this user, or members only once it has some".to_owned()
            }
            Access::ByLog => {
                "everybody on this machine, or members only once it has some".to_owned()
            }
            Access::Open => "everybody who can reach it (--open)".to_owned(),
        }
    }

    /// Whether a port takes plain text from other machines.
    fn is_exposed(&self) -> bool {
        self.is_insecure
            && self
                .listening
                .iter()
                .any(|at| !takes_plain_text(at.ip(), false))
    }

    /// Commands that join, and notes about them.
    fn ways(&self, machine: &[IpAddr]) -> Vec<String> {
        if self.listening.is_empty() {
            let data = self.data.as_deref().unwrap_or(Path::new("."));
            return vec![format!("chitty --data {}", data.display())];
        }
        let needs_tls = |at: &SocketAddr| !takes_plain_text(at.ip(), self.is_insecure);
        if self.listening.iter().any(needs_tls)
            && let (Some(key), Some(place)) = (&self.key, &self.place)
        {
            let mut ways = vec![place.command(key.pin(), None)];
            ways.extend(place.note.iter().map(|note| format!("({note})")));
            return ways;
        }
        let (ways, note) = ways_in(&self.listening, self.takes_both, machine);
        let ways = ways.iter();
        let ways = ways.map(|way| format!("chitty --server http://{way}"));
        ways.chain(note.map(|note| format!("({note})"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrances(listening: &[&str], is_insecure: bool) -> Entrances {
        let listening: Vec<SocketAddr> = listening
            .iter()
            .map(|at| at.parse().expect("an address"))
            .collect();
        let routed = "198.51.100.7".parse().ok();
        Entrances {
            access: Access::Closed,
            place: LinkPlace::of(None, &listening, routed),
            takes_both: false,
            is_insecure,
            key: (!listening.is_empty()).then(|| Fingerprint::of_public_key(b"")),
            data: Some("/var/lib/chat".into()),
            has_socket: true,
            listening,
        }
    }

    #[test]
    fn what_is_printed_fits_how_the_ports_speak() {
        for (listening, insecure, has, has_not) in [
            (
                &["127.0.0.1:50051"][..],
                false,
                "join it:  chitty --server http://127.0.0.1:50051\n",
                "chitty://",
            ),
            (
                &["127.0.0.1:1", "[::1]:1"],
                true,
                "chitty --server http://127.0.0.1:1\n",
                "WARNING",
            ),
            (
                &["0.0.0.0:50051"],
                false,
                "join it:  chitty 'chitty://198.51.100.7/#",
                "http://",
            ),
            (
                &["198.51.100.7:1"],
                true,
                "WARNING:  --insecure",
                "chitty://",
            ),
            (
                &[],
                false,
                "listens on /var/lib/chat/chat.sock\n  join it:  chitty --data /var/lib/chat\n",
                "its key",
            ),
        ] {
            let text = entrances(listening, insecure).text(Path::new("/logs/server.log"));
            assert!(text.contains(has), "{text}");
            assert!(!text.contains(has_not), "{text}");
            assert!(text.ends_with("  its log:  /logs/server.log\n"), "{text}");
            assert!(
                text.contains("  socket:   /var/lib/chat/chat.sock (for "),
                "{text}"
            );
        }
    }
}
