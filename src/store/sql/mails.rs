//! Storage of messages that are not delivered yet, in SQL.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Db, SqlStore,
    challenge_row::columns,
    db::{Arg, Statement, TransactionOutcome},
    row::{Reader, json_text},
};
use crate::{
    crypto::digest::Digest,
    model::UserId,
    store::{MailStore, StoreError, StoredMail},
};

#[async_trait]
impl<DB: Db> MailStore for SqlStore<DB> {
    fn keeps_mails(&self) -> bool {
        !self.writer.is_in_memory
    }

    async fn insert_mail(&self, mail: &StoredMail) -> Result<(), StoreError> {
        self.background(INSERT, args(mail)?).await.map(drop)
    }

    async fn claim_mails(
        &self,
        now: Timestamp,
        until: Timestamp,
        at_most: u32,
    ) -> Result<Vec<StoredMail>, StoreError> {
        let args = vec![now.into(), until.into(), i64::from(at_most).into()];
        let rows = self.sweep_rows(DB::pick(CLAIM_SQLITE, CLAIM_POSTGRES), args).await?;
        let mut mails = rows.iter().map(read::<DB>).collect::<Result<Vec<_>, _>>()?;
        mails.sort_by_key(|mail| mail.created_at);
        Ok(mails)
    }

    async fn reschedule_mail(
        &self,
        id: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.background(RESCHEDULE, vec![id.into(), from.into(), to.into()]).await? == 1)
    }

    async fn remove_mail(&self, id: &str) -> Result<(), StoreError> {
        self.background(REMOVE, vec![id.into()]).await.map(drop)
    }

    async fn copy_link(
        &self,
        user: &UserId,
        link: &Digest,
        copy: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // Serializes with transitions of the user, which delete either both challenges or none.
        let locked = self.users.read_locked.clone();
        let lock = locked.lock.or(locked.read.filter(|_| DB::IS_POSTGRES));
        let lock = lock.map(|lock| Statement::new(lock, vec![user.as_str().into()]));
        let args = vec![
            link.to_base64().into(),
            now.into(),
            copy.to_base64().into(),
            user.as_str().into(),
        ];
        let copied = Statement::must(COPY_LINK, args);
        self.transact_in_background(lock.into_iter().chain([copied]).collect()).await
    }

    async fn replace_link(
        &self,
        mail: &str,
        link: &Digest,
        new: &Digest,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (link, new) = (Arg::from(link.to_base64()), Arg::from(new.to_base64()));
        let steps = vec![
            Statement::must(REPLACE_LINK, vec![link, now.into(), new.clone()]),
            Statement::must(NOTE_LINK, vec![mail.into(), new]),
        ];
        self.transact_in_background(steps).await
    }

    async fn sweep_mails(&self, before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = DB::sweep("auth_outbox", "id", ABANDONED);
        self.background(sql, vec![before.into(), i64::from(batch).into()]).await
    }
}

impl<DB: Db> SqlStore<DB> {
    /// Runs steps in one transaction. Returns whether it was committed.
    async fn transact_in_background(&self, steps: Vec<Statement>) -> Result<bool, StoreError> {
        let count = u64::try_from(steps.len()).unwrap_or(u64::MAX);
        self.counts.background.fetch_add(count, Ordering::Relaxed);
        let on = self.writer.access();
        let ended = repeated!(DB::transact(on, steps.clone(), None))?;
        Ok(matches!(ended, TransactionOutcome::Committed(_)))
    }
}

/// Stores a message in the transaction of the change that it reports.
pub(super) fn insert(mail: &StoredMail) -> Result<Statement, StoreError> {
    Ok(Statement::new(INSERT, args(mail)?))
}

/// Deletes the messages of a user.
pub(super) fn delete_all(user: Arg) -> Statement {
    Statement::new(DELETE_ALL, vec![user])
}

