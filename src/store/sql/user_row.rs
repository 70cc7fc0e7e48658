//! The columns of a user.

use jiff::Timestamp;

use super::{
    Db, SqlStore,
    db::Arg,
    row::{Reader, json_text, status},
    table::Statement,
};
use crate::{
    model::{Email, User, UserId},
    store::{Field, StoreError},
};

impl<DB: Db> SqlStore<DB> {
    /// Reads the columns of a user. Returns `None` if a join found no user.
    pub(super) fn read_user(
        &self,
        mut columns: Reader<'_, DB>,
    ) -> Result<Option<User>, StoreError> {
        let Some(id) = columns.optional_text()? else { return Ok(None) };
        let email = match columns.optional_text()?.map(|text| Email::parse(&text)) {
            Some(Err(_)) if self.users.is_own => return Err(columns.corrupt()),
            parsed => parsed.and_then(Result::ok),
        };
        let email_verified_at = columns.optional_time()?;
        let phone = columns.optional_text()?;
        let phone_verified_at = columns.optional_time()?;
        let username = columns.optional_text()?;
        let display_name = columns.optional_text()?;
        let avatar_url = columns.optional_text()?;
        let tenant_id = columns.optional_text()?;
        let is_anonymous = columns.int()? != 0;
        let roles = columns.json()?;
        let scopes = columns.json()?;
        let attributes = columns.json()?;
        let status = status(&columns.text()?);
        let user_metadata = columns.json()?;
        let app_metadata = columns.json()?;
        let created_at = columns.optional_time()?.unwrap_or(Timestamp::UNIX_EPOCH);
        let updated_at = columns.optional_time()?.unwrap_or(created_at);
        let extra = match columns.optional_text()? {
            Some(text) => serde_json::from_str(&text).map_err(|_| columns.corrupt())?,
            None => serde_json::Map::new(),
        };
        let user = User {
            email,
            email_verified_at,
            phone,
            phone_verified_at,
            username,
            display_name,
            avatar_url,
            tenant_id,
            is_anonymous,
            roles,
            scopes,
            attributes,
            status,
            user_metadata,
            app_metadata,
            updated_at,
            extra,
            ..User::new(UserId::new(id), created_at)
        };
        match self.read_profile {
            None => Ok(Some(user)),
            Some(read) => {
                let profile = read(&user.extra).map_err(StoreError::new)?;
                Ok(Some(user.with_shared_profile(profile)))
            }
        }
    }
}

/// Reads the columns of a user that a live connection needs. Returns `None` if a join found no
/// user.
pub(super) fn read_watched<DB: Db>(
    mut columns: Reader<'_, DB>,
) -> Result<Option<User>, StoreError> {
    let Some(id) = columns.optional_text()? else { return Ok(None) };
    let mut user = User::new(UserId::new(id), Timestamp::UNIX_EPOCH);
    user.tenant_id = columns.optional_text()?;
    user.is_anonymous = columns.int()? != 0;
    user.roles = columns.json()?;
    user.scopes = columns.json()?;
    user.attributes = columns.json()?;
    user.status = status(&columns.text()?);
    if let Some(extra) = columns.optional_text()? {
        user.extra = serde_json::from_str(&extra).map_err(|_| columns.corrupt())?;
    }
    Ok(Some(user))
}

/// Returns the parameters of a statement, from the fields of a user. Without `usernames` no
/// skeleton is stored, so that usernames only have to differ.
pub(super) fn args(
    statement: &Statement,
    user: &User,
    usernames: bool,
) -> Result<Vec<Arg>, StoreError> {
    let args = statement.takes.iter().map(|taken| match arg(taken.field, user) {
        _ if taken.field == Field::UsernameSkeleton && !usernames => Ok(Arg::Text(None)),
        Ok(_) if taken.or_default && is_blank(taken.field, user) => Ok(nothing(taken.field)),
        other => other,
    });
    args.collect()
}

fn arg(field: Field, user: &User) -> Result<Arg, StoreError> {
    Ok(match field {
        Field::Id => user.id.as_str().into(),
        Field::Email => user.email.as_ref().map(ToString::to_string).into(),
        Field::EmailVerifiedAt => user.email_verified_at.into(),
        Field::Phone => user.phone.clone().into(),
        Field::PhoneVerifiedAt => user.phone_verified_at.into(),
        Field::Username => user.username.clone().into(),
        Field::DisplayName => user.display_name.clone().into(),
        Field::AvatarUrl => user.avatar_url.clone().into(),
        Field::TenantId => user.tenant_id.clone().into(),
        Field::IsAnonymous => i64::from(user.is_anonymous).into(),
        Field::Roles => json_text(&user.roles)?.into(),
        Field::Scopes => json_text(&user.scopes)?.into(),
        Field::Attributes => json_text(&user.attributes)?.into(),
        Field::UserStatus => user.status.as_str().into(),
        Field::UserMetadata => json_text(&user.user_metadata)?.into(),
        Field::AppMetadata => json_text(&user.app_metadata)?.into(),
        Field::CreatedAt => user.created_at.into(),
        Field::UpdatedAt => user.updated_at.into(),
        Field::UsernameSkeleton => user.username_skeleton().into(),
    })
}

/// Returns `true` if the field of a new user has its default value.
fn is_blank(field: Field, user: &User) -> bool {
    match field {
        Field::IsAnonymous => !user.is_anonymous,
        Field::Roles => user.roles.is_empty(),
        Field::Scopes => user.scopes.is_empty(),
        Field::Attributes => user.attributes.is_empty(),
        Field::UserMetadata => user.user_metadata.is_empty(),
        Field::AppMetadata => user.app_metadata.is_empty(),
        Field::UserStatus => user.is_active(),
        _ => false,
    }
}

fn nothing(field: Field) -> Arg {
    match field {
        Field::IsAnonymous => Arg::Int(None),
        _ => Arg::Text(None),
    }
}
