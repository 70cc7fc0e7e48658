//! Without the feature `legacy-hashes` no hash of another system is known.

use super::{hasher::HashError, phc::Stored, text::PasswordText};

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {}

impl Legacy {
    pub(super) fn is_bounded(self) -> bool {
        match self {}
    }

    pub(super) fn compute(self, _: &PasswordText, _: &[u8], _: &mut [u8]) -> Result<(), HashError> {
        match self {}
    }
}

pub(super) fn parse(_: &str) -> Option<Stored> {
    None
}
