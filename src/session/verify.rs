//! Verification of access tokens.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    AuthenticatedSession, Sessions, TokenRejection, TokenVerification,
    cache::{Half, Who},
    resolved::{Notes, Recognised, expiry},
    seen::SEEN_INTERVAL,
};
use crate::{
    crypto::token::AccessToken,
    error::AuthError,
    event::{Event, EventKind},
    flight::Turn,
    measure,
    model::{Session, SessionId, Transport, User},
    store::{AccessTokenRow, CacheScope, ReadStart, WithUser},
};

/// The name of the cache in metrics.
const CACHE: &str = "session";

impl Sessions {
    /// Returns the session and user of an access token. A [cached](super::CacheOptions) session
    /// needs no statement; otherwise it takes one, if users are in the same database.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::error::ErrorKind::Unavailable) if the store fails. An invalid token
    /// is not an error but [`TokenVerification::Rejected`].
    pub async fn verify(&self, token: &AccessToken) -> Result<TokenVerification, AuthError> {
        let Some(cache) = &self.cache else { return self.read(token, None).await };
        let found = self.with_user(cache.find(token, self.clock.now())).await?;
        measure::cache_lookup(CACHE, found.is_some());
        if let Some(found) = found {
            return Ok(found);
        }
        let Some(began) = cache.begin() else { return self.read(token, None).await };
        match self.flights.turn(&token.session).await {
            Turn::Mine { _guard } => self.read(token, Some(began)).await,
            Turn::Another => match self.with_user(cache.find(token, self.clock.now())).await? {
                Some(found) => Ok(found),
                None => self.read(token, cache.begin()).await,
            },
        }
    }

    /// Like [`verify`](Self::verify), from the cache only. Returns `None` if the store must be
    /// queried.
    pub(crate) fn known(&self, token: &AccessToken) -> Option<Arc<AuthenticatedSession>> {
        match self.cache.as_ref()?.find(token, self.clock.now())? {
            Who::Whole(resolved) => {
                measure::cache_lookup(CACHE, true);
                Some(resolved)
            }
            Who::Session(_) => None,
        }
    }

    /// Like [`verify`](Self::verify), bypassing the cache.
    pub(crate) async fn verify_anew(
        &self,
        token: &AccessToken,
    ) -> Result<TokenVerification, AuthError> {
        self.read(token, None).await
    }

    /// Like [`verify`](Self::verify), and returns when the token expires: a token that was rotated
    /// expires before that of the session.
    pub(crate) async fn introspect(
        &self,
        token: &AccessToken,
    ) -> Result<Option<(Arc<AuthenticatedSession>, Timestamp)>, AuthError> {
        let Some(found) = self.store.find_access(token.session).await? else { return Ok(None) };
        let end = expiry(&found.row, token);
        Ok(self.judge(found, token, None).await?.valid().zip(end))
    }

    /// Fetches a session with its user from the store. Returns `None` if one of them is no longer
    /// valid, or if the tokens of the session were renewed since `session` was read, which
    /// invalidates the previous tokens.
    pub(crate) async fn current(
        &self,
        session: &Session,
    ) -> Result<Option<Arc<AuthenticatedSession>>, AuthError> {
        let found = self.resolve(session.id).await?;
        Ok(found.filter(|found| found.session.renewals == session.renewals))
    }

    /// Fetches the session of an id with its user from the store. Returns `None` if one of them is
    /// not valid.
    pub(crate) async fn resolve(
        &self,
        id: SessionId,
    ) -> Result<Option<Arc<AuthenticatedSession>>, AuthError> {
        let Some(found) = self.store.find(id).await? else { return Ok(None) };
        let (session, now) = (found.row.session, self.clock.now());
        // A newer version may bind the session to conditions that are not checked here.
        if session.has_ended(now) || session.transport == Transport::Other {
            return Ok(None);
        }
        let user = self.users.user_of_session(&session.user_id, found.user).await?;
        let Some(user) = user.filter(User::is_active) else { return Ok(None) };
        if !self.may_continue(&session).await? {
            return Ok(None);
        }
        Ok(Some(Arc::new(AuthenticatedSession::new(session, user))))
    }

