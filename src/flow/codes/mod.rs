//! Email codes: verification of an email address, and a second step of a sign-in.
//!
//! | option | default | reason |
//! |---|---|---|
//! | [`verify_email_on_sign_up`](EmailCodes::verify_email_on_sign_up) | on | no account is created with the email address of another person |
//! | [`second_factor`](EmailCodes::second_factor) | off | a code after the password, on devices that are not remembered |
//! | [`on_password_change`](EmailCodes::on_password_change) | off | a code before the password is changed |
//! | [`code_length`](EmailCodes::code_length) | 6 | with five attempts one guess in 200,000 succeeds; 6 to 10 |
//! | [`lifetime`](EmailCodes::lifetime) | 10 minutes | ASVS 6.5.5 |
//! | [`resend_interval`](EmailCodes::resend_interval) | 1 minute | between two messages of the same purpose to an email address |
//! | [`max_attempts`](EmailCodes::max_attempts) | 5 | then the challenge is deleted |
//! | [`remember_device_for`](EmailCodes::remember_device_for) | 30 days | the time for which a device is remembered |
//!
//! A code verifies only the challenge it was sent for, together with the handle that the client
//! received. An attempt is counted before the code is compared, and a code works once. Before its
//! email address is verified, a sign-up has no user. Anyone who can read the mailbox has the codes.

mod routes;
mod service;

use std::time::Duration;

pub use service::{EmailCodeService, VerifyOutcome};

use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::CodePolicy};

/// The options of the flow for email codes.
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::EmailCodes;
///
/// let flow = EmailCodes::new()
///     .verify_email_on_sign_up(true)
///     .second_factor(true)
///     .remember_device_for(Duration::from_secs(30 * 24 * 3600));
/// # drop(flow);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct EmailCodes {
    policy: CodePolicy,
}

impl Default for EmailCodes {
    fn default() -> Self {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(24 * 3600));
        Self {
            policy: CodePolicy {
                sign_up: true,
                sign_in: false,
                change: false,
                digits: 6,
                lifetime: minute * 10,
                interval: minute,
                tries: 5,
                remember: day * 30,
            },
        }
    }
}

impl EmailCodes {
    /// Creates the flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether a sign-up, and a sign-in with an unverified email address, requires a code.
    pub fn verify_email_on_sign_up(mut self, ask: bool) -> Self {
        self.policy.sign_up = ask;
        self
    }

    /// Sets whether a sign-in requires a code.
    pub fn second_factor(mut self, ask: bool) -> Self {
        self.policy.sign_in = ask;
        self
    }

    /// Sets whether a change of the password requires a code.
    pub fn on_password_change(mut self, ask: bool) -> Self {
        self.policy.change = ask;
        self
    }

    /// Sets the number of digits.
    pub fn code_length(mut self, digits: u32) -> Self {
        self.policy.digits = digits;
        self
    }

    /// Sets the validity of a code.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.lifetime = lifetime;
        self
    }

    /// Sets the interval between two messages to an email address.
    pub fn resend_interval(mut self, interval: Duration) -> Self {
        self.policy.interval = interval;
        self
    }

    /// Sets the maximum number of attempts per challenge.
    pub fn max_attempts(mut self, tries: u32) -> Self {
        self.policy.tries = tries;
        self
    }

    /// Sets the time for which a device is remembered.
    pub fn remember_device_for(mut self, duration: Duration) -> Self {
        self.policy.remember = duration;
        self
    }
}

impl Flow for EmailCodes {
    type Service = EmailCodeService;

    fn name(&self) -> &str {
        "email_codes"
    }

    fn register(self, registry: &mut Registry) -> Result<EmailCodeService, ConfigError> {
        let core = registry.core();
        let refused = |problem: &str| ConfigError::Flow {
            flow: "codes".to_owned(),
            problem: problem.to_owned(),
        };
        let policy = self.policy;
        if !(6..=10).contains(&policy.digits) {
            return Err(refused("digits must be between 6 and 10"));
        }
        if policy.lifetime.is_zero() || policy.lifetime > Duration::from_secs(3600) {
            return Err(refused("lifetime must be more than zero and at most 1 hour"));
        }
        if !(1..=10).contains(&policy.tries) {
            return Err(refused("tries must be between 1 and 10"));
        }
        if core.outbox.is_none() {
            return Err(refused("a mailer is required: add .mailer(…)"));
        }
        registry.offer(policy);
        let service = EmailCodeService::new(core);
        routes::register(registry, &service);
        Ok(service)
    }
}
