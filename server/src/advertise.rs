//! The place that links to a server name: its host and port, as others reach it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    str::FromStr,
};

use chitty_chat::{
    address::ServerAddress,
    files,
    fingerprint::Pin,
    link::{ChatLink, LinkSecret, SCHEME},
};
use thiserror::Error;

/// The host of a link if the server does not know how others reach it, and how it is printed, so
/// that nobody overlooks it.
const UNKNOWN: (&str, &str) = ("your-host", "YOUR-HOST");

/// The file in the data folder in which the place is stored.
const PLACE_FILE: &str = "link-host";
/// Its largest size in bytes.
const MOST_STORED: u64 = 4096;

/// A host, and maybe a port, by which the user says that others reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    host: String,
    /// `None`: the port that the server listens on.
    port: Option<u16>,
}

/// Why a text is not [`Advertised`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("give a host name or an address, and a port if it differs, such as chat.example.org:443")]
pub struct AdvertisedError;

impl FromStr for Advertised {
    type Err = AdvertisedError;

    fn from_str(text: &str) -> Result<Self, AdvertisedError> {
        let address: ServerAddress = text.parse().map_err(|_| AdvertisedError)?;
        // An address leaves out the usual port; here, none means the port that is listened on.
        let is_v6 = text.parse::<Ipv6Addr>().is_ok();
        let names_port = !is_v6
            && text
                .rsplit_once(':')
                .is_some_and(|(_, end)| !end.ends_with(']'));
        Ok(Self {
            host: address.host().to_owned(),
            port: names_port.then(|| address.port()),
        })
    }
}

/// The place that a link names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlace {
    address: ServerAddress,
    /// What the user has to know before a link is passed on.
    pub note: Option<String>,
}

impl LinkPlace {
    /// The place that links name: what the user says, else the address that the server listens on,
    /// else the one that this machine has towards other networks (`routed`). An address that only
    /// some networks know is not put into links, because they are passed on anywhere. `None` if the
    /// server listens nowhere.
    pub fn of(
        advertised: Option<&Advertised>,
        listening: &[SocketAddr],
        routed: Option<IpAddr>,
    ) -> Option<Self> {
        let first = listening.first()?;
        if let Some(Advertised { host, port }) = advertised {
            let port = port.unwrap_or(first.port());
            let address = ServerAddress::new(host, port).ok()?;
            let note = None;
            return Some(Self { address, note });
        }
        let bound = listening.iter().find(|bound| is_public(bound.ip()));
        let ip = bound.map(SocketAddr::ip).or_else(|| {
            let ip = first.ip();
            if ip.is_unspecified() {
                routed
            } else {
                Some(ip)
            }
        });
        let (host, note) = match ip {
            Some(ip) if is_public(ip) => {
                let note = "if others reach this machine by a name, say so: --advertise HOST";
                (ip.to_string(), note.to_owned())
            }
            ip => (UNKNOWN.0.to_owned(), why_unknown(ip)),
        };
        let port = bound.unwrap_or(first).port();
        Some(Self {
            address: ServerAddress::new(&host, port).ok()?,
            note: Some(note),
        })
    }

    /// The command that enters the chat at this place, of the server with this pin, by this secret.
    pub fn command(&self, pin: Pin, secret: Option<LinkSecret>) -> String {
        let address = self.address.clone();
        let link = ChatLink {
            address,
            pin,
            secret,
        };
        let (host, printed) = UNKNOWN;
        let unknown = format!("{SCHEME}{host}");
        link.command()
            .replacen(&unknown, &format!("{SCHEME}{printed}"), 1)
    }
}

/// Why a link names no host, and what to do about it.
fn why_unknown(ip: Option<IpAddr>) -> String {
    let reason = ip.map_or_else(
        || "it has no address in a network now".to_owned(),
        |ip| format!("{ip} is known in its own network only"),
    );
    format!(
        "put in the name or address by which others reach this machine, or start it with \
         --advertise HOST: {reason}"
    )
}

impl LinkPlace {
    /// Stores the place in the data folder, for commands that make links while the server runs.
    pub fn store(&self, folder: &Path) -> io::Result<()> {
        let note = self.note.as_deref().unwrap_or_default();
        let text = format!("{}\n{note}\n", self.address);
        files::write_private(folder, PLACE_FILE.as_ref(), text.as_bytes())
    }

