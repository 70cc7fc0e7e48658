//! The store in SQLite, which is compiled in.

use std::{path::Path, time::Duration};

use sqlx::{
    Row, Sqlite, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Hearing, Migration, SqlStore, StoreError, acquire::failed, engine, migrate,
    poll::sqlite::spawn as spawn_poll, pool::Connections,
};

/// A store in an SQLite file.
pub type SqliteStore = SqlStore<Sqlite>;

const READERS: u32 = 4;
const BUSY: Duration = Duration::from_secs(10);
const ACQUIRE: Duration = Duration::from_secs(5);
/// `SQLITE_BUSY`
const LOCKED: &str = "5";
const PAUSE: Duration = Duration::from_millis(20);
const MOST_PAUSES: u32 = 500;

engine::engine!(
    Sqlite,
    "SQLite",
    "BEGIN IMMEDIATE",
    spawn_poll,
    file_name,
    probe,
    |sqlite, _postgres| sqlite
);

fn file_name(pool: &SqlitePool) -> String {
    pool.connect_options().get_filename().display().to_string()
}

/// Returns at once: SQLite needs no probe, since its pool returns every error of opening a file.
async fn probe(_pool: &SqlitePool) -> Result<(), sqlx::Error> {
    Ok(())
}

impl SqlStore<Sqlite> {
    /// Opens a file, creates it if it does not exist, and runs the migrations.
    ///
    /// The file is in WAL mode, with one writer and four readers. With `synchronous = FULL`,
    /// acknowledged writes survive a power failure. With your own [pool](Self::from_pool) and
    /// `synchronous = NORMAL`, each write saves a flush, but after a power failure the last
    /// sign-outs, bans and rotations before it may be lost.
    ///
    /// A statement waits at most 5 seconds for a connection. A write then waits at most 10 seconds
    /// (`busy_timeout`) while another process writes to the file. If either wait times out, the
    /// response is 503 `unavailable`.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, if a migration fails, or if the database has a migration of a
    /// newer version that this version cannot work with.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, READERS).await
    }

    /// Like [`open`](Self::open) with this number of readers. With 0, one connection reads and
    /// writes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with(path: impl AsRef<Path>, readers: u32) -> Result<Self, StoreError> {
        let options = options(path);
        let writer = first_connection(&options).await.map_err(StoreError::new)?;
        let reader = match readers {
            0 => writer.clone(),
            _ => pool(readers).connect_lazy_with(options.pragma("query_only", "on")),
        };
        Self::migrated(reader, writer, Hearing::Writer).await
    }

    /// Runs the migrations of a file, which is created if it does not exist, and returns the names
    /// of those that ran. Call it as a step of a deployment before the new version starts.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn upgrade(path: impl AsRef<Path>) -> Result<Vec<String>, StoreError> {
        let writer = first_connection(&options(path)).await.map_err(StoreError::new)?;
        let connections = Connections::unlimited(writer.clone());
        let applied = migrate::run_now(&connections, &Self::migrations()).await;
        writer.close().await;
        applied
    }

    /// Returns the migrations of this version that a file does not have, in the order in which they
    /// run. The file is neither created nor changed.
    ///
    /// ```no_run
    /// # async fn check() -> Result<bool, Box<dyn std::error::Error>> {
    /// let pending = authlayer::SqliteStore::pending_migrations("app.db").await?;
    /// # Ok(pending.is_empty()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the file does not exist or cannot be opened, a migration was applied with another text, or the
    /// database has one of a newer version that this version cannot work with. In the last two cases,
    /// the source of the error is a [`MigrateError`](super::MigrateError).
    pub async fn pending_migrations(path: impl AsRef<Path>) -> Result<Vec<Migration>, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY);
        let reader = first_connection(&options).await.map_err(StoreError::new)?;
        let pending = migrate::pending(&Connections::unlimited(reader.clone())).await;
        reader.close().await;
        pending
    }

    /// Creates a store in memory, which is deleted with its last handle; for tests.
    ///
    /// # Errors
    ///
    /// If SQLite returns an error.
    pub async fn memory() -> Result<Self, StoreError> {
        let pool = lasting()
            .connect_with(SqliteConnectOptions::new().in_memory(true))
            .await
            .map_err(StoreError::new)?;
        Self::migrated(pool.clone(), pool, Hearing::Alone).await
    }

    /// Creates a store on the application's own pool and runs the migrations.
    ///
    /// Every write on the pool, including every sign-in, invalidates all cached sessions, while
    /// [`open`](Self::open) has a connection that distinguishes its own writes from others. With a
    /// pool in memory nothing is cached between requests, since writes of others cannot be
    /// detected.
    ///
    /// # Errors
    ///
    /// If the database does not respond, or was migrated by a newer version.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, StoreError> {
        let file = pool.connect_options().get_filename().to_string_lossy().into_owned();
        let in_memory = [":memory:", "mode=memory", "file:sqlx-in-memory"];
        let is_file = !file.is_empty() && !in_memory.iter().any(|name| file.contains(name));
        let hearing = if is_file { Hearing::Beside } else { Hearing::Nobody };
        Self::migrated(pool.clone(), pool, hearing).await
    }

    async fn migrated(
        reader: SqlitePool,
        writer: SqlitePool,
        hearing: Hearing,
    ) -> Result<Self, StoreError> {
        let over =
            |pool| Connections { is_in_memory: !hearing.hears(), ..Connections::unlimited(pool) };
        let (reader, writer) = (over(reader), over(writer));
        warn_of_version(&writer.pool).await;
        migrate::run_now(&writer, &Self::migrations()).await?;
        Ok(Self::over(reader, writer, hearing))
    }
}

