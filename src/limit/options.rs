//! Options of limits.

use std::time::Duration;

/// The knobs of limits.
///
/// | knob | default | why |
/// |---|---|---|
/// | `enabled` | on | off: only in front of a limit of your own |
/// | `free_failures` | 5 | typing errors cost nothing |
/// | `first_delay`, `longest_delay` | 1 second, 15 minutes | doubled by each further failure; 96 guesses a day at most |
/// | `most_failures` | 100 | then a password is not tried for a day (NIST SP 800-63B-4 §3.2.2); a reset, a passkey or a provider still sign in |
/// | `network_failures` | 100 an hour | for an address of origin, /64 for IPv6 |
/// | `wrong_codes` | 20 an hour | for an account and a purpose, however many codes are asked for |
/// | `mails_at_once` | 3 | to an address for a purpose; the interval of the flow brings one back |
/// | `mails` | 10 an hour | to an address for a purpose |
/// | `network_sign_ups` | 30 an hour | from an address of origin, counted before any hash |
/// | `network_mails` | 60 an hour | from an address of origin |
/// | `ceremonies` | 300 an hour | starts with a passkey or a provider, from an address of origin |
/// | `all_failures`, `all_mails` | none | for the whole application, an hour; whoever reaches it shuts everybody out |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RateLimits {
    /// Whether anything is limited. The interval between two messages is an option of its flow.
    pub enabled: bool,
    /// How many failures for an account cost no delay.
    pub free_failures: u32,
    /// How long the first delay is.
    pub first_delay: Duration,
    /// How long the longest delay is.
    pub longest_delay: Duration,
    /// After how many failures in a row a password is not tried for a day.
    pub most_failures: u32,
    /// Failures an hour from one network.
    pub network_failures: u32,
    /// Wrong codes an hour for an account and a purpose.
    pub wrong_codes: u32,
    /// Messages to one address for one purpose without an interval between them.
    pub mails_at_once: u32,
    /// Messages an hour to one address for one purpose.
    pub mails: u32,
    /// Sign-ups an hour from one network.
    pub network_sign_ups: u32,
    /// Messages an hour that one network causes.
    pub network_mails: u32,
    /// Ceremonies with a passkey or a provider that an address of origin may start in an hour.
    pub ceremonies: u32,
    /// Failures an hour, all together.
    pub all_failures: Option<u32>,
    /// Messages an hour, all together.
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
    /// No limits at all.
    pub fn disabled() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}
