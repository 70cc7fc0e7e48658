//! The mapping of users to a table of the application.

use std::{any::Any, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::model::User;

/// Deserializes the extra columns of a row into the application's type.
pub(crate) type ReadProfile =
    fn(&Map<String, Value>) -> Result<Arc<dyn Any + Send + Sync>, serde_json::Error>;

/// A mapping of the fields of a user to the columns of a table of the application, in the same
/// database. See [`UserStorage::mapped`](crate::UserStorage::mapped).
///
/// By default the id is in the column `id` and the email address in `email`; all other columns have
/// to be set. A column can have any type that can represent its field; an unsuitable type is an
/// error when the application is built. Fields without a column that are relevant to security (the
/// verification of the email address, the status, whether the user is anonymous) are stored in a
/// table of this crate. Other fields without a column are not stored.
///
/// At sign-up, columns whose value is not known get the default of the table.
///
/// ```
/// use authlayer::UserTable;
///
/// let table = UserTable::new("accounts")
///     .email("mail")
///     .display_name("full_name")
///     .active("is_active");
/// ```
#[derive(Clone)]
#[must_use]
pub struct UserTable {
    pub(crate) name: String,
    pub(crate) columns: Vec<Mapped>,
    pub(crate) extra: Vec<String>,
    pub(crate) read_profile: Option<ReadProfile>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mapped {
    pub(crate) field: Field,
    pub(crate) shape: Shape,
    pub(crate) column: String,
}

/// The fields of a user, in the order of the columns of every statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Email,
    EmailVerifiedAt,
    Phone,
    PhoneVerifiedAt,
    Username,
    DisplayName,
    AvatarUrl,
    TenantId,
    IsAnonymous,
    Roles,
    Scopes,
    Attributes,
    UserStatus,
    UserMetadata,
    AppMetadata,
    CreatedAt,
    UpdatedAt,
    /// Computed from the username when it is written, and never read with the user.
    UsernameSkeleton,
}

/// The representation of a field in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Id,
    Text,
    Moment,
    Flag,
    /// A flag for a time: whether it is set.
    HasBeen,
    List,
    /// The only element of a list, as text.
    One,
    Map,
    /// A status as a flag.
    Active,
    /// A status as a flag that is set for disabled users.
    Disabled,
    /// A status as one of two values.
    MessageText {
        active: String,
        disabled: String,
    },
}

impl Field {
    /// The fields that are read with a user.
    pub(crate) const ALL: [Self; 18] = [
        Self::Id,
        Self::Email,
        Self::EmailVerifiedAt,
        Self::Phone,
        Self::PhoneVerifiedAt,
        Self::Username,
        Self::DisplayName,
        Self::AvatarUrl,
        Self::TenantId,
        Self::IsAnonymous,
        Self::Roles,
        Self::Scopes,
        Self::Attributes,
        Self::UserStatus,
        Self::UserMetadata,
        Self::AppMetadata,
        Self::CreatedAt,
        Self::UpdatedAt,
    ];

    /// Returns the fields that are written.
    pub(crate) fn written() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().chain([Self::UsernameSkeleton])
    }

    /// Returns the name of the field of [`User`](crate::User), and of the column in the table of
    /// this crate.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Email => "email",
            Self::EmailVerifiedAt => "email_verified_at",
            Self::Phone => "phone",
            Self::PhoneVerifiedAt => "phone_verified_at",
            Self::Username => "username",
            Self::DisplayName => "display_name",
            Self::AvatarUrl => "avatar_url",
            Self::TenantId => "tenant_id",
            Self::IsAnonymous => "is_anonymous",
            Self::Roles => "roles",
            Self::Scopes => "scopes",
            Self::Attributes => "attributes",
            Self::UserStatus => "status",
            Self::UserMetadata => "user_metadata",
            Self::AppMetadata => "app_metadata",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::UsernameSkeleton => "username_skeleton",
        }
    }
}

impl Field {
    /// Returns the fields in which two versions of a user differ.
    pub(crate) fn changes(before: &User, after: &User) -> Vec<Self> {
        Self::ALL.into_iter().filter(|field| field.of(before) != field.of(after)).collect()
    }

    /// Returns the stored value of the field.
    fn of(self, user: &User) -> Value {
        match self {
            Self::Id => json!(user.id),
            Self::Email => json!(user.email),
            Self::EmailVerifiedAt => json!(user.email_verified_at),
            Self::Phone => json!(user.phone),
            Self::PhoneVerifiedAt => json!(user.phone_verified_at),
            Self::Username => json!(user.username),
            Self::DisplayName => json!(user.display_name),
            Self::AvatarUrl => json!(user.avatar_url),
            Self::TenantId => json!(user.tenant_id),
            Self::IsAnonymous => json!(user.is_anonymous),
            Self::Roles => json!(user.roles),
            Self::Scopes => json!(user.scopes),
            Self::Attributes => json!(user.attributes),
            Self::UserStatus => json!(user.status),
            Self::UserMetadata => json!(user.user_metadata),
            Self::AppMetadata => json!(user.app_metadata),
            Self::CreatedAt => json!(user.created_at),
            Self::UpdatedAt => json!(user.updated_at),
            Self::UsernameSkeleton => json!(user.username_skeleton()),
        }
    }

    /// Returns `true` if the field is relevant to security, and stored here if the application's
    /// table has no column for it.
    pub(crate) const fn is_standing(self) -> bool {
        matches!(self, Self::EmailVerifiedAt | Self::UserStatus | Self::IsAnonymous)
    }

