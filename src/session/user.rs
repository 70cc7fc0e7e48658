//! The authenticated user.

use std::{
    any::Any,
    ops::Deref,
    sync::{Arc, Weak},
};

use serde::{Serialize, Serializer};

use super::AuthenticatedSession;
use crate::{
    error::{AuthError, ErrorKind},
    model::{ApiKey, KeyOwner, Owner, Session, Subject, User},
};

/// The authenticated user, with the session.
///
/// It dereferences to [`User`] and serializes as one.
///
/// | credential | `AuthUser` | `Option<AuthUser>` |
/// |---|---|---|
/// | none | 401 | `None` |
/// | a cookie that is invalid, malformed or sent twice | 401 | `None` |
/// | a bearer token that is invalid, malformed or sent twice | 401 | 401 |
/// | a cookie on an unsafe request from another site | 403 | 403 |
/// | an API key, unless a guard before it accepted the key | 403 | 403 |
///
/// ```
/// use authlayer::AuthUser;
///
/// async fn greet(user: Option<AuthUser>) -> String {
///     match user {
///         Some(user) => format!("Hello, {}!", user.id),
///         None => "Hello!".to_owned(),
///     }
/// }
/// ```
///
/// # Errors
///
/// `unauthenticated` (401), `cross_origin` (403), `forbidden` (403) with `"missing": ["session"]`
/// for an API key, `unavailable` (503), and 500 if no [`AuthLayer`](crate::AuthLayer) is installed.
#[derive(Clone, Debug)]
pub struct AuthUser(Arc<AuthenticatedSession>);

impl AuthUser {
    /// Creates the user of a request to a configuration. The configuration is stored with the
    /// session once, so that a cached session is only cloned.
    pub(crate) fn new(
        resolved: Arc<AuthenticatedSession>,
        core: impl FnOnce() -> Weak<dyn Any + Send + Sync>,
    ) -> Self {
        resolved.core.get_or_init(core);
        Self(resolved)
    }

    /// Returns the configuration, if it is still in use.
    pub(crate) fn core<C: Any + Send + Sync>(&self) -> Option<Arc<C>> {
        self.0.core.get()?.upgrade()?.downcast().ok()
    }

    /// Returns the user.
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// Returns the session of this request.
    pub fn session(&self) -> &Session {
        &self.0.session
    }
}

impl AuthUser {
    /// Returns the subject for policy engines, gateways and other authorization.
    pub fn subject(&self) -> Subject {
        let subject = Subject::from_session(self.user(), self.session());
        let Some(grant) = &self.0.key else { return subject };
        match &grant.key.owner {
            KeyOwner::User(_) => {
                let subject = Subject { session_id: None, ..subject };
                let (roles, scopes) = (grant.roles.clone(), grant.scopes.clone());
                let owner = Some(Box::new(Subject { roles, scopes, ..subject.clone() }));
                Subject { owner, ..subject }
            }
            KeyOwner::Service(name) => Subject { scopes: subject.scopes, ..Subject::service(name) },
        }
    }

    /// Returns the API key, if one authenticated the request in place of a session.
    ///
    /// Only a route that accepts API keys sees one: behind a guard whose rule requires a scope
    /// that the key has, or behind
    /// [`RequireUser::allow_api_keys`](crate::RequireUser::allow_api_keys).
    pub fn api_key(&self) -> Option<&ApiKey> {
        self.0.key.as_ref().map(|grant| &grant.key)
    }

    /// Requires that the user acts, and no administrator who impersonates the user.
    pub(crate) fn require_own(&self) -> Result<(), AuthError> {
        match self.session().impersonator {
            None => Ok(()),
            Some(_) => Err(ErrorKind::Impersonating.into()),
        }
    }

    /// Returns the roles and scopes of the owner of the API key.
    pub(crate) fn owner(&self) -> Option<Owner<'_>> {
        let grant = self.0.key.as_ref()?;
        Some(Owner { roles: &grant.roles, scopes: &grant.scopes })
    }

    pub(crate) fn resolved(&self) -> &Arc<AuthenticatedSession> {
        &self.0
    }
}

impl Deref for AuthUser {
    type Target = User;

    fn deref(&self) -> &User {
        self.user()
    }
}

impl Serialize for AuthUser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.user().serialize(serializer)
    }
}
