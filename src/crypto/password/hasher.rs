//! Hashes and verifies single passwords.

use std::{fmt, sync::Arc};

use argon2::{Algorithm, Argon2, Params, Version};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    legacy_secrets::LegacySecrets,
    memory::Memory,
    scheme::{Argon2Params, HashError, InvalidHashParams, Kind, PasswordHashing},
    stored::Stored,
    text::NormalizedPassword,
};
use crate::crypto::random;

const OUTPUT: usize = 32;
const SALT: usize = 16;

/// Hashes and verifies passwords. Clones are cheap.
///
/// Its methods block the thread for the duration of a hash: in async code use
/// [`HashPool`](super::HashPool).
#[derive(Clone)]
pub struct PasswordHasher {
    scheme: PasswordHashing,
    dummy: Arc<str>,
    secrets: LegacySecrets,
}

/// The result of verifying a password against a stored hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Whether the password matches.
    pub matches: bool,
    /// Whether to replace the stored hash, because its parameters are weaker than the current ones.
    pub rehash: bool,
    /// Whether the stored hash has an unknown format or parameters out of bounds.
    pub unusable: bool,
}

impl PasswordHasher {
    /// Creates a hasher for this scheme, with the dummy hash that is verified for unknown users.
    ///
    /// # Errors
    ///
    /// [`InvalidHashParams`] if the parameters are below the OWASP floor or above the upper bounds.
    pub fn new(scheme: PasswordHashing) -> Result<Self, InvalidHashParams> {
        Self::build(scheme, false, LegacySecrets::default())
    }

    /// Like [`new`](Self::new), with secrets of other systems. With `below_floor` it also accepts
    /// weak parameters, for tests.
    pub(crate) fn build(
        scheme: PasswordHashing,
        below_floor: bool,
        secrets: LegacySecrets,
    ) -> Result<Self, InvalidHashParams> {
        match scheme.validate() {
            Err(InvalidHashParams::TooWeak) if below_floor => {}
            outcome => outcome?,
        }
        // No password hashes to this output, so verification always fails, at the cost of the
        // current parameters.
        let dummy = Stored { scheme, salt: vec![0; SALT], output: vec![0; OUTPUT] };
        Ok(Self { scheme, dummy: dummy.to_text().into(), secrets })
    }

    /// Returns the PHC string of a password, with a random salt.
    ///
    /// # Errors
    ///
    /// [`HashError::Random`] if the random source fails.
    pub fn hash(&self, password: &NormalizedPassword) -> Result<String, HashError> {
        self.hash_with(password, &mut Memory::default())
    }

    pub(super) fn hash_with(
        &self,
        password: &NormalizedPassword,
        memory: &mut Memory,
    ) -> Result<String, HashError> {
        let salt = random::bytes::<SALT>()?;
        let output = self.compute(self.scheme, password, &salt, OUTPUT, memory)?;
        Ok(Stored { scheme: self.scheme, salt: salt.to_vec(), output }.to_text())
    }

    /// Verifies a password against a stored hash, in constant time.
    ///
    /// # Errors
    ///
    /// [`HashError::Unknown`] or [`HashError::OutOfBounds`], before any hashing.
    pub fn verify(
        &self,
        password: &NormalizedPassword,
        stored: &str,
    ) -> Result<Verification, HashError> {
        self.verify_with(password, stored, &mut Memory::default())
    }

    pub(super) fn verify_with(
        &self,
        password: &NormalizedPassword,
        stored: &str,
        memory: &mut Memory,
    ) -> Result<Verification, HashError> {
        let stored = Stored::parse(stored).ok_or(HashError::Unknown)?;
        if !stored.scheme.is_bounded() {
            return Err(HashError::OutOfBounds);
        }
        let length = stored.output.len();
        let output = self.compute(stored.scheme, password, &stored.salt, length, memory)?;
        let matches = bool::from(output.ct_eq(&stored.output));
        let rehash = matches && stored.scheme.is_below(&self.scheme);
        Ok(Verification { matches, rehash, unusable: false })
    }

    /// Returns `true` if the stored hash has a known format and parameters within bounds.
    pub fn supports(stored: &str) -> bool {
        Stored::parse(stored).is_some_and(|stored| stored.scheme.is_bounded())
    }

    /// Returns `true` if the stored hash should be replaced by one of the current scheme.
    pub(super) fn is_weaker(&self, stored: &str) -> bool {
        Stored::parse(stored).is_some_and(|stored| stored.scheme.is_below(&self.scheme))
    }

