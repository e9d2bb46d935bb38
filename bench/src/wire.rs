//! A connection of the load: plain, or TLS as a device.

use std::{
    cell::RefCell,
    io::{self, Read, Write},
    sync::Arc,
};

use chitty_server::key::{NAME, ServerKey};
use color_eyre::eyre::{Result, WrapErr as _};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::TLS13,
};
use tokio::net::TcpStream;

/// A connection, whose TLS is done by hand, because all tasks are on one thread and share it.
pub(crate) struct Wire {
    stream: TcpStream,
    tls: Option<RefCell<Box<ClientConnection>>>,
}

/// What the load knows of a server with TLS, and shows of itself: one device for all participants.
pub(crate) fn device(server: &ServerKey) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let pem = server.certificate_pem();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["device".to_owned()])?.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

impl Wire {
    /// Takes over a connection, and does its handshake if there is a device.
    pub(crate) async fn open(
        stream: TcpStream,
        device: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let Some(device) = device else {
            return Ok(Self { stream, tls: None });
        };
        let tls = ClientConnection::new(Arc::clone(device), NAME.try_into()?)?;
        let wire = Self {
            stream,
            tls: Some(RefCell::new(Box::new(tls))),
        };
        wire.shake_hands()
            .await
            .wrap_err("the TLS handshake failed")?;
        Ok(wire)
    }

    async fn shake_hands(&self) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        self.flush().await?;
        while tls.borrow().is_handshaking() {
            self.readable().await?;
            match self.try_read(&mut []) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => drop(read?),
            }
            self.flush().await?;
        }
        Ok(())
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        // What is decrypted and not read does not make the socket readable.
        let is_left = self.tls.as_ref().is_some_and(|tls| {
            let tls = tls.borrow();
            !tls.is_handshaking() && !tls.wants_read()
        });
        if is_left {
            return Ok(());
        }
        self.stream.readable().await
    }

    /// Reads once, and returns how many bytes of the protocol came; `WouldBlock` if none did.
    pub(crate) fn try_read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else {
            return self.stream.try_read(bytes);
        };
        let mut tls = tls.borrow_mut();
        if tls.wants_read() && tls.read_tls(&mut Socket(&self.stream))? == 0 {
            return Ok(0);
        }
        tls.process_new_packets().map_err(io::Error::other)?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        tls.reader().read(bytes)
    }

    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            tls.borrow_mut().writer().write_all(bytes)?;
            return self.flush().await;
        }
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what is encrypted.
    async fn flush(&self) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return Ok(());
        };
        while tls.borrow().wants_write() {
            self.stream.writable().await?;
            let written = tls.borrow_mut().write_tls(&mut Socket(&self.stream));
            match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => drop(written?),
            }
        }
        Ok(())
    }
}

/// A socket that does not wait.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
