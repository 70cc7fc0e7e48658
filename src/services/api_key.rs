//! Authentication with API keys.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::{
    crypto::{digest::Digest, handle::OneTimeToken},
    error::{AuthError, ErrorKind},
    model::{ApiKey, KeyOwner, Session, Transport, User, UserId},
    services::{Core, ProgramKeys},
    session::{AuthenticatedSession, KeyGrant},
    store::WithUser,
};

/// The precision of `last_used_at`.
const USED_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

impl Core {
    /// Returns the user of an API key, or `None` if the key is unknown or expired, its user is
    /// disabled, or the flow is not registered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn resolve_key(
        &self,
        handle: &OneTimeToken,
    ) -> Result<Option<Arc<AuthenticatedSession>>, AuthError> {
        if self.offered::<ProgramKeys>().is_none() {
            return Ok(None);
        }
        let now = self.clock.now();
        let Some(WithUser { row: key, user }) = self.find_key(&handle.digest(), now).await? else {
            return Ok(None);
        };
        if key.expires_at.is_some_and(|end| now >= end) {
            return Ok(None);
        }
        let user = match &key.owner {
            KeyOwner::User(id) => self.users.user_of_session(id, user).await?,
            KeyOwner::Service(name) => Some(User::new(UserId::new(name), key.created_at)),
        };
        let Some(user) = user.filter(User::is_active) else { return Ok(None) };
        self.note_key(&key, now);
        Ok(Some(Arc::new(resolved(key, user))))
    }

    /// Returns a key from the cache or from the store. It bypasses the cache if the use must be
    /// recorded.
    async fn find_key(
        &self,
        hash: &Digest,
        now: Timestamp,
    ) -> Result<Option<WithUser<ApiKey>>, AuthError> {
        let Some(cache) = &self.key_cache else { return Ok(self.keys.find_key(hash).await?) };
        if let Some(found) = cache.find(hash).filter(|found| is_use_recorded(&found.row, now)) {
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
        if is_use_recorded(key, now) {
            return;
        }
        let unless_after = now.checked_sub(USED_INTERVAL).unwrap_or(Timestamp::MIN);
        let (keys, id) = (Arc::clone(&self.keys), key.id);
        tokio::spawn(async move {
            if let Err(error) = keys.touch_key(id, now, unless_after).await {
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

/// Returns whether a use within [`USED_INTERVAL`] is recorded. A record further in the future was
/// made before the clock was set back.
fn is_use_recorded(key: &ApiKey, now: Timestamp) -> bool {
    let unless_after = now.checked_sub(USED_INTERVAL).unwrap_or(Timestamp::MIN);
    let latest = now.checked_add(USED_INTERVAL).unwrap_or(Timestamp::MAX);
    key.last_used_at.is_some_and(|last| unless_after < last && last <= latest)
}

/// Returns the session of an API key. It has scopes, but neither roles nor factors, so rules that
/// require a role, a factor or recent authentication reject it.
fn resolved(key: ApiKey, user: User) -> AuthenticatedSession {
    let mut session = Session::new(key.id, user.id.clone(), Transport::Bearer, key.created_at);
    let end = key.expires_at.unwrap_or(Timestamp::MAX);
    (session.expires_at, session.access_expires_at) = (end, end);
    (session.refresh_expires_at, session.last_seen_at) =
        (end, key.last_used_at.unwrap_or(key.created_at));
    let is_service = matches!(key.owner, KeyOwner::Service(_));
    let scopes = key.scopes.iter().filter(|scope| is_service || user.has_scope(scope));
    let scopes = scopes.cloned().collect();
    let mut user = user;
    let grant = KeyGrant {
        roles: std::mem::take(&mut user.roles),
        scopes: std::mem::replace(&mut user.scopes, scopes),
        key,
    };
    AuthenticatedSession::by_key(session, user, grant)
}
