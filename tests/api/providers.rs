//! A testbed with identity providers.

use authlayer::testing::{FakeGitHub, FakeIdp, TestClient, TestResponse};
use serde_json::{Value, json};

use crate::support::{Bed, On};

pub(crate) const ORIGIN: &str = "http://localhost:3000";
pub(crate) const SECRET: &str = "s:e%c+r\u{e9}t";

pub(crate) struct World {
    pub(crate) bed: Bed,
    pub(crate) idp: FakeIdp,
    pub(crate) other: FakeIdp,
    pub(crate) github: FakeGitHub,
}

impl World {
    pub(crate) async fn new(on: On, extra: &Value) -> Self {
        Self::over(on, extra, async |on, config| Bed::new(on, config).await).await
    }

    pub(crate) async fn over(
        on: On,
        extra: &Value,
        make: impl AsyncFnOnce(On, Value) -> Bed,
    ) -> Self {
        let idp = FakeIdp::start("client", SECRET).await;
        let other = FakeIdp::start("client", SECRET).await;
        let github = FakeGitHub::start("app", "hub-secret").await;
        let provider = |id: &str, idp: &FakeIdp| json!({ "id": id, "issuer": idp.issuer(), "client_id": "client", "client_secret": SECRET });
        let mut config = json!({
            "oidc": [provider("fake", &idp), provider("other", &other)],
            "github": { "client_id": "app", "client_secret": "hub-secret",
                "web_url": github.url(), "api_url": github.url() },
            "redirect_allow": ["myapp://callback", "https://ok.example.com"],
            "auto_link_verified_email": false,
        });
        for (name, value) in extra.as_object().into_iter().flatten() {
            match name.strip_prefix("fake.") {
                Some(name) => config["oidc"][0][name] = value.clone(),
                None => config[name] = value.clone(),
            }
        }
        let bed = make(on, config).await;
        idp.clock(bed.bed.clock.clone());
        other.clock(bed.bed.clock.clone());
        Self { bed, idp, other, github }
    }

    pub(crate) fn client(&self) -> TestClient {
        self.bed.client()
    }

    /// Starts a sign-in, authorizes it, and returns the callback path.
    pub(crate) async fn to_callback(&self, client: &TestClient, query: &str) -> String {
        let start = client.get(&format!("/auth/oauth/fake/start{query}")).await;
        assert_eq!(start.status, 303, "{}", start.json());
        path_of(&self.idp.authorize(&start.header("location")))
    }

    /// Completes a sign-in.
    pub(crate) async fn sign_in(&self, client: &TestClient) -> TestResponse {
        let callback = self.to_callback(client, "").await;
        client.get(&callback).await
    }

    pub(crate) async fn github(&self, client: &TestClient) -> TestResponse {
        let start = client.get("/auth/oauth/github/start").await;
        assert_eq!(start.status, 303, "{}", start.json());
        client.get(&path_of(&self.github.authorize(&start.header("location")))).await
    }

    /// Links the user of the provider to a session.
    pub(crate) async fn link(&self, client: &TestClient) -> TestResponse {
        let begun = client.post("/auth/oauth/fake/link", json!({ "redirect_to": "/done" })).await;
        assert_eq!(begun.status, 200, "{}", begun.json());
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        client.get(&path_of(&self.idp.authorize(&url))).await
    }
}

pub(crate) fn path_of(url: &str) -> String {
    url.strip_prefix(ORIGIN).unwrap_or_else(|| panic!("{url} is not on {ORIGIN}")).to_owned()
}

/// Returns the signed-in user of a client, or null.
pub(crate) async fn me(client: &TestClient) -> Value {
    let answer = client.get("/me").await;
    if answer.status == 200 { answer.json() } else { Value::Null }
}

/// Writes each test once and runs it on every store, with providers.
macro_rules! with_providers {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: &World $(, $extra:tt)?) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports, reason = "each test uses its own part of them")]
            use super::*;

            async fn on(store: crate::support::On) {
                #[allow(unused_mut, unused_assignments, reason = "most tests keep the defaults")]
                let mut extra = serde_json::json!({});
                $(extra = serde_json::json!($extra);)?
                let world = crate::providers::World::new(store, &extra).await;
                run(&world).await;
                world.bed.remove().await;
            }

            async fn run($world: &crate::providers::World) $body

            crate::support::tests_on! {
                [
                    sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
                    postgres: Postgres, postgres_with_one_connection: PostgresOne,
                    sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped,
                    sqlite_custom: SqliteCustom, postgres_custom: PostgresCustom
                ]
            }
        }
    )*};
}

pub(crate) use with_providers;
