//! Which server a user names, and how it is reached.

use std::{fmt, path::PathBuf, str::FromStr};

use chitty_chat::{
    address::{AddressError, DEFAULT_PORT, ServerAddress},
    files::{self, UserPathError},
    link::{ChatLink, LinkError, SCHEME},
};
use http::Uri;
use thiserror::Error;

/// A server, as users name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerUrl {
    /// `http://HOST:PORT`: nothing is encrypted. An address of this machine means the same.
    Plain(PlainUrl),
    /// `HOST[:PORT]` or `chitty://HOST[:PORT]`: encrypted, with the key that is known already.
    Known(ServerAddress),
    /// `chitty://HOST[:PORT]/#PIN[.SECRET]`: encrypted, with the key that the link vouches for.
    Link(ChatLink),
    /// `unix:PATH`: the socket in a data folder of this machine; the path is that of the folder.
    Socket(PathBuf),
}

/// `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainUrl(pub(super) Uri);

/// Why the URL of a server cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ServerUrlError {
    /// It is not a URL.
    #[error(
        "{0:?} is not the URL of a server; give a link that begins with {SCHEME}, or a URL such as \
         http://host:50051"
    )]
    Invalid(String),
    /// It asks for the encryption of the web, whose certificates are not looked at.
    #[error(
        "https is not supported; for an encrypted chat give the link that begins with {SCHEME}, \
         as the owner of the server has it"
    )]
    Https,
    /// It has another scheme.
    #[error(
        "the scheme {0:?} is not supported; give {SCHEME}host, or a URL such as http://host:50051"
    )]
    Scheme(String),
    /// It has no port.
    #[error("the URL of a server needs a port, 1 to 65535; try http://{0}:50051")]
    NoPort(String),
    /// It has a path.
    #[error("the URL of a server has no path; try http://{0}")]
    Path(String),
    /// The link is wrong or cut.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The path cannot be used.
    #[error(transparent)]
    Socket(#[from] UserPathError),
    /// There is no path.
    #[error("unix: needs the path of a data folder or of the socket in it, as in unix:/srv/chat")]
    NoSocket,
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path);
        }
        if text.to_ascii_lowercase().contains(SCHEME) {
            return link(text);
        }
        if text.contains("://") {
            return text.parse().map(Self::Plain);
        }
        let address: ServerAddress = text.parse()?;
        if address.is_loopback() {
            return address.with_port().parse().map(Self::Plain);
        }
        Ok(Self::Known(address))
    }
}

impl PlainUrl {
    /// The host and the port.
    pub fn authority(&self) -> String {
        let authority = self.0.authority();
        authority.map_or_else(|| self.0.to_string(), ToString::to_string)
    }

    /// Whether the server is on this machine, so that others cannot listen on the way.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        ServerAddress::new(host, DEFAULT_PORT).is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for PlainUrl {
    type Err = ServerUrlError;

    /// Reads `http://HOST:PORT`; the scheme is optional.
    fn from_str(url: &str) -> Result<Self, ServerUrlError> {
        let invalid = || ServerUrlError::Invalid(url.to_owned());
        let with_scheme = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        let uri: Uri = with_scheme.parse().map_err(|_| invalid())?;
        let authority = uri.authority().ok_or_else(invalid)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(ServerUrlError::Https),
            other => return Err(ServerUrlError::Scheme(other.unwrap_or_default().to_owned())),
        }
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(invalid());
        }
        if uri
            .path_and_query()
            .is_some_and(|path| path.as_str() != "/")
        {
            return Err(ServerUrlError::Path(authority.to_string()));
        }
        if authority.port_u16().is_none_or(|port| port == 0) {
            return Err(ServerUrlError::NoPort(authority.host().to_owned()));
        }
        Ok(Self(uri))
    }
}

/// What the status line shows. A link's secret is not in it.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(url) if url.is_loopback() => f.write_str(&url.authority()),
            Self::Plain(url) => write!(f, "{} (not encrypted)", url.authority()),
            Self::Known(address) | Self::Link(ChatLink { address, .. }) => address.fmt(f),
            Self::Socket(folder) => write!(f, "{}", folder.display()),
        }
    }
}

