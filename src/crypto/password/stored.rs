//! A hash with its scheme and its salt.

use super::scheme::Scheme;

/// A hash that was read from its text.
pub(super) struct Stored {
    pub(super) scheme: Scheme,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}
