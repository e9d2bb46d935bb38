//! Who somebody is: what the connection of a request proves about its sender.

use chitty_chat::fingerprint::Fingerprint;

/// What a connection proves about the peer at its other end. It is the connection's for as long as
/// it lasts, so that no request has to prove it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Identity {
    /// Nothing: the connection is plain TCP, or TLS without a client's certificate.
    #[default]
    None,
    /// The key of the client's certificate, whose possession TLS has verified.
    Key(Fingerprint),
    /// The user of this machine that holds the other end of the server's Unix socket. Only the
    /// server's own user and root get that far.
    User(u32),
}