/// Warns of a version of SQLite that can corrupt a database in WAL mode.
async fn warn_of_version(pool: &SqlitePool) {
    let row = sqlx::raw_sql("SELECT sqlite_version()").fetch_one(pool).await;
    // A file that cannot be read is reported by the migrations.
    let Ok(version) = row.and_then(|row| row.try_get::<String, _>(0)) else { return };
    if is_outdated(&version) {
        tracing::warn!(
            "SQLite {version} can corrupt a database in WAL mode when several connections write and \
             checkpoint at once: update to 3.51.3 or newer with `cargo update -p libsqlite3-sys`; \
             another crate may require an older `libsqlite3-sys`, see `cargo tree -i \
             libsqlite3-sys`"
        );
    }
}

/// Returns whether a version has the WAL-reset bug (<https://sqlite.org/wal.html#walresetbug>).
fn is_outdated(version: &str) -> bool {
    let parts: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    parts < vec![3, 51, 3]
}

fn options(path: impl AsRef<Path>) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
}

/// Opens the writer. The switch to WAL mode ignores the busy timeout, so if several processes
/// create a file at once, all but the first have to retry.
async fn first_connection(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let mut pauses = 0;
    loop {
        match lasting().connect_with(options.clone()).await {
            Err(sqlx::Error::Database(error))
                if error.code().as_deref() == Some(LOCKED) && pauses < MOST_PAUSES =>
            {
                pauses += 1;
                tokio::time::sleep(PAUSE).await;
            }
            outcome => {
                let file = options.get_filename().display().to_string();
                return outcome.map_err(|error| failed::<Sqlite>(&file, &error));
            }
        }
    }
}

/// Returns the options of a permanent connection: changes by others are detected by comparing
/// values of the same connection over time, and a database in memory is deleted with its
/// connection.
fn lasting() -> SqlitePoolOptions {
    pool(1).min_connections(1).idle_timeout(None).max_lifetime(None)
}

fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;
    use crate::store::sql::connections::Checkout;

    /// Acknowledged writes survive a power failure: 2 is FULL.
    #[tokio::test]
    async fn write_is_synced_before_it_returns() {
        let file = std::env::temp_dir().join(format!("authlayer_{}.db", std::process::id()));
        let store = SqliteStore::open(&file).await.unwrap();
        let level = sqlx::query_scalar::<_, i64>("PRAGMA synchronous");
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode");
        assert_eq!(level.fetch_one(&store.writer.pool).await.unwrap(), 2);
        assert_eq!(mode.fetch_one(&store.writer.pool).await.unwrap(), "wal");
        store.close().await;
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn versions_with_the_wal_reset_bug_are_outdated() {
        for version in ["3.51.2", "3.50.4", "3.7.0", "2.8.17"] {
            assert!(is_outdated(version), "{version}");
        }
        for version in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(!is_outdated(version), "{version}");
        }
    }

    /// Begins a transaction that SQLite rolls back by itself, and returns its connection.
    async fn rolled_back(store: &SqliteStore) -> Checkout<Sqlite> {
        let mut connection = store.writer.access().connection().await.unwrap();
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut *transaction).await.unwrap();
        drop(transaction);
        connection
    }

    async fn can_begin(store: &SqliteStore) -> bool {
        let mut connection = store.writer.access().connection().await.unwrap();
        connection.begin_with("BEGIN IMMEDIATE").await.is_ok()
    }

    /// Simulates a request whose client disconnected.
    #[tokio::test]
    async fn abandoned_transaction_that_cannot_be_rolled_back_closes_its_connection() {
        let file = std::env::temp_dir().join(format!("authlayer_left_{}.db", std::process::id()));
        let store = SqliteStore::open(&file).await.unwrap();
        drop(rolled_back(&store).await);
        assert!(can_begin(&store).await);
        store.close().await;
        std::fs::remove_file(file).unwrap();
    }

    /// The tables would be deleted with the connection.
    #[tokio::test]
    async fn connection_in_memory_is_never_closed() {
        for is_abandoned in [true, false] {
            let store = SqliteStore::memory().await.unwrap();
            let connection = rolled_back(&store).await;
            if is_abandoned {
                drop(connection);
            } else {
                connection.release(false);
            }
            let users = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM auth_users");
            assert_eq!(users.fetch_one(&store.writer.pool).await.unwrap(), 0);
        }
    }
}
