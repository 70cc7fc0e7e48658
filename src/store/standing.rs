//! Storage of the status of users that are in another store.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};
use crate::model::{Email, User, UserId, UserStatus};

/// The status of a user, stored here if the application cannot store it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountFlags {
    /// The verified email address.
    pub email: Option<Email>,
    /// The time of its verification.
    pub email_verified_at: Option<Timestamp>,
    /// Whether the user is allowed to sign in.
    pub status: UserStatus,
    /// Whether the user is anonymous.
    pub is_anonymous: bool,
}

impl From<&User> for AccountFlags {
    fn from(user: &User) -> Self {
        Self {
            email: user.verified_email().cloned(),
            email_verified_at: user.email_verified_at,
            status: user.status,
            is_anonymous: user.is_anonymous,
        }
    }
}

/// Storage of the status of users that are in another store.
///
/// This trait is sealed.
#[async_trait]
pub trait AccountFlagStore: Sealed + Send + Sync + 'static {
    /// Returns the status of a user; the default if none is stored.
    async fn find_standing(&self, id: &UserId) -> Result<AccountFlags, StoreError>;

    /// Returns `true` if a session of this user was ever created.
    async fn has_begun(&self, id: &UserId) -> Result<bool, StoreError>;

    /// Returns the last use of a session of each of these users who has one.
    async fn last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, Timestamp>, StoreError>;

    /// Deletes all data of a user: credentials, sessions, challenges and status. Records the
    /// deletion, so that the events of the user are anonymized.
    async fn forget_user(&self, id: &UserId) -> Result<(), StoreError>;

    /// Deletes remaining data of a former user whose id a new user gets. Records a deletion only if
    /// there are events.
    async fn forget_former_user(&self, id: &UserId) -> Result<(), StoreError>;
}
