//! Replaces `legacy` without the feature `legacy-hashes`: no format of another system is known.

use super::{
    legacy_scheme::Legacy, legacy_secrets::LegacySecrets, scheme::HashError, stored::Stored,
    text::NormalizedPassword,
};

impl Legacy {
    pub(super) fn compute(
        self,
        _: &NormalizedPassword,
        _: &[u8],
        _: &LegacySecrets,
        _: &mut [u8],
    ) -> Result<(), HashError> {
        match self {}
    }
}

pub(super) fn parse(_: &str) -> Option<Stored> {
    None
}