fn args(mail: &StoredMail) -> Result<Vec<Arg>, StoreError> {
    Ok(vec![
        mail.id.as_str().into(),
        mail.user_id.as_ref().map(|id| id.as_str().to_owned()).into(),
        json_text(&mail.content)?.into(),
        mail.link.map(Digest::to_base64).into(),
        i64::from(mail.attempts).into(),
        mail.created_at.into(),
        mail.due_at.into(),
    ])
}

fn read<DB: Db>(row: &DB::Row) -> Result<StoredMail, StoreError> {
    let mut columns = Reader::<DB>::new(row, "auth_outbox");
    Ok(StoredMail {
        id: columns.text()?,
        user_id: columns.optional_text()?.map(UserId::new),
        content: columns.json()?,
        link: match columns.optional_text()? {
            Some(text) => Some(Digest::from_base64(&text).ok_or_else(|| columns.corrupt())?),
            None => None,
        },
        attempts: u32::try_from(columns.int()?).map_err(|_| columns.corrupt())?,
        created_at: columns.time()?,
        due_at: columns.time()?,
    })
}

const INSERT: &str = "INSERT INTO auth_outbox
    (id, user_id, content, link, attempts, created_at, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING";

const CLAIM_SQLITE: &str = "UPDATE auth_outbox SET due_at = $2, attempts = attempts + 1
    WHERE id IN (SELECT id FROM auth_outbox WHERE due_at <= CAST($1 AS BIGINT) LIMIT $3)
    RETURNING id, user_id, content, link, attempts, created_at, due_at";

/// Skips messages that another process is taking over.
const CLAIM_POSTGRES: &str = "UPDATE auth_outbox SET due_at = $2, attempts = attempts + 1
    WHERE id = ANY(ARRAY(SELECT id FROM auth_outbox WHERE due_at <= CAST($1 AS BIGINT) LIMIT $3
    FOR UPDATE SKIP LOCKED))
    RETURNING id, user_id, content, link, attempts, created_at, due_at";

const RESCHEDULE: &str = "UPDATE auth_outbox SET due_at = $3
    WHERE id = CAST($1 AS TEXT) AND due_at = CAST($2 AS BIGINT)";

const REMOVE: &str = "DELETE FROM auth_outbox WHERE id = CAST($1 AS TEXT)";

const DELETE_ALL: &str = "DELETE FROM auth_outbox WHERE user_id = CAST($1 AS TEXT)";

const ABANDONED: &str = "due_at < CAST($1 AS BIGINT)";

/// The lifetime of a link that sets a password begins again. A copy of an account recovery stops it
/// and waives no factor, and `code` marks that no notice is due for it.
const COPY_LINK: &str = concat!(
    "INSERT INTO auth_challenges (",
    columns!(),
    ") SELECT CAST($3 AS TEXT), kind, user_id, address,
    CASE kind WHEN 'recovery' THEN CAST($3 AS TEXT) ELSE code END,
    CASE kind WHEN 'recovery' THEN 0 ELSE tries END, data,
    CASE kind WHEN 'reset' THEN CAST($2 AS BIGINT) ELSE created_at END,
    CASE kind WHEN 'reset' THEN CAST($2 AS BIGINT) + expires_at - created_at ELSE expires_at END
    FROM auth_challenges WHERE id = CAST($1 AS TEXT) AND expires_at > CAST($2 AS BIGINT)
    AND user_id = CAST($4 AS TEXT)"
);

const REPLACE_LINK: &str = "UPDATE auth_challenges SET id = CAST($3 AS TEXT),
    created_at = CAST($2 AS BIGINT), expires_at = CAST($2 AS BIGINT) + expires_at - created_at
    WHERE id = CAST($1 AS TEXT) AND expires_at > CAST($2 AS BIGINT)";

const NOTE_LINK: &str =
    "UPDATE auth_outbox SET link = CAST($2 AS TEXT) WHERE id = CAST($1 AS TEXT)";
