//! Storage of credentials.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{StoreError, sealed::Sealed};
use crate::model::{UserId, name};

/// The kind of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// A password. Its `lookup` is the user id, so that a user has at most one.
    Password,
    /// An identity at a provider. Its `lookup` consists of issuer and subject.
    Identity,
    /// A passkey or a security key. Its `lookup` is the credential id in base64url.
    Passkey,
    /// An authenticator app. Its `lookup` is its id.
    Totp,
    /// The recovery codes of a user. Their `lookup` is the user id, so that a user has one set.
    RecoveryCodes,
    /// Two-step verification that the user turned on with passkeys alone. Its `lookup` is the user
    /// id.
    TwoStep,
    /// A kind that a flow outside this crate registered.
    Custom(&'static str),
    /// A kind that no flow of this process registered, or only a newer version knows. It cannot be
    /// used to sign in here, but counts as a sign-in method when the last one must not be deleted.
    Other,
}

impl CredentialKind {
    const ALL: [Self; 6] = [
        Self::Password,
        Self::Identity,
        Self::Passkey,
        Self::Totp,
        Self::RecoveryCodes,
        Self::TwoStep,
    ];

    /// Returns the name of the kind in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Identity => "identity",
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::RecoveryCodes => "recovery_codes",
            Self::TwoStep => "two_step",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }

    /// Returns `true` if a user has at most one of this kind, whose `lookup` is the user id.
    pub(crate) const fn is_one_per_user(self) -> bool {
        matches!(self, Self::Password | Self::RecoveryCodes | Self::TwoStep)
    }

    /// Returns the kind with this name, if this process knows it.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        built_in.or_else(|| name::registered(name).map(Self::Custom))
    }
}

/// A credential: a sign-in method of a user.
#[derive(Clone)]
pub struct Credential {
    /// The id.
    pub id: String,
    /// The user.
    pub user_id: UserId,
    /// The kind.
    pub kind: CredentialKind,
    /// The lookup key, unique within its kind.
    pub lookup: String,
    /// Data of the flow of its kind.
    pub data: Value,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
    /// The time of the last sign-in with it.
    pub last_used_at: Option<Timestamp>,
}

impl Credential {
    /// Creates the password of a user from its hash.
    pub(crate) fn password(id: String, user: &UserId, hash: &str, now: Timestamp) -> Self {
        Self {
            id,
            user_id: user.clone(),
            kind: CredentialKind::Password,
            lookup: user.as_str().to_owned(),
            data: json!({ "hash": hash }),
            created_at: now,
            updated_at: now,
            last_used_at: None,
        }
    }

    /// Returns `true` for a passkey, which signs in by itself, and `false` for a security key, which
    /// is stored in the same way and is a second factor only.
    pub(crate) fn is_passkey(&self) -> bool {
        self.kind == CredentialKind::Passkey && !self.is_security_key()
    }

    /// Returns `true` for a passkey or security key whose last response was without user
    /// verification.
    pub(crate) fn is_unverified(&self) -> bool {
        self.data.get("unverified") == Some(&Value::Bool(true))
    }

    /// Returns `true` for a security key.
    pub(crate) fn is_security_key(&self) -> bool {
        self.kind == CredentialKind::Passkey
            && self.data.get("second_factor") == Some(&Value::Bool(true))
    }
}

/// Redacted: the data contains password hashes.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The use of a credential that updates its data, such as the signature counter of a passkey.
#[derive(Clone)]
#[non_exhaustive]
pub struct CredentialUpdate {
    /// The id of the credential.
    pub credential: String,
    /// The data that must be stored before, so that of two concurrent uses of the same state only
    /// one succeeds.
    pub expected: Value,
    /// The data afterwards.
    pub data: Value,
    /// The time of the use.
    pub at: Timestamp,
}

impl fmt::Debug for CredentialUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialUpdate")
            .field("credential", &self.credential)
            .finish_non_exhaustive()
    }
}

/// Storage of credentials.
///
/// This trait is sealed.
#[async_trait]
pub trait CredentialStore: Sealed + Send + Sync + 'static {
    /// Returns the credential with this kind and `lookup`.
    async fn find_credential(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// Like [`find_credential`](Self::find_credential), but first waits for changes in progress to
    /// be committed or rolled back.
    async fn find_settled(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// Inserts a credential. Returns `false`, and writes nothing, if any user has a credential with
    /// this kind and `lookup`, or if the user does not exist.
    async fn insert_credential(&self, credential: &Credential) -> Result<bool, StoreError>;

    /// Returns the credentials of a user, oldest first.
    async fn list_credentials(&self, user: &UserId) -> Result<Vec<Credential>, StoreError>;

    /// Returns the credentials of several users.
    async fn list_credentials_of(&self, users: &[UserId]) -> Result<Vec<Credential>, StoreError>;

    /// Records a sign-in with a credential and stores its new data, if the stored data equals
    /// `expected`. Returns whether it did. Never restores a deleted credential.
    async fn use_credential(&self, using: &CredentialUpdate) -> Result<bool, StoreError>;

    /// Replaces the data of a credential if it equals `expected`, and sets the time of its last
    /// change. Returns whether it was replaced.
    async fn replace_credential(
        &self,
        id: &str,
        expected: &Value,
        data: &Value,
        updated_at: Timestamp,
    ) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_update_shows_no_data() {
        let data = || Value::from("hunter2-do-not-print");
        let (credential, at) = ("1".to_owned(), Timestamp::UNIX_EPOCH);
        let update = CredentialUpdate { credential, expected: data(), data: data(), at };
        assert!(!format!("{update:?}").contains("hunter2"));
    }
}
