//! Where a server listens: the address as the user wrote it, the sockets, and the addresses by
//! which others reach them.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use socket2::SockRef;
use thiserror::Error;
use tokio::net::{TcpListener, lookup_host};

use crate::net::{Encryption, Tls};

/// The default address.
pub(crate) const DEFAULT: &str = "127.0.0.1:50051";

/// A host or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port; 0 picks a free one.
    pub port: u16,
}

/// Where a server listens for TCP connections, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere: the Unix socket is the only way in.
    Nowhere,
    /// On this address.
    On(ListenAddress),
}

impl FromStr for Listen {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        match text {
            "none" => Ok(Self::Nowhere),
            address => address.parse().map(Self::On),
        }
    }
}

/// Why a text is not a [`ListenAddress`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ListenAddressError {
    /// The port is missing or invalid.
    #[error("give an address and a port, 0 to 65535, such as {0}:50051")]
    Port(String),
    /// There is only a port.
    #[error("give an address too: 127.0.0.1:{0} is for this machine only, 0.0.0.0:{0} for others")]
    Host(String),
    /// An IPv6 address needs brackets.
    #[error("write an IPv6 address in brackets, such as [::1]:50051")]
    Brackets,
    /// The text is a URL.
    #[error("give an address and a port without {0}, such as 0.0.0.0:50051")]
    Scheme(String),
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(ListenAddressError::Scheme(format!("{scheme}://")));
        }
        if text.matches(':').count() > 1 && !text.starts_with('[') {
            return Err(ListenAddressError::Brackets);
        }
        let is_host = |host: &str| {
            let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && host.chars().all(allowed)
        };
        match text.split_once(':') {
            Some(("", port)) => Err(ListenAddressError::Host(port.to_owned())),
            None if text.parse::<u16>().is_ok() => Err(ListenAddressError::Host(text.to_owned())),
            Some((host, port)) if is_host(host) => port.parse().map_or_else(
                |_| Err(ListenAddressError::Port(host.to_owned())),
                |port| {
                    Ok(Self {
                        host: host.to_owned(),
                        port,
                    })
                },
            ),
            None if is_host(text) => Err(ListenAddressError::Port(text.to_owned())),
            _ => Err(ListenAddressError::Port("127.0.0.1".to_owned())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(host)) => write!(f, "[{host}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Why a server cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The name cannot be resolved.
    #[error(
        "cannot find the address of {host}: {source}; give an address of this machine with \
         --listen, such as 0.0.0.0:50051"
    )]
    Unknown {
        /// The name of the host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses to listen there.
    #[error("cannot listen on {address}: {source}; {}", advice(source))]
    Refused {
        /// The address that was tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there, maybe another chitty-server: stop it, or choose \
             another port with --listen"
        }
        io::ErrorKind::AddrNotAvailable => {
            "that is no address of this machine: choose another with --listen, such as \
             0.0.0.0:50051 for all of them"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are for root: choose another with --listen, such as 50051"
        }
        _ => "choose another address with --listen",
    }
}

/// The ports of a server: none, or one on each address of a host.
#[derive(Debug, Default)]
pub struct Ports(Vec<TcpListener>);

impl Ports {
    /// Listens on each address that the host has, such as 127.0.0.1 and `[::1]` for localhost. With
    /// port 0 it is the first address only, because no port is sure to be free on all of them.
    ///
    /// Addresses that this machine does not have, such as IPv6 ones if IPv6 is turned off, are left
    /// out if there is another one.
    pub async fn bind(place: &ListenAddress) -> Result<Self, ListenError> {
        let unknown = |source| ListenError::Unknown {
            host: place.host.clone(),
            source,
        };
        let found = lookup_host((place.host.as_str(), place.port)).await;
        let mut addresses = Vec::new();
        for address in found.map_err(unknown)? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if place.port == 0 {
            addresses.truncate(1);
        }
        let (mut sockets, mut missing) = (Vec::new(), None);
        for address in addresses {
            match TcpListener::bind(address).await {
                Ok(socket) => sockets.push(socket),
                Err(source) => {
                    let absent = source.kind() == io::ErrorKind::AddrNotAvailable;
                    let error = ListenError::Refused { address, source };
                    if !absent {
                        return Err(error);
                    }
                    missing = missing.or(Some(error));
                }
            }
        }
        match missing {
            Some(error) if sockets.is_empty() => Err(error),
            _ if sockets.is_empty() => Err(unknown(io::ErrorKind::NotFound.into())),
            _ => Ok(Self(sockets)),
        }
    }

