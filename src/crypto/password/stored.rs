//! A parsed password hash.

use super::scheme::Scheme;

/// A hash with its scheme and salt.
pub(super) struct Stored {
    pub(super) scheme: Scheme,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}
