//! Decisions of the application before something happens.

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
    model::{Client, Factor, User},
};

/// A rejection, or a failure to decide. Every error converts into it and is answered with 503.
#[derive(Debug)]
pub struct HookError(Reason);

#[derive(Debug)]
enum Reason {
    Rejected(ErrorKind, Option<&'static str>),
    Failed(Box<dyn StdError + Send + Sync>),
}

impl HookError {
    /// Rejects with 403 `forbidden` and this detail, which is the same for everybody.
    pub fn reject(detail: &'static str) -> Self {
        Self(Reason::Rejected(ErrorKind::Forbidden, Some(detail)))
    }

    /// Rejects with another kind of error, for example one of
    /// [`ErrorKind::custom`](crate::ErrorKind::custom).
    pub fn reject_with(kind: ErrorKind) -> Self {
        Self(Reason::Rejected(kind, None))
    }

    /// Reports that the decision cannot be made now: 503 `unavailable`. The cause is logged.
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
            Reason::Failed(cause) => AuthError::new(ErrorKind::Unavailable).because(cause),
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A new user.
    SignUp,
    /// A session.
    SignIn,
    /// A link to set a new password.
    PasswordReset,
    /// Something of a flow outside this crate that did not say it
    /// ([`Services::begin`](crate::services::Services::begin)): the name of the challenge or limit
    /// that it used first.
    Custom(&'static str),
}

/// A request before it is processed.
pub struct HookRequest<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) client: &'a Client,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) members: &'a RequestMembers,
}

impl HookRequest<'_> {
    /// Returns what the request is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the network address and the user agent.
    pub fn client(&self) -> &Client {
        self.client
    }

    /// Returns the headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// Returns a member of the body, such as `captcha_token`, if it is there and has this type.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.members.get(name)
    }
}

/// The body holds passwords.
impl fmt::Debug for HookRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRequest").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// Decisions of the application before a request is processed, a user is created or a session
/// begins. What happened afterwards is reported by [events](crate::Event).
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
    /// Runs once for each request that begins a sign-up, a sign-in or a password reset, before
    /// anything is counted, hashed, stored or sent: for a captcha or a blocklist.
    async fn before_request(&self, _request: &HookRequest<'_>) -> Result<(), HookError> {
        Ok(())
    }

    /// Runs before a user is created, or a code is sent to the address of one who would be. It runs
    /// whether or not the address is taken, so a rejection reveals nothing about that.
    async fn before_sign_up(&self, _user: &User, _client: &Client) -> Result<(), HookError> {
        Ok(())
    }

    /// Runs after the first factor was verified, before a session begins or a second factor is
    /// requested.
    async fn before_sign_in(
        &self,
        _user: &User,
        _factor: Factor,
        _client: &Client,
    ) -> Result<(), HookError> {
        Ok(())
    }
}

/// The members of the body of a request, once it was read.
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
