//! Users in SQL.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Db, SqlStore, challenges, credentials,
    db::{Arg, Step},
    row::{Reader, json_text},
};
use crate::{
    model::{Email, Status, User, UserId},
    store::{Creation, Credential, CredentialStore, EmailChange, StoreError, UserStore},
};

#[async_trait]
impl<DB: Db> UserStore for SqlStore<DB> {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        self.user(FIND, id.as_str()).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.user(FIND_BY_EMAIL, email.as_str()).await
    }

    async fn create_user(
        &self,
        user: &User,
        credential: Option<&Credential>,
    ) -> Result<Creation, StoreError> {
        let mut steps = vec![Step::must(INSERT, args(user)?)];
        if let Some(credential) = credential {
            steps.push(credentials::insert(credential)?);
        }
        if self.transact(steps).await? {
            return Ok(Creation::Created);
        }
        let by_email = match &user.email {
            Some(email) => self.find_user_by_email(email).await?,
            None => None,
        };
        match (by_email, &user.username) {
            (Some(_), _) => Ok(Creation::EmailTaken),
            (None, _) if self.is_kept(credential).await? => Ok(Creation::CredentialTaken),
            (None, Some(_)) => Ok(Creation::UsernameTaken),
            // The id itself, or an address that was given up in the meantime.
            (None, None) => Err(StoreError::new("a new user met another that is not to be named")),
        }
    }

    async fn update_user(&self, user: &User) -> Result<bool, StoreError> {
        let mut steps = vec![Step::must(UPDATE, args(user)?)];
        if !user.is_active() {
            steps.push(Step::new(DELETE_SESSIONS, vec![user.id.as_str().into()]));
        }
        self.transact(steps).await
    }

    async fn change_email(
        &self,
        id: &UserId,
        from: Option<&Email>,
        to: &Email,
        now: Timestamp,
    ) -> Result<EmailChange, StoreError> {
        let from = from.map_or_else(String::new, ToString::to_string);
        let args = vec![id.as_str().into(), to.as_str().into(), now.into(), from.into()];
        self.count(1);
        match DB::execute(&self.writer, CHANGE_EMAIL, args).await {
            Ok(0) => Ok(EmailChange::Stale),
            Ok(_) => Ok(EmailChange::Changed),
            Err(error) => match error.as_database_error() {
                Some(refused) if refused.is_unique_violation() => Ok(EmailChange::Taken),
                _ => Err(StoreError::new(error)),
            },
        }
    }

    async fn delete_user(&self, user: &UserId) -> Result<bool, StoreError> {
        let id = || vec![Arg::from(user.as_str())];
        self.transact(vec![
            Step::must(DELETE, id()),
            Step::new(DELETE_SESSIONS, id()),
            Step::new(DELETE_CREDENTIALS, id()),
            challenges::delete_all(user),
        ])
        .await
    }
}

impl<DB: Db> SqlStore<DB> {
    async fn is_kept(&self, credential: Option<&Credential>) -> Result<bool, StoreError> {
        let Some(own) = credential else { return Ok(false) };
        Ok(self.find_credential(own.kind, &own.lookup).await?.is_some())
    }

    async fn user(&self, sql: &'static str, key: &str) -> Result<Option<User>, StoreError> {
        match self.fetch(sql, vec![key.into()]).await? {
            Some(row) => read_joined(Reader::<DB>::new(&row, "auth_users")),
            None => Ok(None),
        }
    }
}

/// Reads the columns of a user, which a join left empty where there is none.
pub(super) fn read_joined<DB: Db>(mut columns: Reader<'_, DB>) -> Result<Option<User>, StoreError> {
    let Some(id) = columns.optional_text()? else { return Ok(None) };
    let email = match columns.optional_text()? {
        Some(text) => Some(Email::parse(&text).map_err(|_| columns.corrupt())?),
        None => None,
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
    let status = columns.parsed(status)?;
    let user_metadata = columns.json()?;
    let app_metadata = columns.json()?;
    let created_at = columns.time()?;
    let updated_at = columns.time()?;
    Ok(Some(User {
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
        ..User::new(UserId::new(id), created_at)
    }))
}

fn args(user: &User) -> Result<Vec<Arg>, StoreError> {
    Ok(vec![
        user.id.as_str().into(),
        user.email.as_ref().map(ToString::to_string).into(),
        user.email_verified_at.into(),
        user.phone.clone().into(),
        user.phone_verified_at.into(),
        user.username.clone().into(),
        user.display_name.clone().into(),
        user.avatar_url.clone().into(),
        user.tenant_id.clone().into(),
        i64::from(user.is_anonymous).into(),
        json_text(&user.roles)?.into(),
        json_text(&user.scopes)?.into(),
        json_text(&user.attributes)?.into(),
        user.status.as_str().into(),
        json_text(&user.user_metadata)?.into(),
        json_text(&user.app_metadata)?.into(),
        user.created_at.into(),
        user.updated_at.into(),
    ])
}

fn status(name: &str) -> Option<Status> {
    [Status::Active, Status::Disabled].into_iter().find(|status| status.as_str() == name)
}

macro_rules! columns {
    ($of:literal) => {
        concat!(
            $of,
            "id, ",
            $of,
            "email, ",
            $of,
            "email_verified_at, ",
            $of,
            "phone, ",
            $of,
            "phone_verified_at, ",
            $of,
            "username, ",
            $of,
            "display_name, ",
            $of,
            "avatar_url, ",
            $of,
            "tenant_id, ",
            $of,
            "is_anonymous, ",
            $of,
            "roles, ",
            $of,
            "scopes, ",
            $of,
            "attributes, ",
            $of,
            "status, ",
            $of,
            "user_metadata, ",
            $of,
            "app_metadata, ",
            $of,
            "created_at, ",
            $of,
            "updated_at"
        )
    };
}

pub(super) use columns;

const FIND: &str = concat!("SELECT ", columns!(""), " FROM auth_users WHERE id = $1");

const FIND_BY_EMAIL: &str = concat!("SELECT ", columns!(""), " FROM auth_users WHERE email = $1");

const INSERT: &str = concat!(
    "INSERT INTO auth_users (",
    columns!(""),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    ON CONFLICT DO NOTHING"
);

const UPDATE: &str = "UPDATE auth_users SET email = $2, email_verified_at = $3, phone = $4,
    phone_verified_at = $5, username = $6, display_name = $7, avatar_url = $8, tenant_id = $9,
    is_anonymous = $10, roles = $11, scopes = $12, attributes = $13, status = $14,
    user_metadata = $15, app_metadata = $16, created_at = $17, updated_at = $18 WHERE id = $1";

const CHANGE_EMAIL: &str = "UPDATE auth_users
    SET email = $2, email_verified_at = $3, updated_at = $3
    WHERE id = $1 AND COALESCE(email, '') = $4";

const DELETE: &str = "DELETE FROM auth_users WHERE id = $1";

const DELETE_SESSIONS: &str = "DELETE FROM auth_sessions WHERE user_id = $1";

const DELETE_CREDENTIALS: &str = "DELETE FROM auth_credentials WHERE user_id = $1";
