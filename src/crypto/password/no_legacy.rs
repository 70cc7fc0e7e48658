//! Replaces `legacy` without the feature `legacy-hashes`: no format of another system is known.

use super::{legacy_scheme::Legacy, scheme::HashError, stored::Stored, text::NormalizedPassword};

impl Legacy {
    pub(super) fn compute(
        self,
        _: &NormalizedPassword,
        _: &[u8],
        _: &mut [u8],
    ) -> Result<(), HashError> {
        match self {}
    }
}

pub(super) fn parse(_: &str) -> Option<Stored> {
    None
}
