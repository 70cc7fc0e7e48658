//! Signature algorithms of ID tokens and logout tokens.

use std::{fmt, str::FromStr};

use openidconnect::core::CoreJwsSigningAlgorithm as Core;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A signature algorithm of ID tokens and logout tokens (RFC 7518 §3.1, RFC 8037, RFC 9864).
/// Symmetric algorithms and `none` are not supported.
///
/// [`FromStr`] parses the JOSE names: `"ES384".parse::<Algorithm>()`.
///
/// ```
/// use authlayer::flow::oidc::Algorithm;
///
/// assert_eq!("ES384".parse::<Algorithm>()?, Algorithm::Es384);
/// # Ok::<_, authlayer::flow::oidc::UnknownAlgorithm>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519, under either of its names: `EdDSA` (RFC 8037) and `Ed25519` (RFC 9864).
    EdDsa,
}

/// The text is not the name of an [`Algorithm`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a signature algorithm of tokens: use RS256, RS384, RS512, PS256, PS384, \
     PS512, ES256, ES384, ES512 or EdDSA"
)]
pub struct UnknownAlgorithm(String);

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Algorithm {
    const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Returns the name in JOSE headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => {
                Family::Rsa
            }
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::Es512 => Family::P521,
            Self::EdDsa => Family::Ed25519,
        }
    }

    pub(super) fn to_core(self) -> Core {
        match self {
            Self::Rs256 => Core::RsaSsaPkcs1V15Sha256,
            Self::Rs384 => Core::RsaSsaPkcs1V15Sha384,
            Self::Rs512 => Core::RsaSsaPkcs1V15Sha512,
            Self::Ps256 => Core::RsaSsaPssSha256,
            Self::Ps384 => Core::RsaSsaPssSha384,
            Self::Ps512 => Core::RsaSsaPssSha512,
            Self::Es256 => Core::EcdsaP256Sha256,
            Self::Es384 => Core::EcdsaP384Sha384,
            Self::Es512 => Core::EcdsaP521Sha512,
            Self::EdDsa => Core::EdDsa,
        }
    }

    /// Returns the hash that the algorithm uses, whose left half is `at_hash` (OpenID Connect Core
    /// §3.1.3.6). Ed25519 uses SHA-512.
    pub(super) fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Sha256::digest(bytes).to_vec(),
            Self::Rs384 | Self::Ps384 | Self::Es384 => Sha384::digest(bytes).to_vec(),
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => Sha512::digest(bytes).to_vec(),
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        if name == "Ed25519" {
            return Ok(Self::EdDsa);
        }
        let found = Self::ALL.into_iter().find(|own| own.name() == name);
        found.ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
