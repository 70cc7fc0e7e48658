//! Sign-in by email alone: one message with a code and a link.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`allow_sign_up`](EmailSignIn::allow_sign_up) | off | whether an unregistered email address becomes a user once it is verified |
//! | [`link_page`](EmailSignIn::link_page) | `/sign-in-link` | the page of the link, on the first origin; the token is in the fragment, which is not in logs or the `Referer` |
//! | [`resend_interval`](EmailSignIn::resend_interval) | 1 minute | between two messages to an email address |
//!
//! - The response to a request does not disclose whether an email address is registered.
//! - The code and the link are valid for 10 minutes. Using one invalidates the other.
//! - The link signs in only the browser that requested it, unless the user confirms, so that an
//!   attacker cannot sign a victim in to an account of the attacker with one click.
//! - `GET` consumes nothing, so link scanners do no harm.
//! - The first verification of the email address of an account claims it: credentials and sessions
//!   from before are deleted.
//! - A second factor is required as after any other first factor.

mod routes;
mod service;

use std::time::Duration;

pub use service::EmailSignInService;

use super::Flow;
use crate::{
    config::ConfigError, mail::MessageKind, model::Factor, registry::Registry,
    services::CodeOptions,
};

/// The options of the flow for sign-in by email alone.
///
/// ```
/// use authlayer::EmailSignIn;
///
/// let flow = EmailSignIn::new().allow_sign_up(true).link_page("/sign-in/link");
/// # drop(flow);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EmailSignIn {
    allow_sign_up: bool,
    page: String,
    interval: Duration,
}

impl Default for EmailSignIn {
    fn default() -> Self {
        Self {
            allow_sign_up: false,
            page: "/sign-in-link".to_owned(),
            interval: Duration::from_secs(60),
        }
    }
}

impl EmailSignIn {
    /// Creates the flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether an unregistered email address becomes a user once it is verified. By default,
    /// and if sign-up is disabled in the flow for passwords, nothing is sent to such an address.
    pub fn allow_sign_up(mut self, allow: bool) -> Self {
        self.allow_sign_up = allow;
        self
    }

    /// Sets the path of the page that the link opens. It reads `token` from the fragment and posts
    /// it to `/email-sign-in/link`.
    pub fn link_page(mut self, path: impl Into<String>) -> Self {
        self.page = path.into();
        self
    }

    /// Sets the interval between two messages to an email address.
    pub fn resend_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }
}

impl Flow for EmailSignIn {
    type Service = EmailSignInService;

    fn name(&self) -> &str {
        "email_sign_in"
    }

    fn register(self, registry: &mut Registry) -> Result<EmailSignInService, ConfigError> {
        let refused = |problem: &str| ConfigError::flow("email_sign_in", problem);
        if !self.page.starts_with('/') || self.page.contains('#') {
            return Err(refused("link_page must be a path such as \"/sign-in-link\""));
        }
        if registry.core().outbox.is_none() {
            return Err(refused("a mailer is required: add .mailer(…)"));
        }
        let options = CodeOptions::default().resend_interval(self.interval).sign_in_link(self.page);
        let (kind, factor) = (MessageKind::SignInLink, Factor::EmailCode);
        let codes = registry.codes_by_mail(service::PURPOSE, factor, options, kind);
        let service = EmailSignInService::new(registry.services(), codes, self.allow_sign_up);
        registry.on_verified(&service.codes, service.clone());
        routes::register(registry, &service);
        Ok(service)
    }
}
