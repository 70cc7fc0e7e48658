//! API keys.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{SessionId, UserId};

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
pub struct ApiKey {
    /// The id.
    pub id: SessionId,
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
