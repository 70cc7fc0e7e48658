//! API keys.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::{SessionId, UserId};

/// The public id of an API key: 128 random bits, which authenticate nothing.
///
/// ```
/// use authlayer::model::ApiKeyId;
///
/// let id = ApiKeyId::from_bytes([7; 16]);
/// assert_eq!(id.to_string().parse::<ApiKeyId>()?, id);
/// # Ok::<_, authlayer::model::InvalidApiKeyId>(())
/// ```
// The id of a session has the same form. A key authenticates a request in place of a session, so
// its changes invalidate caches like those of a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(SessionId);

/// The text is not the id of an API key.
///
/// ```
/// use authlayer::model::{ApiKeyId, InvalidApiKeyId};
/// assert_eq!("7".parse::<ApiKeyId>(), Err(InvalidApiKeyId));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key id")]
pub struct InvalidApiKeyId;

impl ApiKeyId {
    /// Creates an id from its bytes.
    ///
    /// ```
    /// # use authlayer::model::ApiKeyId;
    /// let id = ApiKeyId::from_bytes([0; 16]);
    /// assert_ne!(id, ApiKeyId::from_bytes([1; 16]));
    /// ```
    pub const fn from_bytes(bytes: [u8; SessionId::BYTES]) -> Self {
        Self(SessionId::from_bytes(bytes))
    }

    /// Returns the id of the session that stands for requests with the key.
    pub(crate) fn as_session(self) -> SessionId {
        self.0
    }
}

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeyId({self})")
    }
}

impl FromStr for ApiKeyId {
    type Err = InvalidApiKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidApiKeyId)
    }
}

impl Serialize for ApiKeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The owner of an API key.
///
/// ```
/// use authlayer::{KeyOwner, UserId};
///
/// let user = KeyOwner::User(UserId::new("42"));
/// let service = KeyOwner::Service("backup".to_owned());
/// assert_ne!(user, service);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyOwner {
    /// A user. The key has the permissions of the user that its scopes allow.
    User(UserId),
    /// A service that is not a user, with a name defined by the application.
    Service(String),
}

/// An API key without its secret, which is shown only once.
///
/// ```
/// use authlayer::AuthUser;
///
/// async fn caller(user: AuthUser) -> String {
///     match user.api_key() {
///         Some(key) => format!("the key {}", key.name),
///         None => format!("the user {}", user.id),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// The owner.
    pub owner: KeyOwner,
    /// The display name, set by the owner.
    pub name: String,
    /// The first characters of the key, to identify it in a list.
    pub hint: String,
    /// The scopes of the key. A scope that the owner does not have is ignored.
    pub scopes: Vec<String>,
    /// The time of creation.
    pub created_at: Timestamp,
    /// The time of expiry; `None` for a key that does not expire.
    pub expires_at: Option<Timestamp>,
    /// The time of the last use, with a precision of five minutes.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns the key as JSON for its owner.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "hint": self.hint,
            "scopes": self.scopes,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "last_used_at": self.last_used_at,
        })
    }
}
