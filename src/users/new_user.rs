//! The data of a user that the application creates.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    crypto::random,
    error::AuthError,
    model::{Email, User, UserId},
};

/// The data of a new user, for [`Users::create`](super::Users::create), which generates the id.
///
/// A [`User`] can be passed in its place if the id is given.
///
/// ```
/// use authlayer::{Email, users::NewUser};
/// let admin = NewUser::with_email(Email::parse("ada@example.com")?).role("admin");
/// # Ok::<_, authlayer::model::InvalidEmail>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct NewUser {
    user: User,
    has_id: bool,
}

impl NewUser {
    /// Creates an active user without an email address.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, users::NewUser};
    /// # async fn doc(auth: Auth) -> Result<(), AuthError> {
    /// let user = auth.users().create(NewUser::new().display_name("Kiosk 4")).await?;
    /// # Ok(()) }
    /// ```
    pub fn new() -> Self {
        // The id and the times are set when the user is created.
        Self { user: User::new(UserId::new(""), Timestamp::UNIX_EPOCH), has_id: false }
    }

    /// Creates an active user with an unverified email address.
    ///
    /// ```
    /// # use authlayer::{Auth, AuthError, Email, users::NewUser};
    /// # async fn doc(auth: Auth, email: Email) -> Result<(), AuthError> {
    /// let user = auth.users().create(NewUser::with_email(email)).await?;
    /// # Ok(()) }
    /// ```
    pub fn with_email(email: Email) -> Self {
        let new = Self::new();
        Self { user: User { email: Some(email), ..new.user }, ..new }
    }

    /// Sets the time at which the email address was verified.
    ///
    /// ```
    /// # use authlayer::{Email, jiff::Timestamp, users::NewUser};
    /// # fn doc(email: Email) -> NewUser {
    /// NewUser::with_email(email).email_verified(Timestamp::now())
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The owner of a verified email address can sign in by email or with a provider.
    pub fn email_verified(mut self, at: Timestamp) -> Self {
        self.user.email_verified_at = Some(at);
        self
    }

    /// Sets the username.
    ///
    /// ```
    /// # use authlayer::users::NewUser;
    /// let user = NewUser::new().username("ada");
    /// ```
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.user.username = Some(username.into());
        self
    }

    /// Sets the phone number, which is unverified.
    ///
    /// ```
    /// # use authlayer::users::NewUser;
    /// let user = NewUser::new().phone("+4915112345678");
    /// ```
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.user.phone = Some(phone.into());
        self
    }

    /// Sets the display name.
    ///
    /// ```
    /// # use authlayer::users::NewUser;
    /// let user = NewUser::new().display_name("Ada Lovelace");
    /// ```
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.user.display_name = Some(name.into());
        self
    }

    /// Adds a role.
    ///
    /// ```
    /// # use authlayer::users::NewUser;
    /// let user = NewUser::new().role("editor").role("reviewer");
    /// ```
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.user.roles.push(role.into());
        self
    }

    /// Sets the metadata that the user can write.
    ///
    /// ```
    /// # use authlayer::users::NewUser;
    /// # use serde_json::json;
    /// let metadata = json!({ "locale": "de" });
    /// let user = NewUser::new().user_metadata(metadata.as_object().unwrap().clone());
    /// ```
    pub fn user_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.user.user_metadata = metadata;
        self
    }

    /// Returns the user, with a new id unless it has one.
    pub(super) fn into_user(self, now: Timestamp) -> Result<User, AuthError> {
        if self.has_id {
            return Ok(self.user);
        }
        let id = UserId::new(random::uuid_v7(now)?);
        Ok(User { id, created_at: now, updated_at: now, ..self.user })
    }
}

impl Default for NewUser {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps the id and the times of the user.
impl From<User> for NewUser {
    fn from(user: User) -> Self {
        Self { user, has_id: true }
    }
}

/// Keeps the id and the times of the user.
impl From<&User> for NewUser {
    fn from(user: &User) -> Self {
        user.clone().into()
    }
}
