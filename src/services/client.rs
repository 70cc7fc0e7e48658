//! The client of a request.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::Core;
use crate::{
    crypto::token::{AccessToken, TokenString},
    error::{AuthError, ErrorKind},
    hook::{HookError, HookRequest, Purpose, RequestMembers},
    model::{ClientInfo, SessionId, TokenDelivery, Transport},
    session::{AuthUser, offered_key, unused_key},
};

/// The client of a request: the first argument of every sign-in.
///
/// As an extractor it rejects unsafe requests that a browser sends from another site with 403
/// `cross_origin`, so a handler that has a `Client` is protected against login CSRF.
///
/// Its methods set options of the sign-in that follows; clones share the request.
///
/// ```
/// use authlayer::{AuthError, Client, SignInOutcome, flow::PasswordService};
///
/// async fn sign_in(
///     passwords: &PasswordService,
///     client: &Client,
///     login: &str,
///     password: &str,
/// ) -> Result<SignInOutcome, AuthError> {
///     passwords.sign_in(client, login, password).await
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    request: Arc<RequestState>,
    options: SignInOptions,
    return_to: Option<String>,
    challenge: Option<ChallengeHandle>,
    remember: bool,
}

/// The options that every sign-in accepts. Flatten it into the type of a body.
///
/// ```
/// use authlayer::SignInOptions;
///
/// #[derive(serde::Deserialize)]
/// struct Body {
///     phone: String,
///     #[serde(flatten)]
///     options: SignInOptions,
/// }
/// let body: Body = serde_json::from_str(r#"{ "phone": "+4930123", "persistent": false }"#)?;
/// assert_eq!(body.options.persistent, Some(false));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SignInOptions {
    /// The transport of the tokens; by default that of the session options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The token of a remembered device, for clients without cookies.
    #[serde(skip_serializing)]
    pub device_token: Option<String>,
    /// Whether the user stays signed in when the browser is closed; `true` by default. Otherwise
    /// cookies have no `Max-Age`, and the session expires after 12 hours without use and one day at
    /// most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

/// The device token is not printed.
impl fmt::Debug for SignInOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInOptions")
            .field("transport", &self.transport)
            .field("persistent", &self.persistent)
            .finish_non_exhaustive()
    }
}

impl SignInOptions {
    /// Returns the transport and the persistence of the new session, and the key that the request offers
    /// for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TransportDisabled`]; [`ErrorKind::InvalidDpopProof`] if the proof is not valid or was
    /// used before; [`ErrorKind::Unavailable`].
    pub(crate) async fn delivery(&self, core: &Core) -> Result<TokenDelivery, AuthError> {
        let transport = core.sessions.options().resolve_transport(self.transport)?;
        let (is_persistent, jkt) = (self.persistent.unwrap_or(true), unused_key(transport).await?);
        Ok(TokenDelivery { transport, is_persistent, jkt })
    }
}

/// The secret handle of a challenge. It authenticates no user by itself.
///
/// ```
/// use authlayer::services::ChallengeHandle;
///
/// let handle = ChallengeHandle::new("ach_example");
/// assert_eq!(handle.expose(), "ach_example");
/// assert_eq!(format!("{handle:?}"), "ChallengeHandle");
/// ```
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ChallengeHandle(String);

impl ChallengeHandle {
    /// Creates the handle from the text in a response.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the handle as text. It is a secret of the client that started the operation.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Redacted: the handle is a secret.
impl fmt::Debug for ChallengeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeHandle")
    }
}

/// The interface to the HTTP request.
#[async_trait]
pub(crate) trait RequestContext: Send + Sync {
    fn core(&self) -> &Arc<Core>;

    /// Returns the user of the session of the request, bypassing the cache.
    async fn signed_in(&self) -> Result<Option<AuthUser>, AuthError>;

    /// Returns the anonymous user of the session of the request, if the application has such users.
    async fn anonymous(&self) -> Result<Option<AuthUser>, AuthError>;

    /// Returns the access token of the request.
    fn access_token(&self) -> Option<&AccessToken>;

    /// Returns the refresh token in the cookie of the request. A request with a bearer token has
    /// none.
    fn refresh_cookie(&self, headers: &HeaderMap) -> Option<String>;

