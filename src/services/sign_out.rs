//! The sign-out of a client.

use std::{fmt, sync::Arc};

use super::{Client, Core};
use crate::{error::AuthError, session::Sessions};

/// The session of a client has ended.
///
/// As a response it is 204. As a part of a response of the application it adds the headers that
/// clear the cookies of the session.
///
/// ```
/// use authlayer::{Auth, AuthError, Client, SignedOut};
/// use axum::{extract::State, response::Redirect};
///
/// async fn sign_out(
///     State(auth): State<Auth>,
///     client: Client,
/// ) -> Result<(SignedOut, Redirect), AuthError> {
///     Ok((auth.sessions().sign_out(&client, None).await?, Redirect::to("/")))
/// }
/// ```
#[must_use = "the cookies remain unless this is part of the response"]
pub struct SignedOut(pub(crate) Arc<Core>);

impl fmt::Debug for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedOut")
    }
}

impl Sessions {
    /// Ends the session of a client, as `POST /sign-out` does: that of the access token and of the
    /// refresh token that the request has. Tokens that are expired, replaced or forged are no error.
    ///
    /// A client without cookies can pass its refresh token.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    ///
    /// # Security
    ///
    /// The extractor [`Client`] rejects requests of other sites, so these cannot sign a user out.
    pub async fn sign_out(
        &self,
        client: &Client,
        refresh_token: Option<&str>,
    ) -> Result<SignedOut, AuthError> {
        let context = client.context();
        if let Some(token) = context.access_token() {
            self.revoke_by_access_token(token).await?;
        }
        let kept = || context.refresh_cookie(client.headers());
        if let Some(token) = refresh_token.map(ToOwned::to_owned).or_else(kept) {
            self.revoke_by_refresh_token(&token).await?;
        }
        Ok(SignedOut(Arc::clone(context.core())))
    }
}
