//! PgBouncer between the store and PostgreSQL: a mode that loses prepared statements or
//! transactions is rejected at start, and every other mode works.

use std::time::Duration;

use authlayer::{
    PgStore, PgStoreOptions,
    store::{StoreError, sql::Migration, sql::MigrationKind},
};
use futures_util::future::join_all;
use sqlx::{
    Connection, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

use crate::{
    pgbouncer::{Pooler, direct},
    support::{Database, On, PASSWORD, execute, sign_in, sign_up, until},
    timeouts::serve,
};

const SAFE: &str = "max_prepared_statements = 100";
const UNSAFE: &str = "max_prepared_statements = 0";

/// Asserts that an error message contains all parts.
fn assert_error_contains<T>(done: Result<T, StoreError>, parts: &[&str]) {
    let Err(error) = done else { panic!("no error, but {parts:?}") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// Asserts that every constructor of the store rejects the pooler.
async fn assert_rejected(pooler: &Pooler, why: &str) {
    let advice = "PgBouncer 1.21 or newer in transaction mode with `max_prepared_statements` above 0; or \
        open the store by `PgStore::pooled`";
    let parts = ["PostgreSQL at 127.0.0.1:", why, advice];
    assert_error_contains(PgStore::connect(&pooler.url).await, &parts);
    assert_error_contains(PgStore::connect_with(&pooler.url, 1).await, &parts);
    assert_error_contains(PgStore::upgrade(&pooler.url).await, &parts);
    for slots in [1, 3] {
        let pool = pooler.pool(slots);
        assert_error_contains(PgStore::from_pool(pool.clone()).await, &parts);
        pool.close().await;
    }
}

/// Six clients that are never idle.
fn load(pooler: &Pooler) -> JoinSet<()> {
    let mut load = JoinSet::new();
    for _ in 0..6 {
        let options = pooler.options();
        load.spawn(async move {
            let mut connection = PgConnection::connect_with(&options).await.unwrap();
            loop {
                let sql = "BEGIN; SELECT pg_sleep(0.002); COMMIT";
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
        });
    }
    load
}

const LOST: &str = "loses prepared statements";

#[tokio::test]
async fn pooler_that_loses_prepared_statements_is_rejected() {
    for settings in [
        &[UNSAFE][..],
        &[UNSAFE, "default_pool_size = 1"],
        &[UNSAFE, "default_pool_size = 3", "server_round_robin = 1"],
        &[UNSAFE, "server_reset_query_always = 1"],
    ] {
        let pooler = Pooler::start("transaction", settings).await;
        assert_rejected(&pooler, LOST).await;
        pooler.remove().await;
    }
}

/// Clients of other processes use the server sessions in any order.
#[tokio::test]
async fn pooler_that_loses_prepared_statements_is_rejected_under_load() {
    for settings in [&[UNSAFE][..], &[UNSAFE, "server_reset_query_always = 1"]] {
        let pooler = Pooler::start("transaction", settings).await;
        let mut load = load(&pooler);
        assert_rejected(&pooler, LOST).await;
        load.shutdown().await;
        pooler.remove().await;
    }
}

#[tokio::test]
async fn pooler_that_keeps_prepared_statements_is_accepted_under_load() {
    for settings in [&[SAFE][..], &[SAFE, "default_pool_size = 2"]] {
        let pooler = Pooler::start("transaction", settings).await;
        let mut load = load(&pooler);
        for _ in 0..5 {
            let store = PgStore::connect_with(&pooler.url, 1).await.unwrap();
            store.close().await;
        }
        load.shutdown().await;
        pooler.remove().await;
    }
}

#[tokio::test]
async fn pooler_in_statement_mode_is_rejected() {
    let pooler = Pooler::start("statement", &[SAFE]).await;
    assert_rejected(&pooler, "statement mode, which has no transactions").await;
    pooler.remove().await;
}

/// Signs up, in and out concurrently on many connections, and receives changes by other processes.
async fn assert_works(pooler: &Pooler, store: PgStore) {
    let (auth, app) = serve(store.clone()).await;
    let one = async |number: u32| {
        let (email, client) = (format!("ada{number}@example.com"), app.client());
        assert_eq!(sign_up(&client, &email).await.status, 201);
        assert_eq!(sign_in(&app.client(), &email, PASSWORD).await.status, 200);
        assert_eq!(sign_in(&app.client(), &email, "a wrong guess").await.status, 401);
        for _ in 0..5 {
            assert_eq!(client.get("/auth/session").await.status, 200);
        }
        client
    };
    let clients = join_all((0..8).map(one)).await;
    auth.sweep().await.unwrap();
    auth.shutdown(std::time::Duration::from_secs(60)).await;
    let client = &clients[0];
    until("a session that is cached", async || {
        let before = store.statements().request;
        assert_eq!(client.get("/auth/session").await.status, 200);
        store.statements().request == before
    })
    .await;
    pooler.database.run("DELETE FROM auth_sessions").await;
    until("a change by others", async || client.get("/auth/session").await.status == 401).await;
}

#[tokio::test]
async fn session_mode_and_transaction_mode_with_prepared_statements_work() {
    for (mode, settings) in [
        ("transaction", &[SAFE][..]),
        ("transaction", &[SAFE, "default_pool_size = 1"]),
        ("transaction", &[SAFE, "default_pool_size = 3", "server_round_robin = 1"]),
        ("transaction", &[SAFE, "server_reset_query_always = 1"]),
        ("session", &[UNSAFE]),
        ("session", &[UNSAFE, "server_round_robin = 1"]),
    ] {
        let pooler = Pooler::start(mode, settings).await;
        let store = PgStore::connect(&pooler.url).await.unwrap();
        assert_works(&pooler, store.clone()).await;
        store.close().await;
        // Server sessions that were used before, with prepared statements.
        let store = PgStore::connect_with(&pooler.url, 1).await.unwrap();
        pooler.database.run("DELETE FROM auth_users; DELETE FROM auth_limits").await;
        assert_works(&pooler, store.clone()).await;
        store.close().await;
        assert!(PgStore::upgrade(&pooler.url).await.unwrap().is_empty());
        let pool = pooler.pool(2);
        PgStore::from_pool(pool.clone()).await.unwrap();
        pool.close().await;
        pooler.remove().await;
    }
}

/// Neither statements nor settings remain on a session of the server, which has other clients.
async fn assert_nothing_remains(pooler: &Pooler) {
    let mut one = PgConnection::connect_with(&pooler.options()).await.unwrap();
    let sql =
        "SELECT CAST(COUNT(*) AS TEXT) || ' ' || current_setting('statement_timeout') || ' ' ||
        current_setting('idle_in_transaction_session_timeout') FROM pg_prepared_statements";
    for _ in 0..10 {
        let row = sqlx::raw_sql(sql).fetch_one(&mut one).await.unwrap();
        assert_eq!(row.get_unchecked::<String, _>(0), "0 0 0");
    }
    one.close().await.unwrap();
}

#[tokio::test]
async fn pooled_store_works_with_a_pooler_that_loses_prepared_statements() {
    for settings in [
        &[UNSAFE][..],
        &[UNSAFE, "default_pool_size = 3", "server_round_robin = 1"],
        &[UNSAFE, "server_reset_query_always = 1", "default_pool_size = 2"],
        &[SAFE, "default_pool_size = 2"],
    ] {
        let pooler = Pooler::start("transaction", settings).await;
        let mut load = load(&pooler);
        let store = PgStore::pooled(&pooler.url).await.unwrap();
        assert_works(&pooler, store.clone()).await;
        store.close().await;
        let pool = pooler.pool(2);
        let store = PgStoreOptions::new().pooled().with_pool(pool.clone()).await.unwrap();
        pooler.database.run("DELETE FROM auth_users; DELETE FROM auth_limits").await;
        assert_works(&pooler, store).await;
        pool.close().await;
        load.shutdown().await;
        assert_nothing_remains(&pooler).await;
        pooler.remove().await;
    }
}

/// A read of the store has the same limit as on a connection of its own.
#[tokio::test]
async fn pooled_store_limits_each_statement_on_the_server() {
    let pooler = Pooler::start("transaction", &[UNSAFE]).await;
    let options = PgStoreOptions::new().pooled().statement_timeout(Duration::from_millis(300));
    let store = options.connect(&pooler.url).await.unwrap();
    let mut other = PgConnection::connect_with(&pooler.options()).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE auth_sessions").execute(&mut *lock).await.unwrap();
    let id = authlayer::SessionId::from_bytes([1; 16]);
    let found = authlayer::store::SessionStore::find(&store, id).await;
    assert_error_contains(found.map(drop), &["statement_timeout"]);
    let waiting = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND usename = ";
    let sql = format!("{waiting}'{}'", pooler.role);
    until("the server ends the statement", async || pooler.database.text(&sql).await == "0").await;
    lock.rollback().await.unwrap();
    store.close().await;
    pooler.remove().await;
}

#[tokio::test]
async fn pooled_store_rejects_a_pooler_in_statement_mode() {
    let pooler = Pooler::start("statement", &[SAFE]).await;
    let parts = ["PostgreSQL at 127.0.0.1:", "statement mode, which has no transactions"];
    assert_error_contains(PgStore::pooled(&pooler.url).await, &parts);
    pooler.remove().await;
}

/// A session lock would remain on the server connection of the pooler, and block other processes.
#[tokio::test]
async fn migration_outside_of_a_transaction_requires_session_mode() {
    let index = "CREATE INDEX CONCURRENTLY IF NOT EXISTS auth_x ON auth_users (status);\n";
    let fill = "UPDATE auth_users SET status = status WHERE FALSE;\n";
    let with = |kind, sql: &'static str| {
        let mut all = PgStore::migrations();
        all.push(Migration::new("0100_x", kind, sql));
        all
    };
    for (kind, sql) in [(MigrationKind::Outside, index), (MigrationKind::Batches, fill)] {
        let all = with(kind, sql);
        for (mode, is_run) in [("transaction", false), ("session", true)] {
            let pooler = Pooler::start(mode, &[SAFE]).await;
            let store = PgStore::connect(&pooler.url).await.unwrap();
            let ran = store.run_migrations(&all).await;
            if is_run {
                assert_eq!(ran.unwrap(), ["0100_x"]);
            } else {
                assert_error_contains(
                    ran,
                    &["0100_x", "pooler in transaction mode", "`PgStore::upgrade`"],
                );
                let locks = "SELECT CAST(COUNT(*) AS TEXT) FROM pg_locks l JOIN pg_stat_activity a
                    USING (pid) WHERE locktype = 'advisory' AND usename = ";
                let sql = format!("{locks}'{}'", pooler.role);
                assert_eq!(pooler.database.text(&sql).await, "0");
            }
            store.close().await;
            pooler.remove().await;
        }
    }
}

#[tokio::test]
async fn startup_parameter_that_the_pooler_rejects_is_named() {
    let pooler = Pooler::start("transaction", &[SAFE]).await;
    let url = format!("{}?options[lc_messages]=C", pooler.url);
    let parts = ["PostgreSQL at 127.0.0.1:", "unsupported startup parameter", "ALTER ROLE"];
    assert_error_contains(PgStore::connect(&url).await, &parts);
    let pool = PgPool::connect_lazy_with(pooler.options().extra_float_digits(2));
    assert_error_contains(
        PgStore::from_pool(pool).await,
        &[&parts[..], &["extra_float_digits"]].concat(),
    );
    pooler.remove().await;
}

#[tokio::test]
async fn server_without_a_pooler_is_accepted_without_a_second_connection() {
    let database = Database::fresh(On::Postgres).await;
    let Database::Schema { name: role } = &database else { panic!("PostgreSQL has schemas") };
    execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 1;
        GRANT ALL ON SCHEMA {role} TO {role}"
    ))
    .await;
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.username(role).password("secret");
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    let store = PgStore::from_pool(pool).await.unwrap();
    store.close().await;
    let role = role.clone();
    database.remove().await;
    execute(&format!("DROP ROLE {role}")).await;
}

/// The first connection is forwarded, and the second one gets no response.
#[tokio::test]
async fn unanswered_second_connection_only_delays_the_start() {
    let database = Database::fresh(On::Postgres).await;
    let server = direct();
    let address = format!("{}:{}", server.get_host(), server.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            if number == 1 {
                silent.push(client);
                continue;
            }
            let mut server = TcpStream::connect(&address).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let options: PgConnectOptions = database.url().parse().unwrap();
    let options = options.host("127.0.0.1").port(port);
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
    let began = Instant::now();
    let limit = PgStoreOptions::new().statement_timeout(Duration::from_secs(1));
    let store = limit.with_pool(pool).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    store.close().await;
    database.remove().await;
}
