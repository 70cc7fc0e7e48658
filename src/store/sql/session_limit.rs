//! Deletes the oldest sessions of a user beyond a limit, without an additional statement for users
//! with few sessions.
//!
//! The insert of a session locks its user and returns the number of other sessions of the user. On
//! PostgreSQL it counts the sessions that were committed when the statement began, before it waited
//! for the lock. Therefore the excess is deleted as soon as [`OVERLAP`] further sign-ins could
//! exceed the limit, by a statement that sees all of their sessions.
//!
//! A limit above [`OVERLAP`] needs no transaction around insert and deletion: the sessions of
//! concurrent sign-ins are the newest, so that every deletion retains the same ones.

use std::sync::{Arc, Mutex};

use super::{
    Db, SqlStore,
    db::{Arg, Collected, Statement},
    row::Reader,
};
use crate::{
    model::UserId,
    store::{Changed, SessionLimit, SessionRow, StoreError},
};

/// The number of concurrent sign-ins of one user that is taken into account.
const OVERLAP: u32 = 30;

/// The deletion of the sessions of a user beyond a limit.
#[derive(Clone)]
pub(super) struct Trim {
    limit: SessionLimit,
    user: UserId,
    args: Vec<Arg>,
    ended: Collected,
}

/// Returns the number of other sessions from which the excess is deleted. At most this many are
/// counted.
pub(super) fn counted(limit: &SessionLimit) -> i64 {
    i64::from(limit.max_sessions().saturating_sub(OVERLAP))
}

impl Trim {
    pub(super) fn after(inserted: &SessionRow, limit: &SessionLimit) -> Self {
        let session = &inserted.session;
        let others = i64::from(limit.max_sessions().saturating_sub(1));
        let args = vec![
            session.user_id.as_str().into(),
            session.id.to_string().into(),
            others.into(),
            session.created_at.into(),
        ];
        let user = session.user_id.clone();
        Self { limit: limit.clone(), user, args, ended: Arc::new(Mutex::new(Vec::new())) }
    }

    /// Returns `true` if insert and deletion have to be in one transaction.
    pub(super) fn is_strict(&self) -> bool {
        counted(&self.limit) == 0
    }

    /// Returns the step that follows the insert in its transaction.
    pub(super) fn step(&self) -> Statement {
        let at_least = counted(&self.limit);
        Statement::collects(at_least, Arc::clone(&self.ended), TRIM, self.args.clone())
    }

    /// Returns the sessions that the step deleted, once it is committed.
    pub(super) fn take(&self) -> Vec<Changed> {
        let ended = self.ended.lock().map(|mut ended| std::mem::take(&mut *ended));
        self.ended(ended.unwrap_or_default().iter().map(String::as_str))
    }

    fn ended<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<Changed> {
        let ended = ids.map(|id| match id.parse() {
            Ok(id) => {
                self.limit.record_ended(id);
                Changed::Session(id)
            }
            Err(_) => Changed::Everything,
        });
        ended.collect()
    }
}

impl<DB: Db> SqlStore<DB> {
    /// Deletes the excess after a separate insert, given the row that the insert returned. The new
    /// session exists already, so an error is only logged, and the next sign-in deletes the excess.
    pub(super) async fn trim(&self, trim: Trim, inserted: DB::Row) -> Result<(), StoreError> {
        let others = Reader::<DB>::new(&inserted, "auth_sessions").int()?;
        drop(inserted);
        if others < counted(&trim.limit) {
            return Ok(());
        }
        let of_user = Changed::User(self.changes.user_key(&trim.user));
        let deleted = self.change_all(TRIM, trim.args.clone());
        let deleted = self.changes.reporting(of_user, deleted, |rows| {
            trim.ended(rows.iter().filter_map(|row| DB::text(row, 0).ok().flatten()))
        });
        if let Err(error) = deleted.await {
            tracing::warn!(
                max_per_user = trim.limit.max_sessions(), cause = %error,
                "sessions beyond max_per_user could not be deleted; the next sign-in retries it"
            );
        }
        Ok(())
    }
}

const TRIM: &str = "DELETE FROM auth_sessions WHERE user_id = CAST($1 AS TEXT) AND id <> $2
    AND refresh_expires_at > CAST($4 AS BIGINT) AND id NOT IN (
    SELECT id FROM auth_sessions WHERE user_id = CAST($1 AS TEXT) AND id <> $2
    AND refresh_expires_at > CAST($4 AS BIGINT) ORDER BY created_at DESC, id LIMIT $3)
    RETURNING id";
