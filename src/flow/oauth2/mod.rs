//! Sign-in with an OAuth 2.0 provider that is not an OpenID provider.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use authlayer::{
//!     OAuth2,
//!     flow::oauth2::{OAuth2Endpoints, UserInfoMap, presets},
//! };
//!
//! let discord = OAuth2::preset(&presets::DISCORD, "client-id").client_secret("secret");
//! let other = OAuth2::new(
//!     "acme",
//!     OAuth2Endpoints {
//!         authorization: "https://id.acme.example/authorize".to_owned(),
//!         token: "https://id.acme.example/token".to_owned(),
//!         user_info: "https://api.acme.example/me".to_owned(),
//!     },
//!     "client-id",
//! )
//! .client_secret("secret")
//! .scopes(["profile"])
//! .user_info(UserInfoMap::new("/id").display_name("/name"));
//! # Ok(()) }
//! ```
//!
//! Register `<origin><mount>/oauth/<id>/callback` as the redirect URI.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`user_info`](OAuth2::user_info) | subject `/id` | where the user info response has the members of a profile |
//! | [`client_secret`](OAuth2::client_secret) | none | a client without a secret is public, and protected by PKCE only |
//! | [`client_secret_post`](OAuth2::client_secret_post) | off | `client_secret_basic`, which every authorization server supports (RFC 6749 §2.3.1) |
//! | [`token_request_json`](OAuth2::token_request_json) | off | a form (RFC 6749 §4.1.3); some providers take JSON only |
//! | [`scopes`](OAuth2::scopes) | none | no scope is common to all providers |
//! | [`auth_param`](OAuth2::auth_param) | none | additional parameters of the authorization request; they cannot replace ours |
//! | [`api_header`](OAuth2::api_header) | none | a header of the requests for the token and the profile, such as a version |
//! | [`insecure_without_pkce`](OAuth2::insecure_without_pkce) | off | for a provider that rejects `code_challenge` |
//! | [`token_sink`](OAuth2::token_sink) | none | receives the tokens of the provider, which are not stored |
//! | [`revocation_url`](OAuth2::revocation_url) | none | where the refresh token of a deleted user is revoked |
//! | [`allow_login_hint`](OAuth2::allow_login_hint), [`allow_prompts`](OAuth2::allow_prompts), [`allow_scopes`](OAuth2::allow_scopes) | off | what a link to `start` can add to the authorization request |
//! | [`allow_sign_up`](OAuth2::allow_sign_up), [`link_only`](OAuth2::link_only), [`auto_link_verified_email`](OAuth2::auto_link_verified_email) | on, off, off | which identities can sign in, and as which user |
//!
//! Without an ID token, the profile comes from the API, fetched with the token that was issued for
//! the code. A user is identified by the subject alone. An email address is used only if the map
//! names a member that states whether the provider has verified it; otherwise a new user has none.
//! Tokens of the provider are not stored.

mod endpoints;
mod flow;
mod map;
pub mod presets;
mod service;
mod token;

use std::{collections::BTreeMap, fmt, sync::Arc};

pub use endpoints::OAuth2Endpoints;
pub use map::UserInfoMap;
pub use presets::Preset;

use super::oauth;
use crate::{
    outbound::AnyHttpClient,
    provider::{AllowedParams, AnyTokenSink, Rules},
};

/// The options of an OAuth 2.0 provider without OpenID Connect.
///
/// ```
/// use authlayer::{AuthBuilder, OAuth2, flow::oauth2::presets};
///
/// # fn example(builder: AuthBuilder, secret: String) -> AuthBuilder {
/// builder.flow(OAuth2::preset(&presets::SPOTIFY, "client-id").client_secret(secret))
/// # }
/// ```
///
/// # Security
///
/// An identity is found by the id of this flow and the subject. Never give the id of one provider to
/// another one: its users would then be those of the first.
#[derive(Clone)]
#[must_use]
pub struct OAuth2 {
    id: String,
    /// The issuer of the identities, which is derived from the id.
    issuer: String,
    endpoints: OAuth2Endpoints,
    client_id: String,
    secret: Option<String>,
    client_secret_post: bool,
    token_request_json: bool,
    scopes: Vec<String>,
    map: UserInfoMap,
    parameters: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    pkce: bool,
    allowed: AllowedParams,
    sink: Option<Arc<dyn AnyTokenSink>>,
    revocation_url: Option<String>,
    rules: Rules,
    client: Option<Arc<dyn AnyHttpClient>>,
}

