//! Sign-in with an ID token that a native application got from the provider itself.

use std::time::Duration;

use authlayer::{
    Auth, EventKind, Oidc, SqliteStore,
    testing::{FakeIdp, Fault, TestApp, TestClient, TestResponse},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::providers::{ORIGIN, World, me, with_providers};

pub(crate) async fn nonce(world: &World) -> String {
    let answer = world.client().post("/auth/oauth/fake/nonce", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["expires_in"], 600);
    answer.json()["nonce"].as_str().unwrap().to_owned()
}

fn hex(nonce: &str) -> String {
    Sha256::digest(nonce).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn send(client: &TestClient, id_token: &str, nonce: &str) -> TestResponse {
    let body = json!({ "id_token": id_token, "nonce": nonce });
    client.post("/auth/oauth/fake/id-token", &body).await
}

/// Signs in with a new nonce that the token has.
pub(crate) async fn sign_in(world: &World, client: &TestClient) -> TestResponse {
    let nonce = nonce(world).await;
    send(client, &world.idp.id_token(&nonce), &nonce).await
}

async fn assert_refused(world: &World, about: &str, code: &str) {
    let client = world.client();
    let nonce = nonce(world).await;
    let token = world.idp.id_token(&nonce);
    let watch = &world.bed.bed.watch;
    let before = watch.count(EventKind::ProviderRefused);
    let refused = send(&client, &token, &nonce).await;
    assert_eq!(watch.count(EventKind::ProviderRefused), before + 1, "{about}");
    assert_eq!((refused.status.as_u16(), &*refused.code()), (400, code), "{about}");
    assert_eq!(me(&client).await, Value::Null, "{about}");
    assert_eq!(send(&client, &token, &nonce).await.code(), "invalid_state", "{about}: it is used");
}

with_providers! {
    async fn id_token_signs_in_like_a_callback(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let client = world.client();
        let signed_in = sign_in(world, &client).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json());
        let body = signed_in.json();
        assert_eq!(body["status"], "complete");
        assert_eq!(body["session"]["factors"][0]["method"], "provider");
        let jane = me(&client).await;
        assert_eq!((&jane["email"], &jane["email_verified"]), (&json!("jane@example.com"), &json!(true)));
        assert_eq!(world.idp.requests("userinfo") + world.idp.requests("token"), 0);
        // The redirect flow finds the same identity.
        let other = world.client();
        assert_eq!(world.sign_in(&other).await.status, 303);
        assert_eq!(me(&other).await["id"], jane["id"]);
        let bearer = world.client();
        let nonce = nonce(world).await;
        let body = json!({ "id_token": world.idp.id_token(&nonce), "nonce": nonce, "transport": "bearer" });
        let answer = bearer.post("/auth/oauth/fake/id-token", &body).await.json();
        assert_eq!(answer["tokens"]["token_type"], "Bearer");
        assert_eq!(answer["user"]["id"], jane["id"]);
    }

    async fn nonce_may_be_hashed_by_the_application(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        for of in [
            |nonce: &str| hex(nonce),
            |nonce: &str| hex(nonce).to_ascii_uppercase(),
        ] {
            let client = world.client();
            let nonce = nonce(world).await;
            let token = world.idp.id_token(&of(&nonce));
            assert_eq!(send(&client, &token, &nonce).await.status, 200);
        }
    }

    async fn nonce_is_used_once_and_first(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let client = world.client();
        let nonce = nonce(world).await;
        let token = world.idp.id_token(&nonce);
        assert_eq!(send(&client, "no token", &nonce).await.code(), "invalid_id_token");
        assert_eq!(send(&client, &token, &nonce).await.code(), "invalid_state", "it is used");
        let late = self::nonce(world).await;
        let token = world.idp.id_token(&late);
        world.bed.advance(601).await;
        assert_eq!(send(&client, &token, &late).await.code(), "invalid_state", "expired");
        for unknown in ["", "anc_x", "x"] {
            assert_eq!(send(&client, &token, unknown).await.code(), "invalid_state", "{unknown}");
        }
        // The nonce of a redirect flow is not one of this route.
        let start = client.get("/auth/oauth/fake/start").await;
        let url = reqwest::Url::parse(&start.header("location")).unwrap();
        let of_redirect = url.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
        let token = world.idp.id_token(&of_redirect);
        assert_eq!(send(&client, &token, &of_redirect).await.code(), "invalid_state");
        assert_eq!(me(&client).await, Value::Null);
    }

    async fn invalid_id_tokens_are_rejected(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("another-app")),
            ("aud", json!(["client", "ios-app"])),
            ("aud", json!(["client", "client"])),
            ("aud", json!([])),
            ("aud", json!(null)),
            ("azp", json!("another-app")),
            ("exp", json!(0)),
            ("exp", json!(null)),
            ("iat", json!(0)),
            ("nonce", json!("another")),
            ("nonce", json!(null)),
            ("nonce", json!("")),
            ("sub", json!("")),
            ("sub", json!(7)),
        ] {
            world.idp.reset();
            world.idp.id_token_claim(name, value.clone());
            assert_refused(world, &format!("{name}: {value}"), "invalid_id_token").await;
        }
        world.idp.reset();
        world.idp.id_token_header("typ", "logout+jwt");
        assert_refused(world, "typ", "invalid_id_token").await;
        world.idp.reset();
        for fault in [Fault::AlgNone, Fault::SignatureWrong] {
            world.idp.fault(fault);
            assert_refused(world, &format!("{fault:?}"), "invalid_id_token").await;
        }
        world.idp.fault(None);
        for (name, value) in [
            ("aud", json!("ios-app")),
            ("aud", json!(["ios-app"])),
            ("azp", json!("ios-app")),
            ("azp", json!("client")),
            ("at_hash", json!("another")),
            ("c_hash", json!("another")),
        ] {
            world.idp.reset();
            world.idp.id_token_claim(name, value.clone());
            assert_eq!(sign_in(world, &world.client()).await.status, 200, "{name}: {value}");
        }
        // Further audiences count at this route alone.
        world.idp.reset();
        world.idp.id_token_claim("aud", "ios-app");
        assert_eq!(world.sign_in(&world.client()).await.code(), "provider_error");
    }

    async fn rules_of_the_callback_apply_to_id_tokens(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let owner = world.bed.browser("jane@example.com").await;
        assert_eq!(sign_in(world, &world.client()).await.code(), "account_exists");
        assert_eq!(world.link(&owner).await.status, 303);
        let client = world.client();
        assert_eq!(sign_in(world, &client).await.status, 200);
        assert_eq!(me(&client).await["id"], me(&owner).await["id"]);
        world.idp.claim("sub", "another");
        world.idp.claim("email", "joe@example.com");
        world.idp.claim("email_verified", false);
        assert_eq!(sign_in(world, &world.client()).await.code(), "email_not_verified");
    }

    async fn display_name_names_only_new_users_without_a_name(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let named = async |name: Value| {
            let client = world.client();
            let nonce = nonce(world).await;
            let body = json!({ "id_token": world.idp.id_token(&nonce), "nonce": nonce, "display_name": name });
            let answer = client.post("/auth/oauth/fake/id-token", &body).await;
            (answer.status.as_u16(), answer.json()["user"]["display_name"].clone())
        };
        assert_eq!(named(json!("Mallory")).await, (200, json!("Jane Doe")), "the token has a name");
        world.idp.claim("name", Value::Null);
        assert_eq!(named(json!("Mallory")).await, (200, json!("Jane Doe")), "a known user");
        world.idp.claim("sub", "2");
        world.idp.claim("email", "joe@example.com");
        assert_eq!(named(json!("a\u{7}")).await.0, 422);
        assert_eq!(named(json!("a".repeat(201))).await.0, 422);
        assert_eq!(named(json!("Joe")).await, (200, json!("Joe")));
        assert_eq!(named(json!("Mallory")).await, (200, json!("Joe")), "an existing user keeps the name");
    }

    async fn bodies_of_id_token_requests_are_checked(
        world: &World, { "fake.id_token_audiences": ["ios-app"], "session_mode": "cookie", "pages": false }
    ) {
        let client = world.client();
        let missing = client.post("/auth/oauth/fake/id-token", json!({})).await;
        assert_eq!((missing.status.as_u16(), &missing.json()["members"]), (422, &json!(["id_token", "nonce"])));
        let nonce = nonce(world).await;
        let body = json!({ "id_token": world.idp.id_token(&nonce), "nonce": nonce, "transport": "bearer" });
        let disabled = client.post("/auth/oauth/fake/id-token", &body).await;
        assert_eq!((disabled.status.as_u16(), &*disabled.code()), (422, "transport_disabled"));
        let get = client.get("/auth/oauth/fake/nonce").await;
        assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST".to_owned()));
    }

    async fn concurrent_uses_of_one_nonce_sign_in_once(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let nonce = nonce(world).await;
        let token = world.idp.id_token(&nonce);
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (client, token, nonce) = (world.client(), token.clone(), nonce.clone());
            all.spawn(async move { send(&client, &token, &nonce).await.status.as_u16() });
        }
        let mut statuses = all.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    }

    async fn flows_without_the_option_have_no_such_routes(world: &World) {
        for route in ["nonce", "id-token"] {
            for provider in ["fake", "github"] {
                let answer = world.client().post(&format!("/auth/oauth/{provider}/{route}"), json!({})).await;
                assert_eq!(answer.status, 404, "{provider}/{route}");
            }
        }
    }

    async fn nonces_count_as_ceremonies_of_the_network(
        world: &World, { "fake.id_token_audiences": ["ios-app"] }
    ) {
        let client = world.client();
        for _ in 0..300 {
            assert_eq!(client.post("/auth/oauth/fake/nonce", json!({})).await.status, 200);
        }
        let limited = client.post("/auth/oauth/fake/nonce", json!({})).await;
        assert_eq!((limited.status.as_u16(), &*limited.code()), (429, "rate_limited"));
        assert_eq!(client.get("/auth/oauth/fake/start").await.code(), "rate_limited", "one counter");
    }
}

