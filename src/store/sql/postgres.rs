//! PostgreSQL.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection, Error, Executor, PgConnection, PgPool, Postgres, pool::PoolConnectionMetadata,
    postgres::PgPoolOptions,
};
use tokio::{
    sync::OnceCell,
    time::{error::Elapsed, timeout},
};

use super::{
    Hearing, SqlStore, StoreError,
    connect::{self, refuse_read_only},
    connections::{Checkout, ping_timeout},
    engine, migrate, poll,
    pool::{Connections, Demotion},
    pooler,
};

/// A store in a PostgreSQL database.
pub type PgStore = SqlStore<Postgres>;

const CONNECTIONS: u32 = 10;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server takes the limit in milliseconds, as a signed number of 32 bits.
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
/// After so long a connection is asked whether it still stands before it is used; asking each
/// time would double what a short statement costs.
const RESTED: Duration = Duration::from_secs(2);

engine::engine!(
    Postgres,
    "PostgreSQL",
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    poll::postgres::spawn,
    connect::server,
    connect::probe,
    |_sqlite, postgres| postgres
);

/// Options of a [`PgStore`].
///
/// ```no_run
/// # use std::time::Duration;
/// use authlayer::PgStoreOptions;
///
/// # async fn example() -> Result<(), authlayer::store::StoreError> {
/// let store = PgStoreOptions::new()
///     .max_connections(20)
///     .statement_timeout(Duration::from_secs(2))
///     .connect("postgres://auth@db.internal/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PgStoreOptions {
    max_connections: u32,
    statement_timeout: Duration,
}

impl Default for PgStoreOptions {
    fn default() -> Self {
        Self { max_connections: CONNECTIONS, statement_timeout: STATEMENT_TIMEOUT }
    }
}

impl PgStoreOptions {
    /// Returns the defaults: ten connections, and five seconds for a statement.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many connections the pool may open; 10 by default. One more connection polls
    /// for changes of other nodes.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets the time limit of every statement and every transaction, five seconds by default. It
    /// includes the wait for a connection and retries.
    ///
    /// When it passes, the request is answered with 503 `unavailable` and its connection is
    /// closed. Whether the change was committed is then unknown, as after any lost connection.
    /// Migrations have no limit, and an import has the limit once for each user.
    ///
    /// On connections that [`connect`](Self::connect) opens, the server has the same limits:
    /// `statement_timeout`, `idle_in_transaction_session_timeout`, and TCP keep-alive after a
    /// minute, so that the locks of a node that disappeared are released. On a pool of yours you
    /// set them.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit;
        self
    }

    /// Connects and runs the migrations.
    ///
    /// # Errors
    ///
    /// When `statement_timeout` is shorter than a millisecond or longer than 24 days, the URL is not
    /// one of PostgreSQL, the server does not answer or is read-only (for example a standby), a
    /// migration fails, or the database has a migration of a newer version that this version cannot
    /// work with. The source of the error is a [`MigrateError`](super::MigrateError), if it is about
    /// migrations.
    ///
    /// The text of an error has the host, the port and the reason, but never the password. A server
    /// that refuses connections, or has too many of them, is tried again within `statement_timeout`.
    ///
    /// When a pooler is between this process and the server, and loses prepared statements or has no
    /// transactions: PgBouncer in transaction mode before 1.21 or with `max_prepared_statements = 0`,
    /// and PgBouncer in statement mode. For this check, a second connection is opened and closed.
    /// Without a pooler it adds eight round trips; it ends after two seconds at most. When
    /// the check cannot be made, for example because the server accepts no further connection, a
    /// warning is logged and the store opens.
    ///
    /// When the pooler rejects a parameter of the URL, such as `options`: set it for the role.
    ///
    /// # Security
    ///
    /// Through a pooler in transaction mode, the settings above reach sessions of the server that
    /// other clients of the same role and database use as well, and may be missing in some. Give
    /// authlayer a role of its own and set `statement_timeout`,
    /// `idle_in_transaction_session_timeout` and `default_transaction_isolation` for that role.
    pub async fn connect(self, url: &str) -> Result<PgStore, StoreError> {
        let limit = self.checked_timeout()?;
        let demotion = Arc::new(Demotion::default());
        // The first connection is checked below, where the reason can be returned: the pool
        // repeats a connection that was refused until it gives up.
        let is_open = Arc::new(OnceCell::new());
        let (demoted, checks) = (Arc::clone(&demotion), Arc::clone(&is_open));
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections)
            // Ours ends first and says more.
            .acquire_timeout(limit * 2)
            .test_before_acquire(false)
            .before_acquire(move |connection, seen| {
                let is_demoted = is_older(&seen, &demoted);
                Box::pin(async move { Ok(!is_demoted && answers(connection, seen, limit).await?) })
            })
            .after_connect(move |connection, _| {
                let is_open = checks.initialized();
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(session(limit)))).await?;
                    if is_open { refuse_read_only(connection).await } else { Ok(()) }
                })
            })
            .connect_lazy_with(connect::options(url)?);
        let store =
            open(Connections { limit: Some(limit), demotion, ..Connections::unlimited(pool) })
                .await?;
        let _ = is_open.set(());
        Ok(store)
    }

    /// Creates a store on the application's own pool and runs the migrations;
    /// `max_connections` is that of the pool.
    ///
    /// Where `default_transaction_isolation` of the pool is stricter than `read committed`,
    /// statements that meet may fail with a [`StoreError`] instead of waiting; none of them
    /// does the wrong thing.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn with_pool(self, pool: PgPool) -> Result<PgStore, StoreError> {
        let limit = Some(self.checked_timeout()?);
        open(Connections { limit, ..Connections::unlimited(pool) }).await
    }

    fn checked_timeout(self) -> Result<Duration, StoreError> {
        let limit = self.statement_timeout;
        if limit < Duration::from_millis(1) || limit > MAX_TIMEOUT {
            return Err(StoreError::new(format!(
                "`statement_timeout` is {limit:?}: set it to a value between 1ms and {MAX_TIMEOUT:?}"
            )));
        }
        Ok(limit)
    }
}

