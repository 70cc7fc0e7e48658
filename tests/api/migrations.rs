//! Migrations: their kinds, their locks, their records, and the rights that they need.

use std::{collections::BTreeMap, error::Error, fmt::Write, path::Path};

use authlayer::{
    Auth, Password, PgStore, SqliteStore,
    store::{
        StoreError,
        sql::{Db, Migration, MigrationKind, SqlStore},
    },
    testing::TestApp,
};
use axum::Router;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::{
    collation::Collated,
    support::{Database, On, execute, sign_up, unique},
};

/// Formats an error with its sources, as a log does.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, ": {error}").unwrap();
        source = error.source();
    }
    text
}

/// Opens the store of a database, and drops it.
async fn open(database: &Database) -> Result<(), StoreError> {
    let url = database.url();
    match url.strip_prefix("sqlite:") {
        Some(path) => SqliteStore::open(path).await?.close().await,
        None => PgStore::connect_with(&url, 1).await?.close().await,
    }
    Ok(())
}

async fn migrate(database: &Database) -> Vec<String> {
    let url = database.url();
    let applied = match url.strip_prefix("sqlite:") {
        Some(path) => SqliteStore::upgrade(path).await,
        None => PgStore::upgrade(&url).await,
    };
    applied.unwrap()
}

fn names(migrations: &[Migration]) -> Vec<String> {
    migrations.iter().map(|migration| migration.name.to_string()).collect()
}

/// Databases that applied a file reject another text of it.
#[test]
fn published_migrations_do_not_change() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut sums = BTreeMap::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            let sum = Sha256::digest(std::fs::read(&path).unwrap());
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let mut hex = String::new();
            sum.iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap());
            sums.insert(name, hex);
        }
    }
    let list = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let listed: BTreeMap<String, String> = list
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    for (name, sum) in &listed {
        assert_eq!(
            sums.get(name),
            Some(sum),
            "{name} was published: restore it, and write a new migration instead"
        );
    }
    for name in sums.keys() {
        assert!(
            listed.contains_key(name),
            "list the new file: (cd migrations && sha256sum {name} >> SHA256SUMS)"
        );
    }
}

#[tokio::test]
async fn migrations_can_run_separately_from_connecting() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let all = if on.is_sqlite() {
            names(&SqliteStore::migrations())
        } else {
            names(&PgStore::migrations())
        };
        assert_eq!(migrate(&database).await, all);
        assert_eq!(migrate(&database).await, Vec::<String>::new());
        open(&database).await.unwrap();
        database.remove().await;
    }
}

#[tokio::test]
async fn migration_script_creates_an_up_to_date_database() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let script = if on.is_sqlite() {
            SqliteStore::migration_script()
        } else {
            PgStore::migration_script()
        };
        database.run(&script).await;
        assert_eq!(migrate(&database).await, Vec::<String>::new());
        open(&database).await.unwrap();
        database.remove().await;
    }
}

#[tokio::test]
async fn compatible_migrations_of_newer_versions_are_accepted() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        open(&database).await.unwrap();
        let record = "INSERT INTO auth_migrations (name, checksum, applied_at, oldest_version)";
        database.run(&format!("{record} VALUES ('9998_additive', 'x', 0, '0.1.0')")).await;
        open(&database).await.unwrap();
        assert_eq!(migrate(&database).await, Vec::<String>::new());
        database.run(&format!("{record} VALUES ('9999_breaking', 'x', 0, '99.0.0')")).await;
        let refused = chain(&open(&database).await.unwrap_err());
        assert!(refused.contains("9999_breaking") && refused.contains("99.0.0"), "{refused}");
        database.run("UPDATE auth_migrations SET checksum = 'x' WHERE name = '0001_core'").await;
        let refused = chain(&open(&database).await.unwrap_err());
        assert!(refused.contains("0001_core was applied with a different text"), "{refused}");
        database.remove().await;
    }
}

