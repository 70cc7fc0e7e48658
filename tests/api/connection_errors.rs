//! Failed connections: the error names the server and the reason.

use std::{process::Command, time::Duration};

use authlayer::{
    PgStore, PgStoreOptions, SqliteStore, UserId,
    store::{AccountStore, StoreError},
    testing::TestApp,
};
use serde_json::json;
use sqlx::{
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::{
    proxy::Proxy,
    support::{Database, On, execute},
};

const LIMIT: Duration = Duration::from_secs(1);
const SECRET: &str = "s3cret";

fn options() -> PgStoreOptions {
    PgStoreOptions::new().max_connections(1).statement_timeout(LIMIT)
}

/// Returns the `Display` text of an error, and checks that it contains all parts and no password.
fn assert_error_contains<T>(done: Result<T, StoreError>, parts: &[&str]) -> String {
    let Err(error) = done else { panic!("no error") };
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!text.contains(SECRET), "{text}");
    assert!(!text.contains("pool timed out"), "{text}");
    text
}

/// Returns the address of a closed port on loopback.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn refused_connection_is_reported_with_host_and_port() {
    let address = closed_port().await;
    let url = format!("postgres://ann:{SECRET}@{address}/app");
    let server = format!("PostgreSQL at {address}");
    assert_error_contains(
        options().connect(&url).await,
        &[&server, "refused", "`statement_timeout` = 1s"],
    );
    assert_error_contains(PgStore::upgrade(&url).await, &[&server, "refused"]);
    for acquire_timeout in [LIMIT / 2, LIMIT * 2] {
        let pool = PgPoolOptions::new().acquire_timeout(acquire_timeout).connect_lazy(&url);
        assert_error_contains(options().with_pool(pool.unwrap()).await, &[&server, "refused"]);
    }
}

/// A network that drops packets: the connection gets no response.
#[tokio::test]
async fn silent_server_is_reported_with_host_and_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let url = format!("postgres://ann:{SECRET}@{address}/app");
    let began = Instant::now();
    let opened = options().connect(&url).await;
    assert!(began.elapsed() < LIMIT * 3, "the limit holds");
    assert_error_contains(
        opened,
        &[&format!("PostgreSQL at {address}"), "does not respond to a new connection"],
    );
}

#[tokio::test]
async fn url_of_another_database_is_rejected_by_its_scheme() {
    for (url, part) in [
        (format!("mysql://ann:{SECRET}@localhost/app"), "`mysql`"),
        (format!("host=localhost password={SECRET}"), "no scheme"),
        (format!("{SECRET}:x@localhost/app"), "no scheme"),
        (format!("postgres://ann:{SECRET}@localhost:port/app"), "invalid port number"),
    ] {
        let parts = ["database URL", part, "postgres://user:password@host:5432/database"];
        assert_error_contains(options().connect(&url).await, &parts);
        assert_error_contains(PgStore::upgrade(&url).await, &parts);
    }
}

/// Returns a URL with a role that the test can lock out, and that role.
async fn with_role(database: &Database) -> (String, String) {
    let Database::Schema { name } = database else { panic!("PostgreSQL has schemas") };
    execute(&format!("CREATE ROLE {name} LOGIN; GRANT ALL ON SCHEMA {name} TO {name}")).await;
    let (start, rest) =
        database.url().split_once("://").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let host = rest.split_once('@').map_or(rest.clone(), |(_, host)| host.to_owned());
    (format!("{start}://{name}:{SECRET}@{host}"), name.clone())
}

async fn remove(database: Database, role: &str) {
    database.remove().await;
    execute(&format!("DROP ROLE {role}")).await;
}

#[tokio::test]
async fn too_many_connections_are_reported_with_the_server_message() {
    let database = Database::fresh(On::Postgres).await;
    let (url, role) = with_role(&database).await;
    let store = options().connect(&url).await.unwrap();
    let parts = ["PostgreSQL at 127.0.0.1:", "too many connections for role", "(53300)"];
    execute(&format!("ALTER ROLE {role} CONNECTION LIMIT 0")).await;
    assert_error_contains(options().connect(&url).await, &parts);
    execute(&format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{role}'"
    ))
    .await;
    let ada = UserId::new("ada");
    // The first read may use the closed connection.
    let _ended = store.find_user(&ada).await;
    assert_error_contains(store.find_user(&ada).await, &parts);
    execute(&format!("ALTER ROLE {role} CONNECTION LIMIT -1")).await;
    store.find_user(&ada).await.unwrap();
    store.close().await;
    remove(database, &role).await;
}

