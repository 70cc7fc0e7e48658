//! Users, in every storage mode.

use std::{any::Any, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{Email, username::skeleton_of};

/// The id of a user: opaque text; a UUIDv7 if this crate generates it.
///
/// ```
/// use authlayer::UserId;
///
/// assert_eq!(UserId::new("4711").as_str(), "4711");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

/// Whether a user is allowed to sign in.
///
/// ```
/// use authlayer::{User, UserStatus};
///
/// fn is_disabled(user: &User) -> bool {
///     user.status == UserStatus::Disabled
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum UserStatus {
    /// The user is allowed to sign in.
    #[default]
    Active,
    /// The user is not allowed to sign in, and has no sessions.
    Disabled,
    /// A status that only a newer version knows. The user is not allowed to sign in; changes of
    /// other fields retain the stored status.
    #[serde(skip_deserializing)]
    Other,
}

/// A user, with everything that policies can depend on.
///
/// The serialized form is the `User` of the HTTP API. It does not contain `app_metadata`, the phone
/// number and the exact time of verification.
///
/// ```
/// use authlayer::{User, UserId, jiff::Timestamp};
///
/// let mut ada = User::new(UserId::new("4711"), Timestamp::now());
/// ada.roles.push("editor".to_owned());
/// assert!(ada.has_role("editor") && ada.is_active());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The email address.
    pub email: Option<Email>,
    /// The time at which the email address was verified.
    pub email_verified_at: Option<Timestamp>,
    /// The phone number.
    pub phone: Option<String>,
    /// The time at which the phone number was verified.
    pub phone_verified_at: Option<Timestamp>,
    /// The username, to sign in with if there are
    /// [usernames](crate::AuthBuilder::usernames).
    pub username: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// The URL of a picture.
    pub avatar_url: Option<String>,
    /// The default tenant of the user.
    pub tenant_id: Option<String>,
    /// Whether the user is anonymous, that is, was created without any credential.
    pub is_anonymous: bool,
    /// The roles.
    pub roles: Vec<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// Attributes for policies.
    pub attributes: Map<String, Value>,
    /// Whether the user is allowed to sign in.
    pub status: UserStatus,
    /// Metadata that the user can write.
    pub user_metadata: Map<String, Value>,
    /// Metadata that only the application can read and write.
    pub app_metadata: Map<String, Value>,
    /// Extra columns of the application's table, if users are mapped.
    pub extra: Map<String, Value>,
    /// The time of creation; 1970-01-01 if the application does not provide it.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
    pub(crate) profile: Profile,
}

/// A value of the application's own type.
#[derive(Clone, Default)]
pub(crate) struct Profile(Option<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Profile" } else { "None" })
    }
}

impl UserId {
    /// Creates an id from text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UserStatus {
    /// Returns the name of the status in API responses and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Other => "other",
        }
    }
}

impl User {
    /// Creates an active user with only an id.
    pub fn new(id: UserId, now: Timestamp) -> Self {
        Self {
            id,
            email: None,
            email_verified_at: None,
            phone: None,
            phone_verified_at: None,
            username: None,
            display_name: None,
            avatar_url: None,
            tenant_id: None,
            is_anonymous: false,
            roles: Vec::new(),
            scopes: Vec::new(),
            attributes: Map::new(),
            status: UserStatus::Active,
            user_metadata: Map::new(),
            app_metadata: Map::new(),
            extra: Map::new(),
            created_at: now,
            updated_at: now,
            profile: Profile::default(),
        }
    }

    /// Returns `true` if the user is allowed to have sessions.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    /// Returns the email address, if it is verified.
    pub(crate) fn verified_email(&self) -> Option<&Email> {
        self.email.as_ref().filter(|_| self.email_verified_at.is_some())
    }

    /// Returns the skeleton of the username: usernames that look alike have the same one (UTS 39
    /// §4). A [`UserStore`](crate::UserStore) stores it with a unique index.
    ///
    /// ```
    /// # #[cfg(feature = "usernames")] {
    /// # use authlayer::{User, UserId, jiff::Timestamp};
    /// let mut user = User::new(UserId::new("1"), Timestamp::UNIX_EPOCH);
    /// user.username = Some("r00t".to_owned());
    /// assert_eq!(user.username_skeleton().as_deref(), Some("root"));
    /// # }
    /// ```
    pub fn username_skeleton(&self) -> Option<String> {
        self.username.as_deref().map(skeleton_of)
    }

    /// Returns `true` if the user has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Returns `true` if the user has this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// Deserializes an attribute. Returns `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the value has another type.
    pub fn attribute<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        typed(&self.attributes, name)
    }

    /// Deserializes a value of `user_metadata`. Returns `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the value has another type; the user controls this value.
    pub fn user_metadata_as<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> serde_json::Result<Option<T>> {
        typed(&self.user_metadata, name)
    }

    /// Deserializes a value of `app_metadata`. Returns `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// If the value has another type.
    pub fn app_metadata_as<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> serde_json::Result<Option<T>> {
        typed(&self.app_metadata, name)
    }

    /// Attaches a value of the application's own type, for [`Profile<T>`](crate::UserProfile) in
    /// handlers.
    #[must_use]
    pub fn with_profile<T: Any + Send + Sync>(self, profile: T) -> Self {
        self.with_shared_profile(Arc::new(profile))
    }

    pub(crate) fn with_shared_profile(mut self, profile: Arc<dyn Any + Send + Sync>) -> Self {
        self.profile = Profile(Some(profile));
        self
    }

    /// Returns the attached value, if it has this type.
    pub fn profile<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(self.profile.0.as_ref()?).downcast().ok()
    }
}

fn typed<T: DeserializeOwned>(
    map: &Map<String, Value>,
    name: &str,
) -> serde_json::Result<Option<T>> {
    map.get(name).map(|value| T::deserialize(value)).transpose()
}

impl Serialize for User {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            id: &'a UserId,
            email: &'a Option<Email>,
            email_verified: bool,
            username: &'a Option<String>,
            display_name: &'a Option<String>,
            avatar_url: &'a Option<String>,
            tenant_id: &'a Option<String>,
            is_anonymous: bool,
            roles: &'a [String],
            scopes: &'a [String],
            attributes: &'a Map<String, Value>,
            status: UserStatus,
            user_metadata: &'a Map<String, Value>,
            created_at: Timestamp,
            updated_at: Timestamp,
        }
        Wire {
            id: &self.id,
            email: &self.email,
            email_verified: self.email_verified_at.is_some(),
            username: &self.username,
            display_name: &self.display_name,
            avatar_url: &self.avatar_url,
            tenant_id: &self.tenant_id,
            is_anonymous: self.is_anonymous,
            roles: &self.roles,
            scopes: &self.scopes,
            attributes: &self.attributes,
            status: self.status,
            user_metadata: &self.user_metadata,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
        .serialize(serializer)
    }
}
