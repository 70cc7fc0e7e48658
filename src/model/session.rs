//! A session as the application sees it: no token, no hash.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Basis, Proof, UserId};

/// The public name of a session: 128 random bits, useless without its secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::BYTES]);

/// The text is not the id of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct InvalidSessionId;

/// How a client carries its tokens; fixed when the session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Transport {
    /// In `HttpOnly` cookies, for browsers.
    Cookie,
    /// In the `Authorization` header, for native and server-side clients (RFC 6750 §2.1).
    Bearer,
    /// A transport that only a newer version knows. Its tokens authenticate no request here.
    #[serde(skip_deserializing)]
    Other,
}

/// Who was at the other end when the session began, for the person to recognise it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The network address.
    pub ip: Option<String>,
    /// The `User-Agent` header, cut to 256 characters.
    pub user_agent: Option<String>,
}

/// The session at a provider from which a session came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The name of the provider in the configuration.
    pub provider: String,
    /// Who the person is there (`sub`).
    pub subject: String,
    /// Which session it is there (`sid`), where the provider says so.
    pub session: Option<String>,
}

/// One signed-in device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session {
    /// The public id.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When a request last used it; exact to five minutes.
    pub last_seen_at: Timestamp,
    /// The end that nothing extends.
    pub expires_at: Timestamp,
    /// When the current access token ends.
    pub access_expires_at: Timestamp,
    /// When the current refresh token ends unless it is used before.
    pub refresh_expires_at: Timestamp,
    /// What was proved on this session.
    pub factors: Vec<Proof>,
    /// Who was at the other end.
    pub client: Client,
    /// How its tokens travel.
    pub transport: Transport,
    /// From which session at a provider it came.
    pub upstream: Option<Upstream>,
    /// How often its tokens were replaced other than by a refresh.
    pub(crate) renewals: u32,
}

impl SessionId {
    pub(crate) const MIN: Self = Self([0; Self::BYTES]);
    pub(crate) const MAX: Self = Self([u8::MAX; Self::BYTES]);
    /// The length in bytes.
    pub const BYTES: usize = 16;

    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidSessionId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidSessionId)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Session {
    /// A session as a store or a test puts it together.
    pub fn new(id: SessionId, user_id: UserId, transport: Transport, now: Timestamp) -> Self {
        Self {
            id,
            user_id,
            created_at: now,
            last_seen_at: now,
            expires_at: now,
            access_expires_at: now,
            refresh_expires_at: now,
            factors: Vec::new(),
            client: Client::default(),
            transport,
            upstream: None,
            renewals: 0,
        }
    }

    /// Adds a proof in the place of earlier ones of the factor. The registration of a factor takes
    /// the place of earlier registrations alone.
    pub(crate) fn prove(&mut self, proof: Proof) {
        let is_registration = proof.basis == Basis::Enrolled;
        self.factors.retain(|own| {
            own.method != proof.method || (is_registration && own.basis != Basis::Enrolled)
        });
        self.factors.push(proof);
    }
}
