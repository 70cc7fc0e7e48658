//! Users to create.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    crypto::random,
    error::AuthError,
    model::{Email, User, UserId},
};

/// A user to create, for [`Users::create`](super::Users::create) and
/// [`NewAccount`](crate::services::NewAccount), which generate the id.
///
/// `Users::create` also takes a [`User`], whose id and times are retained.
///
/// ```
/// use authlayer::{Email, users::NewUser};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let user = NewUser::with_email(Email::parse("ada@example.com")?).display_name("Ada");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "`Users::create` or `SignIn::sign_up` creates the user"]
pub struct NewUser {
    user: User,
    has_id: bool,
    keeps_username: bool,
}

impl Default for NewUser {
    fn default() -> Self {
        Self::new()
    }
}

impl NewUser {
    /// Creates a user without an email address.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().phone("+4915112345678");
    /// ```
    pub fn new() -> Self {
        // The id and the times are set when the user is created.
        let user = User::new(UserId::new(""), Timestamp::UNIX_EPOCH);
        Self { user, has_id: false, keeps_username: true }
    }

    /// Creates a user with an email address that was not verified.
    ///
    /// ```
    /// use authlayer::{Email, users::NewUser};
    /// # fn doc(email: Email) -> NewUser {
    /// NewUser::with_email(email)
    /// # }
    /// ```
    pub fn with_email(email: Email) -> Self {
        let mut new = Self::new();
        new.user.email = Some(email);
        new
    }

    /// Sets the time when the email address was verified.
    ///
    /// ```
    /// use authlayer::{Email, jiff::Timestamp, users::NewUser};
    /// # fn doc(verified_by_partner: Email, at: Timestamp) -> NewUser {
    /// NewUser::with_email(verified_by_partner).email_verified(at)
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// The user takes over an unverified account with this address. Set it only if the person who
    /// signs up has shown control of the address.
    pub fn email_verified(mut self, at: Timestamp) -> Self {
        self.user.email_verified_at = Some(at);
        self
    }

    /// Sets the username. If another user has it, the sign-up fails.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().username("ada");
    /// ```
    pub fn username(mut self, name: impl Into<String>) -> Self {
        self.user.username = Some(name.into());
        self.keeps_username = true;
        self
    }

    /// Sets the username, unless another user has it when the user is created.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().username_if_free("ada");
    /// ```
    pub fn username_if_free(mut self, name: impl Into<String>) -> Self {
        self.user.username = Some(name.into());
        self.keeps_username = false;
        self
    }

    /// Sets the phone number.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().phone("+4915112345678");
    /// ```
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.user.phone = Some(phone.into());
        self
    }

    /// Sets the display name.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().display_name("Ada");
    /// ```
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.user.display_name = Some(name.into());
        self
    }

    /// Sets the metadata that the user can change.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// use serde_json::Map;
    /// let user = NewUser::new().user_metadata(Map::from_iter([("locale".into(), "de".into())]));
    /// ```
    pub fn user_metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.user.user_metadata = metadata;
        self
    }

    /// Adds a role.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().role("member");
    /// ```
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.user.roles.push(role.into());
        self
    }

    /// Creates an anonymous user, whose session needs no factor.
    ///
    /// ```
    /// use authlayer::users::NewUser;
    /// let user = NewUser::new().anonymous();
    /// ```
    pub fn anonymous(mut self) -> Self {
        self.user.is_anonymous = true;
        self
    }

    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    pub(crate) fn keeps_username(&self) -> bool {
        self.keeps_username
    }

    /// Sets the email address that was verified, unless the user has another one.
    pub(crate) fn verified(mut self, email: &Email, at: Timestamp) -> Self {
        if self.user.email.get_or_insert_with(|| email.clone()) == email {
            self.user.email_verified_at = Some(at);
        }
        self
    }

    /// Returns the user, with a new id and the time of creation unless it has an id.
    pub(crate) fn into_user(self, now: Timestamp) -> Result<User, AuthError> {
        if self.has_id {
            return Ok(self.user);
        }
        let id = UserId::new(random::uuid_v7(now)?);
        Ok(User { id, created_at: now, updated_at: now, ..self.user })
    }
}

/// Retains the id and the times of the user.
impl From<User> for NewUser {
    fn from(user: User) -> Self {
        Self { user, has_id: true, keeps_username: true }
    }
}

/// Retains the id and the times of the user.
impl From<&User> for NewUser {
    fn from(user: &User) -> Self {
        user.clone().into()
    }
}
