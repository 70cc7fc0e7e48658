//! Storage of credentials in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Db, SqlStore,
    credential_row::INSERT,
    db::{Arg, Statement},
    row::{Reader, json_text, quoted},
};
use crate::{
    model::UserId,
    store::{
        Credential, CredentialKind, CredentialStore, CredentialUpdate, Dependents, StoreError,
        Unmet,
    },
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
        let sql = self.users.insert_credential.clone();
        Ok(self.execute(sql, step.args).await? == 1)
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

    async fn use_credential(&self, using: &CredentialUpdate) -> Result<bool, StoreError> {
        Ok(self.execute(USE, used(using)?).await? == 1)
    }

    async fn replace_credential(
        &self,
        id: &str,
        expected: &Value,
        data: &Value,
        updated_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (data, expected) = (json_text(data)?.into(), json_text(expected)?.into());
        let args = vec![data, updated_at.into(), id.into(), expected];
        Ok(self.execute(REPLACE, args).await? == 1)
    }
}

fn read<DB: Db>(row: &DB::Row) -> Result<Credential, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_credentials");
    Ok(Credential {
        id: columns.text()?,
        user_id: UserId::new(columns.text()?),
        kind: CredentialKind::from_name(&columns.text()?).unwrap_or(CredentialKind::Other),
        lookup: columns.text()?,
        data: columns.json()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
        last_used_at: columns.optional_time()?,
    })
}

/// Returns the use of a credential as a step of a transaction.
pub(super) fn use_step(using: &CredentialUpdate) -> Result<Statement, StoreError> {
    Ok(Statement::requires(Unmet::Credential, USE, used(using)?))
}

/// Requires that a credential exists, unchanged since a time if one is given.
pub(super) fn stands(id: &str, user: &Arg, since: Option<Timestamp>) -> Statement {
    let mut args = vec![id.into(), user.clone()];
    let sql = match since {
        None => STANDS,
        Some(since) => {
            args.push(since.into());
            STANDS_UNCHANGED
        }
    };
    Statement::requires(Unmet::Credential, sql, args)
}

/// Requires that a user has no password.
pub(super) fn no_password(user: &Arg) -> Statement {
    Statement {
        unmet: Some(Unmet::Password),
        ..Statement::answers(NO_PASSWORD, vec![user.clone()])
    }
}

/// Deletes a credential if it is not in `sign_in`, or if another credential in it exists.
pub(super) fn remove<DB: Db>(
    user: &Arg,
    kind: CredentialKind,
    id: &str,
    sign_in: &[String],
) -> Result<Statement, StoreError> {
    let sql = format!(
        "DELETE FROM auth_credentials WHERE user_id = CAST($2 AS TEXT) AND kind = CAST($3 AS TEXT)
        AND id = CAST($4 AS TEXT) AND (NOT ({among}) OR EXISTS (SELECT 1 FROM auth_credentials
            WHERE user_id = CAST($2 AS TEXT) AND id <> $4 AND {among}))",
        among = DB::among("id")
    );
    let list = json_text(&sign_in)?.into();
    let args = vec![list, user.clone(), kind.as_str().into(), id.into()];
    Ok(Statement::requires(Unmet::Removal, sql, args))
}

/// Deletes all credentials of a user except for these.
pub(super) fn remove_all_but<DB: Db>(user: &Arg, ids: &[String]) -> Result<Statement, StoreError> {
    let sql = format!(
        "DELETE FROM auth_credentials WHERE user_id = CAST($2 AS TEXT) AND NOT ({})",
        DB::among("id")
    );
    Ok(Statement::new(sql, vec![json_text(&ids)?.into(), user.clone()]))
}

/// Deletes the credentials of a kind unless one of those that they depend on remains.
pub(super) fn remove_dependents<DB: Db>(
    user: &Arg,
    dependents: &Dependents,
) -> Result<Statement, StoreError> {
    let sql = format!(
        "DELETE FROM auth_credentials WHERE user_id = CAST($2 AS TEXT) AND kind = CAST($3 AS TEXT)
        AND NOT EXISTS (SELECT 1 FROM auth_credentials
            WHERE user_id = CAST($2 AS TEXT) AND {})",
        DB::among("id")
    );
    let on = json_text(&dependents.on)?.into();
    Ok(Statement::new(sql, vec![on, user.clone(), dependents.kind.as_str().into()]))
}

