//! Storage in SQLite and in PostgreSQL: one SQL text, one body of code.
//!
//! Every change that must be whole is one conditional statement or one transaction whose
//! first statement decides. On PostgreSQL our transactions ask for `READ COMMITTED` whatever
//! the server's default is: what a statement waited for it has to see. What is acknowledged
//! is on disk: SQLite runs in WAL mode with `synchronous = FULL`.

/// Maximum attempts of a write that the database rolls back to resolve a deadlock.
pub(super) const MAX_ATTEMPTS: usize = 4;

/// Retries a write that the database rolled back as a whole to resolve a deadlock.
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

/// Retries a read whose connection was lost, or which the database canceled to resolve a deadlock.
/// After a restart of the server, every connection that the pool has may be lost.
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
mod challenge_row;
mod challenges;
mod changes;
#[cfg(feature = "postgres")]
mod connect;
mod connections;
mod credential_row;
mod credentials;
#[allow(unnameable_types, reason = "what a sealed trait asks of an engine")]
mod db;
mod engine;
mod events;
mod failure;
mod key_row;
mod keys;
mod limits;
mod migrate;
mod poll;
#[allow(unnameable_types, reason = "what a sealed trait asks of an engine")]
mod pool;
#[cfg(feature = "postgres")]
mod pooler;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod session_limit;
mod session_row;
mod session_steps;
mod sessions;
#[cfg(feature = "sqlite")]
mod sqlite;
mod standing;
mod table;
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
use db::{Arg, Ended, Sql, Step};
pub use migrate::{MigrateError, Migration, MigrationKind};
use pool::Connections;
#[cfg(feature = "postgres")]
pub use postgres::{PgStore, PgStoreOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

use super::{Changes, ReadProfile, StoreError};

/// A store in an SQL database; a cheap handle on its pools.
pub struct SqlStore<DB: Db> {
    reader: Connections<DB>,
    writer: Connections<DB>,
    counts: Arc<Counts>,
    users: Arc<table::Statements>,
    read_profile: Option<ReadProfile>,
    changes: Arc<Changes>,
    /// Set once the task that polls for changes of others runs.
    hears: Arc<OnceLock<()>>,
    hearing: Hearing,
    /// Whether every change of a user is heard of, whoever makes it.
    is_told: bool,
}

/// Where changes that others make are heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hearing {
    /// Nobody else can write.
    Alone,
    /// Others may write, and it is not heard: nothing is kept.
    Nobody,
    /// By the connections that write for us.
    Writer,
    /// By a connection beside a pool that is not ours alone.
    Beside,
}

impl Hearing {
    fn hears(self) -> bool {
        matches!(self, Self::Writer | Self::Beside)
    }
}

/// How many statements a store has executed since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statements {
    /// For requests.
    pub request: u64,
    /// Off the request path.
    pub background: u64,
}

#[derive(Default)]
struct Counts {
    request: AtomicU64,
    background: AtomicU64,
}

impl<DB: Db> SqlStore<DB> {
    fn over(reader: Connections<DB>, writer: Connections<DB>, hearing: Hearing) -> Self {
        let changes = if hearing == Hearing::Alone { Changes::new() } else { Changes::unheard() };
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
        }
    }

    /// How many statements this handle and its clones have executed. Migrations, `BEGIN`
    /// and `COMMIT` are not counted.
    pub fn statements(&self) -> Statements {
        Statements {
            request: self.counts.request.load(Ordering::Relaxed),
            background: self.counts.background.load(Ordering::Relaxed),
        }
    }

    /// The same store with counts of its own, for whoever watches without being seen.
    #[must_use]
    pub fn uncounted(&self) -> Self {
        Self { counts: Arc::default(), ..self.clone() }
    }

    /// Closes the pools once their work is done.
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

    /// The same, with the rows that were removed.
    async fn sweep_rows(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.counts.background.fetch_add(1, Ordering::Relaxed);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::fetch_all(on, sql.clone(), args.clone()))
    }

    /// A change that answers with a row.
    async fn change(
        &self,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Result<Option<DB::Row>, StoreError> {
        self.count(1);
        let (on, sql) = (self.writer.access(), sql.into());
        repeated!(DB::fetch_optional(on, sql.clone(), args.clone()))
    }

    /// Like [`change`](Self::change), with all rows.
    async fn change_all(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<DB::Row>, StoreError> {
        self.count(1);
        let on = self.writer.access();
        repeated!(DB::fetch_all(on, sql.into(), args.clone()))
    }

    /// Runs the steps in one transaction, or none of them: one that must change something and
    /// does not rolls back. Answers whether it was committed.
    async fn transact(&self, steps: Vec<Step>) -> Result<bool, StoreError> {
        Ok(matches!(self.answer(steps).await?, Ended::Committed(_)))
    }

    /// Like [`transact`](Self::transact), with the row of the step that answers.
    async fn answer(&self, steps: Vec<Step>) -> Result<Ended<DB::Row>, StoreError> {
        self.count(1);
        let others = steps.len().saturating_sub(1);
        let on = self.writer.access();
        let ended = repeated!(DB::transact(on, steps.clone()))?;
        if matches!(ended, Ended::Committed(_)) {
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
        }
    }
}

impl<DB: Db> fmt::Debug for SqlStore<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("engine", &DB::ENGINE).finish_non_exhaustive()
    }
}
