//! Keys by which programs come.

use jiff::Timestamp;
use serde::Serialize;

use super::{SessionId, UserId};

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyOwner {
    /// A user, who may do with it what the scopes allow.
    User(UserId),
    /// A program that is no user, by a name of the application's.
    Service(String),
}

/// A key without its secret, which nobody can read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The id.
    pub id: SessionId,
    /// Whose it is.
    pub owner: KeyOwner,
    /// What its owner calls it.
    pub name: String,
    /// How it begins, to tell it from others.
    pub hint: String,
    /// What it is good for. A user's key is good for no scope that the user has not.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// When it was last used; exact to five minutes.
    pub last_used_at: Option<Timestamp>,
}