    /// Returns the token of a remembered device from the cookie of the request.
    fn device_cookie(&self, headers: &HeaderMap) -> Option<String>;

    /// Returns the headers that bind a requested link to the browser of the request.
    fn mail_cookie(&self, headers: &HeaderMap, id: &str, secret: &TokenString) -> Vec<HeaderValue>;

    /// Returns the headers that remove the cookie of a link whose name ends so, if the request has
    /// it.
    fn clear_mail_cookie(&self, headers: &HeaderMap, tag: &str) -> Vec<HeaderValue>;

    /// Returns the secrets of the links that the browser of the request requested.
    fn mail_secrets(&self, headers: &HeaderMap) -> Vec<String>;

    /// Returns the headers that bind a challenge to the browser of the request.
    fn bind(
        &self,
        headers: &HeaderMap,
        bound: Bound,
        id: &str,
        secret: &TokenString,
    ) -> Vec<HeaderValue>;

    /// Returns the secrets of the challenges of a kind that are bound to the browser.
    fn bound_secrets(&self, headers: &HeaderMap, kind: &str) -> Vec<String>;

    /// Returns the headers that remove the cookie of a challenge of a kind whose name ends so, if
    /// the request has it.
    fn clear_bound(&self, headers: &HeaderMap, kind: &str, tag: &str) -> Vec<HeaderValue>;

    /// Ends the session that the request came with, if another session replaces it.
    async fn end_former(&self, new: SessionId);
}

/// Challenges of a kind that are bound to the browser, by cookies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) kind: &'static str,
    /// The maximum number of cookies.
    pub(crate) max: u32,
    pub(crate) life: Duration,
}

/// The state that the clones of a [`Client`] share.
pub(crate) struct RequestState {
    info: ClientInfo,
    headers: HeaderMap,
    context: Arc<dyn RequestContext>,
    members: Arc<RequestMembers>,
    /// The challenge of the pending sign-in of this browser.
    pending: Option<ChallengeHandle>,
    begun: OnceCell<()>,
    /// The options of the request that issued the consumed challenge.
    restored: OnceLock<SignInOptions>,
    /// The return target of that request.
    restored_return_to: OnceLock<String>,
    /// The headers that remove the cookie of a link that this request used.
    used_mail: OnceLock<Vec<HeaderValue>>,
}

impl Client {
    pub(crate) fn new(
        info: ClientInfo,
        headers: HeaderMap,
        context: Arc<dyn RequestContext>,
        members: Arc<RequestMembers>,
        pending: Option<ChallengeHandle>,
    ) -> Self {
        let request = RequestState {
            info,
            headers,
            context,
            members,
            pending,
            begun: OnceCell::new(),
            restored: OnceLock::new(),
            restored_return_to: OnceLock::new(),
            used_mail: OnceLock::new(),
        };
        Self {
            request: Arc::new(request),
            options: SignInOptions::default(),
            return_to: None,
            challenge: None,
            remember: false,
        }
    }

    /// Returns the IP address and the user agent.
    pub fn info(&self) -> &ClientInfo {
        &self.request.info
    }

    /// Returns the IP address, if it is known: see
    /// [`trusted_proxy`](crate::AuthBuilder::trusted_proxy).
    pub fn ip(&self) -> Option<IpAddr> {
        self.info().ip.as_deref()?.parse().ok()
    }