impl SqlStore<Postgres> {
    /// Connects with the default [options](PgStoreOptions) and runs the migrations. If there is
    /// none to run, the role needs no more than SELECT, INSERT, UPDATE and DELETE on the tables.
    /// See [`migrate`](Self::migrate).
    ///
    /// The URL names the server itself, a pooler in session mode, or PgBouncer 1.21 or newer in
    /// transaction mode with `max_prepared_statements` above 0. A pooler that loses prepared
    /// statements or has no transactions is refused: see [`PgStoreOptions::connect`].
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        PgStoreOptions::new().connect(url).await
    }

    /// Like [`connect`](Self::connect) with at most that many connections.
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`].
    pub async fn connect_with(url: &str, connections: u32) -> Result<Self, StoreError> {
        PgStoreOptions::new().max_connections(connections).connect(url).await
    }

    /// Runs the migrations and returns the names of those that ran, as a step of a deployment
    /// before the new version starts, with a role that owns the tables.
    ///
    /// The URL names the server itself, or a pooler in session mode. A pooler in transaction mode runs
    /// migrations of [`MigrationKind::Transaction`](super::MigrationKind::Transaction); it cannot run
    /// the other kinds, which hold a lock of the session, and they are refused.
    ///
    /// ```no_run
    /// # async fn deploy() -> Result<(), Box<dyn std::error::Error>> {
    /// for name in authlayer::PgStore::migrate("postgres://owner@db/app").await? {
    ///     println!("applied {name}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(STATEMENT_TIMEOUT);
        let connections = Connections::unlimited(options.connect_lazy_with(connect::options(url)?));
        let pool = connections.pool.clone();
        let applied = async {
            let first = connections.access().connection().await.map_err(StoreError::new)?;
            let connections = checked_for_pooler(connections, first).await?;
            migrate::run_now(&connections, &Self::migrations()).await
        };
        let applied = applied.await;
        pool.close().await;
        applied
    }

    /// Creates a store on the application's own pool with the default
    /// [options](PgStoreOptions::with_pool) and runs the migrations.
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`].
    pub async fn from_pool(pool: PgPool) -> Result<Self, StoreError> {
        PgStoreOptions::new().with_pool(pool).await
    }
}

async fn open(connections: Connections<Postgres>) -> Result<PgStore, StoreError> {
    let on = connections.access();
    let mut connection = on.connection().await.map_err(StoreError::new)?;
    if let Err(error) = on.run(refuse_read_only(&mut **connection)).await {
        let settled = connection.settle(Err(error));
        return settled.map_err(|error| rejected(&connections, error));
    }
    let connections = checked_for_pooler(connections, connection).await?;
    migrate::run_now(&connections, &PgStore::migrations()).await?;
    Ok(SqlStore::over(connections.clone(), connections, Hearing::Writer))
}

/// Returns the connections with what is known of a pooler, given one of them.
async fn checked_for_pooler(
    connections: Connections<Postgres>,
    first: Checkout<Postgres>,
) -> Result<Connections<Postgres>, StoreError> {
    let checked = pooler::shares_sessions(first, &connections.pool).await;
    let shares_sessions = checked.map_err(|error| rejected(&connections, error))?;
    Ok(Connections { shares_sessions, ..connections })
}

/// Returns the error of a check, with the name of the server if it found the server unsuitable.
fn rejected(connections: &Connections<Postgres>, error: Error) -> StoreError {
    match error {
        Error::Configuration(_) => StoreError::new(connections.failed(&error)),
        error => StoreError::new(error),
    }
}

/// The settings of a session, in one round trip. Statements outside a transaction get `READ
/// COMMITTED`; the server's default may be stricter, and then of two that meet one would fail
/// where it should wait.
fn session(limit: Duration) -> String {
    let limit = limit.as_millis();
    format!(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET statement_timeout = {limit};
        SET idle_in_transaction_session_timeout = {limit};
        SET tcp_keepalives_idle = 60;
        SET tcp_keepalives_interval = 10;
        SET tcp_keepalives_count = 3"
    )
}

/// Returns whether a connection was opened before its server was last found read-only.
fn is_older(seen: &PoolConnectionMetadata, demotion: &Demotion) -> bool {
    demotion.0.lock().is_ok_and(|last| last.is_some_and(|at| at.elapsed() <= seen.age))
}

/// Returns whether a connection that was idle for a while still answers.
async fn answers(
    connection: &mut PgConnection,
    seen: PoolConnectionMetadata,
    limit: Duration,
) -> Result<bool, Error> {
    if seen.idle_for <= RESTED {
        return Ok(true);
    }
    match timeout(ping_timeout(limit), connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(elapsed) => Err(Error::Io(Elapsed::into(elapsed))),
    }
}
