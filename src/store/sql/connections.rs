//! Pools with a time limit: every statement and transaction runs on a [`Checkout`].
//!
//! sqlx returns a connection to its pool by a ping that has no time limit, also one on which a
//! statement is still running. A server that is silent, for example after a failover, would hold
//! the slot until TCP gives up, which takes a quarter of an hour or longer. Here a connection
//! returns to the pool within the limit or is closed.

use std::{
    fmt,
    io::ErrorKind,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{Connection, Database, Error, Pool, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Db,
    acquire::LastProbe,
    failure::{is_connection_lost, is_read_only},
};

/// For a connection without a time limit on which a statement was abandoned.
const DRAIN: Duration = Duration::from_secs(5);

/// For the ping of a connection, given the limit of a statement: a request that waits for it
/// has time left to open another connection.
pub(super) fn ping_timeout(limit: Duration) -> Duration {
    limit / 4
}

/// A pool and the time limit of each statement and transaction on it.
pub(super) struct Connections<DB: Database> {
    pub(super) pool: Pool<DB>,
    pub(super) limit: Option<Duration>,
    pub(super) demotion: Arc<Demotion>,
    /// A database in memory is deleted with its connection, so that one is never closed.
    pub(super) is_in_memory: bool,
    /// Whether a pooler gives each transaction of a connection another session of the server.
    pub(super) shares_sessions: bool,
    pub(super) last_probe: LastProbe,
}

impl<DB: Database> Connections<DB> {
    /// Statements without a time limit.
    pub(super) fn unlimited(pool: Pool<DB>) -> Self {
        let (demotion, last_probe) = (Arc::default(), LastProbe::default());
        Self {
            pool,
            limit: None,
            demotion,
            is_in_memory: false,
            shares_sessions: false,
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
            ..*self
        }
    }
}

/// When a server last reported that it only reads, or a connection to it was lost. A server that lost
/// its role in a failover still answers reads, with rows that are no longer current, on all of its
/// connections; after a restart, all connections are lost.
#[derive(Debug, Default)]
pub(super) struct Demotion(pub(super) Mutex<Option<Instant>>);

impl Demotion {
    fn note(&self) {
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

impl<'a, DB: Db> Access<'a, DB> {
    /// The same pool with a new deadline, for the next part of a long transaction.
    pub(super) fn renewed(self) -> Self {
        self.connections.access()
    }

    pub(super) async fn connection(self) -> Result<Checkout<DB>, Error> {
        let acquired = self.acquire().await?;
        let Connections { limit, is_in_memory, .. } = *self.connections;
        let demotion = Arc::clone(&self.connections.demotion);
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + DRAIN);
        Ok(Checkout { connection: Some(acquired), limit, demotion, is_in_memory, deadline })
    }

    /// Waits for the work on a connection until the deadline.
    pub(super) async fn run<T>(
        self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match self.deadline {
            None => work.await,
            Some(deadline) => match timeout_at(deadline, work).await {
                Ok(done) => done,
                Err(_) => Err(self.late()),
            },
        }
    }

    fn late(self) -> Error {
        let limit = self.connections.limit.unwrap_or_default();
        self.connections.error(
            ErrorKind::TimedOut,
            &format!(
                "no response within `statement_timeout` = {limit:?}, and the connection was closed"
            ),
        )
    }
}

/// The outcome of a transaction. The outer error is that of one that did not begin, or whose
/// commit or rollback failed; the inner one is that of a statement, after a rollback.
pub(super) type Transacted<T> = Result<Result<T, Error>, Error>;

/// A connection that returns to its pool when its work is [settled](Self::settle). One whose work
/// was abandoned is closed: sqlx does not know of a transaction whose `BEGIN` was not awaited.
pub(super) struct Checkout<DB: Db> {
    connection: Option<PoolConnection<DB>>,
    limit: Option<Duration>,
    demotion: Arc<Demotion>,
    is_in_memory: bool,
    deadline: Instant,
}

impl<DB: Db> Checkout<DB> {
    /// Returns the connection to its pool after a statement, or closes it if the outcome says that
    /// it is of no further use.
    pub(super) fn settle<T>(self, done: Result<T, Error>) -> Result<T, Error> {
        self.settle_transaction(Ok(done))
    }

    /// Like [`settle`](Self::settle) after a transaction. If it did not end as it was told to, the
    /// connection is closed. For example, SQLite rolls back by itself when the disk is full; the
    /// driver, whose `ROLLBACK` then fails, would begin no other transaction on the connection.
    pub(super) fn settle_transaction<T>(self, done: Transacted<T>) -> Result<T, Error> {
        let is_over = done.is_ok();
        let done = done.unwrap_or_else(Err);
        // What happened to one connection has probably happened to those that are as old.
        let is_outdated = |error| is_read_only(error) || is_connection_lost(error);
        let is_outdated = done.as_ref().is_err_and(is_outdated);
        if is_outdated {
            self.demotion.note();
        }
        let is_usable = matches!(done, Ok(_) | Err(Error::Database(_))) && !is_outdated;
        self.release(is_over && is_usable);
        done
    }

    /// Returns the connection to its pool, or closes it if it is of no further use.
    pub(super) fn release(mut self, is_usable: bool) {
        let Some(mut connection) = self.connection.take() else { return };
        match Handle::try_current() {
            _ if !DB::IS_POSTGRES && is_usable => drop(connection),
            Ok(runtime) if is_usable => {
                // Not by dropping it, which has no time limit.
                let returned = connection.return_to_pool();
                runtime.spawn(timeout(ping_timeout(self.limit.unwrap_or(DRAIN)), returned));
            }
            _ => close(connection, self.is_in_memory),
        }
    }
}

/// The server may go on with an abandoned statement. Until it is done, for as long as the deadline
/// allows, the slot stays taken: clients that disconnect cannot make the pool open more
/// connections than it may.
///
/// A connection to SQLite is closed only if the transaction that was abandoned could not be rolled
/// back.
impl<DB: Db> Drop for Checkout<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (deadline, is_in_memory) = (self.deadline, self.is_in_memory);
        let mut abandoned = Abandoned(Some(connection), is_in_memory);
        match Handle::try_current() {
            Ok(runtime) if !DB::IS_POSTGRES => {
                runtime.spawn(async move {
                    let Some(connection) = &mut abandoned.0 else { return };
                    // The driver rolls back before it answers.
                    if connection.ping().await.is_ok() && !connection.is_in_transaction() {
                        drop(abandoned.0.take());
                    }
                });
            }
            Ok(runtime) if deadline > Instant::now() => {
                runtime.spawn(async move {
                    let Some(connection) = &mut abandoned.0 else { return };
                    let _ = timeout_at(deadline, connection.ping()).await;
                });
            }
            _ => drop(abandoned),
        }
    }
}

/// Closed when it is dropped, unless it is in memory.
struct Abandoned<DB: Db>(Option<PoolConnection<DB>>, bool);

impl<DB: Db> Drop for Abandoned<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            close(connection, self.1);
        }
    }
}

/// Closes a connection, unless it is in memory. PostgreSQL gets no `Terminate` message: it may not
/// be reachable. SQLite has closed its file before the pool opens it again.
fn close<DB: Db>(mut connection: PoolConnection<DB>, is_in_memory: bool) {
    if DB::IS_POSTGRES {
        drop(connection.detach());
    } else if !is_in_memory {
        connection.close_on_drop();
    }
}

impl<DB: Db> Deref for Checkout<DB> {
    type Target = PoolConnection<DB>;

    #[allow(clippy::expect_used, reason = "only `settle`, which consumes it, takes the connection")]
    fn deref(&self) -> &Self::Target {
        self.connection.as_ref().expect("a checkout has a connection")
    }
}

impl<DB: Db> DerefMut for Checkout<DB> {
    #[allow(clippy::expect_used, reason = "only `settle`, which consumes it, takes the connection")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.connection.as_mut().expect("a checkout has a connection")
    }
}
