//! Key derivation for the tokens of a session.
//!
//! A refresh secret has two parts: a *lineage* `L(n)`, which identifies a token of any age, and a
//! *key* `K(n)`, which authenticates the current one. With SHA-256 and HKDF-SHA256 (RFC 5869; input
//! key, salt, info):
//!
//! ```text
//! L(n+1) = the first 16 bytes of SHA-256("lineage" ‖ nonce ‖ L(n))
//! K(n+1) = HKDF(K(n), salt,  "authlayer refresh" ‖ n+1)
//! A(n+1) = HKDF(K(n), salt,  "authlayer access"  ‖ n+1)
//! ```
//!
//! `nonce` belongs to the session and never changes. `salt` is random for each rotation and
//! replaces the previous one. An old token therefore leads forward along the lineage, which detects
//! theft, but not along the keys. `R(n)` and the salt of the rotation that replaced it determine
//! the successor, so concurrent refreshes with the same token return the same tokens. The numbers
//! are big-endian `u32`.
//!
//! Each step of the lineage hashes exactly one block of SHA-256, so a token of any age is
//! identified by walking forward. The inputs have fixed lengths and 128 secret bits.

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize;

use super::{
    digest::{Digest, Domain},
    random,
    secret::Secret,
};
use crate::error::AuthError;

/// The length of a lineage in bytes.
pub const LINEAGE_LEN: usize = 16;
/// The length of a key and of an access secret in bytes.
pub const KEY_LEN: usize = 32;
/// The length of a refresh secret in bytes: lineage, then key.
pub const REFRESH_LEN: usize = LINEAGE_LEN + KEY_LEN;

/// The part of a refresh secret that identifies a token of any age.
pub type Lineage = Secret<LINEAGE_LEN>;

/// The secret of a refresh token: its lineage and its key.
#[derive(Debug)]
pub struct RefreshSecret {
    /// The part that identifies the token.
    pub lineage: Lineage,
    /// The part that authenticates the token.
    pub key: Secret<KEY_LEN>,
}

/// The secrets of one generation of tokens.
#[derive(Debug)]
pub struct TokenGeneration {
    /// The generation number; the sign-in creates generation 0.
    pub number: u32,
    /// The secret of the refresh token.
    pub refresh: RefreshSecret,
    /// The secret of the access token.
    pub access: Secret<KEY_LEN>,
}

impl RefreshSecret {
    /// Splits the secret bytes of a token into lineage and key.
    pub fn from_bytes(bytes: &[u8; REFRESH_LEN]) -> Self {
        let mut lineage = [0; LINEAGE_LEN];
        let mut key = [0; KEY_LEN];
        for (to, from) in lineage.iter_mut().chain(key.iter_mut()).zip(bytes) {
            *to = *from;
        }
        Self { lineage: Secret::from_bytes(lineage), key: Secret::from_bytes(key) }
    }

    /// Returns the secret bytes of the token: lineage, then key.
    pub fn to_bytes(&self) -> Secret<REFRESH_LEN> {
        let mut bytes = [0; REFRESH_LEN];
        let parts = self.lineage.expose().iter().chain(self.key.expose());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = *from;
        }
        Secret::from_bytes(bytes)
    }

    /// Returns the digest under which the refresh secret is stored.
    pub fn digest(&self) -> Digest {
        self.to_bytes().digest(Domain::REFRESH)
    }
}

impl TokenGeneration {
    /// Creates the random secrets of a sign-in, generation 0.
    ///
    /// # Errors
    ///
    /// If the random source fails.
    pub fn initial() -> Result<Self, AuthError> {
        Ok(Self {
            number: 0,
            refresh: RefreshSecret {
                lineage: Secret::from_bytes(random::bytes()?),
                key: Secret::from_bytes(random::bytes()?),
            },
            access: Secret::from_bytes(random::bytes()?),
        })
    }

    /// Derives the generation after the one of a refresh secret, with the salt of that rotation.
    ///
    /// The result depends only on the arguments.
    pub fn next(refresh: &RefreshSecret, number: u32, nonce: &[u8; 32], salt: &[u8; 32]) -> Self {
        let next = number.wrapping_add(1);
        Self {
            number: next,
            refresh: RefreshSecret {
                lineage: next_lineage(&refresh.lineage, nonce),
                key: derive(
                    refresh.key.expose(),
                    salt,
                    &[b"authlayer refresh", &next.to_be_bytes()],
                ),
            },
            access: derive(refresh.key.expose(), salt, &[b"authlayer access", &next.to_be_bytes()]),
        }
    }
}

