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
mod guess;
mod options;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(crate) use flows::FlowLimit;
pub(crate) use guess::{Counted, Guess};
pub use options::RateLimits;

use jiff::Timestamp;

use crate::{
    clock::Clock,
    crypto::digest::{Digest, Domain},
    error::{AuthError, ErrorKind, after_commit},
    event::{Event, EventKind, EventSink},
    network,
    store::{Allowance, Count, LimitRule, LimitStore},
};

const HOUR: Duration = Duration::from_secs(3600);
/// The time for which one request can reserve the next message of a challenge.
const RESEND: Duration = Duration::from_secs(60);

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
    !matches!(
        purpose,
        "sign_in" | "password_change" | "email_change" | "step_up" | "recovery_request"
    )
}

fn window(most: u32, window: Duration) -> LimitRule {
    LimitRule { most, window, since_last: false, delays: None }
}

/// Returns the hashed key of a counter. The submitted text may be anything, even a password.
fn key(name: &str, of: &str) -> Digest {
    Digest::hash(Domain::LIMIT, format!("{name}\0{of}").as_bytes())
}
