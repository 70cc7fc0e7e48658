//! Cached sessions and their invalidation. Cache entries live for an hour here, so that only an
//! invalidation can remove them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authlayer::{
    ApiKeys, Auth, CacheOptions, Passkeys, Password, PgStore, RequireUser, SessionOptions,
    SqliteStore, User, UserId, UserStorage,
    crypto::password::{Argon2Params, PasswordHashing},
    store::{AccountStore, SessionStore, Store, sql::Statements},
    testing::{TestApp, TestClient, VirtualAuthenticator},
    users::CachePolicy,
};
use axum::{Json, Router, routing::get};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    passkeys,
    places::{Book, Directory, Memory},
    support::{Database, On, PASSWORD},
};

/// The bound in SECURITY.md: cache entries are invalid this long after the last contact with the
/// database.
const BOUND: Duration = Duration::from_secs(1);

pub(crate) struct Node {
    pub(crate) app: TestApp,
    pub(crate) auth: Auth,
}

pub(crate) async fn node(store: impl Store, users: UserStorage) -> Node {
    node_with(store, users, SessionOptions::default()).await
}

async fn node_with(store: impl Store, users: UserStorage, options: SessionOptions) -> Node {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 19_456, t: 2, p: 1 });
    let cache = CacheOptions::default().max_age(Duration::from_secs(3600));
    let auth = Auth::builder(store)
        .origin("http://localhost:3000")
        .session_options(options.cache(Some(cache)))
        .users(users)
        .rate_limits(authlayer::RateLimits::disabled())
        .flow(Password::new().scheme(cheap))
        .flow(ApiKeys::new())
        .flow(Passkeys::new("Example"))
        .build()
        .unwrap();
    let me = get(async |user: authlayer::AuthUser| Json(user.roles.clone()));
    let proved = RequireUser::new().max_auth_age(Duration::from_secs(600));
    let twice = me.clone().route_layer(proved.clone()).route_layer(RequireUser::new());
    let by_key = get(async |user: authlayer::AuthUser| Json(user.scopes.clone()));
    let by_key = by_key.route_layer(RequireUser::new().allow_api_keys());
    let app = Router::new()
        .route("/proved", get(async || "proved").route_layer(proved))
        .route("/twice", twice)
        .route("/me", me)
        .route("/key", by_key)
        .nest("/auth", auth.router())
        .layer(auth.layer());
    Node { app: TestApp::serve(app).await, auth }
}

