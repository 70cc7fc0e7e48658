//! The factors of a user, for administration.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    model::Factor,
    store::{Credential, CredentialKind},
};

/// A passkey, a security key or an authenticator app of a user; see
/// [`Users::factors`](super::Users::factors).
///
/// ```
/// use authlayer::{Factor, users::UserFactor};
/// fn is_phishing_resistant(factor: &UserFactor) -> bool {
///     factor.kind == Factor::Passkey
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct UserFactor {
    /// The id.
    pub id: String,
    /// [`Factor::Passkey`], [`Factor::SecurityKey`] or [`Factor::Totp`].
    pub kind: Factor,
    /// The name that the user gave it.
    pub name: String,
    /// The time of its registration.
    pub created_at: Timestamp,
    /// The time of its last use.
    pub last_used_at: Option<Timestamp>,
}

impl UserFactor {
    /// Returns the factor that a credential is; `None` for other credentials.
    pub(crate) fn of(credential: &Credential) -> Option<Self> {
        let kind = match credential.kind {
            CredentialKind::Passkey if credential.is_security_key() => Factor::SecurityKey,
            CredentialKind::Passkey => Factor::Passkey,
            CredentialKind::Totp => Factor::Totp,
            _ => return None,
        };
        let name = credential.data.get("name").and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            id: credential.id.clone(),
            kind,
            name: name.to_owned(),
            created_at: credential.created_at,
            last_used_at: credential.last_used_at,
        })
    }

    /// Returns its name in messages.
    pub(crate) fn described(&self) -> String {
        let kind = match self.kind {
            Factor::SecurityKey => "security key",
            Factor::Totp => "authenticator app",
            _ => "passkey",
        };
        format!("{kind} \"{}\"", self.name)
    }
}
