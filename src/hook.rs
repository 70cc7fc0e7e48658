//! Hooks: decisions of the application before a request is processed.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    error::{AuthError, ErrorKind},
    model::{ClientInfo, Factor, User},
};

/// A rejection by a hook, or a failure to decide. Every error converts into it, and the response is
/// then 503.
#[derive(Debug)]
pub struct HookError(Reason);

#[derive(Debug)]
enum Reason {
    Rejected(ErrorKind, Option<&'static str>),
    Failed(Box<dyn StdError + Send + Sync>),
}

impl HookError {
    /// Rejects the request with 403 `forbidden` and this detail, which must not depend on the user.
    pub fn reject(detail: &'static str) -> Self {
        Self(Reason::Rejected(ErrorKind::Forbidden, Some(detail)))
    }

    /// Rejects with another kind of error, for example one of
    /// [`ErrorKind::custom`](crate::ErrorKind::custom).
    pub fn reject_with(kind: ErrorKind) -> Self {
        Self(Reason::Rejected(kind, None))
    }

    /// Reports that the decision cannot be made now: the response is 503 `unavailable`. The cause
    /// is logged.
    pub fn unavailable(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Reason::Failed(cause.into()))
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for HookError {
    fn from(cause: E) -> Self {
        Self::unavailable(cause)
    }
}

impl HookError {
    pub(crate) fn into_auth_error(self) -> AuthError {
        match self.0 {
            Reason::Rejected(kind, None) => kind.into(),
            Reason::Rejected(kind, Some(detail)) => AuthError::new(kind).with_detail(detail),
            Reason::Failed(cause) => AuthError::new(ErrorKind::Unavailable).with_source(cause),
        }
    }
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A sign-up.
    SignUp,
    /// A sign-in.
    SignIn,
    /// A request for a code and a link that sign in by email alone.
    EmailSignIn,
    /// A request for a link that sets a new password.
    PasswordReset,
    /// An operation of a flow outside this crate that did not specify the purpose
    /// ([`Services::begin`](crate::services::Services::begin)): the name of the challenge or limit
    /// that it used first.
    Custom(&'static str),
}

/// A request before it is processed.
pub struct HookRequest<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) client: &'a ClientInfo,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) members: &'a RequestMembers,
}

impl HookRequest<'_> {
    /// Returns the purpose of the request.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the IP address and the user agent of the client.
    pub fn client(&self) -> &ClientInfo {
        self.client
    }

    /// Returns the headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// Returns a member of the body, such as `captcha_token`, if it exists and has this type.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.members.get(name)
    }
}

/// Redacted: the body may contain passwords.
impl fmt::Debug for HookRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRequest").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// Decisions of the application before a request is processed, a user is created or a session is
/// created. [Events](crate::Event) report the operations afterwards.
///
/// ```
/// use authlayer::hook::{AuthHook, HookError, HookRequest, Purpose};
///
/// struct Captcha;
///
/// #[async_trait::async_trait]
/// impl AuthHook for Captcha {
///     async fn before_request(&self, request: &HookRequest<'_>) -> Result<(), HookError> {
///         let token: Option<String> = request.member("captcha_token");
///         match (request.purpose(), token.as_deref()) {
///             (Purpose::SignUp, None | Some("")) => Err(HookError::reject("Solve the captcha")),
///             _ => Ok(()),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait AuthHook: Send + Sync + 'static {
    /// Runs once for each request that starts a sign-up, a sign-in or a password reset, before
    /// anything is counted, hashed, stored or sent. Use it for a captcha or a blocklist.
    async fn before_request(&self, _request: &HookRequest<'_>) -> Result<(), HookError> {
        Ok(())
    }

    /// Runs before a user is created, or before the code of a sign-up is sent to an email address.
    /// It runs whether or not the address is registered, so a rejection does not disclose that.
    async fn before_sign_up(&self, _user: &User, _client: &ClientInfo) -> Result<(), HookError> {
        Ok(())
    }

    /// Runs after the first factor was verified, before a session is created or a second factor is
    /// requested.
    async fn before_sign_in(
        &self,
        _user: &User,
        _factor: Factor,
        _client: &ClientInfo,
    ) -> Result<(), HookError> {
        Ok(())
    }
}

/// The members of the body of a request, empty until the body is read.
#[derive(Default)]
pub(crate) struct RequestMembers(Mutex<Map<String, Value>>);

impl RequestMembers {
    pub(crate) fn set(&self, members: Map<String, Value>) {
        *self.lock() = members;
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.lock().get(name)?.clone()).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
