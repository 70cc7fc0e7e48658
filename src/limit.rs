//! How often one may guess, and how many messages one may cause.
//!
//! What is guaranteed: an attempt is counted in the store, atomically and before any work is
//! done for it, by what was submitted, so an unknown address is limited like a known one and
//! several nodes count together. A success gives back its own counter alone. What a deployment
//! can break: without a client address (see [`trusted_proxy`](crate::AuthBuilder::trusted_proxy)
//! and `into_make_service_with_connect_info`) there is no limit for each network.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind},
    event::{Event, EventKind, EventSink},
    store::{LimitRule, LimitStore},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The knobs of limits.
///
/// | knob | default | why |
/// |---|---|---|
/// | `enabled` | on | off: only in front of a limit of your own |
/// | `free_failures` | 5 | typing errors cost nothing |
/// | `first_delay`, `longest_delay` | 1 second, 15 minutes | doubled by each further failure; 96 guesses a day at most |
/// | `most_failures` | 100 | then a password is not tried for a day (NIST SP 800-63B-4 §3.2.2); a reset, a passkey or a provider still sign in |
/// | `network_failures` | 100 an hour | for an address of origin, /64 for IPv6 |
/// | `wrong_codes` | 20 an hour | for an address, however many codes are asked for |
/// | `mails` | 10 an hour | to an address |
/// | `network_mails` | 60 an hour | from an address of origin |
/// | `ceremonies` | 300 an hour | options for passkeys, from an address of origin |
/// | `all_failures`, `all_mails` | none | for the whole application, an hour; whoever reaches it shuts everybody out |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LimitOptions {
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
    /// Wrong codes an hour for an account.
    pub wrong_codes: u32,
    /// Messages an hour to one address.
    pub mails: u32,
    /// Messages an hour that one network causes.
    pub network_mails: u32,
    /// Options for passkeys that an address of origin may ask for in an hour.
    pub ceremonies: u32,
    /// Failures an hour, all together.
    pub all_failures: Option<u32>,
    /// Messages an hour, all together.
    pub all_mails: Option<u32>,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            free_failures: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(15 * 60),
            most_failures: 100,
            network_failures: 100,
            wrong_codes: 20,
            mails: 10,
            network_mails: 60,
            ceremonies: 300,
            all_failures: None,
            all_mails: None,
        }
    }
}

impl LimitOptions {
    /// No limits at all.
    pub fn off() -> Self {
        Self { enabled: false, ..Self::default() }
    }
}

/// What is guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    Password,
    Code,
}

/// An attempt that was counted.
#[derive(Debug)]
#[must_use = "a success gives back what was counted"]
pub(crate) struct Counted {
    account: Option<(Digest, Guess)>,
    shared: Vec<Digest>,
}

/// Counts.
#[derive(Clone)]
pub(crate) struct Limits {
    store: Arc<dyn LimitStore>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    options: LimitOptions,
}

impl Limits {
    pub(crate) fn new(
        store: Arc<dyn LimitStore>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        options: LimitOptions,
    ) -> Self {
        Self { store, clock, events, options }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.options.enabled
    }

    /// Counts an attempt before anything is done for it. `account` is what was submitted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] with `retry_after`; then nothing is counted.
    pub(crate) async fn guess(
        &self,
        guess: Guess,
        account: &str,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        let options = &self.options;
        let mut counted = Counted { account: None, shared: Vec::new() };
        if !options.enabled {
            return Ok(counted);
        }
        let shared = [
            ip.map(|ip| (key("failures from", &group(ip)), options.network_failures)),
            options.all_failures.map(|most| (key("failures", ""), most)),
        ];
        let mut refused = None;
        for (key, most) in shared.into_iter().flatten() {
            refused = self.store.count(&key, &window(most, HOUR), self.clock.now()).await?;
            if refused.is_some() {
                break;
            }
            counted.shared.push(key);
        }
        if refused.is_none() {
            let (name, rule) = match guess {
                Guess::Password => ("password of", self.growing()),
                Guess::Code => ("codes of", window(options.wrong_codes, HOUR)),
            };
            let key = key(name, account);
            refused = self.store.count(&key, &rule, self.clock.now()).await?;
            counted.account = Some((key, guess));
        }
        let Some(until) = refused else { return Ok(counted) };
        for key in &counted.shared {
            self.store.uncount(key).await?;
        }
        Err(self.refuse(ErrorKind::TooManyAttempts, until, ip))
    }

