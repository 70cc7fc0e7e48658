//! Options of sessions.

use std::time::Duration;

use jiff::Timestamp;

use super::CookieOptions;
use crate::{
    clock::after,
    error::{AuthError, ErrorKind},
    model::{BindingKind, RefreshPolicy, Transport},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// The validity of a refresh token, and the maximum lifetime, of a session that is not persistent.
const BROWSER_SESSION_IDLE: Duration = Duration::from_secs(DAY / 2);
const BROWSER_SESSION: Duration = Duration::from_secs(DAY);

/// The maximum validity of an access token of a session that is bound to a browser: a stolen cookie is
/// not usable for longer.
const DEVICE_BOUND_ACCESS: Duration = Duration::from_secs(10 * MINUTE);

/// Browsers limit the lifetime of a cookie to 400 days (RFC 6265bis §5.5).
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * DAY);

/// The enabled token transports.
///
/// ```
/// use authlayer::{SessionOptions, TokenTransports};
///
/// let options = SessionOptions::default().transports(TokenTransports::Bearer);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenTransports {
    /// Cookies and bearer tokens. A sign-in selects the transport; the default is cookies.
    #[default]
    Both,
    /// Cookies only; the `Authorization` header is not read.
    Cookie,
    /// Bearer tokens only; no cookie is read or set.
    Bearer,
}

/// Options of sessions.
///
/// | option | default | reason |
/// |---|---|---|
/// | `access_ttl` | 15 minutes | a leaked access token expires soon |
/// | `refresh_ttl` | 30 days | a user who returns once a month stays signed in |
/// | `max_lifetime` | 90 days | it is never extended; the user signs in again |
/// | `fresh` | 10 minutes | how long a verification counts as recent authentication for sensitive changes |
/// | `max_per_user` | 100 | maximum sessions of a user; a new one ends the oldest |
/// | `refresh` | see [`RefreshPolicy`] | |
/// | `clear_site_data` | off | if on, a sign-out clears the cache and the storage of the whole origin |
/// | `cookie` | see [`CookieOptions`] | |
/// | `mode` | both | browsers use cookies, other clients bearer tokens |
/// | `cache` | see [`CacheOptions`] | avoids a query per request |
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::{AuthBuilder, SessionOptions};
///
/// fn configure(builder: AuthBuilder) -> AuthBuilder {
///     let day = Duration::from_secs(24 * 60 * 60);
///     builder.session_options(SessionOptions::default().max_lifetime(7 * day))
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The validity of an access token.
    pub access_ttl: Duration,
    /// The validity of a refresh token, which each use extends.
    pub refresh_ttl: Duration,
    /// The maximum lifetime of a session.
    pub max_lifetime: Duration,
    /// The time for which the verification of a factor counts as recent authentication.
    pub fresh: Duration,
    /// The maximum number of sessions of a user. A new session ends the oldest ones beyond that,
    /// with an event [`SessionRevoked`](crate::EventKind::SessionRevoked) of reason `max_per_user`
    /// for each. `None` allows any number.
    pub max_per_user: Option<u32>,
    /// Whether a sign-out clears the cache and the storage of the origin (`Clear-Site-Data`).
    pub clear_site_data: bool,
    /// The rotation of refresh tokens.
    pub refresh: RefreshPolicy,
    /// The names and attributes of cookies.
    pub cookie: CookieOptions,
    /// The enabled transports.
    pub mode: TokenTransports,
    /// The cache of verified sessions. `None` disables it, and each request queries the store.
    pub cache: Option<CacheOptions>,
}

/// Options of the in-memory cache of sessions.
///
/// | option | default | reason |
/// |---|---|---|
/// | `entries` | 100,000 | maximum number of cached sessions; the least recently used is evicted |
/// | `bytes` | 64 MiB | maximum size of all entries, estimated |
/// | `max_age` | 5 seconds | after this time a session is fetched again in any case |
///
/// ```
/// use std::time::Duration;
///
/// use authlayer::{CacheOptions, SessionOptions};
///
/// let cache = CacheOptions::default().max_entries(10_000).max_age(Duration::from_secs(1));
/// let options = SessionOptions::default().cache(Some(cache));
/// ```
///
/// # Security
///
/// `max_age` is the maximum delay of a change that was not reported, for example one that the
/// application made in its own tables or behind its own resolver without calling
/// [`Users::notify_changed`](crate::users::Users::notify_changed). Changes through this crate take
/// effect at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// The maximum number of cached sessions.
    pub entries: usize,
    /// The maximum size of all entries, in bytes.
    pub bytes: usize,
    /// The maximum age of an entry.
    pub max_age: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { entries: 100_000, bytes: 64 << 20, max_age: Duration::from_secs(5) }
    }
}

