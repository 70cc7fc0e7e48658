//! Sign-in with an OpenID Connect provider.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use authlayer::{Oidc, flow::oidc::presets};
//!
//! let own = Oidc::new("corp", "https://login.example.com", "client").client_secret("secret");
//! let google = Oidc::preset(&presets::GOOGLE, "client").client_secret("secret");
//! # Ok(()) }
//! ```
//!
//! Register `<origin><mount>/oauth/<id>/callback` as the redirect URI,
//! `<origin><mount>/oauth/<id>/backchannel-logout` for back-channel logout,
//! `<origin><mount>/oauth/<id>/signed-out` as the redirect URI after a sign-out, and
//! `<origin><mount>/oauth/<id>/events` as the receiver of security events.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`client_secret`](Oidc::client_secret) | none | a client without a secret is public, and protected by PKCE only |
//! | [`apple_key`](Oidc::apple_key) | none | the key that signs the client secret of Sign in with Apple |
//! | [`client_secret_post`](Oidc::client_secret_post) | by metadata | `client_secret_basic`, unless the provider supports only `client_secret_post` |
//! | [`scopes`](Oidc::scopes) | `openid profile email` | the minimum for a profile with an email address |
//! | [`algorithms`](Oidc::algorithms) | RS256 | the metadata cannot add algorithms |
//! | [`additional_audience`](Oidc::additional_audience) | none | a token for several audiences is rejected unless they are allowed |
//! | [`insecure_without_nonce`](Oidc::insecure_without_nonce) | off | for a provider that omits `nonce` |
//! | [`auth_param`](Oidc::auth_param) | none | additional parameters of the authorization request; they cannot replace ours |
//! | [`form_post`](Oidc::form_post) | off | the provider posts its response, as Apple does |
//! | [`id_token_audiences`](Oidc::id_token_audiences) | none | ID tokens of native sign-in sheets are accepted for these clients |
//! | [`security_events`](Oidc::security_events) | off | the provider reports events such as a hijacked account |
//! | [`tenants`](Oidc::tenants) | none | the tenants of a provider with one issuer for each |
//! | [`require_claim`](Oidc::require_claim) | none | only users with this claim can sign in, such as those of one domain |
//! | [`max_age`](Oidc::max_age) | none | requests recent authentication at the provider, and verifies `auth_time` |
//! | [`allow_login_hint`](Oidc::allow_login_hint), [`allow_prompts`](Oidc::allow_prompts), [`allow_scopes`](Oidc::allow_scopes) | off | what a link to `start` can add to the authorization request |
//! | [`claim_names`](Oidc::claim_names) | standard names | the claims of the profile |
//! | [`assume_email_verified`](Oidc::assume_email_verified) | off | for a directory that does not send `email_verified` |
//! | [`trust_second_factor`](Oidc::trust_second_factor) | off | for a directory that requires a second factor itself |
//! | [`second_factor_acr`](Oidc::second_factor_acr) | none | values of `acr` beside the standard ones that stand for several factors |
//! | [`fetch_user_info`](Oidc::fetch_user_info) | on | fetches claims that are not in the ID token |
//! | [`store_id_token`](Oidc::store_id_token) | off | stores the ID token as the hint for a sign-out without a prompt |
//! | [`token_sink`](Oidc::token_sink) | none | receives the tokens of the provider, which are not stored |
//! | [`revocation_url`](Oidc::revocation_url) | by discovery | where the refresh token of a deleted user is revoked |
//! | [`endpoints`](Oidc::endpoints) | by discovery | for a provider without a discovery document |
//! | [`allow_sign_up`](Oidc::allow_sign_up), [`link_only`](Oidc::link_only), [`auto_link_verified_email`](Oidc::auto_link_verified_email) | on, off, off | which identities can sign in, and as which user |
//!
//! An ID token is accepted only if it is signed with a key of the provider and a configured
//! algorithm, issued for this client and this request, and not expired. After an invalid one, no
//! further request is sent to the provider and no session is created. Metadata is fetched on first
//! use and cached for an hour. Keys are fetched again for an unknown key, at most once a minute.
//! Tokens of the provider are not stored, except the ID token if
//! [`store_id_token`](Oidc::store_id_token) is on.

mod algorithm;
mod claims;
mod client;
mod events;
mod flow;
mod jws;
mod keys;
mod logout;
mod metadata;
pub mod presets;
mod profile;
mod secret;
mod service;
mod tenants;
mod verify;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use presets::Preset;

