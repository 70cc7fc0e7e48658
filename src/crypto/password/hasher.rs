//! Hashing and verifying, one password at a time.

use std::{fmt, sync::Arc};

use argon2::{Algorithm, Argon2, Params, Version};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{
    phc::Stored,
    scheme::{Argon2Params, Kind, Scheme, SchemeError},
    text::PasswordText,
};
use crate::{crypto::random, error::AuthError};

const OUTPUT: usize = 32;
const SALT: usize = 16;

/// Hashes and verifies passwords; cheap to clone.
///
/// It blocks for as long as a hash takes: on an async thread use
/// [`HashPool`](super::HashPool).
#[derive(Clone)]
pub struct PasswordHasher {
    scheme: Scheme,
    dummy: Arc<str>,
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether the stored hash should be replaced by a stronger one.
    pub rehash: bool,
    /// Whether the stored hash could not be used at all.
    pub unusable: bool,
}

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The stored hash is of no scheme that is known here.
    #[error("the stored hash is of an unknown scheme")]
    Unknown,
    /// The stored hash asks for more memory or time than is ever spent.
    #[error("the stored hash asks for more than is ever spent on one")]
    OutOfBounds,
    /// The operating system gave no salt.
    #[error("no randomness for a salt")]
    Random(#[from] AuthError),
    /// The primitive refused its input.
    #[error("the hash could not be computed")]
    Primitive,
}

impl PasswordHasher {
    /// A hasher of this scheme, with the one dummy hash that unknown users cost.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] when the costs are below the floor or beyond reason.
    pub fn new(scheme: Scheme) -> Result<Self, SchemeError> {
        Self::build(scheme, false)
    }

    /// Like [`new`](Self::new); for tests also with costs below the floor.
    pub(crate) fn build(scheme: Scheme, below_floor: bool) -> Result<Self, SchemeError> {
        match scheme.validate() {
            Err(SchemeError::TooWeak) if below_floor => {}
            outcome => outcome?,
        }
        // No password leads to this output, so comparing with it always fails, at the
        // price of the current parameters.
        let dummy = Stored { scheme, salt: vec![0; SALT], output: vec![0; OUTPUT] };
        Ok(Self { scheme, dummy: dummy.to_text().into() })
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    ///
    /// [`HashError::Random`] when there is no salt to be had.
    pub fn hash(&self, password: &PasswordText) -> Result<String, HashError> {
        let salt = random::bytes::<SALT>()?;
        let output = compute(self.scheme, password, &salt, OUTPUT)?;
        Ok(Stored { scheme: self.scheme, salt: salt.to_vec(), output }.to_text())
    }

    /// Compares a password with a stored hash, in constant time.
    ///
    /// # Errors
    ///
    /// [`HashError::Unknown`] and [`HashError::OutOfBounds`], before any work.
    pub fn verify(&self, password: &PasswordText, stored: &str) -> Result<Verified, HashError> {
        let stored = Stored::parse(stored).ok_or(HashError::Unknown)?;
        if !stored.scheme.is_bounded() {
            return Err(HashError::OutOfBounds);
        }
        let output = compute(stored.scheme, password, &stored.salt, stored.output.len())?;
        let matches = bool::from(output.ct_eq(&stored.output));
        let rehash = matches && stored.scheme.is_below(&self.scheme);
        Ok(Verified { matches, rehash, unusable: false })
    }

    /// Whether a stored hash is one that a password could be compared with.
    pub fn understands(stored: &str) -> bool {
        Stored::parse(stored).is_some_and(|stored| stored.scheme.is_bounded())
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

fn compute(
    scheme: Scheme,
    password: &PasswordText,
    salt: &[u8],
    length: usize,
) -> Result<Vec<u8>, HashError> {
    let mut output = vec![0; length];
    match scheme.0 {
        Kind::Argon2id(Argon2Params { m_kib, t, p }) => {
            let params =
                Params::new(m_kib, t, p, Some(length)).map_err(|_| HashError::OutOfBounds)?;
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into(password.expose(), salt, &mut output)
                .map_err(|_| HashError::Primitive)?;
        }
        Kind::Pbkdf2Sha256(rounds) => {
            pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, rounds, &mut output);
        }
        Kind::Legacy(legacy) => legacy.compute(password, salt, &mut output)?,
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> PasswordText {
        PasswordText::for_check(raw).unwrap()
    }

    #[test]
    fn a_hash_from_elsewhere_is_understood() {
        // CR-01, CR-02. The first is of Python's argon2-cffi, the second of its hashlib,
        // the third of passlib's form over the same output.
        let hasher = PasswordHasher::new(Scheme::argon2id()).unwrap();
        for (stored, rehash) in [(ARGON2, false), (PBKDF2, true), (PASSLIB, true)] {
            let verified = hasher.verify(&text("correct horse"), stored).unwrap();
            assert!(verified.matches, "{stored}");
            assert_eq!(verified.rehash, rehash, "{stored}");
            assert!(!hasher.verify(&text("correct horsf"), stored).unwrap().matches);
        }
    }

    #[test]
    fn pbkdf2_gives_the_vector_of_rfc_7914() {
        // CR-02; RFC 7914 §11
        let scheme = Scheme::pbkdf2_sha256_with(1);
        let output = compute(scheme, &text("passwd"), b"salt", 64).unwrap();
        assert_eq!(output[..8], [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f]);
    }

    #[test]
    fn a_hash_is_salted_and_names_its_costs() {
        // CR-01, PW-17
        let hasher = PasswordHasher::new(Scheme::argon2id()).unwrap();
        let (one, two) = (hasher.hash(&text("a")).unwrap(), hasher.hash(&text("a")).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.verify(&text("a"), &one).unwrap().matches);
    }

    #[test]
    fn passwords_that_differ_late_are_different() {
        // B12: no truncation at 72 bytes
        let hasher = PasswordHasher::new(Scheme::argon2id()).unwrap();
        let stored = hasher.hash(&text(&format!("{}a", "x".repeat(100)))).unwrap();
        assert!(!hasher.verify(&text(&format!("{}b", "x".repeat(100))), &stored).unwrap().matches);
    }

    #[test]
    fn a_hash_that_asks_for_too_much_costs_nothing() {
        // CR-03
        let hasher = PasswordHasher::new(Scheme::argon2id()).unwrap();
        let greedy = ARGON2.replace("m=19456", "m=4194304");
        assert!(matches!(hasher.verify(&text("a"), &greedy), Err(HashError::OutOfBounds)));
        assert!(matches!(hasher.verify(&text("a"), "$x$"), Err(HashError::Unknown)));
    }

    #[test]
    fn nothing_matches_the_dummy() {
        // PW-13
        let hasher = PasswordHasher::new(Scheme::argon2id()).unwrap();
        assert!(!hasher.verify(&text(""), hasher.dummy()).unwrap().matches);
        assert!(hasher.dummy().contains("m=19456,t=2,p=1"));
    }

    const ARGON2: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";
    const PBKDF2: &str = "$pbkdf2-sha256$i=29000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$uHVoxjLD1v3uqpdY8ehNPGUYMiKj8ROQSRwMSE033NY";
    const PASSLIB: &str =
        "$pbkdf2-sha256$29000$MDEyMzQ1Njc4OWFiY2RlZg$uHVoxjLD1v3uqpdY8ehNPGUYMiKj8ROQSRwMSE033NY";
}
