//! Which servers this device knows, and by which keys they know this device.
//!
//! Both are in the folder `chitty-chat` of the user's XDG data folder: the file `known_servers`,
//! and the folder `keys`. A server is known by the fingerprint of its key, as with ssh; but the
//! first connection needs a link, or a fingerprint from the server's owner, because a question
//! whether an unknown key is the right one is always answered with yes.

mod device;
mod known;
mod line;

use std::{path::PathBuf, sync::Arc};

use chitty_chat::{
    address::ServerAddress,
    fingerprint::{Fingerprint, Pin},
};
use etcetera::BaseStrategy as _;
use jiff::civil::Date;
use thiserror::Error;

pub use self::{
    device::{DeviceKey, DeviceKeyError},
    known::{KnownError, KnownServers},
    line::{KeyName, KnownServer, LineError},
};

/// The folder of this device's keys.
const KEYS: &str = "keys";

/// The keys of servers and of this device.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The folder with `known_servers` and `keys`.
    pub folder: PathBuf,
    /// The file with the key of this device for every server, as bots have it; it is made if it
    /// does not exist.
    pub key: Option<PathBuf>,
    /// The date of today.
    pub today: fn() -> Date,
    /// A source of randomness, for the names of keys.
    pub random: fn(&mut [u8]),
}

/// A server that is reached by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureServer {
    /// Where it is.
    pub address: ServerAddress,
    /// The pin of a link; without one, the server must be known.
    pub pin: Option<Pin>,
    /// Whether the pin of the link takes the place of another key that is known at the address,
    /// because the user agreed to that.
    pub replaces: bool,
}

/// Why a server is not connected to. The texts say what to do.
#[derive(Debug, Error)]
pub enum Refusal {
    /// Nothing vouches for the server's key.
    #[error(
        "{0} is not known yet, and no link vouches for its key; ask its owner for a link (one \
         without a secret will do), and enter by `chitty join`{hint}",
        hint = if .0.host().contains(['.', ':']) { "" } else { "; if that was meant as a command, see chitty --help" }
    )]
    Unknown(ServerAddress),
    /// The server has a key that is known from another address.
    #[error(
        "{address} is not known yet, but it has the key of {known}; if it should be remembered as \
         the same server, run `chitty trust {address} {fingerprint}`"
    )]
    KnownElsewhere {
        /// The address that was named.
        address: ServerAddress,
        /// The address at which the key is known.
        known: ServerAddress,
        /// The key's fingerprint.
        fingerprint: Fingerprint,
    },
    /// Several servers are known at an address of this machine.
    #[error(
        "several servers are known at {0}, where tunnels end; say which one by a link, which \
         begins with chitty://"
    )]
    Several(ServerAddress),
    /// A link vouches for another key than the one that is known.
    #[error(
        "the link vouches for another key of {address} than the one that is known{since}; either \
         the key was made anew, or somebody wants you to talk to another server. Ask the owner of \
         the server, not in this chat. If the link is right, enter by it in a terminal, where you \
         are asked",
        since = since_words(*.since)
    )]
    OtherPin {
        /// The address.
        address: ServerAddress,
        /// The key that is known.
        known: Fingerprint,
        /// Since when.
        since: Option<Date>,
    },
    /// Another client has just made a key for the same server.
    #[error("another client has just become known to this server")]
    Raced,
    /// The file `known_servers` cannot be used.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// The key of this device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceKeyError),
}

/// What a server has to show, and what this device shows to it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) expected: Expected,
    pub(crate) device: Arc<DeviceKey>,
    /// The name of the device's key; `None` if it is in a file that the user named.
    stored: Option<KeyName>,
    /// Whether the key was just made, and has to be written.
    fresh: bool,
    /// The user's name at that server.
    name: Option<String>,
}

/// The key that a server has to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The key that is known.
    Known {
        fingerprint: Fingerprint,
        since: Option<Date>,
    },
    /// A key that a link vouches for.
    Pin(Pin),
    /// Any of these, to find out which server it is.
    AnyOf(Vec<Fingerprint>),
}