    /// Gives back what an attempt counted that succeeded.
    pub(crate) async fn succeeded(&self, counted: Counted) -> Result<(), AuthError> {
        match counted.account {
            Some((key, Guess::Password)) => self.store.forget(&key).await?,
            Some((key, Guess::Code)) => self.store.uncount(&key).await?,
            None => {}
        }
        for key in counted.shared {
            self.store.uncount(&key).await?;
        }
        Ok(())
    }

    /// Forgets the failures of an account: its owner has proved who they are in another way.
    pub(crate) async fn forget_password(&self, account: &str) -> Result<(), AuthError> {
        Ok(self.store.forget(&key("password of", account)).await?)
    }

    /// Counts a message before it is written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn mail(&self, to: &str, ip: Option<&str>) -> Result<(), AuthError> {
        let options = &self.options;
        if !options.enabled {
            return Ok(());
        }
        let keys = [
            ip.map(|ip| (key("mails from", &group(ip)), options.network_mails)),
            Some((key("mails to", to), options.mails)),
            options.all_mails.map(|most| (key("mails", ""), most)),
        ];
        for (key, most) in keys.into_iter().flatten() {
            let refused = self.store.count(&key, &window(most, HOUR), self.clock.now()).await?;
            if let Some(until) = refused {
                return Err(self.refuse(ErrorKind::RateLimited, until, ip));
            }
        }
        Ok(())
    }

    /// Counts a request for the options of a ceremony.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn ceremony(&self, ip: Option<&str>) -> Result<(), AuthError> {
        if !self.options.enabled {
            return Ok(());
        }
        let key = key("ceremonies from", &ip.map(group).unwrap_or_default());
        let rule = window(self.options.ceremonies, HOUR);
        match self.store.count(&key, &rule, self.clock.now()).await? {
            Some(until) => Err(self.refuse(ErrorKind::RateLimited, until, ip)),
            None => Ok(()),
        }
    }

    /// Whether a message of this sort may go to an address, one in an interval; otherwise when.
    pub(crate) async fn interval(
        &self,
        sort: &str,
        to: &str,
        interval: Duration,
    ) -> Result<Option<Timestamp>, AuthError> {
        if interval.is_zero() {
            return Ok(None);
        }
        let key = key(sort, to);
        Ok(self.store.count(&key, &window(1, interval), self.clock.now()).await?)
    }

    pub(crate) async fn sweep(&self, batch: u32) -> Result<u64, AuthError> {
        Ok(self.store.sweep_limits(self.clock.now(), batch).await?)
    }

    fn growing(&self) -> LimitRule {
        LimitRule {
            most: self.options.most_failures,
            window: DAY,
            since_last: true,
            free: self.options.free_failures,
            delay: self.options.first_delay,
            longest_delay: self.options.longest_delay,
        }
    }

    fn refuse(&self, kind: ErrorKind, until: Timestamp, ip: Option<&str>) -> AuthError {
        let now = self.clock.now();
        self.events.record(Event::new(EventKind::LimitReached, now).ip(ip).reason(kind.code()));
        let left = until.duration_since(now).as_millis().max(0);
        let seconds = u64::try_from(left).unwrap_or_default().div_ceil(1000).max(1);
        AuthError::new(kind).with_member("retry_after", seconds)
    }
}

fn window(most: u32, window: Duration) -> LimitRule {
    let (delay, longest_delay) = (Duration::ZERO, Duration::ZERO);
    LimitRule { most, window, since_last: false, free: u32::MAX, delay, longest_delay }
}

/// Hashed: what was submitted may be anything, a password in the wrong field too.
fn key(name: &str, of: &str) -> Digest {
    Digest::of(Domain::LIMIT, format!("{name}\0{of}").as_bytes())
}

/// The network that counts as one: an IPv4 address, or the /64 that a customer is given.
fn group(ip: &str) -> String {
    match ip.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(ip)) => ip.to_string(),
        Err(_) => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_is_one_network_however_it_is_spelled() {
        // F10
        for ip in [
            "2001:db8:0:1::1",
            "2001:db8:0:1::2",
            "2001:0DB8:0000:0001:ffff::",
            "2001:db8::1:0:0:0:9",
        ] {
            assert_eq!(group(ip), "2001:db8:0:1::/64", "{ip}");
        }
        assert_eq!(group("::ffff:198.51.100.1"), group("198.51.100.1"));
        assert_ne!(group("2001:db8:0:2::1"), group("2001:db8:0:1::1"));
    }
}
