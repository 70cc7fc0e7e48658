//! Read-only servers: standbys, and primaries that were demoted in a failover.

use std::{error::Error, time::Duration};

use authlayer::{
    Email, PgStore, PgStoreOptions, User, UserId, UserStorage,
    store::{AccountStore, CreateUserOutcome, UserOrigin},
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgPoolOptions};
use tokio::time::sleep;

use crate::{
    cache::node,
    support::{Database, On, execute},
};

async fn create(store: &PgStore, name: &str) -> bool {
    let email = Email::parse(&format!("{name}@example.com")).unwrap();
    let mut user = User::new(UserId::new(name), Timestamp::UNIX_EPOCH);
    user.email = Some(email);
    matches!(
        store.create_user(&user, None, UserOrigin::SignUp.into()).await,
        Ok(CreateUserOutcome::Created(_))
    )
}

#[tokio::test]
async fn read_only_server_is_rejected_at_connect_with_advice() {
    let database = Database::fresh(On::Postgres).await;
    PgStore::connect(&database.url()).await.unwrap().close().await;
    let url = format!("{}&options[default_transaction_read_only]=on", database.url());
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    for opened in [PgStore::connect(&url).await, PgStore::from_pool(pool).await] {
        let error = opened.unwrap_err();
        let text = error.source().unwrap().to_string();
        assert!(text.contains("read-only") && text.contains("primary"), "{text}");
        assert!(text.contains("default_transaction_read_only"), "{text}");
    }
    database.remove().await;
}

/// Makes a schema look like a standby if its table says so: its function shadows the one of the
/// catalog.
const ROLE: &str = "CREATE TABLE role (is_standby BOOLEAN); INSERT INTO role VALUES (false);
    CREATE FUNCTION pg_is_in_recovery() RETURNS boolean LANGUAGE sql
        AS 'SELECT is_standby FROM role'";

/// Returns the URL of a schema whose functions shadow those of the catalog.
fn shadowing(database: &Database) -> String {
    let Database::Schema { name } = database else { panic!("PostgreSQL has schemas") };
    database.url().replace(&format!("={name}"), &format!("={name},pg_catalog"))
}

#[tokio::test]
async fn standby_is_rejected_at_connect_with_advice() {
    let database = Database::fresh(On::Postgres).await;
    let url = shadowing(&database);
    database.run(ROLE).await;
    PgStore::connect(&url).await.unwrap().close().await;
    database.run("UPDATE role SET is_standby = true").await;
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    for opened in [PgStore::connect(&url).await, PgStore::from_pool(pool).await] {
        let text = opened.unwrap_err().source().unwrap().to_string();
        assert!(text.contains("standby") && text.contains("primary"), "{text}");
    }
    database.remove().await;
}

/// A server that became a standby receives changes late, so cache entries become invalid.
#[tokio::test]
async fn server_that_became_a_standby_renews_no_lease() {
    let database = Database::fresh(On::Postgres).await;
    database.run(ROLE).await;
    let store = PgStore::connect(&shadowing(&database)).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let (_, token) = here.person("ada").await;
    here.until_cached(&token, || store.statements()).await;
    database.run("UPDATE role SET is_standby = true").await;
    for round in 0.. {
        let before = store.statements().request;
        assert_eq!(here.status(&token).await, 200);
        if store.statements().request > before {
            break;
        }
        assert!(round < 500, "sessions are still served from the cache");
        sleep(Duration::from_millis(10)).await;
    }
    database.run("UPDATE role SET is_standby = false").await;
    here.until_cached(&token, || store.statements()).await;
    store.close().await;
    database.remove().await;
}

/// The only connection of an application's pool turns read-only, like the connections to a
/// demoted primary.
#[tokio::test]
async fn connection_that_turned_read_only_is_closed() {
    let database = Database::fresh(On::Postgres).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let store = PgStore::from_pool(pool.clone()).await.unwrap();
    assert!(create(&store, "ada").await);
    let demote = sqlx::raw_sql("SET default_transaction_read_only = on");
    demote.execute(&pool).await.unwrap();
    assert!(!create(&store, "bob").await, "the server rejects it");
    assert!(create(&store, "bob").await, "another connection accepts it");
    store.close().await;
    database.remove().await;
}

