//! Secrets, hashes and how they follow from each other.
//!
//! Randomness comes from [`random`] alone and its failure is an error. Secrets are types
//! that cannot be printed, compared or copied by accident.

pub mod digest;
pub mod handle;
#[cfg(feature = "password")]
pub mod password;
pub mod random;
pub mod ratchet;
pub mod secret;
pub mod token;