/// Deletes the credentials of these kinds of a user.
pub(super) fn end_kinds(user: &Arg, kinds: &[&'static str]) -> Statement {
    let kinds = quoted(kinds);
    let sql = format!(
        "DELETE FROM auth_credentials WHERE user_id = CAST($1 AS TEXT) AND kind IN ({kinds})"
    );
    Statement::new(sql, vec![user.clone()])
}

/// Requires that a user has at most this many credentials of the kind of a new one.
pub(super) fn within(credential: &Credential, user: &Arg, at_most: u32) -> Statement {
    let id = credential.id.as_str().into();
    let args = vec![id, user.clone(), credential.kind.as_str().into(), i64::from(at_most).into()];
    Statement::requires(Unmet::Limit, WITHIN, args)
}

fn used(using: &CredentialUpdate) -> Result<Vec<Arg>, StoreError> {
    Ok(vec![
        json_text(&using.data)?.into(),
        using.at.into(),
        using.credential.as_str().into(),
        json_text(&using.expected)?.into(),
    ])
}

/// Sets the password of a user.
pub(super) fn upsert(credential: &Credential) -> Result<Statement, StoreError> {
    let insert = insert(credential)?;
    Ok(Statement::new(UPSERT, insert.args))
}

/// Inserts a credential of a kind of which a user has one, or replaces it by another one.
pub(super) fn put(credential: &Credential) -> Result<Statement, StoreError> {
    let insert = insert(credential)?;
    Ok(Statement::new(PUT, insert.args))
}

fn insert(credential: &Credential) -> Result<Statement, StoreError> {
    insert_of(credential, &credential.user_id.as_str().into())
}

/// Inserts a credential for the user of this id, which the database may have just generated.
pub(super) fn insert_of(credential: &Credential, user: &Arg) -> Result<Statement, StoreError> {
    let lookup = match credential.kind.is_one_per_user() {
        true => user.clone(),
        false => credential.lookup.as_str().into(),
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
    Ok(Statement::requires(Unmet::Taken, INSERT, args))
}

const COLUMNS: &str = "id, user_id, kind, lookup, data, created_at, updated_at, last_used_at";

const FIND: &str = "SELECT id, user_id, kind, lookup, data, created_at, updated_at, last_used_at
    FROM auth_credentials WHERE kind = CAST($1 AS TEXT) AND lookup = CAST($2 AS TEXT)";

const LIST: &str = "SELECT id, user_id, kind, lookup, data, created_at, updated_at, last_used_at
    FROM auth_credentials WHERE user_id = CAST($1 AS TEXT) ORDER BY created_at, id";

const USE: &str =
    "UPDATE auth_credentials SET data = $1, last_used_at = $2 WHERE id = CAST($3 AS TEXT)
    AND data = $4";

const UPSERT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (kind, lookup) DO UPDATE SET data = excluded.data, updated_at = excluded.updated_at";

const PUT: &str = "INSERT INTO auth_credentials
    (id, user_id, kind, lookup, data, created_at, updated_at, last_used_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (kind, lookup) DO UPDATE SET id = excluded.id, data = excluded.data,
    created_at = excluded.created_at, updated_at = excluded.updated_at, last_used_at = NULL";

const STANDS: &str = "UPDATE auth_credentials SET kind = kind WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT)";

const STANDS_UNCHANGED: &str = "UPDATE auth_credentials SET kind = kind WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT) AND updated_at = $3";

const NO_PASSWORD: &str = "SELECT 'none' WHERE NOT EXISTS (SELECT 1 FROM auth_credentials
    WHERE user_id = CAST($1 AS TEXT) AND kind = 'password')";

const WITHIN: &str = "UPDATE auth_credentials SET kind = kind WHERE id = CAST($1 AS TEXT)
    AND (SELECT COUNT(*) FROM auth_credentials WHERE user_id = CAST($2 AS TEXT)
        AND kind = CAST($3 AS TEXT)) <= $4";

const REPLACE: &str =
    "UPDATE auth_credentials SET data = $1, updated_at = $2 WHERE id = CAST($3 AS TEXT)
    AND data = $4";
