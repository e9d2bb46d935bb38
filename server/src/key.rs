//! The server's own key, by which clients recognise it: `server.key` in the data folder.
//!
//! The file has the private key (PKCS#8) and a certificate of it that the key itself signed, both
//! in PEM. Our clients look at the key only. Others, such as grpcurl and Python's gRPC, are given
//! the certificate and compare all of it, so it is made once and kept with the key.

use std::{io, path::Path, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chitty_chat::{files, fingerprint::Fingerprint};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    crypto::aws_lc_rs::sign::any_ecdsa_type,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject,
    },
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use thiserror::Error;

/// The name of the file in the data folder.
pub const KEY_FILE: &str = "server.key";

/// The name in the certificate. Clients that know the key send it as the server's name (SNI),
/// whatever the host is called.
pub const NAME: &str = "chitty-chat";

/// The largest file that is read, in bytes; ours has about 800.
const MOST: u64 = 16 << 10;

/// How the DER of a P-256 public key begins: the algorithm id-ecPublicKey with the curve
/// prime256v1 (RFC 5480), and the tag of an uncompressed point.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// The length in bytes of such a key: after the beginning, two coordinates of 32 bytes.
const P256_LENGTH: usize = P256.len() + 64;

/// A server's key, with the certificate that it shows.
#[derive(Clone)]
pub struct ServerKey {
    certified: Arc<CertifiedKey>,
    fingerprint: Fingerprint,
}

/// Why there is no server key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file is not safe, or cannot be read.
    #[error("cannot use {}/{KEY_FILE}: {source}", folder.display())]
    Unreadable {
        /// The data folder.
        folder: Box<Path>,
        /// What the system says, or what is wrong with the file.
        source: io::Error,
    },
    /// There is a file, and it is not a key.
    #[error(
        "{}/{KEY_FILE} is damaged: {reason}; put a copy of it back. Without one, remove it: the \
         server makes a new key, and all clients have to be told its fingerprint", folder.display()
    )]
    Damaged {
        /// The data folder.
        folder: Box<Path>,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be made.
    #[error("cannot write {}/{KEY_FILE}: {source}", folder.display())]
    Unwritable {
        /// The data folder.
        folder: Box<Path>,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no randomness, or the library fails.
    #[error("cannot make a key for this server: {0}")]
    Unmakable(String),
}

impl ServerKey {
    /// The key in this data folder. It is made, and durable, if there is none. The caller holds the
    /// folder's lock.
    pub fn load_or_make(folder: &Path) -> Result<Self, KeyError> {
        if let Some(key) = Self::load(folder)? {
            return Ok(key);
        }
        let (key, pem) = Self::generate()?;
        let unwritable = |source| KeyError::Unwritable {
            folder: folder.into(),
            source,
        };
        files::write_private(folder, KEY_FILE.as_ref(), pem.as_bytes()).map_err(unwritable)?;
        Ok(key)
    }

    /// The key in this data folder; `None` if there is none yet.
    pub fn load(folder: &Path) -> Result<Option<Self>, KeyError> {
        let read = files::read_private(&folder.join(KEY_FILE), MOST);
        let read = read.map_err(|source| KeyError::Unreadable {
            folder: folder.into(),
            source,
        })?;
        let damaged = |reason| KeyError::Damaged {
            folder: folder.into(),
            reason,
        };
        read.map(|pem| Self::from_pem(&pem))
            .transpose()
            .map_err(damaged)
    }

    /// A new key that is in no file.
    pub fn ephemeral() -> Result<Self, KeyError> {
        Self::generate().map(|(key, _)| key)
    }

    fn generate() -> Result<(Self, String), KeyError> {
        let unmakable = |error: rcgen::Error| KeyError::Unmakable(error.to_string());
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unmakable)?;
        let certificate = self_signed(&pair).map_err(unmakable)?;
        let pem = format!("{}{}", pair.serialize_pem(), certificate.pem());
        let key = Self::new(pair.serialize_der(), certificate.der().clone());
        Ok((key.map_err(KeyError::Unmakable)?, pem))
    }

    fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem)
            .map_err(|_| "it has no private key in PKCS#8 and PEM".to_owned())?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_| "its private key is not a P-256 key".to_owned())?;
        let certificate = match CertificateDer::from_pem_slice(pem) {
            Ok(certificate) => certificate,
            // A key that was brought from elsewhere. Its certificate is a new one at each start.
            Err(rustls::pki_types::pem::Error::NoItemsFound) => {
                let made = self_signed(&pair).map_err(|error| error.to_string())?;
                made.der().clone()
            }
            Err(_) => return Err("its certificate is not in PEM".to_owned()),
        };
        Self::new(pair.serialize_der(), certificate)
    }

    fn new(key: Vec<u8>, certificate: CertificateDer<'static>) -> Result<Self, String> {
        let key = PrivateKeyDer::Pkcs8(key.into());
        let key = any_ecdsa_type(&key).map_err(|error| error.to_string())?;
        let certified = CertifiedKey::new(vec![certificate], key);
        certified
            .keys_match()
            .map_err(|_| "its certificate is of another key".to_owned())?;
        let fingerprint = certified.cert.first().and_then(fingerprint);
        Ok(Self {
            fingerprint: fingerprint.ok_or("its certificate is not of a P-256 key")?,
            certified: Arc::new(certified),
        })
    }

    /// By what clients recognise the server.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate, for clients that take one instead of a fingerprint.
    pub fn certificate_pem(&self) -> String {
        let der: &[u8] = self.certified.cert.first().map_or(&[], AsRef::as_ref);
        let text = STANDARD.encode(der);
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        // RFC 7468: lines of 64 characters. Base64 is ASCII, so any place is a boundary.
        for start in (0..text.len()).step_by(64) {
            pem.push_str(&text[start..text.len().min(start + 64)]);
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    /// The key as TLS uses it.
    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ServerKey").field(&self.fingerprint).finish()
    }
}