    /// Returns `true` if a live connection depends on the field: those of a subject, and the
    /// status.
    pub(crate) const fn is_watched(self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::TenantId
                | Self::IsAnonymous
                | Self::Roles
                | Self::Scopes
                | Self::Attributes
                | Self::UserStatus
        )
    }
}

macro_rules! mapped {
    ($($(#[$doc:meta])* $name:ident = $field:ident as $shape:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(self, column: impl Into<String>) -> Self {
            self.map(Field::$field, Shape::$shape, column.into())
        }
    )*};
}

impl UserTable {
    /// Creates a mapping to the table of this name; `"schema.table"` on PostgreSQL.
    pub fn new(name: impl Into<String>) -> Self {
        let new =
            Self { name: name.into(), columns: Vec::new(), extra: Vec::new(), read_profile: None };
        new.id("id").email("email")
    }

    mapped! {
        /// Sets the column of the id: text, a UUID, or an integer that the database generates.
        id = Id as Id;
        /// Sets the column of the email address: text with a unique index, on the column or on
        /// `lower(column)`. Without the latter, all email addresses have to be in lower case. On
        /// PostgreSQL, `lower(column COLLATE "C")` does not depend on the locale of the database.
        email = Email as Text;
        /// Sets the column of the time at which the email address was verified: a time, or
        /// milliseconds since 1970.
        email_verified_at = EmailVerifiedAt as Moment;
        /// Sets the column of whether the email address is verified: a boolean.
        email_verified = EmailVerifiedAt as HasBeen;
        /// Sets the column of the phone number: text.
        phone = Phone as Text;
        /// Sets the column of the time at which the phone number was verified.
        phone_verified_at = PhoneVerifiedAt as Moment;
        /// Sets the column of the username: text. [Usernames](crate::AuthBuilder::usernames) require
        /// a unique index, on the column or on `lower(column)`. Without the latter, all usernames
        /// have to be in lower case.
        username = Username as Text;
        /// Sets the column of the skeleton of the username: text that can be NULL, with a unique
        /// index. [Usernames](crate::AuthBuilder::usernames) require it, so that no user has a
        /// username that looks like that of another user. It is written with the username; for
        /// existing usernames, run [`Users::index_usernames`](crate::Users::index_usernames).
        ///
        /// ```
        /// # use authlayer::UserTable;
        /// let table = UserTable::new("accounts").username("login").username_skeleton("login_skeleton");
        /// ```
        username_skeleton = UsernameSkeleton as Text;
        /// Sets the column of the display name: text.
        display_name = DisplayName as Text;
        /// Sets the column of the URL of a picture: text.
        avatar_url = AvatarUrl as Text;
        /// Sets the column of the tenant: text.
        tenant_id = TenantId as Text;
        /// Sets the column of whether the user is anonymous: a boolean.
        is_anonymous = IsAnonymous as Flag;
        /// Sets the column of the roles: a JSON list, or an array of text.
        roles = Roles as List;
        /// Sets the column of the single role: text.
        role = Roles as One;
        /// Sets the column of the scopes: a JSON list, or an array of text.
        scopes = Scopes as List;
        /// Sets the column of the attributes: a JSON object.
        attributes = Attributes as Map;
        /// Sets the column of whether the user is allowed to sign in: a boolean.
        active = UserStatus as Active;
        /// Sets the column of whether the user is disabled: a boolean.
        flag_disabled = UserStatus as Disabled;
        /// Sets the column of the metadata that users can write: a JSON object.
        user_metadata = UserMetadata as Map;
        /// Sets the column of the metadata that only the application can access: a JSON object.
        app_metadata = AppMetadata as Map;
        /// Sets the column of the time of creation.
        created_at = CreatedAt as Moment;
        /// Sets the column of the time of the last change.
        updated_at = UpdatedAt as Moment;
    }

    /// Sets the column of the status: text with one of two values. Any other value is
    /// [`UserStatus::Other`]: the user is not allowed to sign in, and changes of other fields retain
    /// the value.
    ///
    /// [`UserStatus::Other`]: crate::UserStatus::Other
    pub fn status(
        self,
        column: impl Into<String>,
        active: impl Into<String>,
        disabled: impl Into<String>,
    ) -> Self {
        let shape = Shape::MessageText { active: active.into(), disabled: disabled.into() };
        self.map(Field::UserStatus, shape, column.into())
    }

    /// Adds an extra column, which is read with the user and never written. See
    /// [`User::extra`](crate::User::extra).
    pub fn extra(mut self, column: impl Into<String>) -> Self {
        self.extra.push(column.into());
        self
    }

    /// Sets the application's type for the extra columns, for [`Profile<T>`](crate::UserProfile). It is
    /// deserialized once for each row.
    pub fn profile<T: DeserializeOwned + Send + Sync + 'static>(mut self) -> Self {
        self.read_profile = Some(|columns| {
            let profile: T = serde_json::from_value(Value::Object(columns.clone()))?;
            Ok(Arc::new(profile))
        });
        self
    }

    pub(crate) fn of(&self, field: Field) -> Option<&Mapped> {
        self.columns.iter().find(|mapped| mapped.field == field)
    }

    fn map(mut self, field: Field, shape: Shape, column: String) -> Self {
        self.columns.retain(|mapped| mapped.field != field);
        self.columns.push(Mapped { field, shape, column });
        self
    }
}

impl fmt::Debug for UserTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserTable")
            .field("name", &self.name)
            .field("columns", &self.columns)
            .field("extra", &self.extra)
            .finish_non_exhaustive()
    }
}
