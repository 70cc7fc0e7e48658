//! Sign-in by GitHub.
//!
//! The callback to register is `<origin><mount>/oauth/github/callback`.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`web_url`](GitHub::web_url), [`api_url`](GitHub::api_url) | github.com | GitHub Enterprise Server: `https://host` and `https://host/api/v3` |
//! | [`sign_up`](GitHub::sign_up), [`link_only`](GitHub::link_only), [`link_verified_email`](GitHub::link_verified_email) | on, off, off | who gets in, and as whom |
//!
//! GitHub is no OpenID provider: there is no ID token, so who somebody is comes from the API,
//! over the connection on which the code was redeemed with the client's secret. The key of an
//! identity is the numeric id, since names change hands; the address is the primary one. A new
//! account needs one that GitHub has verified, an identity that is known needs none.

mod flow;
mod service;

use std::fmt;

use super::oauth::{self, Knobs};

/// The flow, before it is built.
#[derive(Clone)]
#[must_use]
pub struct GitHub {
    client_id: String,
    secret: String,
    web_url: String,
    api_url: String,
    knobs: Knobs,
}

impl GitHub {
    oauth::knobs!();

    /// An OAuth app of GitHub.
    pub fn new(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            secret: secret.into(),
            web_url: "https://github.com".to_owned(),
            api_url: "https://api.github.com".to_owned(),
            knobs: Knobs::default(),
        }
    }

    /// Replaces where people sign in.
    pub fn web_url(mut self, url: impl Into<String>) -> Self {
        self.web_url = url.into();
        self
    }

    /// Replaces where the API is asked.
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
