//! Sessions as the application sees them, without tokens and hashes.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use super::{Basis, BindingKind, Factor, FactorProof, SessionBinding, Thumbprint, UserId};

/// The public id of a session: 128 random bits, which authenticate nothing.
///
/// ```
/// use authlayer::SessionId;
///
/// let id = SessionId::from_bytes([7; 16]);
/// assert_eq!(id.to_string().parse::<SessionId>()?, id);
/// # Ok::<_, authlayer::model::InvalidSessionId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; Self::BYTES]);

/// The text is not a session id.
///
/// ```
/// use authlayer::{SessionId, model::InvalidSessionId};
///
/// assert_eq!("x".parse::<SessionId>(), Err(InvalidSessionId));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct InvalidSessionId;

/// The transport of the tokens, which does not change after the session is created.
///
/// ```
/// use authlayer::{Session, Transport};
///
/// fn is_browser(session: &Session) -> bool {
///     session.transport == Transport::Cookie
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Transport {
    /// `HttpOnly` cookies, for browsers.
    Cookie,
    /// The `Authorization` header, for native and server-side clients (RFC 6750 §2.1).
    Bearer,
    /// A transport that only a newer version knows. Its tokens authenticate no request here.
    #[serde(skip_deserializing)]
    Other,
}

/// The transport of the tokens of a session, and whether they outlive the browser session.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TokenDelivery {
    pub(crate) transport: Transport,
    #[serde(default = "persistent")]
    pub(crate) is_persistent: bool,
    /// The key that the sign-in offered for the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jkt: Option<Thumbprint>,
}

impl From<Transport> for TokenDelivery {
    fn from(transport: Transport) -> Self {
        Self { transport, is_persistent: true, jkt: None }
    }
}

/// The default of requests and of data that earlier versions stored.
fn persistent() -> bool {
    true
}

/// Information about the client that created the session, so that the user can recognize it.
///
/// ```
/// use authlayer::model::ClientInfo;
///
/// let mut client = ClientInfo::default();
/// client.ip = Some("203.0.113.9".to_owned());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientInfo {
    /// The IP address.
    pub ip: Option<String>,
    /// The `User-Agent` header, truncated to 256 characters.
    pub user_agent: Option<String>,
    /// The preferred language in `Accept-Language`, as a tag of BCP 47, for messages to people whose
    /// language is not known. It is not stored with a session.
    pub language: Option<String>,
}

/// The session at an identity provider that a session was created from.
///
/// ```
/// use authlayer::Session;
///
/// fn is_corporate(session: &Session) -> bool {
///     session.upstream.as_ref().is_some_and(|idp| idp.provider == "corp")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdpSession {
    /// The configured name of the provider.
    pub provider: String,
    /// The id of the user at the provider (`sub`).
    pub subject: String,
    /// The id of the session at the provider (`sid`), if the provider reports it.
    pub session: Option<String>,
    /// The issuer of the subject, if it is not that of the provider, which has one per tenant. It
    /// is known when a session begins, and not stored with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// The administrator who acts as the user of a session. It serializes as an object with the `id`.
///
/// ```
/// use authlayer::AuthUser;
///
/// async fn acts_for_support(user: AuthUser) -> bool {
///     user.session().impersonator.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Impersonator {
    /// The user id of the administrator.
    pub id: UserId,
    /// The session of the administrator, with which the impersonation ends. A serialized one has
    /// none, since it is not public.
    #[serde(default)]
    pub(crate) session: Option<SessionId>,
}

impl Impersonator {
    pub(crate) fn new(id: UserId, session: SessionId) -> Self {
        Self { id, session: Some(session) }
    }
}

impl Serialize for Impersonator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut own = serializer.serialize_struct("Impersonator", 1)?;
        own.serialize_field("id", &self.id)?;
        own.end()
    }
}