#[tokio::test]
async fn role_with_data_privileges_starts_a_migrated_application() {
    let database = Database::fresh(On::Postgres).await;
    let Database::Schema { name: schema } = &database else { panic!("this is PostgreSQL") };
    let role = unique();
    execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{role}'; GRANT USAGE ON SCHEMA {schema} TO {role}"
    ))
    .await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.username(&role).password(&role);
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2);
    let pool = pool.connect_with(options).await.unwrap();

    let refused = chain(&PgStore::from_pool(pool.clone()).await.unwrap_err());
    assert!(refused.contains("PgStore::upgrade"), "{refused}");

    migrate(&database).await;
    let refused = chain(&PgStore::from_pool(pool.clone()).await.unwrap_err());
    assert!(refused.contains("auth_migrations"), "{refused}");
    database
        .run(&format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ))
        .await;
    let store = PgStore::from_pool(pool.clone()).await.unwrap();
    let builder = Auth::builder(store).origin("http://localhost:3000").flow(Password::new());
    let auth = builder.build().unwrap();
    let router = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(router).await;
    let client = app.client();
    assert_eq!(sign_up(&client, "ada@example.com").await.status, 201);
    assert_eq!(client.get("/auth/session").await.status, 200);
    assert_eq!(client.post("/auth/sign-out", &serde_json::json!({})).await.status, 204);
    auth.sweep().await.unwrap();

    database.run("DELETE FROM auth_migrations WHERE name = '0009_begun'").await;
    let refused = chain(&PgStore::from_pool(pool.clone()).await.unwrap_err());
    assert!(refused.contains("0009_begun"), "{refused}");
    pool.close().await;
    database.remove().await;
    execute(&format!("DROP ROLE {role}")).await;
}

/// The migrations of this version and three more, of a table with a thousand rows.
fn with_every_kind<DB: Db>(index: &str) -> Vec<Migration> {
    let mut all = SqlStore::<DB>::migrations();
    let rows = "CREATE TABLE auth_x (id BIGINT PRIMARY KEY, filled BIGINT);
        INSERT INTO auth_x (id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
            WHERE i < 1000) SELECT i FROM n;";
    let index = format!(
        "-- A comment; with a semicolon.\nDROP INDEX {index} IF EXISTS auth_x_filled;\n\
        CREATE INDEX {index} auth_x_filled ON auth_x (filled);\n"
    );
    let filled = "UPDATE auth_x SET filled = id * 2 WHERE id IN
            (SELECT id FROM auth_x WHERE filled IS NULL LIMIT 300);\n";
    all.push(Migration::new("0100_rows", MigrationKind::Transaction, rows));
    all.push(Migration::new("0101_index", MigrationKind::Outside, index));
    all.push(Migration::new("0102_filled", MigrationKind::Batches, filled));
    let more = "ALTER TABLE auth_x ADD COLUMN more BIGINT;";
    all.push(Migration::new("0103_more", MigrationKind::Transaction, more));
    all
}

const COUNT: &str = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_x WHERE filled = id * 2";