#[tokio::test]
async fn nonce_of_another_provider_is_rejected() {
    let start = || FakeIdp::start("client", "secret");
    let (one, two) = (start().await, start().await);
    let flow = |id: &str, idp: &FakeIdp| {
        Oidc::new(id, idp.issuer(), "client").client_secret("secret").id_token_audiences(["app"])
    };
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin(ORIGIN)
        .flow(flow("one", &one))
        .flow(flow("two", &two))
        .build()
        .unwrap();
    let routes = axum::Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(routes).await;
    let client = app.client();
    let issued = client.post("/auth/oauth/one/nonce", json!({})).await.json();
    let nonce = issued["nonce"].as_str().unwrap().to_owned();
    let body = json!({ "id_token": two.id_token(&nonce), "nonce": nonce });
    assert_eq!(client.post("/auth/oauth/two/id-token", &body).await.code(), "invalid_state");
    let body = json!({ "id_token": one.id_token(&nonce), "nonce": nonce });
    let used = client.post("/auth/oauth/one/id-token", &body).await;
    assert_eq!(used.code(), "invalid_state", "it is used");

    let service = auth.service::<Oidc>().unwrap().provider("one").unwrap();
    let issued = service.issue_nonce().await.unwrap();
    assert_eq!(issued.expires_in(), Duration::from_secs(600));
}
