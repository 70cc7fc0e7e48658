//! Polls `PRAGMA data_version` on SQLite.
//!
//! Its value on a connection changes when another connection, of this process or of another one,
//! has written to the file.

use std::{sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions, Error, Row, Sqlite, SqliteConnection, SqlitePool, sqlite::SqliteConnectOptions,
};

use super::{News, Source};
use crate::store::{
    InvalidationClock,
    sql::{
        StoreError,
        pool::{Access, Connections},
    },
};

const PAUSE: Duration = Duration::from_millis(40);
const LEASE: Duration = Duration::from_millis(100);
/// The data version, and the mark of a connection that was polled before; 0 on a new one.
const LOOK: &str = "PRAGMA data_version; PRAGMA temp.user_version";
const MARK: &str = "PRAGMA temp.user_version = 1";

pub(in crate::store::sql) fn spawn(
    changes: &Arc<InvalidationClock>,
    writer: Access<'_, Sqlite>,
    is_beside: bool,
) {
    super::spawn(changes, Versions::of(writer.connections.pool.clone(), is_beside));
}

impl Source for Versions {
    const PAUSE: Duration = PAUSE;
    const LEASE: Duration = LEASE;

    fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    async fn poll(&mut self) -> Result<News, StoreError> {
        let have_changed = self.have_changed().await.map_err(StoreError::new)?;
        Ok(if have_changed { News::Everything } else { News::InvalidationClock(Vec::new()) })
    }
}

/// The data versions of one connection: the only one of the pool, or one outside of the pool.
struct Versions {
    pool: SqlitePool,
    beside: Option<SqliteConnectOptions>,
    own: Option<SqliteConnection>,
    last: Option<i64>,
}

impl Versions {
    fn of(pool: SqlitePool, beside: bool) -> Self {
        let beside = beside.then(|| pool.connect_options().as_ref().clone());
        Self { pool, beside, own: None, last: None }
    }

    /// Returns `true` if others may have written since the last call. Also returns `true` if this
    /// is not known: on the first call, after an error, and on another connection than before,
    /// since the values of two connections are not comparable.
    async fn have_changed(&mut self) -> Result<bool, Error> {
        let (last, own) = (self.last.take(), self.own.take());
        let (version, is_new) = match &self.beside {
            None => {
                let connections = Connections::unlimited(self.pool.clone());
                let mut connection = connections.access().acquire().await?;
                look(&mut connection).await?
            }
            Some(options) => {
                let mut own = match own {
                    Some(own) => own,
                    None => options.connect().await?,
                };
                let found = look(&mut own).await?;
                self.own = Some(own);
                found
            }
        };
        self.last = Some(version);
        Ok(is_new || last != Some(version))
    }
}

/// Returns the data version of a connection, and whether the connection is polled for the first
/// time.
async fn look(connection: &mut SqliteConnection) -> Result<(i64, bool), Error> {
    let rows = sqlx::raw_sql(LOOK).fetch_all(&mut *connection).await?;
    let [version, mark] = rows.as_slice() else { return Err(Error::RowNotFound) };
    let is_new = mark.try_get::<i64, _>(0)? == 0;
    if is_new {
        sqlx::raw_sql(MARK).execute(connection).await?;
    }
    Ok((version.try_get(0)?, is_new))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use sqlx::{Connection, sqlite::SqlitePoolOptions};

    use super::*;

    /// Creates a file with a table, and a pool of one connection.
    async fn file(name: &str) -> (PathBuf, SqlitePool) {
        let file = std::env::temp_dir().join(format!("{name}_{}.db", std::process::id()));
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
        sqlx::raw_sql("CREATE TABLE written (at INTEGER)").execute(&pool).await.unwrap();
        (file, pool)
    }

    async fn write(pool: &SqlitePool) {
        let mut other = pool.connect_options().connect().await.unwrap();
        sqlx::raw_sql("INSERT INTO written VALUES (1)").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
    }

    #[tokio::test]
    async fn only_writes_of_other_connections_are_changes() {
        for beside in [false, true] {
            let (file, pool) = file("authlayer_written").await;
            let mut versions = Versions::of(pool.clone(), beside);
            assert!(versions.have_changed().await.unwrap(), "the first query reports a change");
            assert!(!versions.have_changed().await.unwrap());
            write(&pool).await;
            assert!(versions.have_changed().await.unwrap());
            assert!(!versions.have_changed().await.unwrap());
            sqlx::raw_sql("INSERT INTO written VALUES (1)").execute(&pool).await.unwrap();
            assert_eq!(versions.have_changed().await.unwrap(), beside);
            std::fs::remove_file(file).unwrap();
        }
    }

    #[tokio::test]
    async fn data_version_of_a_new_connection_counts_as_a_change() {
        for beside in [false, true] {
            let (file, pool) = file("authlayer_replaced").await;
            let mut versions = Versions::of(pool.clone(), beside);
            assert!(versions.have_changed().await.unwrap());
            assert!(!versions.have_changed().await.unwrap());
            let before = versions.last;
            write(&pool).await;
            match beside {
                true => versions.own = None,
                false => pool.acquire().await.unwrap().close().await.unwrap(),
            }
            assert!(versions.have_changed().await.unwrap());
            assert_eq!(versions.last, before, "the two have the same number");
            std::fs::remove_file(file).unwrap();
        }
    }

    #[tokio::test]
    async fn error_counts_as_a_change() {
        let (file, pool) = file("authlayer_failed").await;
        let mut versions = Versions::of(pool.clone(), false);
        assert!(versions.have_changed().await.unwrap());
        assert!(!versions.have_changed().await.unwrap());
        versions.pool = SqlitePoolOptions::new().connect_lazy_with(SqliteConnectOptions::new());
        versions.pool.close().await;
        assert!(versions.have_changed().await.is_err());
        versions.pool = pool;
        assert!(versions.have_changed().await.unwrap());
        std::fs::remove_file(file).unwrap();
    }
}
