//! A new password by a link.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`page`](Reset::page) | `/reset-password` | where the link leads, on the first origin; the token is in the fragment, which reaches no log and no `Referer` |
//! | [`lifetime`](Reset::lifetime) | 30 minutes | OWASP Forgot Password; at most a day |
//! | [`interval`](Reset::interval) | 1 minute | between two messages to an address |
//! | [`tries`](Reset::tries) | 10 | refused passwords that one link survives |
//! | [`change_page`](Reset::change_page) | none | where `/.well-known/change-password` leads |
//!
//! What is guaranteed: asking tells nobody whether an address is known and changes nothing;
//! a link works once, and only by `POST`; a reset ends every session, link and remembered
//! device and begins none; on an account whose address never was proved it takes away
//! everything that was there before. What is refused: see [`ResetService`].

mod flow;
mod routes;
mod service;

use std::time::Duration;

pub use service::ResetService;

/// The flow, before it is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reset {
    page: String,
    change_page: Option<String>,
    lifetime: Duration,
    interval: Duration,
    tries: u32,
}

impl Default for Reset {
    fn default() -> Self {
        Self {
            page: "/reset-password".to_owned(),
            change_page: None,
            lifetime: Duration::from_secs(30 * 60),
            interval: Duration::from_secs(60),
            tries: 10,
        }
    }
}

impl Reset {
    /// The flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the path of the page that takes the token from its fragment.
    pub fn page(mut self, path: impl Into<String>) -> Self {
        self.page = path.into();
        self
    }

    /// Sets the path of the page on which one changes the password.
    pub fn change_page(mut self, path: impl Into<String>) -> Self {
        self.change_page = Some(path.into());
        self
    }

    /// Replaces how long a link is good.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Replaces how long an address waits for the next message.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Replaces how many refused passwords a link survives.
    pub fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }
}
