//! By what and how hard new passwords are hashed.

use super::legacy_scheme::Legacy;
use crate::error::AuthError;

/// The OWASP floor of Argon2id: at least one line must be met (Password Storage Cheat
/// Sheet; ASVS 5.0 appendix C), as memory in KiB and passes.
const ARGON2_FLOOR: [(u32, u32); 5] =
    [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
/// The floor of PBKDF2-HMAC-SHA256, same sources.
const PBKDF2_FLOOR: u32 = 600_000;

/// The costs of Argon2id (RFC 9106 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes over the memory.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

/// A way to hash passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(pub(super) Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Argon2id(Argon2Params),
    Pbkdf2Sha256(u32),
    /// Of another system; never for new passwords.
    Legacy(Legacy),
}

/// Costs that no password should be hashed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// Easier to guess than OWASP allows.
    #[error("the costs are below the OWASP floor")]
    TooWeak,
    /// More than this crate would verify again.
    #[error(
        "the costs are above what is verified: 256 MiB, 20 passes, 16 lanes, 10,000,000 rounds"
    )]
    TooExpensive,
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

impl Scheme {
    /// Argon2id with 19 MiB, 2 passes, 1 lane: the OWASP recommendation and the default.
    pub const fn argon2id() -> Self {
        Self::argon2id_with(Argon2Params { m_kib: 19_456, t: 2, p: 1 })
    }

    /// Argon2id with 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106 §4.
    pub const fn argon2id_high() -> Self {
        Self::argon2id_with(Argon2Params { m_kib: 65_536, t: 3, p: 4 })
    }

    /// Argon2id with other costs; below the OWASP floor they are refused at build.
    pub const fn argon2id_with(params: Argon2Params) -> Self {
        Self(Kind::Argon2id(params))
    }

    /// PBKDF2-HMAC-SHA256 with 600,000 rounds, for those bound to FIPS algorithms.
    pub const fn pbkdf2_sha256() -> Self {
        Self(Kind::Pbkdf2Sha256(PBKDF2_FLOOR))
    }

    /// PBKDF2-HMAC-SHA256 with more rounds; fewer than 600,000 are refused at build.
    pub const fn pbkdf2_sha256_with(rounds: u32) -> Self {
        Self(Kind::Pbkdf2Sha256(rounds))
    }

    pub(super) fn validate(&self) -> Result<(), SchemeError> {
        if !self.is_bounded() {
            return Err(SchemeError::TooExpensive);
        }
        let strong = match self.0 {
            Kind::Argon2id(Argon2Params { m_kib, t, .. }) => {
                ARGON2_FLOOR.iter().any(|(least_m, least_t)| m_kib >= *least_m && t >= *least_t)
            }
            Kind::Pbkdf2Sha256(rounds) => rounds >= PBKDF2_FLOOR,
            Kind::Legacy(_) => false,
        };
        if strong { Ok(()) } else { Err(SchemeError::TooWeak) }
    }

    /// Whether the costs are such that this crate computes them at all.
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

    /// Whether a hash of this scheme should become one of `target`. A stronger one never
    /// does, and Argon2id never becomes PBKDF2.
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

impl Default for Scheme {
    fn default() -> Self {
        Self::argon2id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_that_of_owasp() {
        // CR-01, CR-02
        let argon = |m_kib, t| Scheme::argon2id_with(Argon2Params { m_kib, t, p: 1 }).validate();
        assert_eq!(Scheme::argon2id().validate(), Ok(()));
        assert_eq!(Scheme::argon2id_high().validate(), Ok(()));
        assert_eq!(argon(7_168, 5), Ok(()));
        assert_eq!(argon(7_168, 4), Err(SchemeError::TooWeak));
        assert_eq!(argon(19_455, 2), Err(SchemeError::TooWeak));
        assert_eq!(argon(4_194_304, 2), Err(SchemeError::TooExpensive));
        assert_eq!(Scheme::pbkdf2_sha256().validate(), Ok(()));
        assert_eq!(Scheme::pbkdf2_sha256_with(599_999).validate(), Err(SchemeError::TooWeak));
    }

    #[test]
    fn a_hash_is_only_ever_replaced_by_a_stronger_one() {
        // CR-03, PW-17
        let (weak, strong) = (Scheme::argon2id(), Scheme::argon2id_high());
        assert!(weak.is_below(&strong) && !strong.is_below(&weak) && !weak.is_below(&weak));
        let pbkdf2 = Scheme::pbkdf2_sha256();
        assert!(pbkdf2.is_below(&weak) && !weak.is_below(&pbkdf2) && !pbkdf2.is_below(&pbkdf2));
    }
}
