//! Replaces `legacy_scheme` without the feature `legacy-hashes`.

/// A hash scheme of another system: none without the feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {}

impl Legacy {
    pub(super) fn is_bounded(self) -> bool {
        match self {}
    }
}
