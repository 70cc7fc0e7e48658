//! The interface to an SQL engine.
//!
//! Conditions compare an indexed column with `CAST($1 AS TEXT)` instead of `$1`: if `ANALYZE` was
//! run, SQLite would otherwise plan the statement again for each bound value
//! (<https://sqlite.org/queryplanner-ng.html#qpsg>), which takes as long as the statement.

use async_trait::async_trait;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
};

use crate::{
    hook::HookError,
    store::{CreatedUser, InvalidationClock, StoreError, Unmet},
};
use sqlx::{AssertSqlSafe, Database, Error, Pool, SqlSafeStr, SqlStr, Transaction};

use super::pool::Access;

/// The first key of the advisory locks of sweeps; the second is the OID of the table.
const SWEEP_LOCK: i32 = 1_635_087_464;

/// A value to bind. Both engines use the same two types.
#[derive(Clone)]
#[non_exhaustive]
pub enum Arg {
    /// A `TEXT` value.
    Text(Option<String>),
    /// A `BIGINT` value.
    Int(Option<i64>),
    /// The first column, a text, of the row that an earlier step of the transaction returned.
    Answered,
}

/// Redacted: values include hashes and email addresses.
impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arg(…)")
    }
}

/// The text of a statement.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Sql {
    /// A constant of this crate.
    Ours(&'static str),
    /// Generated for an engine or a table of the application, from validated names.
    RenderedMail(Arc<str>),
}

/// One statement of a transaction.
#[derive(Clone, Debug)]
pub struct Statement {
    pub(super) sql: Sql,
    pub(super) args: Vec<Arg>,
    pub(super) must_change: bool,
    pub(super) answers: bool,
    /// The condition that is unmet if the step fails.
    pub(super) unmet: Option<Unmet>,
    /// Runs the step only if the first column of the returned row, a number, is at least this, and
    /// collects the first column of its rows, a text.
    pub(super) collects: Option<(i64, Collected)>,
}

/// The texts that a step collected, to be read once the transaction is committed.
pub(crate) type Collected = Arc<Mutex<Vec<String>>>;

/// The outcome of a transaction.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransactionOutcome<Row> {
    /// Rolled back; the condition of the step that failed.
    TakenBack(Option<Unmet>),
    /// Rolled back because of a hook.
    Rejected(HookError),
    /// Committed; the row of the step that returns one.
    Committed(Option<Row>),
}

/// Decides the steps for a row that was read under a lock; `None` for no changes.
pub(crate) type DecideRow<'a, Row> =
    &'a mut (dyn FnMut(Option<&Row>) -> Option<Vec<Statement>> + Send);

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), HookError>> + Send + 'a>>;

/// A registered hook.
pub(super) type UserHook<DB> = Arc<
    dyn for<'a> Fn(&'a mut <DB as Database>::Connection, &'a CreatedUser) -> Running<'a>
        + Send
        + Sync,
>;

/// The user that the steps of a transaction created, from the row that they returned.
pub(super) type CreatedBy<'a, DB> = &'a (
        dyn Fn(Option<&<DB as Database>::Row>) -> Result<Option<CreatedUser>, StoreError>
            + Send
            + Sync
    );

/// The hooks to run after the steps of a transaction.
pub struct AfterSteps<'a, DB: Db> {
    pub(super) hooks: &'a [UserHook<DB>],
    pub(super) created: CreatedBy<'a, DB>,
}

impl<DB: Db> Clone for AfterSteps<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Db> Copy for AfterSteps<'_, DB> {}

impl<DB: Db> fmt::Debug for AfterSteps<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfterSteps").field("hooks", &self.hooks.len()).finish_non_exhaustive()
    }
}

/// The statements that lock and read the state that a transaction depends on.
#[derive(Clone, Debug)]
pub struct LockedRead {
    /// Locks the row. A separate statement, so that the read after it sees the commits it waited
    /// for.
    pub(super) lock: Option<Sql>,
    pub(super) read: Option<Sql>,
    pub(super) args: Vec<Arg>,
}

/// An SQL engine, implemented for `sqlx::Sqlite` and `sqlx::Postgres`. This trait is sealed.
#[async_trait]
pub trait Db: Database + sealed::Sealed {
    /// The name of the engine, for messages.
    const ENGINE: &'static str;

    #[doc(hidden)]
    fn pick(sqlite: &'static str, postgres: &'static str) -> &'static str;

    /// Returns the condition that a column is among the texts of `$1`, a JSON list. PostgreSQL
    /// scans the whole index for `IN` with a subquery, but looks up each element of an array.
    #[doc(hidden)]
    fn among(column: &str) -> String {
        let postgres = "= ANY(ARRAY(SELECT jsonb_array_elements_text(CAST($1 AS JSONB))))";
        format!("{column} {}", Self::pick("IN (SELECT value FROM json_each($1))", postgres))
    }

    /// Deletes at most `$2` expired rows. Rows that another transaction has locked are skipped, so
    /// that a sweep does not wait in the middle of its batch.
    ///
    /// On PostgreSQL one process at a time sweeps a table: the statement holds an advisory lock on
    /// the table's OID until it is committed, and deletes nothing if another process holds the
    /// lock. SQLite has one writer.
    #[doc(hidden)]
    fn sweep(table: &str, key: &str, ended: &str) -> String {
        if !Self::IS_POSTGRES {
            let expired = format!("SELECT {key} FROM {table} WHERE {ended} LIMIT $2");
            return format!("DELETE FROM {table} WHERE {key} IN ({expired})");
        }
        let oid = format!("CAST(CAST('{table}' AS REGCLASS) AS INTEGER)");
        let turn = format!("(SELECT pg_try_advisory_xact_lock({SWEEP_LOCK}, {oid}))");
        let expired = format!("SELECT {key} FROM {table} WHERE {turn} AND {ended} LIMIT $2");
        format!("DELETE FROM {table} WHERE {key} = ANY(ARRAY({expired} FOR UPDATE SKIP LOCKED))")
    }

