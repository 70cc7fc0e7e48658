//! Credentials in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Db, SqlStore, challenges,
    db::{Arg, Step},
    row::{Reader, json_text},
    standing,
};
use crate::{
    model::UserId,
    store::{Credential, CredentialKind, CredentialStore, Removal, Renewal, StoreError, Use},
};

#[async_trait]
impl<DB: Db> CredentialStore for SqlStore<DB> {
    async fn find_credential(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let args = vec![kind.as_str().into(), lookup.into()];
        self.fetch(FIND, args).await?.map(|row| read::<DB>(&row)).transpose()
    }

    async fn find_settled(
        &self,
        kind: CredentialKind,
        lookup: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let args = vec![kind.as_str().into(), lookup.into()];
        let sql = format!("{FIND}{}", DB::pick("", " FOR SHARE"));
        self.fetch(sql, args).await?.map(|row| read::<DB>(&row)).transpose()
    }

    async fn insert_credential(&self, credential: &Credential) -> Result<bool, StoreError> {
        let step = insert(credential)?;
        Ok(self.execute(INSERT, step.args).await? == 1)
    }

    async fn list_credentials(&self, user: &UserId) -> Result<Vec<Credential>, StoreError> {
        let rows = self.fetch_all(LIST, vec![user.as_str().into()]).await?;
        rows.iter().map(read::<DB>).collect()
    }

    async fn list_credentials_of(&self, users: &[UserId]) -> Result<Vec<Credential>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM auth_credentials WHERE {} ORDER BY user_id, created_at, id",
            DB::among("user_id")
        );
        let rows = self.fetch_all(sql, vec![json_text(&users)?.into()]).await?;
        rows.iter().map(read::<DB>).collect()
    }

    async fn remove_credential(
        &self,
        user: &UserId,
        kind: CredentialKind,
        id: &str,
    ) -> Result<Removal, StoreError> {
        if id.contains('\0') {
            // No text of PostgreSQL has one, and none is asked for with one.
            return Ok(Removal::Unknown);
        }
        let key = || vec![user.as_str().into(), kind.as_str().into(), id.into()];
        let steps =
            vec![Step::new(LOCK_ALL, vec![user.as_str().into()]), Step::must(REMOVE, key())];
        if self.transact(steps).await? {
            return Ok(Removal::Removed);
        }
        let own = self.list_credentials(user).await?;
        let stands = own.iter().any(|own| own.id == id && own.kind == kind);
        Ok(if stands { Removal::Last } else { Removal::Unknown })
    }

    async fn use_credential(&self, using: &Use) -> Result<bool, StoreError> {
        Ok(self.execute(USE, used(using)?).await? == 1)
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

    async fn renew_security(
        &self,
        change: &Renewal<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let steps = renewal(change, now)?;
        self.changes.of_a_user(change.user).during(self.transact(steps)).await
    }
}

fn read<DB: Db>(row: &DB::Row) -> Result<Credential, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_credentials");
    Ok(Credential {
        id: columns.text()?,
        user_id: UserId::new(columns.text()?),
        kind: columns.parsed(CredentialKind::from_name)?,
        lookup: columns.text()?,
        data: columns.json()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
        last_used_at: columns.optional_time()?,
    })
}

/// The use of a credential as part of a transaction.
pub(super) fn use_step(using: &Use) -> Result<Step, StoreError> {
    Ok(Step::must(USE, used(using)?))
}

fn used(using: &Use) -> Result<Vec<Arg>, StoreError> {
    Ok(vec![
        json_text(&using.data)?.into(),
        using.at.into(),
        using.credential.as_str().into(),
        json_text(&using.expected)?.into(),
    ])
}

fn renewal(change: &Renewal<'_>, now: Timestamp) -> Result<Vec<Step>, StoreError> {
    let user = change.user.as_str();
    let mut steps = Vec::new();
    if let Some(id) = change.spend {
        steps.push(challenges::spend(id, now));
    }
    if let Some(keep) = change.keep {
        steps.push(Step::must(STANDS, vec![keep.to_string().into(), user.into()]));
    }
    if change.everything {
        steps.push(Step::new(DELETE_ALL, vec![user.into()]));
        steps.push(Step::new(standing::DELETE_KEYS, vec![user.into()]));
    }
    // Before sessions end: who has just begun one by the former password waits for this to end
    // before it is compared again.
    if let Some(password) = change.password {
        steps.push(upsert(password)?);
    }
    let keep = change.keep.map_or_else(String::new, |id| id.to_string());
    steps.push(Step::new(DELETE_SESSIONS, vec![user.into(), keep.into()]));
    steps.push(challenges::end_all(change.user));
    Ok(steps)
}

fn upsert(credential: &Credential) -> Result<Step, StoreError> {
    let insert = insert(credential)?;
    Ok(Step::new(UPSERT, insert.args))
}

fn insert(credential: &Credential) -> Result<Step, StoreError> {
    insert_of(credential, &credential.user_id.as_str().into())
}

/// A new credential of the user of this id, which the database may have chosen just now.
pub(super) fn insert_of(credential: &Credential, user: &Arg) -> Result<Step, StoreError> {
    let lookup = match credential.kind {
        CredentialKind::Password => user.clone(),
        _ => credential.lookup.as_str().into(),
    };
    let args = vec![
        credential.id.as_str().into(),
        user.clone(),
        credential.kind.as_str().into(),
        lookup,
        json_text(&credential.data)?.into(),
        credential.created_at.into(),
        credential.updated_at.into(),
        credential.last_used_at.into(),
    ];
    Ok(Step::must(INSERT, args))
}

const COLUMNS: &str = "id, user_id, kind, lookup, data, created_at, updated_at, last_used_at";

const FIND: &str = "SELECT id, user_id, kind, lookup, data, created_at, updated_at, last_used_at
    FROM auth_credentials WHERE kind = CAST($1 AS TEXT) AND lookup = CAST($2 AS TEXT)";

const LIST: &str = "SELECT id, user_id, kind, lookup, data, created_at, updated_at, last_used_at
    FROM auth_credentials WHERE user_id = CAST($1 AS TEXT) ORDER BY created_at, id";

/// Of two removals, PostgreSQL lets the second wait here and then see what the first left.
const LOCK_ALL: &str = "UPDATE auth_credentials SET kind = kind WHERE user_id = CAST($1 AS TEXT)";

const REMOVE: &str = "DELETE FROM auth_credentials WHERE user_id = CAST($1 AS TEXT)
    AND kind = CAST($2 AS TEXT) AND id = CAST($3 AS TEXT)
    AND EXISTS (SELECT 1 FROM auth_credentials WHERE user_id = CAST($1 AS TEXT) AND id <> $3)";

const USE: &str =
    "UPDATE auth_credentials SET data = $1, last_used_at = $2 WHERE id = CAST($3 AS TEXT)
    AND data = $4";

const INSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

const UPSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (kind, lookup) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at";

/// Locks a session that is still there.
const STANDS: &str = "UPDATE auth_sessions SET user_id = user_id WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT)";

const DELETE_ALL: &str = "DELETE FROM auth_credentials WHERE user_id = CAST($1 AS TEXT)";

const DELETE_SESSIONS: &str = "DELETE FROM auth_sessions WHERE user_id = CAST($1 AS TEXT)
    AND id <> $2";

const REPLACE: &str =
    "UPDATE auth_credentials SET data = $1, updated_at = $2 WHERE id = CAST($3 AS TEXT)
    AND data = $4";
