//! The time of a rejected sign-in for a registered and for an unregistered email address. The two
//! distributions should be the same.
//!
//! `cargo bench --bench enumeration`

#![allow(clippy::expect_used, reason = "a benchmark that fails should stop")]

use authlayer::{
    Auth, Client, Password, RateLimits, SignInOutcome, SqliteStore, flow::password::SignUp,
};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

async fn service() -> Auth {
    let store = SqliteStore::memory().await.expect("a store");
    let auth = Auth::builder(store)
        .origin("https://app.example.com")
        .rate_limits(RateLimits::disabled())
        .flow(Password::new())
        .build()
        .expect("a configuration");
    let sign_up = SignUp::new("ada@example.com", "zq8 xw2v plum");
    let passwords = auth.service::<Password>().expect("the flow");
    let outcome = passwords.sign_up(&client(&auth), sign_up).await.expect("a user");
    assert!(matches!(outcome, SignInOutcome::Complete(_)));
    auth
}

fn client(auth: &Auth) -> Client {
    auth.client(&http::Request::new(()).into_parts().0).expect("a request without an origin")
}

fn refusals(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let auth = runtime.block_on(service());
    let passwords = auth.service::<Password>().expect("the flow");
    let mut group = criterion.benchmark_group("a rejected sign-in");
    group.sample_size(200);
    for (name, email) in [("wrong password", "ada@example.com"), ("unknown", "nobody@example.com")]
    {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let client = client(&auth);
                let attempt = passwords.sign_in(&client, email, "wrong guess");
                assert!(runtime.block_on(attempt).is_err());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, refusals);
criterion_main!(benches);