/// Starts four processes at once, and checks that each migration ran in one of them.
async fn runs_once<F: Future<Output = Vec<String>> + Send + 'static>(start: impl Fn() -> F) {
    let starts: Vec<_> = (0..4).map(|_| tokio::spawn(start())).collect();
    let mut applied = Vec::new();
    for start in starts {
        applied.extend(start.await.unwrap());
    }
    applied.sort();
    assert_eq!(applied, ["0100_rows", "0101_index", "0102_filled", "0103_more"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_starts_run_every_kind_of_migration_once_on_postgres() {
    let database = Collated::create("en-US").await;
    runs_once(|| {
        let url = database.url.clone();
        async move {
            let store = PgStore::connect_with(&url, 1).await.unwrap();
            let all = with_every_kind::<sqlx::Postgres>("CONCURRENTLY");
            let applied = store.run_migrations(&all).await.unwrap();
            store.close().await;
            applied
        }
    })
    .await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    let count: String = sqlx::query_scalar(COUNT).fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, "1000");
    connection.close().await.unwrap();
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_starts_run_every_kind_of_migration_once_on_sqlite() {
    let database = Database::fresh(On::Sqlite).await;
    runs_once(|| {
        let path = database.url().trim_start_matches("sqlite:").to_owned();
        async move {
            let store = SqliteStore::open(&path).await.unwrap();
            let applied = store.run_migrations(&with_every_kind::<sqlx::Sqlite>("")).await.unwrap();
            store.close().await;
            applied
        }
    })
    .await;
    assert_eq!(database.text(COUNT).await, "1000");
    database.remove().await;
}

/// The index of usernames is built while users are written, and again after an interruption.
#[tokio::test]
async fn index_of_usernames_is_built_without_blocking_writes() {
    let database = Database::fresh(On::Postgres).await;
    open(&database).await.unwrap();
    let valid = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_index WHERE indisunique AND indisvalid
        AND indexrelid = to_regclass('auth_users_username_skeleton')";
    assert_eq!(database.text(valid).await, "1", "in an empty database");
    let insert = |id: &str, skeleton: &str| {
        format!(
            "SET lock_timeout = '1s'; INSERT INTO auth_users (id, username_skeleton, is_anonymous,
                roles, scopes, attributes, status, user_metadata, app_metadata, created_at, updated_at)
                VALUES ('{id}', '{skeleton}', 0, '[]', '[]', '{{}}', 'active', '{{}}', '{{}}', 0, 0)"
        )
    };
    database
        .run(
            "DROP INDEX auth_users_username_skeleton;
            DELETE FROM auth_migrations WHERE name = '0013_username_index'",
        )
        .await;
    database.run(&insert("1", "ada")).await;
    database.run(&insert("2", "ada")).await;
    PgStore::upgrade(&database.url()).await.unwrap_err();
    assert_eq!(database.text(valid).await, "0", "the build ended with an invalid index");
    database.run("UPDATE auth_users SET username_skeleton = NULL WHERE id = '2'").await;

    let mut long = PgConnection::connect(&database.url()).await.unwrap();
    let write = "BEGIN; UPDATE auth_users SET updated_at = 1";
    sqlx::raw_sql(write).execute(&mut long).await.unwrap();
    let url = database.url();
    let migrating = tokio::spawn(async move { PgStore::upgrade(&url).await });
    let waiting =
        "SELECT CAST(COUNT(*) AS TEXT) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND a.query LIKE '%INDEX%auth_users_username_skeleton%'";
    while database.text(waiting).await == "0" {
        assert!(!migrating.is_finished(), "the migration waits for the long transaction");
        tokio::task::yield_now().await;
    }
    database.run(&insert("3", "eve")).await;
    assert!(!migrating.is_finished(), "the migration waits for the long transaction");
    sqlx::raw_sql("COMMIT").execute(&mut long).await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap(), ["0013_username_index"]);
    assert_eq!(database.text(valid).await, "1");
    long.close().await.unwrap();
    database.remove().await;
}

/// A failed migration outside of a transaction is not recorded, and runs again.
#[tokio::test]
async fn interrupted_migration_runs_again() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let text = "DROP TABLE IF EXISTS auth_y;\nCREATE TABLE auth_y (id BIGINT);\n\
            INSERT INTO auth_y SELECT id FROM auth_later;\n";
        let run = async || match database.url().strip_prefix("sqlite:") {
            Some(path) => {
                let mut all = SqliteStore::migrations();
                all.push(Migration::new("0100_y", MigrationKind::Outside, text));
                let store = SqliteStore::open(path).await.unwrap();
                let applied = store.run_migrations(&all).await;
                store.close().await;
                applied
            }
            None => {
                let mut all = PgStore::migrations();
                all.push(Migration::new("0100_y", MigrationKind::Outside, text));
                let store = PgStore::connect_with(&database.url(), 1).await.unwrap();
                let applied = store.run_migrations(&all).await;
                store.close().await;
                applied
            }
        };
        let failed = chain(&run().await.unwrap_err());
        assert!(failed.contains("the migration 0100_y failed"), "{failed}");
        database.run("CREATE TABLE auth_later (id BIGINT)").await;
        assert_eq!(run().await.unwrap(), ["0100_y"]);
        database.remove().await;
    }
}

