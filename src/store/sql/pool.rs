//! A connection pool with a time limit for statements and transactions.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{AssertSqlSafe, Database, Pool, SqlSafeStr, SqlStr};
use tokio::time::Instant;

/// The time and the result of the last connection attempt outside of the pool.
pub(super) type LastProbe = Arc<tokio::sync::Mutex<Option<(Instant, Option<String>)>>>;

/// A pool and the time limit of each statement and transaction on it.
pub(super) struct Connections<DB: Database> {
    pub(super) pool: Pool<DB>,
    pub(super) limit: Option<Duration>,
    pub(super) demotion: Arc<Demotion>,
    /// A database in memory is deleted with its connection, so that one is never closed.
    pub(super) is_in_memory: bool,
    /// Whether a pooler may run each transaction of a connection in another session of the server.
    pub(super) shares_sessions: bool,
    /// Begins each transaction if no statement or setting may outlive one. Then every statement runs
    /// in a transaction and is prepared without a name.
    pub(super) pooled: Option<Arc<str>>,
    pub(super) last_probe: LastProbe,
}

impl<DB: Database> Connections<DB> {
    /// Creates a pool whose statements have no time limit.
    pub(super) fn unlimited(pool: Pool<DB>) -> Self {
        let (demotion, last_probe) = (Arc::default(), LastProbe::default());
        Self {
            pool,
            limit: None,
            demotion,
            is_in_memory: false,
            shares_sessions: false,
            pooled: None,
            last_probe,
        }
    }

    /// Starts the time limit of one statement or transaction.
    pub(super) fn access(&self) -> Access<'_, DB> {
        Access { connections: self, deadline: self.limit.map(|limit| Instant::now() + limit) }
    }
}

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            demotion: Arc::clone(&self.demotion),
            last_probe: Arc::clone(&self.last_probe),
            pooled: self.pooled.clone(),
            ..*self
        }
    }
}

/// The time of the last error that the server is read-only or that a connection was lost. A server
/// that lost its role in a failover still serves reads on all of its connections, with rows that
/// may be outdated; after a restart, all connections are lost.
#[derive(Debug, Default)]
pub(super) struct Demotion(pub(super) Mutex<Option<Instant>>);

impl Demotion {
    pub(super) fn note(&self) {
        if let Ok(mut last) = self.0.lock() {
            *last = Some(Instant::now());
        }
    }
}

/// A pool and the deadline of one statement or transaction, retries included.
pub struct Access<'a, DB: Database> {
    pub(super) connections: &'a Connections<DB>,
    pub(super) deadline: Option<Instant>,
}

impl<DB: Database> Access<'_, DB> {
    /// Returns the statement that begins a transaction for a single statement, if it needs one.
    pub(super) fn begin_single(self) -> Option<SqlStr> {
        let begin = self.connections.pooled.as_ref()?;
        Some(AssertSqlSafe(Arc::clone(begin)).into_sql_str())
    }

    /// Returns the statement that begins a transaction, given that of the engine.
    pub(super) fn begin(self, of_engine: &'static str) -> SqlStr {
        self.begin_single().unwrap_or_else(|| of_engine.into_sql_str())
    }

    /// Returns `true` if statements keep their names on a connection.
    pub(super) fn prepares(self) -> bool {
        self.connections.pooled.is_none()
    }
}

impl<DB: Database> Clone for Access<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Database> Copy for Access<'_, DB> {}

impl<DB: Database> fmt::Debug for Access<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
