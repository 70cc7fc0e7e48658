//! Secret bytes with redacted output and zeroized memory.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::digest::{Digest, Domain};

/// `N` secret bytes.
///
/// It implements no `Clone`, `PartialEq`, `Display` or `Serialize`; `Debug` is redacted, and the
/// memory is zeroized on drop. [`Secret::expose`] is the only access to the bytes.
///
/// ```compile_fail
/// # use authlayer::crypto::secret::Secret;
/// let secret = Secret::from_bytes([7u8; 32]);
/// assert!(secret == secret);
/// ```
/// ```compile_fail
/// # use authlayer::crypto::secret::Secret;
/// println!("{}", Secret::from_bytes([7u8; 32]));
/// ```
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Creates a secret from bytes.
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for hashing and encoding.
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Returns the digest of the secret, which is safe to store.
    pub fn digest(&self, domain: Domain) -> Digest {
        Digest::hash(domain, &self.0)
    }

    /// Returns `true` if both secrets are equal, in constant time.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_reveals_nothing() {
        // LG-03
        assert_eq!(format!("{:?}", Secret::from_bytes([0x61; 4])), "Secret(…)");
    }
}
