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
        self.revoke(user.auth(), id).await
    }

    /// Removes a credential that only gives access, such as a key, without recent authentication.
    /// Otherwise like [`remove`](Self::remove).
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    pub async fn revoke(&self, user: &AuthUser, id: &str) -> Result<(), AuthError> {
        let (core, change) = (self.services.core()?, AccountChange::on(user).remove(self, id));
        core.apply_change(&user.session().client, change).await.map(drop)
    }
}
