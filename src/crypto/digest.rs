//! SHA-256 as what is kept of a secret.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a secret with enough entropy to need no salt (ASVS 11.4.1).
///
/// It has no `PartialEq`: hashes of secrets are compared by [`Digest::matches`] alone,
/// in constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Whether both are the same; takes equally long either way.
    pub fn matches(&self, other: &Self) -> bool {
        let (own, _) = self.0.as_chunks::<8>();
        let (other, _) = other.0.as_chunks::<8>();
        let differing = own.iter().zip(other).fold(0, |differing, (own, other)| {
            differing | (u64::from_ne_bytes(*own) ^ u64::from_ne_bytes(*other))
        });
        differing.ct_eq(&0).into()
    }

    /// The digest as it is stored: 43 characters of base64url.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// A digest from its stored form, or `None` if it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        // A multiple of three, as the decoder counts.
        let mut bytes = [0; 33];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        bytes.get(..written)?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}
