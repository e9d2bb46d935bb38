//! The way into a chat: which server is meant, whether its key may be trusted, and what has to be
//! asked before the screen.

mod ask;

use std::{fmt::Write as _, path::PathBuf, sync::Arc};

use chitty_chat::{address::ServerAddress, link::ChatLink};
use thiserror::Error;

pub use self::ask::{AskError, Terminal};
use crate::{
    launch::{self, LocalServer, ServerUrl},
    session::Connector,
    trust::{KnownError, KnownServer, Refusal, SecureServer, Trust, since_words},
};

/// The most servers that are offered.
const MAX_OFFERED: usize = 9;

/// How a chat is entered.
#[derive(Debug)]
pub struct Entrance {
    /// How its server is reached.
    pub connector: Connector,
    /// The name under which the user was there last.
    pub name: Option<String>,
    /// What is remembered about it.
    pub memory: Memory,
    /// The command that enters the chat again, for a server of others.
    pub back: Option<String>,
    /// What the user has to know before anything is sent.
    pub warning: Option<String>,
}

/// Where the user's name in a chat is remembered.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The server, if this device knows its key.
    server: Option<SecureServer>,
    /// The name of this device.
    device: Option<String>,
}

/// Why there is no way in.
#[derive(Debug, Error)]
pub enum EnterError {
    /// The server may not be trusted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The servers that are known cannot be read or written.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// The terminal cannot be used.
    #[error(transparent)]
    Ask(#[from] AskError),
}

impl Entrance {
    /// The same entrance for a device of this name.
    #[must_use]
    pub fn on_device(mut self, device: Option<String>) -> Self {
        self.connector = self.connector.with_device(device.clone());
        self.memory.device = device;
        self
    }

    fn of(connector: Connector) -> Self {
        Self {
            connector,
            name: None,
            memory: Memory::default(),
            back: None,
            warning: None,
        }
    }
}

impl Memory {
    /// Remembers the name under which the user is in the chat, if the server is known by its key.
    pub fn entered(&self, trust: &Trust, name: &str) -> Result<(), KnownError> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let on_device = self.device.as_ref().map(|device| format!(" ({device})"));
        let name = on_device
            .and_then(|end| name.strip_suffix(&end))
            .unwrap_or(name);
        trust.entered(server, name)
    }
}

/// Finds the way to the server that was named, or to the local one. What is in doubt is asked on
/// the terminal; without one, doubt is a refusal.
pub async fn enter(
    server: Option<ServerUrl>,
    local: LocalServer,
    trust: &Arc<Trust>,
    terminal: Option<&mut Terminal>,
) -> Result<Entrance, EnterError> {
    match server {
        None => Ok(Entrance::of(launch::local(local))),
        Some(ServerUrl::Socket(folder)) => Ok(by_socket(folder)),
        Some(ServerUrl::Plain(url)) => {
            let warning = (!url.is_loopback()).then(|| {
                format!(
                    "nothing is encrypted on the way to {}: others there can read and change it",
                    url.authority()
                )
            });
            Ok(Entrance {
                warning,
                ..Entrance::of(launch::remote(url))
            })
        }
        Some(ServerUrl::Known(address)) => by_address(address, trust, terminal).await,
        Some(ServerUrl::Link(link)) => by_link(link, trust, terminal),
    }
}

fn by_socket(folder: PathBuf) -> Entrance {
    Entrance::of(launch::socket(folder))
}

async fn by_address(
    address: ServerAddress,
    trust: &Arc<Trust>,
    terminal: Option<&mut Terminal>,
) -> Result<Entrance, EnterError> {
    let known = trust.known()?;
    if known.at(&address).next().is_none()
        && let Some(same) = launch::recognise(trust, &address).await
    {
        let fingerprint = same.fingerprint;
        let agrees = match terminal {
            Some(terminal) => terminal.agrees(&format!(
                "{address} is not known yet. This is the key of {}; remember it here, too?",
                same.address
            ))?,
            None => false,
        };
        if !agrees {
            let known = same.address;
            return Err(Refusal::KnownElsewhere {
                address,
                known,
                fingerprint,
            }
            .into());
        }
        trust.trust(&address, fingerprint)?;
    }
    let server = SecureServer {
        address,
        pin: None,
        replaces: false,
    };
    // A refusal here is shown without a screen.
    trust.terms(&server)?;
    let back = format!("chitty {}", server.address);
    Ok(secure(trust, server, back))
}

