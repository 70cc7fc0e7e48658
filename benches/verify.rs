//! The time from a token to its user: parsing, a cache hit, and the one statement of a cache miss.
//! The part over PostgreSQL runs if `DATABASE_URL` names a database, to which the benchmark writes.
//!
//! `cargo bench --features sqlite,postgres --bench verify`

#![allow(clippy::expect_used, reason = "a benchmark that fails should stop")]

use std::{env, hint::black_box};

use authlayer::{
    Auth, Factor, PgStore, SessionId, SessionOptions, SqliteStore, Transport, User, UserId,
    clock::{Clock, SystemClock},
    crypto::{random, token::AccessToken},
    model::ClientInfo,
    store::Store,
};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use tokio::runtime::Runtime;

/// Signs in a new user, and returns the access token.
async fn signed_in(store: impl Store, is_kept: bool) -> (Auth, String) {
    let options = SessionOptions::default();
    let options = if is_kept { options } else { options.cache(None) };
    let built =
        Auth::builder(store).origin("https://app.example.com").session_options(options).build();
    let auth = built.expect("a configuration");
    let id =
        UserId::new(format!("bench-{:x}", u64::from_be_bytes(random::bytes().expect("random"))));
    let user = User::new(id, SystemClock.now());
    let user = auth.users().create(&user).await.expect("a user");
    let begun = auth
        .sessions()
        .create(&user, Factor::Password, Transport::Bearer, ClientInfo::default())
        .await;
    let token = begun.expect("a session").access.expose().to_owned();
    (auth, token)
}

fn parse(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (_auth, text) = runtime
        .block_on(async { signed_in(SqliteStore::memory().await.expect("a store"), true).await });
    criterion.bench_function("parse an access token", |bench| {
        bench.iter(|| AccessToken::parse(black_box(&text)));
    });
    let altered = text.replace("aat_", "aat-");
    criterion.bench_function("reject a malformed token", |bench| {
        bench.iter(|| AccessToken::parse(black_box(&altered)));
    });
}

fn verify(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (auth, text) = runtime
        .block_on(async { signed_in(SqliteStore::memory().await.expect("a store"), true).await });
    let token = AccessToken::parse(&text).expect("a token");
    let _entered = runtime.enter();
    criterion.bench_function("verify, kept", |bench| {
        bench.iter(|| match auth.sessions().verify(&token).now_or_never() {
            Some(found) => found,
            // The cache entry has expired, and is fetched again.
            None => runtime.block_on(auth.sessions().verify(&token)),
        });
    });
    runtime.block_on(auth.shutdown(std::time::Duration::from_secs(60)));
}

fn read(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut of = |engine: &str, (auth, text): (Auth, String)| {
        let known = AccessToken::parse(&text).expect("a token");
        let unknown = AccessToken {
            session: SessionId::from_bytes([1; 16]),
            ..AccessToken::parse(&text).expect("a token")
        };
        for (name, token, is_good) in [("verify", known, true), ("refuse", unknown, false)] {
            criterion.bench_function(&format!("{name}, one statement on {engine}"), |bench| {
                bench.iter(|| {
                    let found = runtime.block_on(auth.sessions().verify(&token));
                    assert_eq!(found.expect("a store").is_valid(), is_good);
                });
            });
        }
        runtime.block_on(auth.shutdown(std::time::Duration::from_secs(60)));
    };
    let sqlite = runtime.block_on(async {
        let dir = env::temp_dir().join(format!("authlayer_verify_{}.db", std::process::id()));
        signed_in(SqliteStore::open(dir).await.expect("a store"), false).await
    });
    of("SQLite", sqlite);
    if let Ok(url) = env::var("DATABASE_URL") {
        let postgres = runtime.block_on(async {
            signed_in(PgStore::connect(&url).await.expect("a store"), false).await
        });
        of("PostgreSQL", postgres);
    }
}

criterion_group!(benches, parse, verify, read);
criterion_main!(benches);
