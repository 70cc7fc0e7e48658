//! What signs users in, at rest.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{StoreError, sealed::Sealed};
use crate::model::{UserId, name};

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// A password; its `lookup` is the user id, so that a user has at most one.
    Password,
    /// An identity at a provider; its `lookup` is issuer and subject.
    Identity,
    /// A passkey; its `lookup` is the credential id, in base64url.
    Passkey,
    /// A kind that a flow outside this crate has registered.
    Custom(&'static str),
    /// A kind that no flow of this process has registered, or only a newer version knows. It signs
    /// nobody in here, and counts as a sign-in method when the last one must not be removed.
    Other,
}

impl CredentialKind {
    const ALL: [Self; 3] = [Self::Password, Self::Identity, Self::Passkey];

    /// The name in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Identity => "identity",
            Self::Passkey => "passkey",
            Self::Custom(name) => name,
            Self::Other => "other",
        }
    }

    /// The kind of a name that this version knows.
    pub fn from_name(name: &str) -> Option<Self> {
        let built_in = Self::ALL.into_iter().find(|kind| kind.as_str() == name);
        built_in.or_else(|| name::registered(name).map(Self::Custom))
    }
}

/// Something by which a user signs in.
#[derive(Clone)]
pub struct Credential {
    /// The id.
    pub id: String,
    /// Whose credential it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: CredentialKind,
    /// By what it is found; unique within its kind.
    pub lookup: String,
    /// What the flow of its kind keeps.
    pub data: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it last signed its user in.
    pub last_used_at: Option<Timestamp>,
}

/// The data holds password hashes.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The use of a credential that keeps what it was last used with, such as a passkey its counter.
#[derive(Clone)]
pub struct Use {
    /// The id of the credential.
    pub credential: String,
    /// What it must still keep, so that of two uses of one state one counts.
    pub expected: Value,
    /// What it keeps from now on.
    pub data: Value,
    /// When.
    pub at: Timestamp,
}

impl fmt::Debug for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Use").field("credential", &self.credential).finish_non_exhaustive()
    }
}

/// Credentials at rest.
///
/// This trait is sealed.
#[async_trait]
pub trait CredentialStore: Sealed + Send + Sync + 'static {
    /// The credential of this kind that is found by `lookup`.
    async fn find_credential(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// The same, once changes of it that are under way have been made or taken back.
    async fn find_settled(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError>;

    /// Inserts a credential. Returns `false`, and writes nothing, if its kind has its `lookup`
    /// already, for whichever user, or if the user does not exist.
    async fn insert_credential(&self, credential: &Credential) -> Result<bool, StoreError>;

    /// The credentials of a user, oldest first.
    async fn list_credentials(&self, user: &UserId) -> Result<Vec<Credential>, StoreError>;

    /// The credentials of several users.
    async fn list_credentials_of(&self, users: &[UserId]) -> Result<Vec<Credential>, StoreError>;

    /// Notes that a credential signed its user in, with its new data if that still is
    /// `expected`; answers whether it was. Never brings a credential back.
    async fn use_credential(&self, using: &Use) -> Result<bool, StoreError>;

    /// Replaces the data of a credential if it still is `expected`, and sets the time of its last
    /// change. Returns whether it was replaced.
    async fn replace_credential(
        &self,
        id: &str,
        expected: &Value,
        data: &Value,
        updated_at: Timestamp,
    ) -> Result<bool, StoreError>;
}
