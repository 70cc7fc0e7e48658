//! A testbed for each test on each store.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use authlayer::{
    SessionId, UserStorage,
    store::SessionStore,
    testing::{ManualClock, TestApp, TestClient, TestResponse},
};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use crate::{
    documented::documented,
    places::{ACCOUNTS_POSTGRES, ACCOUNTS_SQLITE, Memory, accounts},
    testbed::{Config, Store, Testbed},
};

pub(crate) const PASSWORD: &str = "zq8 xw2v plum";

/// The stores on which every test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    SqliteOne,
    Postgres,
    PostgresOne,
    /// Users in a table of the application.
    SqliteMapped,
    PostgresMapped,
    /// Users in the application's own store.
    SqliteCustom,
    PostgresCustom,
}

impl On {
    pub(crate) fn is_sqlite(self) -> bool {
        matches!(self, Self::Sqlite | Self::SqliteOne | Self::SqliteMapped | Self::SqliteCustom)
    }

    fn has_one_connection(self) -> bool {
        matches!(self, Self::SqliteOne | Self::PostgresOne)
    }
}

/// A served testbed with its own database.
pub(crate) struct Bed {
    pub(crate) bed: Testbed,
    pub(crate) app: TestApp,
    pub(crate) database: Database,
}

pub(crate) enum Database {
    File(PathBuf),
    Schema { name: String },
}

/// Runs each test on every store and user storage mode.
macro_rules! on_every_store {
    ($($all:tt)*) => {
        crate::support::on_stores! {
            [
                sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
                postgres: Postgres, postgres_with_one_connection: PostgresOne,
                sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped,
                sqlite_custom: SqliteCustom, postgres_custom: PostgresCustom
            ]
            $($all)*
        }
    };
}

/// The same with managed users only, for tests that count statements.
macro_rules! on_managed_stores {
    ($($all:tt)*) => {
        crate::support::on_stores! {
            [
                sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
                postgres: Postgres, postgres_with_one_connection: PostgresOne
            ]
            $($all)*
        }
    };
}