use self::secret::{AppleKey, ClientSecret};
use super::oauth;
use crate::{
    outbound::AnyHttpClient,
    provider::{AllowedParams, AnyTokenSink, Rules},
};

/// The names of the claims in a profile.
///
/// ```
/// use authlayer::flow::oidc::ClaimNames;
///
/// let mut names = ClaimNames::default();
/// names.email = "mail".to_owned();
/// # drop(names);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClaimNames {
    /// The email address.
    pub email: String,
    /// Whether the provider has verified the email address.
    pub email_verified: String,
    /// The username at the provider.
    pub username: String,
    /// The display name.
    pub name: String,
    /// The URL of a picture.
    pub picture: String,
    /// The language.
    pub locale: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            username: "preferred_username".to_owned(),
            name: "name".to_owned(),
            picture: "picture".to_owned(),
            locale: "locale".to_owned(),
        }
    }
}

/// The endpoints of a provider without discovery.
///
/// ```
/// use authlayer::{Oidc, flow::oidc::Endpoints};
///
/// let flow = Oidc::new("corp", "https://id.example.com", "client-id").endpoints(Endpoints {
///     authorization: "https://id.example.com/authorize".to_owned(),
///     token: "https://id.example.com/token".to_owned(),
///     keys: "https://id.example.com/keys".to_owned(),
///     user_info: None,
///     end_session: None,
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The authorization endpoint.
    pub authorization: String,
    /// The token endpoint.
    pub token: String,
    /// The URL of the key set.
    pub keys: String,
    /// The UserInfo endpoint, if any.
    pub user_info: Option<String>,
    /// The endpoint for a sign-out, if any.
    pub end_session: Option<String>,
}

