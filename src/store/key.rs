//! Storage of API keys.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, WithUser, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{ApiKey, ApiKeyId, UserId},
};

/// Storage of API keys. The secret of a key, 256 random bits, is stored as a hash.
///
/// This trait is sealed.
#[async_trait]
pub trait KeyStore: Sealed + Send + Sync + 'static {
    /// Inserts a key of a service; keys of users are inserted by a transition. Returns whether it
    /// was inserted.
    async fn insert_key(&self, key: &ApiKey, hash: &Digest) -> Result<bool, StoreError>;

    /// Returns the key with this hash, expired or not, and its user if users are in the same
    /// database. A key of a service has no user.
    async fn find_key(&self, hash: &Digest) -> Result<Option<WithUser<ApiKey>>, StoreError>;

    /// Returns the keys of a user, or with `None` those of services, newest first.
    async fn list_keys(&self, user: Option<&UserId>) -> Result<Vec<ApiKey>, StoreError>;

    /// Deletes a key, if it belongs to `user` where given. Returns whether it existed.
    async fn delete_key(&self, id: ApiKeyId, user: Option<&UserId>) -> Result<bool, StoreError>;

    /// Records the use of a key, unless a use was recorded after `unless_after`. A recorded time
    /// too far in the future is overwritten, since the clock was set back. Counted as background
    /// work.
    async fn touch_key(
        &self,
        id: ApiKeyId,
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError>;

    /// Deletes at most `batch` expired keys, and returns how many. Counted as background work.
    async fn sweep_keys(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
