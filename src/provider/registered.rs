//! The providers of an application.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    erased::AnyProvider,
    events::{EventFormat, ProviderEvents},
    params::AllowedParams,
    port::{Provider, ProviderError, ProviderLogout},
    profile::ProviderProfile,
    request::ProviderRequest,
    sink::AnyTokenSink,
    tokens::{LinkedIdentity, ProviderTokens},
};
use crate::{
    error::{AuthError, ErrorKind},
    model::IdpSession,
    origin::is_loopback,
};

/// The time limit of one call. It is longer than all requests of our own providers together.
const LIMIT: Duration = Duration::from_secs(60);

/// Rules for sign-ins with a provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Whether identities can sign in. If not, they can only be linked.
    pub(crate) sign_in: bool,
    /// Whether a sign-in with an unknown identity creates a user.
    pub(crate) sign_up: bool,
    /// Whether an identity is linked automatically to the user with the same email address, if it
    /// is verified on both sides.
    pub(crate) match_email: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { sign_in: true, sign_up: true, match_email: false }
    }
}

/// A provider with the rules of its flow.
pub(crate) struct RegisteredProvider {
    provider: Box<dyn AnyProvider>,
    rules: Rules,
    allowed: AllowedParams,
    sink: Option<Arc<dyn AnyTokenSink>>,
    /// The authorization endpoint, once a request was started.
    endpoint: Mutex<Option<String>>,
}

impl RegisteredProvider {
    pub(crate) fn new(provider: impl Provider, rules: Rules) -> Self {
        let (allowed, endpoint) = (AllowedParams::default(), Mutex::default());
        Self { provider: Box::new(provider), rules, allowed, sink: None, endpoint }
    }

    /// Sets what a link to `start` can add to the authorization request.
    pub(crate) fn allow_params(mut self, allowed: AllowedParams) -> Self {
        self.allowed = allowed;
        self
    }

    /// Sets the sink of the application for the tokens of the provider.
    pub(crate) fn token_sink(mut self, sink: Option<Arc<dyn AnyTokenSink>>) -> Self {
        self.sink = sink;
        self
    }

    pub(crate) fn has_token_sink(&self) -> bool {
        self.sink.is_some()
    }

    /// Hands tokens to the application.
    pub(crate) async fn store_tokens(
        &self,
        identity: &LinkedIdentity,
        tokens: ProviderTokens,
    ) -> Result<(), AuthError> {
        match &self.sink {
            Some(sink) => within(sink.store(identity, tokens)).await,
            None => Ok(()),
        }
    }

    /// Returns the refresh token of an identity, which the application deletes.
    pub(crate) async fn take_refresh_token(
        &self,
        identity: &LinkedIdentity,
    ) -> Result<Option<String>, AuthError> {
        match &self.sink {
            Some(sink) => within(sink.take_refresh_token(identity)).await,
            None => Ok(None),
        }
    }

    /// Revokes a refresh token at the provider. Returns `false` if it has no endpoint for that.
    pub(crate) async fn revoke_token(&self, refresh_token: &str) -> Result<bool, AuthError> {
        within(self.provider.revoke_token(refresh_token)).await
    }

    pub(crate) fn allowed_params(&self) -> &AllowedParams {
        &self.allowed
    }

    pub(crate) fn id(&self) -> &str {
        self.provider.id()
    }

    pub(crate) fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn proves_time(&self) -> bool {
        self.provider.proves_time()
    }

    /// Returns the URL to which the browser is redirected.
    pub(crate) async fn authorization_url(
        &self,
        request: &ProviderRequest,
    ) -> Result<String, AuthError> {
        let url = secure(within(self.provider.authorization_url(request)).await?)?;
        if !request.is_in(&url, self.provider.accepts_pkce()) {
            return Err(trouble(
                "the authorization URL must have the state, code_challenge and \
                 code_challenge_method=S256 of the request: use ProviderRequest::authorization_url",
            ));
        }
        let endpoint = url.split(['?', '#']).next().map(ToOwned::to_owned);
        *self.endpoint.lock().unwrap_or_else(PoisonError::into_inner) = endpoint;
        Ok(url)
    }