macro_rules! on_stores {
    (
        $stores:tt
        $($(#[$doc:meta])* async fn $name:ident($bed:ident: &Bed $(, $config:tt)?) $body:block)*
    ) => {$(
        $(#[$doc])*
        pub(crate) mod $name {
            #[allow(unused_imports, reason = "each test uses its own part of them")]
            use super::*;

            async fn run($bed: &crate::support::Bed) $body

            pub(crate) async fn on(store: crate::support::On) {
                #[allow(unused_mut, unused_assignments, reason = "most tests keep the defaults")]
                let mut config = serde_json::json!({});
                $(config = serde_json::json!($config);)?
                let bed = crate::support::Bed::new(store, config).await;
                run(&bed).await;
                bed.remove().await;
            }

            crate::support::tests_on! { $stores }
        }
    )*};
}

macro_rules! tests_on {
    ([$($test:ident: $store:ident),*]) => {$(
        #[tokio::test]
        async fn $test() {
            on(crate::support::On::$store).await;
        }
    )*};
}

pub(crate) use {on_every_store, on_managed_stores, on_stores, tests_on};

impl Database {
    pub(crate) async fn fresh(on: On) -> Self {
        let name = unique();
        if on.is_sqlite() {
            Self::File(std::env::temp_dir().join(format!("{name}.db")))
        } else {
            execute(&format!("CREATE SCHEMA {name}")).await;
            Self::Schema { name }
        }
    }

    /// Runs statements of the application.
    pub(crate) async fn run(&self, sql: &str) {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self {
            Self::File(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true);
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
            Self::Schema { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Schema { name } => {
                let server = server();
                let sign = if server.contains('?') { '&' } else { '?' };
                format!("{server}{sign}options[search_path]={name}")
            }
        }
    }

    /// Returns the only column of the only row of a query as text.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        match self {
            Self::File(path) => {
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Self::Schema { .. } => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    /// Returns the content of the database as bytes.
    pub(crate) async fn dump(&self) -> Vec<u8> {
        match self {
            Self::File(path) => {
                let log = std::fs::read(format!("{}-wal", path.display())).unwrap_or_default();
                [std::fs::read(path).unwrap(), log].concat()
            }
            Self::Schema { name } => {
                let mut connection = PgConnection::connect(&server()).await.unwrap();
                let mut all = Vec::new();
                for table in [
                    "auth_users",
                    "auth_standing",
                    "auth_sessions",
                    "auth_credentials",
                    "auth_challenges",
                    "auth_limits",
                    "auth_outbox",
                    "auth_signing_keys",
                ] {
                    let sql = format!("SELECT row_to_json(t)::text FROM {name}.{table} t");
                    let sql = sqlx::query(sqlx::AssertSqlSafe(sql));
                    for row in sql.fetch_all(&mut connection).await.unwrap() {
                        all.extend(row.get::<String, _>(0).into_bytes());
                    }
                }
                all
            }
        }
    }

    pub(crate) async fn remove(self) {
        match self {
            Self::File(path) => {
                for end in ["", "-wal", "-shm"] {
                    let _absent = std::fs::remove_file(format!("{}{end}", path.display()));
                }
            }
            // A node may still be polling for changes, which locks tables in another order.
            Self::Schema { name } => {
                let drop: std::sync::Arc<str> = format!("DROP SCHEMA {name} CASCADE").into();
                let drop = || sqlx::raw_sql(sqlx::AssertSqlSafe(drop.clone()));
                let mut connection = PgConnection::connect(&server()).await.unwrap();
                while let Err(error) = drop().execute(&mut connection).await {
                    let code = error.as_database_error().and_then(|error| error.code());
                    assert_eq!(code.as_deref(), Some("40P01"), "{error}");
                }
                connection.close().await.unwrap();
            }
        }
    }
}

/// Waits until a condition is met.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{what} did not happen");
}

impl Bed {
    pub(crate) async fn run(&self, sql: &str) {
        self.database.run(sql).await;
    }

    pub(crate) async fn text(&self, sql: &str) -> String {
        self.database.text(sql).await
    }

    /// Runs the migrations again, as a new version does when it starts.
    pub(crate) async fn migrate(&self) {
        Store::open(&self.database.url(), 2).await.unwrap().close().await;
    }

    /// Another node on the same database.
    pub(crate) async fn beside(other: &Self) -> Self {
        let url = other.database.url();
        let config = cheap(json!({}), On::Postgres, &url);
        let bed = Testbed::build(serde_json::from_value(config).unwrap(), still()).await.unwrap();
        let app = TestApp::serve(bed.router()).await;
        let Database::Schema { name } = &other.database else { panic!("a file has one node") };
        Self { bed, app, database: Database::Schema { name: name.clone() } }
    }

    /// Starts another instance on the same database, with this user storage.
    pub(crate) async fn joined(other: &Self, on: On, users: UserStorage) -> Self {
        Self::joined_with(other, on, users, json!({})).await
    }

    /// The same with another configuration.
    pub(crate) async fn joined_with(
        other: &Self,
        on: On,
        users: UserStorage,
        config: Value,
    ) -> Self {
        let config = cheap(config, on, &other.database.url());
        let config: Config = serde_json::from_value(config).unwrap();
        let store = Store::open(&config.database, config.pool_max).await.unwrap();
        let bed = Testbed::over(store, users, config, still()).unwrap();
        let app = TestApp::serve(documented(&bed, on)).await;
        let database = match &other.database {
            Database::File(path) => Database::File(path.clone()),
            Database::Schema { name } => Database::Schema { name: name.clone() },
        };
        Self { bed, app, database }
    }

    /// Builds the testbed as the binary does, with users in this mode.
    pub(crate) async fn in_mode(on: On, mode: &str) -> Self {
        Self::in_mode_with(on, mode, json!({})).await
    }

    /// The same with another configuration.
    pub(crate) async fn in_mode_with(on: On, mode: &str, mut config: Value) -> Self {
        let database = Database::fresh(on).await;
        config["user_mode"] = json!(mode);
        let config = cheap(config, on, &database.url());
        let bed = Testbed::build(serde_json::from_value(config).unwrap(), still()).await.unwrap();
        let app = TestApp::serve(documented(&bed, on)).await;
        Self { bed, app, database }
    }

    pub(crate) async fn new(on: On, config: Value) -> Self {
        Self::over(on, config, async |store, database| match on {
            On::SqliteMapped | On::PostgresMapped => {
                let is_sqlite = on.is_sqlite();
                database.run(if is_sqlite { ACCOUNTS_SQLITE } else { ACCOUNTS_POSTGRES }).await;
                store.mapped(accounts()).await.unwrap()
            }
            On::SqliteCustom | On::PostgresCustom => UserStorage::custom(Memory::default()),
            _ => UserStorage::managed(),
        })
        .await
    }

    /// Builds the testbed with the user storage that `place` creates.
    pub(crate) async fn over(
        on: On,
        config: Value,
        place: impl AsyncFnOnce(&Store, &Database) -> UserStorage,
    ) -> Self {
        let database = Database::fresh(on).await;
        let config = cheap(config, on, &database.url());
        let config: Config = serde_json::from_value(config).unwrap();
        let store = Store::open(&config.database, config.pool_max).await.unwrap();
        let users = place(&store, &database).await;
        let bed = Testbed::over(store, users, config, still()).unwrap();
        let app = TestApp::serve(documented(&bed, on)).await;
        Self { bed, app, database }
    }

    pub(crate) fn client(&self) -> TestClient {
        self.app.client()
    }

    pub(crate) async fn dump(&self) -> Vec<u8> {
        self.database.dump().await
    }

    /// Signs up a user in a new browser.
    pub(crate) async fn browser(&self, email: &str) -> TestClient {
        let client = self.client();
        let answer = sign_up(&client, email).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        client
    }

    /// Signs up a user with a native client, and returns the client and its tokens.
    pub(crate) async fn native(&self, email: &str) -> (TestClient, String, String) {
        let body = json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
        let answer = self.client().post("/auth/sign-up", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let tokens = &answer.json()["tokens"];
        let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let access = token("access_token");
        (self.client().bearer(&access), access, token("refresh_token"))
    }

    /// Returns whether the store has confirmed the current generation of a session.
    pub(crate) async fn is_confirmed(&self, id: SessionId) -> bool {
        let found = match &self.bed.store {
            Store::Sqlite(store) => store.with_own_counters().find(id).await,
            Store::Postgres(store) => store.with_own_counters().find(id).await,
        };
        found.unwrap().unwrap().row.confirmed_at.is_some()
    }

    /// Makes the database reject rotations.
    pub(crate) async fn reject_rotations(&self, reject: bool) {
        match (&self.database, reject) {
            (Database::File(path), _) => {
                let sql = if reject {
                    "CREATE TRIGGER no_rotation BEFORE UPDATE OF generation ON auth_sessions
                    BEGIN SELECT RAISE(FAIL, 'no'); END"
                } else {
                    "DROP TRIGGER no_rotation"
                };
                let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
                let mut connection = options.connect().await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
            (Database::Schema { name }, true) => {
                execute(&format!(
                    "ALTER TABLE {name}.auth_sessions ADD CONSTRAINT no_rotation CHECK (generation = 0)"
                ))
                .await;
            }
            (Database::Schema { name }, false) => {
                execute(&format!("ALTER TABLE {name}.auth_sessions DROP CONSTRAINT no_rotation"))
                    .await;
            }
        }
    }

    pub(crate) async fn statements(&self) -> u64 {
        self.client().get("/testbed/stats").await.json()["statements"].as_u64().unwrap()
    }

    pub(crate) async fn background(&self) -> u64 {
        self.client().get("/testbed/stats").await.json()["background"].as_u64().unwrap()
    }

    /// Waits until the stored last use of every session of a user is `at`.
    pub(crate) async fn wait_until_seen(&self, client: &TestClient, at: &Value) {
        for _ in 0..2000 {
            let sessions = client.get("/auth/sessions").await.json()["sessions"].clone();
            if sessions.as_array().unwrap().iter().all(|session| session["last_seen_at"] == *at) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the last use was not written");
    }

    pub(crate) async fn hashes(&self) -> u64 {
        self.client().get("/testbed/stats").await.json()["hashes"].as_u64().unwrap()
    }

    /// Requests a path until that costs no statement: cache entries are valid once changes are
    /// polled, which may take a moment.
    pub(crate) async fn until_served_from_cache(&self, client: &TestClient, path: &str) {
        for _ in 0..500 {
            let before = self.statements().await;
            assert_eq!(client.get(path).await.status, 200, "{path}");
            if self.statements().await == before {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{path} always costs a statement");
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        let body = json!({ "advance_ms": seconds * 1000 });
        assert_eq!(self.client().post("/testbed/clock", &body).await.status, 200);
    }

    /// Changes a user.
    pub(crate) async fn change(&self, id: &str, change: Value) {
        let path = format!("/testbed/users/{id}");
        let answer = self.client().json(http::Method::PATCH, &path, &change).await;
        assert_eq!(answer.status, 200);
    }

    pub(crate) async fn remove(self) {
        self.bed.store.close().await;
        self.database.remove().await;
    }
}

pub(crate) async fn sign_up(client: &TestClient, email: &str) -> TestResponse {
    client.post("/auth/sign-up", json!({ "email": email, "password": PASSWORD })).await
}

pub(crate) async fn sign_in(client: &TestClient, email: &str, password: &str) -> TestResponse {
    client.post("/auth/sign-in", json!({ "email": email, "password": password })).await
}

pub(crate) async fn id_of(client: &TestClient) -> String {
    client.get("/me").await.json()["id"].as_str().unwrap().to_owned()
}

/// Adds the settings of every test: cheap hashes, and the store.
fn cheap(mut config: Value, on: On, url: &str) -> Value {
    let members = config.as_object_mut().unwrap();
    members.entry("argon2").or_insert(json!({ "m": 64, "t": 1, "p": 1 }));
    // Links and guards lead to the application, except in the tests of the pages.
    members.entry("pages").or_insert(json!(false));
    members.insert("database".to_owned(), json!(url));
    let one = on.has_one_connection();
    members.insert("pool_max".to_owned(), json!(if one { 1 } else { 5 }));
    config
}

/// Returns a clock that only the test advances, so that a slow machine has no effect.
fn still() -> ManualClock {
    ManualClock::at("2026-01-01T00:00:00Z")
}

/// Returns the client of an empty request.
pub(crate) fn client_of(auth: &authlayer::Auth) -> authlayer::Client {
    auth.client(&http::Request::new(()).into_parts().0).unwrap()
}

pub(crate) fn server() -> String {
    std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names a PostgreSQL server; scripts/test starts one")
}

pub(crate) async fn execute(sql: &str) {
    let mut connection = PgConnection::connect(&server()).await.expect("PostgreSQL responds");
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

pub(crate) fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random: u64 = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), number);
    format!("authlayer_test_{}_{number}_{random:x}", std::process::id())
}

/// Derives a UUID from a name, for tables of the application that accept only UUIDs.
pub(crate) fn uuid(name: &str) -> authlayer::UserId {
    let mixed = |all: u128, byte: u8| all.wrapping_mul(0x0100_0000_01b3).wrapping_add(byte.into());
    let hex = format!("{:032x}", name.bytes().fold(7, mixed));
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    authlayer::UserId::new(parts.join("-"))
}
