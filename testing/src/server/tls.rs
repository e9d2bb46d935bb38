//! Devices and their TLS connections, as any client makes them. The server's own code is not used
//! for this, so that a mistake in it is not made twice.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use chitty_chat::fingerprint::Fingerprint;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SignatureAlgorithm};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, sign::any_supported_type},
        verify_tls13_signature,
    },
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::ParsedCertificate,
    sign::CertifiedKey,
    version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

/// A key of a device, with a certificate that it signed itself.
#[derive(Clone, Debug)]
pub struct Device {
    certified: Arc<CertifiedKey>,
    /// The fingerprint of its key.
    pub fingerprint: Fingerprint,
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl Device {
    /// A device with a new P-256 key.
    pub fn new() -> Self {
        Self::of(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// A device with a new key of this kind.
    pub fn of(algorithm: &'static SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let certificate = CertificateParams::new(vec!["device".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("signed");
        let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let signing = any_supported_type(&der).expect("a kind that is supported");
        Self {
            fingerprint: Fingerprint::of_public_key(&key.subject_public_key_info()),
            certified: Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing)),
        }
    }

    /// Whoever shows this device's certificate, which is no secret, and has a key of their own.
    #[must_use]
    pub fn impostor(&self) -> Self {
        let own = Self::new();
        let certificates = self.certified.cert.clone();
        Self {
            certified: Arc::new(CertifiedKey::new(certificates, own.certified.key.clone())),
            fingerprint: self.fingerprint,
        }
    }

    /// The same device, which shows another certificate after its own.
    #[must_use]
    pub fn with_chain(&self, other: &Self) -> Self {
        let chain = [&self.certified.cert[..], &other.certified.cert[..]].concat();
        Self {
            certified: Arc::new(CertifiedKey::new(chain, self.certified.key.clone())),
            fingerprint: self.fingerprint,
        }
    }
}

#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Accepts a server by its key.
#[derive(Debug)]
struct Pinned {
    algorithms: WebPkiSupportedAlgorithms,
    server: Fingerprint,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        if Fingerprint::of_public_key(&key) == self.server {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The configuration of a client that accepts this server only, and shows this device.
pub fn client_config(server: Fingerprint, device: Option<&Device>) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Pinned {
        algorithms: provider.signature_verification_algorithms,
        server,
    };
    let shown = device.map(|device| Arc::clone(&device.certified));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Shows(shown)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Connects to a server by TLS.
///
/// # Errors
///
/// The connection or the handshake fails. If the server refuses the device, the first read fails
/// instead, because the client's part of the handshake is over by then.
pub async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    connect_over(stream, config).await
}

/// The same over a connection that is open already.
///
/// # Errors
///
/// As with [`connect`].
pub async fn connect_over(
    stream: TcpStream,
    config: ClientConfig,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("chitty-chat").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// A channel of tonic's over one TLS connection.
///
/// # Errors
///
/// The connection or the handshake fails.
pub async fn channel(
    address: SocketAddr,
    server: Fingerprint,
    device: Option<&Device>,
) -> io::Result<Channel> {
    let stream = connect(address, client_config(server, device)).await?;
    let stream = Mutex::new(Some(TokioIo::new(stream)));
    let connect = tower::service_fn(move |_| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        async { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    let endpoint = Endpoint::from_static("http://chitty-chat");
    let connected = endpoint.connect_with_connector(connect).await;
    connected.map_err(io::Error::other)
}