/// A session: one signed-in device.
///
/// ```
/// use authlayer::AuthUser;
///
/// async fn session(user: AuthUser) -> String {
///     let session = user.session();
///     format!("{} until {}", session.id, session.expires_at)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session {
    /// The public id.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// The time of the sign-in.
    pub created_at: Timestamp,
    /// The time of the last request, with a precision of five minutes.
    pub last_seen_at: Timestamp,
    /// The time at which the session expires, which a refresh does not extend.
    pub expires_at: Timestamp,
    /// The time at which the current access token expires.
    pub access_expires_at: Timestamp,
    /// The time at which the current refresh token expires if it is not used before.
    pub refresh_expires_at: Timestamp,
    /// The factors with which the user authenticated on this session.
    pub factors: Vec<FactorProof>,
    /// The client that created the session.
    pub client: ClientInfo,
    /// The transport of the tokens.
    pub transport: Transport,
    /// Whether the user stays signed in when the browser is closed. If not, cookies have no
    /// `Max-Age`, and the session expires after 12 hours without use and one day at most.
    pub is_persistent: bool,
    /// The session at a provider that this session was created from.
    pub upstream: Option<IdpSession>,
    /// The administrator who acts as the user on this session, if it is an impersonation.
    pub impersonator: Option<Impersonator>,
    /// The key that the session is bound to.
    pub(crate) binding: Option<SessionBinding>,
    /// The number of times that its tokens were replaced other than by a refresh.
    pub(crate) renewals: u32,
}

impl SessionId {
    pub(crate) const MIN: Self = Self([0; Self::BYTES]);
    pub(crate) const MAX: Self = Self([u8::MAX; Self::BYTES]);
    /// The length in bytes.
    pub const BYTES: usize = 16;

    /// Creates an id from its bytes.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the id.
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
    /// Returns `true` if two factors were verified on this session. A passkey is two by itself.
    pub(crate) fn has_two_factors(&self) -> bool {
        let own = || self.factors.iter().filter(|proof| proof.is_of(proof.method));
        own().any(|one| {
            let has_other = || own().any(|other| other.method != one.method);
            one.method == Factor::Passkey
                || one.is_multi_factor
                || (one.method.is_second_factor() && has_other())
        })
    }

    /// Returns `true` if the session has expired.
    pub(crate) fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.refresh_expires_at || now >= self.expires_at
    }

    /// Returns `true` if this is the session of a program that the user approved.
    pub(crate) fn is_of_program(&self) -> bool {
        self.factors.iter().any(|proof| proof.method == Factor::DeviceGrant)
    }

    /// Returns the kind of key that the session is bound to, if it is bound to one: its tokens are
    /// then renewed only with a proof of that key.
    pub fn bound(&self) -> Option<BindingKind> {
        self.binding.as_ref().map(SessionBinding::kind)
    }

    /// Returns the key that the session is bound to.
    pub fn binding(&self) -> Option<&SessionBinding> {
        self.binding.as_ref()
    }

    /// Creates a session with these values, for a store or a test.
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
            client: ClientInfo::default(),
            transport,
            is_persistent: true,
            upstream: None,
            impersonator: None,
            binding: None,
            renewals: 0,
        }
    }

    /// Adds a verified factor and removes earlier records of the same factor. The registration of a
    /// factor only replaces earlier registrations. A step-up never makes a session weaker: if the
    /// replaced record was of several factors, so is the new one. A record of another credential
    /// remains, so that the removal of that credential still ends the session.
    pub(crate) fn prove(&mut self, proof: FactorProof) {
        let is_registration = proof.basis == Basis::Enrolled;
        let mut is_multi_factor = proof.is_multi_factor;
        self.factors.retain(|own| {
            let is_registered_only = own.basis == Basis::Enrolled;
            let is_other = own.by.is_some() && proof.by.is_some() && own.by != proof.by;
            let is_replaced = own.method == proof.method
                && (is_registered_only || !(is_registration || is_other));
            is_multi_factor |= is_replaced && own.is_multi_factor;
            !is_replaced
        });
        self.factors.push(proof.multi_factor(is_multi_factor));
    }
}