    fn compute(
        &self,
        scheme: PasswordHashing,
        password: &NormalizedPassword,
        salt: &[u8],
        length: usize,
        memory: &mut Memory,
    ) -> Result<Vec<u8>, HashError> {
        let mut output = vec![0; length];
        match scheme.0 {
            Kind::Argon2id(costs) => {
                let Argon2Params { m_kib, t, p } = costs;
                let params =
                    Params::new(m_kib, t, p, Some(length)).map_err(|_| HashError::OutOfBounds)?;
                let blocks = memory.blocks(params.block_count().max(blocks(costs)));
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into_with_memory(password.expose(), salt, &mut output, blocks)
                    .map_err(|_| HashError::Primitive)?;
            }
            Kind::Pbkdf2Sha256(rounds) => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, rounds, &mut output);
            }
            Kind::Legacy(legacy) => legacy.compute(password, salt, &self.secrets, &mut output)?,
        }
        Ok(output)
    }

    /// Returns `true` if a password can be verified against the stored hash: the format is known,
    /// the parameters are within bounds, and a secret that it requires is configured.
    pub(crate) fn can_verify(&self, stored: &str) -> bool {
        Stored::parse(stored).is_some_and(|stored| {
            let has_secrets = match stored.scheme.0 {
                Kind::Legacy(legacy) => self.secrets.suffice(legacy),
                Kind::Argon2id(_) | Kind::Pbkdf2Sha256(_) => true,
            };
            stored.scheme.is_bounded() && has_secrets
        })
    }

    /// Returns the number of memory blocks (1 KiB each) that a hash with the current scheme needs.
    pub(super) fn blocks(&self) -> usize {
        match self.scheme.0 {
            Kind::Argon2id(params) => blocks(params),
            Kind::Pbkdf2Sha256(_) | Kind::Legacy(_) => 0,
        }
    }

    pub(super) fn dummy(&self) -> &str {
        &self.dummy
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// Returns the number of blocks, a multiple of four per lane (RFC 9106 §3.2).
fn blocks(costs: Argon2Params) -> usize {
    let lanes = 4 * costs.p.max(1);
    usize::try_from(costs.m_kib / lanes * lanes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> NormalizedPassword {
        NormalizedPassword::parse_existing(raw).unwrap()
    }

    #[test]
    fn hashes_of_other_libraries_are_verified() {
        // CR-01, CR-02. The first is of Python's argon2-cffi, the second of its hashlib,
        // the third of passlib's form over the same output.
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        for (stored, rehash) in [(ARGON2, false), (PBKDF2, true), (PASSLIB, true)] {
            let verified = hasher.verify(&text("correct horse"), stored).unwrap();
            assert!(verified.matches, "{stored}");
            assert_eq!(verified.rehash, rehash, "{stored}");
            assert!(!hasher.verify(&text("correct horsf"), stored).unwrap().matches);
        }
    }

    #[test]
    fn pbkdf2_matches_the_test_vector_of_rfc_7914() {
        // CR-02; RFC 7914 §11
        let scheme = PasswordHashing::pbkdf2_sha256_with(1);
        let hasher = PasswordHasher::build(scheme, true, LegacySecrets::default()).unwrap();
        let output =
            hasher.compute(scheme, &text("passwd"), b"salt", 64, &mut Memory::default()).unwrap();
        assert_eq!(output[..8], [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f]);
    }

    #[test]
    fn hash_is_salted_and_contains_its_costs() {
        // CR-01, PW-17
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let (one, two) = (hasher.hash(&text("a")).unwrap(), hasher.hash(&text("a")).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify(&text("a"), &one).unwrap().matches);
    }

    #[test]
    fn long_passwords_are_not_truncated() {
        // B12: no truncation at 72 bytes
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let stored = hasher.hash(&text(&format!("{}a", "x".repeat(100)))).unwrap();
        assert!(!hasher.verify(&text(&format!("{}b", "x".repeat(100))), &stored).unwrap().matches);
    }

    #[test]
    fn hash_with_excessive_costs_is_rejected() {
        // CR-03
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let greedy = ARGON2.replace("m=19456", "m=4194304");
        assert!(matches!(hasher.verify(&text("a"), &greedy), Err(HashError::OutOfBounds)));
        assert!(matches!(hasher.verify(&text("a"), "$x$"), Err(HashError::Unknown)));
    }

    #[test]
    fn reused_memory_gives_the_same_hash() {
        let (hasher, mut memory) =
            (PasswordHasher::new(PasswordHashing::argon2id()).unwrap(), Memory::default());
        let costs = Argon2Params { m_kib: 65_536, t: 1, p: 2 };
        let larger = PasswordHasher::new(PasswordHashing::argon2id_with(costs)).unwrap();
        for _ in 0..2 {
            let stored = larger.hash_with(&text("other"), &mut memory).unwrap();
            assert!(
                hasher.verify_with(&text("correct horse"), ARGON2, &mut memory).unwrap().matches
            );
            assert!(larger.verify(&text("other"), &stored).unwrap().matches);
            memory.keep_at_most(hasher.blocks());
        }
    }

    #[test]
    fn no_password_matches_the_dummy_hash() {
        // PW-13
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        assert!(!hasher.verify(&text(""), hasher.dummy()).unwrap().matches);
        assert!(hasher.dummy().contains("m=19456,t=2,p=1"));
    }

    const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";
    const PBKDF2: &str = "$pbkdf2-sha256$i=29000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$uHVoxjLD1v3uqpdY8ehNPGUYMiKj8ROQSRwMSE033NY";
    const PASSLIB: &str =
        "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$uHVoxjLD1v3uqpdY8ehNPGUYMiKj8ROQSRwMSE033NY";
}
