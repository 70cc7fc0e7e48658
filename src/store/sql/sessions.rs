//! Storage of sessions in SQL.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Db, SqlStore, credentials,
    db::{Arg, Statement},
    row::{Reader, json_text},
    session_limit::Trim,
    session_row::{BEFORE_ID, access_columns, read, read_access, read_id, read_watched},
    session_steps::{DELETE_OF_USER, inserted},
    tags, user_row,
};
use crate::{
    model::{Session, SessionBinding, SessionId, UserId},
    store::{
        AccessTokenRow, Changed, DeviceChallenges, InsertOptions, SessionRow, SessionStore,
        SessionTag, StoreError, Unreadable, WatchedRow, WithUser,
    },
};

#[async_trait]
impl<DB: Db> SessionStore for SqlStore<DB> {
    async fn insert(&self, row: &SessionRow, opening: &InsertOptions) -> Result<bool, StoreError> {
        let sql = self.users.insert_session.clone();
        let InsertOptions { at_most, using } = opening;
        let trim = at_most.as_ref().map(|limit| Trim::after(row, limit));
        let lock = self.users.lock_owner.clone();
        let insert = inserted(sql, row, at_most.as_ref())?;
        let is_strict = trim.as_ref().is_some_and(Trim::is_strict);
        if using.is_none() && lock.is_none() && !is_strict {
            let Some(inserted) = self.change(insert.sql, insert.args).await? else {
                return Ok(false);
            };
            if let Some(trim) = trim {
                self.trim(trim, inserted).await?;
            }
            return Ok(true);
        }
        let owner = || vec![row.session.user_id.as_str().into()];
        let mut steps: Vec<_> =
            lock.into_iter().map(|lock| Statement::new(lock, owner())).collect();
        steps.push(insert);
        if let Some(using) = using {
            steps.push(credentials::use_step(using)?);
        }
        let Some(trim) = trim else { return self.transact(steps).await };
        steps.push(trim.step());
        let of_user = Changed::User(self.changes.user_key(&row.session.user_id));
        let ended = |begun: &bool| if *begun { trim.take() } else { Vec::new() };
        self.changes.reporting(of_user, self.transact(steps), ended).await
    }

    async fn list(&self, user: &UserId, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.page(LIST, vec![user.as_str().into(), now.into(), PAGE.into()]).await
    }

    async fn list_after(&self, last: &Session, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let (user, after) = (last.user_id.as_str().into(), last.created_at.into());
        let args = vec![user, now.into(), PAGE.into(), after, last.id.to_string().into()];
        self.page(LIST_AFTER, args).await
    }

    async fn find(&self, id: SessionId) -> Result<Option<WithUser>, StoreError> {
        let args = vec![id.to_string().into()];
        let row = self.fetch(self.users.find_session.clone(), args).await?;
        row.map(|row| self.found(&row, read)).transpose()
    }

    async fn find_access(
        &self,
        id: SessionId,
    ) -> Result<Option<WithUser<AccessTokenRow>>, StoreError> {
        let args = vec![id.to_string().into()];
        let row = self.fetch(self.users.find_access.clone(), args).await?;
        row.map(|row| self.found(&row, read_access)).transpose()
    }

