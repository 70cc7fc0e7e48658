//! Storage in SQLite and PostgreSQL, with the same SQL and the same code.
//!
//! Every change that must be atomic is one conditional statement, or one transaction whose first
//! statement decides. On PostgreSQL transactions use `READ COMMITTED` regardless of the default of
//! the server, because a statement has to see the commits it waited for. Acknowledged writes are
//! durable: SQLite runs in WAL mode with `synchronous = FULL`.

/// Maximum attempts of a write that the database rolls back to resolve a deadlock.
pub(super) const MAX_ATTEMPTS: usize = 4;

/// Retries a write that the database rolled back completely to resolve a deadlock.
macro_rules! repeated {
    ($write:expr) => {{
        let mut attempt = 1;
        loop {
            match $write.await {
                Err(error)
                    if attempt < $crate::store::sql::MAX_ATTEMPTS
                        && $crate::store::sql::failure::is_deadlock(&error) =>
                {
                    attempt += 1
                }
                done => break done.map_err($crate::store::StoreError::new),
            }
        }
    }};
}

/// Retries a read if the connection was lost, or the database canceled it to resolve a deadlock.
/// After a restart of the server, every connection of the pool may be lost.
macro_rules! reread {
    ($pool:expr, $read:expr) => {{
        let mut retries = $pool.size();
        loop {
            match $read.await {
                Err(error)
                    if retries > 0
                        && ($crate::store::sql::failure::is_connection_lost(&error)
                            || $crate::store::sql::failure::is_deadlock(&error)) =>
                {
                    retries -= 1
                }
                done => break done.map_err($crate::store::StoreError::new),
            }
        }
    }};
}

mod accounts;
mod acquire;
mod bulk;
mod challenge_row;
mod challenges;
mod changes;
#[cfg(feature = "postgres")]
mod connect;
mod connections;
mod credential_row;
mod credentials;
#[allow(unnameable_types, reason = "used in the methods of a sealed trait")]
mod db;
mod engine;
mod events;
mod failure;
#[allow(unnameable_types, reason = "used in the methods of sealed traits")]
mod hooks;
mod key_row;
mod keys;
mod limits;
mod mails;
mod migrate;
mod poll;
#[allow(unnameable_types, reason = "used in the methods of a sealed trait")]
mod pool;
#[cfg(feature = "postgres")]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
mod remaining;
mod row;
mod search;
mod session_limit;
mod session_row;
mod session_steps;
mod session_tokens;
mod sessions;
mod signing_keys;
#[cfg(feature = "sqlite")]
mod sqlite;
mod standing;
mod table;
mod tags;
mod user_row;
mod users;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

pub use db::Db;
use db::{AfterSteps, Arg, Sql, Statement, TransactionOutcome, UserHook};
pub use hooks::UserCreatedHook;
pub use migrate::{MigrateError, Migration, MigrationKind};
use pool::Connections;
#[cfg(feature = "postgres")]
pub use postgres::{PgStore, PgStoreOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use super::{InvalidationClock, ReadProfile, StoreError};

/// A store in an SQL database. Clones are cheap and share its pools.
///
/// ```
/// use authlayer::SqliteStore;
///
/// async fn open() -> Result<SqliteStore, Box<dyn std::error::Error>> {
///     Ok(SqliteStore::open("app.db").await?)
/// }
/// ```
pub struct SqlStore<DB: Db> {
    reader: Connections<DB>,
    writer: Connections<DB>,
    counts: Arc<Counts>,
    users: Arc<table::Statements>,
    read_profile: Option<ReadProfile>,
    changes: Arc<InvalidationClock>,
    /// Set once the task that polls for changes of other processes has been started.
    hears: Arc<OnceLock<()>>,
    hearing: Hearing,
    /// Whether every change of a user is reported, including those made by other writers.
    is_told: bool,
    /// Whether the skeletons of usernames are stored.
    usernames: bool,
    /// Run in the transactions that create users.
    hooks: Vec<UserHook<DB>>,
}

/// The way changes by other processes are detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// There are no other writers.
    Alone,
    /// There may be other writers, whose changes are not detected: nothing is cached.
    Nobody,
    /// On the connection that writes.
    Writer,
    /// On a separate connection, since the application uses the pool too.
    Beside,
}

impl Hearing {
    fn hears(self) -> bool {
        matches!(self, Self::Writer | Self::Beside)
    }
}

/// The number of statements that a store has executed since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statements {
    /// Statements on the request path.
    pub request: u64,
    /// Statements off the request path.
    pub background: u64,
}

#[derive(Default)]
struct Counts {
    request: AtomicU64,
    background: AtomicU64,
}

impl<DB: Db> SqlStore<DB> {
    fn over(reader: Connections<DB>, writer: Connections<DB>, hearing: Hearing) -> Self {
        let changes = if hearing == Hearing::Alone {
            InvalidationClock::new()
        } else {
            InvalidationClock::unleased()
        };
        Self {
            reader,
            writer,
            counts: Arc::default(),
            users: Arc::new(table::Statements::own::<DB>()),
            read_profile: None,
            changes,
            hears: Arc::default(),
            hearing,
            is_told: true,
            usernames: false,
            hooks: Vec::new(),
        }
    }