    /// Returns the authorization endpoint, which can be on another host than the issuer, or `None`
    /// before a request was started.
    pub(crate) fn authorization_endpoint(&self) -> Option<String> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns the authorization endpoint from the URL of a request that is not sent.
    pub(crate) async fn find_authorization_endpoint(
        &self,
        redirect_uri: String,
    ) -> Result<(), AuthError> {
        self.authorization_url(&ProviderRequest::unsent(redirect_uri)).await.map(drop)
    }

    /// Checks the `iss` parameter of an authorization response (RFC 9207 §2.4).
    pub(crate) async fn check_issuer(&self, iss: Option<&str>) -> Result<(), AuthError> {
        match within(self.provider.check_issuer(iss)).await? {
            true => Ok(()),
            false => Err(ErrorKind::InvalidState.into()),
        }
    }

    /// Exchanges an authorization code for the profile of the user.
    pub(crate) async fn redeem_code(
        &self,
        code: &str,
        request: &ProviderRequest,
    ) -> Result<ProviderProfile, AuthError> {
        checked(within(self.provider.redeem_code(code, request)).await?)
    }

    pub(crate) fn uses_form_post(&self) -> bool {
        self.provider.uses_form_post()
    }

    pub(crate) fn receives_security_events(&self) -> bool {
        self.provider.receives_security_events()
    }

    pub(crate) fn accepts_id_tokens(&self) -> bool {
        self.rules.sign_in && self.provider.accepts_id_tokens()
    }

    /// Verifies an ID token of a native application and returns the profile of the user.
    pub(crate) async fn verify_id_token(
        &self,
        token: &str,
        nonce: &str,
    ) -> Result<ProviderProfile, AuthError> {
        let profile = within(self.provider.verify_id_token(token, nonce)).await?;
        checked(profile.ok_or(ErrorKind::InvalidIdToken)?)
    }

    /// Returns the URL that ends the session at the provider (RP-Initiated Logout 1.0 §2), or
    /// `None` if the provider has none.
    pub(crate) async fn end_session_url(
        &self,
        hint: Option<&str>,
        state: &str,
    ) -> Result<Option<String>, AuthError> {
        within(self.provider.end_session_url(hint, state)).await?.map(secure).transpose()
    }

    /// Verifies a logout token. Returns `None` if the provider does not support back-channel logout.
    pub(crate) async fn verify_logout_token(
        &self,
        token: &str,
    ) -> Result<Option<ProviderLogout>, AuthError> {
        within(self.provider.verify_logout_token(token)).await
    }

    /// Verifies a Security Event Token. Returns `None` if the provider sends none.
    pub(crate) async fn verify_security_events(
        &self,
        token: &str,
        format: EventFormat,
    ) -> Result<Option<ProviderEvents>, AuthError> {
        within(self.provider.verify_security_events(token, format)).await
    }

    /// Returns the issuer of a subject, if it is not that of the provider.
    pub(crate) fn other_issuer<'a>(&self, issuer: Option<&'a str>) -> Option<&'a str> {
        issuer.filter(|issuer| *issuer != self.issuer())
    }

    /// Returns the session of a profile at this provider.
    pub(crate) fn upstream(&self, profile: &ProviderProfile) -> IdpSession {
        IdpSession {
            provider: self.id().to_owned(),
            subject: profile.subject.clone(),
            session: profile.session.clone(),
            issuer: self.other_issuer(profile.issuer.as_deref()).map(ToOwned::to_owned),
        }
    }
}

/// Checks what the store requires of a profile.
fn checked(profile: ProviderProfile) -> Result<ProviderProfile, AuthError> {
    if !profile.has_subject() {
        return Err(trouble(
            "the subject must have 1 to 255 characters without control characters",
        ));
    }
    if profile.issuer.as_deref().is_some_and(|issuer| !is_issuer(issuer)) {
        return Err(trouble(
            "the issuer of a profile must not be empty or contain control characters",
        ));
    }
    Ok(profile)
}

