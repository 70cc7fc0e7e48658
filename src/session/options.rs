//! How long sessions live and how their tokens travel.

use std::time::Duration;

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
/// | `max_per_user` | none | how many devices are signed in at once; the oldest ends first |
/// | `refresh` | see [`RefreshPolicy`] | |
/// | `mode` | both | browsers by cookie, other clients by bearer |
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
    /// How many sessions a user may have; the oldest ends for a new one. `None`: any number.
    pub max_per_user: Option<u32>,
    /// How refresh tokens rotate.
    pub refresh: RefreshPolicy,
    /// Which transports are on.
    pub mode: SessionMode,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            access_ttl: Duration::from_secs(15 * MINUTE),
            refresh_ttl: Duration::from_secs(30 * DAY),
            max_lifetime: Duration::from_secs(90 * DAY),
            fresh: Duration::from_secs(10 * MINUTE),
            max_per_user: None,
            refresh: RefreshPolicy::default(),
            mode: SessionMode::Both,
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

    /// Replaces [`refresh`](Self::refresh).
    #[must_use]
    pub fn with_refresh(mut self, policy: RefreshPolicy) -> Self {
        self.refresh = policy;
        self
    }

    /// Replaces [`mode`](Self::mode).
    #[must_use]
    pub fn with_mode(mut self, mode: SessionMode) -> Self {
        self.mode = mode;
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
        } else if self.max_per_user == Some(0) {
            Some("a user may have at least one session")
        } else if self.access_ttl > self.refresh_ttl {
            Some("access tokens outlive refresh tokens")
        } else if self.refresh_ttl > LONGEST_COOKIE || self.max_lifetime > LONGEST_COOKIE {
            Some("a lifetime is above 400 days")
        } else {
            None
        }
    }
}
