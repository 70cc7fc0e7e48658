//! Replaces `legacy_secrets` without the feature `legacy-hashes`.

use super::legacy_scheme::Legacy;

/// The secrets that the application configured: none without the feature.
#[derive(Clone, Debug, Default)]
pub(crate) struct LegacySecrets {}

impl LegacySecrets {
    pub(crate) fn problem(&self) -> Option<&'static str> {
        None
    }

    pub(super) fn suffice(&self, scheme: Legacy) -> bool {
        match scheme {}
    }
}