/// Derives the access secret of a renewal that does not rotate the refresh token.
pub fn renewed_access(refresh: &RefreshSecret, number: u32, salt: &[u8; 32]) -> Secret<KEY_LEN> {
    derive(refresh.key.expose(), salt, &[b"authlayer renewal", &number.to_be_bytes()])
}

/// Derives the lineage of the next generation.
pub fn next_lineage(lineage: &Lineage, nonce: &[u8; 32]) -> Lineage {
    let block = Sha256::new_with_prefix("lineage").chain_update(nonce);
    let mut digest: [u8; 32] = block.chain_update(lineage.expose()).finalize().into();
    let mut next = [0; LINEAGE_LEN];
    for (to, from) in next.iter_mut().zip(digest) {
        *to = from;
    }
    digest.zeroize();
    Secret::from_bytes(next)
}

fn derive<const N: usize>(key: &[u8], salt: &[u8; 32], info: &[&[u8]]) -> Secret<N> {
    let mut out = [0; N];
    let long_enough = Hkdf::<Sha256>::new(Some(salt), key).expand_multi_info(info, &mut out);
    debug_assert!(long_enough.is_ok(), "HKDF-SHA256 gives up to 8160 bytes");
    let secret = Secret::from_bytes(out);
    out.zeroize();
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(lineage: u8, key: u8) -> RefreshSecret {
        RefreshSecret {
            lineage: Secret::from_bytes([lineage; LINEAGE_LEN]),
            key: Secret::from_bytes([key; KEY_LEN]),
        }
    }

    #[test]
    fn successor_is_deterministic_in_token_and_salt() {
        let one = TokenGeneration::next(&secret(1, 2), 6, &[3; 32], &[4; 32]);
        let two = TokenGeneration::next(&secret(1, 2), 6, &[3; 32], &[4; 32]);
        assert_eq!(one.number, 7);
        assert!(one.refresh.digest().ct_eq(&two.refresh.digest()));
        assert!(one.access.ct_eq(&two.access));
    }

    #[test]
    fn every_input_changes_the_derived_values() {
        let base = TokenGeneration::next(&secret(1, 2), 0, &[3; 32], &[4; 32]);
        let salt = TokenGeneration::next(&secret(1, 2), 0, &[3; 32], &[5; 32]);
        let number = TokenGeneration::next(&secret(1, 2), 1, &[3; 32], &[4; 32]);
        let nonce = TokenGeneration::next(&secret(1, 2), 0, &[6; 32], &[4; 32]);
        assert!(!base.access.ct_eq(&salt.access));
        assert!(!base.refresh.key.ct_eq(&salt.refresh.key));
        assert!(base.refresh.lineage.ct_eq(&salt.refresh.lineage), "a lineage knows no salt");
        assert!(!base.access.ct_eq(&number.access));
        assert!(!base.refresh.lineage.ct_eq(&nonce.refresh.lineage));
        assert!(!base.access.ct_eq(&base.refresh.key), "one key, two purposes");
    }

    #[test]
    fn derivation_matches_the_module_documentation() {
        // Computed with another implementation (Python's `hmac`) from the formula in the module
        // docs.
        let next = TokenGeneration::next(&secret(1, 2), 0, &[3; 32], &[4; 32]);
        assert_eq!(hex(next.refresh.lineage.expose()), LINEAGE_1);
        assert_eq!(hex(next.refresh.key.expose()), KEY_1);
        assert_eq!(hex(next.access.expose()), ACCESS_1);
    }

    #[test]
    fn refresh_secret_bytes_round_trip() {
        let bytes = secret(9, 8).to_bytes();
        assert!(
            RefreshSecret::from_bytes(bytes.expose())
                .digest()
                .ct_eq(&bytes.digest(Domain::REFRESH))
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    const LINEAGE_1: &str = "f86b4db3f01ffbe584a34e9303c38f2a";
    const KEY_1: &str = "3a89676966e06b4e9c1b631bef009e43ff6d8cce1f70cd17e35730744e83f903";
    const ACCESS_1: &str = "388e88c02fd009f099006014f3abad14d23e955f72f533f6fdedeeea29c28c43";
}
