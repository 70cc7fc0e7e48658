//! Extractors of the authenticated user.

use std::{fmt, marker::PhantomData, ops::Deref};

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use super::{admit::admit, context::Context, refusal};
use crate::{error::AuthError, model::Rule, session::AuthUser};

impl<S: Send + Sync> FromRequestParts<S> for AuthUser {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Context::of(parts)?.require().await
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for AuthUser {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, AuthError> {
        Context::of(parts)?.optional().await
    }
}

/// Extracts the authentication of a request, for handlers of this crate.
impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = AuthError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AuthError> {
        Self::of(parts).cloned()
    }
}

/// A named rule, for [`Authorized`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an access rule",
    note = "implement `authlayer::AccessRule` for it: `fn rule() -> Rule`"
)]
pub trait AccessRule: Send + Sync + 'static {
    /// Returns the rule.
    fn rule() -> Rule;

    /// Returns whether API keys are accepted whatever scopes they have; see
    /// [`RequireUser::allow_api_keys`](crate::RequireUser::allow_api_keys).
    fn allow_api_keys() -> bool {
        false
    }
}

/// The authenticated user who satisfies a rule: [`RequireUser`](crate::RequireUser) as an
/// extractor.
///
/// ```
/// use authlayer::{AccessRule, Authorized, Rule};
///
/// struct Editor;
/// impl AccessRule for Editor {
///     fn rule() -> Rule {
///         Rule::role("editor")
///     }
/// }
///
/// async fn edit(user: Authorized<Editor>) -> String {
///     format!("{} edits", user.id)
/// }
/// ```
pub struct Authorized<R: AccessRule>(AuthUser, PhantomData<fn() -> R>);

impl<R: AccessRule> Authorized<R> {
    /// Returns the user.
    pub fn into_user(self) -> AuthUser {
        self.0
    }
}

impl<R: AccessRule> Deref for Authorized<R> {
    type Target = AuthUser;

    fn deref(&self) -> &AuthUser {
        &self.0
    }
}

impl<R: AccessRule> fmt::Debug for Authorized<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorized").field(&self.0).finish()
    }
}

impl<R: AccessRule, S: Send + Sync> FromRequestParts<S> for Authorized<R> {
    type Rejection = AccessRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AccessRejection> {
        let rule = R::rule();
        match admit(parts, rule.wants_proof(), &rule, R::allow_api_keys()).await {
            Ok(user) => Ok(Self(user, PhantomData)),
            Err(error) => Err(AccessRejection::new(parts, error)),
        }
    }
}

/// The rejection of [`Authorized`]: the error, and the response. With the flow `Pages`, a
/// browser that requests a page is redirected to the page where the user can satisfy the rule.
///
/// ```
/// use authlayer::{AccessRejection, AccessRule, Authorized};
/// use axum::response::{IntoResponse, Response};
///
/// async fn edit<R: AccessRule>(user: Result<Authorized<R>, AccessRejection>) -> Response {
///     match user {
///         Ok(user) => format!("{} edits", user.id).into_response(),
///         Err(rejection) if rejection.error().status() == 403 => "read only".into_response(),
///         Err(rejection) => rejection.into_response(),
///     }
/// }
/// ```
pub struct AccessRejection(Box<(AuthError, Response)>);

impl AccessRejection {
    /// Creates the rejection of a request, with the response of a guard.
    pub(crate) fn new(parts: &Parts, error: AuthError) -> Self {
        let response = refusal::answer(None, parts, error.clone());
        Self(Box::new((error, response)))
    }

    /// Returns the error.
    ///
    /// ```
    /// # fn example(rejection: authlayer::AccessRejection) -> &'static str {
    /// rejection.error().kind().code()
    /// # }
    /// ```
    pub fn error(&self) -> &AuthError {
        &self.0.0
    }
}

impl IntoResponse for AccessRejection {
    fn into_response(self) -> Response {
        self.0.1
    }
}

impl fmt::Debug for AccessRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessRejection").field(self.error()).finish()
    }
}
