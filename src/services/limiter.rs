//! Rate limits of flows outside this crate.

use std::{fmt, time::Duration};

use super::{Client, Services};
use crate::{error::AuthError, hook::Purpose};

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
}

impl RateLimit {
    /// Creates a limit for a time window, without a maximum.
    pub fn per(window: Duration) -> Self {
        Self { window, per_key: None, per_network: None }
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
        let RateLimit { window, per_key, per_network } = self.limit;
        let ip = client.info().ip.as_deref();
        if let Some(most) = per_network {
            core.limits.of_network(self.name, most, window, ip).await?;
        }
        match per_key {
            Some(most) => core.limits.of_key(self.name, key, most, window, ip).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("name", &self.name).finish_non_exhaustive()
    }
}
