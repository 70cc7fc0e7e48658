//! Blocks one statement on PostgreSQL, so that a test controls the order of two requests.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::{task::JoinHandle, time::sleep};

use crate::support::Database;

/// A trigger that makes rows wait for an advisory lock that the test holds.
pub(crate) struct Gate {
    holder: PgConnection,
    watcher: PgConnection,
    key: i64,
    table: &'static str,
}

impl Gate {
    /// Blocks `event` on the rows of `table` that match `condition`.
    pub(crate) async fn before(
        database: &Database,
        event: &str,
        table: &'static str,
        condition: &str,
    ) -> Self {
        let url = database.url();
        let mut holder = PgConnection::connect(&url).await.unwrap();
        let mut watcher = PgConnection::connect(&url).await.unwrap();
        let sql = "SELECT CAST(pg_backend_pid() AS BIGINT)";
        let key: i64 = sqlx::query(sql).fetch_one(&mut holder).await.unwrap().get(0);
        let sql = format!(
            "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared({key});
                IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER gate BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition})
                EXECUTE FUNCTION gate()"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut watcher).await.unwrap();
        let lock = "SELECT pg_advisory_lock($1)";
        sqlx::query(lock).bind(key).execute(&mut holder).await.unwrap();
        Self { holder, watcher, key, table }
    }

    /// Waits until the gate blocks a statement.
    pub(crate) async fn reached(&mut self) {
        for _ in 0..2_000 {
            let sql = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND classid = 0 AND CAST(objid AS BIGINT) = $1";
            let waiting = sqlx::query(sql).bind(self.key).fetch_one(&mut self.watcher).await;
            if waiting.unwrap().get::<i64, _>(0) > 0 {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("no statement reached the gate");
    }

    /// Waits until `other` has finished, or waits for a lock of the blocked statement, and then
    /// opens the gate.
    pub(crate) async fn open_after<T>(mut self, other: &JoinHandle<T>) {
        for _ in 0..2_000 {
            let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE pg_blocking_pids(pid) && ARRAY(
                SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                AND classid = 0 AND CAST(objid AS BIGINT) = $1)";
            let waiting = sqlx::query(sql).bind(self.key).fetch_one(&mut self.watcher).await;
            if other.is_finished() || waiting.unwrap().get::<i64, _>(0) > 0 {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.open().await;
    }

    pub(crate) async fn open(mut self) {
        let unlock = "SELECT pg_advisory_unlock($1)";
        sqlx::query(unlock).bind(self.key).execute(&mut self.holder).await.unwrap();
        let sql = format!("DROP TRIGGER gate ON {}; DROP FUNCTION gate()", self.table);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.watcher).await.unwrap();
    }
}

/// A table that cannot be read, or a row that cannot be locked, while the test holds it.
pub(crate) struct TableLock {
    holder: PgConnection,
    watcher: PgConnection,
    pid: i32,
}

impl TableLock {
    pub(crate) async fn of(database: &Database, table: &str) -> Self {
        Self::by(database, &format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await
    }

    /// Locks the rows of a table.
    pub(crate) async fn of_rows(database: &Database, table: &str) -> Self {
        Self::by(database, &format!("SELECT * FROM {table} FOR UPDATE")).await
    }

    async fn by(database: &Database, lock: &str) -> Self {
        let url = database.url();
        let mut holder = PgConnection::connect(&url).await.unwrap();
        let watcher = PgConnection::connect(&url).await.unwrap();
        let pid = sqlx::query("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
        let lock = AssertSqlSafe(format!("BEGIN; {lock}"));
        sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
        Self { holder, watcher, pid: pid.get(0) }
    }

    /// Waits until a statement waits for the table.
    pub(crate) async fn reached(&mut self) {
        self.reached_by(1).await;
    }

    /// Waits until this many statements wait, for the lock or for one another. They get it in the
    /// order in which they came.
    pub(crate) async fn reached_by(&mut self, count: i64) {
        for _ in 0..2_000 {
            let sql = "WITH RECURSIVE waiting AS (
                SELECT pid FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)) UNION
                SELECT a.pid FROM pg_stat_activity a
                JOIN waiting w ON w.pid = ANY(pg_blocking_pids(a.pid)))
                SELECT COUNT(*) FROM waiting";
            let waiting = sqlx::query(sql).bind(self.pid).fetch_one(&mut self.watcher).await;
            if waiting.unwrap().get::<i64, _>(0) >= count {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("fewer than {count} statements wait for the lock");
    }

    pub(crate) async fn open(mut self) {
        sqlx::raw_sql("ROLLBACK").execute(&mut self.holder).await.unwrap();
    }
}