    /// Returns the headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        &self.request.headers
    }

    /// Sets the transport, the persistence and the device token of the new session.
    #[must_use]
    pub fn with_options(self, options: SignInOptions) -> Self {
        Self { options, ..self }
    }

    /// Sets the target of [`SignedIn::redirect`](super::SignedIn::redirect): a path of the
    /// application, or a URL that [`allow_redirect`](crate::AuthBuilder::allow_redirect) allows.
    /// With any other target, the method of the flow fails with `invalid_redirect` before it does
    /// anything.
    #[must_use]
    pub fn with_return_to(self, target: Option<&str>) -> Self {
        Self { return_to: target.map(ToOwned::to_owned), ..self }
    }

    /// Sets the challenge of a pending sign-in; by default it is read from the cookie that a sign-in
    /// at a provider sets.
    #[must_use]
    pub fn with_challenge(self, challenge: ChallengeHandle) -> Self {
        Self { challenge: Some(challenge), ..self }
    }

    /// Remembers the device, if the sign-in is completed with a second factor.
    #[must_use]
    pub fn with_remember(self, remember: bool) -> Self {
        Self { remember, ..self }
    }

    /// Sets the members of the body for hooks. [`JsonBody`](crate::JsonBody) does this
    /// automatically.
    #[must_use]
    pub fn with_members(self, members: Map<String, Value>) -> Self {
        self.request.members.set(members);
        self
    }

    /// Returns the members of the body.
    pub(crate) fn members(&self) -> &RequestMembers {
        &self.request.members
    }

    pub(crate) fn context(&self) -> &dyn RequestContext {
        &*self.request.context
    }

    pub(crate) fn challenge(&self) -> Result<&ChallengeHandle, AuthError> {
        let challenge = self.challenge.as_ref().or(self.request.pending.as_ref());
        challenge.ok_or_else(|| ErrorKind::ChallengeExpired.into())
    }

    /// Returns `true` if the challenge is that of the cookie.
    pub(crate) fn has_pending_cookie(&self) -> bool {
        self.challenge.is_none() && self.request.pending.is_some()
    }

    pub(crate) fn remember(&self) -> bool {
        self.remember
    }

    pub(crate) fn return_to(&self) -> Option<&str> {
        self.return_to.as_deref().or(self.request.restored_return_to.get().map(String::as_str))
    }

    /// Returns the token of a remembered device, from the options or from the cookie.
    pub(crate) fn device_token(&self) -> Option<String> {
        let cookie = || self.context().device_cookie(self.headers());
        self.options().device_token.or_else(cookie)
    }

    pub(crate) fn options(&self) -> SignInOptions {
        let restored = self.request.restored.get();
        let own = &self.options;
        SignInOptions {
            transport: own.transport.or(restored.and_then(|own| own.transport)),
            device_token: own.device_token.clone(),
            persistent: own.persistent.or(restored.and_then(|own| own.persistent)),
        }
    }

    /// Restores the options of the request that issued a challenge.
    pub(crate) fn restore(&self, options: SignInOptions) {
        // Only the first challenge that a request consumes restores its options.
        let _restored = self.request.restored.set(options);
    }

    /// Restores the return target of the request that issued a challenge. It was checked then.
    pub(crate) fn restore_return_to(&self, target: Option<&str>) {
        if let Some(target) = target {
            let _restored = self.request.restored_return_to.set(target.to_owned());
        }
    }

    /// Removes the cookie of a link with the response, because the link or its code was used.
    pub(crate) fn forget_mail(&self, tag: &str) {
        let lines = self.context().clear_mail_cookie(self.headers(), tag);
        let _first = self.request.used_mail.set(lines);
    }

    /// Removes the cookie of a challenge with the response, because the challenge was consumed.
    pub(crate) fn forget_bound(&self, kind: &str, tag: &str) {
        let lines = self.context().clear_bound(self.headers(), kind, tag);
        let _first = self.request.used_mail.set(lines);
    }

    /// Returns the headers of the response that remove the cookie of a used link.
    pub(crate) fn forgotten_mail(&self) -> Vec<HeaderValue> {
        self.request.used_mail.get().cloned().unwrap_or_default()
    }

    /// Runs the checks of the request once: the transport, the return target, and the hooks.
    pub(crate) async fn begin(&self, core: &Core, purpose: Purpose) -> Result<(), AuthError> {
        let begin = async {
            let transport = core.sessions.options().resolve_transport(self.options.transport)?;
            // A proof that is not valid begins nothing.
            offered_key(transport)?;
            if let Some(target) = &self.return_to {
                core.redirects.check(target)?;
            }
            let RequestState { info, headers, members, .. } = &*self.request;
            let request = HookRequest { purpose, client: info, headers, members };
            for hook in &core.hooks {
                hook.on_request(&request).await.map_err(HookError::into_auth_error)?;
            }
            Ok::<_, AuthError>(())
        };
        self.request.begun.get_or_try_init(|| begin).await?;
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("info", self.info()).finish_non_exhaustive()
    }
}
