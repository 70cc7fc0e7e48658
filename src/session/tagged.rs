//! Revocation and refresh of sessions by their tags.

use super::{IssuedTokens, Sessions};
use crate::{
    error::AuthError,
    model::{SessionId, User},
    store::{SessionRow, SessionTag},
};

impl Sessions {
    /// Ends the sessions that have all of these tags, with the pending sign-ins and sign-ups that
    /// would begin one. Returns the number of ended sessions. Without tags, nothing ends.
    ///
    /// ```
    /// use authlayer::{Auth, AuthError, services::SessionTag};
    ///
    /// async fn close(auth: &Auth, kiosk: &str) -> Result<u64, AuthError> {
    ///     auth.sessions().revoke_tagged(&[SessionTag::new("kiosk", kiosk)]).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke_tagged(&self, tags: &[SessionTag]) -> Result<u64, AuthError> {
        let revoked = self.end_tagged(tags).await?;
        if revoked > 0 {
            self.record_act(self.revoked().reason("tagged"));
        }
        Ok(revoked)
    }

    /// Like [`revoke_tagged`](Self::revoke_tagged), without an event.
    pub(crate) async fn end_tagged(&self, tags: &[SessionTag]) -> Result<u64, AuthError> {
        Ok(self.store.delete_tagged(tags).await?)
    }

    /// Returns the tags of a session.
    pub(crate) async fn tags_of(&self, id: SessionId) -> Result<Vec<SessionTag>, AuthError> {
        Ok(self.store.find(id).await?.map(|found| found.row.tags).unwrap_or_default())
    }

    /// Like [`refresh`](Self::refresh), limited to sessions with a tag.
    pub(crate) async fn refresh_of(
        &self,
        token: &str,
        tag: &SessionTag,
    ) -> Result<(User, IssuedTokens), AuthError> {
        self.refresh_if(token, &|row| (!has_tag(row, tag)).then_some("other_tag")).await
    }
}

fn has_tag(row: &SessionRow, tag: &SessionTag) -> bool {
    let is_verified = tag.proof().is_some_and(|(user, own)| {
        row.session.user_id == *user && row.session.factors.iter().any(|by| by.by == Some(own))
    });
    is_verified || row.tags.iter().any(|own| own.as_str() == tag.as_str())
}