    /// The place that the server of this data folder stored at its latest start; `None` if it never
    /// listened on a port.
    pub fn load(folder: &Path) -> io::Result<Option<Self>> {
        let Some(stored) = files::read_private(&folder.join(PLACE_FILE), MOST_STORED)? else {
            return Ok(None);
        };
        let parsed = Self::parse(&String::from_utf8_lossy(&stored));
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
        parsed.ok_or_else(damaged).map(Some)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let address = lines.next()?.parse().ok()?;
        let note = lines.next().filter(|note| !note.is_empty());
        let note = note.map(str::to_owned);
        Some(Self { address, note })
    }
}

/// Whether an address means the same machine in every network.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // RFC 6598: addresses of providers, behind which many customers are.
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            let is_local = ip.is_private() || ip.is_loopback() || ip.is_link_local();
            !is_local && !is_shared && !ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            let is_local = ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback();
            !is_local && !ip.is_unspecified()
        }
    }
}

/// The address from which this machine reaches other networks; `None` if it has no route. Nothing
/// is sent for this.
pub fn routed_address() -> Option<IpAddr> {
    // An address of documentation (RFC 5737), to which the default route leads.
    const SOMEWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(SOMEWHERE).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_unspecified()).then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_port_or_none() {
        let advertised = |host: &str, port| {
            let host = host.to_owned();
            Ok(Advertised { host, port })
        };
        for (text, expected) in [
            ("chat.example.org", advertised("chat.example.org", None)),
            (
                "chat.example.org:443",
                advertised("chat.example.org", Some(443)),
            ),
            ("192.0.2.7", advertised("192.0.2.7", None)),
            ("192.0.2.7:1", advertised("192.0.2.7", Some(1))),
            ("2001:db8::1", advertised("2001:db8::1", None)),
            ("[2001:db8::1]", advertised("2001:db8::1", None)),
            ("[2001:db8::1]:1", advertised("2001:db8::1", Some(1))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        for text in [
            "",
            ":1",
            "a b",
            "http://a",
            "chitty://a/",
            "a:b",
            "a:1:2",
            "a/",
        ] {
            assert_eq!(text.parse::<Advertised>(), Err(AdvertisedError), "{text}");
        }
    }

    #[test]
    fn a_link_names_what_others_reach() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (advertised, listening, routed, link, reason) in [
            (
                None,
                "198.51.100.7:50051",
                None,
                "198.51.100.7",
                "by a name",
            ),
            (None, "198.51.100.7:1", None, "198.51.100.7:1", "by a name"),
            (
                None,
                "[2001:db8::1]:1",
                None,
                "[2001:db8::1]:1",
                "by a name",
            ),
            (
                None,
                "0.0.0.0:50051",
                Some("198.51.100.7"),
                "198.51.100.7",
                "by a name",
            ),
            (
                None,
                "0.0.0.0:1",
                Some("172.17.0.2"),
                "YOUR-HOST:1",
                "172.17.0.2 is known in its own network only",
            ),
            (None, "0.0.0.0:50051", None, "YOUR-HOST", "no address"),
            (None, "100.64.0.1:50051", None, "YOUR-HOST", "100.64.0.1 is"),
            (None, "[fd00::1]:50051", None, "YOUR-HOST", "fd00::1 is"),
            (
                Some("chat.example.org"),
                "0.0.0.0:1",
                None,
                "chat.example.org:1",
                "",
            ),
            (
                Some("chat.example.org:443"),
                "10.0.0.1:1",
                None,
                "chat.example.org:443",
                "",
            ),
            (
                Some("192.168.1.5:50051"),
                "0.0.0.0:1",
                None,
                "192.168.1.5",
                "",
            ),
        ] {
            let advertised = advertised.map(|text: &str| text.parse().expect("valid"));
            let listening = [listening.parse().expect("an address")];
            let place = LinkPlace::of(advertised.as_ref(), &listening, routed.map(ip));
            let place = place.expect("it listens");
            let command = place.command(Pin::from_bytes([0; Pin::LENGTH]), None);
            let pin = "1".repeat(22);
            assert_eq!(command, format!("chitty 'chitty://{link}/#{pin}'"));
            let note = place.note.unwrap_or_default();
            assert_eq!(note.is_empty(), reason.is_empty(), "{link}: {note}");
            assert!(note.contains(reason), "{link}: {note}");
        }
        assert_eq!(LinkPlace::of(None, &[], None), None);
    }

    #[test]
    fn the_place_of_the_latest_start_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(LinkPlace::load(folder.path()).expect("readable"), None);
        for note in [None, Some("by a name".to_owned())] {
            let address = "chat.example.org:443".parse().expect("an address");
            let place = LinkPlace { address, note };
            place.store(folder.path()).expect("written");
            let loaded = LinkPlace::load(folder.path()).expect("readable");
            assert_eq!(loaded, Some(place));
        }
    }
}
