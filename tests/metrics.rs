//! Metrics by the facade of the crate `metrics`, in a program of its own, since a recorder is global.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    Auth, Password, PasswordReset, SqliteStore,
    crypto::password::{Argon2Params, PasswordHashing},
    mail::{DeliveryError, Mailer, Message},
    model::ClientInfo,
    testing::{TestApp, TestClient},
};
use axum::Router;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use serde_json::json;

const PASSWORD: &str = "zq8 xw2v plum";

/// A value, and the largest that it has been.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    now: f64,
    most: f64,
}

/// Records the values and the descriptions of all metrics.
#[derive(Clone, Debug, Default)]
struct Values {
    values: Arc<Mutex<BTreeMap<String, Measured>>>,
    described: Arc<Mutex<BTreeMap<String, Option<Unit>>>>,
}

#[derive(Debug)]
struct Handle(String, Values);

impl Values {
    fn get(&self, name: &str) -> Measured {
        let values = self.values.lock().unwrap();
        *values.get(name).unwrap_or_else(|| panic!("{name} is not among {values:?}"))
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        self.described.lock().unwrap().insert(name.as_str().to_owned(), unit);
    }

    fn handle(&self, key: &Key) -> Arc<Handle> {
        let labels = key.labels().map(|label| format!(",{}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        Arc::new(Handle(name, self.clone()))
    }
}

impl Handle {
    fn change(&self, to: impl FnOnce(f64) -> f64) {
        let mut values = self.1.values.lock().unwrap();
        let own = values.entry(self.0.clone()).or_default();
        own.now = to(own.now);
        own.most = own.most.max(own.now);
    }
}

impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.change(|own| own + f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, value: u64) {
        self.change(|_| f64::from(u32::try_from(value).unwrap()));
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.change(|own| own + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|own| own - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl Recorder for Values {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A mail server that does not respond.
struct Silent;

impl Mailer for Silent {
    async fn send(&self, _: Message) -> Result<(), DeliveryError> {
        std::future::pending().await
    }
}

async fn status(client: &TestClient, path: &str) -> u16 {
    client.get(path).await.status.as_u16()
}

#[tokio::test]
async fn hashes_mails_caches_and_rejections_are_measured() {
    let values = Values::default();
    metrics::set_global_recorder(values.clone()).unwrap();
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin("http://localhost:3000")
        .mailer(Silent)
        .flow(Password::new().insecure_scheme(cheap))
        .flow(PasswordReset::new())
        .build()
        .unwrap();
    let described: Vec<_> = values.described.lock().unwrap().keys().cloned().collect();
    let names = [
        "authlayer.cache.lease",
        "authlayer.cache.lookups",
        "authlayer.mail.queue.size",
        "authlayer.password.hash.waiting",
        "authlayer.rejections",
    ];
    assert_eq!(described, names);

    let app = TestApp::serve(Router::new().nest("/auth", auth.router()).layer(auth.layer())).await;
    let browser = app.client();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(browser.post("/auth/sign-up", &body).await.status, 201);
    let hashes = values.get("authlayer.password.hash.waiting");
    assert_eq!((hashes.now, hashes.most), (0.0, 1.0));

    let lookups = |result: &str| {
        let name = "authlayer.cache.lookups,authlayer.cache.name=session";
        values.get(&format!("{name},authlayer.cache.result={result}")).now
    };
    assert_eq!(status(&browser, "/auth/session").await, 200);
    let misses = lookups("miss");
    assert!(misses >= 1.0, "{misses}");
    assert_eq!(status(&browser, "/auth/session").await, 200);
    assert_eq!(lookups("miss"), misses);
    assert_eq!(lookups("hit"), 1.0);
    assert_eq!(values.get("authlayer.cache.lease").now, 1.0);

    assert_eq!(status(&app.client(), "/auth/session").await, 401);
    assert_eq!(values.get("authlayer.rejections,error.type=unauthenticated").now, 1.0);

    let reset = auth.service::<PasswordReset>().unwrap();
    reset.request("eve@example.com", &ClientInfo::default()).await.unwrap();
    let mails = values.get("authlayer.mail.queue.size");
    assert_eq!((mails.now, mails.most), (0.0, 1.0), "no user has the email address");
    reset.request("ada@example.com", &ClientInfo::default()).await.unwrap();
    assert_eq!(values.get("authlayer.mail.queue.size").now, 1.0);
    auth.shutdown(Duration::from_millis(50)).await;
}
