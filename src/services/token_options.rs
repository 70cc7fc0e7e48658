//! Options of challenges whose handle is the secret, and issued challenges.

use std::{fmt, time::Duration};

use http::HeaderValue;
use jiff::Timestamp;

use super::{ChallengeHandle, consumed::Secrets};
use crate::{crypto::digest::Digest, model::Transition};

/// Options of challenges whose handle is the secret.
///
/// | option | default |
/// |---|---|
/// | [`bind_to_browser`](Self::bind_to_browser) | off |
/// | [`typed_by_people`](Self::typed_by_people) | off: handles of 256 bits |
/// | [`max_attempts`](Self::max_attempts) | 1 |
/// | [`replaces_older`](Self::replaces_older) | off |
/// | [`survives`](Self::survives), [`ends_on`](Self::ends_on) | ends with a claim, a new email address or password, a ban, and the revocation of all sessions |
///
/// ```
/// use std::time::Duration;
/// use authlayer::{Registry, services::{TokenChallenges, TokenOptions}};
///
/// fn states(registry: &mut Registry) -> TokenChallenges<String> {
///     let options = TokenOptions::new(Duration::from_secs(600)).bind_to_browser(5);
///     registry.tokens("partner_states", options)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TokenOptions {
    pub(crate) lifetime: Duration,
    /// The maximum number of challenges that a browser can have, if they are bound to it.
    pub(super) max_per_browser: Option<u32>,
    pub(super) is_typed: bool,
    pub(super) attempts: u32,
    pub(super) replaces_older: bool,
    pub(crate) survives: &'static [Transition],
    pub(crate) ends_on: &'static [Transition],
}

/// Options with this lifetime.
impl From<Duration> for TokenOptions {
    fn from(lifetime: Duration) -> Self {
        Self::new(lifetime)
    }
}

impl TokenOptions {
    /// Creates options with the lifetime of a challenge.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::TokenOptions;
    /// let options = TokenOptions::new(Duration::from_secs(600));
    /// ```
    pub fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            max_per_browser: None,
            is_typed: false,
            attempts: 1,
            replaces_older: false,
            survives: &[],
            ends_on: &[],
        }
    }

    /// Accepts a challenge only from the browser that requested it, which receives a cookie of this
    /// host. A browser has at most `max` of them; the oldest is replaced.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::TokenOptions;
    /// let options = TokenOptions::new(Duration::from_secs(600)).bind_to_browser(5);
    /// ```
    pub fn bind_to_browser(mut self, max: u32) -> Self {
        self.max_per_browser = Some(max.max(1));
        self
    }

    /// Creates handles that people can type: eight consonants in two groups. Wrong ones are counted
    /// by network like wrong passwords, so use a lifetime of minutes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::TokenOptions;
    /// let options = TokenOptions::new(Duration::from_secs(600)).typed_by_people();
    /// ```
    pub fn typed_by_people(mut self) -> Self {
        self.is_typed = true;
        self
    }

    /// Sets the number of attempts of
    /// [`TokenChallenges::consume_if`](super::TokenChallenges::consume_if).
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::TokenOptions;
    /// let options = TokenOptions::new(Duration::from_secs(600)).max_attempts(5);
    /// ```
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Consumes the older challenges of the same user, or of the same session if they are issued for
    /// a session.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::TokenOptions;
    /// let options = TokenOptions::new(Duration::from_secs(600)).replaces_older();
    /// ```
    pub fn replaces_older(mut self) -> Self {
        self.replaces_older = true;
        self
    }

    /// Retains challenges of a user through these transitions. By default they end when the account
    /// is claimed or disabled, when its email address or password changes, and when all sessions
    /// are revoked. They always end when the user is deleted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::{TokenOptions, Transition};
    /// let week = Duration::from_secs(7 * 24 * 3600);
    /// let undo = TokenOptions::new(week).survives(&[Transition::EmailChanged]);
    /// ```
    ///
    /// # Security
    ///
    /// A challenge that survives can be consumed with the code or link from before the change.
    pub fn survives(mut self, transitions: &'static [Transition]) -> Self {
        self.survives = transitions;
        self
    }

    /// Ends challenges of a user with these transitions too.
    ///
    /// ```
    /// use std::time::Duration;
    /// use authlayer::services::{TokenOptions, Transition};
    /// let ten_minutes = Duration::from_secs(600);
    /// let options = TokenOptions::new(ten_minutes).ends_on(&[Transition::SecondFactorRemoved]);
    /// ```
    pub fn ends_on(mut self, transitions: &'static [Transition]) -> Self {
        self.ends_on = transitions;
        self
    }
}

/// A challenge that was issued. As a part of a response it sets the cookie of a challenge that is
/// bound to the browser.
///
/// ```
/// use authlayer::services::IssuedToken;
/// use axum::response::IntoResponse;
///
/// fn redirect(issued: IssuedToken) -> impl IntoResponse {
///     let to = format!("https://partner.example/?state={}", issued.handle().expose());
///     (issued, axum::response::Redirect::to(&to))
/// }
/// ```
#[must_use]
pub struct IssuedToken {
    pub(super) id: Digest,
    pub(super) handle: ChallengeHandle,
    pub(super) expires_at: Timestamp,
    pub(super) secrets: Secrets,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl IssuedToken {
    /// Returns the handle, a secret.
    ///
    /// ```
    /// use authlayer::services::IssuedToken;
    /// fn link(issued: &IssuedToken) -> String {
    ///     format!("https://app.example.com/confirm#{}", issued.handle().expose())
    /// }
    /// ```
    pub fn handle(&self) -> &ChallengeHandle {
        &self.handle
    }

    /// Returns the time of expiry.
    ///
    /// ```
    /// # use authlayer::{jiff::Timestamp, services::IssuedToken};
    /// # fn doc(issued: &IssuedToken) -> Timestamp {
    /// issued.expires_at()
    /// # }
    /// ```
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Returns a name of the challenge that is not a secret, for the data of another challenge. See
    /// [`TokenChallenges::consume_reference`](super::TokenChallenges::consume_reference).
    ///
    /// ```
    /// # use authlayer::services::IssuedToken;
    /// # fn doc(issued: &IssuedToken) -> String {
    /// issued.reference()
    /// # }
    /// ```
    pub fn reference(&self) -> String {
        self.id.to_base64()
    }

    /// Derives a secret from the handle and from the secret of the browser. It is not stored;
    /// [`Consumed::derive`](super::Consumed::derive) returns the same.
    ///
    /// ```
    /// # use authlayer::services::IssuedToken;
    /// # fn doc(issued: &IssuedToken) -> [u8; 32] {
    /// issued.derive("nonce")
    /// # }
    /// ```
    pub fn derive(&self, label: &'static str) -> [u8; 32] {
        self.secrets.derive(label)
    }
}

/// Redacted: the handle is a secret.
impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