    async fn find_many(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<WithUser, Unreadable>>, StoreError> {
        let args = vec![json_text(&ids)?.into()];
        let rows = self.fetch_background(self.users.find_sessions.clone(), args).await?;
        each_readable::<DB, _>(&rows, BEFORE_ID, |row| self.found(row, read))
    }

    async fn find_watched(
        &self,
        ids: &[SessionId],
    ) -> Result<Vec<Result<WithUser<WatchedRow>, Unreadable>>, StoreError> {
        let Some(sql) = self.users.find_watched.clone() else {
            let found = self.find_many(ids).await?.into_iter();
            return Ok(found.map(|found| found.map(WithUser::into)).collect());
        };
        let rows = self.fetch_background(sql, vec![json_text(&ids)?.into()]).await?;
        let watched = |row: &DB::Row| {
            let mut columns = Reader::<DB>::packed(row, "auth_sessions")?;
            let row = read_watched(&mut columns)?;
            let user = user_row::read_watched(columns.joined("the table of users"))?;
            Ok(WithUser { row, user })
        };
        each_readable::<DB, _>(&rows, 0, watched)
    }

    async fn touch(
        &self,
        ids: &[SessionId],
        now: Timestamp,
        unless_after: Timestamp,
    ) -> Result<(), StoreError> {
        let args = vec![json_text(&ids)?.into(), now.into(), unless_after.into()];
        let due = format!(
            "{} AND (last_seen_at <= CAST($3 AS BIGINT)
        OR last_seen_at - $2 > $2 - CAST($3 AS BIGINT))",
            DB::among("id")
        );
        // Skips rows that another transaction has locked, so that the batch does not wait. The next
        // use of these sessions is recorded again.
        let due = match DB::IS_POSTGRES {
            true => format!(
                "id = ANY(ARRAY(SELECT id FROM auth_sessions WHERE {due}
        FOR NO KEY UPDATE SKIP LOCKED))"
            ),
            false => due,
        };
        let sql = format!("UPDATE auth_sessions SET last_seen_at = $2 WHERE {due}");
        self.background(sql, args).await.map(drop)
    }

    async fn rotate(&self, from: &SessionRow, to: &SessionRow) -> Result<bool, StoreError> {
        self.rotate_session(from, to).await
    }

    async fn bind(&self, id: SessionId, binding: &SessionBinding) -> Result<bool, StoreError> {
        self.bind_session(id, binding).await
    }

    async fn set_challenges(
        &self,
        id: SessionId,
        from: &DeviceChallenges,
        to: &DeviceChallenges,
    ) -> Result<bool, StoreError> {
        self.replace_challenges(id, from, to).await
    }

    async fn note_mismatch(&self, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.record_mismatch(id, now).await
    }

    async fn confirm(
        &self,
        id: SessionId,
        generation: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let args = vec![now.into(), id.to_string().into(), i64::from(generation).into()];
        self.background(CONFIRM, args).await.map(drop)
    }

    async fn delete(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self
            .changes
            .begin_session_change(id)
            .run(self.execute(DELETE, vec![id.to_string().into()]))
            .await?
            == 1)
    }

    async fn delete_owned(&self, id: SessionId, user: &UserId) -> Result<bool, StoreError> {
        let args = vec![id.to_string().into(), user.as_str().into()];
        Ok(self.changes.begin_session_change(id).run(self.execute(DELETE_OWNED, args)).await? == 1)
    }

    async fn delete_of_user(
        &self,
        user: &UserId,
        except: Option<SessionId>,
    ) -> Result<u64, StoreError> {
        let except = except.map(|id| id.to_string()).unwrap_or_default();
        self.changes
            .begin_user_change(user)
            .run(self.execute(DELETE_OF_USER, vec![user.as_str().into(), except.into()]))
            .await
    }

    async fn delete_tagged(&self, tags: &[SessionTag]) -> Result<u64, StoreError> {
        let challenges = tags::delete_challenges::<DB>(tags);
        let Some(((sql, args), challenges)) = tags::delete_sessions::<DB>(tags).zip(challenges)
        else {
            return Ok(0);
        };
        // Challenges first: a sign-in that completes in the meantime has a session then.
        self.execute(challenges.0, challenges.1).await?;
        let ended = self.change_all(sql, args);
        let ended = self.changes.reporting(Changed::Everything, ended, |rows| ended_in::<DB>(rows));
        u64::try_from(ended.await?.len()).map_err(StoreError::new)
    }

    async fn mark_impersonator(&self, id: SessionId) -> Result<bool, StoreError> {
        Ok(self.execute(MARK_IMPERSONATOR, vec![id.to_string().into()]).await? == 1)
    }

    async fn delete_any_sessions(&self, batch: u32) -> Result<u64, StoreError> {
        let deleted = self.execute(DELETE_ANY_SESSIONS, vec![i64::from(batch).into()]);
        self.changes.reporting(Changed::Everything, deleted, |_| [Changed::Everything]).await
    }

    async fn delete_any_challenges(&self, batch: u32) -> Result<u64, StoreError> {
        self.execute(DELETE_ANY_CHALLENGES, vec![i64::from(batch).into()]).await
    }

    async fn sweep(&self, now: Timestamp, batch: u32) -> Result<u64, StoreError> {
        let ended = "refresh_expires_at <= CAST($1 AS BIGINT)";
        let quiet = DB::pick("", UNNOTIFIED);
        let sql = format!("{}{quiet} RETURNING id", DB::sweep("auth_sessions", "id", ended));
        let swept = self.sweep_rows(sql, vec![now.into(), i64::from(batch).into()]).await?;
        ended_in::<DB>(&swept).into_iter().for_each(|changed| self.changes.report(changed));
        u64::try_from(swept.len()).map_err(StoreError::new)
    }
}