/// Requests succeed while a migration waits for a long transaction: the migration leaves the lock
/// queue and retries.
#[tokio::test]
async fn waiting_migration_does_not_block_requests() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect_with(&database.url(), 1).await.unwrap();
    let mut long = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT id FROM auth_users").execute(&mut long).await.unwrap();
    let mut all = PgStore::migrations();
    let column = "ALTER TABLE auth_users ADD COLUMN later TEXT;";
    all.push(Migration::new("0100_later", MigrationKind::Transaction, column));
    let migrating = {
        let store = store.clone();
        tokio::spawn(async move { store.run_migrations(&all).await })
    };
    let waiting = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_locks WHERE NOT granted
        AND relation = CAST('auth_users' AS REGCLASS)";
    while database.text(waiting).await == "0" {
        assert!(!migrating.is_finished(), "the migration waits for the long transaction");
        tokio::task::yield_now().await;
    }
    let mut request = PgConnection::connect(&database.url()).await.unwrap();
    let read = "SET lock_timeout = '60s'; SELECT id FROM auth_users";
    sqlx::raw_sql(read).execute(&mut request).await.expect("the migration leaves the lock queue");
    assert!(!migrating.is_finished(), "the migration waits for the long transaction");
    sqlx::raw_sql("COMMIT").execute(&mut long).await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap(), ["0100_later"]);
    store.close().await;
    database.remove().await;
}

async fn own_migrations<DB: Db>(store: SqlStore<DB>, database: &Database) {
    let first = Migration::new(
        "0001_notes",
        MigrationKind::Transaction,
        "CREATE TABLE notes (id BIGINT PRIMARY KEY)",
    );
    let second = Migration::new(
        "0002_text",
        MigrationKind::Transaction,
        "ALTER TABLE notes ADD COLUMN text TEXT",
    );
    let count = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_migrations WHERE name LIKE '%/%'";
    for _ in 0..2 {
        store.migrate("app", std::slice::from_ref(&first)).await.unwrap();
    }
    assert_eq!(database.text(count).await, "1");
    let both = [first.clone(), second];
    let (one, two) = tokio::join!(store.migrate("app", &both), store.migrate("app", &both));
    one.and(two).unwrap();
    assert_eq!(database.text(count).await, "2");
    // The same name in another namespace is another migration.
    let other = Migration::new("0001_notes", MigrationKind::Transaction, "CREATE TABLE t (i INT)");
    store.migrate("flow-x", std::slice::from_ref(&other)).await.unwrap();
    let error = store.migrate("app", std::slice::from_ref(&other)).await.unwrap_err().to_string();
    assert!(error.contains("app/0001_notes") && error.contains("different text"), "{error}");
    let broken = Migration::new("0002", MigrationKind::Transaction, "CREATE NONSENSE");
    let error = store.migrate("flow-x", &[other, broken]).await.unwrap_err().to_string();
    assert!(error.contains("flow-x/0002"), "{error}");
    for namespace in ["", "App", "a/b"] {
        assert!(store.migrate(namespace, std::slice::from_ref(&first)).await.is_err());
    }
    store.close().await;
}

/// Migrations of the application and of flows outside of the crate, which its own migrations ignore.
#[tokio::test]
async fn migrations_of_a_namespace_run_once_in_order() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let url = database.url();
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                own_migrations(SqliteStore::open(path).await.unwrap(), &database).await;
                assert_eq!(SqliteStore::upgrade(path).await.unwrap(), Vec::<String>::new());
            }
            None => {
                own_migrations(PgStore::connect_with(&url, 2).await.unwrap(), &database).await;
                assert_eq!(PgStore::upgrade(&url).await.unwrap(), Vec::<String>::new());
            }
        }
        database.remove().await;
    }
}
