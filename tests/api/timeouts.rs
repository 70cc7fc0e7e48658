//! Unresponsive databases: every statement has a timeout, and no connection is lost.

use std::time::Duration;

use authlayer::{
    Auth, Email, EventKind, Password, PgStore, PgStoreOptions, User, UserId,
    crypto::password::{Argon2Params, PasswordHashing},
    store::{AccountStore, EventQuery, Store, UserOrigin},
    testing::{TestApp, TestClient},
};
use axum::Router;
use futures_util::future::join_all;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::time::{sleep, timeout};

use crate::{
    proxy::{Proxy, SYNC},
    support::{Database, On, PASSWORD, sign_in, sign_up},
};

const LIMIT: Duration = Duration::from_secs(1);
const SLOTS: u32 = 3;
/// An operation that takes this long counts as hung.
const FOREVER: Duration = Duration::from_secs(30);

fn options() -> PgStoreOptions {
    PgStoreOptions::new().max_connections(SLOTS).statement_timeout(LIMIT)
}

/// Returns a pool of the application through a proxy, which never tests its connections.
fn pool(proxy: &Proxy, slots: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(slots)
        .acquire_timeout(FOREVER)
        .test_before_acquire(false)
        .connect_lazy_with(proxy.options())
}

async fn all_slots_are_free(pool: &PgPool, slots: u32) {
    let mut held = Vec::new();
    for number in 1..=slots {
        let acquired = timeout(FOREVER, pool.acquire()).await;
        held.push(acquired.unwrap_or_else(|_| panic!("slot {number} is lost")).unwrap());
    }
}

pub(crate) async fn serve<S: Store>(store: S) -> (Auth, TestApp) {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(store)
        .origin("http://localhost:3000")
        .rate_limits(authlayer::RateLimits::disabled())
        .audit_log(Duration::from_secs(3600))
        .flow(Password::new().insecure_scheme(cheap))
        .build()
        .unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    (auth, TestApp::serve(app).await)
}

async fn session(client: &TestClient) -> u16 {
    let answer = timeout(FOREVER, client.get("/auth/session")).await.expect("an answer");
    answer.status.as_u16()
}

/// Repeats the requests until all of them succeed: a connection attempt that began during the
/// silence may still be running.
async fn until_recovered(client: &TestClient) {
    for _ in 0..50 {
        let answers = join_all((0..SLOTS * 2).map(|_| session(client))).await;
        if answers.iter().all(|status| *status == 200) {
            return;
        }
    }
    panic!("requests are still rejected");
}

async fn silence_and_recovery(database: &Database, proxy: &Proxy, store: PgStore) {
    let (auth, app) = serve(store.clone()).await;
    let browser = app.client();
    assert_eq!(sign_up(&browser, "ada@example.com").await.status, 201);
    until_recovered(&browser).await;

    proxy.silence();
    // All cache entries expire within a second, so that the requests reach the database.
    for _ in 0..500 {
        if session(&browser).await != 200 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    let answers = join_all((0..SLOTS * 3).map(|_| browser.get("/auth/session")));
    for answer in timeout(FOREVER, answers).await.expect("answers") {
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!("unavailable")));
    }
    let client = app.client();
    let answer = timeout(FOREVER, sign_in(&client, "ada@example.com", PASSWORD)).await;
    assert_eq!(answer.expect("an answer").status, 503);
    assert!(timeout(FOREVER, auth.sweep()).await.expect("an outcome").is_err());

    proxy.restore();
    until_recovered(&browser).await;
    auth.sweep().await.unwrap();
    let wrong = sign_in(&app.client(), "ada@example.com", "a wrong guess").await;
    assert_eq!(wrong.status, 401);
    timeout(FOREVER, auth.shutdown(Duration::from_secs(60))).await.expect("the audit writer works");
    let failed = EventQuery::default().kind(EventKind::SignInFailed);
    assert!(!auth.audit_log().unwrap().query(&failed, 10).await.unwrap().is_empty());
    // Another connection polls again: sessions are cached, and changes by others are detected.
    for round in 0.. {
        let before = store.statements().request;
        assert_eq!(session(&browser).await, 200);
        if store.statements().request == before {
            break;
        }
        assert!(round < 1_000, "nothing is cached");
        sleep(Duration::from_millis(10)).await;
    }
    database.run("DELETE FROM auth_sessions").await;
    for round in 0.. {
        if session(&browser).await == 401 {
            break;
        }
        assert!(round < 500, "a change by others is not detected");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn silent_server_is_unavailable_and_recovers() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let store = options().connect(proxy.url()).await.unwrap();
    silence_and_recovery(&database, &proxy, store.clone()).await;
    timeout(FOREVER, store.close()).await.expect("the pool closes");
    database.remove().await;
}

#[tokio::test]
async fn silent_server_costs_an_application_pool_no_slot() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let pool = pool(&proxy, SLOTS);
    let store = options().with_pool(pool.clone()).await.unwrap();
    silence_and_recovery(&database, &proxy, store.clone()).await;
    all_slots_are_free(&pool, SLOTS).await;
    timeout(FOREVER, store.close()).await.expect("the pool closes");
    database.remove().await;
}

