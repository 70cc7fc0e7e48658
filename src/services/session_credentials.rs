//! Additions and removals of a credential on a session: changes of an account in one call.

use serde::{Serialize, de::DeserializeOwned};

use super::{AccountChange, Credential, Credentials, FreshUser};
use crate::{
    error::{AuthError, ErrorKind},
    session::AuthUser,
};

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Credentials<T> {
    /// Adds a credential in one transaction with the session, which must still exist. The user is
    /// notified.
    ///
    /// # Errors
    ///
    /// `credential_taken` (409) if any user has a credential with this lookup;
    /// `too_many_credentials` (409); [`ErrorKind::InvalidToken`] if the session has ended.
    pub async fn add(
        &self,
        user: &FreshUser,
        lookup: &str,
        data: T,
    ) -> Result<Credential<T>, AuthError> {
        let change = AccountChange::by(user).add(self, lookup, data);
        let core = self.services.core()?;
        let row = core.apply_change(&user.session().client, change).await?;
        let added = row.as_ref().and_then(Credential::read);
        added.ok_or_else(|| ErrorKind::Misconfigured.into())
    }

    /// Removes a credential of the user, unless it is the last one that can sign in. The user is
    /// notified. If it is a second factor, the other sessions on which it was verified end, and
    /// remembered devices are forgotten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`], also for a credential of another user;
    /// [`ErrorKind::LastCredential`]; [`ErrorKind::InvalidToken`] if the session has ended.
    pub async fn remove(&self, user: &FreshUser, id: &str) -> Result<(), AuthError> {
        self.change(AccountChange::by(user).remove(self, id)).await
    }

    /// Removes a credential that only gives access, such as a key, without recent authentication.
    /// Otherwise like [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub async fn revoke(&self, user: &AuthUser, id: &str) -> Result<(), AuthError> {
        self.change(AccountChange::on(user).remove(self, id)).await
    }

    /// Requires what the user needs to add a credential: recent authentication, or a recovery code
    /// if the kind is [recoverable](super::CredentialOptions::recoverable).
    ///
    /// ```
    /// use authlayer::{AuthError, AuthUser, services::Credentials};
    ///
    /// async fn add_phone(
    ///     phones: &Credentials<()>,
    ///     user: &AuthUser,
    ///     verified: &str,
    /// ) -> Result<(), AuthError> {
    ///     let user = phones.fresh_to_add(user).await?;
    ///     phones.add(&user, verified, ()).await.map(drop)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AuthUser::require_fresh`].
    ///
    /// # Security
    ///
    /// With a recovery code, the result only authorizes one change of credentials of this factor.
    /// Do not use it as evidence of recent authentication for anything else.
    pub async fn fresh_to_add(&self, user: &AuthUser) -> Result<FreshUser, AuthError> {
        let core = self.services.core()?;
        match self.options().replaceable() {
            Some(_) => core.fresh_or_recovering_user(user).await,
            None => core.fresh_user(user).await,
        }
    }

    /// Requires what the user needs to remove a credential, like
    /// [`fresh_to_add`](Self::fresh_to_add).
    ///
    /// ```
    /// use authlayer::{AuthError, AuthUser, services::Credentials};
    ///
    /// async fn remove_phone(
    ///     phones: &Credentials<()>,
    ///     user: &AuthUser,
    ///     id: &str,
    /// ) -> Result<(), AuthError> {
    ///     let user = phones.fresh_to_remove(user).await?;
    ///     phones.remove(&user, id).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`fresh_to_add`](Self::fresh_to_add).
    pub async fn fresh_to_remove(&self, user: &AuthUser) -> Result<FreshUser, AuthError> {
        self.fresh_to_add(user).await
    }

    async fn change(&self, change: AccountChange) -> Result<(), AuthError> {
        let client = change.session().map(|own| own.client.clone()).unwrap_or_default();
        self.services.core()?.apply_change(&client, change).await.map(drop)
    }
}
