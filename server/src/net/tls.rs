//! TLS 1.3, with the server's own key and, if the peer has one, the peer's.
//!
//! Certificates only carry keys. A server is known by the fingerprint of its key, which its links
//! have, and a member by the fingerprint of a device's key. No authority vouches for either, and no
//! name or date in a certificate means anything. What a handshake does prove is the possession of
//! the key, by a signature over the handshake itself.
//!
//! Every connection has a full handshake: there are no tickets and no early data, so that a key
//! that was taken away cannot come back on an older session.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use chitty_room::Identity;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::SingleCertAndKey,
    version::TLS13,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Semaphore,
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};
use tokio_util::sync::PollSemaphore;

use super::metered::Metered;
use crate::key::{ServerKey, fingerprint};

/// The protocol that is spoken inside of TLS (RFC 7301, RFC 9113).
const ALPN: &[u8] = b"h2";

/// Answers TLS handshakes by the server's key. A clone shares its turns.
#[derive(Clone)]
pub struct Tls(Arc<TlsState>);

struct TlsState {
    acceptor: TlsAcceptor,
    /// How many handshakes may compute at the same time. A handshake takes as long as hundreds of
    /// deliveries, so many of them at once must not occupy all threads.
    turns: Arc<Semaphore>,
}

impl Tls {
    /// TLS with this key.
    ///
    /// # Errors
    ///
    /// The library lacks TLS 1.3, which is a bug of the build.
    pub fn new(key: &ServerKey) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = AnyDevice(provider.signature_verification_algorithms);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key.certified())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        // One thread is always left for the chat, if there are two.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self(Arc::new(TlsState {
            acceptor: Arc::new(config).into(),
            turns: Arc::new(Semaphore::new((threads / 2).max(1))),
        })))
    }

    /// Answers the handshake of a peer, and returns what it proves about the peer. `unsent` is how
    /// many encrypted bytes may wait for the stream.
    pub(super) async fn accept<S>(
        &self,
        stream: S,
        unsent: usize,
    ) -> io::Result<(TlsStream<Metered<S>>, Identity)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let limited = |connection: &mut rustls::ServerConnection| {
            connection.set_buffer_limit(Some(unsent));
        };
        let stream = Metered::new(stream);
        let mut stream = InTurns {
            handshake: self.0.acceptor.accept_with(stream, limited),
            turns: PollSemaphore::new(Arc::clone(&self.0.turns)),
        }
        .await?;
        let (metered, connection) = stream.get_mut();
        metered.is_introduced();
        let shown = connection.peer_certificates().and_then(<[_]>::first);
        // The verifier has refused certificates without a fingerprint.
        let key = shown.and_then(fingerprint);
        Ok((stream, key.map_or(Identity::None, Identity::Key)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// A handshake that computes only when it has a turn. A peer that sends nothing holds none.
struct InTurns<S> {
    handshake: Accept<S>,
    turns: PollSemaphore,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for InTurns<S> {
    type Output = io::Result<TlsStream<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Held while this is polled. The semaphore is never closed.
        let _turn = ready!(self.turns.poll_acquire(cx));
        Pin::new(&mut self.handshake).poll(cx)
    }
}

/// Accepts every P-256 key whose possession the peer proves, and peers without a certificate. Which
/// keys may do what is decided by the chat.
#[derive(Debug)]
struct AnyDevice(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyDevice {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Others prove nothing here, and would be held for as long as the connection lasts.
        if !others.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        match fingerprint(certificate) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    /// Without this, the certificate of a member, which is no secret, would be enough to be that
    /// member.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if signed.scheme != SignatureScheme::ECDSA_NISTP256_SHA256 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