impl Node {
    /// Signs up a user and returns the user ID and the access token.
    pub(crate) async fn person(&self, name: &str) -> (UserId, String) {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "transport": "bearer" });
        let made = self.app.client().post("/auth/sign-up", &body).await.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (UserId::new(text(&made["user"]["id"])), text(&made["tokens"]["access_token"]))
    }

    pub(crate) fn client(&self, token: &str) -> TestClient {
        self.app.client().bearer(token)
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.client(token).get("/me").await.status.as_u16()
    }

    /// Sends requests until one costs no statement.
    pub(crate) async fn until_cached(&self, token: &str, statements: impl Fn() -> Statements) {
        for _ in 0..500 {
            let before = statements().request;
            assert_eq!(self.status(token).await, 200);
            if statements().request == before {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the session is never cached");
    }

    /// Sends requests until the response has this status and these roles.
    pub(crate) async fn until_status(&self, token: &str, status: u16, roles: &[&str]) {
        for _ in 0..500 {
            let answer = self.client(token).get("/me").await;
            let same = status != 200 || answer.status == 200 && answer.json() == json!(roles);
            if answer.status == status && same {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("a change is never seen");
    }
}

fn admin(user: &mut User) {
    user.roles = vec!["admin".to_owned()];
}

/// Changes made on one node or by hand are seen on the other node.
async fn two_nodes<S: Store + Clone>(
    database: &Database,
    one: S,
    two: S,
    statements: impl Fn() -> Statements,
) {
    let (here, there) =
        (node(one, UserStorage::managed()).await, node(two, UserStorage::managed()).await);
    let (ada, token) = here.person("ada").await;
    let (bob, others) = here.person("bob").await;
    let (_, by_hand) = here.person("eve").await;
    for token in [&token, &others, &by_hand] {
        here.until_cached(token, &statements).await;
    }
    there.auth.users().edit(&ada, admin).await.unwrap();
    here.until_status(&token, 200, &["admin"]).await;
    here.until_cached(&token, &statements).await;
    assert_eq!(there.client(&token).post("/auth/sign-out", json!({})).await.status, 204);
    here.until_status(&token, 401, &[]).await;
    here.until_cached(&others, &statements).await;
    there.auth.users().disable(&bob).await.unwrap();
    here.until_status(&others, 401, &[]).await;
    here.until_cached(&by_hand, &statements).await;
    database.run("DELETE FROM auth_sessions").await;
    here.until_status(&by_hand, 401, &[]).await;
    let (_, last) = here.person("last").await;
    here.until_cached(&last, &statements).await;
    assert_eq!(there.auth.sessions().revoke_everything().await.unwrap(), 1);
    here.until_status(&last, 401, &[]).await;
}

/// Requests `/key` by an API key until `is_done`.
async fn request_by_key(node: &Node, key: &str, is_done: impl Fn(u16, &serde_json::Value) -> bool) {
    for _ in 0..500 {
        let answer = node.client(key).get("/key").await;
        if is_done(answer.status.as_u16(), &answer.json()) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("a change is never seen");
}

/// An API key is cached like a session: changes of the key and its user on another node, or by
/// hand, invalidate it.
async fn api_keys_are_cached<S: Store + Clone>(
    database: &Database,
    one: S,
    two: S,
    statements: impl Fn() -> Statements,
) {
    let (here, there) =
        (node(one, UserStorage::managed()).await, node(two, UserStorage::managed()).await);
    let (ada, token) = here.person("ada").await;
    let scope = |user: &mut User| user.scopes = vec!["notes:read".to_owned()];
    here.auth.users().edit(&ada, scope).await.unwrap();
    let create = async || {
        let body = json!({ "name": "backup", "scopes": ["notes:read"] });
        let made = here.client(&token).post("/auth/api-keys", &body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let key = made.json()["key"].as_str().unwrap().to_owned();
        for round in 0.. {
            let before = statements().request;
            assert_eq!(here.client(&key).get("/key").await.json(), json!(["notes:read"]));
            if statements().request == before {
                break;
            }
            assert!(round < 500, "the key is never cached");
            sleep(Duration::from_millis(10)).await;
        }
        (made.json()["id"].as_str().unwrap().to_owned(), key)
    };
    let (id, key) = create().await;
    there.auth.users().edit(&ada, |user| user.scopes.clear()).await.unwrap();
    request_by_key(&here, &key, |status, scopes| status == 200 && *scopes == json!([])).await;
    there.auth.users().edit(&ada, scope).await.unwrap();
    request_by_key(&here, &key, |_, scopes| *scopes == json!(["notes:read"])).await;
    let revoke = format!("/auth/api-keys/{id}");
    assert_eq!(
        there.client(&token).json(http::Method::DELETE, &revoke, json!({})).await.status,
        204
    );
    request_by_key(&here, &key, |status, _| status == 401).await;
    let (id, key) = create().await;
    let revoke = format!("/auth/api-keys/{id}");
    assert_eq!(
        here.client(&token).json(http::Method::DELETE, &revoke, json!({})).await.status,
        204
    );
    assert_eq!(here.client(&key).get("/key").await.status, 401, "at once on the same node");
    let (_, key) = create().await;
    database.run("DELETE FROM auth_api_keys").await;
    request_by_key(&here, &key, |status, _| status == 401).await;
    let (_, key) = create().await;
    database.run("UPDATE auth_api_keys SET expires_at = 1").await;
    request_by_key(&here, &key, |status, _| status == 401).await;
    let (_, key) = create().await;
    there.auth.users().disable(&ada).await.unwrap();
    request_by_key(&here, &key, |status, _| status == 401).await;
}

/// Two stores in one schema; the second has one connection.
async fn postgres_stores() -> (Database, PgStore, PgStore) {
    let database = Database::fresh(On::Postgres).await;
    let one = PgStore::connect(&database.url()).await.unwrap();
    let two = PgStore::connect_with(&database.url(), 1).await.unwrap();
    (database, one, two)
}

/// Two stores over one file; the second has one connection.
async fn stores_of_a_file() -> (Database, SqliteStore, SqliteStore) {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let one = SqliteStore::open(&file).await.unwrap();
    let two = SqliteStore::open_with(&file, 0).await.unwrap();
    (database, one, two)
}

#[tokio::test]
async fn api_keys_are_cached_with_postgres() {
    let (database, one, two) = postgres_stores().await;
    api_keys_are_cached(&database, one.clone(), two.clone(), || one.statements()).await;
    one.close().await;
    two.close().await;
    database.remove().await;
}

#[tokio::test]
async fn api_keys_are_cached_with_a_shared_file() {
    let (database, one, two) = stores_of_a_file().await;
    api_keys_are_cached(&database, one.clone(), two, || one.statements()).await;
    database.remove().await;
}

#[tokio::test]
async fn change_on_one_node_invalidates_another_with_postgres() {
    let (database, one, two) = postgres_stores().await;
    two_nodes(&database, one.clone(), two.clone(), || one.statements()).await;
    one.close().await;
    two.close().await;
    database.remove().await;
}

#[tokio::test]
async fn change_by_one_process_invalidates_another_with_a_shared_file() {
    let (database, one, two) = stores_of_a_file().await;
    two_nodes(&database, one.clone(), two, || one.statements()).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let pool = sqlx::SqlitePool::connect(&file).await.unwrap();
    let (shared, other) = (SqliteStore::from_pool(pool).await.unwrap(), one.clone());
    database.run("DELETE FROM auth_users").await;
    two_nodes(&database, shared.clone(), other, || shared.statements()).await;
    database.remove().await;
}

/// Kills the polling connection: the next responses come from the database.
#[tokio::test]
async fn revoked_session_is_rejected_while_the_poll_connection_is_killed() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let other = PgStore::connect(&database.url()).await.unwrap();
    for round in 0..5 {
        let (_, token) = here.person(&format!("ada{round}")).await;
        here.until_cached(&token, || store.statements()).await;
        let id = token_id(&token);
        database.run(CUT).await;
        assert!(other.delete(id).await.unwrap());
        sleep(BOUND).await;
        assert_eq!(here.status(&token).await, 401, "round {round}");
    }
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// Terminates the connections that poll for changes in this schema.
const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'authlayer: changes in ' || current_schema()";

pub(crate) fn token_id(token: &str) -> authlayer::SessionId {
    authlayer::crypto::token::AccessToken::parse(token).unwrap().session
}

/// The network goes silent: nothing arrives on the polling connection, and it is not closed.
#[tokio::test]
async fn revoked_session_is_rejected_while_the_poll_connection_is_silent() {
    let database = Database::fresh(On::Postgres).await;
    let wire = Wire::to(&database.url()).await;
    let store = PgStore::connect(&wire.url).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let other = PgStore::connect(&database.url()).await.unwrap();
    let (_, token) = here.person("ada").await;
    here.until_cached(&token, || store.statements()).await;
    wire.is_silent.store(true, Ordering::SeqCst);
    assert!(other.delete(token_id(&token)).await.unwrap());
    sleep(BOUND).await;
    assert_eq!(here.status(&token).await, 401);
    let (_, token) = here.person("bob").await;
    let before = store.statements().request;
    assert_eq!((here.status(&token).await, here.status(&token).await), (200, 200));
    assert_eq!(store.statements().request - before, 2, "nothing is cached while no poll succeeds");
    wire.is_silent.store(false, Ordering::SeqCst);
    here.until_cached(&token, || store.statements()).await;
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// A proxy to a server that can silence the connections that poll for changes.
struct Wire {
    url: String,
    is_silent: Arc<AtomicBool>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let parsed = reqwest::Url::parse(url).unwrap();
        let server = (parsed.host_str().unwrap().to_owned(), parsed.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut own = parsed.clone();
        own.set_host(Some("127.0.0.1")).unwrap();
        own.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = Arc::clone(&is_silent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let polls = Arc::new(AtomicBool::new(false));
                let quiet = (Arc::clone(&polls), Arc::clone(&silent));
                tokio::spawn(forward(from_client, to_server, Some(polls), None));
                tokio::spawn(forward(from_server, to_client, None, Some(quiet)));
            }
        });
        Self { url: own.to_string(), is_silent }
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    polls: Option<Arc<AtomicBool>>,
    quiet: Option<(Arc<AtomicBool>, Arc<AtomicBool>)>,
) {
    let mut buffer = vec![0; 65536];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let part = &buffer[..read];
        if let Some(polls) = &polls
            && part.windows(14).any(|word| word == b"e ON e.is_only")
        {
            polls.store(true, Ordering::SeqCst);
        }
        while let Some((polls, silent)) = &quiet
            && polls.load(Ordering::SeqCst)
            && silent.load(Ordering::SeqCst)
        {
            sleep(Duration::from_millis(10)).await;
        }
        if to.write_all(part).await.is_err() {
            return;
        }
    }
}

/// A request that starts after a change was acknowledged never reads the previous value, also
/// with many concurrent readers.
async fn next_request_reads_every_change(store: impl Store + Clone) {
    let here = node(store, UserStorage::managed()).await;
    let (ada, token) = here.person("ada").await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop) = (here.client(&token), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/me").await.status, 200);
                }
            })
        })
        .collect();
    for round in 0..200 {
        let roles = vec![format!("round{round}")];
        let change = |user: &mut User| user.roles.clone_from(&roles);
        here.auth.users().edit(&ada, change).await.unwrap();
        assert_eq!(here.client(&token).get("/me").await.json(), json!(roles));
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    here.auth.sessions().revoke(token_id(&token)).await.unwrap();
    assert_eq!(here.status(&token).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn next_request_on_the_same_node_reads_every_change() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    next_request_reads_every_change(store.clone()).await;
    store.close().await;
    database.remove().await;
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    next_request_reads_every_change(SqliteStore::open(&file).await.unwrap()).await;
    next_request_reads_every_change(SqliteStore::memory().await.unwrap()).await;
    database.remove().await;
}

/// No other process writes to a database in memory, so the statement count is exact.
#[tokio::test]
async fn concurrent_requests_of_a_session_share_one_query() {
    let store = SqliteStore::memory().await.unwrap();
    let here = Arc::new(node(store.clone(), UserStorage::managed()).await);
    let (_, token) = here.person("ada").await;
    let before = store.statements().request;
    let all: Vec<_> = (0..32)
        .map(|_| {
            let (here, token) = (Arc::clone(&here), token.clone());
            tokio::spawn(async move { here.status(&token).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(store.statements().request - before, 1);
    assert_eq!(here.status(&token).await, 200);
    assert_eq!(store.statements().request - before, 1);
}

/// With a limit that needs a statement after the insert, and one that needs a transaction.
#[tokio::test]
async fn second_sign_in_does_not_invalidate_the_first_session() {
    for max_per_user in [100, 31, 2] {
        let store = SqliteStore::memory().await.unwrap();
        let options = SessionOptions::default().max_per_user(Some(max_per_user));
        let here = node_with(store.clone(), UserStorage::managed(), options).await;
        let (_, token) = here.person("ada").await;
        here.until_cached(&token, || store.statements()).await;
        let body =
            json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
        assert_eq!(here.app.client().post("/auth/sign-in", &body).await.status, 200);
        let before = store.statements().request;
        assert_eq!(here.status(&token).await, 200);
        assert_eq!(store.statements().request - before, 0, "max_per_user {max_per_user}");
    }
}

#[tokio::test]
async fn session_that_exceeds_the_limit_is_no_longer_cached() {
    for max_per_user in [31, 1] {
        let store = SqliteStore::memory().await.unwrap();
        let options = SessionOptions::default().max_per_user(Some(max_per_user));
        let here = node_with(store.clone(), UserStorage::managed(), options).await;
        let (ada, token) = here.person("ada").await;
        here.until_cached(&token, || store.statements()).await;
        let ada = here.auth.users().find(&ada).await.unwrap().unwrap();
        for _ in 0..max_per_user {
            let (how, client) =
                (authlayer::Factor::Password, authlayer::model::ClientInfo::default());
            let begun =
                here.auth.sessions().create(&ada, how, authlayer::Transport::Bearer, client);
            let _issued = begun.await.unwrap();
        }
        assert_eq!(here.status(&token).await, 401, "max_per_user {max_per_user}");
    }
}

#[tokio::test]
async fn logout_at_a_provider_invalidates_only_the_sessions_it_revokes() {
    let store = SqliteStore::memory().await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let (ada, token) = here.person("ada").await;
    let ada = here.auth.users().find(&ada).await.unwrap().unwrap();
    let upstream = authlayer::model::IdpSession {
        provider: "idp".to_owned(),
        subject: "ada".to_owned(),
        session: Some("first".to_owned()),
        issuer: None,
    };
    let beginning = authlayer::session::NewSession {
        is_persistent: true,
        factors: Vec::new(),
        transport: authlayer::Transport::Bearer,
        client: authlayer::model::ClientInfo::default(),
        upstream: Some(upstream),
        using: None,
        tags: Vec::new(),
        binding: None,
    };
    let begun = here.auth.sessions().create_with(&ada, beginning).await.unwrap();
    let from_provider = begun.access.expose().to_owned();
    for token in [&token, &from_provider] {
        here.until_cached(token, || store.statements()).await;
    }
    let tag = |own: &str| authlayer::services::SessionTag::new("oauth", own);
    let revoked = store.delete_tagged(&[tag("idp/subject/bob")]).await;
    assert_eq!(revoked.unwrap(), 0);
    let before = store.statements().request;
    for token in [&token, &from_provider] {
        assert_eq!(here.status(token).await, 200);
    }
    assert_eq!(store.statements().request - before, 0, "no session was revoked");
    let ended = store.delete_tagged(&[tag("idp/session/first")]).await;
    assert_eq!(ended.unwrap(), 1);
    let before = store.statements().request;
    assert_eq!(here.status(&token).await, 200);
    assert_eq!(store.statements().request - before, 0, "another session was revoked");
    assert_eq!(here.status(&from_provider).await, 401);
}

#[tokio::test]
async fn cache_entry_expires_at_max_age() {
    let store = SqliteStore::memory().await.unwrap();
    let cache = CacheOptions::default().max_age(Duration::ZERO);
    let auth = Auth::builder(store.clone())
        .origin("http://localhost:3000")
        .session_options(SessionOptions::default().cache(Some(cache)))
        .flow(Password::new())
        .build()
        .unwrap();
    let user = User::new(UserId::new("ada"), jiff::Timestamp::UNIX_EPOCH);
    let user = auth.users().create(&user).await.unwrap();
    let (how, client) = (authlayer::Factor::Password, authlayer::model::ClientInfo::default());
    let begun = auth.sessions().create(&user, how, authlayer::Transport::Bearer, client).await;
    let token = begun.unwrap().access.expose().to_owned();
    let token = authlayer::crypto::token::AccessToken::parse(&token).unwrap();
    let before = store.statements().request;
    for _ in 0..3 {
        assert!(auth.sessions().verify(&token).await.unwrap().is_valid());
    }
    assert_eq!(store.statements().request - before, 3);
}

/// Users in a table of the application are cached if the table has our trigger. Without it they
/// are read each time.
#[tokio::test]
async fn trigger_on_a_mapped_table_invalidates_the_cache() {
    let database = Database::fresh(On::Postgres).await;
    database.run(crate::places::ACCOUNTS_POSTGRES).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    database.run(TOLD).await;
    let users = UserStorage::mapped(&store, crate::places::accounts()).await.unwrap();
    let here = node(store.clone(), users).await;
    let (ada, token) = here.person("ada").await;
    here.until_cached(&token, || store.statements()).await;
    database.run("UPDATE accounts SET roles = '{admin}'").await;
    here.until_status(&token, 200, &["admin"]).await;
    here.until_cached(&token, || store.statements()).await;
    here.auth.users().edit(&ada, |user| user.roles.clear()).await.unwrap();
    assert_eq!(here.client(&token).get("/me").await.json(), json!([]));
    here.until_cached(&token, || store.statements()).await;
    database.run("DELETE FROM accounts").await;
    here.until_status(&token, 401, &[]).await;
    store.close().await;
    database.remove().await;
}

/// The triggers in the guide.
pub(crate) const TOLD: &str = "CREATE TRIGGER told AFTER UPDATE OR DELETE ON accounts
        FOR EACH ROW EXECUTE FUNCTION auth_user_told('account_id');
    CREATE TRIGGER told_when_emptied AFTER TRUNCATE ON accounts
        FOR EACH STATEMENT EXECUTE FUNCTION auth_user_told('account_id')";

/// The application notifies its change, and both nodes are invalidated.
#[tokio::test]
async fn changes_notified_by_the_application_invalidate_both_nodes() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    let (here, there) = (
        node(store.clone(), UserStorage::managed()).await,
        node(store.clone(), UserStorage::managed()).await,
    );
    let other = PgStore::connect(&database.url()).await.unwrap();
    let elsewhere = node(other.clone(), UserStorage::managed()).await;
    let (ada, token) = here.person("ada").await;
    for node in [&here, &there] {
        node.until_cached(&token, || store.statements()).await;
    }
    elsewhere.until_cached(&token, || other.statements()).await;
    here.auth.users().notify_changed(&ada).await.unwrap();
    for node in [&here, &there] {
        let before = store.statements().request;
        assert_eq!(node.status(&token).await, 200);
        assert_eq!(store.statements().request - before, 1, "fetched again");
    }
    let before = other.statements().request;
    for _ in 0..500 {
        assert_eq!(elsewhere.status(&token).await, 200);
        if other.statements().request > before {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(other.statements().request > before, "fetched again on the other node");
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// Cached for an hour, so that only an invalidation can remove an entry.
fn long() -> CachePolicy {
    CachePolicy::default().fresh(Duration::from_secs(3600)).users(100)
}

/// The user stores of an application that both nodes use.
#[derive(Default)]
struct Places {
    book: Book,
    directory: Directory,
    memory: Memory,
}

impl Places {
    fn users(&self, mode: &str) -> UserStorage {
        match mode {
            "managed_with_claims" => {
                UserStorage::managed_with_claims_cached(self.book.clone(), long())
            }
            "external" => UserStorage::external_with(self.directory.clone(), long()),
            _ => UserStorage::custom(self.memory.clone()),
        }
    }

    fn make_admin(&self, mode: &str, id: &UserId) {
        match mode {
            "managed_with_claims" => self.book.say(id, &|user| admin(user)),
            "external" => self.directory.say(id, &|user| admin(user)),
            _ => admin(self.memory.users.lock().unwrap().get_mut(id).unwrap()),
        }
    }
}

/// A change made outside of our tables is applied on this node at once and on the other node
/// soon after the application notifies it.
async fn notified_external_change(one: impl Store + Clone, two: impl Store + Clone) {
    for mode in ["managed_with_claims", "external", "custom"] {
        let places = Places::default();
        let here = node(one.clone(), places.users(mode)).await;
        let there = node(two.clone(), places.users(mode)).await;
        let (ada, token) = here.person(mode).await;
        here.until_status(&token, 200, &[]).await;
        there.until_status(&token, 200, &[]).await;
        places.make_admin(mode, &ada);
        here.auth.users().notify_changed(&ada).await.unwrap();
        assert_eq!(here.client(&token).get("/me").await.json(), json!(["admin"]), "{mode}");
        there.until_status(&token, 200, &["admin"]).await;
    }
}

#[tokio::test]
async fn notified_change_of_an_external_user_reaches_each_node_with_postgres() {
    let database = Database::fresh(On::Postgres).await;
    let one = PgStore::connect(&database.url()).await.unwrap();
    let two = PgStore::connect(&database.url()).await.unwrap();
    notified_external_change(one.clone(), two.clone()).await;
    one.close().await;
    two.close().await;
    database.remove().await;
}

#[tokio::test]
async fn notified_change_of_an_external_user_reaches_each_process_with_a_file() {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let one = SqliteStore::open(&file).await.unwrap();
    let two = SqliteStore::open(&file).await.unwrap();
    notified_external_change(one.clone(), two.clone()).await;
    one.close().await;
    two.close().await;
    database.remove().await;
}

/// Nothing else is written to the file.
#[tokio::test]
async fn noop_write_invalidates_other_processes() {
    let database = Database::fresh(On::Sqlite).await;
    let file = database.url().trim_start_matches("sqlite:").to_owned();
    let one = SqliteStore::open(&file).await.unwrap();
    let two = SqliteStore::open(&file).await.unwrap();
    let (changes, ada) = (two.changes(), UserId::new("ada"));
    let soon = async |is_so: &dyn Fn() -> bool| {
        for _ in 0..500 {
            if changes.is_leased(changes.now()) && is_so() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("the other process is never invalidated");
    };
    soon(&|| true).await;
    for _ in 0..2 {
        let reading = changes.version_of_user(changes.start_read(), &ada);
        assert!(!changes.may_be_stale(&reading));
        one.announce(&ada).await.unwrap();
        soon(&|| changes.may_be_stale(&reading)).await;
    }
    one.close().await;
    two.close().await;
    database.remove().await;
}

/// Without a lease, users are fetched again instead of being read from the cache.
#[tokio::test]
async fn external_users_are_fetched_while_the_poll_connection_is_silent() {
    let database = Database::fresh(On::Postgres).await;
    let wire = Wire::to(&database.url()).await;
    let store = PgStore::connect(&wire.url).await.unwrap();
    let other = PgStore::connect(&database.url()).await.unwrap();
    for mode in ["managed_with_claims", "external"] {
        let places = Places::default();
        let here = node(store.clone(), places.users(mode)).await;
        let there = node(other.clone(), places.users(mode)).await;
        let (ada, token) = here.person(mode).await;
        here.until_status(&token, 200, &[]).await;
        wire.is_silent.store(true, Ordering::SeqCst);
        places.make_admin(mode, &ada);
        there.auth.users().notify_changed(&ada).await.unwrap();
        sleep(BOUND).await;
        assert_eq!(here.client(&token).get("/me").await.json(), json!(["admin"]), "{mode}");
        wire.is_silent.store(false, Ordering::SeqCst);
    }
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// Requests for credentials or connections that outlive a session, and requests that require a
/// recent authentication, bypass the cache: here the revocation has not been polled yet.
#[tokio::test]
async fn revoked_session_cannot_create_credentials_or_open_connections() {
    let database = Database::fresh(On::Postgres).await;
    let wire = Wire::to(&database.url()).await;
    let store = PgStore::connect(&wire.url).await.unwrap();
    let other = PgStore::connect(&database.url()).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    for (method, path) in [
        (http::Method::GET, "/proved"),
        (http::Method::POST, "/auth/api-keys"),
        (http::Method::POST, "/auth/password/change"),
        (http::Method::DELETE, "/auth/account"),
    ] {
        let (_, token) = here.person(&path.replace('/', "")).await;
        here.until_cached(&token, || store.statements()).await;
        wire.is_silent.store(true, Ordering::SeqCst);
        assert!(other.delete(token_id(&token)).await.unwrap());
        let body = json!({ "name": "backup", "current_password": PASSWORD, "new_password": "zq8 xw2v fig" });
        let answer = here.client(&token).json(method, path, &body).await;
        assert_eq!(answer.status, 401, "{path}");
        wire.is_silent.store(false, Ordering::SeqCst);
    }
    let (ada, token) = here.person("ada").await;
    here.until_cached(&token, || store.statements()).await;
    wire.is_silent.store(true, Ordering::SeqCst);
    let there = node(other.clone(), UserStorage::managed()).await;
    there.auth.users().edit(&ada, admin).await.unwrap();
    let after_both = here.client(&token).get("/twice").await;
    assert_eq!(
        after_both.json(),
        json!(["admin"]),
        "the handler receives the user that the last guard read"
    );
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// A ceremony is revoked with the session that began it: it creates no passkey and no session.
#[tokio::test]
async fn revoked_session_cannot_finish_a_ceremony() {
    let database = Database::fresh(On::Postgres).await;
    let wire = Wire::to(&database.url()).await;
    let store = PgStore::connect(&wire.url).await.unwrap();
    let other = PgStore::connect(&database.url()).await.unwrap();
    let here = node(store.clone(), UserStorage::managed()).await;
    let (_, token) = here.person("ada").await;
    let (client, mut key) = (here.client(&token), VirtualAuthenticator::new(passkeys::ORIGIN));
    let begun = passkeys::begin(&client, "register", &json!({})).await;
    let credential = key.register(&begun["options"]);
    let made = passkeys::finish(&client, "register", &begun, &credential).await;
    assert_eq!(made.status, 201);
    let mut token = made.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
    for what in ["register", "verify"] {
        let client = here.client(&token);
        let begun = passkeys::begin(&client, what, &json!({})).await;
        let credential = match what {
            "register" => VirtualAuthenticator::new(passkeys::ORIGIN).register(&begun["options"]),
            _ => key.authenticate(&begun["options"]),
        };
        here.until_cached(&token, || store.statements()).await;
        wire.is_silent.store(true, Ordering::SeqCst);
        assert!(other.delete(token_id(&token)).await.unwrap());
        let answer = passkeys::finish(&client, what, &begun, &credential).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.json());
        wire.is_silent.store(false, Ordering::SeqCst);
        let email =
            json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
        let again = here.app.client().post("/auth/sign-in", &email).await;
        token = again.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        let listed = here.client(&token).get("/auth/passkeys").await.json();
        assert_eq!(listed["passkeys"].as_array().unwrap().len(), 1, "{what}");
        let sessions = here.client(&token).get("/auth/sessions").await.json();
        assert_eq!(
            sessions["sessions"].as_array().unwrap().len(),
            1,
            "{what}: only the first session"
        );
    }
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}
