//! Users that a transaction creates.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::model::User;

/// A user that the current transaction creates.
#[derive(Debug)]
pub struct CreatedUser {
    user: User,
    creation: Creation,
}

/// The way a user was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserOrigin {
    /// A sign-up with a password, a passkey or a provider, also after the email address was
    /// verified.
    SignUp,
    /// An anonymous user.
    Anonymous,
    /// A sign-up of an anonymous user. The id is that of the anonymous user, for whom the hook has
    /// run before.
    AnonymousUpgrade,
    /// [`Users::create`](crate::Users::create).
    Administration,
    /// [`Users::import`](crate::Users::import) or an existing password hash.
    Import,
    /// The owner of an email address took over an account that had sessions, but had never verified
    /// that address. The id is that of the account, for which the hook has run before: reset the
    /// rows of the application for this user. An account that never had a session retains its data,
    /// and the hook does not run.
    Claim,
}

impl UserOrigin {
    /// Returns the name in events.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Anonymous => "anonymous",
            Self::AnonymousUpgrade => "anonymous_upgrade",
            Self::Administration => "administration",
            Self::Import => "import",
            Self::Claim => "claim",
        }
    }
}

/// The way a user is created, and the values that hooks stored for it.
#[derive(Clone, Debug)]
pub struct Creation {
    pub(crate) origin: UserOrigin,
    pub(crate) kept: Map<String, Value>,
}

impl Creation {
    pub(crate) fn new(origin: UserOrigin, kept: Map<String, Value>) -> Self {
        Self { origin, kept }
    }
}

impl From<UserOrigin> for Creation {
    fn from(origin: UserOrigin) -> Self {
        Self::new(origin, Map::new())
    }
}

impl CreatedUser {
    pub(crate) fn new(user: User, creation: Creation) -> Self {
        Self { user, creation }
    }

    /// Returns the user as stored.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns how the user was created.
    pub fn origin(&self) -> UserOrigin {
        self.creation.origin
    }

    /// Returns a value that [`SignUpDraft::keep`](crate::hook::SignUpDraft::keep) stored, if it
    /// exists and has this type.
    pub fn kept<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        T::deserialize(self.creation.kept.get(name)?).ok()
    }
}