    /// Returns columns as a single JSON list for SQLite: its driver copies each value of a row,
    /// which takes as long for one column as the search in SQLite.
    /// [`Reader::packed`](super::row::Reader) reads the result.
    #[doc(hidden)]
    fn packed(columns: &str) -> String {
        format!("{}{columns}{}", Self::pick("json_array(", ""), Self::pick(")", ""))
    }
    #[doc(hidden)]
    const IS_POSTGRES: bool;

    /// Starts the task that polls for changes of other processes.
    #[doc(hidden)]
    fn spawn_poll(changes: &Arc<InvalidationClock>, writer: Access<'_, Self>, is_beside: bool);
    /// Returns the host and port or the file, for messages.
    #[doc(hidden)]
    fn server(pool: &Pool<Self>) -> String;
    /// Opens and closes a connection outside of the pool.
    #[doc(hidden)]
    async fn probe(pool: &Pool<Self>) -> Result<(), Error>;
    #[doc(hidden)]
    async fn execute(on: Access<'_, Self>, sql: Sql, args: Vec<Arg>) -> Result<u64, Error>;
    #[doc(hidden)]
    async fn fetch_optional(
        on: Access<'_, Self>,
        sql: Sql,
        args: Vec<Arg>,
    ) -> Result<Option<Self::Row>, Error>;
    #[doc(hidden)]
    async fn fetch_all(
        on: Access<'_, Self>,
        sql: Sql,
        args: Vec<Arg>,
    ) -> Result<Vec<Self::Row>, Error>;
    #[doc(hidden)]
    async fn transact(
        on: Access<'_, Self>,
        steps: Vec<Statement>,
        after: Option<AfterSteps<'_, Self>>,
    ) -> Result<TransactionOutcome<Self::Row>, Error>;
    /// Runs each group of steps completely or not at all, in one transaction. Returns the row of
    /// each group that was committed.
    #[doc(hidden)]
    async fn transact_each(
        on: Access<'_, Self>,
        groups: Vec<(Vec<Statement>, Option<AfterSteps<'_, Self>>)>,
    ) -> Result<Vec<Option<Self::Row>>, Error>;
    #[doc(hidden)]
    async fn edit(
        on: Access<'_, Self>,
        read: LockedRead,
        decide: DecideRow<'_, Self::Row>,
        after: Option<AfterSteps<'_, Self>>,
    ) -> Result<TransactionOutcome<Self::Row>, Error>;
    #[doc(hidden)]
    async fn begin(connection: &mut Self::Connection) -> Result<Transaction<'_, Self>, Error>;
    /// Runs statements without parameters. Returns the number of changed rows.
    #[doc(hidden)]
    async fn batch(connection: &mut Self::Connection, sql: String) -> Result<u64, Error>;
    #[doc(hidden)]
    async fn rows(
        connection: &mut Self::Connection,
        sql: Sql,
        args: Vec<Arg>,
    ) -> Result<Vec<Self::Row>, Error>;
    #[doc(hidden)]
    fn text(row: &Self::Row, column: usize) -> Result<Option<&str>, Error>;
    #[doc(hidden)]
    fn int(row: &Self::Row, column: usize) -> Result<Option<i64>, Error>;
    #[doc(hidden)]
    fn name(row: &Self::Row, column: usize) -> &str;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

impl Statement {
    pub(super) fn new(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self {
            sql: sql.into(),
            args,
            must_change: false,
            answers: false,
            unmet: None,
            collects: None,
        }
    }

    /// Creates a step that runs if the first column of the returned row is at least a number, and
    /// whose rows are collected.
    pub(super) fn collects(
        at_least: i64,
        into: Collected,
        sql: impl Into<Sql>,
        args: Vec<Arg>,
    ) -> Self {
        Self { collects: Some((at_least, into)), ..Self::new(sql, args) }
    }

    /// Creates a step that rolls back the transaction if it changes no row.
    pub(super) fn must(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { must_change: true, ..Self::new(sql, args) }
    }

    /// Creates a step that has to change a row for a condition to be met.
    pub(super) fn requires(unmet: Unmet, sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { unmet: Some(unmet), ..Self::must(sql, args) }
    }

    /// Creates a step that returns a row, and rolls back the transaction if there is none.
    pub(super) fn answers(sql: impl Into<Sql>, args: Vec<Arg>) -> Self {
        Self { answers: true, ..Self::new(sql, args) }
    }
}

impl Sql {
    pub(super) fn text(self) -> SqlStr {
        match self {
            Self::Ours(text) => text.into_sql_str(),
            Self::RenderedMail(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Ours(text)
    }
}

impl From<String> for Sql {
    fn from(text: String) -> Self {
        Self::RenderedMail(text.into())
    }
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<jiff::Timestamp> for Arg {
    fn from(moment: jiff::Timestamp) -> Self {
        Self::Int(Some(moment.as_millisecond()))
    }
}

impl From<Option<jiff::Timestamp>> for Arg {
    fn from(moment: Option<jiff::Timestamp>) -> Self {
        Self::Int(moment.map(|moment| moment.as_millisecond()))
    }
}