/// The fingerprint of the key in a certificate; `None` if that is not one of a P-256 key.
pub(crate) fn fingerprint(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let key: SubjectPublicKeyInfoDer<'_> = parsed.subject_public_key_info();
    let is_p256 = key.len() == P256_LENGTH && key.starts_with(&P256);
    is_p256.then(|| Fingerprint::of_public_key(&key))
}

fn self_signed(key: &KeyPair) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.self_signed(key)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    };

    use super::*;

    fn refusal(folder: &Path) -> String {
        ServerKey::load_or_make(folder)
            .expect_err("not a key")
            .to_string()
    }

    #[test]
    fn a_key_is_made_once_and_stays_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(ServerKey::load(folder.path()).expect("readable").is_none());
        let made = ServerKey::load_or_make(folder.path()).expect("made");
        let again = ServerKey::load_or_make(folder.path()).expect("there");
        assert_eq!(made.fingerprint(), again.fingerprint());
        assert_eq!(made.certificate_pem(), again.certificate_pem());
        let file = folder.path().join(KEY_FILE);
        let mode = fs::metadata(&file).expect("there").mode();
        assert_eq!(mode & 0o7777, 0o600);
        let text = fs::read_to_string(&file).expect("text");
        assert!(text.ends_with(&made.certificate_pem()), "{text}");
        let other = ServerKey::ephemeral().expect("made");
        assert_ne!(made.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_key_alone_gets_a_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = ServerKey::load_or_make(folder.path()).expect("made");
        let file = folder.path().join(KEY_FILE);
        let text = fs::read_to_string(&file).expect("text");
        let (key, _) = text.split_once("-----BEGIN CERT").expect("two parts");
        fs::write(&file, key).expect("ours");
        let alone = ServerKey::load_or_make(folder.path()).expect("a key");
        assert_eq!(alone.fingerprint(), made.fingerprint());
        assert_eq!(fs::read_to_string(&file).expect("text"), key, "not touched");
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(KEY_FILE);
        ServerKey::load_or_make(folder.path()).expect("made");
        let text = fs::read_to_string(&file).expect("text");
        let (key, certificate) = text.split_at(text.find("-----BEGIN CERT").expect("two parts"));
        let other = ServerKey::ephemeral().expect("made").certificate_pem();
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("made");
        for (contents, reason) in [
            (String::new(), "no private key"),
            (certificate.to_owned(), "no private key"),
            (key[..80].to_owned(), "no private key"),
            (format!("{key}{other}"), "its certificate is of another key"),
            (p384.serialize_pem(), "not a P-256 key"),
        ] {
            fs::write(&file, &contents).expect("ours");
            let refused = refusal(folder.path());
            assert!(refused.contains(reason), "{refused}");
            assert!(refused.contains("put a copy of it back"), "{refused}");
            let now = fs::read_to_string(&file).expect("text");
            assert_eq!(now, contents, "a damaged key is not replaced");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        ServerKey::load_or_make(folder.path()).expect("made");
        let file = folder.path().join(KEY_FILE);
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("ours");
        let refused = refusal(folder.path());
        assert!(refused.contains("mode 640"), "{refused}");
        fs::remove_file(&file).expect("ours");
        std::os::unix::fs::symlink("/dev/null", &file).expect("made");
        let refused = refusal(folder.path());
        assert!(refused.contains("symbolic link"), "{refused}");
    }

    #[test]
    fn only_p_256_keys_have_a_fingerprint() {
        let of = |algorithm| {
            let pair = KeyPair::generate_for(algorithm).expect("made");
            let certificate = self_signed(&pair).expect("signed");
            (fingerprint(certificate.der()), pair)
        };
        let (p256, pair) = of(&PKCS_ECDSA_P256_SHA256);
        let expected = rcgen::PublicKeyData::subject_public_key_info(&pair);
        assert_eq!(p256, Some(Fingerprint::of_public_key(&expected)));
        assert_eq!(of(&rcgen::PKCS_ECDSA_P384_SHA384).0, None);
        assert_eq!(of(&rcgen::PKCS_ED25519).0, None);
        assert_eq!(fingerprint(&CertificateDer::from(vec![0x30, 0x03])), None);
    }
}
