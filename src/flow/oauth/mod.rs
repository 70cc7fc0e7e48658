//! Sign-in with a provider: the flow of any [`Provider`](crate::Provider), and the common parts of
//! GitHub and OpenID Connect.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`allow_sign_up`](OAuth::allow_sign_up), [`link_only`](OAuth::link_only), [`auto_link_verified_email`](OAuth::auto_link_verified_email) | on, off, off | which identities can sign in, and as which user |
//! | [`token_sink`](OAuth::token_sink) | none | receives the tokens of the provider, which are not stored |
//! | [`allow_login_hint`](OAuth::allow_login_hint), [`allow_prompts`](OAuth::allow_prompts), [`allow_scopes`](OAuth::allow_scopes) | off | what a link to `start` can add to the authorization request |
//!
//! | route | response |
//! |---|---|
//! | `GET /oauth/{provider}/start` | 303 to the provider |
//! | `GET /oauth/{provider}/callback` | 303 into the application, signed in |
//! | `POST /oauth/{provider}/callback` | stores the response of a provider that posts a form, and leads to `GET` |
//! | `POST /oauth/{provider}/link` | the URL at which the browser links an identity; requires recent authentication |
//! | `POST /oauth/{provider}/step-up` | the URL at which the browser authenticates again; 404 if the provider does not state the time |
//! | `POST /oauth/{provider}/backchannel-logout` | ends sessions on behalf of the provider |
//! | `POST /oauth/{provider}/events` | receives security events of the provider, if the flow asks for them |
//! | `GET /oauth/{provider}/signed-out` | the redirect target of the provider after a sign-out |
//! | `POST /oauth/{provider}/nonce` | a nonce for an ID token, if the flow accepts them |
//! | `POST /oauth/{provider}/id-token` | signs in with an ID token of a native sign-in sheet |
//! | `POST /oauth/exchange` | tokens for the one-time code of a native application |
//! | `GET /identities`, `DELETE /identities/{id}` | the sign-in methods of the user |
//!
//! The store has one row of hashes per authorization request. State, nonce and PKCE verifier are
//! derived from two secrets on separate channels: one is sent through the provider as `state`, the
//! other is stored in a cookie of the browser. A callback without either of them has no effect and
//! does not consume the request. A callback with both deletes the row before the first request to
//! the provider, so that it is accepted once (RFC 9700 §2.1, §4.7).
//!
//! The email address at a provider does not identify a user. An unknown identity with a verified
//! email address creates a new user, or is rejected with `account_exists` if the email address is
//! registered. If `auto_link_verified_email` is on, the identity is linked instead to the user with this
//! email address, if it is verified here too; a user whose email address was never verified is
//! taken over without the credentials and sessions from before.

mod ceremony;
mod flow;
mod form_post;
mod hint;
mod id_tokens;
mod identities;
mod logout;
mod native;
mod on_session;
mod parameters;
mod posted;
mod routes;
mod security_events;
mod service;
mod sign_out;
mod step_up;
mod tokens;

use std::sync::Arc;

pub use ceremony::AuthorizationRequest;
pub use flow::OAuth;
pub use id_tokens::{IdTokenSignIn, IssuedNonce};
pub use parameters::{CallbackOutcome, CallbackParams, StartOptions};
pub use service::OAuthService;

use crate::{
    config::ConfigError,
    provider::{RegisteredProvider, is_issuer},
    registry::Registry,
};

/// Defines the methods for the rules of sign-ins, which all providers have.
macro_rules! rule_options {
    () => {
        /// Sets whether an unknown identity creates a user. It is on by default; if it is off, the
        /// sign-in is rejected with `sign_up_disabled`.
        ///
        /// ```
        /// # use authlayer::GitHub;
        /// GitHub::new("client-id", "secret").allow_sign_up(false);
        /// ```
        pub fn allow_sign_up(mut self, on: bool) -> Self {
            self.rules.sign_up = on;
            self
        }

        /// Allows only linking of identities of this provider, and no sign-in with them.
        ///
        /// ```
        /// # use authlayer::GitHub;
        /// GitHub::new("client-id", "secret").link_only();
        /// ```
        pub fn link_only(mut self) -> Self {
            self.rules.sign_in = false;
            self
        }

        /// Sets whether an identity is linked automatically to the user with the same email
        /// address, if the provider has verified the address. It is off by default.
        ///
        /// # Security
        ///
        /// The operator of the provider can then sign in as any user with a known email address. If
        /// the email address of a user was never verified here, the password, identities and
        /// sessions of that user are deleted before the link.
        ///
        /// ```
        /// # use authlayer::GitHub;
        /// GitHub::new("client-id", "secret").auto_link_verified_email(true);
        /// ```
        pub fn auto_link_verified_email(mut self, on: bool) -> Self {
            self.rules.match_email = on;
            self
        }
    };
}
pub(crate) use rule_options;