    /// The addresses that the sockets listen on.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().map(TcpListener::local_addr).collect()
    }

    /// Whether an IPv6 socket for all addresses accepts IPv4 connections, too.
    pub fn takes_both(&self) -> bool {
        self.0
            .iter()
            .any(|socket| matches!(SockRef::from(socket).only_v6(), Ok(false)))
    }
}

/// Whether a port on this address takes plain text beside TLS. Plain text stays on this machine,
/// unless the user insists.
pub fn takes_plain_text(bound: IpAddr, insecure: bool) -> bool {
    insecure || bound.to_canonical().is_loopback()
}

impl Ports {
    /// The ports, each with what it asks for.
    pub fn with(self, tls: &Tls, insecure: bool) -> io::Result<Vec<(TcpListener, Encryption)>> {
        let encrypted = |port: TcpListener| {
            let bound = port.local_addr()?.ip();
            let encryption = if takes_plain_text(bound, insecure) {
                Encryption::Offered(tls.clone())
            } else {
                Encryption::Required(tls.clone())
            };
            Ok((port, encryption))
        };
        self.0.into_iter().map(encrypted).collect()
    }
}

/// How many addresses are shown at most.
const MANY: usize = 4;

/// The addresses by which others can join, and a note about them. `machine` has the addresses of
/// this machine. `both` says whether an IPv6 socket for all addresses accepts IPv4 connections,
/// too.
pub fn ways_in(
    listening: &[SocketAddr],
    both: bool,
    machine: &[IpAddr],
) -> (Vec<SocketAddr>, Option<String>) {
    let mut ways = Vec::new();
    for address in listening {
        if !address.ip().is_unspecified() {
            ways.push(*address);
            continue;
        }
        let fits = |ip: &&IpAddr| ip.is_ipv4() == address.is_ipv4() || (both && ip.is_ipv4());
        let found = machine.iter().filter(fits);
        ways.extend(found.map(|ip| SocketAddr::new(*ip, address.port())));
    }
    // IPv4 addresses first: they are easier to type, and work in more networks.
    ways.sort_by_key(SocketAddr::is_ipv6);
    ways.truncate(MANY);
    if ways.is_empty() {
        let here = listening.iter().map(|address| {
            let ip: IpAddr = match address.ip() {
                IpAddr::V6(_) if !both => Ipv6Addr::LOCALHOST.into(),
                _ => Ipv4Addr::LOCALHOST.into(),
            };
            SocketAddr::new(ip, address.port())
        });
        let note = "from this machine, which has no address in a network now";
        return (here.take(1).collect(), Some(note.to_owned()));
    }
    let local = ways.iter().all(|way| way.ip().is_loopback());
    let note = ways.first().filter(|_| local).map(|way| {
        let port = way.port();
        format!("only from this machine; --listen 0.0.0.0:{port} lets others in")
    });
    (ways, note)
}

/// The addresses of this machine by which others can reach it.
pub fn own_addresses() -> Vec<IpAddr> {
    use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    let found: BTreeSet<IpAddr> = interfaces
        .filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
            v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
        })
        .filter(is_reachable)
        .collect();
    found.into_iter().collect()
}

/// Whether others can reach this address. A link-local address is of no use without an interface's
/// name.
fn is_reachable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests;
