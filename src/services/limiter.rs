//! Rate limits of flows outside this crate.

use std::{fmt, time::Duration};

use super::{Client, Services};
use crate::{
    error::AuthError,
    hook::Purpose,
    limit::{Counted, FlowLimit, Guess},
};

/// Options of a rate limit.
///
/// ```
/// use authlayer::services::RateLimit;
///
/// let limit = RateLimit::per_hour().max_per_key(5).max_per_network(60);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct RateLimit {
    window: Duration,
    per_key: Option<u32>,
    per_network: Option<u32>,
    is_of_guesses: bool,
}

impl RateLimit {
    /// Creates a limit for a time window, without a maximum.
    pub fn per(window: Duration) -> Self {
        Self { window, per_key: None, per_network: None, is_of_guesses: false }
    }

    /// Creates a limit for attempts to guess a secret, with the
    /// [`RateLimits`](crate::RateLimits) of passwords: five failures per key cause no delay, and
    /// each further one doubles it. A device that signed in to the account before has a counter of
    /// its own if the key is the id or the email address of the user.
    ///
    /// ```
    /// use authlayer::{Registry, services::{Limiter, RateLimit}};
    ///
    /// fn pins(registry: &mut Registry) -> Limiter {
    ///     registry.rate_limit("pins", RateLimit::guesses())
    /// }
    /// ```
    pub fn guesses() -> Self {
        Self { is_of_guesses: true, ..Self::per_hour() }
    }

    /// Creates a limit per hour, without a maximum.
    pub fn per_hour() -> Self {
        Self::per(Duration::from_secs(3600))
    }

    /// Sets the maximum per key, such as a phone number.
    pub fn max_per_key(mut self, max: u32) -> Self {
        self.per_key = Some(max);
        self
    }

    /// Sets the maximum per network: an IPv4 address, or a /64 of IPv6.
    pub fn max_per_network(mut self, max: u32) -> Self {
        self.per_network = Some(max);
        self
    }
}

/// A rate limit of one purpose. All processes on one database share its counters.
#[derive(Clone)]
pub struct Limiter {
    services: Services,
    name: &'static str,
    limit: RateLimit,
}

impl Limiter {
    pub(crate) fn new(services: Services, name: &'static str, limit: RateLimit) -> Self {
        Self { services, name, limit }
    }

    /// Counts one use by this client and for this key. If the limit of the network is exceeded,
    /// nothing is counted for the key.
    ///
    /// # Errors
    ///
    /// [`RateLimited`](crate::ErrorKind::RateLimited) with `retry_after`, in seconds;
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn count(&self, client: &Client, key: &str) -> Result<(), AuthError> {
        let core = self.services.core()?;
        client.begin(&core, Purpose::Custom(self.name)).await?;
        let RateLimit { window, per_key, per_network, .. } = self.limit;
        let ip = client.info().ip.as_deref();
        if let Some(most) = per_network {
            core.limits.of_network(self.name, most, window, ip).await?;
        }
        match per_key {
            Some(most) => core.limits.of_key(self.name, key, most, window, ip).await,
            None => Ok(()),
        }
    }

    /// Counts an attempt by this client and for this key before the secret is compared. It stays
    /// counted as a failure unless it [succeeds](Attempt::succeeded).
    ///
    /// ```
    /// use authlayer::{AuthError, Client, ErrorKind, services::Limiter};
    ///
    /// async fn check(pins: &Limiter, client: &Client, card: &str, pin: &str) -> Result<(), AuthError> {
    ///     let attempt = pins.attempt(client, card).await?;
    ///     # let is_right = |_: &str, _: &str| true;
    ///     if !is_right(card, pin) {
    ///         return Err(ErrorKind::InvalidCredentials.into());
    ///     }
    ///     attempt.succeeded().await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TooManyAttempts`](crate::ErrorKind::TooManyAttempts) with `retry_after`, in seconds;
    /// nothing is counted then. [`Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn attempt(&self, client: &Client, key: &str) -> Result<Attempt, AuthError> {
        let core = self.services.core()?;
        client.begin(&core, Purpose::Custom(self.name)).await?;
        let ip = client.info().ip.as_deref();
        let RateLimit { window, per_key, per_network, is_of_guesses } = self.limit;
        let counted = match is_of_guesses {
            true => {
                let device = core.find_device(client.device_token().as_deref()).await?;
                let known = device.filter(|device| {
                    let is_user = device.user_id.as_ref().is_some_and(|own| own.as_str() == key);
                    is_user || device.address.as_ref().is_some_and(|own| own.as_str() == key)
                });
                let guess = match known {
                    Some(device) => Guess::FlowFrom(self.name, device.id),
                    None => Guess::Flow(self.name),
                };
                core.limits.guess(guess, key, ip).await?
            }
            false => {
                let limit = FlowLimit { name: self.name, window, per_key, per_network };
                core.limits.attempt(limit, key, ip).await?
            }
        };
        Ok(Attempt { services: self.services.clone(), counted })
    }

    /// Deletes the attempts that were counted for a key, for example after its user authenticated in another way.
    ///
    /// ```
    /// # use authlayer::{AuthError, services::Limiter};
    /// # async fn doc(pins: Limiter, card: &str) -> Result<(), AuthError> {
    /// pins.reset(card).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn reset(&self, key: &str) -> Result<(), AuthError> {
        self.services.core()?.limits.reset(self.name, key).await
    }
}

/// An attempt that was counted, from [`Limiter::attempt`].
///
/// ```
/// # use authlayer::{AuthError, services::Attempt};
/// async fn accept(attempt: Attempt) -> Result<(), AuthError> {
///     attempt.succeeded().await
/// }
/// ```
#[must_use = "an attempt that is dropped stays counted as a failure"]
pub struct Attempt {
    services: Services,
    counted: Counted,
}

impl Attempt {
    /// Takes the attempt back. For [guesses](RateLimit::guesses), the failures of the key are
    /// deleted too. [`VerifiedFactor::guess`](super::VerifiedFactor::guess) does this by itself.
    ///
    /// ```
    /// # use authlayer::{AuthError, services::Attempt};
    /// # async fn doc(attempt: Attempt) -> Result<(), AuthError> {
    /// attempt.succeeded().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable) as for all methods of the services.
    pub async fn succeeded(self) -> Result<(), AuthError> {
        self.services.core()?.limits.succeeded(self.counted).await;
        Ok(())
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("name", &self.name).finish_non_exhaustive()
    }
}