impl CacheOptions {
    /// Sets [`entries`](Self::entries).
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Sets [`bytes`](Self::bytes).
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets [`max_age`](Self::max_age).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            access_ttl: Duration::from_secs(15 * MINUTE),
            refresh_ttl: Duration::from_secs(30 * DAY),
            max_lifetime: Duration::from_secs(90 * DAY),
            fresh: Duration::from_secs(10 * MINUTE),
            max_per_user: Some(100),
            clear_site_data: false,
            refresh: RefreshPolicy::default(),
            cookie: CookieOptions::default(),
            mode: TokenTransports::Both,
            cache: Some(CacheOptions::default()),
        }
    }
}

impl SessionOptions {
    /// Sets [`access_ttl`](Self::access_ttl).
    #[must_use]
    pub fn access_ttl(mut self, ttl: Duration) -> Self {
        self.access_ttl = ttl;
        self
    }

    /// Sets [`refresh_ttl`](Self::refresh_ttl).
    #[must_use]
    pub fn refresh_ttl(mut self, ttl: Duration) -> Self {
        self.refresh_ttl = ttl;
        self
    }

    /// Sets [`max_lifetime`](Self::max_lifetime).
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Sets [`fresh`](Self::fresh).
    #[must_use]
    pub fn reauth_window(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// Sets [`max_per_user`](Self::max_per_user).
    #[must_use]
    pub fn max_per_user(mut self, sessions: Option<u32>) -> Self {
        self.max_per_user = sessions;
        self
    }

    /// Sets [`clear_site_data`](Self::clear_site_data).
    #[must_use]
    pub fn clear_site_data(mut self, clear: bool) -> Self {
        self.clear_site_data = clear;
        self
    }

    /// Sets [`refresh`](Self::refresh).
    #[must_use]
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = policy;
        self
    }

    /// Sets [`cookie`](Self::cookie).
    #[must_use]
    pub fn cookie(mut self, options: CookieOptions) -> Self {
        self.cookie = options;
        self
    }

    /// Sets [`mode`](Self::mode).
    #[must_use]
    pub fn transports(mut self, mode: TokenTransports) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`cache`](Self::cache).
    #[must_use]
    pub fn cache(mut self, cache: Option<CacheOptions>) -> Self {
        self.cache = cache;
        self
    }

    /// Returns the transport of a sign-in that requested `asked`, or the default one for `None`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TransportDisabled`] if the requested transport is disabled.
    pub fn resolve_transport(&self, asked: Option<Transport>) -> Result<Transport, AuthError> {
        match (self.mode, asked) {
            (TokenTransports::Bearer, None) => Ok(Transport::Bearer),
            (TokenTransports::Both | TokenTransports::Cookie, None) => Ok(Transport::Cookie),
            (TokenTransports::Both, Some(asked)) => Ok(asked),
            (TokenTransports::Cookie, Some(Transport::Cookie)) => Ok(Transport::Cookie),
            (TokenTransports::Bearer, Some(Transport::Bearer)) => Ok(Transport::Bearer),
            _ => Err(ErrorKind::TransportDisabled.into()),
        }
    }

    /// Returns the maximum lifetime of a session.
    pub(super) fn lifetime(&self, is_persistent: bool) -> Duration {
        if is_persistent { self.max_lifetime } else { self.max_lifetime.min(BROWSER_SESSION) }
    }

    /// Returns the expiry of the access token and of the refresh token that are issued now for a
    /// session that expires at `end`.
    pub(super) fn token_expiry(
        &self,
        (is_persistent, bound): (bool, Option<BindingKind>),
        now: Timestamp,
        end: Timestamp,
    ) -> (Timestamp, Timestamp) {
        let idle = if is_persistent { Duration::MAX } else { BROWSER_SESSION_IDLE };
        let refresh = after(now, self.refresh_ttl.min(idle)).min(end);
        let access = match bound {
            Some(BindingKind::Device) => self.access_ttl.min(DEVICE_BOUND_ACCESS),
            _ => self.access_ttl,
        };
        (after(now, access).min(refresh), refresh)
    }

    pub(crate) fn problem(&self) -> Option<&'static str> {
        let second = Duration::from_secs(1);
        if self.access_ttl < second || self.refresh_ttl < second || self.max_lifetime < second {
            Some("access_ttl, refresh_ttl and max_lifetime must be at least one second")
        } else if self.cache.is_some_and(|cache| cache.entries == 0 || cache.bytes == 0) {
            Some("cache entries and bytes must be at least 1; to disable the cache, set None")
        } else if self.max_per_user == Some(0) {
            Some("max_per_user must be at least 1, or None for any number of sessions; it is 0")
        } else if self.access_ttl > self.refresh_ttl {
            Some("access_ttl exceeds refresh_ttl: access tokens would outlive refresh tokens")
        } else if self.refresh_ttl > LONGEST_COOKIE || self.max_lifetime > LONGEST_COOKIE {
            Some("refresh_ttl and max_lifetime must be at most 400 days")
        } else {
            None
        }
    }
}
