//! The values of one authorization request.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::params::RequestedParams;

/// The values of one authorization request, which a [`Provider`](crate::Provider) sends.
///
/// They are derived from the state and from a cookie of the browser, and are the same when the
/// code is redeemed. [`authorization_url`](Self::authorization_url) and
/// [`token_form`](Self::token_form) have all of them.
///
/// ```
/// # use authlayer::flow::ProviderRequest;
/// fn authorization_url(request: &ProviderRequest) -> String {
///     request.authorization_url("https://id.example.com/authorize", "client-id", "profile")
/// }
///
/// fn token_request(request: &ProviderRequest, code: &str) -> Vec<(&'static str, String)> {
///     let mut form = request.token_form(code);
///     form.push(("client_id", "client-id".to_owned()));
///     form
/// }
/// ```
pub struct ProviderRequest {
    pub(crate) redirect_uri: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) nonce: Zeroizing<String>,
    pub(crate) verifier: Zeroizing<String>,
    pub(crate) step_up: Option<Timestamp>,
    pub(crate) asked: RequestedParams,
}

impl ProviderRequest {
    /// Creates a request that is never sent, to learn the authorization endpoint of a provider.
    pub(super) fn unsent(redirect_uri: String) -> Self {
        let unused = || Zeroizing::new("unused".to_owned());
        let (state, nonce, verifier) = (unused(), unused(), unused());
        let asked = RequestedParams::default();
        Self { redirect_uri, state, nonce, verifier, step_up: None, asked }
    }

    /// Returns the URL of an authorization request (RFC 6749 §4.1.1) with the parameters of this
    /// one: `redirect_uri`, `state`, `code_challenge` and `code_challenge_method`, and what the link
    /// to `start` added. To add others, append `&name=value`.
    ///
    /// ```
    /// # use authlayer::flow::ProviderRequest;
    /// fn with_prompt(request: &ProviderRequest) -> String {
    ///     let endpoint = "https://id.example.com/authorize";
    ///     request.authorization_url(endpoint, "client-id", "read write") + "&prompt=consent"
    /// }
    /// ```
    pub fn authorization_url(&self, endpoint: &str, client_id: &str, scope: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &self.scope(&[scope.to_owned()]))
            .append_pair("state", &self.state)
            .append_pair("code_challenge", &self.code_challenge())
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.extra_params())
            .finish();
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{sign}{query}")
    }

    /// Returns the parameters of the request that redeems a code (RFC 6749 §4.1.3): `grant_type`,
    /// `code`, `redirect_uri` and `code_verifier`. The client is not authenticated by them.
    ///
    /// ```
    /// # use authlayer::flow::ProviderRequest;
    /// fn form(request: &ProviderRequest, code: &str, secret: &str) -> Vec<(&'static str, String)> {
    ///     let mut form = request.token_form(code);
    ///     form.push(("client_id", "client-id".to_owned()));
    ///     form.push(("client_secret", secret.to_owned()));
    ///     form
    /// }
    /// ```
    pub fn token_form(&self, code: &str) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.to_owned()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("code_verifier", self.verifier.to_string()),
        ]
    }

    /// Returns `true` if a URL has the `state` and the code challenge of this request, or refers to
    /// a request object that has them (RFC 9101, RFC 9126).
    pub(crate) fn is_in(&self, url: &str, with_pkce: bool) -> bool {
        let url = url.split('#').next().unwrap_or_default();
        let query = url.split_once('?').map_or("", |(_, query)| query).as_bytes();
        let pairs = || form_urlencoded::parse(query);
        let has = |name: &str, value: &str| pairs().any(|(own, text)| own == name && text == value);
        let has_challenge = || {
            has("code_challenge", &self.code_challenge()) && has("code_challenge_method", "S256")
        };
        pairs().any(|(name, _)| name == "request_uri" || name == "request")
            || has("state", &self.state) && (!with_pkce || has_challenge())
    }

    /// Returns the redirect URI, `<origin><mount>/oauth/<id>/callback`. Encode it in a URL.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Returns the `state`, which the provider must return unchanged.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// Returns the `nonce` for an ID token (OpenID Connect Core §3.1.2.1).
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Returns the `code_verifier` of PKCE, for the request that redeems the code (RFC 7636 §4.5).
    pub fn code_verifier(&self) -> &str {
        &self.verifier
    }

    /// Returns the `code_challenge` of PKCE with the method `S256`, for the authorization URL (RFC
    /// 7636 §4.3).
    pub fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&*self.verifier))
    }

    /// Returns the `login_hint` for the authorization URL, if the link to `start` has one that the
    /// flow allows (OpenID Connect Core §3.1.2.1).
    pub fn login_hint(&self) -> Option<&str> {
        self.asked.login_hint.as_deref()
    }

    /// Returns the values of `prompt` in the link to `start` that the flow allows.
    pub fn prompts(&self) -> &[String] {
        &self.asked.prompts
    }

    /// Returns the values of `scope` in the link to `start` that the flow allows.
    pub fn scopes(&self) -> &[String] {
        &self.asked.scopes
    }

    /// Returns the scope of the authorization request: that of the flow, and what the link added.
    pub(crate) fn scope(&self, own: &[String]) -> String {
        let is_new = |scope: &&String| !own.iter().any(|text| text.split(' ').any(|s| s == *scope));
        let added = self.asked.scopes.iter().filter(is_new);
        let all: Vec<_> = own.iter().chain(added).map(String::as_str).collect();
        all.join(" ")
    }

    /// Returns the parameters that the link added, except the scope.
    pub(crate) fn extra_params(&self) -> Vec<(&'static str, String)> {
        let prompts = self.asked.prompts.join(" ");
        let prompt = (!prompts.is_empty()).then_some(("prompt", prompts));
        let hint = self.asked.login_hint.clone().map(|hint| ("login_hint", hint));
        prompt.into_iter().chain(hint).collect()
    }

    /// Returns the configured parameters of the authorization request, replaced by what the link
    /// added.
    pub(crate) fn params(&self, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let added = self.extra_params().into_iter();
        let own = own.iter().map(|(name, value)| (name.clone(), value.clone()));
        own.chain(added.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    /// Returns the start of a step-up: the user has to authenticate again at the provider, and the
    /// profile needs [`authenticated_at`](crate::flow::ProviderProfile::authenticated_at). `None`
    /// for a sign-in or a link.
    pub fn step_up_since(&self) -> Option<Timestamp> {
        self.step_up
    }
}

/// Redacted: the values are secrets of the browser.
impl fmt::Debug for ProviderRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderRequest")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}