/// Returns the changes for a statement whose rows are the ids of deleted sessions.
fn ended_in<DB: Db>(rows: &[DB::Row]) -> Vec<Changed> {
    let changed = rows.iter().map(|row| match DB::text(row, 0) {
        // The id may have a format that this version does not know.
        Ok(Some(id)) => id.parse().map_or(Changed::Everything, Changed::Session),
        _ => Changed::Everything,
    });
    changed.collect()
}

/// Reads rows with an id after `before_id` columns. A row that this version cannot read does not
/// affect the others.
fn each_readable<DB: Db, T>(
    rows: &[DB::Row],
    before_id: usize,
    read: impl Fn(&DB::Row) -> Result<T, StoreError>,
) -> Result<Vec<Result<T, Unreadable>>, StoreError> {
    let found = rows.iter().map(|row| match read(row) {
        Ok(found) => Ok(Ok(found)),
        Err(cause) => {
            let id = read_id(Reader::<DB>::packed(row, "auth_sessions")?, before_id)?;
            Ok(Err(Unreadable { id, cause }))
        }
    });
    found.collect()
}

impl<DB: Db> SqlStore<DB> {
    async fn page(&self, sql: &'static str, args: Vec<Arg>) -> Result<Vec<Session>, StoreError> {
        let rows = self.fetch_all(sql, args).await?;
        let sessions = rows.iter().filter_map(|row| {
            match read_access(&mut Reader::<DB>::new(row, "auth_sessions")) {
                Ok(found) => Some(found.session),
                Err(error) => {
                    let session = DB::text(row, 0).ok().flatten();
                    tracing::warn!(session, cause = ?error, "a session with an unreadable row was not listed");
                    None
                }
            }
        });
        Ok(sessions.collect())
    }

    fn found<Row>(
        &self,
        row: &DB::Row,
        read: impl FnOnce(&mut Reader<'_, DB>) -> Result<Row, StoreError>,
    ) -> Result<WithUser<Row>, StoreError> {
        let mut columns = Reader::<DB>::packed(row, "auth_sessions")?;
        let row = read(&mut columns)?;
        let user = self.read_user(columns.joined("the table of users"))?;
        Ok(WithUser { row, user })
    }
}

const CONFIRM: &str = "UPDATE auth_sessions SET confirmed_at = $1
    WHERE id = CAST($2 AS TEXT) AND generation = $3 AND confirmed_at IS NULL";

/// Other nodes need no notification of expired sessions.
pub(super) const UNNOTIFIED: &str = " AND (SELECT set_config('authlayer.noted',
    CAST(pg_current_xact_id() AS TEXT) || ' off', true)) IS NOT NULL";

const MARK_IMPERSONATOR: &str =
    "UPDATE auth_sessions SET has_impersonated = 1 WHERE id = CAST($1 AS TEXT)";

const DELETE: &str = "DELETE FROM auth_sessions WHERE id = CAST($1 AS TEXT)";

const DELETE_OWNED: &str = "DELETE FROM auth_sessions WHERE id = CAST($1 AS TEXT)
    AND user_id = CAST($2 AS TEXT)";

const DELETE_ANY_SESSIONS: &str = "DELETE FROM auth_sessions
    WHERE id IN (SELECT id FROM auth_sessions LIMIT CAST($1 AS BIGINT))";

const DELETE_ANY_CHALLENGES: &str = "DELETE FROM auth_challenges
    WHERE id IN (SELECT id FROM auth_challenges
        WHERE kind NOT IN ('barred_identity', 'security_event') LIMIT CAST($1 AS BIGINT))";

/// The maximum number of sessions of a page.
const PAGE: i64 = 100;

macro_rules! list {
    ($after:literal) => {
        concat!(
            "SELECT ",
            access_columns!(),
            " FROM auth_sessions s WHERE s.user_id = CAST($1 AS TEXT)
            AND s.refresh_expires_at > CAST($2 AS BIGINT)",
            $after,
            " ORDER BY s.created_at DESC, s.id LIMIT $3"
        )
    };
}

const LIST: &str = list!("");
const LIST_AFTER: &str = list!(
    " AND s.created_at <= CAST($4 AS BIGINT)
    AND (s.created_at < CAST($4 AS BIGINT) OR s.id > CAST($5 AS TEXT))"
);
