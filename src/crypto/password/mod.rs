//! Password policy and password hashing.
//!
//! Guarantees:
//!
//! * Passwords are normalized to NFC and otherwise used unchanged: nothing is trimmed or truncated
//!   (ASVS 6.2.8).
//! * Hashes are PHC strings with a random salt of 128 bits.
//! * Hashes with weaker parameters are detected, so that they can be replaced; stronger ones are not
//!   changed.
//! * Verification for an unknown user costs one hash with the current parameters.
//! * The numbers of running and queued hashes are bounded.
//!
//! Parameters below the OWASP floor are rejected when the application is built. Stored hashes with
//! an unknown scheme or with parameters that would exhaust memory are rejected before any
//! allocation.

mod common;
#[cfg(feature = "legacy-hashes")]
mod crypt;
mod hasher;
#[cfg(feature = "legacy-hashes")]
mod legacy;
#[cfg(not(feature = "legacy-hashes"))]
#[path = "no_legacy.rs"]
mod legacy;
#[cfg(feature = "legacy-hashes")]
mod legacy_compute;
#[cfg(feature = "legacy-hashes")]
mod legacy_scheme;
#[cfg(not(feature = "legacy-hashes"))]
#[path = "no_legacy_scheme.rs"]
mod legacy_scheme;
#[cfg(feature = "legacy-hashes")]
mod legacy_secrets;
#[cfg(not(feature = "legacy-hashes"))]
#[path = "no_legacy_secrets.rs"]
mod legacy_secrets;
mod memory;
mod phc;
mod policy;
mod pool;
mod scheme;
mod stored;
mod text;
mod workers;

pub use hasher::{PasswordHasher, Verification};
pub(crate) use legacy_secrets::LegacySecrets;
pub use policy::{InvalidPasswordPolicy, PasswordPolicy, WeakPassword, WeakPasswordReason};
pub use pool::{HashPool, PoolError};
pub use scheme::{Argon2Params, HashError, InvalidHashParams, PasswordHashing};
pub use text::NormalizedPassword;
