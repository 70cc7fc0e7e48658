//! Rate limits on failed attempts and on messages.
//!
//! An attempt is counted in the store, atomically and before any work is done for it. The key is
//! the submitted text, so unknown email addresses are limited like registered ones, and all
//! processes on one database share the counters. A success resets only its own counter. Each
//! counter has one purpose: attempts by unauthenticated clients do not use up the counters of
//! requests that need a first factor or a session.
//!
//! Without a client IP address (see [`trusted_proxy`](crate::AuthBuilder::trusted_proxy) and
//! `into_make_service_with_connect_info`) there are no limits by network.

mod flows;
mod options;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(crate) use flows::FlowLimit;
pub use options::RateLimits;

use jiff::Timestamp;

use crate::{
    clock::Clock,
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind, after_commit},
    event::{Event, EventKind, EventSink},
    network,
    store::{Allowance, ChallengeKind, Count, GrowingDelay, LimitRule, LimitStore},
};

const HOUR: Duration = Duration::from_secs(3600);
/// The time for which one request can reserve the next message of a challenge.
const RESEND: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The kind of an attempt, which selects its counters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// A password at sign-in.
    Password,
    /// A password at sign-in from a device that signed in to the account before.
    PasswordFrom(Digest),
    /// The current password, on a session of the user.
    OwnPassword,
    /// A code.
    Code(ChallengeKind),
    /// An answer to a second factor at a sign-in, by its name.
    Factor(&'static str),
    /// An answer to a second factor at a step-up, by its name.
    OwnFactor(&'static str),
    /// A secret of a flow outside this crate, by the name of its limit.
    Flow(&'static str),
    /// The same, from a device that signed in to the account before.
    FlowFrom(&'static str, Digest),
}

impl Guess {
    /// Returns whether the attempt needs neither a first factor nor a session.
    fn is_open(self) -> bool {
        matches!(
            self,
            Self::Password
                | Self::Code(ChallengeKind::SignUp | ChallengeKind::Custom(_))
                | Self::Flow(_)
        )
    }

    fn key(self, account: &str) -> Digest {
        match self {
            Self::Password => key("password of", account),
            Self::PasswordFrom(device) => {
                key("password from", &format!("{}\0{account}", device.to_base64()))
            }
            Self::OwnPassword => key("own password of", account),
            Self::Code(kind) => key("codes of", &format!("{}\0{account}", kind.as_str())),
            Self::Factor(name) => key("answers of", &format!("{name}\0{account}")),
            Self::OwnFactor(name) => key("own answers of", &format!("{name}\0{account}")),
            Self::Flow(name) => key("guesses of", &format!("{name}\0{account}")),
            Self::FlowFrom(name, device) => {
                let device = device.to_base64();
                key("guesses from", &format!("{name}\0{device}\0{account}"))
            }
        }
    }
}

/// An attempt that was counted.
#[derive(Debug)]
#[must_use = "a success must reset the counters"]
pub(crate) struct Counted {
    account: Option<(Digest, Guess)>,
    shared: Vec<Digest>,
    is_last: bool,
}

impl Counted {
    /// Returns whether a failure of this attempt locks password sign-in for a day.
    pub(crate) fn locks_account(&self) -> bool {
        self.is_last && matches!(self.account, Some((_, Guess::Password)))
    }
}

/// The rate limits, counted in the store.
#[derive(Clone)]
pub(crate) struct Limits {
    store: Arc<dyn LimitStore>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn EventSink>,
    options: RateLimits,
    /// Whether a peer with a local IP address must be a proxy that is not configured: every origin
    /// of the application is https, and no proxy is trusted.
    unnamed_proxy: bool,
    said: Arc<OnceLock<()>>,
}

impl Limits {
    pub(crate) fn new(
        store: Arc<dyn LimitStore>,
        clock: Arc<dyn Clock>,
        events: Arc<dyn EventSink>,
        options: RateLimits,
        unnamed_proxy: bool,
    ) -> Self {
        Self { store, clock, events, options, unnamed_proxy, said: Arc::default() }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.options.enabled
    }

    /// Returns the network that an IP address is counted for, if it is known.
    fn network(&self, ip: Option<&str>) -> Option<String> {
        let ip = ip?;
        if self.unnamed_proxy && network::is_local(ip) {
            self.said.get_or_init(|| {
                tracing::warn!(
                    "requests come from {ip} although the origin is https: the proxy is not \
                     trusted, and limits by network do not apply; add \
                     .trusted_proxy(\"{ip}\")"
                );
            });
            return None;
        }
        Some(network::group(ip))
    }

    /// Returns the key that password hashing is queued by: the network, or the account if it is
    /// unknown.
    pub(crate) fn turn(&self, ip: Option<&str>, account: &str) -> String {
        self.network(ip).unwrap_or_else(|| account.to_owned())
    }

    /// Counts an attempt before any work is done for it. `account` is the submitted text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] with `retry_after`; no counter is changed then.
    pub(crate) async fn guess(
        &self,
        guess: Guess,
        account: &str,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        let options = &self.options;
        let mut counted = Counted { account: None, shared: Vec::new(), is_last: false };
        if !options.enabled {
            return Ok(counted);
        }
        let from = if guess.is_open() { "failures from" } else { "failures inside from" };
        let shared = [
            self.network(ip).map(|network| (key(from, &network), options.network_failures)),
            options.all_failures.map(|most| (key("failures", ""), most)),
        ];
        let mut refused = None;
        for (key, most) in shared.into_iter().flatten() {
            refused = self.refused(&key, &window(most, HOUR)).await?;
            if refused.is_some() {
                break;
            }
            counted.shared.push(key);
        }
        if refused.is_none() {
            let rule = match guess {
                Guess::Code(_) | Guess::Factor(_) | Guess::OwnFactor(_) => {
                    window(options.wrong_codes, HOUR)
                }
                _ => self.growing(),
            };
            let key = guess.key(account);
            match self.store.count(&key, &rule, self.clock.now()).await? {
                Count::Counted(count) => counted.is_last = count >= rule.most,
                Count::Refused(until) => refused = Some(until),
            }
            counted.account = Some((key, guess));
        }
        let Some(until) = refused else { return Ok(counted) };
        for key in &counted.shared {
            self.store.uncount(key).await?;
        }
        Err(self.refuse(ErrorKind::TooManyAttempts, until, ip))
    }

    /// Resets the counters of an attempt that succeeded. If the store fails, the attempt stays
    /// counted.
    pub(crate) async fn succeeded(&self, counted: Counted) {
        let what = "a successful attempt stays counted";
        if let Some((key, guess)) = counted.account {
            let given_back = match guess {
                Guess::Code(_) | Guess::Factor(_) | Guess::OwnFactor(_) => self.store.uncount(&key),
                _ => self.store.forget(&key),
            };
            after_commit(what, given_back).await;
        }
        for key in counted.shared {
            after_commit(what, self.store.uncount(&key)).await;
        }
    }

    /// Deletes the failures of an account, whose user authenticated in another way.
    pub(crate) async fn forget_password(&self, account: &str) {
        let key = Guess::Password.key(account);
        after_commit("the failures of a password stay counted", self.store.forget(&key)).await;
    }

    /// Counts a message requested from a network, before its email address is looked up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn mail_from(&self, purpose: &str, ip: Option<&str>) -> Result<(), AuthError> {
        let from = if is_open(purpose) { "mails from" } else { "mails inside from" };
        let network = self.network(ip);
        self.volume(from, network.as_deref(), self.options.network_mails, ip).await?;
        match self.options.all_mails {
            Some(most) => self.volume("mails", Some(""), most, ip).await,
            None => Ok(()),
        }
    }

    /// Counts a message to an email address before it is created. Returns `None`, or the time at
    /// which one can be sent. `every` is the interval after which one more message is allowed.
    pub(crate) async fn mail_to(
        &self,
        purpose: &str,
        to: &str,
        every: Duration,
    ) -> Result<Option<Timestamp>, AuthError> {
        let an_hour = self.options.enabled.then_some(self.options.mails);
        if every.is_zero() && !self.options.enabled {
            return Ok(None);
        }
        let allowance = Allowance { at_once: self.options.mails_at_once.max(1), every, an_hour };
        let key = key("mails to", &format!("{purpose}\0{to}"));
        Ok(match self.store.take(&key, &allowance, self.clock.now()).await? {
            Count::Counted(_) => None,
            Count::Refused(until) => Some(until),
        })
    }

    /// Reserves the next message of a challenge whose last message had this code, so that
    /// concurrent requests count and send one message. Returns the reservation, to be released if
    /// no message is sent, or `None` if another request has it.
    pub(crate) async fn reserve_resend(
        &self,
        challenge: &Digest,
        code: Option<Digest>,
    ) -> Result<Option<Digest>, AuthError> {
        let code = code.map(Digest::to_base64).unwrap_or_default();
        let of = format!("{}\0{code}", challenge.to_base64());
        let key = key("resend of", &of);
        let refused = self.refused(&key, &window(1, RESEND)).await?;
        Ok(refused.is_none().then_some(key))
    }

    /// Releases a reservation.
    pub(crate) async fn release_resend(&self, reserved: &Digest) {
        after_commit("a message is sent again later", self.store.forget(reserved)).await;
    }

    /// Returns whether one more request can be queued until a message to its email address is
    /// allowed.
    pub(crate) async fn may_wait(&self, purpose: &str, to: &str) -> Result<bool, AuthError> {
        let key = key("waits for", &format!("{purpose}\0{to}"));
        Ok(self.refused(&key, &window(self.options.mails, HOUR)).await?.is_none())
    }

    /// Counts a sign-up before any work is done for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn sign_up(&self, ip: Option<&str>) -> Result<(), AuthError> {
        let network = self.network(ip);
        self.volume("sign-ups from", network.as_deref(), self.options.network_sign_ups, ip).await
    }

    /// Counts the start of a ceremony.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::RateLimited`] with `retry_after`.
    pub(crate) async fn ceremony(&self, ip: Option<&str>) -> Result<(), AuthError> {
        let network = self.network(ip);
        self.volume("ceremonies from", network.as_deref(), self.options.ceremonies, ip).await
    }

    async fn volume(
        &self,
        name: &str,
        of: Option<&str>,
        most: u32,
        ip: Option<&str>,
    ) -> Result<(), AuthError> {
        self.volume_in(name, of, most, HOUR, ip).await
    }

    async fn volume_in(
        &self,
        name: &str,
        of: Option<&str>,
        most: u32,
        time: Duration,
        ip: Option<&str>,
    ) -> Result<(), AuthError> {
        let Some(of) = of.filter(|_| self.options.enabled) else { return Ok(()) };
        match self.refused(&key(name, of), &window(most, time)).await? {
            Some(until) => Err(self.refuse(ErrorKind::RateLimited, until, ip)),
            None => Ok(()),
        }
    }

    async fn refused(
        &self,
        key: &Digest,
        rule: &LimitRule,
    ) -> Result<Option<Timestamp>, AuthError> {
        Ok(match self.store.count(key, rule, self.clock.now()).await? {
            Count::Counted(_) => None,
            Count::Refused(until) => Some(until),
        })
    }

    pub(crate) async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, AuthError> {
        Ok(self.store.sweep_limits(now, batch).await?)
    }

    fn growing(&self) -> LimitRule {
        LimitRule {
            most: self.options.most_failures,
            window: DAY,
            since_last: true,
            delays: Some(GrowingDelay {
                free: self.options.free_failures,
                first: self.options.first_delay,
                longest: self.options.longest_delay,
            }),
        }
    }

    fn refuse(&self, kind: ErrorKind, until: Timestamp, ip: Option<&str>) -> AuthError {
        let now = self.clock.now();
        self.events.record(Event::new(EventKind::LimitReached, now).ip(ip).reason(kind.code()));
        let left = until.duration_since(now).as_millis().max(0);
        let seconds = u64::try_from(left).unwrap_or_default().div_ceil(1000).max(1);
        AuthError::new(kind).with_extension("retry_after", seconds)
    }
}

/// Returns whether unauthenticated clients can request a message of this purpose.
fn is_open(purpose: &str) -> bool {
    !matches!(purpose, "sign_in" | "password_change" | "email_change" | "step_up")
}

fn window(most: u32, window: Duration) -> LimitRule {
    LimitRule { most, window, since_last: false, delays: None }
}

/// Returns the hashed key of a counter. The submitted text may be anything, even a password.
fn key(name: &str, of: &str) -> Digest {
    Digest::hash(Domain::LIMIT, format!("{name}\0{of}").as_bytes())
}