/// What `chitty trust` has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// The server was known by this key already.
    Already,
    /// The server was not known at this address.
    Added,
    /// The key took the place of this one.
    Replaced(Fingerprint),
}

impl Expected {
    pub(crate) fn accepts(&self, shown: Fingerprint) -> bool {
        match self {
            Self::Known { fingerprint, .. } => *fingerprint == shown,
            Self::Pin(pin) => *pin == shown.pin(),
            Self::AnyOf(known) => known.contains(&shown),
        }
    }
}

/// `chitty-chat` in the user's XDG data folder; `None` for a user without a home.
pub fn default_folder() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(base.data_dir().join("chitty-chat"))
}

/// Since when a key is known, in words that follow it.
pub(crate) fn since_words(since: Option<Date>) -> String {
    since.map_or_else(String::new, |since| format!(" since {since}"))
}

impl Trust {
    /// The servers that are known.
    pub fn known(&self) -> Result<KnownServers, KnownError> {
        KnownServers::read(&self.folder)
    }

    /// The path of a key of this device.
    pub fn key_path(&self, name: &KeyName) -> PathBuf {
        self.folder.join(KEYS).join(name.file())
    }

    /// What has to be true of a connection to this server. Nothing is written yet.
    pub(crate) fn terms(&self, server: &SecureServer) -> Result<Terms, Refusal> {
        let known = self.known()?;
        let (expected, line) = expect(&known, server)?;
        let (device, stored, fresh) = self.device(line)?;
        Ok(Terms {
            expected,
            device: Arc::new(device),
            stored,
            fresh,
            name: line.and_then(|line| line.name.clone()),
        })
    }

    /// The key for a server, its name, and whether it was just made.
    fn device(
        &self,
        line: Option<&KnownServer>,
    ) -> Result<(DeviceKey, Option<KeyName>, bool), Refusal> {
        if let Some(path) = &self.key {
            return Ok(match DeviceKey::read(path)? {
                Some(key) => (key, None, false),
                None => (DeviceKey::make()?, None, true),
            });
        }
        if let Some(name) = line.and_then(|line| line.key.clone()) {
            let path = self.key_path(&name);
            let key = DeviceKey::read(&path)?.ok_or(DeviceKeyError::Gone(path))?;
            return Ok((key, Some(name), false));
        }
        let mut bytes = [0; KeyName::BYTES];
        (self.random)(&mut bytes);
        Ok((DeviceKey::make()?, Some(KeyName::of(bytes)), true))
    }

    /// Remembers the key that the server has shown and proved, and the key that it was shown. When
    /// this returns, both are durable, so that nothing can be said to the server that this device
    /// would not know afterwards.
    pub(crate) fn confirm(
        &self,
        server: &SecureServer,
        terms: &Terms,
        shown: Fingerprint,
    ) -> Result<(), Refusal> {
        let path = match (&self.key, &terms.stored) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(name)) => Some(self.key_path(name)),
            (None, None) => None,
        };
        let fresh = path.filter(|_| terms.fresh);
        if let Some(path) = &fresh {
            terms.device.write(path)?;
        }
        let today = (self.today)();
        let raced = known::update(&self.folder, |known| {
            remember(known, server, terms, shown, today)
        });
        let refusal = match raced {
            Ok(false) => return Ok(()),
            Ok(true) => Refusal::Raced,
            Err(error) => error.into(),
        };
        if let Some(path) = fresh {
            // No server learns of this key.
            let _ = std::fs::remove_file(path);
        }
        Err(refusal)
    }

    /// Trusts this key of the server at this address, because its owner vouches for it. The key of
    /// this device for that server stays.
    pub fn trust(&self, address: &ServerAddress, key: Fingerprint) -> Result<Trusted, KnownError> {
        let today = (self.today)();
        known::update(&self.folder, |known| trust(known, address, key, today))
    }

    /// Remembers the name under which the user is in the chat of this server.
    pub fn entered(&self, server: &SecureServer, name: &str) -> Result<(), KnownError> {
        let is_server = |line: &KnownServer| {
            line.address == server.address
                && server.pin.is_none_or(|pin| pin == line.fingerprint.pin())
        };
        known::update(&self.folder, |known| {
            known.change(|line| {
                if is_server(line) {
                    line.name = Some(name.to_owned());
                }
            });
        })
    }

    /// The name under which the user was last in the chat of this server.
    pub fn name_at(&self, server: &SecureServer) -> Option<String> {
        let known = self.known().ok()?;
        let (_, line) = expect(&known, server).ok()?;
        line?.name.clone()
    }
}

