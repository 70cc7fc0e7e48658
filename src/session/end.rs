//! Revocation of a session by its tokens.

use super::{Sessions, refresh::standing, resolved::access_matches};
use crate::{
    crypto::{
        digest::Domain,
        token::{AccessToken, RefreshToken},
    },
    error::AuthError,
    model::TokenAge,
};

impl Sessions {
    /// Ends the session of an access token, even if the token has expired or was replaced, for
    /// example by a step-up. A token that does not belong to its session has no effect.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke_by_access_token(&self, token: &AccessToken) -> Result<(), AuthError> {
        if let Some(found) = self.store.find(token.session).await? {
            let (digest, row) = (token.secret.digest(Domain::ACCESS), found.row);
            let former = row.former.iter().any(|former| former.access_hash.ct_eq(&digest));
            let session = row.session.clone();
            if former || access_matches(&row.into(), token) {
                self.end(&session).await?;
            }
        }
        Ok(())
    }

    /// Ends the session of a refresh token that was ever issued for it. A forged token has no
    /// effect.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the store fails.
    pub async fn revoke_by_refresh_token(&self, token: &str) -> Result<(), AuthError> {
        let Some(token) = RefreshToken::parse(token) else { return Ok(()) };
        if let Some(found) = self.store.find(token.session).await?
            && standing(&found.row, &token) != TokenAge::Forged
        {
            self.end(&found.row.session).await?;
        }
        Ok(())
    }
}
