//! Parameters of `start`, tenants and required claims of OpenID providers.

use std::collections::HashMap;

use authlayer::{Auth, Oidc, SqliteStore, flow::oidc::presets, testing::TestApp};
use axum::Router;
use serde_json::{Value, json};

use crate::providers::{World, me, path_of, with_providers};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const OTHER: &str = "4b5a2c1d-0000-4da1-9baa-8bc8c9d6a490";

/// Returns the query of the authorization request for the query of `start`.
async fn asked(world: &World, query: &str) -> HashMap<String, String> {
    let start = world.client().get(&format!("/auth/oauth/fake/start{query}")).await;
    assert_eq!(start.status, 303, "{query}: {}", start.json());
    let url = reqwest::Url::parse(&start.header("location")).unwrap();
    url.query_pairs().into_owned().collect()
}

/// Makes the provider one of several tenants, and its next tokens those of one of them.
fn of_tenant(world: &World, tid: Value, issuer_of: &str) {
    let base = world.idp.issuer();
    world.idp.metadata("issuer", format!("{base}/{{tenantid}}"));
    world.idp.id_token_claim("tid", tid);
    world.idp.id_token_claim("iss", format!("{base}/{issuer_of}"));
}

with_providers! {
    async fn parameters_of_start_are_sent_if_the_flow_allows_them(
        world: &World,
        { "fake.allow": { "prompt": ["login", "select_account"], "scope": ["calendar", "email"],
            "login_hint": true } }
    ) {
        let plain = asked(world, "").await;
        assert_eq!(plain["scope"], "openid profile email");
        assert!(!plain.contains_key("prompt") && !plain.contains_key("login_hint"));
        let hint = asked(world, "?login_hint=ada%2Bx%40example.com").await;
        assert_eq!(hint["login_hint"], "ada+x@example.com");
        for (query, prompt) in [
            ("?prompt=login", Some("login")),
            ("?prompt=none", None),
            ("?prompt=login&prompt=select_account", Some("login select_account")),
            ("?prompt=login%20none%20select_account", Some("login select_account")),
            ("?prompt=login&prompt=login", Some("login")),
            ("?prompt=Login", None),
            ("?prompt=", None),
        ] {
            assert_eq!(asked(world, query).await.get("prompt").map(String::as_str), prompt, "{query}");
        }
        for (query, scope) in [
            ("?scope=calendar", "openid profile email calendar"),
            ("?scope=email&scope=calendar", "openid profile email calendar"),
            ("?scope=admin%20calendar", "openid profile email calendar"),
            ("?scope=admin", "openid profile email"),
        ] {
            assert_eq!(asked(world, query).await["scope"], scope, "{query}");
        }
        let long = "a".repeat(321);
        assert!(!asked(world, &format!("?login_hint={long}")).await.contains_key("login_hint"));
        assert_eq!(asked(world, &format!("?login_hint={}", &long[1..])).await["login_hint"].len(), 320);
        let twice = world.client().get("/auth/oauth/fake/start?login_hint=a&login_hint=b").await;
        assert_eq!((twice.status.as_u16(), &*twice.code()), (400, "invalid_request"));
    }

    async fn parameters_of_start_are_ignored_by_default(world: &World) {
        let query = "?login_hint=ada%40example.com&prompt=login&scope=calendar&max_age=0&state=x";
        let asked = asked(world, query).await;
        assert_eq!(asked["scope"], "openid profile email");
        for name in ["prompt", "login_hint", "max_age"] {
            assert!(!asked.contains_key(name), "{name}");
        }
        assert_ne!(asked["state"], "x");
    }

    async fn users_of_allowed_tenants_sign_in(
        world: &World, { "fake.tenants": [TENANT, OTHER] }
    ) {
        of_tenant(world, json!(TENANT), TENANT);
        let client = world.client();
        assert_eq!(world.sign_in(&client).await.header("location"), "/");
        let ada = me(&client).await;
        assert_eq!(ada["email"], "jane@example.com");
        let again = world.client();
        assert_eq!(world.sign_in(&again).await.header("location"), "/");
        assert_eq!(me(&again).await["id"], ada["id"]);

        // The same subject of another tenant is another identity.
        of_tenant(world, json!(OTHER), OTHER);
        let other = world.client();
        assert_eq!(world.sign_in(&other).await.code(), "account_exists");
        world.idp.claim("email", "joe@example.com");
        assert_eq!(world.sign_in(&other).await.header("location"), "/");
        assert_ne!(me(&other).await["id"], ada["id"]);
    }

    async fn tokens_of_other_tenants_are_provider_errors(
        world: &World, { "fake.tenants": [TENANT] }
    ) {
        for (tid, issuer_of) in [
            (json!(OTHER), OTHER),
            (json!(TENANT), OTHER),
            (json!(OTHER), TENANT),
            (Value::Null, TENANT),
            (json!([TENANT]), TENANT),
            (json!(TENANT), "{tenantid}"),
        ] {
            of_tenant(world, tid.clone(), issuer_of);
            let client = world.client();
            assert_eq!(world.sign_in(&client).await.code(), "provider_error", "{tid} {issuer_of}");
            assert_eq!(me(&client).await, Value::Null);
        }
    }

    async fn template_without_tenants_is_a_provider_error(world: &World) {
        of_tenant(world, json!(TENANT), TENANT);
        let start = world.client().get("/auth/oauth/fake/start").await;
        assert_eq!(start.code(), "provider_error");
    }
}

#[tokio::test]
async fn issuer_for_several_tenants_needs_a_list_of_them() {
    let store = SqliteStore::memory().await.unwrap();
    let build = |flow: Oidc| {
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow).build();
        auth.map(drop).map_err(|error| error.to_string())
    };
    let microsoft = || Oidc::preset(&presets::MICROSOFT, "client");
    assert!(build(microsoft()).unwrap_err().contains(".tenants("));
    assert_eq!(build(microsoft().tenants([TENANT])), Ok(()));
    assert!(build(microsoft().tenants(["*"])).unwrap_err().contains("no id of a tenant"));
    assert!(build(microsoft().tenants([""])).unwrap_err().contains("no id of a tenant"));
}

#[tokio::test]
async fn claim_that_is_required_limits_who_signs_in() {
    let idp = authlayer::testing::FakeIdp::start("client", "secret").await;
    let flow = Oidc::new("fake", idp.issuer(), "client").client_secret("secret");
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store)
        .origin("http://localhost:3000")
        .flow(flow.require_claim("hd", "acme.example"))
        .build()
        .unwrap();
    let user = async |user: authlayer::AuthUser| axum::Json(user);
    let routes = Router::new().route("/me", axum::routing::get(user)).nest("/auth", auth.router());
    let app = TestApp::serve(routes.layer(auth.layer())).await;
    for (hd, code) in [
        (json!("other.example"), "provider_denied"),
        (Value::Null, "provider_denied"),
        (json!(["acme.example"]), "provider_denied"),
        (json!("acme.example"), ""),
    ] {
        idp.id_token_claim("hd", hd.clone());
        let client = app.client();
        let start = client.get("/auth/oauth/fake/start").await;
        let callback = path_of(&idp.authorize(&start.header("location")));
        let landed = client.get(&callback).await;
        if code.is_empty() {
            assert_eq!(landed.status, 303, "{hd}: {}", landed.json());
        } else {
            assert_eq!((landed.status.as_u16(), &*landed.code()), (403, code), "{hd}");
        }
    }
}
