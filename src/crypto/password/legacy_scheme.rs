//! Hash schemes of other systems.

/// The input of bcrypt, which some systems derive from the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BcryptInput {
    Password,
    /// The SHA-256 digest in hexadecimal (Django).
    Sha256Hex,
    /// The trimmed password under HMAC-SHA384, in base64 (WordPress 6.8).
    WordPress,
    /// The password followed by the pepper (Devise).
    DevisePepper,
}

/// A hash scheme of another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {
    Pbkdf2Sha1(u32),
    Pbkdf2Sha256(u32),
    Pbkdf2Sha512(u32),
    /// With `nfkc`, the password is normalized to that form.
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        nfkc: bool,
    },
    /// The signer key, encrypted with a key that scrypt derives.
    FirebaseScrypt {
        log_n: u8,
        r: u32,
    },
    Bcrypt {
        cost: u32,
        input: BcryptInput,
    },
    /// Argon2d, or else Argon2i.
    Argon2 {
        is_data_dependent: bool,
        m_kib: u32,
        t: u32,
        p: u32,
    },
    Sha256Crypt(u32),
    Sha512Crypt(u32),
    /// With `trims`, whitespace around the password is ignored.
    Phpass {
        log_rounds: u8,
        trims: bool,
    },
}

impl Legacy {
    /// Returns `true` if the parameters are within the bounds that this crate computes.
    pub(super) fn is_bounded(self) -> bool {
        match self {
            Self::Pbkdf2Sha1(rounds) | Self::Pbkdf2Sha256(rounds) | Self::Pbkdf2Sha512(rounds) => {
                (1..=10_000_000).contains(&rounds)
            }
            Self::Scrypt { log_n, r, p, .. } => is_scrypt_bounded(log_n, r, p),
            Self::FirebaseScrypt { log_n, r } => is_scrypt_bounded(log_n, r, 1),
            Self::Bcrypt { cost, .. } => (4..=16).contains(&cost),
            Self::Argon2 { m_kib, t, p, .. } => {
                (8..=262_144).contains(&m_kib)
                    && (1..=20).contains(&t)
                    && (1..=16).contains(&p)
                    && m_kib >= 8 * p
            }
            Self::Sha256Crypt(rounds) | Self::Sha512Crypt(rounds) => {
                (1000..=1_000_000).contains(&rounds)
            }
            Self::Phpass { log_rounds, .. } => (7..=20).contains(&log_rounds),
        }
    }
}

/// 128 · r · N bytes, at most 256 MiB.
fn is_scrypt_bounded(log_n: u8, r: u32, p: u32) -> bool {
    (1..=20).contains(&log_n)
        && (1..=64).contains(&r)
        && (1..=16).contains(&p)
        && (u64::from(r) << log_n) <= 1 << 21
}
