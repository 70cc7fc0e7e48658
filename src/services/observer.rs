//! Observers of the transitions of accounts.

use async_trait::async_trait;

use super::Account;
use crate::{
    error::AuthError,
    model::{Transition, User},
    store::Credential,
    users::AnyObserver,
};

/// Observes changes of accounts, for example to revoke tokens at another service.
///
/// ```
/// use authlayer::{AuthError, factor::Account, services::{AccountObserver, Transition}};
///
/// struct Newsletter;
///
/// impl AccountObserver for Newsletter {
///     async fn changed(&self, transition: Transition, account: &Account) -> Result<(), AuthError> {
///         if transition == Transition::Deleted {
///             println!("unsubscribe {:?}", account.user().email);
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait AccountObserver: Send + Sync + 'static {
    /// Called after the commit, outside the request. The account is as it is after the transition,
    /// or as it was before a deletion. If the process ends before, it is not called.
    ///
    /// # Errors
    ///
    /// An error is logged.
    fn changed(
        &self,
        transition: Transition,
        account: &Account,
    ) -> impl Future<Output = Result<(), AuthError>> + Send;
}

/// An observer that a flow registered.
pub(crate) struct Observing<O>(pub(crate) O);

#[async_trait]
impl<O: AccountObserver> AnyObserver for Observing<O> {
    async fn report(&self, transition: Transition, user: &User, credentials: &[Credential]) {
        let account = Account::new(user.clone(), credentials.to_vec());
        if let Err(cause) = self.0.changed(transition, &account).await {
            let user = user.id.as_str();
            tracing::error!(user, ?transition, %cause, "the observer of an account failed");
        }
    }
}
