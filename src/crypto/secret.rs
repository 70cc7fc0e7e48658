//! Secret bytes that stay secret by their type.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::digest::{Digest, Domain};

/// `N` secret bytes.
///
/// No `Clone`, `PartialEq`, `Display` or `Serialize`; `Debug` is redacted and the memory
/// is wiped when the value goes. The one way out is [`Secret::expose`].
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
    /// Takes bytes that are secret from here on.
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The bytes, for hashing and encoding.
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// Returns what may be stored of the secret.
    pub fn digest(&self, domain: Domain) -> Digest {
        Digest::of(domain, &self.0)
    }

    /// Whether both are the same, in constant time.
    pub fn matches(&self, other: &Self) -> bool {
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
    fn a_secret_shows_nothing_of_itself() {
        // LG-03
        assert_eq!(format!("{:?}", Secret::from_bytes([0x61; 4])), "Secret(…)");
    }
}
