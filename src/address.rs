//! The address of a server, as people write it: a host, and a port if it is not the usual one.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use thiserror::Error;

/// The port of a server if an address names none.
pub const DEFAULT_PORT: u16 = 50051;

/// The most characters of a host name (RFC 1035, section 2.3.4).
const MAX_HOST: usize = 253;

/// A host and a port.
///
/// Hosts are compared without regard to case, as the domain name system does (RFC 4343).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// In lower case; an IPv6 address has no brackets.
    host: Box<str>,
    port: u16,
}

/// Why a text is no address of a server.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// It has no host.
    #[error("the address of a server needs a host, as in chat.example.org or 192.0.2.1:50051")]
    NoHost,
    /// The host has characters that no host has, or is too long.
    #[error(
        "{0:?} is not the host of a server; give a name such as chat.example.org, or an IP address"
    )]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} is not the port of a server; give a number from 1 to 65535, or none for 50051")]
    Port(String),
}

impl ServerAddress {
    /// An address of parts.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        if port == 0 {
            return Err(AddressError::Port("0".into()));
        }
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        if !is_host(host) {
            return Err(AddressError::Host(shortened(host)));
        }
        let host = host.to_ascii_lowercase().into();
        Ok(Self { host, port })
    }

    /// The host: a name or an IP address, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host is this machine by its name or its address.
    pub fn is_loopback(&self) -> bool {
        let name = self.host.trim_end_matches('.');
        // `localhost` means this machine, whatever the hosts file says (RFC 6761, section 6.3).
        name == "localhost"
            || name.ends_with(".localhost")
            || name
                .parse()
                .is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
    }

    /// The address with its port, even if that is the usual one.
    pub fn with_port(&self) -> String {
        let port = self.port;
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    /// Reads `HOST`, `HOST:PORT`, `[IPV6]:PORT`, or an IPv6 address alone.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.parse::<Ipv6Addr>().is_ok() {
            return Self::new(text, DEFAULT_PORT);
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        // A colon that is left belongs to an IPv6 address, which has brackets if a port follows.
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err(AddressError::Host(shortened(host)));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .map_err(|_| AddressError::Port(shortened(port)))?,
        };
        Self::new(host, port)
    }
}

/// As short as possible: without the port if that is the usual one.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            DEFAULT_PORT if self.host.contains(':') => write!(f, "[{}]", self.host),
            DEFAULT_PORT => f.write_str(&self.host),
            _ => f.write_str(&self.with_port()),
        }
    }
}

/// Whether this is a name in ASCII or an IP address.
fn is_host(host: &str) -> bool {
    if host.contains(':') {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    host.len() <= MAX_HOST && !host.starts_with(['-', '.']) && host.bytes().all(is_part)
}

/// The beginning of a text for an error.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    text.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, AddressError> {
        text.parse()
            .map(|address: ServerAddress| address.to_string())
    }

    #[test]
    fn the_usual_port_is_left_out() {
        for (text, shown, with_port) in [
            (
                "chat.example.org",
                "chat.example.org",
                "chat.example.org:50051",
            ),
            (
                "Chat.Example.org:50051",
                "chat.example.org",
                "chat.example.org:50051",
            ),
            ("chat:443", "chat:443", "chat:443"),
            ("192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1"),
            (
                "[2001:db8::1]:443",
                "[2001:db8::1]:443",
                "[2001:db8::1]:443",
            ),
            ("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:50051"),
            ("[::1]", "[::1]", "[::1]:50051"),
        ] {
            let address: ServerAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.with_port(), with_port);
            assert_eq!(with_port.parse(), Ok(address.clone()), "{text}");
            assert_eq!(shown.parse(), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_part() {
        assert_eq!(parse(""), Err(AddressError::NoHost));
        assert_eq!(parse(":50051"), Err(AddressError::NoHost));
        for port in ["0", "65536", "", "x"] {
            let error = AddressError::Port(port.to_owned());
            assert_eq!(parse(&format!("chat:{port}")), Err(error), "{port}");
        }
        for host in [
            "a b",
            "user@chat",
            "chat/x",
            "-v",
            ".",
            "grüße",
            "2001:db8::1:x",
            "[::1",
        ] {
            let text = format!("{host}:50051");
            assert!(matches!(parse(&text), Err(AddressError::Host(_))), "{host}");
        }
        let long = "a".repeat(MAX_HOST + 1);
        assert!(matches!(parse(&long), Err(AddressError::Host(shown)) if shown.len() == 60));
    }

    #[test]
    fn this_machine_is_known_by_name_and_address() {
        let is_loopback = |text: &str| text.parse::<ServerAddress>().expect(text).is_loopback();
        for own in [
            "localhost",
            "LOCALHOST:1",
            "a.localhost",
            "127.9.9.9",
            "[::1]:443",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "chat",
            "localhost.example.org",
            "192.0.2.1",
            "128.0.0.1",
            "[2001:db8::1]",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Ok(address) = text.parse::<ServerAddress>() {
                prop_assert_eq!(address.with_port().parse(), Ok(address.clone()));
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
