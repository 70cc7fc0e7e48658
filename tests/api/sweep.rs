//! Sweeps: deleting expired rows.

use authlayer::{Auth, ErrorKind, Password, PgStore, SqliteStore};

use crate::{
    gate::Gate,
    support::{Database, On},
};

async fn node(database: &Database) -> Auth {
    let url = database.url();
    let builder = match url.strip_prefix("sqlite:") {
        Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
        None => Auth::builder(PgStore::connect_with(&url, 2).await.unwrap()),
    };
    let builder = builder.origin("https://app.example.com").sweep_every(None);
    builder.flow(Password::new()).build().unwrap()
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

/// While a process is in the middle of a batch, another one leaves the table alone.
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
