//! Without the feature `legacy-hashes` there is no scheme of another system.

/// There is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Legacy {}

impl Legacy {
    pub(super) fn is_bounded(self) -> bool {
        match self {}
    }
}
