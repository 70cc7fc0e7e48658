//! Races step by step, where PostgreSQL lets one transaction see part of another.

use std::time::Duration;

use authlayer::{
    PgStore, UserId,
    store::{AccountStore, AccountWrites, EndSessions, SessionStore, Store},
};
use serde_json::json;
use sqlx::{Connection, PgConnection, Row};
use tokio::time::sleep;

use crate::{
    cache::{node, token_id},
    support::{Bed, Database, On, PASSWORD, sign_in},
};

async fn count(connection: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query(sql).fetch_one(connection).await.unwrap().get(0)
}

/// C5: a sign-in with a password that is being changed creates no session, at any point of the
/// change.
#[tokio::test]
async fn sign_in_during_a_password_change_creates_no_session() {
    let bed = Bed::new(On::Postgres, json!({})).await;
    bed.browser("ada@example.com").await;
    let url = bed.database.url();
    let mut changing = PgConnection::connect(&url).await.unwrap();
    let mut watching = PgConnection::connect(&url).await.unwrap();
    // The steps of the change: the password, then the sessions, not yet committed.
    let half = "BEGIN; UPDATE auth_credentials SET updated_at = updated_at + 1;
        DELETE FROM auth_sessions";
    sqlx::raw_sql(half).execute(&mut changing).await.unwrap();
    let before = count(&mut watching, "SELECT COUNT(*) FROM auth_sessions").await;
    let client = bed.client();
    let late =
        tokio::spawn(async move { sign_in(&client, "ada@example.com", PASSWORD).await.status });
    while count(&mut watching, "SELECT COUNT(*) FROM auth_sessions").await == before {
        sleep(Duration::from_millis(5)).await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut changing).await.unwrap();
    assert_eq!(late.await.unwrap(), 401);
    assert_eq!(count(&mut watching, "SELECT COUNT(*) FROM auth_sessions").await, 0);
    drop((changing, watching));
    bed.remove().await;
}

/// A request that is canceled while its transaction begins leaves no open transaction: later
/// writes on that connection would never be committed.
#[tokio::test]
async fn canceled_request_leaves_no_open_transaction() {
    let database = Database::fresh(On::Postgres).await;
    let store = PgStore::connect_with(&database.url(), 1).await.unwrap();
    let other = PgStore::connect(&database.url()).await.unwrap();
    let there = node(other.clone(), authlayer::UserStorage::managed()).await;
    let (ada, _) = there.person("ada").await;
    // Canceled after this many polls, before or after a response has arrived.
    let pauses = [Duration::from_micros(50), Duration::from_millis(1), Duration::from_millis(2)];
    for (number, pause) in (0..72).zip(pauses.into_iter().cycle()) {
        let polls = number / 3 % 6;
        let (_, token) = there.person(&format!("p{number}")).await;
        assert!(store.find_access(token_id(&token)).await.unwrap().is_some());
        let end = |own: &authlayer::User| {
            Some(AccountWrites { end: EndSessions::All, ..AccountWrites::new(own.clone()) })
        };
        let mut abandoned = Box::pin(store.apply(&ada, &end));
        for _ in 0..polls {
            if futures_util::poll!(&mut abandoned).is_ready() {
                break;
            }
            sleep(pause).await;
        }
        drop(abandoned);
        assert!(store.delete(token_id(&token)).await.unwrap());
        let found = other.find_access(token_id(&token)).await.unwrap();
        assert!(found.is_none(), "committed, after {polls} polls");
    }
    for store in [store, other] {
        store.close().await;
    }
    database.remove().await;
}

/// A restarted server closes all connections: reads use a new one instead of failing with 503.
#[tokio::test]
async fn reads_succeed_after_the_server_ended_all_connections() {
    let database = Database::fresh(On::Postgres).await;
    let mut server = PgConnection::connect(&database.url()).await.unwrap();
    for (is_own, size) in [(true, 1), (true, 4), (false, 4)] {
        let name = format!("ended-{}-{is_own}-{size}", std::process::id());
        let url = format!("{}&application_name={name}", database.url());
        let store = if is_own {
            PgStore::connect_with(&url, size).await.unwrap()
        } else {
            let pool = sqlx::postgres::PgPoolOptions::new().max_connections(size);
            PgStore::from_pool(pool.connect(&url).await.unwrap()).await.unwrap()
        };
        let user = UserId::new("ada");
        for _ in 0..3 {
            let warm = (0..size).map(|_| store.find_user(&user));
            for found in futures_util::future::join_all(warm).await {
                assert!(found.unwrap().is_none());
            }
            let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                WHERE application_name = $1";
            let ended = sqlx::query(end).bind(&name).fetch_all(&mut server).await.unwrap();
            assert!(!ended.is_empty());
            assert!(store.find_user(&user).await.unwrap().is_none(), "own {is_own}, {size}");
            let ended = sqlx::query(end).bind(&name).fetch_all(&mut server).await.unwrap();
            assert!(!ended.is_empty());
            assert!(store.list_users(None, 10).await.unwrap().is_empty(), "own {is_own}, {size}");
            assert!(store.server_time().await.unwrap().is_some());
        }
        store.close().await;
    }
    database.remove().await;
}
