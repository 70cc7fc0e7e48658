//! Binds a session to a key of the browser.

use super::{Sessions, offer::is_offered, refresh::standing, resolved::Recognised};
use crate::{
    clock::whole_millis,
    crypto::token::{AccessToken, RefreshToken},
    error::AuthError,
    event::{Event, EventKind},
    model::{Session, SessionBinding, SessionId, TokenAge, Transport, User},
};

/// The registration of a key: the cookies of the session, the challenge that was signed, and the key.
pub(crate) struct NewBinding<'a> {
    pub(crate) access: &'a str,
    pub(crate) refresh: &'a str,
    pub(crate) challenge: &'a str,
    pub(crate) binding: SessionBinding,
}

impl Sessions {
    /// Binds the session of these cookies to a key whose possession was proven. Returns `None`, and
    /// changes nothing, if a token or the challenge is not valid, or if the session is bound.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub(crate) async fn bind_device(
        &self,
        new: NewBinding<'_>,
    ) -> Result<Option<SessionId>, AuthError> {
        let tokens =
            AccessToken::parse(new.access.as_bytes()).zip(RefreshToken::parse(new.refresh));
        let Some((access, refresh)) = tokens else { return Ok(None) };
        let Some(found) = self.store.find(access.session).await? else { return Ok(None) };
        let (row, now) = (found.row, whole_millis(self.clock.now()));
        let age = match refresh.session == access.session {
            true => standing(&row, &refresh),
            false => TokenAge::Forged,
        };
        let can_bind = row.session.transport == Transport::Cookie
            && row.session.binding.is_none()
            && !row.session.has_ended(now)
            && matches!(age, TokenAge::Current | TokenAge::Predecessor)
            && is_offered(&row, new.challenge, now)
            && Recognised::of(&row.clone().into()).judge(&access, now).is_ok();
        if !can_bind {
            return Ok(None);
        }
        let Session { id, user_id, .. } = row.session;
        let user = self.users.user_of_session(&user_id, found.user).await?;
        if user.filter(User::is_active).is_none() || !self.store.bind(id, &new.binding).await? {
            return Ok(None);
        }
        self.events.record(Event::new(EventKind::DeviceBound, now).user(&user_id).session(id));
        Ok(Some(id))
    }
}
