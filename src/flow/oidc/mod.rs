//! Sign-in by an OpenID Connect provider.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use authlayer::{Oidc, flow::oidc::presets};
//!
//! let own = Oidc::new("corp", "https://login.example.com", "client").secret("secret");
//! let google = Oidc::preset(&presets::GOOGLE, "client").secret("secret");
//! # Ok(()) }
//! ```
//!
//! The redirect URI to register is `<origin><mount>/oauth/<id>/callback`; for back-channel
//! logout, `<origin><mount>/oauth/<id>/backchannel-logout`; after a sign-out the provider
//! leads back to `<origin><mount>/oauth/<id>/signed-out`.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`secret`](Oidc::secret) | none | a client without one is public, and safe by PKCE alone |
//! | [`secret_in_body`](Oidc::secret_in_body) | by metadata | `client_secret_basic`, unless the provider names `client_secret_post` alone |
//! | [`scopes`](Oidc::scopes) | `openid profile email` | the least that names an account |
//! | [`algorithms`](Oidc::algorithms) | RS256 | what metadata says widens nothing |
//! | [`additional_audience`](Oidc::additional_audience) | none | a token for several parties is for us only if it says so |
//! | [`insecure_without_nonce`](Oidc::insecure_without_nonce) | off | a provider that leaves out `nonce` |
//! | [`parameter`](Oidc::parameter) | none | beside ours, never in their place |
//! | [`max_age`](Oidc::max_age) | none | asks for a recent proof there, and checks `auth_time` |
//! | [`claims`](Oidc::claims) | standard names | which claim is which part of the profile |
//! | [`trust_email`](Oidc::trust_email) | off | for a directory that never says `email_verified` |
//! | [`user_info`](Oidc::user_info) | on | claims that are not in the ID token |
//! | [`keep_id_token`](Oidc::keep_id_token) | off | as the hint by which a sign-out there needs no question |
//! | [`endpoints`](Oidc::endpoints) | by discovery | for a provider that has none |
//! | [`sign_up`](Oidc::sign_up), [`link_only`](Oidc::link_only), [`link_verified_email`](Oidc::link_verified_email) | on, off, off | who gets in, and as whom |
//!
//! What is guaranteed: an ID token counts only with a signature by a key of the provider, of
//! an algorithm that was configured, for this client and this very request, and fresh; after
//! one that does not, nothing more is asked of the provider and no session begins. Metadata
//! is fetched when it is first wanted and kept for an hour, keys are fetched again for a
//! key that is not known, at most once a minute. No token of the provider is kept, but the ID
//! token where [`keep_id_token`](Oidc::keep_id_token) says so.

mod algorithm;
mod claims;
mod client;
mod flow;
mod jws;
mod keys;
mod logout;
mod metadata;
pub mod presets;
mod profile;
mod service;
mod verify;

use std::{collections::BTreeMap, fmt, time::Duration};

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use presets::Preset;

use super::oauth::{self, Knobs};

/// The claims that make a profile.
#[derive(Clone, Debug)]
pub struct ClaimNames {
    /// The address.
    pub email: String,
    /// Whether the provider vouches for the address.
    pub email_verified: String,
    /// The name to sign in with there.
    pub username: String,
    /// The name to show.
    pub name: String,
    /// Where a picture lies.
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

/// Where a provider without discovery is asked.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Where browsers go.
    pub authorization: String,
    /// Where codes are redeemed.
    pub token: String,
    /// Where its keys lie.
    pub keys: String,
    /// Where claims are asked for, if anywhere.
    pub user_info: Option<String>,
    /// Where browsers sign out, if anywhere.
    pub end_session: Option<String>,
}

/// The flow, before it is built.
#[derive(Clone)]
#[must_use]
pub struct Oidc {
    pub(crate) id: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) secret: Option<String>,
    pub(crate) secret_in_body: Option<bool>,
    pub(crate) scopes: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) audiences: Vec<String>,
    pub(crate) without_nonce: bool,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) claims: ClaimNames,
    pub(crate) trust_email: bool,
    pub(crate) user_info: bool,
    pub(crate) keep_id_token: bool,
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) knobs: Knobs,
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