/// Defines the methods for parameters that a link to `start` can add to the authorization request.
macro_rules! allowed_param_options {
    () => {
        /// Sets whether `start` takes a `login_hint`, which is sent to the provider. It is off by
        /// default, and the parameter is then ignored.
        ///
        /// ```
        /// # use authlayer::{Oidc, flow::oidc::presets};
        /// Oidc::preset(&presets::GOOGLE, "client-id").allow_login_hint(true);
        /// ```
        pub fn allow_login_hint(mut self, on: bool) -> Self {
            self.allowed.login_hint = on;
            self
        }

        /// Sets the values of `prompt` that `start` takes, such as `select_account`; others are
        /// ignored.
        ///
        /// ```
        /// # use authlayer::{Oidc, flow::oidc::presets};
        /// Oidc::preset(&presets::GOOGLE, "client-id").allow_prompts(["select_account"]);
        /// ```
        pub fn allow_prompts<S: Into<String>>(
            mut self,
            prompts: impl IntoIterator<Item = S>,
        ) -> Self {
            self.allowed.prompts = prompts.into_iter().map(Into::into).collect();
            self
        }

        /// Sets the scopes that `start` takes in addition to those of the flow; others are ignored.
        ///
        /// ```
        /// # use authlayer::{Oidc, flow::oidc::presets};
        /// Oidc::preset(&presets::GITLAB, "client-id").allow_scopes(["read_api"]);
        /// ```
        pub fn allow_scopes<S: Into<String>>(
            mut self,
            scopes: impl IntoIterator<Item = S>,
        ) -> Self {
            self.allowed.scopes = scopes.into_iter().map(Into::into).collect();
            self
        }
    };
}
pub(crate) use allowed_param_options;

/// Defines the method for the tokens of the provider.
macro_rules! token_sink_option {
    () => {
        /// Sets the sink that receives the tokens of the provider after each sign-in, link and
        /// step-up. When a user is deleted, the sink returns the refresh token, which is then
        /// revoked at the provider. Without a sink, the tokens are dropped.
        ///
        /// ```
        /// # use authlayer::{GitHub, TokenSink};
        /// # fn flow(tokens: impl TokenSink) -> GitHub {
        /// GitHub::new("client-id", "secret").token_sink(tokens)
        /// # }
        /// ```
        pub fn token_sink(mut self, sink: impl $crate::provider::TokenSink) -> Self {
            self.sink = Some(std::sync::Arc::new(sink));
            self
        }
    };
}
pub(crate) use token_sink_option;

/// Defines the method for the HTTP client.
macro_rules! client_option {
    () => {
        /// Replaces the HTTP client for requests to the provider.
        ///
        /// ```
        /// use authlayer::{GitHub, outbound::HttpsClient};
        ///
        /// GitHub::new("client-id", "secret").http_client(HttpsClient::new()?);
        /// # Ok::<_, authlayer::outbound::HttpError>(())
        /// ```
        pub fn http_client(mut self, client: impl $crate::outbound::HttpClient) -> Self {
            self.client = Some(std::sync::Arc::new(client));
            self
        }
    };
}
pub(crate) use client_option;

/// Registers a provider and returns its service.
pub(crate) fn register(
    registry: &mut Registry,
    provider: RegisteredProvider,
) -> Result<OAuthService, ConfigError> {
    let id = provider.id();
    let refused = |problem: &str| ConfigError::flow(id, problem);
    let well_formed = (1..=32).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !well_formed || id == "exchange" {
        return Err(refused("the id must be 1 to 32 of a-z, 0-9 and -, and not \"exchange\""));
    }
    let issuer = provider.issuer();
    if !is_issuer(issuer) {
        return Err(refused("the issuer must not be empty or contain control characters"));
    }
    let (core, provider) = (registry.core(), Arc::new(provider));
    if !core.providers.add(Arc::clone(&provider)) {
        let problem = "two providers have one id or one issuer; both must be unique";
        return Err(ConfigError::flow(provider.id(), problem));
    }
    if provider.has_token_sink() {
        registry.on_transition(tokens::Revocation(Arc::clone(&provider)));
    }
    let service = OAuthService::new(core, provider);
    routes::register(registry, &service);
    Ok(service)
}
