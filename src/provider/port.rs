//! The trait of identity providers.

use std::{error::Error as StdError, future::Future};

use jiff::Timestamp;

use super::{
    events::{EventFormat, EventRejection, ProviderEvents},
    profile::ProviderProfile,
    request::ProviderRequest,
};
use crate::error::{AuthError, ErrorKind};

/// An OAuth 2.0 provider, registered as `.flow(OAuth::new(provider))`.
///
/// An implementation knows how the provider is called: it returns the authorization URL, and
/// exchanges a code for the profile of the user. The flow creates the values of the request and
/// does everything else: the cookie of the browser, the checks of the callback, accounts, links,
/// sessions and sign-outs. A call takes at most 60 seconds.
///
/// The implementation has to send these values: `state` and the code challenge of PKCE to the
/// authorization endpoint, and the code verifier with the code. The flow rejects an authorization
/// URL without the first two; a provider that supports PKCE rejects a code without the verifier.
/// [`ProviderRequest::authorization_url`] and [`ProviderRequest::token_form`] have all of them.
///
/// ```
/// use authlayer::{
///     Provider,
///     flow::{ProviderError, ProviderProfile, ProviderRequest},
/// };
///
/// struct Example;
///
/// impl Provider for Example {
///     fn id(&self) -> &str {
///         "example"
///     }
///
///     fn issuer(&self) -> &str {
///         "https://id.example.com"
///     }
///
///     async fn authorization_url(&self, request: &ProviderRequest) -> Result<String, ProviderError> {
///         let endpoint = "https://id.example.com/authorize";
///         Ok(request.authorization_url(endpoint, "client-id", "profile"))
///     }
///
///     async fn redeem_code(
///         &self,
///         code: &str,
///         request: &ProviderRequest,
///     ) -> Result<ProviderProfile, ProviderError> {
///         // Post these parameters and the client secret to the token endpoint, and read the user.
///         let form = request.token_form(code);
///         # let _ = form;
///         Ok(ProviderProfile::new("4711").display_name("Ada"))
///     }
/// }
/// ```
///
/// # Security
///
/// The profile must come from a response of the provider to the exchange of this code, over TLS.
/// Send the code only to the provider, and follow no redirects.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an OAuth provider",
    note = "implement `authlayer::Provider` for it"
)]
#[allow(unused_variables, reason = "the names are documentation")]
pub trait Provider: Send + Sync + 'static {
    /// Returns the id in paths (`/oauth/{id}/start`): 1 to 32 of a-z, 0-9 and -.
    fn id(&self) -> &str;

    /// Returns the issuer of the subjects. An identity is found by issuer and subject, so the
    /// issuer must not change.
    fn issuer(&self) -> &str;

    /// Returns `true` if the `iss` parameter of a callback is that of this provider (RFC 9207
    /// §2.4); by default if it is absent or [`issuer`](Self::issuer).
    fn check_issuer(
        &self,
        iss: Option<&str>,
    ) -> impl Future<Output = Result<bool, ProviderError>> + Send {
        async move { Ok(iss.is_none_or(|iss| iss == self.issuer())) }
    }

    /// Returns `true` if the provider accepts the parameters of PKCE, which is the default: a
    /// provider without PKCE ignores them (RFC 6749 §3.1).
    ///
    /// # Security
    ///
    /// Return `false` only for a provider that rejects `code_challenge`. An authorization URL
    /// without it is then accepted, and the code is bound to the browser by `state` alone.
    ///
    /// ```
    /// # use authlayer::{Provider, flow::{ProviderError, ProviderProfile, ProviderRequest}};
    /// struct Legacy;
    ///
    /// impl Provider for Legacy {
    ///     fn accepts_pkce(&self) -> bool {
    ///         false
    ///     }
    ///     # fn id(&self) -> &str { "legacy" }
    ///     # fn issuer(&self) -> &str { "https://legacy.example.com" }
    ///     # async fn authorization_url(&self, _: &ProviderRequest) -> Result<String, ProviderError> {
    ///     #     Err(ProviderError::denied())
    ///     # }
    ///     # async fn redeem_code(
    ///     #     &self,
    ///     #     _: &str,
    ///     #     _: &ProviderRequest,
    ///     # ) -> Result<ProviderProfile, ProviderError> {
    ///     #     Err(ProviderError::denied())
    ///     # }
    /// }
    /// assert!(!Legacy.accepts_pkce());
    /// ```
    fn accepts_pkce(&self) -> bool {
        true
    }

    /// Returns `true` if the provider states the time of an authentication when a step-up requests
    /// it. By default it does not, and there is no `POST /oauth/{id}/step-up`.
    fn proves_time(&self) -> bool {
        false
    }

    /// Returns `true` if the profile of every sign-in has
    /// [`authenticated_at`](ProviderProfile::authenticated_at).
    fn proves_time_at_sign_in(&self) -> bool {
        false
    }

    /// Returns the URL to which the browser is redirected, with the `state` and the code challenge
    /// of the request; usually that of [`ProviderRequest::authorization_url`]. It must be `https`,
    /// or `http` on loopback.
    fn authorization_url(
        &self,
        request: &ProviderRequest,
    ) -> impl Future<Output = Result<String, ProviderError>> + Send;

    /// Exchanges an authorization code for the profile of the user, with the parameters of
    /// [`ProviderRequest::token_form`].
    fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> impl Future<Output = Result<ProviderProfile, ProviderError>> + Send;

    /// Returns `true` if the provider posts its response as a form (OAuth 2.0 Form Post Response
    /// Mode), which the authorization URL requests with `response_mode=form_post`; by default
    /// `false`. Codes are then taken by post alone.
    fn uses_form_post(&self) -> bool {
        false
    }

    /// Returns `true` if the flow accepts ID tokens that a native application got from the provider
    /// itself; by default `false`, and the routes for them do not exist.
    fn accepts_id_tokens(&self) -> bool {
        false
    }

    /// Verifies such an ID token (OpenID Connect Core §3.1.3.7). Its `nonce` must be this one or the
    /// SHA-256 of it in hexadecimal. Returns `None` if the provider has none, which is the default.
    ///
    /// # Errors
    ///
    /// [`ProviderError::invalid_id_token`] if the token is not valid.
    fn verify_id_token(
        &self,
        token: &str,
        nonce: &str,
    ) -> impl Future<Output = Result<Option<ProviderProfile>, ProviderError>> + Send {
        async { Ok(None) }
    }

    /// Returns the URL that ends the session at the provider, with the ID token of the sign-in as a
    /// hint if it was stored. The provider returns `state` unchanged. By default there is none. The
    /// URL must be `https`, or `http` on loopback; otherwise the sign-out is only here.
    fn end_session_url(
        &self,
        id_token: Option<&str>,
        state: &str,
    ) -> impl Future<Output = Result<Option<String>, ProviderError>> + Send {
        async { Ok(None) }
    }

    /// Revokes a refresh token at the provider (RFC 7009 §2). Returns `false` if the provider has no
    /// revocation endpoint, which is the default.
    fn revoke_token(
        &self,
        refresh_token: &str,
    ) -> impl Future<Output = Result<bool, ProviderError>> + Send {
        async { Ok(false) }
    }

    /// Verifies a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6). Returns `None` if the
    /// provider has none, which is the default.
    fn verify_logout_token(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Option<ProviderLogout>, ProviderError>> + Send {
        async { Ok(None) }
    }

    /// Returns `true` if the provider sends security events (RFC 8935); by default `false`, and the
    /// route for them does not exist.
    fn receives_security_events(&self) -> bool {
        false
    }

    /// Verifies a Security Event Token (RFC 8417): its signature, type, issuer, audience and age.
    /// Returns `None` if the provider has none, which is the default.
    ///
    /// # Errors
    ///
    /// [`ProviderError::rejected_events`] if the token is not valid.
    fn verify_security_events(
        &self,
        token: &str,
        format: EventFormat,
    ) -> impl Future<Output = Result<Option<ProviderEvents>, ProviderError>> + Send {
        async { Ok(None) }
    }
}