/// The client of a handler disconnects in the middle of a statement or transaction.
#[tokio::test]
async fn dropped_future_on_a_silent_connection_costs_no_slot() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let pool = pool(&proxy, 1);
    let store = options().with_pool(pool.clone()).await.unwrap();
    let ada = UserId::new("ada");
    let made = User::new(ada.clone(), jiff::Timestamp::UNIX_EPOCH);
    for in_transaction in [false, true] {
        assert!(store.find_user(&ada).await.unwrap().is_none(), "one connection is open");
        while pool.num_idle() == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        proxy.silence();
        let dropped = tokio::select! {
            _ = store.find_user(&ada), if !in_transaction => panic!("the server is silent"),
            _ = store.create_user(&made, None, UserOrigin::SignUp.into()), if in_transaction => panic!("the server is silent"),
            message = proxy.dropped() => message,
        };
        assert_ne!(dropped, SYNC, "a statement or a BEGIN was sent, and no ping");
        proxy.restore();
        all_slots_are_free(&pool, 1).await;
    }
    store.close().await;
    database.remove().await;
}

/// sqlx pings a connection before it returns to its pool.
#[tokio::test]
async fn connection_that_is_silent_on_return_costs_no_slot() {
    let database = Database::fresh(On::Postgres).await;
    let proxy = Proxy::before(&database).await;
    let pool = pool(&proxy, 1);
    let store = options().with_pool(pool.clone()).await.unwrap();
    while pool.num_idle() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    proxy.silence_at_ping();
    assert!(store.find_user(&UserId::new("ada")).await.unwrap().is_none());
    proxy.dropped().await;
    proxy.restore();
    all_slots_are_free(&pool, 1).await;
    store.close().await;
    database.remove().await;
}

/// Another transaction holds a lock. The server cancels the statement too, so that no abandoned
/// statement continues after its connection was closed.
#[tokio::test]
async fn statement_that_waits_for_a_lock_ends_on_the_server_too() {
    let database = Database::fresh(On::Postgres).await;
    let name = format!("waiting-{}", std::process::id());
    let url = format!("{}&application_name={name}", database.url());
    let store = options().connect(&url).await.unwrap();
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE auth_users").execute(&mut holder).await.unwrap();
    let ada = Email::parse("ada@example.com").unwrap();
    let found = timeout(FOREVER, store.find_user_by_email(&ada)).await.expect("an outcome");
    assert!(found.is_err());
    let waiting = format!(
        "SELECT COUNT(*) FROM pg_stat_activity
        WHERE application_name = '{name}' AND wait_event_type = 'Lock'"
    );
    let mut watcher = PgConnection::connect(&database.url()).await.unwrap();
    for round in 0.. {
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(waiting.clone()))
            .fetch_one(&mut watcher)
            .await
            .unwrap();
        if count == 0 {
            break;
        }
        assert!(round < 1_000, "the statement still waits");
        sleep(Duration::from_millis(10)).await;
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(store.find_user_by_email(&ada).await.unwrap().is_none());
    store.close().await;
    database.remove().await;
}

/// Clients that disconnect while their statements wait do not make the pool exceed its maximum
/// number of connections.
#[tokio::test]
async fn dropped_futures_do_not_exceed_the_pool() {
    let database = Database::fresh(On::Postgres).await;
    let name = format!("dropped-{}", std::process::id());
    let url = format!("{}&application_name={name}", database.url());
    let options = PgStoreOptions::new().max_connections(2).statement_timeout(FOREVER);
    let store = options.connect(&url).await.unwrap();
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    let mut watcher = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE auth_users").execute(&mut holder).await.unwrap();
    let ada = UserId::new("ada");
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity
        WHERE application_name = $1 AND wait_event_type = 'Lock'";
    let mut most = 0;
    for _ in 0..10 {
        let mut abandoned = Box::pin(store.find_user(&ada));
        for _ in 0..20 {
            assert!(futures_util::poll!(&mut abandoned).is_pending());
            sleep(Duration::from_millis(5)).await;
        }
        drop(abandoned);
        let count = sqlx::query_scalar(waiting).bind(&name).fetch_one(&mut watcher).await;
        most = i64::max(most, count.unwrap());
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!((1..=2).contains(&most), "{most} statements wait on two connections");
    assert!(store.find_user(&ada).await.unwrap().is_none());
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn statement_timeout_outside_its_range_is_rejected_by_name() {
    let database = Database::fresh(On::Postgres).await;
    for limit in [Duration::ZERO, Duration::from_micros(999), Duration::from_secs(2_592_000)] {
        let opened = PgStoreOptions::new().statement_timeout(limit).connect(&database.url()).await;
        let error = std::error::Error::source(&opened.unwrap_err()).unwrap().to_string();
        assert!(error.contains("statement_timeout") && error.contains(&format!("{limit:?}")));
    }
    database.remove().await;
}
