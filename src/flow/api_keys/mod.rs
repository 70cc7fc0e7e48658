//! Keys for programs.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`most`](ApiKeys::most) | 50 a user | a bound for lists and rows |
//! | [`longest`](ApiKeys::longest) | a year | a key that is forgotten ends; services may have none |
//! | [`by_users`](ApiKeys::by_users) | on | whether users make keys of their own, by HTTP |
//!
//! | route | answer |
//! |---|---|
//! | `GET /api-keys` | the user's keys, without their secrets |
//! | `POST /api-keys` | makes one; wants a fresh proof; the key is shown once |
//! | `DELETE /api-keys/{id}` | revokes one of them; it is refused with its next request |
//!
//! What is guaranteed: a key is 256 random bits with a prefix that scanners know and a
//! checksum; only its hash is kept. It is sent as a bearer token. It carries scopes, never more
//! than its user has, no roles, and no factor; and it opens none of the routes of this crate.

mod flow;
mod routes;
mod service;

use std::time::Duration;

pub use service::{ApiKeyService, NewApiKey};

/// The flow, before it is built.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ApiKeys {
    most: u32,
    longest: Duration,
    by_users: bool,
}

impl ApiKeys {
    /// Keys for programs, of users and of services.
    pub fn new() -> Self {
        Self { most: 50, longest: Duration::from_secs(366 * 24 * 3600), by_users: true }
    }

    /// Sets how many keys a user may have.
    pub fn most(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Sets how long a user's key lasts at most; without a word of the user it lasts so long.
    pub fn longest(mut self, life: Duration) -> Self {
        self.longest = life;
        self
    }

    /// Sets whether users make keys of their own, by HTTP.
    pub fn by_users(mut self, on: bool) -> Self {
        self.by_users = on;
        self
    }
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self::new()
    }
}
