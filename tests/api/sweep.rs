//! Sweeps: deleting expired rows.

use std::sync::{Arc, Mutex};

use authlayer::{
    Auth, AuthBuilder, ErrorKind, Password, PgStore, SqliteStore,
    clock::{Clock, SystemClock},
    testing::ManualClock,
};
use jiff::SignedDuration;

use crate::{
    gate::Gate,
    support::{Database, On},
};

const MINUTE: i64 = 60_000;

async fn builder(database: &Database) -> AuthBuilder {
    let url = database.url();
    let builder = match url.strip_prefix("sqlite:") {
        Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
        None => Auth::builder(PgStore::connect_with(&url, 2).await.unwrap()),
    };
    builder.origin("https://app.example.com").flow(Password::new())
}

async fn node(database: &Database) -> Auth {
    builder(database).await.cleanup_interval(None).build().unwrap()
}

/// Inserts sessions and counters that expired long ago.
async fn insert_expired(database: &Database, sessions: &[&str], counters: &[&str]) {
    for id in sessions {
        let sql = format!(
            "INSERT INTO auth_sessions (id, user_id, nonce, salt, generation, lineage_hash,
            refresh_hash, access_hash, access_expires_at, refresh_expires_at, expires_at,
            created_at, last_seen_at, factors, transport)
            VALUES ('{id}', 'ada', '', '', 0, '', '', '', 1, 1, 1, 0, 0, '[]', 'cookie')"
        );
        database.run(&sql).await;
    }
    for key in counters {
        let sql = format!("INSERT INTO auth_limits VALUES ('{key}', 1, 0, 1)");
        database.run(&sql).await;
    }
}

async fn count(database: &Database, table: &str) -> String {
    database.text(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await
}

/// Each deleted counter is replaced by another expired one, twenty times.
#[tokio::test]
async fn sweep_ends_while_rows_keep_expiring() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = node(&database).await;
        let another = "INSERT INTO auth_limits VALUES (OLD.key || '+', 1, 0, 1);";
        let trigger = "CREATE TRIGGER another AFTER DELETE ON auth_limits";
        let condition = "FOR EACH ROW WHEN (length(OLD.key) < 20)";
        let sql = match on {
            On::Sqlite => format!("{trigger} {condition} BEGIN {another} END"),
            _ => format!(
                "CREATE FUNCTION another() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN {another} RETURN NULL; END $$;
                {trigger} {condition} EXECUTE FUNCTION another()"
            ),
        };
        database.run(&sql).await;
        insert_expired(&database, &[], &["a"]).await;
        assert_eq!(auth.sweep().await.unwrap(), 1);
        assert_eq!(count(&database, "auth_limits").await, "1");
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn failure_of_one_table_does_not_stop_the_sweep_of_the_others() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = node(&database).await;
        insert_expired(&database, &["one"], &["a", "b"]).await;
        database
            .run(match on {
                On::Sqlite => {
                    "CREATE TRIGGER fault BEFORE DELETE ON auth_sessions
                    BEGIN SELECT RAISE(ABORT, 'fault'); END"
                }
                _ => {
                    "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'fault'; END $$;
                    CREATE TRIGGER fault BEFORE DELETE ON auth_sessions
                    FOR EACH ROW EXECUTE FUNCTION fault()"
                }
            })
            .await;
        assert_eq!(auth.sweep().await.unwrap_err().kind(), ErrorKind::Unavailable);
        let left = (count(&database, "auth_sessions").await, count(&database, "auth_limits").await);
        assert_eq!(left, ("1".to_owned(), "0".to_owned()));
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn session_id_of_another_form_does_not_stop_a_sweep() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = node(&database).await;
        insert_expired(&database, &["another form", "and another"], &["a"]).await;
        assert_eq!(auth.sweep().await.unwrap(), 3);
        assert_eq!(count(&database, "auth_limits").await, "0");
        drop(auth);
        database.remove().await;
    }
}

/// While one process deletes a batch, another one skips the table.
#[tokio::test]
async fn one_process_at_a_time_sweeps_a_table() {
    let database = Database::fresh(On::Postgres).await;
    let (one, two) = (node(&database).await, node(&database).await);
    let keys = "SELECT CAST(n AS TEXT), 1, 0, 1 FROM generate_series(1, 700) AS s(n)";
    database.run(&format!("INSERT INTO auth_limits {keys}")).await;
    let mut gate = Gate::before(&database, "DELETE", "auth_limits", "true").await;
    let first = tokio::spawn(async move { one.sweep().await.unwrap() });
    gate.reached().await;
    let second = tokio::spawn(async move { two.sweep().await.unwrap() });
    gate.open_after(&second).await;
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (700, 0));
    database.remove().await;
}

fn now_ms() -> i64 {
    SystemClock.now().as_millisecond()
}

async fn insert_counter(database: &Database, key: &str, expired_at: i64) {
    database.run(&format!("INSERT INTO auth_limits VALUES ('{key}', 1, 0, {expired_at})")).await;
}

#[tokio::test]
async fn rows_are_deleted_an_hour_after_they_expired() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = node(&database).await;
        insert_counter(&database, "a", now_ms() - 61 * MINUTE).await;
        insert_counter(&database, "b", now_ms() - 55 * MINUTE).await;
        assert_eq!(auth.sweep().await.unwrap(), 1);
        assert_eq!(database.text("SELECT key FROM auth_limits").await, "b");
        drop(auth);
        database.remove().await;
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Returns what was logged since the last call.
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

/// PostgreSQL uses the clock of its server; SQLite uses the clock of this machine.
#[tokio::test]
async fn nothing_is_swept_while_the_clock_differs_from_the_databases() {
    for on in [On::Sqlite, On::Postgres] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let database = Database::fresh(on).await;
        let clock = ManualClock::running();
        let compared =
            builder(&database).await.clock(clock.clone()).cleanup_interval(None).build().unwrap();
        let not_compared = builder(&database).await.clock(clock.clone()).cleanup_interval(None);
        let not_compared = not_compared.max_clock_skew(None).build().unwrap();
        let day = SignedDuration::from_hours(24);
        for (key, step) in [("a", day), ("b", -day)] {
            clock.step(step);
            insert_expired(&database, &[], &[key]).await;
            let expected = u64::from(on == On::Sqlite);
            assert_eq!(compared.sweep().await.unwrap(), expected, "{on:?} {step:?}");
            let logged = log.take();
            assert_eq!(logged.contains("max_clock_skew"), on == On::Postgres, "{step:?}: {logged}");
            assert_eq!(not_compared.sweep().await.unwrap(), 1 - expected);
            clock.step(-step);
            insert_expired(&database, &[], &[key]).await;
            assert_eq!(compared.sweep().await.unwrap(), 1, "{on:?}: the clocks agree again");
            let logged = log.take();
            assert!(!logged.contains("max_clock_skew"), "{on:?} {step:?}: {logged}");
        }
        drop((compared, not_compared));
        database.remove().await;
    }
}

#[test]
fn build_outside_a_runtime_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(SqliteStore::memory()).unwrap();
    let built = Auth::builder(store.clone()).origin("https://app.example.com").build();
    let error = built.unwrap_err().to_string();
    assert!(error.contains("Tokio runtime") && error.contains("block_on"), "{error}");
    let _entered = runtime.enter();
    assert!(Auth::builder(store).origin("https://app.example.com").build().is_ok());
}
