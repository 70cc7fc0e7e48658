//! Codes by e-mail: proof of an address, and a second step of a sign-in.
//!
//! | knob | default | why |
//! |---|---|---|
//! | [`sign_up`](Codes::sign_up) | on | nobody gets an account for somebody else's address |
//! | [`sign_in`](Codes::sign_in) | off | a code after the password, on devices that are not remembered |
//! | [`change`](Codes::change) | off | a code before a password is changed |
//! | [`digits`](Codes::digits) | 6 | with five tries one guess in 200,000 succeeds; 6 to 10 |
//! | [`lifetime`](Codes::lifetime) | 10 minutes | ASVS 6.5.5 |
//! | [`interval`](Codes::interval) | 1 minute | between two messages of one sort to an address |
//! | [`tries`](Codes::tries) | 5 | then the challenge is gone, whatever code comes |
//! | [`remember`](Codes::remember) | 30 days | how long a device is remembered |
//!
//! What is guaranteed: a code opens only the challenge it was sent for, together with the
//! handle that the client which began was given; it is counted before it is compared and works
//! once. A sign-up that waits for its proof has no user. What is refused: see
//! [`CodesService`]. What a deployment can break: whoever reads the mailbox has the codes.

mod routes;
mod service;

use std::time::Duration;

pub use service::{CodesService, Verified};

use super::Flow;
use crate::{config::ConfigError, registry::Registry, services::CodePolicy};

/// The flow, before it is built.
#[derive(Clone, Debug)]
#[must_use]
pub struct Codes {
    policy: CodePolicy,
}

impl Default for Codes {
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

impl Codes {
    /// The flow with its defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether a sign-up, and a sign-in with an address that has no proof, asks for one.
    pub fn sign_up(mut self, ask: bool) -> Self {
        self.policy.sign_up = ask;
        self
    }

    /// Sets whether a sign-in asks for a code.
    pub fn sign_in(mut self, ask: bool) -> Self {
        self.policy.sign_in = ask;
        self
    }

    /// Sets whether a change of password asks for a code.
    pub fn change(mut self, ask: bool) -> Self {
        self.policy.change = ask;
        self
    }

    /// Replaces how many digits a code has.
    pub fn digits(mut self, digits: u32) -> Self {
        self.policy.digits = digits;
        self
    }

    /// Replaces how long a code is good.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.policy.lifetime = lifetime;
        self
    }

    /// Replaces how long an address waits for the next message.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.policy.interval = interval;
        self
    }

    /// Replaces how often one may try.
    pub fn tries(mut self, tries: u32) -> Self {
        self.policy.tries = tries;
        self
    }

    /// Replaces how long a device is remembered.
    pub fn remember(mut self, duration: Duration) -> Self {
        self.policy.remember = duration;
        self
    }
}

impl Flow for Codes {
    type Service = CodesService;

    fn name(&self) -> &str {
        "email_codes"
    }

    fn register(self, registry: &mut Registry) -> Result<CodesService, ConfigError> {
        let core = registry.core();
        let refused = |problem: &str| ConfigError::Flow {
            flow: "codes".to_owned(),
            problem: problem.to_owned(),
        };
        let policy = self.policy;
        if !(6..=10).contains(&policy.digits) {
            return Err(refused("a code has 6 to 10 digits"));
        }
        if policy.lifetime.is_zero() || policy.lifetime > Duration::from_secs(3600) {
            return Err(refused("a code is good for an hour at most"));
        }
        if !(1..=10).contains(&policy.tries) {
            return Err(refused("a code is tried 1 to 10 times"));
        }
        if core.outbox.is_none() {
            return Err(refused("codes are mailed: give a .mailer(…)"));
        }
        registry.offer(policy);
        let service = CodesService::new(core);
        routes::register(registry, &service);
        Ok(service)
    }
}
