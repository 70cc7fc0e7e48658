//! Sign-in with GitHub.
//!
//! The callback URL to register is `<origin><mount>/oauth/github/callback`.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`web_url`](GitHub::web_url), [`api_url`](GitHub::api_url) | github.com | GitHub Enterprise Server: `https://host` and `https://host/api/v3` |
//! | [`token_sink`](GitHub::token_sink) | none | receives the tokens of GitHub, which are not stored |
//! | [`allow_sign_up`](GitHub::allow_sign_up), [`link_only`](GitHub::link_only), [`auto_link_verified_email`](GitHub::auto_link_verified_email) | on, off, off | which identities can sign in, and as which user |
//!
//! GitHub is not an OpenID provider and issues no ID token. The profile comes from its API, on the
//! connection on which the code was exchanged with the client secret. The key of an identity is the
//! numeric user id, since usernames can be transferred. The email address is the primary one. A new
//! user requires an email address that GitHub has verified; a linked identity does not.

mod flow;
mod service;

use std::{fmt, sync::Arc};

use super::oauth;
use crate::{
    outbound::AnyHttpClient,
    provider::{AnyTokenSink, Rules},
};

/// The options of the GitHub flow.
///
/// ```
/// use authlayer::{AuthBuilder, GitHub};
///
/// # fn example(builder: AuthBuilder, secret: String) -> AuthBuilder {
/// builder.flow(GitHub::new("Iv1.8a61f9b3a7aba766", secret))
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct GitHub {
    client_id: String,
    secret: String,
    web_url: String,
    api_url: String,
    rules: Rules,
    sink: Option<Arc<dyn AnyTokenSink>>,
    client: Option<Arc<dyn AnyHttpClient>>,
}

impl GitHub {
    oauth::rule_options!();
    oauth::client_option!();
    oauth::token_sink_option!();

    /// Creates the flow for an OAuth app of GitHub.
    pub fn new(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            secret: secret.into(),
            web_url: "https://github.com".to_owned(),
            api_url: "https://api.github.com".to_owned(),
            rules: Rules::default(),
            sink: None,
            client: None,
        }
    }

    /// Sets the URL at which users sign in.
    pub fn web_url(mut self, url: impl Into<String>) -> Self {
        self.web_url = url.into();
        self
    }

    /// Sets the URL of the API.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.api_url = url.into();
        self
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("client_id", &self.client_id)
            .field("web_url", &self.web_url)
            .field("api_url", &self.api_url)
            .finish_non_exhaustive()
    }
}
