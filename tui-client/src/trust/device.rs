//! A key of this device, by which a server recognises it.
//!
//! It is an ECDSA key on the curve P-256, in PKCS#8 and PEM. There is one for each server, so that
//! two servers cannot find out that they know the same device.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chitty_chat::{files, fingerprint::Fingerprint};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

/// The largest file that is read, in bytes; one of ours has about 240.
const MAX_FILE: u64 = 16 << 10;
/// The bits of a file mode that give others than the owner any access.
const OTHERS: u32 = 0o077;
/// The name in the certificate of a device. A server looks at the key only.
const NAME: &str = "chitty";

/// A private key with a certificate of its own.
#[derive(Debug)]
pub struct DeviceKey {
    pair: KeyPair,
    certificate: CertificateDer<'static>,
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum DeviceKeyError {
    /// Others may have read it.
    #[error(
        "{} can be read by others ({mode:04o}); chmod 600 it, or remove it and ask for a new \
         invitation", path.display()
    )]
    Readable {
        /// The path of the file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is not there.
    #[error(
        "the key {} is gone, by which a server knows this device; put it back, or take key= out of \
         the server's line in known_servers and ask for a link for another device (`chitty-server \
         invite --for NAME`)", .0.display()
    )]
    Gone(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use the key {}: {source}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it, or what the system says.
        source: io::Error,
    },
    /// It is not a key on P-256 in PKCS#8 and PEM.
    #[error(
        "{} is not a private key for this program: that is an ECDSA key on P-256 in PKCS#8 and PEM; \
         give a file that does not exist yet, and one is made", .0.display()
    )]
    NotAKey(PathBuf),
    /// The library failed.
    #[error("cannot make a key: {0}")]
    Make(#[from] rcgen::Error),
}

impl DeviceKey {
    /// Makes a key. Its randomness is that of the cryptographic library.
    pub fn make() -> Result<Self, DeviceKeyError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        Ok(Self::of(pair)?)
    }

    fn of(pair: KeyPair) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, NAME);
        let certificate = params.self_signed(&pair)?.der().clone();
        Ok(Self { pair, certificate })
    }

    /// Reads a key from a file that only its owner can read; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, DeviceKeyError> {
        let failed = |source| DeviceKeyError::File {
            path: path.into(),
            source,
        };
        // Asked first, for an error that names the mode and the way out.
        if let Ok(metadata) = fs::symlink_metadata(path)
            && metadata.is_file()
            && metadata.uid() == files::effective_user()
            && metadata.permissions().mode() & OTHERS != 0
        {
            let mode = metadata.permissions().mode() & 0o7777;
            let path = path.into();
            return Err(DeviceKeyError::Readable { path, mode });
        }
        let Some(bytes) = files::read_private(path, MAX_FILE).map_err(failed)? else {
            return Ok(None);
        };
        let not_a_key = || DeviceKeyError::NotAKey(path.into());
        let pem = String::from_utf8(bytes).map_err(|_| not_a_key())?;
        let pair = KeyPair::from_pem(&pem).map_err(|_| not_a_key())?;
        if pair.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(not_a_key());
        }
        Ok(Some(Self::of(pair)?))
    }

    /// Writes the key, for its owner only. The folder is made if it does not exist.
    pub fn write(&self, path: &Path) -> Result<(), DeviceKeyError> {
        let failed = |source| DeviceKeyError::File {
            path: path.into(),
            source,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        files::make_folder(folder).map_err(failed)?;
        let name = path
            .file_name()
            .ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?;
        files::write_private(folder, name, self.pair.serialize_pem().as_bytes()).map_err(failed)
    }

    /// The fingerprint by which servers know it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_public_key(&self.pair.subject_public_key_info())
    }

    /// The private key in PEM.
    pub fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The certificate in PEM, for other programs that connect as this device.
    pub fn certificate_pem(&self) -> String {
        pem(&self.certificate)
    }

    /// The certificate and the private key, for a connection.
    pub(crate) fn for_tls(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.pair.serialize_der());
        (vec![self.certificate.clone()], key.into())
    }
}

/// A certificate in PEM (RFC 7468).
fn pem(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    /// The characters of a line.
    const WIDTH: usize = 64;
    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, others) = rest.split_at(rest.len().min(WIDTH));
        pem.push_str(line);
        pem.push('\n');
        rest = others;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }

    #[test]
    fn a_key_is_written_for_its_owner_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys/a.key");
        assert!(
            DeviceKey::read(&path)
                .expect("no file is no error")
                .is_none()
        );
        let key = DeviceKey::make().expect("made");
        key.write(&path).expect("written");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("keys")), 0o700);
        let read = DeviceKey::read(&path).expect("ours").expect("there");
        assert_eq!(read.fingerprint(), key.fingerprint());
        assert_ne!(
            DeviceKey::make().expect("made").fingerprint(),
            key.fingerprint()
        );
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.key");
        DeviceKey::make()
            .expect("made")
            .write(&path)
            .expect("written");
        for mode in [0o640, 0o604, 0o620] {
            chmod(&path, mode);
            let error = DeviceKey::read(&path).expect_err("open").to_string();
            assert!(error.contains(&format!("(0{mode:o})")), "{error}");
            assert!(error.contains("can be read by others"), "{error}");
            assert!(error.contains("chmod 600"), "{error}");
        }
        chmod(&path, 0o600);
        DeviceKey::read(&path).expect("closed again");
    }

    #[test]
    fn what_is_no_key_of_ours_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            fs::write(path(name), text).expect("written");
            chmod(&path(name), 0o600);
        };
        write("empty", "");
        write("text", "a key");
        // Another kind of key.
        let other = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("made");
        write("other", &other.serialize_pem());
        for name in ["empty", "text", "other"] {
            let error = DeviceKey::read(&path(name)).expect_err(name);
            assert!(matches!(error, DeviceKeyError::NotAKey(_)), "{error}");
        }
        std::os::unix::fs::symlink(path("text"), path("link")).expect("made");
        let error = DeviceKey::read(&path("link"))
            .expect_err("a link")
            .to_string();
        assert!(error.contains("symbolic link"), "{error}");
        let key = DeviceKey::make().expect("made");
        let error = key.write(&path("link")).expect_err("a link").to_string();
        assert!(error.contains("symbolic link"), "{error}");
        chmod(folder.path(), 0o777);
        let error = key
            .write(&path("new"))
            .expect_err("an open folder")
            .to_string();
        assert!(error.contains("others can write to it"), "{error}");
    }

    #[test]
    fn its_certificate_is_of_its_key() {
        let key = DeviceKey::make().expect("made");
        let (chain, _) = key.for_tls();
        let parsed = rustls::server::ParsedCertificate::try_from(&chain[0]).expect("X.509");
        let spki = parsed.subject_public_key_info();
        assert_eq!(Fingerprint::of_public_key(spki.as_ref()), key.fingerprint());
        let pem = key.certificate_pem();
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
        let debug = format!("{key:?}");
        let secret = key.private_pem();
        let secret = secret.lines().nth(1).expect("base64");
        assert!(!debug.contains(secret), "{debug}");
    }
}
