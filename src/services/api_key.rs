//! Authentication with API keys.

use std::sync::Arc;

use jiff::Timestamp;

use super::bearer::{BearerIdentity, is_recorded, unless_after};
use crate::{
    crypto::digest::Digest,
    error::{AuthError, ErrorKind},
    model::{ApiKey, KeyOwner},
    services::Core,
    store::WithUser,
};

impl Core {
    /// Returns the identity of an API key, or `None` if the key is unknown or its user was deleted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn api_key(&self, hash: &Digest) -> Result<Option<BearerIdentity>, AuthError> {
        let now = self.clock.now();
        let Some(WithUser { row: key, user }) = self.find_key(hash, now).await? else {
            return Ok(None);
        };
        let user = match &key.owner {
            KeyOwner::User(id) => {
                let user = self.users.user_of_session(id, user).await?;
                let Some(user) = user.filter(|user| user.is_active()) else { return Ok(None) };
                Some(user)
            }
            KeyOwner::Service(_) => None,
        };
        if key.expires_at.is_none_or(|end| now < end) {
            self.note_key(&key, now);
        }
        Ok(Some(BearerIdentity::of_key(key, user)))
    }

    /// Returns a key from the cache or from the store. It bypasses the cache if the use must be
    /// recorded.
    async fn find_key(
        &self,
        hash: &Digest,
        now: Timestamp,
    ) -> Result<Option<WithUser<ApiKey>>, AuthError> {
        let Some(cache) = &self.key_cache else { return Ok(self.keys.find_key(hash).await?) };
        let cached = cache.find(hash).filter(|found| is_recorded(found.row.last_used_at, now));
        if let Some(found) = cached {
            return Ok(Some(found));
        }
        let began = cache.begin();
        let found = self.keys.find_key(hash).await?;
        if let (Some(began), Some(found)) = (began, &found) {
            cache.insert(hash, began, found);
        }
        Ok(found)
    }

    fn note_key(&self, key: &ApiKey, now: Timestamp) {
        if is_recorded(key.last_used_at, now) {
            return;
        }
        let (keys, id) = (Arc::clone(&self.keys), key.id);
        tokio::spawn(async move {
            if let Err(error) = keys.touch_key(id, now, unless_after(now)).await {
                tracing::warn!(key = %id, cause = %error, "the use of an API key was not recorded");
            }
        });
    }

    /// Returns the error for an API key where a session is required.
    pub(crate) fn not_by_key() -> AuthError {
        AuthError::new(ErrorKind::Forbidden)
            .with_detail("This route does not accept API keys")
            .with_extension("missing", vec!["session"])
    }
}