/// The server rejects the connection at once.
#[tokio::test]
async fn rejected_connection_is_reported_with_the_server_message() {
    let database = Database::fresh(On::Postgres).await;
    let (url, role) = with_role(&database).await;
    execute(&format!("ALTER ROLE {role} NOLOGIN")).await;
    let began = Instant::now();
    assert_error_contains(
        options().connect(&url).await,
        &["PostgreSQL at 127.0.0.1:", "not permitted to log in (28000)"],
    );
    assert!(began.elapsed() < LIMIT, "no attempt is repeated");
    execute(&format!("REVOKE ALL ON SCHEMA {role} FROM {role}")).await;
    remove(database, &role).await;
}

#[tokio::test]
async fn server_that_falls_silent_is_reported_with_host_and_port() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = pool.connect_lazy_with(proxy.options());
    let store = options().with_pool(pool.clone()).await.unwrap();
    let ada = UserId::new("ada");
    while pool.num_idle() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    proxy.silence();
    let server = format!("PostgreSQL at 127.0.0.1:{}", proxy.options().get_port());
    // On the connection that was open, and then without one.
    assert_error_contains(
        store.find_user(&ada).await,
        &[&server, "no response", "`statement_timeout` = 1s"],
    );
    assert_error_contains(
        store.find_user(&ada).await,
        &[&server, "does not respond to a new connection"],
    );
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn connections_that_are_in_use_are_reported_as_such_on_postgres() {
    let database = Database::fresh(On::Postgres).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let store = options().with_pool(pool.clone()).await.unwrap();
    let held = pool.acquire().await.unwrap();
    let found = store.find_user(&UserId::new("ada")).await;
    assert_error_contains(
        found,
        &["all connections of the pool, which has 1, are in use", "`max_connections`"],
    );
    drop(held);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn connections_that_are_in_use_are_reported_as_such_on_sqlite() {
    let database = Database::fresh(On::Sqlite).await;
    let Database::File(path) = &database else { panic!("SQLite has files") };
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(LIMIT);
    let pool = pool.connect_with(options).await.unwrap();
    let store = SqliteStore::from_pool(pool.clone()).await.unwrap();
    let held = pool.acquire().await.unwrap();
    let file = format!("SQLite at {}", path.display());
    let parts =
        [&file, "all connections of the pool, which has 1, are in use", "`acquire_timeout` = 1s"];
    assert_error_contains(store.find_user(&UserId::new("ada")).await, &parts);
    drop(held);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn file_that_cannot_be_opened_is_named() {
    let path = std::env::temp_dir().join("authlayer_no_such_folder").join("app.db");
    let file = format!("SQLite at {}: unable to open", path.display());
    assert_error_contains(SqliteStore::open(&path).await, &[&file]);
}

/// The response contains no reason; the reason is in the log.
#[tokio::test]
async fn response_reveals_nothing_about_the_server() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let store = options().connect(proxy.url()).await.unwrap();
    let (_auth, app): (_, TestApp) = crate::timeouts::serve(store).await;
    proxy.silence();
    sleep(LIMIT).await;
    let body = json!({ "email": "ada@example.com", "password": "a wrong guess" });
    let answer = app.client().post("/auth/sign-in", &body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("unavailable")));
    assert!(!answer.json().to_string().contains("127.0.0.1"), "{}", answer.json());
    database.remove().await;
}

/// Rust prints the error of a `main` with `Debug`, which is hard to read.
#[tokio::test]
async fn programs_print_why_they_do_not_start() {
    let address = closed_port().await;
    let url = format!("postgres://ann:{SECRET}@{address}/app");
    let folder = std::env::temp_dir().join("authlayer_no_such_folder/app.db");
    let testbed = json!({ "database": url }).to_string();
    let database = folder.display().to_string();
    for (name, variable, value, part) in [
        ("testbed", "TESTBED", testbed.as_str(), format!("PostgreSQL at {address}: ")),
        ("import", "DATABASE", &database, format!("SQLite at {database}: ")),
    ] {
        let mut program = Command::new(crate::examples::binary(name));
        let program = program.env(variable, value).env("PORT", "0");
        let ended = program.output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success(), "{name}");
        assert!(text.contains(&part) && text.lines().count() == 1, "{name}: {text}");
        assert!(!text.contains("StoreError") && !text.contains(SECRET), "{name}: {text}");
    }
}
