//! Account recovery, without HTTP.

use crate::{
    error::AuthError,
    services::{Client, PendingChallenge, Services},
    session::AuthUser,
};

/// Requests and stops account recoveries.
///
/// ```
/// use authlayer::{AccountRecovery, Auth, MissingFlow, flow::account_recovery::AccountRecoveryService};
///
/// fn recoveries(auth: &Auth) -> Result<AccountRecoveryService, MissingFlow> {
///     auth.service::<AccountRecovery>()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AccountRecoveryService {
    services: Services,
}

impl AccountRecoveryService {
    pub(super) fn new(services: Services) -> Self {
        Self { services }
    }

    /// Mails a code to the verified email address of the user. Verified by
    /// [`PendingChallenges::verify`](crate::services::PendingChallenges::verify) on the same session,
    /// it begins a recovery, which is available a day later.
    ///
    /// ```
    /// # use authlayer::{AuthError, AuthUser, Client, PendingChallenge};
    /// # use authlayer::flow::account_recovery::AccountRecoveryService;
    /// async fn lost(
    ///     recoveries: AccountRecoveryService,
    ///     client: Client,
    ///     user: AuthUser,
    /// ) -> Result<PendingChallenge, AuthError> {
    ///     recoveries.request(&client, &user).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::EmailNotVerified`](crate::ErrorKind::EmailNotVerified) without a verified email
    /// address; [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited) for a second request within
    /// a day; [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn request(
        &self,
        client: &Client,
        user: &AuthUser,
    ) -> Result<PendingChallenge, AuthError> {
        let core = self.services.core()?;
        let pending = core.request_recovery(user.user(), user.session(), client.info()).await?;
        Ok(PendingChallenge::new(&core, pending))
    }

    /// Stops a recovery with the token of its link, and revokes all sessions of the user.
    ///
    /// ```
    /// # use authlayer::{AuthError, Client, flow::account_recovery::AccountRecoveryService};
    /// async fn stop(
    ///     recoveries: AccountRecoveryService,
    ///     client: Client,
    ///     token: &str,
    /// ) -> Result<(), AuthError> {
    ///     recoveries.cancel(&client, token).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidLink`](crate::ErrorKind::InvalidLink) if the recovery was stopped, has
    /// ended or expired; [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn cancel(&self, client: &Client, token: &str) -> Result<(), AuthError> {
        self.services.core()?.cancel_recovery(token, client.info()).await
    }
}