/// A failure of a provider. Every error converts into it. The cause is logged, and the response is
/// `provider_error`; an [`AuthError`] keeps its kind.
///
/// ```
/// use authlayer::flow::ProviderError;
///
/// fn user_id(text: &str) -> Result<u64, ProviderError> {
///     Ok(text.parse()?)
/// }
/// assert!(user_id("4711").is_ok() && user_id("").is_err());
/// ```
#[derive(Debug)]
pub struct ProviderError(AuthError);

impl ProviderError {
    /// Reports that a response of the provider is missing or invalid: `provider_error`.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(match cause.into().downcast::<AuthError>() {
            Ok(error) => *error,
            Err(cause) => AuthError::new(ErrorKind::ProviderError).with_source(cause),
        })
    }

    /// Reports that the user or the provider denied the request: `provider_denied`.
    pub fn denied() -> Self {
        Self(ErrorKind::ProviderDenied.into())
    }

    /// Reports that a token of the provider is invalid: `invalid_request`.
    pub fn invalid_token(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(AuthError::new(ErrorKind::InvalidRequest).with_source(cause))
    }

    /// Reports that an ID token of a native application is invalid: `invalid_id_token`.
    pub fn invalid_id_token(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(AuthError::new(ErrorKind::InvalidIdToken).with_source(cause))
    }

    /// Reports that a Security Event Token is invalid.
    ///
    /// ```
    /// use authlayer::flow::{EventRejection, ProviderError};
    ///
    /// fn another_issuer() -> ProviderError {
    ///     ProviderError::rejected_events(EventRejection::InvalidIssuer, "iss is another provider")
    /// }
    /// # drop(another_issuer());
    /// ```
    pub fn rejected_events(
        rejection: EventRejection,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let error = AuthError::new(ErrorKind::InvalidRequest).with_source(cause);
        let error = error.with_detail(rejection.description());
        Self(error.with_extension("err", rejection.code()))
    }

    pub(crate) fn into_auth_error(self) -> AuthError {
        self.0
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for ProviderError {
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

/// A verified logout token: the subject or the session that the provider has ended.
///
/// ```
/// use authlayer::{flow::ProviderLogout, jiff::Timestamp};
///
/// fn ended(id: &str, subject: &str, expires_at: Timestamp) -> ProviderLogout {
///     ProviderLogout::new(id, expires_at).subject(subject)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProviderLogout {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    /// The issuer of both, if it is not that of the provider.
    pub(crate) issuer: Option<String>,
    pub(crate) expires_at: Timestamp,
}

impl ProviderLogout {
    /// Creates the value from the id of the token (`jti`), which is accepted once until this time.
    pub fn new(id: impl Into<String>, expires_at: Timestamp) -> Self {
        Self { id: id.into(), subject: None, session: None, issuer: None, expires_at }
    }

    /// Sets the subject: all sessions that it began end.
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the issuer of the token, for a provider with one issuer per tenant; by default it is
    /// [`Provider::issuer`](crate::Provider::issuer). Sessions of other issuers do not end.
    ///
    /// ```
    /// use authlayer::{flow::ProviderLogout, jiff::Timestamp};
    ///
    /// fn ended(id: &str, tenant: &str, subject: &str, expires_at: Timestamp) -> ProviderLogout {
    ///     let issuer = format!("https://id.example.com/{tenant}");
    ///     ProviderLogout::new(id, expires_at).issuer(issuer).subject(subject)
    /// }
    /// ```
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the session at the provider: the sessions that began with it end.
    pub fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session = Some(id.into());
        self
    }
}
