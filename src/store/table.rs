//! The table of an application that already has users.

use std::{any::Any, fmt, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::model::User;

/// Reads the further columns of a row in the application's own type.
pub(crate) type ReadProfile =
    fn(&Map<String, Value>) -> Result<Arc<dyn Any + Send + Sync>, serde_json::Error>;

/// The map from a user to the columns of a table that the application owns, in the same
/// database; see [`Users::mapped`](crate::Users::mapped).
///
/// Without a word, the id is in `id` and the address in `email`; every other column has to be
/// named. A column may be of any type that can carry its field; a wrong one is an error at
/// build, which says which. What has no column is kept in our own tables where security wants
/// it (a proof of the address, a ban, whether the user is anonymous), and otherwise not at all.
///
/// At sign-up, a column of which nothing is known keeps the application's own default.
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

/// The fields of a user, in the order in which every statement has them.
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
    Status,
    UserMetadata,
    AppMetadata,
    CreatedAt,
    UpdatedAt,
}

/// How a column carries a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Id,
    Text,
    Moment,
    Flag,
    /// A moment of which only is known whether it was.
    HasBeen,
    List,
    /// A list of one, as a text.
    One,
    Map,
    /// A status as a flag.
    Active,
    /// A status by two words.
    Words {
        active: String,
        disabled: String,
    },
}

impl Field {
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
        Self::Status,
        Self::UserMetadata,
        Self::AppMetadata,
        Self::CreatedAt,
        Self::UpdatedAt,
    ];

    /// The name of the field of [`User`](crate::User), and of the column in our own table.
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
            Self::Status => "status",
            Self::UserMetadata => "user_metadata",
            Self::AppMetadata => "app_metadata",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
        }
    }
}

impl Field {
    /// The fields in which two versions of a user differ.
    pub(crate) fn changes(before: &User, after: &User) -> Vec<Self> {
        Self::ALL.into_iter().filter(|field| field.of(before) != field.of(after)).collect()
    }

    /// The value of a user, as it is stored.
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
            Self::Status => json!(user.status),
            Self::UserMetadata => json!(user.user_metadata),
            Self::AppMetadata => json!(user.app_metadata),
            Self::CreatedAt => json!(user.created_at),
            Self::UpdatedAt => json!(user.updated_at),
        }
    }

    /// Whether this is of the security of a user, and kept here where the application has no
    /// place for it.
    pub(crate) const fn is_standing(self) -> bool {
        matches!(self, Self::EmailVerifiedAt | Self::Status | Self::IsAnonymous)
    }

    /// Whether a connection of the user depends on this: the fields of a subject, and the status.
    pub(crate) const fn is_watched(self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::TenantId
                | Self::IsAnonymous
                | Self::Roles
                | Self::Scopes
                | Self::Attributes
                | Self::Status
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
    /// A table of this name; `"schema.table"` on PostgreSQL.
    pub fn new(name: impl Into<String>) -> Self {
        let new =
            Self { name: name.into(), columns: Vec::new(), extra: Vec::new(), read_profile: None };
        new.id("id").email("email")
    }

    mapped! {
        /// The id: text, a UUID, or an integer, which the database then chooses.
        id = Id as Id;
        /// The address: text with a unique index of its own, on the column or on
        /// `lower(column)`. Without the latter the addresses have to be in lower case. On
        /// PostgreSQL, `lower(column COLLATE "C")` does not depend on the database's locale.
        email = Email as Text;
        /// When the address was proved: a time, or milliseconds since 1970.
        email_verified_at = EmailVerifiedAt as Moment;
        /// Whether the address was proved.
        email_verified = EmailVerifiedAt as HasBeen;
        /// The phone number: text.
        phone = Phone as Text;
        /// When the phone number was proved.
        phone_verified_at = PhoneVerifiedAt as Moment;
        /// The name to sign in with: text.
        username = Username as Text;
        /// The name to show: text.
        display_name = DisplayName as Text;
        /// Where a picture lies: text.
        avatar_url = AvatarUrl as Text;
        /// The tenant: text.
        tenant_id = TenantId as Text;
        /// Whether the user came without any credential.
        is_anonymous = IsAnonymous as Flag;
        /// The roles: a JSON list, or an array of text.
        roles = Roles as List;
        /// The only role: text.
        role = Roles as One;
        /// The scopes: a JSON list, or an array of text.
        scopes = Scopes as List;
        /// The attributes: a JSON object.
        attributes = Attributes as Map;
        /// Whether the user may sign in: a boolean.
        active = Status as Active;
        /// What users write about themselves: a JSON object.
        user_metadata = UserMetadata as Map;
        /// What only the application sees: a JSON object.
        app_metadata = AppMetadata as Map;
        /// When the user was made.
        created_at = CreatedAt as Moment;
        /// When the user was last changed.
        updated_at = UpdatedAt as Moment;
    }

    /// Whether the user may sign in, by two words. Any other word is [`Status::Other`]: such a user
    /// may not sign in, and a change of anything else leaves the word as it is.
    ///
    /// [`Status::Other`]: crate::Status::Other
    pub fn status(
        self,
        column: impl Into<String>,
        active: impl Into<String>,
        disabled: impl Into<String>,
    ) -> Self {
        let shape = Shape::Words { active: active.into(), disabled: disabled.into() };
        self.map(Field::Status, shape, column.into())
    }

    /// A further column, which is read with the user and never written:
    /// [`User::extra`](crate::User::extra).
    pub fn extra(mut self, column: impl Into<String>) -> Self {
        self.extra.push(column.into());
        self
    }

    /// The application's own type for the further columns, for
    /// [`Profile<T>`](crate::Profile); read once for each row.
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
