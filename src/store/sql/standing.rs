//! Storage in SQL of the status of users that are in another store.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Db, SqlStore, challenges,
    db::{Arg, Statement},
    mails,
    row::{Reader, json_text, status},
};
use crate::{
    model::{Email, User, UserId},
    store::{AccountFlagStore, AccountFlags, StoreError, Unmet},
};

#[async_trait]
impl<DB: Db> AccountFlagStore for SqlStore<DB> {
    async fn find_standing(&self, id: &UserId) -> Result<AccountFlags, StoreError> {
        let Some(row) = self.fetch(FIND_STANDING, vec![id.as_str().into()]).await? else {
            return Ok(AccountFlags::default());
        };
        let mut columns = Reader::<DB>::new(&row, "auth_standing");
        Ok(AccountFlags {
            email: columns.optional_text()?.and_then(|text| Email::parse(&text).ok()),
            email_verified_at: columns.optional_time()?,
            status: status(&columns.text()?),
            is_anonymous: columns.int()? != 0,
        })
    }

    async fn has_begun(&self, id: &UserId) -> Result<bool, StoreError> {
        Ok(self.fetch(HAS_BEGUN, vec![id.as_str().into()]).await?.is_some())
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, Timestamp>, StoreError> {
        let sql = format!(
            "SELECT user_id, MAX(last_seen_at) FROM auth_sessions WHERE {}
            AND impersonator IS NULL GROUP BY user_id",
            DB::among("user_id")
        );
        let rows = self.fetch_all(sql, vec![json_text(&users)?.into()]).await?;
        let read = |row: &DB::Row| {
            let mut columns = Reader::<DB>::new(row, "auth_sessions");
            Ok((UserId::new(columns.text()?), columns.time()?))
        };
        rows.iter().map(read).collect()
    }

    async fn forget_user(&self, id: &UserId) -> Result<(), StoreError> {
        let mails = mails::delete_all(id.as_str().into());
        self.forget_elsewhere(id, RECORD_DELETION, Some(mails)).await
    }

    async fn forget_former_user(&self, id: &UserId) -> Result<(), StoreError> {
        self.forget_elsewhere(id, RECORD_FORMER, None).await
    }
}

impl<DB: Db> SqlStore<DB> {
    async fn forget_elsewhere(
        &self,
        id: &UserId,
        record: &'static str,
        mails: Option<Statement>,
    ) -> Result<(), StoreError> {
        let id_arg = Arg::from(id.as_str());
        let mut steps = Vec::new();
        if let Some(lock) = self.users.read_locked.lock.clone().filter(|_| self.users.is_elsewhere)
        {
            // Serializes with transitions of the user.
            steps.push(Statement::new(lock, vec![id_arg.clone()]));
        }
        let standing = if self.users.is_elsewhere { FORGET_STANDING } else { DELETE_STANDING };
        steps.extend(forget_with(&id_arg, standing, record));
        steps.extend(mails);
        self.changes.begin_user_change(id).run(self.transact(steps)).await.map(drop)
    }
}

/// Deletes all data of a user except for the user itself.
pub(super) fn forget(id: &Arg) -> Vec<Statement> {
    let mut steps = forget_with(id, DELETE_STANDING, RECORD_DELETION);
    steps.push(mails::delete_all(id.clone()));
    steps
}

/// Deletes remaining data of a former user whose id a new user gets.
pub(super) fn forget_former(id: &Arg) -> Vec<Statement> {
    forget_with(id, DELETE_STANDING, RECORD_FORMER)
}

fn forget_with(id: &Arg, standing: &'static str, record: &'static str) -> Vec<Statement> {
    let mut steps = vec![
        Statement::new(DELETE_SESSIONS, vec![id.clone()]),
        Statement::new(DELETE_CREDENTIALS, vec![id.clone()]),
        Statement::new(standing, vec![id.clone()]),
        Statement::new(DELETE_KEYS, vec![id.clone()]),
        Statement::new(DELETE_BEGUN, vec![id.clone()]),
        Statement::new(record, vec![id.clone()]),
    ];
    steps.push(challenges::delete_all(id.clone()));
    steps
}

pub(super) fn is_usual(user: &User) -> bool {
    AccountFlags::from(user) == AccountFlags::default()
}

pub(super) fn standing(id: &Arg, kept: &AccountFlags) -> Statement {
    let args = vec![
        id.clone(),
        kept.email.as_ref().map(ToString::to_string).into(),
        kept.email_verified_at.into(),
        kept.status.as_str().into(),
        i64::from(kept.is_anonymous).into(),
    ];
    Statement::new(PUT_STANDING, args)
}

/// Requires that the status stored for an external user equals `kept`. A missing row counts as
/// the default status.
pub(super) fn unchanged(id: &Arg, kept: &AccountFlags) -> Statement {
    let args = vec![
        id.clone(),
        kept.email.as_ref().map(ToString::to_string).unwrap_or_default().into(),
        kept.email_verified_at.map_or(i64::MIN, |at| at.as_millisecond()).into(),
        kept.status.as_str().into(),
        i64::from(kept.is_anonymous).into(),
    ];
    Statement { unmet: Some(Unmet::AccountFlags), ..Statement::answers(UNCHANGED, args) }
}

pub(super) const DELETE_SESSIONS: &str = "DELETE FROM auth_sessions
    WHERE user_id = CAST($1 AS TEXT)";

const DELETE_CREDENTIALS: &str = "DELETE FROM auth_credentials WHERE user_id = CAST($1 AS TEXT)";

const DELETE_KEYS: &str = "DELETE FROM auth_api_keys WHERE user_id = CAST($1 AS TEXT)";

const DELETE_STANDING: &str = "DELETE FROM auth_standing WHERE user_id = CAST($1 AS TEXT)";

/// A user in another store may still exist, and must not be enabled by the deletion.
const FORGET_STANDING: &str = "DELETE FROM auth_standing WHERE user_id = CAST($1 AS TEXT)
    AND status = 'active'";

const DELETE_BEGUN: &str = "DELETE FROM auth_begun WHERE user_id = CAST($1 AS TEXT)";

/// Events are retained without IP addresses, which are removed after the deletion: there may be too
/// many events for one transaction.
const RECORD_DELETION: &str = "INSERT INTO auth_deleted_users (user_id, deleted_at, checked_to)
    VALUES ($1, NULL, '')
    ON CONFLICT (user_id) DO UPDATE SET deleted_at = NULL, checked_to = ''";

/// Most ids were never in use.
const RECORD_FORMER: &str = "INSERT INTO auth_deleted_users (user_id, deleted_at, checked_to)
    SELECT user_id, NULL, '' FROM auth_events WHERE user_id = CAST($1 AS TEXT) LIMIT 1
    ON CONFLICT (user_id) DO UPDATE SET deleted_at = NULL, checked_to = ''";

const HAS_BEGUN: &str = "SELECT user_id FROM auth_begun WHERE user_id = CAST($1 AS TEXT)";

const FIND_STANDING: &str = "SELECT email, email_verified_at, status, is_anonymous
    FROM auth_standing WHERE user_id = CAST($1 AS TEXT)";

/// `-9223372036854775808` represents a missing time; no clock returns it.
const UNCHANGED: &str = "SELECT 'unchanged' WHERE 1 = COALESCE((SELECT
        CASE WHEN COALESCE(email, '') = $2
            AND COALESCE(email_verified_at, -9223372036854775808) = $3
            AND CASE WHEN status IN ('active', 'disabled') THEN status ELSE 'other' END = $4
            AND is_anonymous = $5 THEN 1 ELSE 0 END
        FROM auth_standing WHERE user_id = CAST($1 AS TEXT)),
    CASE WHEN CAST($2 AS TEXT) = '' AND CAST($3 AS BIGINT) = -9223372036854775808
        AND CAST($4 AS TEXT) = 'active' AND CAST($5 AS BIGINT) = 0 THEN 1 ELSE 0 END)";

const PUT_STANDING: &str = "INSERT INTO auth_standing
    (user_id, email, email_verified_at, status, is_anonymous) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id) DO UPDATE SET email = excluded.email,
    email_verified_at = excluded.email_verified_at,
    status = CASE excluded.status WHEN 'other' THEN auth_standing.status ELSE excluded.status END,
    is_anonymous = excluded.is_anonymous";
