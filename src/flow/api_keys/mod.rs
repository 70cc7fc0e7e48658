//! API keys of users and services.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`max_per_user`](ApiKeys::max_per_user) | 50 per user | limits lists and rows |
//! | [`max_lifetime`](ApiKeys::max_lifetime) | 366 days | a forgotten key expires; keys of services may have no expiry |
//! | [`user_managed`](ApiKeys::user_managed) | on | whether users can manage their keys over HTTP |
//!
//! | route | response |
//! |---|---|
//! | `GET /api-keys` | the user's keys, without their secrets |
//! | `POST /api-keys` | creates a key and returns it once; requires recent authentication |
//! | `DELETE /api-keys/{id}` | revokes a key; its next request is rejected |
//!
//! A key is 256 random bits with a checksum and a prefix that secret scanners can recognize; only
//! its hash is stored. It is sent as a bearer token. It has scopes, at most those of its user, but
//! no roles and no verified factor, and it is rejected by the routes of this crate.

mod flow;
mod routes;
mod scheme;
mod service;

use std::time::Duration;

pub use service::{ApiKeyService, NewApiKey};

/// The options of the API key flow.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::ApiKeys;
///
/// let flow = ApiKeys::new().max_per_user(5).max_lifetime(Duration::from_secs(90 * 24 * 3600));
/// # drop(flow);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ApiKeys {
    most: u32,
    longest: Duration,
    user_managed: bool,
}

impl ApiKeys {
    /// Creates the flow with its defaults.
    pub fn new() -> Self {
        Self { most: 50, longest: Duration::from_secs(366 * 24 * 3600), user_managed: true }
    }

    /// Sets the maximum number of keys per user.
    pub fn max_per_user(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Sets the maximum lifetime of a user's key, which is also the default lifetime.
    pub fn max_lifetime(mut self, life: Duration) -> Self {
        self.longest = life;
        self
    }

    /// Sets whether users can manage their keys over HTTP.
    pub fn user_managed(mut self, on: bool) -> Self {
        self.user_managed = on;
        self
    }
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::new()
    }
}
