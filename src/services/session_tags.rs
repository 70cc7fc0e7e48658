//! Sessions of a flow by their tags.

use std::sync::Arc;

use super::{Client, Credential, SignedIn};
use crate::{error::AuthError, session::Sessions, store::SessionTag};

impl SessionTag {
    /// Creates the tag of a credential: its user's sessions on which it was verified have it by
    /// themselves.
    ///
    /// ```
    /// use authlayer::{Auth, AuthError, services::{Credential, SessionTag}};
    ///
    /// /// Ends what a lost card began.
    /// async fn lost(auth: &Auth, card: &Credential<String>) -> Result<u64, AuthError> {
    ///     auth.sessions().revoke_tagged(&[SessionTag::credential(card)]).await
    /// }
    /// ```
    pub fn credential<T>(credential: &Credential<T>) -> Self {
        Self::of_credential(&credential.user_id, &credential.id)
    }
}

impl Sessions {
    /// Exchanges the refresh token of a session with this tag for new tokens, as a response of the
    /// session's transport. A token of any other session is rejected, and nothing changes.
    ///
    /// ```
    /// use authlayer::{AuthError, Client, SignedIn, services::{Services, SessionTag}};
    ///
    /// async fn refresh(
    ///     services: &Services,
    ///     client: &Client,
    ///     (program, token): (&str, &str),
    /// ) -> Result<SignedIn, AuthError> {
    ///     let tag = SessionTag::new("programs", program);
    ///     services.sessions().refresh_tagged(client, token, &tag).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`refresh`](Sessions::refresh).
    pub async fn refresh_tagged(
        &self,
        client: &Client,
        token: &str,
        tag: &SessionTag,
    ) -> Result<SignedIn, AuthError> {
        let (user, issued) = self.refresh_of(token, tag).await?;
        Ok(SignedIn::new(Arc::clone(client.context().core()), user, issued))
    }
}
