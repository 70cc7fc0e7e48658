//! Credentials that are stored once a sign-in or a sign-up completes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{AuthError, ErrorKind},
    model::UserId,
    store::{Credential, CredentialKind},
};

/// A credential of a kind of a flow, without its user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WaitingCredential {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) lookup: String,
    pub(super) data: Value,
}

impl WaitingCredential {
    pub(super) fn new(row: &Credential) -> Self {
        Self {
            id: row.id.clone(),
            kind: row.kind.as_str().to_owned(),
            lookup: row.lookup.clone(),
            data: row.data.clone(),
        }
    }

    /// Returns the row of a user.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] for a kind that only another process registered.
    pub(super) fn row(self, user: &UserId, now: Timestamp) -> Result<Credential, AuthError> {
        let kind = CredentialKind::from_name(&self.kind).ok_or(ErrorKind::Unavailable)?;
        Ok(Credential {
            id: self.id,
            user_id: user.clone(),
            kind,
            lookup: self.lookup,
            data: self.data,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        })
    }
}

/// A credential that is added when a session begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AddingCredential {
    pub(super) credential: WaitingCredential,
    pub(super) user: UserId,
}