/// What a request holds already and no parameter may replace.
const OURS: &[&str] = &[
    "response_type",
    "response_mode",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "request",
    "request_uri",
];

impl Oidc {
    oauth::knobs!();

    /// A provider by its issuer, exactly as it writes it itself, under an id of our own that
    /// stands in paths.
    pub fn new(
        id: impl Into<String>,
        issuer: impl Into<String>,
        client_id: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            issuer: issuer.into(),
            client_id: client_id.into(),
            secret: None,
            secret_in_body: None,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            algorithms: vec![Algorithm::Rs256],
            audiences: Vec::new(),
            without_nonce: false,
            parameters: BTreeMap::new(),
            max_age: None,
            claims: ClaimNames::default(),
            trust_email: false,
            user_info: true,
            keep_id_token: false,
            endpoints: None,
            knobs: Knobs::default(),
        }
    }

    /// A provider whose issuer and scopes are known.
    pub fn preset(preset: &Preset, client_id: impl Into<String>) -> Self {
        Self::new(preset.id, preset.issuer, client_id).scopes(preset.scopes.iter().copied())
    }

    /// Sets the client secret.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets whether the secret is sent in the body (`client_secret_post`) or in the header
    /// (`client_secret_basic`). By default the header is used, unless the provider's metadata
    /// names `client_secret_post` and not `client_secret_basic`.
    pub fn secret_in_body(mut self, on: bool) -> Self {
        self.secret_in_body = Some(on);
        self
    }

    /// Replaces the scopes; `openid` is always among them.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        if !self.scopes.iter().any(|scope| scope == "openid") {
            self.scopes.insert(0, "openid".to_owned());
        }
        self
    }

    /// Replaces the algorithms by which an ID token may be signed.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Allows a further audience in ID tokens and logout tokens, for providers that put the id
    /// of a project or an API beside the client id (Zitadel, Kinde). The client id has to be
    /// among the audiences all the same, and `azp` has to name it where an ID token has several.
    ///
    /// # Security
    ///
    /// Another client with this audience can present an ID token of its own only if the
    /// provider names this client in `azp`. Allow audiences that you know.
    pub fn additional_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts ID tokens that have no `nonce`, from providers that leave it out (LinkedIn). The
    /// nonce is sent all the same, and a token that has one must have the right one.
    ///
    /// # Security
    ///
    /// PKCE alone then binds the code to the browser: enable this only for a provider that
    /// checks `code_challenge`.
    pub fn insecure_without_nonce(mut self) -> Self {
        self.without_nonce = true;
        self
    }

    /// Adds a parameter to the authorization request, such as `prompt` or `hd`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Asks that the person proved who they are there no longer ago than this, and checks it.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Replaces the names of the claims that make a profile.
    pub fn claims(mut self, names: ClaimNames) -> Self {
        self.claims = names;
        self
    }

    /// Takes every address of this provider as proved: for a directory of one's own that does
    /// not say `email_verified`.
    pub fn trust_email(mut self, on: bool) -> Self {
        self.trust_email = on;
        self
    }

    /// Sets whether claims are asked for at UserInfo, beside the ID token. If that fails, the
    /// ID token decides, and new users are turned away where it has no address.
    pub fn user_info(mut self, on: bool) -> Self {
        self.user_info = on;
        self
    }

    /// Keeps the ID token of a session as long as the session, to hand it back as
    /// `id_token_hint` at a sign-out.
    pub fn keep_id_token(mut self, on: bool) -> Self {
        self.keep_id_token = on;
        self
    }

    /// Names the addresses of a provider that has no discovery document.
    pub fn endpoints(mut self, endpoints: Endpoints) -> Self {
        self.endpoints = Some(endpoints);
        self
    }
}