impl OAuth2 {
    oauth::rule_options!();
    oauth::client_option!();
    oauth::allowed_param_options!();
    oauth::token_sink_option!();

    /// Creates the flow for a provider. `id` is used in paths, and must not change.
    pub fn new(
        id: impl Into<String>,
        endpoints: OAuth2Endpoints,
        client_id: impl Into<String>,
    ) -> Self {
        let id = id.into();
        Self {
            issuer: format!("oauth2:{id}"),
            id,
            endpoints,
            client_id: client_id.into(),
            secret: None,
            client_secret_post: false,
            token_request_json: false,
            scopes: Vec::new(),
            map: UserInfoMap::new("/id"),
            parameters: BTreeMap::new(),
            headers: BTreeMap::new(),
            pkce: true,
            allowed: AllowedParams::default(),
            sink: None,
            revocation_url: None,
            rules: Rules::default(),
            client: None,
        }
    }

    /// Creates the flow from a preset with endpoints, scopes and the map of the profile.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id");
    /// ```
    pub fn preset(preset: &Preset, client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        let header = preset.header(&client_id);
        let flow = Self::new(preset.id(), preset.endpoints(), client_id)
            .scopes(preset.scopes().iter().copied())
            .client_secret_post(preset.client_secret_post)
            .token_request_json(preset.token_request_json)
            .user_info(preset.map());
        let flow = if preset.pkce { flow } else { flow.insecure_without_pkce() };
        header.into_iter().fold(flow, |flow, (name, value)| flow.api_header(name, value))
    }

    /// Replaces the endpoints, such as those of a preset.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::{OAuth2Endpoints, presets}};
    /// # fn example(local: OAuth2Endpoints) -> OAuth2 {
    /// OAuth2::preset(&presets::DISCORD, "client-id").endpoints(local)
    /// # }
    /// ```
    pub fn endpoints(mut self, endpoints: OAuth2Endpoints) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Sets the client secret.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id").client_secret("secret");
    /// ```
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets whether the secret is sent in the body (`client_secret_post`) or in the header
    /// (`client_secret_basic`, the default).
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id").client_secret_post(true);
    /// ```
    pub fn client_secret_post(mut self, on: bool) -> Self {
        self.client_secret_post = on;
        self
    }

    /// Sets whether the token request is sent as JSON instead of a form.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id").token_request_json(true);
    /// ```
    pub fn token_request_json(mut self, on: bool) -> Self {
        self.token_request_json = on;
        self
    }

    /// Sets the scopes.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id").scopes(["identify"]);
    /// ```
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets where the user info response has the members of a profile.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::{UserInfoMap, presets}};
    /// OAuth2::preset(&presets::SPOTIFY, "client-id").user_info(UserInfoMap::new("/id"));
    /// ```
    pub fn user_info(mut self, map: UserInfoMap) -> Self {
        self.map = map;
        self
    }

    /// Adds a parameter to the authorization request.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::SPOTIFY, "client-id").auth_param("show_dialog", "true");
    /// ```
    pub fn auth_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Adds a header to the requests for the token and the profile.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::NOTION, "client-id").api_header("notion-version", "2025-09-03");
    /// ```
    pub fn api_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into().to_ascii_lowercase(), value.into());
        self
    }

    /// Sets the revocation endpoint (RFC 7009).
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id")
    ///     .revocation_url("https://discord.com/api/oauth2/token/revoke");
    /// ```
    pub fn revocation_url(mut self, url: impl Into<String>) -> Self {
        self.revocation_url = Some(url.into());
        self
    }

    /// Sends no `code_challenge` and `code_verifier`, for a provider that rejects them. A provider
    /// that only ignores them does not need this (RFC 6749 §3.1).
    ///
    /// # Security
    ///
    /// The code is then bound to the browser by `state` alone.
    ///
    /// ```
    /// # use authlayer::{OAuth2, flow::oauth2::presets};
    /// OAuth2::preset(&presets::DISCORD, "client-id").insecure_without_pkce();
    /// ```
    pub fn insecure_without_pkce(mut self) -> Self {
        self.pkce = false;
        self
    }
}

/// The client secret is not printed.
impl fmt::Debug for OAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2")
            .field("id", &self.id)
            .field("endpoints", &self.endpoints)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
