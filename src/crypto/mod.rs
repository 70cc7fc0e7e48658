//! Secrets, hashes and key derivation.
//!
//! All randomness comes from [`random`], and its failure is an error. Secrets have their own types,
//! which cannot be printed, compared or copied by accident.

pub mod digest;
pub mod handle;
#[cfg(feature = "password")]
pub mod password;
pub mod random;
pub mod ratchet;
pub mod secret;
pub mod token;