fn socket(path: &str) -> Result<ServerUrl, ServerUrlError> {
    if path.is_empty() {
        return Err(ServerUrlError::NoSocket);
    }
    let mut path = files::user_path(PathBuf::from(path))?;
    if path
        .file_name()
        .is_some_and(|name| name == chitty_chat::local::SOCKET)
    {
        path.pop();
        if path.as_os_str().is_empty() {
            path.push(".");
        }
    }
    Ok(ServerUrl::Socket(path))
}

/// Reads a link, or an address with a link's scheme.
fn link(text: &str) -> Result<ServerUrl, ServerUrlError> {
    match ChatLink::find(text) {
        Ok(link) => Ok(ServerUrl::Link(link)),
        Err(LinkError::NoPin) => {
            let address = text.trim().get(SCHEME.len()..).unwrap_or_default();
            let address = address.strip_suffix('/').unwrap_or(address);
            // What does not read as an address is a link that was cut.
            let address = address.parse().map_err(|_| LinkError::NoPin)?;
            Ok(ServerUrl::Known(address))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_urls() {
        let authority = |url: &str| url.parse().map(|PlainUrl(uri)| uri.to_string());
        assert_eq!(
            authority("http://chat.example:50051").as_deref(),
            Ok("http://chat.example:50051/")
        );
        assert_eq!(
            authority("[::1]:50051").as_deref(),
            Ok("http://[::1]:50051/")
        );
        assert_eq!(authority("https://chat:1"), Err(ServerUrlError::Https));
        assert_eq!(
            authority("ftp://chat:1"),
            Err(ServerUrlError::Scheme("ftp".into()))
        );
        assert_eq!(
            authority("http://chat"),
            Err(ServerUrlError::NoPort("chat".into()))
        );
        assert_eq!(
            authority("http://chat:99999"),
            Err(ServerUrlError::NoPort("chat".into()))
        );
        assert_eq!(
            authority("http://chat:1/x"),
            Err(ServerUrlError::Path("chat:1".into()))
        );
        for url in ["", "http://", "a b", "http://a@b:1", "http://:1"] {
            assert_eq!(
                authority(url),
                Err(ServerUrlError::Invalid(url.to_owned())),
                "{url}"
            );
        }
    }

    #[test]
    fn each_way_to_a_server_is_told_by_how_it_is_named() {
        let url = |text: &str| text.parse::<ServerUrl>().expect(text);
        let pin = "2".repeat(22);
        for (text, shown) in [
            ("http://chat:50051", "chat:50051 (not encrypted)"),
            ("http://127.0.0.1:50051", "127.0.0.1:50051"),
            ("127.0.0.1:50051", "127.0.0.1:50051"),
            ("localhost", "localhost:50051"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert!(matches!(url(text), ServerUrl::Plain(_)), "{text}");
            assert_eq!(url(text).to_string(), shown);
        }
        for (text, shown) in [
            ("chat.example.org", "chat.example.org"),
            ("chat.example.org:443", "chat.example.org:443"),
            ("chitty://chat.example.org", "chat.example.org"),
            ("chitty://localhost:1/", "localhost:1"),
            ("192.0.2.1:50051", "192.0.2.1"),
        ] {
            assert!(matches!(url(text), ServerUrl::Known(_)), "{text}");
            assert_eq!(url(text).to_string(), shown);
        }
        let link = format!("chitty://chat:443/#{pin}.{pin}");
        assert!(matches!(url(&link), ServerUrl::Link(_)));
        assert_eq!(url(&link).to_string(), "chat:443", "without the secret");
        for (text, folder) in [
            ("unix:/srv/chat", "/srv/chat"),
            ("unix:/srv/chat/chat.sock", "/srv/chat"),
            ("unix:chat.sock", "."),
        ] {
            assert_eq!(url(text), ServerUrl::Socket(folder.into()), "{text}");
        }
    }

    #[test]
    fn what_names_no_server_is_refused_with_what_to_do() {
        for (text, part) in [
            ("unix:", "the path of a data folder"),
            ("https://chat", "chitty://"),
            ("ftp://chat:1", "http://host:50051"),
            ("chitty://chat/#abc", "cut"),
            ("chitty://chat/x y", "cut"),
            ("a b", "a name such as chat.example.org"),
            ("chat:0", "1 to 65535"),
            ("", "needs a host"),
        ] {
            let error = text.parse::<ServerUrl>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
