//! Pools with a time limit: every statement and transaction runs on a [`Checkout`].
//!
//! sqlx returns a connection to its pool after a ping that has no time limit, even if a statement
//! is still running on it. With a server that does not respond, for example after a failover, the
//! slot would be occupied until TCP times out, after a quarter of an hour or longer. Here a
//! connection returns to the pool within the limit or is closed.

use std::{
    io::ErrorKind,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use sqlx::{Connection, Error, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Db,
    failure::{is_connection_lost, is_read_only},
    pool::{Access, Connections, Demotion},
};

/// The time limit for an abandoned statement on a connection without a limit.
const DRAIN: Duration = Duration::from_secs(5);

/// Returns the time limit of a ping, given the limit of a statement: a request that waits for it
/// still has time to open another connection.
pub(super) fn ping_timeout(limit: Duration) -> Duration {
    limit / 4
}

impl<'a, DB: Db> Access<'a, DB> {
    /// Returns the same pool with a new deadline, for the next part of a long transaction.
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

    /// Runs work on a connection until the deadline.
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

/// The end of a transaction whose `BEGIN`, commit and rollback succeeded.
pub(super) enum TransactionEnd<T> {
    /// The transaction was committed or rolled back as intended.
    Completed(T),
    /// A statement failed, and the transaction was rolled back.
    StatementFailed(Error),
}

impl<T> From<Result<T, Error>> for TransactionEnd<T> {
    fn from(done: Result<T, Error>) -> Self {
        done.map_or_else(Self::StatementFailed, Self::Completed)
    }
}

/// A connection that returns to its pool when it is [settled](Self::settle). It is closed if its
/// work was abandoned: sqlx does not know of a transaction whose `BEGIN` was not awaited.
pub(super) struct Checkout<DB: Db> {
    connection: Option<PoolConnection<DB>>,
    limit: Option<Duration>,
    demotion: Arc<Demotion>,
    is_in_memory: bool,
    deadline: Instant,
}

impl<DB: Db> Checkout<DB> {
    /// Returns the connection to its pool after a statement, or closes it if it is not usable after
    /// this outcome.
    pub(super) fn settle<T>(self, done: Result<T, Error>) -> Result<T, Error> {
        self.settle_transaction(Ok(TransactionEnd::from(done)))
    }

    /// Like [`settle`](Self::settle) after a transaction. If the commit or rollback failed, the
    /// connection is closed. For example, SQLite rolls back by itself when the disk is full; the
    /// `ROLLBACK` of the driver then fails, and the driver would not start another transaction on
    /// the connection.
    pub(super) fn settle_transaction<T>(
        self,
        done: Result<TransactionEnd<T>, Error>,
    ) -> Result<T, Error> {
        let is_over = done.is_ok();
        let done = done.and_then(|end| match end {
            TransactionEnd::Completed(done) => Ok(done),
            TransactionEnd::StatementFailed(error) => Err(error),
        });
        // Connections of the same age are probably affected too.
        let is_outdated = |error| is_read_only(error) || is_connection_lost(error);
        let is_outdated = done.as_ref().is_err_and(is_outdated);
        if is_outdated {
            self.demotion.note();
        }
        let is_usable = matches!(done, Ok(_) | Err(Error::Database(_))) && !is_outdated;
        self.release(is_over && is_usable);
        done
    }

    /// Returns the connection to its pool, or closes it if it is not usable.
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

/// The server may continue an abandoned statement. The slot stays occupied until it is done, at
/// most until the deadline, so that clients that disconnect cannot make the pool open more
/// connections than its maximum.
///
/// A connection to SQLite is closed only if the abandoned transaction could not be rolled back.
impl<DB: Db> Drop for Checkout<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (deadline, is_in_memory) = (self.deadline, self.is_in_memory);
        let mut abandoned = Abandoned(Some(connection), is_in_memory);
        match Handle::try_current() {
            Ok(runtime) if !DB::IS_POSTGRES => {
                runtime.spawn(async move {
                    let Some(connection) = &mut abandoned.0 else { return };
                    // The driver rolls back before it responds.
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

/// A connection that is closed on drop, unless it is in memory.
struct Abandoned<DB: Db>(Option<PoolConnection<DB>>, bool);

impl<DB: Db> Drop for Abandoned<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            close(connection, self.1);
        }
    }
}

/// Closes a connection, unless it is in memory. PostgreSQL gets no `Terminate` message, since the
/// server may be unreachable. SQLite closes its file before the pool opens it again.
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
