//! The values of one authorization request.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The values of one authorization request, which a [`Provider`](crate::Provider) sends.
///
/// They are derived from the state and from a cookie of the browser, and are the same when the
/// code is redeemed.
///
/// ```
/// # use authlayer::flow::ProviderRequest;
/// fn query(request: &ProviderRequest) -> [(&str, &str); 2] {
///     [("state", request.state()), ("redirect_uri", request.redirect_uri())]
/// }
/// ```
pub struct ProviderRequest {
    pub(crate) redirect_uri: String,
    pub(crate) state: Zeroizing<String>,
    pub(crate) nonce: Zeroizing<String>,
    pub(crate) verifier: Zeroizing<String>,
    pub(crate) step_up: Option<Timestamp>,
}

impl ProviderRequest {
    /// Creates a request that is never sent, to learn the authorization endpoint of a provider.
    pub(super) fn unsent(redirect_uri: String) -> Self {
        let unused = || Zeroizing::new("unused".to_owned());
        let (state, nonce, verifier) = (unused(), unused(), unused());
        Self { redirect_uri, state, nonce, verifier, step_up: None }
    }

    /// Returns the redirect URI, `<origin><mount>/oauth/<id>/callback`.
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
