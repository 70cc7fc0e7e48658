//! Impersonations: sessions of an administrator who acts as another user.
//!
//! An impersonation ends after an hour at most, and with the session, the role or the account of the
//! administrator. These are read from the store on every use: an impersonation is never cached.

use std::time::Duration;

use super::{IssuedTokens, NewSession, Sessions, after};
use crate::{
    crypto::token::RefreshToken,
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, record_act},
    model::{ClientInfo, Impersonator, Session, SessionId, TokenDelivery, Transport, User},
    store::{InsertOptions, Passes, SessionTag, StoreError},
};

/// The maximum lifetime of an impersonation.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

impl Sessions {
    /// Sets the users who may impersonate. The first flow sets them.
    pub(crate) fn set_impersonators(&self, passes: Passes) {
        let _set_before = self.impersonators.set(passes);
    }

    /// Begins an impersonation of a user on the session of an administrator.
    ///
    /// The session has no factors and no client: the user does not learn from where the administrator
    /// acts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidToken`] if the session of the administrator has ended;
    /// [`ErrorKind::AccountDisabled`] if the user is not active; [`ErrorKind::Unavailable`].
    pub(crate) async fn impersonate(
        &self,
        admin: &Session,
        user: &User,
        delivery: TokenDelivery,
    ) -> Result<IssuedTokens, AuthError> {
        if !self.store.mark_impersonator(admin.id).await? {
            return Err(ErrorKind::InvalidToken.into());
        }
        let mut beginning = NewSession::new(Vec::new(), delivery, ClientInfo::default());
        beginning.tags.push(SessionTag::of_impersonator(admin.id));
        let (mut row, secrets) = self.prepare(&user.id, beginning)?;
        let session = &mut row.session;
        let end = after(session.created_at, MAX_LIFETIME).min(admin.expires_at);
        session.expires_at = session.expires_at.min(end);
        session.access_expires_at = session.access_expires_at.min(end);
        session.refresh_expires_at = session.refresh_expires_at.min(end);
        session.impersonator = Some(Impersonator::new(admin.user_id.clone(), admin.id));
        let is_inserted = self.store.insert(&row, &InsertOptions::default()).await?;
        if !is_inserted || !self.has_user(&row.session).await? {
            return Err(ErrorKind::AccountDisabled.into());
        }
        let now = row.session.created_at;
        Ok(IssuedTokens::new(row.session, secrets, now))
    }

    /// Returns whether a session may continue: it is no impersonation, or its administrator still is
    /// one and is still signed in. An impersonation that may not is ended.
    pub(super) async fn may_continue(&self, session: &Session) -> Result<bool, AuthError> {
        let Some(impersonator) = &session.impersonator else { return Ok(true) };
        if self.is_impersonator(impersonator).await? {
            return Ok(true);
        }
        self.end(session).await?;
        Ok(false)
    }

    /// Returns whether the administrator of an impersonation is signed in and passes the rule.
    pub(super) async fn is_impersonator(&self, own: &Impersonator) -> Result<bool, StoreError> {
        let Some((passes, id)) = self.impersonators.get().zip(own.session) else {
            return Ok(false);
        };
        let Some(found) = self.store.find(id).await? else { return Ok(false) };
        let (session, now) = (found.row.session, self.clock.now());
        if session.has_ended(now)
            || session.transport == Transport::Other
            || session.user_id != own.id
        {
            return Ok(false);
        }
        let user = self.users.user_of_session(&session.user_id, found.user).await?;
        Ok(user.is_some_and(|user| user.is_active() && passes(&user)))
    }

    /// Returns to the session of an administrator by its refresh token. Returns `None` if the session
    /// never began an impersonation.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRefreshToken`] if the session has ended; [`ErrorKind::Unavailable`].
    pub(crate) async fn resume_administrator(
        &self,
        token: &str,
    ) -> Result<Option<(User, IssuedTokens)>, AuthError> {
        let Some(parsed) = RefreshToken::parse(token) else { return Ok(None) };
        let Some(found) = self.store.find(parsed.session).await? else {
            return Err(ErrorKind::InvalidRefreshToken.into());
        };
        if !found.row.has_impersonated {
            return Ok(None);
        }
        self.refresh_over(token, Transport::Cookie).await.map(Some)
    }

    /// Ends an impersonation that a session of an administrator began.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`].
    pub(crate) async fn end_impersonation(
        &self,
        id: SessionId,
        admin: &Session,
    ) -> Result<(), AuthError> {
        let Some(found) = self.store.find(id).await? else { return Ok(()) };
        let session = found.row.session;
        match &session.impersonator {
            Some(own) if own.session == Some(admin.id) => self.end(&session).await,
            _ => Ok(()),
        }
    }

    /// Records that a session was ended by its user, or an impersonation by its administrator.
    pub(super) fn record_end(&self, session: &Session) {
        let of =
            |kind| Event::new(kind, self.clock.now()).user(&session.user_id).session(session.id);
        match &session.impersonator {
            None => self.events.record(of(EventKind::SignedOut)),
            Some(own) => {
                record_act(&*self.events, of(EventKind::ImpersonationEnded), Some(&own.id));
            }
        }
    }
}