    /// Returns the number of statements that this store and its clones have executed. Migrations,
    /// `BEGIN` and `COMMIT` are not counted.
    pub fn statements(&self) -> Statements {
        Statements {
            request: self.counts.request.load(Ordering::Relaxed),
            background: self.counts.background.load(Ordering::Relaxed),
        }
    }

    /// Returns this store with separate counters, for monitoring that does not affect them.
    #[must_use]
    pub fn with_own_counters(&self) -> Self {
        Self { counts: Arc::default(), ..self.clone() }
    }

    /// Returns the pool that writes, for the application's own statements. On a file that
    /// [`SqliteStore::open`] opened, it has one connection.
    ///
    /// Caches do not detect changes of users or sessions that are made through it on SQLite: call
    /// [`Users::notify_changed`](crate::Users::notify_changed) after them.
    pub fn pool(&self) -> &sqlx::Pool<DB> {
        &self.writer.pool
    }

    /// Closes the pools after their current work.
    pub async fn close(&self) {
        self.writer.pool.close().await;
        self.reader.pool.close().await;
    }

    fn count(&self, statements: usize) {
        let statements = u64::try_from(statements).unwrap_or(u64::MAX);
        self.counts.request.fetch_add(statements, Ordering::Relaxed);
    }

    async fn fetch(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Option<DB::Row>, StoreError> {
        self.count(1);
        let (on, sql) = (self.reader.access(), sql.into());
        reread!(self.reader.pool, DB::fetch_optional(on, sql.clone(), args.clone()))
    }

    async fn fetch_all(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.count(1);
        let (on, sql) = (self.reader.access(), sql.into());
        reread!(self.reader.pool, DB::fetch_all(on, sql.clone(), args.clone()))
    }

    async fn fetch_background(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.counts.background.fetch_add(1, Ordering::Relaxed);
        let (on, sql) = (self.reader.access(), sql.into());
        reread!(self.reader.pool, DB::fetch_all(on, sql.clone(), args.clone()))
    }

    async fn execute(&self, sql: impl Into<Sql>, args: Vec<Arg>) -> Result<u64, StoreError> {
        self.count(1);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::execute(on, sql.clone(), args.clone()))
    }

    async fn background(&self, sql: impl Into<Sql>, args: Vec<Arg>) -> Result<u64, StoreError> {
        self.counts.background.fetch_add(1, Ordering::Relaxed);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::execute(on, sql.clone(), args.clone()))
    }

    /// Like [`background`](Self::background), but returns the deleted rows.
    async fn sweep_rows(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.counts.background.fetch_add(1, Ordering::Relaxed);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::fetch_all(on, sql.clone(), args.clone()))
    }

    /// Runs a change that returns a row.
    async fn change(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Option<DB::Row>, StoreError> {
        self.count(1);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::fetch_optional(on, sql.clone(), args.clone()))
    }

    /// Like [`change`](Self::change), but returns all rows.
    async fn change_all(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.count(1);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::fetch_all(on, sql.clone(), args.clone()))
    }

    /// Runs the steps in one transaction. A step that must change a row and does not rolls it back.
    /// Returns whether it was committed.
    async fn transact(&self, steps: Vec<Statement>) -> Result<bool, StoreError> {
        Ok(matches!(self.answer(steps, None).await?, TransactionOutcome::Committed(_)))
    }

    /// Like [`transact`](Self::transact), but returns the row of the step that has one, and runs
    /// hooks after the steps.
    async fn answer(
        &self,
        steps: Vec<Statement>,
        after: Option<AfterSteps<'_, DB>>,
    ) -> Result<TransactionOutcome<DB::Row>, StoreError> {
        self.count(1);
        let others = steps.len().saturating_sub(1);
        let on = self.writer.access();
        let ended = repeated!(DB::transact(on, steps.clone(), after))?;
        if matches!(ended, TransactionOutcome::Committed(_)) {
            self.count(others);
        }
        Ok(ended)
    }
}

impl<DB: Db> super::sealed::Sealed for SqlStore<DB> {}

impl<DB: Db> Clone for SqlStore<DB> {
    fn clone(&self) -> Self {
        Self {
            reader: self.reader.clone(),
            writer: self.writer.clone(),
            counts: Arc::clone(&self.counts),
            users: Arc::clone(&self.users),
            read_profile: self.read_profile,
            changes: Arc::clone(&self.changes),
            hears: Arc::clone(&self.hears),
            hearing: self.hearing,
            is_told: self.is_told,
            usernames: self.usernames,
            hooks: self.hooks.clone(),
        }
    }
}

impl<DB: Db> fmt::Debug for SqlStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("engine", &DB::ENGINE).finish_non_exhaustive()
    }
}
