//! Keys of programs, at rest.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Found, StoreError, sealed::Sealed};
use crate::{
    crypto::digest::Digest,
    model::{ApiKey, SessionId, UserId},
};

/// Keys at rest: a hash of 256 random bits, and what is known of it.
///
/// This trait is sealed.
#[async_trait]
pub trait KeyStore: Sealed + Send + Sync + 'static {
    /// Inserts a key of a service; those of users are inserted by a transition. Returns whether
    /// it was inserted.
    async fn insert_key(&self, key: &ApiKey, hash: &Digest) -> Result<bool, StoreError>;

    /// Fetches the key of this hash, expired or not, and its user if users live in the same
    /// database. A key of a service has no user.
    async fn find_key(&self, hash: &Digest) -> Result<Option<Found<ApiKey>>, StoreError>;

    /// The keys of a user, or those of services; newest first.
    async fn list_keys(&self, user: Option<&UserId>) -> Result<Vec<ApiKey>, StoreError>;

    /// Removes a key, if it is of this user where one is named; answers whether there was one.
    async fn delete_key(&self, id: SessionId, user: Option<&UserId>) -> Result<bool, StoreError>;

    /// Notes that a key was used, unless that was noted after `unless_after` (and not further
    /// ahead than that is ago: then the clock was set back). Counted as background work.
    async fn touch_key(
        &self,
        id: SessionId,
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError>;

    /// Removes at most `batch` keys that have expired; answers how many. Counted as background
    /// work.
    async fn sweep_keys(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError>;
}
