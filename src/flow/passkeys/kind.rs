//! The kinds of new credentials.

use crate::services::Authority;

/// The kind of a new credential.
#[derive(Clone, Copy, Debug)]
pub(super) enum NewKey {
    /// A passkey, with what allows its registration.
    Passkey(Authority),
    /// A passkey that a password manager creates without a dialog.
    Conditional,
    /// A security key, with what allows its registration.
    SecurityKey(Authority),
}

impl NewKey {
    /// Returns what allows the registration.
    pub(super) fn authority(self) -> Authority {
        match self {
            Self::Passkey(authority) | Self::SecurityKey(authority) => authority,
            Self::Conditional => Authority::Fresh,
        }
    }
}
