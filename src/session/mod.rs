//! Sessions: one database row each, identified by hashes of tokens, revocable at once.
//!
//! - A token is valid only while its row exists, its hash matches, it has not expired and its user
//!   is active. All of this is checked for each request.
//! - A session that was ended is never restored by a concurrent request.
//! - The rejection of a token costs at most one statement, and that of a malformed token none.

mod begin;
mod bind;
mod cache;
mod cookies;
mod device;
mod end;
mod impersonation;
mod issued;
mod live;
mod offer;
mod offered;
mod options;
mod refresh;
mod renew;
mod resolved;
mod seen;
mod size;
mod tagged;
mod user;
mod verify;

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

pub use begin::NewSession;
#[cfg(feature = "device-bound")]
pub(crate) use bind::NewBinding;
pub(crate) use cookies::CookieNames;
pub use cookies::{CookieOptions, SameSite};
#[cfg(feature = "device-bound")]
pub(crate) use device::{DeviceAttempt, DeviceRefresh};
pub use issued::IssuedTokens;
pub(crate) use issued::SessionTransition;
pub use live::SessionWatch;
pub(crate) use offered::{
    OfferedProof, RequestProof, offered_key, offering, require_usable, same_key, unused_key,
};
pub use options::{CacheOptions, SessionOptions, TokenTransports};
pub use resolved::{AuthenticatedSession, KeyGrant, TokenRejection, TokenVerification};
pub use user::AuthUser;

use crate::{
    clock::{Clock, after},
    error::AuthError,
    event::{Event, EventKind, EventSink, record_act},
    flight::Flights,
    model::{Session, SessionId, UserId},
    store::{AccountStore, CacheScope, InvalidationClock, Passes, SessionStore, StoreError},
};

/// The number of rows that [`Sessions::revoke_everything`] deletes in one statement.
const BATCH: u32 = 1_000;

/// Creates, verifies and ends sessions, without HTTP.
///
/// ```
/// use authlayer::{Auth, AuthError, UserId};
///
/// async fn count(auth: &Auth, user: &UserId) -> Result<usize, AuthError> {
///     Ok(auth.sessions().list(user).await?.len())
/// }
/// ```
#[derive(Clone)]
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    users: Arc<dyn AccountStore>,
    /// The same store, whose transitions are completed and observed.
    transitions: Arc<dyn AccountStore>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    options: SessionOptions,
    watcher: Arc<live::Watcher>,
    seen: Arc<seen::Seen>,
    cache: Option<Arc<cache::Cache>>,
    /// Sessions that are being fetched.
    flights: Arc<Flights<SessionId>>,
    /// The user who acts, such as an administrator.
    actor: Option<UserId>,
    /// The users who may impersonate.
    impersonators: Arc<OnceLock<Passes>>,
}

