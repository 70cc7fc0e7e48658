//! Hooks: decisions of the application before a request is processed.

use std::{
    error::Error as StdError,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use http::HeaderMap;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::{AuthError, ErrorKind},
    model::{ClientInfo, Factor, User, UsernameRules},
};

/// A rejection by a hook, or a failure to decide. Every error converts into it, and the response is
/// then 503.
///
/// ```
/// use authlayer::{ErrorKind, HookError};
///
/// let rejected = HookError::reject("Only employees can sign up");
/// let limited = HookError::reject_with(ErrorKind::Forbidden);
/// let unknown = HookError::unavailable("the directory does not respond");
/// # drop((rejected, limited, unknown));
/// ```
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
    /// Returns the error that converted into this one, if it has this type.
    pub(crate) fn into_cause<E: StdError + 'static>(self) -> Result<E, Self> {
        match self.0 {
            Reason::Failed(cause) => match cause.downcast() {
                Ok(cause) => Ok(*cause),
                Err(cause) => Err(Self(Reason::Failed(cause))),
            },
            rejected => Err(Self(rejected)),
        }
    }

    pub(crate) fn into_auth_error(self) -> AuthError {
        match self.0 {
            Reason::Rejected(kind, None) => kind.into(),
            Reason::Rejected(kind, Some(detail)) => AuthError::new(kind).with_detail(detail),
            Reason::Failed(cause) => AuthError::new(ErrorKind::Unavailable).with_source(cause),
        }
    }
}

/// The purpose of a request.
///
/// ```
/// use authlayer::{HookError, hook::{HookRequest, Purpose}};
///
/// fn needs_captcha(request: &HookRequest<'_>) -> bool {
///     matches!(request.purpose(), Purpose::SignUp | Purpose::PasswordReset)
/// }
/// ```
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
///
/// ```
/// use authlayer::hook::HookRequest;
///
/// fn is_test(request: &HookRequest<'_>) -> bool {
///     request.headers().contains_key("x-test") && request.member::<bool>("test") == Some(true)
/// }
/// ```
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
#[allow(unused_variables, reason = "the names are documentation")]
pub trait AuthHook: Send + Sync + 'static {
    /// Runs once for each request that starts a sign-up, a sign-in or a password reset, before
    /// anything is counted, hashed, stored or sent. Use it for a captcha or a blocklist.
    fn before_request(
        &self,
        request: &HookRequest<'_>,
    ) -> impl Future<Output = Result<(), HookError>> + Send {
        async { Ok(()) }
    }

    /// Runs before a user is created, or before the code of a sign-up is sent to an email address.
    /// It runs whether or not the address is registered, so a rejection does not disclose that. It
    /// can change the user, and [store values](SignUpDraft::keep) for the hooks that run in the
    /// transaction that creates the user.
    ///
    /// It does not run for imported users.
    fn before_sign_up(
        &self,
        sign_up: &mut SignUpDraft<'_>,
    ) -> impl Future<Output = Result<(), HookError>> + Send {
        async { Ok(()) }
    }

    /// Runs once for each sign-in, after the first factor was verified, before a session is created
    /// or a second factor is requested. For a new user it runs before the user is created, so that a
    /// rejection leaves none; only for the user of a provider it runs after that. It does not run
    /// for anonymous users, who have no factor.
    fn before_sign_in(
        &self,
        user: &User,
        factor: Factor,
        client: &ClientInfo,
    ) -> impl Future<Output = Result<(), HookError>> + Send {
        async { Ok(()) }
    }
}

/// A hook of any type.
#[async_trait]
pub(crate) trait AnyHook: Send + Sync {
    async fn on_request(&self, request: &HookRequest<'_>) -> Result<(), HookError>;

    async fn on_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError>;

    async fn on_sign_in(
        &self,
        user: &User,
        factor: Factor,
        client: &ClientInfo,
    ) -> Result<(), HookError>;
}

#[async_trait]
impl<H: AuthHook> AnyHook for H {
    async fn on_request(&self, request: &HookRequest<'_>) -> Result<(), HookError> {
        self.before_request(request).await
    }

    async fn on_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
        self.before_sign_up(sign_up).await
    }

    async fn on_sign_in(
        &self,
        user: &User,
        factor: Factor,
        client: &ClientInfo,
    ) -> Result<(), HookError> {
        self.before_sign_in(user, factor, client).await
    }
}

/// A user before it is created.
///
/// ```
/// use authlayer::{AuthHook, HookError, hook::SignUpDraft};
///
/// struct Company;
///
/// impl AuthHook for Company {
///     async fn before_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
///         if let Some(company) = sign_up.member::<String>("company") {
///             sign_up.keep("company", &company);
///         }
///         sign_up.user_mut().roles.push("member".to_owned());
///         Ok(())
///     }
/// }
/// ```
pub struct SignUpDraft<'a> {
    user: User,
    client: Option<&'a ClientInfo>,
    members: Option<&'a RequestMembers>,
    kept: Map<String, Value>,
}

