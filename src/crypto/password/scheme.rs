//! Password hashing schemes and their parameters.

use super::legacy_scheme::Legacy;
use crate::error::AuthError;

/// The OWASP floor of Argon2id as memory in KiB and passes; one entry must be met (Password Storage
/// Cheat Sheet; ASVS 5.0 appendix C).
const ARGON2_FLOOR: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
/// The floor of PBKDF2-HMAC-SHA256 in rounds, from the same sources.
const PBKDF2_FLOOR: u32 = 600_000;

/// Parameters of Argon2id (RFC 9106 §3.1).
///
/// ```
/// use authlayer::{
///     Password,
///     crypto::password::{Argon2Params, PasswordHashing},
/// };
///
/// let params = Argon2Params { m_kib: 47_104, t: 1, p: 1 };
/// let flow = Password::new().scheme(PasswordHashing::argon2id_with(params));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes over the memory (iterations).
    pub t: u32,
    /// Lanes (parallelism).
    pub p: u32,
}

/// A password hashing scheme with its parameters.
///
/// ```
/// use authlayer::{Password, crypto::password::PasswordHashing};
///
/// let flow = Password::new().scheme(PasswordHashing::pbkdf2_sha256());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordHashing(pub(super) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2id(Argon2Params),
    Pbkdf2Sha256(u32),
    /// A scheme of another system, never used for new hashes.
    Legacy(Legacy),
}

/// The error for parameters that are out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHashParams {
    /// The parameters are below the OWASP floor.
    #[error("the password hashing parameters are below the OWASP floor")]
    TooWeak,
    /// The parameters are above the bounds of verification.
    #[error(
        "the password hashing parameters exceed 256 MiB, 20 passes, 16 lanes or 10,000,000 rounds"
    )]
    TooExpensive,
}

/// The error for a password that could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The stored hash has an unknown scheme.
    #[error("the stored password hash has an unknown scheme")]
    Unknown,
    /// The parameters of the stored hash exceed the bounds on memory or time.
    #[error("the parameters of the stored password hash are out of bounds")]
    OutOfBounds,
    /// The stored hash needs a secret of another system, such as a pepper, that is not configured.
    #[error("the pepper or signer key of the stored password hash is not configured")]
    MissingSecret,
    /// The random source failed.
    #[error("no random bytes for the salt")]
    Random(#[from] AuthError),
    /// The hash function rejected its input.
    #[error("the password hash could not be computed")]
    Primitive,
}

impl PasswordHashing {
    /// Returns Argon2id with 19 MiB, 2 passes, 1 lane: the OWASP recommendation and the default.
    pub const fn argon2id() -> Self {
        Self::argon2id_with(Argon2Params { m_kib: 19_456, t: 2, p: 1 })
    }

    /// Returns Argon2id with 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106
    /// §4.
    pub const fn argon2id_64_mib() -> Self {
        Self::argon2id_with(Argon2Params { m_kib: 65_536, t: 3, p: 4 })
    }

    /// Returns Argon2id with other parameters. Parameters below the OWASP floor are rejected when
    /// the application is built.
    pub const fn argon2id_with(params: Argon2Params) -> Self {
        Self(Kind::Argon2id(params))
    }

    /// Returns PBKDF2-HMAC-SHA256 with 600,000 rounds, for FIPS 140 environments.
    pub const fn pbkdf2_sha256() -> Self {
        Self(Kind::Pbkdf2Sha256(PBKDF2_FLOOR))
    }

    /// Returns PBKDF2-HMAC-SHA256 with this many rounds. Fewer than 600,000 are rejected when the
    /// application is built.
    pub const fn pbkdf2_sha256_with(rounds: u32) -> Self {
        Self(Kind::Pbkdf2Sha256(rounds))
    }

    pub(super) fn validate(&self) -> Result<(), InvalidHashParams> {
        if !self.is_bounded() {
            return Err(InvalidHashParams::TooExpensive);
        }
        let strong = match self.0 {
            Kind::Argon2id(Argon2Params { m_kib, t, .. }) => {
                ARGON2_FLOOR.iter().any(|(least_m, least_t)| m_kib >= *least_m && t >= *least_t)
            }
            Kind::Pbkdf2Sha256(rounds) => rounds >= PBKDF2_FLOOR,
            Kind::Legacy(_) => false,
        };
        if strong { Ok(()) } else { Err(InvalidHashParams::TooWeak) }
    }

    /// Returns `true` if the parameters are within the bounds that this crate computes.
    pub(super) fn is_bounded(&self) -> bool {
        match self.0 {
            Kind::Argon2id(Argon2Params { m_kib, t, p }) => {
                (8..=262_144).contains(&m_kib)
                    && (1..=20).contains(&t)
                    && (1..=16).contains(&p)
                    && m_kib >= 8 * p
            }
            Kind::Pbkdf2Sha256(rounds) => (1..=10_000_000).contains(&rounds),
            Kind::Legacy(legacy) => legacy.is_bounded(),
        }
    }

    /// Returns `true` if a hash of this scheme should be replaced by one of `target`. A stronger
    /// hash is never replaced, nor Argon2id by PBKDF2.
    pub(super) fn is_below(&self, target: &Self) -> bool {
        match (self.0, target.0) {
            (Kind::Argon2id(own), Kind::Argon2id(target)) => {
                own.m_kib * own.t < target.m_kib * target.t || own.m_kib < target.m_kib
            }
            (Kind::Pbkdf2Sha256(own), Kind::Pbkdf2Sha256(target)) => own < target,
            (Kind::Pbkdf2Sha256(_), Kind::Argon2id(_)) | (Kind::Legacy(_), _) => true,
            (Kind::Argon2id(_), Kind::Pbkdf2Sha256(_)) | (_, Kind::Legacy(_)) => false,
        }
    }
}

impl Default for PasswordHashing {
    fn default() -> Self {
        Self::argon2id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_costs_are_those_of_owasp() {
        // CR-01, CR-02
        let argon =
            |m_kib, t| PasswordHashing::argon2id_with(Argon2Params { m_kib, t, p: 1 }).validate();
        assert_eq!(PasswordHashing::argon2id().validate(), Ok(()));
        assert_eq!(PasswordHashing::argon2id_64_mib().validate(), Ok(()));
        assert_eq!(argon(7_168, 5), Ok(()));
        assert_eq!(argon(7_168, 4), Err(InvalidHashParams::TooWeak));
        assert_eq!(argon(19_455, 2), Err(InvalidHashParams::TooWeak));
        assert_eq!(argon(4_194_304, 2), Err(InvalidHashParams::TooExpensive));
        assert_eq!(PasswordHashing::pbkdf2_sha256().validate(), Ok(()));
        assert_eq!(
            PasswordHashing::pbkdf2_sha256_with(599_999).validate(),
            Err(InvalidHashParams::TooWeak)
        );
    }

    #[test]
    fn hash_is_replaced_only_by_a_stronger_one() {
        // CR-03, PW-17
        let (weak, strong) = (PasswordHashing::argon2id(), PasswordHashing::argon2id_64_mib());
        assert!(weak.is_below(&strong) && !strong.is_below(&weak) && !weak.is_below(&weak));
        let pbkdf2 = PasswordHashing::pbkdf2_sha256();
        assert!(pbkdf2.is_below(&weak) && !weak.is_below(&pbkdf2) && !pbkdf2.is_below(&pbkdf2));
    }
}
