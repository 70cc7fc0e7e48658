//! The services that flows outside this crate use.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use jiff::Timestamp;

use super::{Client, Core, FreshUser};
use crate::{
    error::{AuthError, ErrorKind},
    hook::Purpose,
    model::Factor,
    redirect::RedirectTarget,
    session::{AuthUser, Sessions},
    users::Users,
};

/// The services that flows share: a cheap handle.
///
/// Flows store this handle, and sign-in code of the application gets it from
/// [`Auth::services`](crate::Auth::services). It is a weak reference: before
/// [`build`](crate::AuthBuilder::build) has returned, and after the [`Auth`](crate::Auth) and all
/// routers were dropped, its methods fail with [`ErrorKind::Unavailable`].
///
/// ```
/// use authlayer::{AuthError, User, services::Services};
///
/// async fn find(services: &Services, email: &str) -> Result<Option<User>, AuthError> {
///     services.users().find_by_email(email).await
/// }
/// ```
#[derive(Clone)]
pub struct Services {
    core: Weak<Core>,
    users: Users,
    sessions: Sessions,
}

impl Services {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let (users, sessions) = (core.directory.clone(), core.sessions.clone());
        Self { core: Arc::downgrade(core), users, sessions }
    }

    pub(crate) fn core(&self) -> Result<Arc<Core>, AuthError> {
        let core = self.core.upgrade().filter(|core| core.is_complete());
        core.ok_or_else(|| {
            AuthError::new(ErrorKind::Unavailable).with_source("the configuration is not in use")
        })
    }

    /// Returns the service for users.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Returns the service for sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Runs the checks of a request once: the return target of the client and the hooks of the
    /// application. If it is not called, the first sign-in of the request runs them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRedirect`]; the error of a hook.
    pub async fn begin(&self, client: &Client, purpose: Purpose) -> Result<(), AuthError> {
        client.begin(&*self.core()?, purpose).await
    }

    /// Requires that a user authenticated recently, with the strongest factor they have.
    ///
    /// # Errors
    ///
    /// As [`AuthUser::require_fresh`].
    pub async fn require_fresh(&self, user: &AuthUser) -> Result<FreshUser, AuthError> {
        self.core()?.fresh_user(user).await
    }

    /// Returns a registered second factor by its name in requests and responses.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] as for all methods of this handle.
    pub fn factor(&self, name: &str) -> Result<Option<Factor>, AuthError> {
        Ok(self.core()?.factor(name).map(|factor| factor.factor()))
    }

    /// Checks a redirect target of a request: a path of the application, or a URL that
    /// [`allow_redirect`](crate::AuthBuilder::allow_redirect) allows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRedirect`] for any other target.
    pub fn redirect_target(&self, target: &str) -> Result<RedirectTarget, AuthError> {
        self.core()?.redirects.target(target)
    }

    /// Returns the current time by the clock of the configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] as for all methods of this handle.
    pub fn now(&self) -> Result<Timestamp, AuthError> {
        Ok(self.core()?.clock.now())
    }

    /// Returns the public URL of a path below the mount path, such as `/sms/phones`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] as for all methods of this handle.
    pub fn url(&self, path: &str) -> Result<String, AuthError> {
        let core = self.core()?;
        Ok(format!("{}{}{path}", core.origins.of_callbacks(), core.mount))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}
