//! Credentials in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Db, SqlStore,
    db::Step,
    row::{Reader, json_text},
};
use crate::{
    model::UserId,
    store::{Credential, CredentialKind, CredentialStore, StoreError},
};

#[async_trait]
impl<DB: Db> CredentialStore for SqlStore<DB> {
    async fn find_credential(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let args = vec![kind.as_str().into(), lookup.into()];
        let Some(row) = self.fetch(FIND, args).await? else { return Ok(None) };
        let mut columns = Reader::<DB>::new(&row, "auth_credentials");
        Ok(Some(Credential {
            kind,
            id: columns.text()?,
            user_id: UserId::new(columns.text()?),
            lookup: columns.text()?,
            data: columns.json()?,
            created_at: columns.time()?,
            updated_at: columns.time()?,
            last_used_at: columns.optional_time()?,
        }))
    }

    async fn replace_credential(
        &self,
        id: &str,
        expected: &Value,
        data: &Value,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args =
            vec![json_text(data)?.into(), now.into(), id.into(), json_text(expected)?.into()];
        Ok(self.execute(REPLACE, args).await? == 1)
    }
}

pub(super) fn insert(credential: &Credential) -> Result<Step, StoreError> {
    let args = vec![
        credential.id.as_str().into(),
        credential.user_id.as_str().into(),
        credential.kind.as_str().into(),
        credential.lookup.as_str().into(),
        json_text(&credential.data)?.into(),
        credential.created_at.into(),
        credential.updated_at.into(),
        credential.last_used_at.into(),
    ];
    Ok(Step::new(INSERT, args))
}

const FIND: &str = "SELECT id, user_id, lookup, data, created_at, updated_at, last_used_at
    FROM auth_credentials WHERE kind = $1 AND lookup = $2";

const INSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const REPLACE: &str =
    "UPDATE auth_credentials SET data = $1, updated_at = $2 WHERE id = $3 AND data = $4";
