//! TLS to a server whose key is pinned.
//!
//! A certificate says nothing here but which key it is of: neither its names nor its dates are
//! looked at, and no authority signs it. The server proves in the handshake that it has the key.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use chitty_chat::fingerprint::Fingerprint;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName,
    Error as TlsError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
    version::TLS13,
};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::trust::{DeviceKey, Expected};

/// The name that every server of this kind has in its certificate. It says nothing about the
/// server's address, which whoever listens sees anyway.
const SERVER_NAME: &str = "chitty-chat";
/// HTTP/2 (RFC 9113, section 3.2).
const ALPN: &[u8] = b"h2";

/// Why there is no TLS connection.
#[derive(Debug, Error)]
pub(super) enum HandshakeError {
    /// The server has another key. It was sent a `ClientHello` and an alert.
    #[error("the server has the key {0}")]
    OtherKey(Fingerprint),
    /// The server shows a key and does not have it.
    #[error("the server does not have the key that it shows")]
    NotItsKey,
    /// It is no server for TLS 1.3 and HTTP/2.
    #[error("it does not speak TLS 1.3 as Chitty-Chat does ({0})")]
    Foreign(String),
    /// The connection broke.
    #[error("{0}")]
    Broken(io::Error),
}

/// Checks the server's key, and keeps it.
#[derive(Debug)]
struct KeyVerifier {
    expected: Expected,
    shown: Mutex<Option<Fingerprint>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Makes the handshake. `device` is the key that is shown to the server; without one it learns
/// nothing about this device. Returns the key that the server has proved to have.
pub(super) async fn handshake(
    stream: TcpStream,
    expected: Expected,
    device: Option<&DeviceKey>,
) -> Result<(TlsStream<TcpStream>, Fingerprint), HandshakeError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(KeyVerifier::new(expected, &provider));
    let config = config(provider, Arc::clone(&verifier), device).map_err(HandshakeError::of_tls)?;
    let name = ServerName::try_from(SERVER_NAME)
        .map_err(|error| HandshakeError::Foreign(error.to_string()))?;
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    let shown = verifier.shown();
    match (connected, shown) {
        (_, Some(shown)) if !verifier.expected.accepts(shown) => {
            Err(HandshakeError::OtherKey(shown))
        }
        (Ok(stream), Some(shown)) => {
            if stream.get_ref().1.alpn_protocol() == Some(ALPN) {
                Ok((stream, shown))
            } else {
                Err(HandshakeError::Foreign(
                    "it does not offer HTTP/2".to_owned(),
                ))
            }
        }
        (Ok(_), None) => Err(HandshakeError::Foreign("it shows no key".to_owned())),
        (Err(error), _) => Err(HandshakeError::of(error)),
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<KeyVerifier>,
    device: Option<&DeviceKey>,
) -> Result<ClientConfig, TlsError> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match device {
        Some(device) => {
            let (chain, key) = device.for_tls();
            config.with_client_auth_cert(chain, key)?
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A removed key must not live on in a ticket.
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl KeyVerifier {
    fn new(expected: Expected, provider: &CryptoProvider) -> Self {
        Self {
            expected,
            shown: Mutex::new(None),
            algorithms: provider.signature_verification_algorithms,
        }
    }

    fn shown(&self) -> Option<Fingerprint> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let spki = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let shown = Fingerprint::of_public_key(spki.as_ref());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        if self.expected.accepts(shown) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        // Only TLS 1.3 is offered.
        Err(TlsError::General("TLS 1.2 is not used".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Servers of this kind have keys on P-256.
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

impl HandshakeError {
    fn of(error: io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<TlsError>());
        match tls.cloned() {
            Some(tls) => Self::of_tls(tls),
            None => Self::Broken(error),
        }
    }

    fn of_tls(error: TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(CertificateError::BadSignature) => Self::NotItsKey,
            // A server that is ending, or that has too many connections.
            TlsError::AlertReceived(
                AlertDescription::InternalError
                | AlertDescription::UserCanceled
                | AlertDescription::CloseNotify,
            ) => Self::Broken(io::Error::other(error)),
            error => Self::Foreign(error.to_string()),
        }
    }
}
