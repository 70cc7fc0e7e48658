//! The store in PostgreSQL.

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
    Hearing, Migration, SqlStore, StoreError,
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
/// The server accepts the limit in milliseconds, as a signed 32-bit number.
const MAX_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
/// A connection that was idle for longer is checked by a ping before use; a ping each time would
/// double the cost of a short statement.
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
    is_pooled: bool,
}

impl Default for PgStoreOptions {
    fn default() -> Self {
        let (max_connections, statement_timeout) = (CONNECTIONS, STATEMENT_TIMEOUT);
        Self { max_connections, statement_timeout, is_pooled: false }
    }
}

impl PgStoreOptions {
    /// Returns the defaults: 10 connections and a statement timeout of 5 seconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of connections in the pool. Default: 10. One additional connection
    /// polls for changes of other nodes.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets the time limit of every statement and every transaction. Default: 5 seconds. It
    /// includes the wait for a connection and retries.
    ///
    /// When it expires, the response is 503 `unavailable` and the connection is closed. It is then
    /// unknown whether the change was committed, as after any lost connection. Migrations have no
    /// limit, and an import has the limit once for each user.
    ///
    /// On connections that [`connect`](Self::connect) opens, the server has the same limits:
    /// `statement_timeout`, `idle_in_transaction_session_timeout`, and TCP keep-alive after a
    /// minute, so that the locks of a node that disappeared are released. On your own pool, set
    /// them yourself.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = limit;
        self
    }

    /// Supports a pooler in transaction mode that loses prepared statements, such as PgBouncer before
    /// 1.21. Off by default, because every statement takes four round trips instead of one.
    ///
    /// Each statement runs in a transaction, is prepared without a name, and leaves no setting on the
    /// session of the server: the limits of [`statement_timeout`](Self::statement_timeout) are set
    /// by `SET LOCAL`, and there is no TCP keep-alive. Changes of other nodes are read in
    /// transactions too, so a session that another node revoked is rejected within a second. Hooks
    /// of [`on_user_created`](SqlStore::on_user_created) must not prepare statements by name:
    /// call `.persistent(false)` on their queries.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), authlayer::store::StoreError> {
    /// use authlayer::PgStoreOptions;
    ///
    /// let options = PgStoreOptions::new().pooled().max_connections(5);
    /// let store = options.connect("postgres://auth@pooler.internal:6543/app").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.is_pooled = true;
        self
    }

    /// Connects and runs the migrations.
    ///
    /// # Errors
    ///
    /// If `statement_timeout` is below 1 ms or above 24 days, the URL is not a PostgreSQL URL, the
    /// server does not respond or is read-only (for example a standby), a migration fails, or the
    /// database has a migration of a newer version that this version cannot work with. If it is
    /// about migrations, the source of the error is a [`MigrateError`](super::MigrateError).
    ///
    /// The message includes the host, the port and the reason, but never the password. If the
    /// server rejects connections or has too many of them, the attempt is repeated within
    /// `statement_timeout`.
    ///
    /// If a pooler between this process and the server loses prepared statements or has no
    /// transactions: PgBouncer in transaction mode before 1.21 or with
    /// `max_prepared_statements = 0`, and PgBouncer in statement mode. For this check, a second
    /// connection is opened and closed. Without a pooler it takes nine round trips, and at most
    /// two seconds. If the check fails, for example because the server accepts no further
    /// connection, a warning is logged and the store opens.
    ///
    /// If the pooler rejects a parameter of the URL, such as `options`: set it for the role.
    ///
    /// # Security
    ///
    /// Through a pooler in transaction mode, the settings above apply to sessions of the server
    /// that other clients with the same role and database use as well, and may be missing in some.
    /// Use a separate role for authlayer, and set `statement_timeout`,
    /// `idle_in_transaction_session_timeout` and `default_transaction_isolation` for that role.
    pub async fn connect(self, url: &str) -> Result<PgStore, StoreError> {
        let limit = self.checked_timeout()?;
        let demotion = Arc::new(Demotion::default());
        // The first connection is checked below, where the reason can be returned: the pool repeats
        // a rejected connection until it times out.
        let is_open = Arc::new(OnceCell::new());
        let (demoted, checks) = (Arc::clone(&demotion), Arc::clone(&is_open));
        let settings = (!self.is_pooled).then(|| session(limit));
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections)
            // The time limit of the store expires first and has a better error message.
            .acquire_timeout(limit * 2)
            .test_before_acquire(false)
            .before_acquire(move |connection, seen| {
                let is_demoted = is_older(&seen, &demoted);
                Box::pin(async move { Ok(!is_demoted && answers(connection, seen, limit).await?) })
            })
            .after_connect(move |connection, _| {
                let (is_open, settings) = (checks.initialized(), settings.clone());
                Box::pin(async move {
                    if let Some(settings) = settings {
                        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
                    }
                    if is_open { refuse_read_only(connection).await } else { Ok(()) }
                })
            })
            .connect_lazy_with(connect::options(url)?);
        let connections = Connections { demotion, ..self.connections(pool, limit) };
        let store = open(connections).await?;
        let _ = is_open.set(());
        Ok(store)
    }

    /// Creates a store on the application's own pool and runs the migrations. `max_connections` is
    /// that of the pool.
    ///
    /// If `default_transaction_isolation` of the pool is stricter than `read committed`,
    /// conflicting statements may fail with a [`StoreError`] instead of waiting; their results
    /// remain correct.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn with_pool(self, pool: PgPool) -> Result<PgStore, StoreError> {
        open(self.connections(pool, self.checked_timeout()?)).await
    }

    fn connections(self, pool: PgPool, limit: Duration) -> Connections<Postgres> {
        let pooled = self.is_pooled.then(|| begin_pooled(limit).into());
        Connections { limit: Some(limit), pooled, ..Connections::unlimited(pool) }
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
    /// Connects with the default [options](PgStoreOptions) and runs the migrations. If there are
    /// none to run, the role needs only SELECT, INSERT, UPDATE and DELETE on the tables. See
    /// [`upgrade`](Self::upgrade).
    ///
    /// The URL must be that of the server itself, of a pooler in session mode, or of PgBouncer 1.21
    /// or newer in transaction mode with `max_prepared_statements` above 0. A pooler that loses
    /// prepared statements or has no transactions is rejected: see [`PgStoreOptions::connect`]. For
    /// the former there is [`pooled`](Self::pooled).
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        PgStoreOptions::new().connect(url).await
    }

    /// Like [`connect`](Self::connect) with at most this many connections.
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`].
    pub async fn connect_with(url: &str, connections: u32) -> Result<Self, StoreError> {
        PgStoreOptions::new().max_connections(connections).connect(url).await
    }

    /// Like [`connect`](Self::connect), through a pooler in transaction mode that loses prepared
    /// statements: see [`PgStoreOptions::pooled`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), authlayer::store::StoreError> {
    /// let store = authlayer::PgStore::pooled("postgres://auth@pooler.internal:6543/app").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`PgStoreOptions::connect`], but a pooler that loses prepared statements is accepted.
    pub async fn pooled(url: &str) -> Result<Self, StoreError> {
        PgStoreOptions::new().pooled().connect(url).await
    }

    /// Returns the migrations of this version that a database does not have, in the order in which they
    /// run. The database is not changed.
    ///
    /// ```no_run
    /// # async fn check() -> Result<bool, Box<dyn std::error::Error>> {
    /// let pending = authlayer::PgStore::pending_migrations("postgres://auth@db/app").await?;
    /// # Ok(pending.is_empty()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the server does not respond, a migration was applied with another text, or the database has
    /// one of a newer version that this version cannot work with. In the last two cases, the source of
    /// the error is a [`MigrateError`](super::MigrateError).
    pub async fn pending_migrations(url: &str) -> Result<Vec<Migration>, StoreError> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(STATEMENT_TIMEOUT);
        let connections = Connections {
            limit: Some(STATEMENT_TIMEOUT),
            pooled: Some(begin_pooled(STATEMENT_TIMEOUT).into()),
            ..Connections::unlimited(options.connect_lazy_with(connect::options(url)?))
        };
        let pending = migrate::pending(&connections).await;
        connections.pool.close().await;
        pending
    }

    /// Runs the migrations and returns the names of those that ran. Call it as a step of a
    /// deployment before the new version starts, with a role that owns the tables.
    ///
    /// The URL must be that of the server itself, or of a pooler in session mode. A pooler in
    /// transaction mode runs migrations of
    /// [`MigrationKind::Transaction`](super::MigrationKind::Transaction). Other kinds hold a lock
    /// of the session and are rejected there.
    ///
    /// ```no_run
    /// # async fn deploy() -> Result<(), Box<dyn std::error::Error>> {
    /// for name in authlayer::PgStore::upgrade("postgres://owner@db/app").await? {
    ///     println!("applied {name}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn upgrade(url: &str) -> Result<Vec<String>, StoreError> {
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
    let connections = if connections.pooled.is_some() {
        let checked = pooler::check_transactions(connection).await;
        checked.map_err(|error| rejected(&connections, error))?;
        Connections { shares_sessions: true, ..connections }
    } else {
        checked_for_pooler(connections, connection).await?
    };
    migrate::run_now(&connections, &PgStore::migrations()).await?;
    Ok(SqlStore::over(connections.clone(), connections, Hearing::Writer))
}

/// Returns the connections with the result of the pooler check, which uses one of them.
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

/// Returns the statement that begins a transaction whose settings end with it.
fn begin_pooled(limit: Duration) -> String {
    let limit = limit.as_millis();
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {limit}; \
        SET LOCAL idle_in_transaction_session_timeout = {limit}"
    )
}

/// Returns the settings of a session, to be sent in one round trip. Statements outside of a
/// transaction get `READ COMMITTED`: the default of the server may be stricter, and conflicting
/// statements would fail instead of waiting.
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

/// Returns `true` if a connection was opened before the last error that the server is read-only or
/// a connection was lost.
fn is_older(seen: &PoolConnectionMetadata, demotion: &Demotion) -> bool {
    demotion.0.lock().is_ok_and(|last| last.is_some_and(|at| at.elapsed() <= seen.age))
}

/// Returns `true` if a connection that was idle for a while still responds.
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
