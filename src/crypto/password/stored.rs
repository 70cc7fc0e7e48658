//! A parsed password hash.

use super::scheme::PasswordHashing;

/// A hash with its scheme and salt.
pub(super) struct Stored {
    pub(super) scheme: PasswordHashing,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}
