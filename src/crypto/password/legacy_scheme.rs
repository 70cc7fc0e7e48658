//! Hash schemes of other systems.

/// A hash scheme of another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    Pbkdf2Sha1(u32),
    Pbkdf2Sha256(u32),
    Pbkdf2Sha512(u32),
    Scrypt { log_n: u8, r: u32, p: u32 },
    Bcrypt { cost: u32, sha256: bool },
}

impl Legacy {
    /// Returns `true` if the parameters are within the bounds that this crate computes.
    pub(super) fn is_bounded(self) -> bool {
        match self {
            Self::Pbkdf2Sha1(rounds) | Self::Pbkdf2Sha256(rounds) | Self::Pbkdf2Sha512(rounds) => {
                (1..=10_000_000).contains(&rounds)
            }
            // 128 · r · N bytes, at most 256 MiB.
            Self::Scrypt { log_n, r, p } => {
                (1..=20).contains(&log_n)
                    && (1..=64).contains(&r)
                    && (1..=16).contains(&p)
                    && (u64::from(r) << log_n) <= 1 << 21
            }
            Self::Bcrypt { cost, .. } => (4..=16).contains(&cost),
        }
    }
}