async fn within<T>(
    call: impl Future<Output = Result<T, ProviderError>> + Send,
) -> Result<T, AuthError> {
    match timeout(LIMIT, call).await {
        Ok(result) => result.map_err(ProviderError::into_auth_error),
        Err(_) => Err(trouble(format!("the provider did not respond within {LIMIT:?}"))),
    }
}

/// Returns `true` if the text can be an issuer: it is part of a key that is separated by a line
/// break.
pub(crate) fn is_issuer(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

/// Returns a URL to which a browser is redirected, if it is allowed.
fn secure(url: String) -> Result<String, AuthError> {
    if is_secure(&url) {
        return Ok(url);
    }
    Err(trouble(
        "a URL of the provider must be https, or http on loopback, in ASCII without spaces and \
         backslashes",
    ))
}

fn is_secure(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !host.is_empty()
        && !host.contains('@')
        && (scheme == "https" || scheme == "http" && is_loopback(host))
}

fn trouble(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AuthError {
    AuthError::new(ErrorKind::ProviderError).with_source(cause)
}

/// The providers of an application.
#[derive(Default)]
pub(crate) struct Providers(Mutex<Vec<Arc<RegisteredProvider>>>);

impl Providers {
    /// Adds a provider, and returns `false` if its id or its issuer is already in use.
    pub(crate) fn add(&self, provider: Arc<RegisteredProvider>) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |own: &Arc<RegisteredProvider>| {
            own.id() == provider.id() || own.issuer() == provider.issuer()
        };
        if all.iter().any(same) {
            return false;
        }
        all.push(provider);
        true
    }

    /// Checks that the issuer of a profile is not that of another provider, whose users would
    /// otherwise be those of the profile.
    pub(crate) fn check_issuer(
        &self,
        provider: &RegisteredProvider,
        profile: &ProviderProfile,
    ) -> Result<(), AuthError> {
        let Some(issuer) = &profile.issuer else { return Ok(()) };
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let foreign =
            |own: &Arc<RegisteredProvider>| own.issuer() == issuer && own.id() != provider.id();
        match all.iter().any(foreign) {
            true => Err(trouble("the issuer of the profile is that of another provider")),
            false => Ok(()),
        }
    }

    /// Returns whether every sign-in with a provider verifies when the user authenticated there.
    pub(crate) fn prove_time_at_sign_in(&self, id: &str) -> bool {
        self.find(id).is_some_and(|own| own.provider.proves_time_at_sign_in())
    }

    /// Returns all providers in the order of their registration.
    pub(crate) fn all(&self) -> Vec<Arc<RegisteredProvider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<RegisteredProvider>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|own| own.id() == id).cloned()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Providers")
    }
}

impl fmt::Debug for RegisteredProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredProvider").field("id", &self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_redirected_to_https_or_loopback_only() {
        for (url, allowed) in [
            ("https://id.example.com", true),
            ("https://id.example.com:8443/authorize?a=b:c@d#e", true),
            ("http://127.0.0.1:9000/end", true),
            ("http://[::1]/end", true),
            ("http://localhost/end", true),
            ("http://id.example.com/end", false),
            ("http://localhost.example.com/end", false),
            ("https://localhost@evil.example/end", false),
            ("http://localhost\\@evil.example/end", false),
            ("https:///end", false),
            ("https://id.example.com/a b", false),
            ("https://id.example.com/\u{e9}", false),
            ("javascript://localhost/%0aalert(1)", false),
            ("/end", false),
            ("", false),
        ] {
            assert_eq!(is_secure(url), allowed, "{url}");
        }
    }

    #[test]
    fn issuers_have_no_control_characters() {
        assert!(is_issuer("https://id.example.com") && !is_issuer(""));
        assert!(!is_issuer("https://id.example.com\nsubject"));
    }
}
