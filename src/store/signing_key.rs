//! Storage of the keys that sign tokens for other services.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{StoreError, sealed::Sealed};

/// A key that signs tokens for other services.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSigningKey {
    /// The number: keys sign one after another.
    pub number: u32,
    /// The id of the key in tokens and in the published set.
    pub id: String,
    /// The private key, sealed with a key of the application.
    pub sealed: String,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time from which the key signs, until the key with the next number does.
    pub starts_at: Timestamp,
}

/// Storage of the keys that sign tokens for other services, which all processes share.
///
/// This trait is sealed.
#[async_trait]
pub trait SigningKeyStore: Sealed + Send + Sync + 'static {
    /// Returns all keys in the order of their numbers.
    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// Inserts a key. Returns `false`, and writes nothing, if there is one with its number.
    async fn insert_signing_key(&self, key: &StoredSigningKey) -> Result<bool, StoreError>;

    /// Changes the time from which a key signs. Returns `false` if it is not `from`.
    async fn reschedule_signing_key(
        &self,
        number: u32,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces a sealed private key. Returns `false` if it is not `from`.
    async fn reseal_signing_key(
        &self,
        number: u32,
        from: &str,
        to: &str,
    ) -> Result<bool, StoreError>;

    /// Deletes all keys.
    async fn delete_signing_keys(&self) -> Result<(), StoreError>;

    /// Deletes the keys that were replaced by one that has signed since `before`. Counted as
    /// background work.
    async fn sweep_signing_keys(&self, before: Timestamp) -> Result<(), StoreError>;
}

/// Redacted: the private key is a secret even if it is sealed.
impl fmt::Debug for StoredSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSigningKey")
            .field("number", &self.number)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
