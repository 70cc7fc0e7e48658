//! Options of limits.

use std::time::Duration;

/// Options of rate limits.
///
/// | option | default | reason |
/// |---|---|---|
/// | `enabled` | on | disable it only if the application has its own limits |
/// | `free_failures` | 5 | typing errors cause no delay |
/// | `first_delay`, `longest_delay` | 1 second, 15 minutes | each further failure doubles the delay; at most 96 attempts per day |
/// | `most_failures` | 100 | then password sign-in is locked for a day (NIST SP 800-63B-4 §3.2.2); a reset, a passkey or a provider can still sign in |
/// | `network_failures` | 100 per hour | per client network: an IPv4 address, or a /64 of IPv6 |
/// | `wrong_codes` | 20 per hour | per account and purpose, for any number of codes |
/// | `mails_at_once` | 3 | per email address and purpose; one more is allowed per interval of the flow |
/// | `mails` | 10 per hour | per email address and purpose |
/// | `network_sign_ups` | 30 per hour | per client network, counted before any hash |
/// | `network_mails` | 60 per hour | per client network |
/// | `ceremonies` | 300 per hour | ceremonies with a passkey or a provider, per client network |
/// | `all_failures`, `all_mails` | none | per hour for the whole application; one client that reaches the limit locks out all users |
///
/// ```
/// use authlayer::RateLimits;
///
/// let mut limits = RateLimits::default();
/// limits.network_sign_ups = 10;
/// assert!(limits.enabled && !RateLimits::disabled().enabled);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RateLimits {
    /// Whether limits apply. The interval between two messages is an option of its flow.
    pub enabled: bool,
    /// The number of failures of an account that cause no delay.
    pub free_failures: u32,
    /// The first delay.
    pub first_delay: Duration,
    /// The maximum delay.
    pub longest_delay: Duration,
    /// The number of consecutive failures after which password sign-in is locked for a day.
    pub most_failures: u32,
    /// The maximum number of failures per hour from one network.
    pub network_failures: u32,
    /// The maximum number of wrong codes per hour for an account and a purpose.
    pub wrong_codes: u32,
    /// The number of messages to one email address for one purpose that need no interval between
    /// them.
    pub mails_at_once: u32,
    /// The maximum number of messages per hour to one email address for one purpose.
    pub mails: u32,
    /// The maximum number of sign-ups per hour from one network.
    pub network_sign_ups: u32,
    /// The maximum number of messages per hour that one network requests.
    pub network_mails: u32,
    /// The maximum number of ceremonies with a passkey or a provider per hour that one network
    /// starts.
    pub ceremonies: u32,
    /// The maximum number of failures per hour in the whole application.
    pub all_failures: Option<u32>,
    /// The maximum number of messages per hour in the whole application.
    pub all_mails: Option<u32>,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            enabled: true,
            free_failures: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(15 * 60),
            most_failures: 100,
            network_failures: 100,
            wrong_codes: 20,
            mails_at_once: 3,
            mails: 10,
            network_sign_ups: 30,
            network_mails: 60,
            ceremonies: 300,
            all_failures: None,
            all_mails: None,
        }
    }
}

impl RateLimits {
    /// Returns options without any limits.
    pub fn disabled() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}