/// The options of an OpenID Connect provider.
///
/// ```
/// use authlayer::{AuthBuilder, Oidc};
///
/// # fn example(builder: AuthBuilder, secret: String) -> AuthBuilder {
/// builder.flow(
///     Oidc::new("company", "https://id.example.com", "app")
///         .client_secret(secret)
///         .scopes(["profile", "email", "groups"]),
/// )
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Oidc {
    pub(crate) id: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) secret: ClientSecret,
    pub(crate) client_secret_post: Option<bool>,
    pub(crate) scopes: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) audiences: Vec<String>,
    pub(crate) without_nonce: bool,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) claims: ClaimNames,
    pub(crate) assume_email_verified: bool,
    pub(crate) trust_second_factor: bool,
    pub(crate) acr: Vec<String>,
    pub(crate) user_info: bool,
    pub(crate) store_id_token: bool,
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) form_post: bool,
    pub(crate) native_audiences: Vec<String>,
    pub(crate) security_events: bool,
    pub(crate) tenants: Vec<String>,
    pub(crate) required_claims: BTreeMap<String, Value>,
    pub(crate) rules: Rules,
    pub(crate) allowed: AllowedParams,
    pub(crate) sink: Option<Arc<dyn AnyTokenSink>>,
    pub(crate) revocation_url: Option<String>,
    pub(crate) client: Option<Arc<dyn AnyHttpClient>>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc")
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Oidc {
    oauth::rule_options!();
    oauth::client_option!();
    oauth::allowed_param_options!();
    oauth::token_sink_option!();

    /// Creates the flow for a provider. `id` is used in paths; `issuer` must be exactly the one in
    /// the provider's metadata.
    pub fn new(
        id: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            issuer: issuer.into(),
            client_id: client_id.into(),
            secret: ClientSecret::None,
            client_secret_post: None,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            algorithms: vec![Algorithm::Rs256],
            audiences: Vec::new(),
            without_nonce: false,
            parameters: BTreeMap::new(),
            max_age: None,
            claims: ClaimNames::default(),
            assume_email_verified: false,
            trust_second_factor: false,
            acr: Vec::new(),
            user_info: true,
            store_id_token: false,
            endpoints: None,
            form_post: false,
            native_audiences: Vec::new(),
            security_events: false,
            tenants: Vec::new(),
            required_claims: BTreeMap::new(),
            rules: Rules::default(),
            allowed: AllowedParams::default(),
            sink: None,
            revocation_url: None,
            client: None,
        }
    }

    /// Creates the flow from a preset with issuer and scopes.
    pub fn preset(preset: &Preset, client_id: impl Into<String>) -> Self {
        Self::new(preset.id, preset.issuer, client_id)
            .scopes(preset.scopes.iter().copied())
            .form_post(preset.form_post)
    }

    /// Sets the client secret.
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = ClientSecret::Text(Zeroizing::new(secret.into()));
        self
    }

    /// Sets the key of Sign in with Apple: the id of the team, the id of the key, and the private key
    /// as the `.p8` file has it. The client secret is a JWT that is signed for each request.
    ///
    /// ```
    /// # fn flow(p8: &str) -> authlayer::Oidc {
    /// use authlayer::{Oidc, flow::oidc::presets};
    ///
    /// Oidc::preset(&presets::APPLE, "com.example.app")
    ///     .apple_key("4A2SC6Y2LM", "2X9R4HXF34", p8)
    /// # }
    /// ```
    pub fn apple_key(
        mut self,
        team_id: impl Into<String>,
        key_id: impl Into<String>,
        private_key: impl AsRef<str>,
    ) -> Self {
        let (team_id, key_id) = (team_id.into(), key_id.into());
        self.secret = ClientSecret::Apple(AppleKey::new(team_id, key_id, private_key.as_ref()));
        self
    }

    /// Sets whether the secret is sent in the body (`client_secret_post`) or in the header
    /// (`client_secret_basic`). By default the header is used, unless the provider's metadata lists
    /// `client_secret_post` and not `client_secret_basic`.
    pub fn client_secret_post(mut self, on: bool) -> Self {
        self.client_secret_post = Some(on);
        self
    }

    /// Sets the scopes. `openid` is added if it is missing.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        if !self.scopes.iter().any(|scope| scope == "openid") {
            self.scopes.insert(0, "openid".to_owned());
        }
        self
    }

    /// Sets the allowed signature algorithms of ID tokens and logout tokens.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Allows an additional audience in ID tokens and logout tokens, for providers that include the
    /// id of a project or an API (Zitadel, Kinde). The client id is still required among the
    /// audiences, and `azp` must be the client id if an ID token has several.
    ///
    /// # Security
    ///
    /// Another client with this audience can use its ID token here only if the provider sets `azp`
    /// to this client. Allow only audiences that you know.
    pub fn additional_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts ID tokens without a `nonce`, from providers that omit it (LinkedIn). The nonce is
    /// still sent, and must match if a token has one.
    ///
    /// # Security
    ///
    /// The code is then bound to the browser by PKCE only. Enable this only for a provider that
    /// verifies `code_challenge`.
    pub fn insecure_without_nonce(mut self) -> Self {
        self.without_nonce = true;
        self
    }

    /// Requests the response as a form that the browser posts (OAuth 2.0 Form Post Response Mode), as
    /// Apple requires it for a name or an email address. Codes are then taken by post alone.
    ///
    /// ```
    /// # use authlayer::Oidc;
    /// Oidc::new("acme", "https://id.acme.example", "client-id").form_post(true);
    /// ```
    pub fn form_post(mut self, on: bool) -> Self {
        self.form_post = on;
        self
    }

    /// Accepts ID tokens that a native application got from the provider itself, such as the sign-in
    /// sheets of Apple and Google, by the routes `nonce` and `id-token`. Such a token must be issued
    /// for the client id of this flow or one of these audiences: the client ids of the native
    /// applications. Without an audience, the routes do not exist.
    ///
    /// ```
    /// use authlayer::{Oidc, flow::oidc::presets};
    ///
    /// Oidc::preset(&presets::GOOGLE, "web-client-id")
    ///     .id_token_audiences(["android-client-id", "ios-client-id"]);
    /// ```
    pub fn id_token_audiences<S: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = S>,
    ) -> Self {
        self.native_audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Receives security events of the provider (Security Event Tokens of RISC and CAEP, RFC 8935) at
    /// the route `events`, such as those of a hijacked account. Register
    /// `<origin><mount>/oauth/<id>/events` at the provider as the endpoint of its stream, with the
    /// delivery method push. Apple calls it the server-to-server notification endpoint.
    ///
    /// ```
    /// use authlayer::{Oidc, flow::oidc::presets};
    ///
    /// Oidc::preset(&presets::GOOGLE, "client-id").security_events(true);
    /// ```
    ///
    /// # Security
    ///
    /// The provider can then end the sessions that its identities began, and bar these identities.
    pub fn security_events(mut self, on: bool) -> Self {
        self.security_events = on;
        self
    }

    /// Allows the users of these tenants, for a provider whose metadata has a template with
    /// `{tenantid}` as its issuer (Microsoft Entra ID for several organizations). An ID token must
    /// have the issuer of its own tenant (`tid`), and an identity is found by that issuer and the
    /// subject.
    ///
    /// ```
    /// use authlayer::{Oidc, flow::oidc::presets};
    ///
    /// Oidc::preset(&presets::MICROSOFT, "client-id")
    ///     .tenants(["8eaef023-2b34-4da1-9baa-8bc8c9d6a490"]);
    /// ```
    ///
    /// # Security
    ///
    /// The administrators of a tenant choose the email addresses of its users. Do not combine this
    /// with [`assume_email_verified`](Self::assume_email_verified) for tenants of others.
    pub fn tenants<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.tenants = ids.into_iter().map(Into::into).collect();
        self
    }

    /// Requires a claim of the ID token to have this value, such as `hd` of Google Workspace. A
    /// sign-in without it is rejected with `provider_denied`.
    ///
    /// ```
    /// use authlayer::{Oidc, flow::oidc::presets};
    ///
    /// Oidc::preset(&presets::GOOGLE, "client-id")
    ///     .auth_param("hd", "acme.example") // only selects the account that is suggested
    ///     .require_claim("hd", "acme.example");
    /// ```
    pub fn require_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.required_claims.insert(name.into(), value.into());
        self
    }

    pub(crate) fn has_required_claims(&self, claims: &Map<String, Value>) -> bool {
        self.required_claims.iter().all(|(name, value)| claims.get(name) == Some(value))
    }

    /// Adds a parameter to the authorization request, such as `prompt` or `hd`.
    pub fn auth_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Requires that the user authenticated at the provider within this duration, and verifies it.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets the names of the claims in a profile.
    pub fn claim_names(mut self, names: ClaimNames) -> Self {
        self.claims = names;
        self
    }

    /// Treats all email addresses of this provider as verified, for your own directory that does
    /// not send `email_verified`.
    ///
    /// # Security
    ///
    /// Enable this only if users cannot choose their email address at the provider.
    pub fn assume_email_verified(mut self, on: bool) -> Self {
        self.assume_email_verified = on;
        self
    }

    /// Accepts the second factor of this provider: a sign-in is not asked for another one if the ID
    /// token has `mfa` in `amr` (RFC 8176 §2), the corresponding method of AD FS, or an `acr` of the
    /// REFEDS MFA Profile or the multi-factor policy of PAPE.
    ///
    /// # Security
    ///
    /// Enable this only for a provider that you operate, or whose policy you know.
    pub fn trust_second_factor(mut self, on: bool) -> Self {
        self.trust_second_factor = on;
        self
    }

    /// Adds a value of `acr` that stands for several factors at this provider, for
    /// [`trust_second_factor`](Self::trust_second_factor). Other values of `acr` prove nothing.
    ///
    /// ```
    /// # use authlayer::Oidc;
    /// Oidc::new("acme", "https://login.acme.example", "client")
    ///     .trust_second_factor(true)
    ///     .second_factor_acr("urn:okta:loa:2fa:any");
    /// ```
    pub fn second_factor_acr(mut self, value: impl Into<String>) -> Self {
        self.acr.push(value.into());
        self
    }

    /// Sets whether additional claims are fetched from UserInfo. If the request fails, the ID token
    /// is used, and new users are rejected if it has no email address.
    pub fn fetch_user_info(mut self, on: bool) -> Self {
        self.user_info = on;
        self
    }

    /// Stores the ID token for the lifetime of the session, and sends it as `id_token_hint` at a
    /// sign-out.
    pub fn store_id_token(mut self, on: bool) -> Self {
        self.store_id_token = on;
        self
    }

    /// Sets the revocation endpoint (RFC 7009), in place of the one in the metadata.
    ///
    /// ```
    /// # use authlayer::Oidc;
    /// Oidc::new("acme", "https://id.acme.example", "client-id")
    ///     .revocation_url("https://id.acme.example/revoke");
    /// ```
    pub fn revocation_url(mut self, url: impl Into<String>) -> Self {
        self.revocation_url = Some(url.into());
        self
    }

    /// Sets the endpoints of a provider without a discovery document.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = Some(endpoints);
        self
    }
}
