//! The store conformance tests on every store, and concurrent migrations.

use std::sync::Arc;

use authlayer::{PgStore, SqliteStore, store::Store, testing::store_conformance_tests};

use crate::support::{Database, On};

pub(crate) async fn open(on: On, url: &str) -> Arc<dyn Store> {
    let path = url.trim_start_matches("sqlite:");
    match on {
        On::Sqlite => Arc::new(SqliteStore::open(path).await.unwrap()),
        On::SqliteOne => Arc::new(SqliteStore::open_with(path, 0).await.unwrap()),
        On::PostgresOne => Arc::new(PgStore::connect_with(url, 1).await.unwrap()),
        _ => Arc::new(PgStore::connect_with(url, 5).await.unwrap()),
    }
}

async fn passes_store_conformance(on: On) {
    for (name, rule) in store_conformance_tests() {
        println!("{name}");
        let database = Database::fresh(on).await;
        rule(open(on, &database.url()).await).await;
        database.remove().await;
    }
}

#[tokio::test]
async fn sqlite_passes_store_conformance() {
    passes_store_conformance(On::Sqlite).await;
}

#[tokio::test]
async fn sqlite_with_one_connection_passes_store_conformance() {
    passes_store_conformance(On::SqliteOne).await;
}

#[tokio::test]
async fn sqlite_in_memory_passes_store_conformance() {
    for (name, rule) in store_conformance_tests() {
        println!("{name}");
        rule(Arc::new(SqliteStore::memory().await.unwrap())).await;
    }
}

#[tokio::test]
async fn postgres_passes_store_conformance() {
    passes_store_conformance(On::Postgres).await;
}

#[tokio::test]
async fn postgres_with_one_connection_passes_store_conformance() {
    passes_store_conformance(On::PostgresOne).await;
}

/// Statements run at the isolation level that they need, whatever the default of the server.
#[tokio::test]
async fn postgres_with_a_stricter_default_passes_store_conformance() {
    for level in ["repeatable%20read", "serializable"] {
        for (name, rule) in store_conformance_tests() {
            println!("{name} at {level}");
            let database = Database::fresh(On::Postgres).await;
            let url = format!("{}&options[default_transaction_isolation]={level}", database.url());
            rule(open(On::Postgres, &url).await).await;
            database.remove().await;
        }
    }
}

async fn starts_eight_times_at_once(on: On) {
    let database = Database::fresh(on).await;
    let url = database.url();
    let starts = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { drop(open(on, &url).await) })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.expect("every start succeeds");
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_migrates_once_with_concurrent_starts() {
    starts_eight_times_at_once(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_migrates_once_with_concurrent_starts() {
    starts_eight_times_at_once(On::Postgres).await;
}

#[tokio::test]
async fn store_can_use_a_pool_of_the_application() {
    let database = Database::fresh(On::Sqlite).await;
    let path = database.url().trim_start_matches("sqlite:").to_owned();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::from_pool(pool).await.unwrap());
    assert!(store.find_user(&authlayer::UserId::new("nobody")).await.unwrap().is_none());
    database.remove().await;

    let database = Database::fresh(On::Postgres).await;
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(PgStore::from_pool(pool).await.unwrap());
    assert!(store.find_user(&authlayer::UserId::new("nobody")).await.unwrap().is_none());
    database.remove().await;
}
