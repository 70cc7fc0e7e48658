//! A user, whichever storage mode keeps it.

use std::{any::Any, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::Email;

/// The id of a user: opaque text, a UUIDv7 when this crate makes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

/// Whether a user may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Status {
    /// May sign in.
    #[default]
    Active,
    /// May not, and has no session.
    Disabled,
    /// A status that only a newer version knows. The user may not sign in; a change of anything
    /// else leaves the status as it is stored.
    #[serde(skip_deserializing)]
    Other,
}

/// A user with all that a policy may want to know.
///
/// Its serialised form is the `User` of the HTTP contract: `app_metadata`, the phone
/// number and the exact moment of verification stay in process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The address, if there is one.
    pub email: Option<Email>,
    /// When the address was proved, if it was.
    pub email_verified_at: Option<Timestamp>,
    /// The phone number.
    pub phone: Option<String>,
    /// When the phone number was proved.
    pub phone_verified_at: Option<Timestamp>,
    /// A name to sign in with.
    pub username: Option<String>,
    /// A name to show.
    pub display_name: Option<String>,
    /// Where a picture lies.
    pub avatar_url: Option<String>,
    /// The tenant in which the user works by default.
    pub tenant_id: Option<String>,
    /// Whether the user came without any credential.
    pub is_anonymous: bool,
    /// The roles, for guards.
    pub roles: Vec<String>,
    /// The scopes, for guards.
    pub scopes: Vec<String>,
    /// What a policy may ask for.
    pub attributes: Map<String, Value>,
    /// Whether the user may sign in.
    pub status: Status,
    /// What the user may write about themselves.
    pub user_metadata: Map<String, Value>,
    /// What only the application sees.
    pub app_metadata: Map<String, Value>,
    /// Further columns of the application's own table, where users are mapped.
    pub extra: Map<String, Value>,
    /// When the user was made; 1970 where the application does not say.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
    pub(crate) profile: Profile,
}

/// The application's own type.
#[derive(Clone, Default)]
pub(crate) struct Profile(Option<Arc<dyn Any + Send + Sync>>);

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Profile" } else { "None" })
    }
}

impl UserId {
    /// An id from the application's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Status {
    /// The name on the wire and in storage.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Other => "other",
        }
    }
}

impl User {
    /// An active user with nothing but an id.
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
            status: Status::Active,
            user_metadata: Map::new(),
            app_metadata: Map::new(),
            extra: Map::new(),
            created_at: now,
            updated_at: now,
            profile: Profile::default(),
        }
    }

    /// Whether the user may hold a session.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// Whether the user has a role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Whether the user has a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// An attribute in a type of the application's, `None` where there is none.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn attribute<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        typed(&self.attributes, name)
    }

    /// The same of what the user wrote.
    ///
    /// # Errors
    ///
    /// When it is of another type, which is up to the user.
    pub fn user_meta<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        typed(&self.user_metadata, name)
    }

    /// The same of what only the application sees.
    ///
    /// # Errors
    ///
    /// When it is of another type.
    pub fn app_meta<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        typed(&self.app_metadata, name)
    }

    /// With a value of the application's own, for [`Profile<T>`](crate::Profile) in handlers.
    #[must_use]
    pub fn with_profile<T: Any + Send + Sync>(self, profile: T) -> Self {
        self.with_shared_profile(Arc::new(profile))
    }

    pub(crate) fn with_shared_profile(mut self, profile: Arc<dyn Any + Send + Sync>) -> Self {
        self.profile = Profile(Some(profile));
        self
    }

    /// The value of the application's own, if it is of this type.
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
            status: Status,
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
