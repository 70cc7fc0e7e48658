//! Transactions that the database rolls back or fails to commit: their connections block no
//! later write.

use authlayer::{
    PgStore, SqliteStore, User, UserId,
    store::{
        AccountStore, CreateUserOutcome, StoreError, UserOrigin,
        sql::{Migration, MigrationKind},
    },
};
use jiff::Timestamp;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use crate::{
    support::{Database, On, on_every_store, sign_up},
    timeouts::serve,
};

/// Makes SQLite roll back the transaction of a new credential, as with a full disk, and
/// PostgreSQL reject its commit.
const FAILING: [&str; 2] = [
    "CREATE TABLE failing (number INTEGER);
    CREATE TRIGGER failing BEFORE INSERT ON auth_credentials WHEN EXISTS (SELECT 1 FROM failing)
    BEGIN SELECT RAISE(ROLLBACK, 'rolled back by itself'); END",
    "CREATE TABLE failing (number INTEGER);
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT 1 FROM failing) THEN RAISE 'not committed'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON auth_credentials
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()",
];

async fn install(database: &Database) {
    let [sqlite, postgres] = FAILING;
    database.run(if matches!(database, Database::File(_)) { sqlite } else { postgres }).await;
}

on_every_store! {
    async fn failed_transaction_blocks_no_later_write(bed: &Bed, { "limits": false }) {
        let browser = bed.browser("ada@example.com").await;
        install(&bed.database).await;
        for round in 0..3 {
            bed.run("INSERT INTO failing VALUES (1)").await;
            for number in 0..6 {
                let email = format!("failed-{round}-{number}@example.com");
                let answer = sign_up(&bed.client(), &email).await;
                assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("unavailable")));
            }
            assert_eq!(browser.get("/auth/session").await.status, 200, "reads succeed");
            bed.run("DELETE FROM failing").await;
            for number in 0..6 {
                let email = format!("user-{round}-{number}@example.com");
                assert_eq!(sign_up(&bed.client(), &email).await.status, 201, "{email}");
            }
        }
    }
}

async fn create(store: &dyn AccountStore, name: &str) -> Result<(), StoreError> {
    let user = User::new(UserId::new(name), Timestamp::UNIX_EPOCH);
    let created = store.create_user(&user, None, UserOrigin::SignUp.into()).await?;
    assert!(matches!(created, CreateUserOutcome::Created(_)));
    Ok(())
}

const UNLIMITED: &str = "1073741823";

/// Returns a pool of the application with one connection.
async fn pool(database: &Database) -> SqlitePool {
    let Database::File(path) = database else { panic!("SQLite has files") };
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// Limits the size of the file on the connection of a pool.
async fn limit_pages(pool: &SqlitePool, pages: &str) {
    let limit = sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
    limit.execute(pool).await.unwrap();
}

/// A limit on the file size causes the error of a full disk. The connection is the only one of an
/// application's pool.
#[tokio::test]
async fn full_sqlite_accepts_writes_once_there_is_room() {
    let database = Database::fresh(On::Sqlite).await;
    let pool = pool(&database).await;
    let (_auth, app) = serve(SqliteStore::from_pool(pool.clone()).await.unwrap()).await;
    for round in 0..20 {
        // A limit below the current size means the current size.
        limit_pages(&pool, "1").await;
        let mut number = 0;
        loop {
            let answer =
                sign_up(&app.client(), &format!("user-{round}-{number}@example.com")).await;
            if answer.status == 503 {
                break;
            }
            assert_eq!(answer.status, 201);
            assert!(number < 1_000, "the file is never full");
            number += 1;
        }
        limit_pages(&pool, UNLIMITED).await;
        let answer = sign_up(&app.client(), &format!("later-{round}@example.com")).await;
        assert_eq!(answer.status, 201, "round {round}");
    }
    pool.close().await;
    database.remove().await;
}

/// SQLite rolls back the transaction of a migration.
#[tokio::test]
async fn failed_migration_blocks_no_later_write_on_sqlite() {
    let database = Database::fresh(On::Sqlite).await;
    let Database::File(path) = &database else { panic!("SQLite has files") };
    let store = SqliteStore::open(path).await.unwrap();
    let mut all = SqliteStore::migrations();
    all.push(Migration::new(
        "9999_failing",
        MigrationKind::Transaction,
        "CREATE TABLE failing (number INTEGER);
        CREATE TRIGGER failing BEFORE INSERT ON failing
        BEGIN SELECT RAISE(ROLLBACK, 'rolled back by itself'); END;
        INSERT INTO failing VALUES (1);",
    ));
    store.run_migrations(&all).await.unwrap_err();
    create(&store, "ada").await.unwrap();
    store.close().await;
    database.remove().await;
}

/// The state of a transaction after a failed commit is unknown, so its connection is not reused.
#[tokio::test]
async fn connection_whose_commit_failed_is_closed_on_postgres() {
    let database = Database::fresh(On::Postgres).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let store = PgStore::from_pool(pool.clone()).await.unwrap();
    database
        .run(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE 'not committed'; END $$;
            CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON auth_users
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id = 'fail')
                EXECUTE FUNCTION fail()",
        )
        .await;
    let pid = async || -> i32 {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await.unwrap()
    };
    let before = pid().await;
    create(&store, "ada").await.unwrap();
    assert_eq!(pid().await, before, "a working connection is reused");
    create(&store, "fail").await.unwrap_err();
    assert_ne!(pid().await, before);
    create(&store, "bob").await.unwrap();
    store.close().await;
    database.remove().await;
}