/// What the server has to show, and the line of the same server, if there is one.
fn expect<'a>(
    known: &'a KnownServers,
    server: &SecureServer,
) -> Result<(Expected, Option<&'a KnownServer>), Refusal> {
    let SecureServer {
        address,
        pin,
        replaces,
    } = server;
    let at: Vec<_> = known
        .all()
        .filter(|line| line.address == *address)
        .collect();
    let exactly = |line: &KnownServer| Expected::Known {
        fingerprint: line.fingerprint,
        since: line.since,
    };
    let Some(pin) = *pin else {
        return match at[..] {
            [] => Err(Refusal::Unknown(address.clone())),
            [line] => Ok((exactly(line), Some(line))),
            [..] => Err(Refusal::Several(address.clone())),
        };
    };
    let here = at
        .iter()
        .copied()
        .find(|line| line.fingerprint.pin() == pin);
    if let Some(line) = here.or_else(|| known.with_pin(pin).next()) {
        // A link to another address of a server that is known.
        return match at.first() {
            Some(other) if here.is_none() && !replaces && !address.is_loopback() => {
                Err(other_pin(other))
            }
            _ => Ok((exactly(line), Some(line))),
        };
    }
    match at.first() {
        Some(other) if !address.is_loopback() => {
            if *replaces {
                Ok((Expected::Pin(pin), Some(other)))
            } else {
                Err(other_pin(other))
            }
        }
        _ => Ok((Expected::Pin(pin), None)),
    }
}

fn other_pin(known: &KnownServer) -> Refusal {
    Refusal::OtherPin {
        address: known.address.clone(),
        known: known.fingerprint,
        since: known.since,
    }
}

/// Adds a server, or completes what is known of it. Returns whether another client was first with
/// another key of this device.
fn remember(
    known: &mut KnownServers,
    server: &SecureServer,
    terms: &Terms,
    shown: Fingerprint,
    today: Date,
) -> bool {
    let address = &server.address;
    let key = terms.stored.as_ref();
    if let Some(line) = known.find(address, shown) {
        if key.is_some() && line.key.is_some() && line.key.as_ref() != key {
            return true;
        }
        known.change(|line| {
            if line.fingerprint == shown && line.key.is_none() {
                line.key = key.cloned();
            }
        });
        return false;
    }
    if server.replaces && known.at(address).next().is_some() {
        trust(known, address, shown, today);
        return false;
    }
    known.push(KnownServer {
        address: address.clone(),
        fingerprint: shown,
        key: key.cloned(),
        name: terms.name.clone(),
        since: Some(today),
        more: Vec::new(),
    });
    false
}

fn trust(
    known: &mut KnownServers,
    address: &ServerAddress,
    key: Fingerprint,
    today: Date,
) -> Trusted {
    if known.find(address, key).is_some() {
        return Trusted::Already;
    }
    let old: Vec<_> = known.at(address).map(|line| line.fingerprint).collect();
    // Of several servers behind tunnels, nobody can say which one has a new key.
    if old.len() != 1 {
        let same = known
            .with_pin(key.pin())
            .find(|line| line.fingerprint == key);
        let (device, name) =
            same.map_or((None, None), |line| (line.key.clone(), line.name.clone()));
        known.push(KnownServer {
            address: address.clone(),
            fingerprint: key,
            key: device,
            name,
            since: Some(today),
            more: Vec::new(),
        });
        return Trusted::Added;
    }
    // The same server at its other addresses, too.
    known.change(|line| {
        if old.contains(&line.fingerprint) {
            line.fingerprint = key;
            line.since = Some(today);
        }
    });
    Trusted::Replaced(old[0])
}

#[cfg(test)]
mod tests;
