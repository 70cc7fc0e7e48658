//! Storage of challenges in SQL.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    Db, SqlStore,
    challenge_row::{INSERT, args, columns, read},
    db::{Arg, Statement},
    row::{Reader, json_text, quoted},
};
use crate::{
    crypto::digest::Digest,
    model::{SessionId, UserId},
    store::{Challenge, ChallengeKind, ChallengeStore, StoreError, Unmet},
};

#[async_trait]
impl<DB: Db> ChallengeStore for SqlStore<DB> {
    async fn insert_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError> {
        let sql = match &challenge.user_id {
            Some(_) => self.users.insert_challenge.clone(),
            None => INSERT.into(),
        };
        Ok(self.execute(sql, args(challenge)?).await? == 1)
    }

    async fn put_challenge(&self, challenge: &Challenge) -> Result<bool, StoreError> {
        Ok(self.execute(self.users.put_challenge.clone(), args(challenge)?).await? == 1)
    }

    async fn insert_of_session(
        &self,
        challenge: &Challenge,
        session: SessionId,
    ) -> Result<bool, StoreError> {
        match challenge.kind {
            ChallengeKind::KnownDevice => {
                self.counts.background.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.count(1),
        }
        let mut args = args(challenge)?;
        args.push(session.to_string().into());
        let on = self.writer.access();
        let sql = DB::pick(INSERT_OF_SESSION, INSERT_OF_SESSION_LOCKING);
        let row = repeated!(DB::fetch_optional(on, sql.into(), args.clone()))?;
        let Some(row) = row else { return Ok(false) };
        Ok(Reader::<DB>::new(&row, "auth_challenges").int()? == 0)
    }

    async fn find_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError> {
        let row = self.fetch(FIND, vec![id.to_base64().into(), now.into()]);
        row.await?.map(|row| read::<DB>(&row)).transpose()
    }

    async fn try_challenge(
        &self,
        id: &Digest,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError> {
        let row = self.change(TRY, vec![id.to_base64().into(), now.into()]).await?;
        row.map(|row| read::<DB>(&row)).transpose()
    }

    async fn take_challenge(
        &self,
        id: &Digest,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<Option<Challenge>, StoreError> {
        let code = code.map_or_else(String::new, |code| code.to_base64());
        let row = self.change(TAKE, vec![id.to_base64().into(), now.into(), code.into()]).await?;
        row.map(|row| read::<DB>(&row)).transpose()
    }

    async fn replace_code(
        &self,
        id: &Digest,
        code: &Digest,
        made_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args = vec![id.to_base64().into(), code.to_base64().into(), now.into(), made_at.into()];
        Ok(self.execute(REPLACE, args).await? == 1)
    }

    async fn replace_data(
        &self,
        id: &Digest,
        expected: &Value,
        data: &Value,
        code: Option<&Digest>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args = vec![
            id.to_base64().into(),
            now.into(),
            json_text(expected)?.into(),
            json_text(data)?.into(),
            code.map(|code| code.to_base64()).unwrap_or_default().into(),
        ];
        Ok(self.execute(REPLACE_DATA, args).await? == 1)
    }

    async fn assign_data(
        &self,
        id: &Digest,
        expected: &Value,
        data: &Value,
        user: &UserId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let args = vec![
            id.to_base64().into(),
            now.into(),
            json_text(expected)?.into(),
            json_text(data)?.into(),
            user.as_str().into(),
        ];
        Ok(self.execute(ASSIGN_DATA, args).await? == 1)
    }

    async fn list_challenges(
        &self,
        user: &UserId,
        kind: ChallengeKind,
    ) -> Result<Vec<Challenge>, StoreError> {
        let args = vec![user.as_str().into(), kind.as_str().into()];
        self.fetch_all(LIST, args).await?.iter().map(read::<DB>).collect()
    }

    async fn list_expiring(
        &self,
        kind: ChallengeKind,
        from: Timestamp,
        to: Timestamp,
        at_most: u32,
    ) -> Result<Vec<Challenge>, StoreError> {
        let args = vec![from.into(), to.into(), kind.as_str().into(), i64::from(at_most).into()];
        self.fetch_background(EXPIRING, args).await?.iter().map(read::<DB>).collect()
    }

    async fn end_recoveries(&self, user: &UserId, rank: u32) -> Result<(), StoreError> {
        let args = vec![user.as_str().into(), i64::from(rank).into()];
        self.background(END_RECOVERIES, args).await.map(drop)
    }

    async fn sweep_challenges(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let sql = DB::sweep("auth_challenges", "id", ENDED);
        self.background(sql, vec![now.into(), i64::from(batch).into()]).await
    }
}

/// Deletes a challenge; the transaction is rolled back if it does not exist or has expired.
pub(super) fn spend(id: &Digest, now: Timestamp) -> Statement {
    Statement::requires(Unmet::Challenge, SPEND, vec![id.to_base64().into(), now.into()])
}

/// Requires that a challenge exists and has not expired, without deleting it.
pub(super) fn stands(id: &Digest, now: Timestamp) -> Statement {
    Statement::requires(Unmet::Challenge, STANDS, vec![id.to_base64().into(), now.into()])
}

/// Inserts a challenge of a locked user.
pub(super) fn insert(challenge: &Challenge) -> Result<Statement, StoreError> {
    Ok(Statement::requires(Unmet::Taken, INSERT, args(challenge)?))
}

/// Deletes the links that undo a change of email address, starting at a number.
pub(super) fn end_undo_links(user: &Arg, from: u32) -> Statement {
    Statement::new(END_UNDO, vec![user.clone(), i64::from(from).into()])
}

/// Ends the account recoveries of a user that waive a strength of at most this rank.
pub(super) fn end_recoveries(user: &Arg, rank: u32) -> Statement {
    Statement::new(END_RECOVERIES, vec![user.clone(), i64::from(rank).into()])
}

/// Deletes the challenges of this kind of a user.
pub(super) fn end_kind(user: &Arg, kind: ChallengeKind) -> Statement {
    Statement::new(DELETE, vec![user.clone(), kind.as_str().into()])
}

/// Deletes all pending challenges and remembered devices of a user, except for these kinds.
pub(super) fn end_all(user: &Arg, except: &[&'static str]) -> Statement {
    let args = vec![user.clone()];
    match except {
        [] => Statement::new(END_ALL, args),
        _ => Statement::new(format!("{END_ALL} AND kind NOT IN ({})", quoted(except)), args),
    }
}

/// Deletes the challenges of these kinds of a user.
pub(super) fn end_kinds(user: &Arg, kinds: &[&'static str]) -> Statement {
    Statement::new(format!("{DELETE_ALL} AND kind IN ({})", quoted(kinds)), vec![user.clone()])
}

/// Deletes all challenges of a user.
pub(super) fn delete_all(user: Arg) -> Statement {
    Statement::new(DELETE_ALL, vec![user])
}

/// The condition that a challenge is valid at `$2`. If its creation is further in the future than
/// its lifetime, the clock was set back, and it would be valid for too long.
macro_rules! stands {
    () => {
        "expires_at > CAST($2 AS BIGINT) AND created_at - CAST($2 AS BIGINT) <= expires_at - created_at"
    };
}

const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_challenges WHERE id = CAST($1 AS TEXT) AND ",
    stands!()
);

const LIST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_challenges WHERE user_id = CAST($1 AS TEXT) AND kind = CAST($2 AS TEXT)"
);

const TRY: &str = concat!(
    "UPDATE auth_challenges SET tries = tries - 1
    WHERE id = CAST($1 AS TEXT) AND tries > 0 AND ",
    stands!(),
    " RETURNING ",
    columns!()
);

const TAKE: &str = concat!(
    "DELETE FROM auth_challenges
    WHERE id = CAST($1 AS TEXT) AND ",
    stands!(),
    " AND ($3 = '' OR code = $3) RETURNING ",
    columns!()
);

const SPEND: &str =
    concat!("DELETE FROM auth_challenges WHERE id = CAST($1 AS TEXT) AND ", stands!());

const STANDS: &str =
    concat!("UPDATE auth_challenges SET kind = kind WHERE id = CAST($1 AS TEXT) AND ", stands!());

/// `created_at` is the time of the code. Of concurrent calls one replaces it.
const REPLACE: &str = "UPDATE auth_challenges SET code = $2, created_at = CAST($3 AS BIGINT)
    WHERE id = CAST($1 AS TEXT) AND expires_at > CAST($3 AS BIGINT)
    AND created_at = CAST($4 AS BIGINT)";

const REPLACE_DATA: &str = concat!(
    "UPDATE auth_challenges SET data = $4, code = COALESCE(NULLIF($5, ''), code)
    WHERE id = CAST($1 AS TEXT) AND ",
    stands!(),
    " AND data = $3"
);

const ASSIGN_DATA: &str = concat!(
    "UPDATE auth_challenges SET data = $4, user_id = $5 WHERE id = CAST($1 AS TEXT) AND ",
    stands!(),
    " AND data = $3"
);

const DELETE: &str = "DELETE FROM auth_challenges WHERE user_id = CAST($1 AS TEXT)
    AND kind = CAST($2 AS TEXT)";

/// Inserts a row only if the session exists. A caller that ends the session and then deletes
/// challenges either ends it before this insert, or deletes this row.
macro_rules! insert_of_session {
    ($lock:literal) => {
        concat!(
            "INSERT INTO auth_challenges (",
            columns!(),
            ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 FROM auth_sessions
    WHERE id = CAST($10 AS TEXT)",
            $lock,
            " ON CONFLICT (id) DO UPDATE SET tries = 1, expires_at = excluded.expires_at RETURNING tries"
        )
    };
}

const INSERT_OF_SESSION: &str = insert_of_session!("");

/// PostgreSQL has concurrent writers.
const INSERT_OF_SESSION_LOCKING: &str = insert_of_session!(" FOR SHARE");

/// Links that undo a change of email address or stop a recovery are retained, so that an attacker
/// cannot delete them.
const END_ALL: &str = "DELETE FROM auth_challenges WHERE user_id = CAST($1 AS TEXT)
    AND kind NOT IN ('seen', 'email_undo', 'recovery')";

/// Deletes undo links, whose `tries` is the number of the change.
const END_UNDO: &str = "DELETE FROM auth_challenges WHERE user_id = CAST($1 AS TEXT)
    AND kind = 'email_undo' AND tries >= $2";

/// Ends recoveries, whose `tries` is the rank of the factor that they waive: 0 waives none. The link
/// that stops a recovery stays valid, and `code` marks that its notice was sent or is not needed.
const END_RECOVERIES: &str = "UPDATE auth_challenges SET tries = 0, code = COALESCE(code, id)
    WHERE user_id = CAST($1 AS TEXT) AND kind = 'recovery' AND tries <= $2";

const EXPIRING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM auth_challenges WHERE expires_at > CAST($1 AS BIGINT) AND expires_at <= CAST($2 AS BIGINT)
    AND kind = CAST($3 AS TEXT) AND code IS NULL LIMIT CAST($4 AS BIGINT)"
);

const DELETE_ALL: &str = "DELETE FROM auth_challenges WHERE user_id = CAST($1 AS TEXT)";

const ENDED: &str = "expires_at <= CAST($1 AS BIGINT)";