impl Sessions {
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        users: Arc<dyn AccountStore>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        options: SessionOptions,
        changes: Arc<InvalidationClock>,
    ) -> Self {
        let may_keep = users.keeping() != CacheScope::Nothing;
        let cache = options.cache.as_ref().filter(|_| may_keep);
        let cache = cache.map(|options| cache::Cache::new(options, Arc::clone(&changes)));
        let watcher = Arc::new(live::Watcher::new(changes));
        let (seen, flights, cache) = (Arc::default(), Arc::default(), cache.map(Arc::new));
        let (actor, transitions) = (None, Arc::clone(&users));
        let impersonators = Arc::default();
        Self {
            store,
            users,
            transitions,
            clock,
            events,
            options,
            watcher,
            seen,
            cache,
            flights,
            actor,
            impersonators,
        }
    }

    /// Applies transitions by another store than the one that users are read from.
    pub(crate) fn with_transitions(self, transitions: Arc<dyn AccountStore>) -> Self {
        Self { transitions, ..self }
    }

    /// Returns a service that records revocations as acts of this user, for example of an
    /// administrator: the events have the `actor_id`. The user of the sessions sees that an
    /// administrator acted, but neither who nor from where.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, AuthUser, UserId};
    /// async fn sign_out(auth: Auth, admin: AuthUser, user: UserId) -> Result<u64, AuthError> {
    ///     auth.sessions().by(&admin.id).revoke_all(&user, None).await
    /// }
    /// ```
    #[must_use]
    pub fn by(&self, actor: &UserId) -> Self {
        Self { actor: Some(actor.clone()), ..self.clone() }
    }

    /// Returns whether a session may be served from the cache, and be older than in the store.
    pub(crate) fn keeps(&self) -> bool {
        self.cache.is_some()
    }

    /// Returns the options of sessions.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// Returns the unexpired sessions of a user, newest first, at most 100. Continue with
    /// [`list_after`](Self::list_after).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn list(&self, user: &UserId) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.list(user, self.clock.now()).await?)
    }

    /// Returns the next page: at most 100 unexpired sessions of the same user after `last`, which
    /// may have ended in the meantime. An empty page is the end.
    ///
    /// ```
    /// # async fn count(sessions: &authlayer::session::Sessions, user: &authlayer::UserId)
    /// # -> Result<usize, authlayer::AuthError> {
    /// let (mut page, mut count) = (sessions.list(user).await?, 0);
    /// while let Some(last) = page.last() {
    ///     count += page.len();
    ///     page = sessions.list_after(last).await?;
    /// }
    /// # Ok(count)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn list_after(&self, last: &Session) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.list_after(last, self.clock.now()).await?)
    }

    /// Ends the session with this id. Returns whether it existed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke(&self, id: SessionId) -> Result<bool, AuthError> {
        let revoked = self.store.delete(id).await?;
        if revoked {
            self.watcher.end(id);
            self.record_act(self.revoked().session(id));
        }
        Ok(revoked)
    }

    /// Ends the session with this id if it belongs to the user. Returns whether it did.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke_for_user(&self, id: SessionId, user: &UserId) -> Result<bool, AuthError> {
        let revoked = self.delete_owned(id, user).await?;
        if revoked {
            self.record_act(self.revoked().user(user).session(id));
        }
        Ok(revoked)
    }

    /// Like [`revoke_for_user`](Self::revoke_for_user), on the request of the user: the event has
    /// the client of the request.
    pub(crate) async fn revoke_own(&self, id: SessionId, user: &UserId) -> Result<bool, AuthError> {
        let revoked = self.delete_owned(id, user).await?;
        if revoked {
            self.events.record(self.revoked().user(user).session(id));
        }
        Ok(revoked)
    }

    /// Deletes a session of a user without an event. Returns whether it existed.
    pub(crate) async fn delete_owned(
        &self,
        id: SessionId,
        user: &UserId,
    ) -> Result<bool, AuthError> {
        let deleted = self.store.delete_owned(id, user).await?;
        if deleted {
            self.watcher.end(id);
        }
        Ok(deleted)
    }

    fn revoked(&self) -> Event {
        Event::new(EventKind::SessionRevoked, self.clock.now())
    }

    /// Records an act of the application, or of the user whom [`by`](Self::by) names.
    fn record_act(&self, event: Event) {
        record_act(&*self.events, event, self.actor.as_ref());
    }

    /// Ends all sessions of a user except `except`. Returns the number of ended sessions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke_all(
        &self,
        user: &UserId,
        except: Option<SessionId>,
    ) -> Result<u64, AuthError> {
        let revoked = self.store.delete_of_user(user, except).await?;
        if revoked > 0 {
            self.record_act(self.revoked().user(user));
        }
        Ok(revoked)
    }

    /// Ends the sessions of all users, and deletes everything that could create one without a
    /// credential: pending sign-ins and sign-ups, codes, links, and remembered devices. Returns the
    /// number of ended sessions. A session that is created while this runs may end too.
    ///
    /// Use it after an incident: after a restore from a backup or an asynchronous failover, when
    /// the latest sign-outs, password changes and used links may be lost, or when tokens may have
    /// leaked. It deletes 1,000 rows at a time and logs its progress. Passwords, passkeys, linked
    /// identities, API keys, the status of users and identities that providers barred remain.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails. Rows that were deleted before remain deleted;
    /// call it again.
    pub async fn revoke_everything(&self) -> Result<u64, AuthError> {
        // Challenges first, so that no link or code creates a session in the meantime.
        while self.store.delete_any_challenges(BATCH).await? > 0 {}
        let mut ended: u64 = 0;
        loop {
            let batch = self.store.delete_any_sessions(BATCH).await?;
            if batch == 0 {
                break;
            }
            ended = ended.saturating_add(batch);
            tracing::info!(ended, "sessions are being revoked");
        }
        self.record_act(self.revoked().reason("everything"));
        Ok(ended)
    }

    /// Records that all sessions of a user were ended by a transition.
    pub(crate) fn were_ended(&self, user: &UserId, ended: usize) {
        if ended > 0 {
            self.events.record(self.revoked().user(user));
        }
    }

    /// Deletes at most `batch` sessions that can no longer be refreshed. Returns their number.
    pub(crate) async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, AuthError> {
        Ok(self.store.sweep(now, batch).await?)
    }

    /// Writes the pending times of last use.
    pub(crate) async fn flush(&self) {
        self.seen.write(&*self.store).await;
    }

    pub(crate) async fn end(&self, session: &Session) -> Result<(), AuthError> {
        if self.store.delete(session.id).await? {
            self.watcher.end(session.id);
            self.record_end(session);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("options", &self.options).finish_non_exhaustive()
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        error.into_auth_error()
    }
}
