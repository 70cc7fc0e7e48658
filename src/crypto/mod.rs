//! Secrets, hashes and key derivation.
//!
//! All randomness comes from [`random`], and its failure is an error. Secrets have their own types,
//! which cannot be printed, compared or copied by accident.

pub mod digest;
#[cfg(any(feature = "oauth", feature = "tokens"))]
pub(crate) mod es256;
pub mod handle;
#[cfg(feature = "password")]
pub mod password;
#[cfg(feature = "device-bound")]
pub(crate) mod proof;
pub mod random;
pub mod ratchet;
#[cfg(feature = "sealing")]
pub mod seal;
#[cfg(not(feature = "sealing"))]
#[path = "no_seal.rs"]
pub(crate) mod seal;
pub mod secret;
pub mod token;
pub(crate) mod typed;
