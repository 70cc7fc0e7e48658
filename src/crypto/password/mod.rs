//! Passwords: what a new one must be like, and how they are hashed.
//!
//! Guaranteed: text is normalised to NFC and otherwise taken as it is, nothing is trimmed
//! or cut (ASVS 6.2.8); hashes are PHC strings with a salt of 128 bits from the operating
//! system; weaker hashes are recognised so that they can be replaced and stronger ones
//! are left alone; an unknown user costs one hash of the current parameters; the number
//! of hashes at work and in wait is bounded.
//!
//! Refused: parameters below the OWASP floor, at build; stored hashes of an unknown
//! scheme or of parameters that would exhaust the machine, as an error and not as memory.

mod common;
mod hasher;
#[cfg(feature = "legacy-hashes")]
mod legacy;
#[cfg(not(feature = "legacy-hashes"))]
#[path = "no_legacy.rs"]
mod legacy;
#[cfg(feature = "legacy-hashes")]
mod legacy_scheme;
#[cfg(not(feature = "legacy-hashes"))]
#[path = "no_legacy_scheme.rs"]
mod legacy_scheme;
mod memory;
mod phc;
mod policy;
mod pool;
mod scheme;
mod stored;
mod text;
mod workers;

pub use hasher::{PasswordHasher, Verified};
pub use policy::{Policy, PolicyError, Reason, WeakPassword};
pub use pool::{HashPool, PoolError};
pub use scheme::{Argon2Params, HashError, Scheme, SchemeError};
pub use text::PasswordText;
