//! How long sessions live and how their tokens travel.

use std::time::Duration;

use super::CookieOptions;
use crate::{
    error::{AuthError, ErrorKind},
    model::{RefreshPolicy, Transport},
};

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Browsers keep a cookie no longer (RFC 6265bis §5.5).
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * DAY);

/// Which transports are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionMode {
    /// Cookies and bearer tokens; a sign-in chooses, cookies by default.
    #[default]
    Both,
    /// Cookies only; the `Authorization` header is not read.
    Cookie,
    /// Bearer tokens only; no cookie is read or set.
    Bearer,
}

/// The knobs of sessions.
///
/// | knob | default | why |
/// |---|---|---|
/// | `access_ttl` | 15 minutes | a leaked access token is soon worthless |
/// | `refresh_ttl` | 30 days | a person who comes once a month stays signed in |
/// | `max_lifetime` | 90 days | nothing extends it; then one signs in again |
/// | `fresh` | 10 minutes | how long a proof counts as fresh for sensitive changes |
/// | `max_per_user` | 100 | how many sessions a user has at once; a new one ends the oldest |
/// | `refresh` | see [`RefreshPolicy`] | |
/// | `clear_site_data` | off | on, a sign-out clears the cache and the storage of the whole origin |
/// | `cookie` | see [`CookieOptions`] | |
/// | `mode` | both | browsers by cookie, other clients by bearer |
/// | `cache` | see [`CacheOptions`] | a session that was looked up is not looked up again at once |
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How long an access token is good.
    pub access_ttl: Duration,
    /// How long a refresh token is good unless it is used.
    pub refresh_ttl: Duration,
    /// When a session ends whatever happens.
    pub max_lifetime: Duration,
    /// How long the proof of a factor counts as fresh.
    pub fresh: Duration,
    /// How many sessions a user may have. A new session ends the oldest beyond that, with an event
    /// [`SessionRevoked`](crate::EventKind::SessionRevoked) of reason `max_per_user` for each.
    /// `None` allows any number.
    pub max_per_user: Option<u32>,
    /// Whether the browser clears cache and storage of the origin at sign-out
    /// (`Clear-Site-Data`).
    pub clear_site_data: bool,
    /// How refresh tokens rotate.
    pub refresh: RefreshPolicy,
    /// How cookies are named, and which requests carry them.
    pub cookie: CookieOptions,
    /// Which transports are on.
    pub mode: SessionMode,
    /// What is kept of sessions that were looked up. `None`: nothing, each request asks the
    /// store.
    pub cache: Option<CacheOptions>,
}

/// What is kept in memory of sessions that were looked up.
///
/// | knob | default | why |
/// |---|---|---|
/// | `entries` | 100,000 | sessions that are kept; the one used least goes first |
/// | `bytes` | 64 MiB | what they may take together, by estimate |
/// | `max_age` | 5 seconds | after that a session is looked up again, whatever happened |
///
/// # Security
///
/// `max_age` is how long a change may stay unseen that nobody reported: one the application made
/// in its own tables or behind its own resolver without a word to
/// [`Auth`](crate::Auth). What is changed through this crate is seen at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// How many sessions are kept.
    pub entries: usize,
    /// How many bytes they may take together.
    pub bytes: usize,
    /// How long one is kept.
    pub max_age: Duration,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self { entries: 100_000, bytes: 64 << 20, max_age: Duration::from_secs(5) }
    }
}

impl CacheOptions {
    /// Replaces [`entries`](Self::entries).
    #[must_use]
    pub fn with_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// Replaces [`bytes`](Self::bytes).
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Replaces [`max_age`](Self::max_age).
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
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
            mode: SessionMode::Both,
            cache: Some(CacheOptions::default()),
        }
    }
}

impl SessionOptions {
    /// Replaces [`access_ttl`](Self::access_ttl).
    #[must_use]
    pub fn with_access_ttl(mut self, ttl: Duration) -> Self {
        self.access_ttl = ttl;
        self
    }

    /// Replaces [`refresh_ttl`](Self::refresh_ttl).
    #[must_use]
    pub fn with_refresh_ttl(mut self, ttl: Duration) -> Self {
        self.refresh_ttl = ttl;
        self
    }

    /// Replaces [`max_lifetime`](Self::max_lifetime).
    #[must_use]
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Replaces [`fresh`](Self::fresh).
    #[must_use]
    pub fn with_fresh(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// Replaces [`max_per_user`](Self::max_per_user).
    #[must_use]
    pub fn with_max_per_user(mut self, sessions: Option<u32>) -> Self {
        self.max_per_user = sessions;
        self
    }

    /// Replaces [`clear_site_data`](Self::clear_site_data).
    #[must_use]
    pub fn with_clear_site_data(mut self, clear: bool) -> Self {
        self.clear_site_data = clear;
        self
    }

    /// Replaces [`refresh`](Self::refresh).
    #[must_use]
    pub fn with_refresh(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = policy;
        self
    }

    /// Replaces [`cookie`](Self::cookie).
    #[must_use]
    pub fn with_cookie(mut self, options: CookieOptions) -> Self {
        self.cookie = options;
        self
    }

    /// Replaces [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(mut self, mode: SessionMode) -> Self {
        self.mode = mode;
        self
    }

    /// Replaces [`cache`](Self::cache).
    #[must_use]
    pub fn with_cache(mut self, cache: Option<CacheOptions>) -> Self {
        self.cache = cache;
        self
    }

    /// Which transport a sign-in gets that asked for this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TransportDisabled`] when the one asked for is off.
    pub fn transport(&self, asked: Option<Transport>) -> Result<Transport, AuthError> {
        match (self.mode, asked) {
            (SessionMode::Bearer, None) => Ok(Transport::Bearer),
            (SessionMode::Both | SessionMode::Cookie, None) => Ok(Transport::Cookie),
            (SessionMode::Both, Some(asked)) => Ok(asked),
            (SessionMode::Cookie, Some(Transport::Cookie)) => Ok(Transport::Cookie),
            (SessionMode::Bearer, Some(Transport::Bearer)) => Ok(Transport::Bearer),
            _ => Err(ErrorKind::TransportDisabled.into()),
        }
    }

    pub(crate) fn problem(&self) -> Option<&'static str> {
        let second = Duration::from_secs(1);
        if self.access_ttl < second || self.refresh_ttl < second || self.max_lifetime < second {
            Some("a lifetime is below one second")
        } else if self.cache.is_some_and(|cache| cache.entries == 0 || cache.bytes == 0) {
            Some("a cache keeps at least one session; without one, give None")
        } else if self.max_per_user == Some(0) {
            Some("max_per_user must be at least 1, or None for any number of sessions; it is 0")
        } else if self.access_ttl > self.refresh_ttl {
            Some("access tokens outlive refresh tokens")
        } else if self.refresh_ttl > LONGEST_COOKIE || self.max_lifetime > LONGEST_COOKIE {
            Some("a lifetime is above 400 days")
        } else {
            None
        }
    }
}
