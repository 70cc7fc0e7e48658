//! Password reset with an email link.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`reset_page`](PasswordReset::reset_page) | `/reset-password` | the page of the link, on the first origin; the token is in the fragment, which is not in logs or the `Referer` |
//! | [`lifetime`](PasswordReset::lifetime) | 30 minutes | OWASP Forgot Password; at most 1 day |
//! | [`resend_interval`](PasswordReset::resend_interval) | 1 minute | between two messages to an email address |
//! | [`max_attempts`](PasswordReset::max_attempts) | 10 | maximum rejected passwords per link |
//! | [`change_page`](PasswordReset::change_page) | none | the redirect target of `/.well-known/change-password` |
//!
//! - A request for a link does not disclose whether an email address is registered, and changes
//!   nothing.
//! - A link works once, and only with `POST`.
//! - A reset revokes all sessions, links and remembered devices, and creates no session.
//! - A reset of an account whose email address was never verified deletes all credentials from
//!   before.

mod flow;
mod routes;
mod service;

use std::time::Duration;

pub use service::PasswordResetService;

/// The options of the password reset flow.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::PasswordReset;
///
/// let flow = PasswordReset::new()
///     .reset_page("/account/new-password")
///     .change_page("/account/password")
///     .lifetime(Duration::from_secs(15 * 60));
/// # drop(flow);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PasswordReset {
    page: String,
    change_page: Option<String>,
    lifetime: Duration,
    interval: Duration,
    tries: u32,
}

impl Default for PasswordReset {
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

impl PasswordReset {
    /// Creates the flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the path of the page that reads the token from its fragment.
    pub fn reset_page(mut self, path: impl Into<String>) -> Self {
        self.page = path.into();
        self
    }

    /// Sets the path of the page for changing the password.
    pub fn change_page(mut self, path: impl Into<String>) -> Self {
        self.change_page = Some(path.into());
        self
    }

    /// Sets the validity of a link.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the interval between two messages to an email address.
    pub fn resend_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how often the new password of a link may be rejected.
    pub fn max_attempts(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }
}
