//! PostgreSQL.

use std::time::Duration;

use sqlx::{Connection, PgPool, Postgres, postgres::PgPoolOptions};

use super::{Db, Hearing, SqlStore, StoreError, engine, listen};
use crate::clock::{Clock, SystemClock};

/// A store in a PostgreSQL database.
pub type PgStore = SqlStore<Postgres>;

const CONNECTIONS: u32 = 10;
const ACQUIRE: Duration = Duration::from_secs(5);
/// After so long a connection is asked whether it still stands before it is used; asking each
/// time would double what a short statement costs.
const RESTED: Duration = Duration::from_secs(2);
/// For the statements outside a transaction; the server's default may be stricter, and
/// then of two that meet one would fail where it should wait.
const ISOLATION: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED";

engine::engine!(
    Postgres,
    "PostgreSQL",
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    Some("SELECT pg_advisory_xact_lock(7021850472195441512)"),
    listen::hear,
    |_sqlite, postgres| postgres
);

impl SqlStore<Postgres> {
    /// Connects with at most ten connections, and one more that listens to what other nodes
    /// change, and runs the migrations.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or the database was migrated by a newer version.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, CONNECTIONS).await
    }

    /// Like [`connect`](Self::connect) with at most that many connections.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, connections: u32) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .before_acquire(|connection, seen| {
                Box::pin(async move {
                    if seen.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move { sqlx::query(ISOLATION).execute(connection).await.map(drop) })
            })
            .connect(url)
            .await
            .map_err(StoreError::new)?;
        Self::from_pool(pool).await
    }

    /// A store on the application's own pool; runs the migrations.
    ///
    /// Where `default_transaction_isolation` of the pool is stricter than `read committed`,
    /// statements that meet may fail with a [`StoreError`] instead of waiting; none of them
    /// does the wrong thing.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn from_pool(pool: PgPool) -> Result<Self, StoreError> {
        Postgres::migrate(&pool, SystemClock.now().as_millisecond())
            .await
            .map_err(StoreError::new)?;
        Ok(Self::over(pool.clone(), pool, Hearing::Writer))
    }
}