    async fn with_user(&self, found: Option<Who>) -> Result<Option<TokenVerification>, AuthError> {
        let half = match found {
            None => return Ok(None),
            Some(Who::Whole(resolved)) => return Ok(Some(TokenVerification::Valid(resolved))),
            Some(Who::Session(half)) => half,
        };
        let user = self.users.user_of_session(&half.session.user_id, half.joined.clone()).await?;
        let Some(user) = user else { return Ok(None) };
        Ok(Some(match user.is_active() {
            true => {
                let resolved = AuthenticatedSession::new(half.session.clone(), user);
                TokenVerification::Valid(Arc::new(resolved))
            }
            false => TokenVerification::Rejected(TokenRejection::Disabled),
        }))
    }

    async fn read(
        &self,
        token: &AccessToken,
        began: Option<ReadStart>,
    ) -> Result<TokenVerification, AuthError> {
        match self.store.find_access(token.session).await? {
            Some(found) => self.judge(found, token, began).await,
            None => Ok(TokenVerification::Rejected(TokenRejection::Unknown)),
        }
    }

    /// Judges a token by the row of its session.
    async fn judge(
        &self,
        found: WithUser<AccessTokenRow>,
        token: &AccessToken,
        began: Option<ReadStart>,
    ) -> Result<TokenVerification, AuthError> {
        let now = self.clock.now();
        // An impersonation depends on the administrator too, so it is not cached.
        let began = began.filter(|_| found.row.session.impersonator.is_none());
        if found.row.session.transport == Transport::Other {
            // A newer version may bind its tokens to conditions that are not checked here.
            return Ok(TokenVerification::Rejected(TokenRejection::Unknown));
        }
        let recognised = Recognised::of(&found.row);
        if let Err(refusal) = recognised.judge(token, now) {
            if refusal == TokenRejection::Unknown {
                let event = Event::new(EventKind::AccessTokenRefused, now);
                self.events.record(event.session(token.session));
            }
            return Ok(TokenVerification::Rejected(refusal));
        }
        let generation = found.row.generation;
        let unconfirmed = found.row.confirmed_at.is_none() && generation > 0;
        let is_new = unconfirmed && generation == token.generation;
        let mut session = found.row.session;
        let is_ours = self.users.keeping() == CacheScope::UserStorage;
        // Cloned only if the session is cached without its user.
        let joined = match began {
            Some(_) if !is_ours => found.user.clone(),
            _ => None,
        };
        match self.users.user_of_session(&session.user_id, found.user).await? {
            // The session is not deleted: a store of the application may return the user again
            // later.
            None => Ok(TokenVerification::Rejected(TokenRejection::Unknown)),
            Some(user) if !user.is_active() => {
                Ok(TokenVerification::Rejected(TokenRejection::Disabled))
            }
            Some(_) if !self.may_continue(&session).await? => {
                Ok(TokenVerification::Rejected(TokenRejection::Unknown))
            }
            Some(user) => {
                self.seen.note(&self.store, &mut session, now);
                if is_new {
                    self.confirm(token, now);
                }
                let unconfirmed = (unconfirmed && !is_new).then_some(generation);
                let again = session.last_seen_at.checked_add(SEEN_INTERVAL);
                let again = again.unwrap_or(Timestamp::MAX).as_millisecond();
                let mut resolved = AuthenticatedSession::new(session, user);
                let kept = self.cache.as_ref().zip(began).map(|(cache, began)| {
                    let notes = Notes { unconfirmed, again };
                    (cache, cache.for_how_long(began, &resolved, recognised, notes))
                });
                let resolved = match kept {
                    None => Arc::new(resolved),
                    Some((cache, kept)) if is_ours => {
                        resolved.kept = Some(kept);
                        let resolved = Arc::new(resolved);
                        cache.keep(Who::Whole(Arc::clone(&resolved)));
                        resolved
                    }
                    Some((cache, kept)) => {
                        let session = resolved.session.clone();
                        cache.keep(Who::Session(Arc::new(Half { session, joined, kept })));
                        Arc::new(resolved)
                    }
                };
                Ok(TokenVerification::Valid(resolved))
            }
        }
    }

    /// Records the first use of the tokens of a rotation. From then on, the predecessor is accepted
    /// only within the grace period.
    fn confirm(&self, token: &AccessToken, now: Timestamp) {
        let store = Arc::clone(&self.store);
        let (id, generation) = (token.session, token.generation);
        tokio::spawn(async move {
            if let Err(error) = store.confirm(id, generation, now).await {
                tracing::warn!(session = %id, cause = %error, "use of rotated tokens was not recorded");
            }
        });
    }
}
