//! Pools with a time limit: every statement and transaction runs on a [`Checkout`].
//!
//! sqlx returns a connection to its pool by a ping that has no time limit, also one on which a
//! statement is still running. A server that is silent, for example after a failover, would hold
//! the slot until TCP gives up, which takes a quarter of an hour or longer. Here a connection
//! returns to the pool within the limit or is closed.

use std::{
    fmt,
    io::{self, ErrorKind},
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex},
    time::Duration,
};

use sqlx::{Connection, Database, Error, Pool, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use super::Db;

/// For a connection without a time limit on which a statement was abandoned.
const DRAIN: Duration = Duration::from_secs(5);
/// Codes of PostgreSQL after which a connection is closed: `read_only_sql_transaction`,
/// `admin_shutdown`, `crash_shutdown` and `cannot_connect_now`.
const CLOSING: [&str; 4] = [READ_ONLY, "57P01", "57P02", "57P03"];
const READ_ONLY: &str = "25006";

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
}

impl<DB: Database> Connections<DB> {
    /// Statements without a time limit.
    pub(super) fn unlimited(pool: Pool<DB>) -> Self {
        Self { pool, limit: None, demotion: Arc::default() }
    }

    /// Starts the time limit of one statement or transaction.
    pub(super) fn access(&self) -> Access<'_, DB> {
        Access { connections: self, deadline: self.limit.map(|limit| Instant::now() + limit) }
    }
}

impl<DB: Database> Clone for Connections<DB> {
    fn clone(&self) -> Self {
        let demotion = Arc::clone(&self.demotion);
        Self { pool: self.pool.clone(), limit: self.limit, demotion }
    }
}

/// When a server last reported that it only reads. A server that lost its role in a failover
/// still answers reads, with rows that are no longer current, on all of its connections.
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
    connections: &'a Connections<DB>,
    deadline: Option<Instant>,
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
        let pool = &self.connections.pool;
        let acquired = match self.deadline {
            None => pool.acquire().await?,
            Some(deadline) => match timeout_at(deadline, pool.acquire()).await {
                Ok(acquired) => acquired?,
                Err(_) => {
                    let size = pool.options().get_max_connections();
                    return Err(self.late(&format!(
                        "no connection of the pool of {size} was free and none could be opened: \
                        check that the server is reachable, or raise `max_connections`"
                    )));
                }
            },
        };
        let limit = self.connections.limit;
        let deadline = self.deadline.unwrap_or_else(|| Instant::now() + DRAIN);
        Ok(Checkout { connection: Some(acquired), limit, deadline })
    }

    /// Waits for the work on a connection until the deadline.
    pub(super) async fn run<T>(
        self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = match self.deadline {
            None => work.await,
            Some(deadline) => match timeout_at(deadline, work).await {
                Ok(done) => done,
                Err(_) => {
                    Err(self.late("the server did not answer, and the connection was closed"))
                }
            },
        };
        if let Err(error) = &done
            && code(error).is_some_and(|code| code == READ_ONLY)
        {
            self.connections.demotion.note();
        }
        done
    }

    fn late(self, what: &str) -> Error {
        let limit = self.connections.limit.unwrap_or_default();
        let text = format!("{}, `statement_timeout` = {limit:?}: {what}", DB::ENGINE);
        Error::Io(io::Error::new(ErrorKind::TimedOut, text))
    }
}

/// A connection that returns to its pool when its work is [settled](Self::settle). One whose work
/// was abandoned is closed: sqlx does not know of a transaction whose `BEGIN` was not awaited.
pub(super) struct Checkout<DB: Db> {
    connection: Option<PoolConnection<DB>>,
    limit: Option<Duration>,
    deadline: Instant,
}

impl<DB: Db> Checkout<DB> {
    /// Returns the connection to its pool, or closes it if the outcome says that it is of no
    /// further use.
    pub(super) fn settle<T>(mut self, done: Result<T, Error>) -> Result<T, Error> {
        let is_usable = match &done {
            Ok(_) => true,
            Err(error @ Error::Database(_)) => {
                code(error).is_none_or(|code| !CLOSING.contains(&&*code))
            }
            Err(_) => false,
        };
        let Some(mut connection) = self.connection.take() else { return done };
        match (self.limit, Handle::try_current()) {
            _ if !DB::IS_POSTGRES => drop(connection),
            (_, Ok(runtime)) if is_usable => {
                // Not by dropping it, which has no time limit.
                let returned = connection.return_to_pool();
                runtime.spawn(timeout(ping_timeout(self.limit.unwrap_or(DRAIN)), returned));
            }
            _ => close(connection),
        }
        done
    }
}

/// The server may go on with an abandoned statement. Until it is done, for as long as the deadline
/// allows, the slot stays taken: clients that disconnect cannot make the pool open more
/// connections than it may.
impl<DB: Db> Drop for Checkout<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let deadline = self.deadline;
        match Handle::try_current() {
            _ if !DB::IS_POSTGRES => drop(connection),
            Ok(runtime) if deadline > Instant::now() => {
                let mut abandoned = Abandoned(Some(connection));
                runtime.spawn(async move {
                    let Some(connection) = &mut abandoned.0 else { return };
                    let _ = timeout_at(deadline, connection.ping()).await;
                });
            }
            _ => close(connection),
        }
    }
}

/// Closed when it is dropped.
struct Abandoned<DB: Database>(Option<PoolConnection<DB>>);

impl<DB: Database> Drop for Abandoned<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            close(connection);
        }
    }
}

/// Closes the socket. It sends no `Terminate` message: the server may not be reachable.
fn close<DB: Database>(connection: PoolConnection<DB>) {
    drop(connection.detach());
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

fn code(error: &Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code)
}
