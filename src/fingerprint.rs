//! Fingerprints of public keys, by which servers and devices recognise each other.
//!
//! A fingerprint is of the key and not of a certificate, so that a new certificate of the same key
//! changes nothing for anybody.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD_NO_PAD,
    },
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What a fingerprint begins with when it is written, as with `ssh-keygen -l`.
const ALGORITHM: &str = "SHA256:";

/// Base64 with and without padding, since people paste both.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The SHA-256 (FIPS 180-4) of a public key in the form of a `SubjectPublicKeyInfo`
/// (RFC 5280, section 4.1), 32 bytes.
///
/// It is written as `SHA256:` and 43 characters of base64 without padding, as OpenSSH does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; Self::LENGTH]);

/// The first 16 bytes of a [`Fingerprint`], short enough for a link. An attacker has to find a key
/// whose fingerprint begins with the same 128 bits, which is a second preimage and no collision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; Self::LENGTH]);

/// Why a text is no fingerprint.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a fingerprint is SHA256: and 43 characters of base64, as the server's owner gets it from chitty-server key"
)]
pub struct FingerprintError;

impl Fingerprint {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// The fingerprint of a DER-encoded `SubjectPublicKeyInfo`.
    pub fn of_public_key(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// A fingerprint that was stored.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The part of it that a link carries.
    pub fn pin(&self) -> Pin {
        let mut pin = [0; Pin::LENGTH];
        pin.copy_from_slice(&self.0[..Pin::LENGTH]);
        Pin(pin)
    }

    /// The first 8 characters of its base64, for log lines and lists.
    pub fn short(&self) -> String {
        let mut text = STANDARD_NO_PAD.encode(self.0);
        text.truncate(8);
        text
    }
}

impl Pin {
    /// Length in bytes.
    pub const LENGTH: usize = 16;

    /// A pin that a link or a file carries.
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be put into a link.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads a fingerprint as it is written, with or without padding.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let hash = text
            .trim()
            .strip_prefix(ALGORITHM)
            .ok_or(FingerprintError)?;
        let bytes = LENIENT.decode(hash).map_err(|_| FingerprintError)?;
        let bytes = bytes.try_into().map_err(|_| FingerprintError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", STANDARD_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_written_as_openssh_writes_it() {
        // `printf '' | openssl dgst -sha256 -binary | base64`, without the padding.
        let empty = Fingerprint::of_public_key(b"");
        assert_eq!(
            empty.to_string(),
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
        );
        assert_eq!(empty.short(), "47DEQpj8");
    }

    #[test]
    fn padding_and_white_space_around_it_do_not_matter() {
        let written = " SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
        assert_eq!(written.parse(), Ok(Fingerprint::of_public_key(b"")));
    }

    #[test]
    fn what_is_cut_or_of_another_kind_is_refused() {
        for text in [
            "",
            "SHA256:",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF",
            "MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e",
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(bytes: [u8; 32]) {
            let fingerprint = Fingerprint::from_bytes(bytes);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
            let pin = fingerprint.pin();
            prop_assert_eq!(&fingerprint.as_bytes()[..16], pin.as_bytes());
        }
    }
}