fn by_link(
    link: ChatLink,
    trust: &Arc<Trust>,
    terminal: Option<&mut Terminal>,
) -> Result<Entrance, EnterError> {
    let mut server = SecureServer {
        address: link.address.clone(),
        pin: Some(link.pin),
        replaces: false,
    };
    match trust.terms(&server) {
        Ok(_) => {}
        Err(refusal @ Refusal::OtherPin { .. }) => {
            let Refusal::OtherPin { known, since, .. } = &refusal else {
                return Err(refusal.into());
            };
            let question = format!(
                "The link vouches for another key of {} than the one that is known{}:\n  {known}\n\
                 Either the key was made anew, or somebody wants you to talk to another server. \
                 Ask the owner of the server, not in this chat.\n\
                 Is the link right, and the known key to be forgotten?",
                server.address,
                since_words(*since),
            );
            let agrees = match terminal {
                Some(terminal) => terminal.agrees(&question)?,
                None => false,
            };
            if !agrees {
                return Err(refusal.into());
            }
            server.replaces = true;
        }
        Err(refusal) => return Err(refusal.into()),
    }
    let secret = link.secret.clone();
    // Several servers may be at an address of this machine, where tunnels end.
    let back = if server.address.is_loopback() {
        link.without_secret().command()
    } else {
        format!("chitty {}", server.address)
    };
    let mut entrance = secure(trust, server, back);
    entrance.connector = entrance.connector.with_invitation(secret);
    Ok(entrance)
}

fn secure(trust: &Arc<Trust>, server: SecureServer, back: String) -> Entrance {
    Entrance {
        name: trust.name_at(&server),
        back: Some(back),
        memory: Memory {
            server: Some(server.clone()),
            device: None,
        },
        ..Entrance::of(launch::secure(Arc::clone(trust), server))
    }
}

/// Offers the servers that are known beside the local chat. `None` means the local chat.
pub fn offer(trust: &Trust, terminal: &mut Terminal) -> Result<Option<ServerUrl>, EnterError> {
    let known = trust.known()?;
    let mut offered: Vec<&KnownServer> = Vec::new();
    for server in known.all() {
        let is_new = offered.iter().all(|other| other.address != server.address);
        // At an address of this machine nobody can say which of the tunnels is meant.
        if is_new && !server.address.is_loopback() && offered.len() < MAX_OFFERED {
            offered.push(server);
        }
    }
    if offered.is_empty() {
        return Ok(None);
    }
    let mut text = String::from("Which chat?\n  1  the chat of this machine\n");
    for (index, server) in offered.iter().enumerate() {
        let name = server.name.as_ref();
        let name = name.map_or_else(String::new, |name| format!(", as {name}"));
        // Writing to a string never fails.
        let _ = writeln!(text, "  {}  {}{name}", index + 2, server.address);
    }
    terminal.say(&text).map_err(AskError::from)?;
    loop {
        terminal.say("Its number [1]: ").map_err(AskError::from)?;
        let answer = terminal.line().map_err(AskError::from)?;
        let answer = answer.unwrap_or_default();
        match answer.trim() {
            "" | "1" => return Ok(None),
            number => {
                let index = number.parse::<usize>().ok();
                let index = index.and_then(|index| index.checked_sub(2));
                if let Some(server) = index.and_then(|index| offered.get(index)) {
                    return Ok(Some(ServerUrl::Known(server.address.clone())));
                }
            }
        }
    }
}
