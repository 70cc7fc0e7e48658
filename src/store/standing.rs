//! What is kept of users who live elsewhere.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};
use crate::model::{Email, Status, User, UserId};

/// What is kept of a user where the application has no place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The address that was proved.
    pub email: Option<Email>,
    /// When it was proved.
    pub email_verified_at: Option<Timestamp>,
    /// Whether the user may sign in.
    pub status: Status,
    /// Whether the user came without any credential.
    pub is_anonymous: bool,
}

impl From<&User> for Standing {
    fn from(user: &User) -> Self {
        Self {
            email: user.email.clone().filter(|_| user.email_verified_at.is_some()),
            email_verified_at: user.email_verified_at,
            status: user.status,
            is_anonymous: user.is_anonymous,
        }
    }
}

/// What is kept of users who live elsewhere.
///
/// This trait is sealed.
#[async_trait]
pub trait StandingStore: Sealed + Send + Sync + 'static {
    /// What is kept of a user.
    async fn find_standing(&self, id: &UserId) -> Result<Standing, StoreError>;

    /// Whether a session of this user ever began.
    async fn has_begun(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Deletes everything of a user: credentials, sessions, challenges and status. Records the
    /// deletion, so that the events of the user are anonymized.
    async fn forget_user(&self, id: &UserId) -> Result<(), StoreError>;

    /// Deletes what is left of a former user whose id a new user gets. Records a deletion only if
    /// there are events.
    async fn forget_former_user(&self, id: &UserId) -> Result<(), StoreError>;
}
