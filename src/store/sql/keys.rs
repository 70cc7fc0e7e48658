//! Storage of API keys in SQL.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Db, SqlStore,
    db::{Arg, Statement},
    key_row::{columns, read},
    row::{Reader, json_text},
    sessions::UNNOTIFIED,
};
use crate::{
    crypto::digest::Digest,
    model::{ApiKey, ApiKeyId, KeyOwner, UserId},
    store::{KeyStore, StoreError, Unmet, WithUser},
};

#[async_trait]
impl<DB: Db> KeyStore for SqlStore<DB> {
    async fn insert_key(&self, key: &ApiKey, hash: &Digest) -> Result<bool, StoreError> {
        let step = insert(key, hash)?;
        Ok(self.execute(INSERT, step.args).await? == 1)
    }

    async fn find_key(&self, hash: &Digest) -> Result<Option<WithUser<ApiKey>>, StoreError> {
        let sql = self.users.find_key.clone();
        let Some(row) = self.fetch(sql, vec![hash.to_base64().into()]).await? else {
            return Ok(None);
        };
        let mut columns = Reader::<DB>::packed(&row, "auth_api_keys")?;
        let row = read(&mut columns)?;
        let user = self.read_user(columns.joined("the table of users"))?;
        Ok(Some(WithUser { row, user }))
    }

    async fn list_keys(&self, user: Option<&UserId>) -> Result<Vec<ApiKey>, StoreError> {
        let rows = match user {
            Some(user) => self.fetch_all(LIST, vec![user.as_str().into()]).await?,
            None => self.fetch_all(LIST_SERVICES, Vec::new()).await?,
        };
        rows.iter().map(|row| read(&mut Reader::<DB>::new(row, "auth_api_keys"))).collect()
    }

    async fn delete_key(&self, id: ApiKeyId, user: Option<&UserId>) -> Result<bool, StoreError> {
        let key = id.to_string().into();
        let (sql, args) = match user {
            Some(user) => (DELETE_OWNED, vec![key, user.as_str().into()]),
            None => (DELETE, vec![key]),
        };
        Ok(self.changes.begin_session_change(id.as_session()).run(self.execute(sql, args)).await?
            == 1)
    }

    async fn touch_key(
        &self,
        id: ApiKeyId,
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError> {
        let args = vec![now.into(), id.to_string().into(), unless_after.into()];
        self.background(TOUCH, args).await.map(drop)
    }

    async fn sweep_keys(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let quiet = DB::pick("", UNNOTIFIED);
        let sql = format!("{}{quiet}", DB::sweep("auth_api_keys", "id", ENDED));
        self.background(sql, vec![now.into(), i64::from(batch).into()]).await
    }
}

/// Inserts a key.
pub(super) fn insert(key: &ApiKey, hash: &Digest) -> Result<Statement, StoreError> {
    let (user, service) = match &key.owner {
        KeyOwner::User(user) => (Some(user.to_string()), None),
        KeyOwner::Service(service) => (None, Some(service.clone())),
    };
    let args = vec![
        key.id.to_string().into(),
        hash.to_base64().into(),
        user.into(),
        service.into(),
        key.name.as_str().into(),
        key.hint.as_str().into(),
        json_text(&key.scopes)?.into(),
        key.created_at.into(),
        key.expires_at.into(),
    ];
    Ok(Statement::requires(Unmet::Taken, INSERT, args))
}

/// Requires that a user has at most this many keys, including a new one.
pub(super) fn within(key: &ApiKey, user: &Arg, at_most: u32) -> Statement {
    let args = vec![key.id.to_string().into(), user.clone(), i64::from(at_most).into()];
    Statement::requires(Unmet::Limit, WITHIN, args)
}

/// Deletes all keys of a user except for these.
pub(super) fn remove_all_but<DB: Db>(user: &Arg, ids: &[String]) -> Result<Statement, StoreError> {
    let sql = format!(
        "DELETE FROM auth_api_keys WHERE user_id = CAST($2 AS TEXT) AND NOT ({})",
        DB::among("id")
    );
    Ok(Statement::new(sql, vec![json_text(&ids)?.into(), user.clone()]))
}

const INSERT: &str = "INSERT INTO auth_api_keys
    (id, hash, user_id, service, name, hint, scopes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";

const WITHIN: &str = "UPDATE auth_api_keys SET last_used_at = NULL WHERE id = CAST($1 AS TEXT)
    AND (SELECT COUNT(*) FROM auth_api_keys WHERE user_id = CAST($2 AS TEXT)) <= $3";

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_api_keys k WHERE k.user_id = CAST($1 AS TEXT) ORDER BY k.created_at DESC, k.id"
);

const LIST_SERVICES: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_api_keys k WHERE k.user_id IS NULL ORDER BY k.created_at DESC, k.id"
);

const DELETE: &str = "DELETE FROM auth_api_keys WHERE id = CAST($1 AS TEXT)";

const DELETE_OWNED: &str = "DELETE FROM auth_api_keys WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT)";

const TOUCH: &str = "UPDATE auth_api_keys SET last_used_at = $1
    WHERE id = CAST($2 AS TEXT)
    AND (COALESCE(last_used_at, 0) <= $3 OR last_used_at - $1 > $1 - $3)";

const ENDED: &str = "expires_at <= CAST($1 AS BIGINT)";