/// A pool of the crate closes all connections after one was found read-only: the others would
/// return outdated rows.
#[tokio::test]
async fn all_connections_are_replaced_after_one_turned_read_only() {
    let database = Database::fresh(On::Postgres).await;
    let name = format!("demoted-{}", std::process::id());
    let url = format!("{}&application_name={name}", database.url());
    let options = PgStoreOptions::new().max_connections(2);
    let store = options.statement_timeout(Duration::from_secs(60)).connect(&url).await.unwrap();
    let mut watcher = PgConnection::connect(&database.url()).await.unwrap();
    let mut pids = async || -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
        sqlx::query_scalar(sql).bind(&name).fetch_all(&mut watcher).await.unwrap()
    };
    // A connection that writes this user turns read-only.
    database
        .run(
            "CREATE FUNCTION demote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM set_config('default_transaction_read_only', 'on', false);
                RETURN NEW;
            END $$;
            CREATE TRIGGER demote AFTER INSERT ON auth_users FOR EACH ROW
                WHEN (NEW.id = 'demote') EXECUTE FUNCTION demote()",
        )
        .await;
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE auth_users").execute(&mut holder).await.unwrap();
    let ada = UserId::new("ada");
    let both = tokio::spawn({
        let (store, ada) = (store.clone(), ada.clone());
        async move { tokio::join!(store.find_user(&ada), store.find_user(&ada)) }
    });
    let mut opened = pids().await;
    while opened.len() < 2 {
        assert!(!both.is_finished(), "the table is locked");
        sleep(Duration::from_millis(5)).await;
        opened = pids().await;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let (first, second) = both.await.unwrap();
    assert!(first.unwrap().is_none() && second.unwrap().is_none());
    assert_eq!(opened.len(), 2);
    assert!(create(&store, "demote").await);
    // Connections are used in turn, so a write soon uses the one that turned read-only.
    for round in 0.. {
        if !create(&store, &format!("user-{round}")).await {
            break;
        }
        assert!(round < 100, "no write fails");
    }
    for round in 0.. {
        store.find_user(&ada).await.unwrap();
        if pids().await.iter().all(|pid| !opened.contains(pid)) {
            break;
        }
        assert!(round < 100, "a connection from before the failover is still open");
    }
    assert!(create(&store, "joe").await && create(&store, "max").await);
    store.close().await;
    database.remove().await;
}

/// A host name resolves to a read-only server for a while; no rows are read from it.
#[tokio::test]
async fn pool_opens_no_connection_to_a_read_only_server() {
    let schema = Database::fresh(On::Postgres).await;
    let Database::Schema { name } = &schema else { panic!("PostgreSQL has schemas") };
    execute(&format!("CREATE DATABASE {name}")).await;
    let options: sqlx::postgres::PgConnectOptions = schema.url().parse().unwrap();
    let from = format!("/{}", options.get_database().unwrap());
    let url = schema.url().replacen(&format!("{from}?"), &format!("/{name}?"), 1);
    let url = url.replace(&format!("options[search_path]={name}"), "options[search_path]=public");
    let options = PgStoreOptions::new().max_connections(1);
    let store = options.statement_timeout(Duration::from_secs(1)).connect(&url).await.unwrap();
    assert!(create(&store, "ada").await);
    let ada = UserId::new("ada");
    let disconnect = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    execute(&read_only).await;
    execute(&disconnect).await;
    assert!(store.find_user(&ada).await.is_err());
    execute(&format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await;
    assert!(store.find_user(&ada).await.unwrap().is_some());
    assert!(create(&store, "bob").await);
    store.close().await;
    let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    let server = std::env::var("TEST_DATABASE_URL").unwrap();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    schema.remove().await;
}