impl SignUpDraft<'_> {
    /// Returns the user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the user, to set default roles, a tenant or metadata.
    ///
    /// A sign-up whose hook changes the id, the email address or its verification, the status or
    /// `is_anonymous` fails with 500. If the sign-up completes an anonymous user, roles, scopes and
    /// metadata are added to those of the anonymous user.
    ///
    /// If there are [usernames](crate::AuthBuilder::usernames), a hook can set one, also a reserved
    /// one. It is normalized; a sign-up with an invalid one fails with 422 `invalid_request`, and
    /// with one of another user with 409 `username_taken`.
    pub fn user_mut(&mut self) -> &mut User {
        &mut self.user
    }

    /// Returns the client, unless the application creates the user
    /// ([`Users::create`](crate::Users::create)).
    pub fn client(&self) -> Option<&ClientInfo> {
        self.client
    }

    /// Returns a further member of the body, if it exists and has this type. A sign-up with a
    /// passkey and one by email consist of two requests: a member of the first one counts, and of
    /// the second one if the first has no member of this name.
    ///
    /// # Security
    ///
    /// If there are hooks, the further members of the first request are stored until the second one,
    /// ten minutes at most, in plain text and without the members of this crate.
    pub fn member<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.members?.get(name)
    }

    /// Stores a value until the user is created, also while the email address is being verified;
    /// [`CreatedUser::kept`](crate::store::CreatedUser::kept) returns it. The value is stored in
    /// plain text, so it must not be a secret. A value that cannot be serialized as JSON is not
    /// stored.
    pub fn keep<T: Serialize>(&mut self, name: &'static str, value: &T) {
        match serde_json::to_value(value) {
            Ok(value) => drop(self.kept.insert(name.to_owned(), value)),
            Err(error) => tracing::error!(name, %error, "a value of a sign-up was not stored"),
        }
    }
}

impl<'a> SignUpDraft<'a> {
    pub(crate) fn new(
        user: User,
        client: Option<&'a ClientInfo>,
        members: Option<&'a RequestMembers>,
    ) -> Self {
        Self { user, client, members, kept: Map::new() }
    }

    /// Runs the hooks, and returns the user with the stored values. The username is in its
    /// normalized form, also if a hook set it.
    pub(crate) async fn run(
        mut self,
        hooks: &[Arc<dyn AnyHook>],
        usernames: &UsernameRules,
    ) -> Result<(User, Map<String, Value>), AuthError> {
        let before = self.user.clone();
        for hook in hooks {
            hook.on_sign_up(&mut self).await.map_err(HookError::into_auth_error)?;
        }
        let after = &self.user;
        let changed = [
            (before.id != after.id, "id"),
            (before.email != after.email, "email"),
            (before.email_verified_at != after.email_verified_at, "email_verified_at"),
            (before.status != after.status, "status"),
            (before.is_anonymous != after.is_anonymous, "is_anonymous"),
        ];
        if let Some((_, field)) = changed.iter().find(|(is_changed, _)| *is_changed) {
            return Err(AuthError::new(ErrorKind::Misconfigured)
                .with_source(format!("before_sign_up must not change `{field}` of the user")));
        }
        usernames.normalize(&mut self.user).map_err(|_| AuthError::invalid_username())?;
        Ok((self.user, self.kept))
    }
}

/// Redacted: the user is personal data.
impl fmt::Debug for SignUpDraft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUpDraft").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// Members that this crate reads, some of which are secrets.
const OWN_MEMBERS: &[&str] = &[
    "challenge",
    "code",
    "confirm",
    "credential",
    "device_token",
    "display_name",
    "email",
    "method",
    "name",
    "password",
    "persistent",
    "redirect_to",
    "remember",
    "token",
    "transport",
];

/// The members of the body of a request, empty until the body is read.
#[derive(Default)]
pub(crate) struct RequestMembers(Mutex<Map<String, Value>>);

impl RequestMembers {
    pub(crate) fn set(&self, members: Map<String, Value>) {
        *self.lock() = members;
    }

    /// Returns the further members of the first request of a sign-up, to be stored until it is
    /// finished; none without hooks.
    pub(crate) fn further(&self, hooks: &[Arc<dyn AnyHook>]) -> Map<String, Value> {
        if hooks.is_empty() {
            return Map::new();
        }
        let members = self.lock();
        let further = members.iter().filter(|(name, _)| !OWN_MEMBERS.contains(&name.as_str()));
        further.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Returns these members together with those of the first request, which take precedence.
    pub(crate) fn after(&self, first: Map<String, Value>) -> Self {
        let mut all = self.lock().clone();
        all.extend(first);
        Self(Mutex::new(all))
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.lock().get(name)?.clone()).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
