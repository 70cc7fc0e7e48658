//! Responses of a provider by a form that the browser posts, as Sign in with Apple does.

use std::collections::HashMap;

use authlayer::{
    Auth, Oidc, SqliteStore,
    flow::oidc::presets::APPLE,
    testing::{FakeIdp, Fault, TestApp, TestClient, TestResponse},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use p256::{
    ecdsa::SigningKey,
    pkcs8::{EncodePrivateKey, LineEnding},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::providers::{ORIGIN, World, me, path_of, with_providers};

const CALLBACK: &str = "/auth/oauth/fake/callback";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Starts a sign-in, authorizes it, and returns the parameters of the provider's response.
async fn authorized(world: &World, client: &TestClient) -> HashMap<String, String> {
    let start = client.get("/auth/oauth/fake/start?redirect_to=/done").await;
    let location = start.header("location");
    assert!(location.contains("response_mode=form_post"), "{location}");
    let url = world.idp.authorize(&location);
    let (_, query) = url.split_once('?').unwrap();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Posts a response as the browser does: from another site, and without `SameSite=Lax` cookies.
async fn post(world: &World, form: &HashMap<String, String>) -> TestResponse {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [FORM, ("origin", "https://idp.example"), ("sec-fetch-site", "cross-site")];
    world.client().send(Method::POST, CALLBACK, &headers, body.as_bytes()).await
}

/// Posts a response and returns the path to which it leads.
async fn posted(world: &World, form: &HashMap<String, String>) -> String {
    let answer = post(world, form).await;
    assert_eq!(answer.status, 303, "{}", answer.json());
    assert!(answer.set_cookies().is_empty());
    answer.header("location")
}

with_providers! {
    async fn posted_response_signs_in(world: &World, { "fake.form_post": true }) {
        let client = world.client();
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        assert_eq!(place, format!("{CALLBACK}?state={}", form["state"]), "the state alone");
        assert_eq!(world.idp.requests("token"), 0, "the post decides nothing");
        let dump = String::from_utf8_lossy(&world.bed.dump().await).into_owned();
        assert!(!dump.contains(&form["state"]) && !dump.contains(&form["code"]), "hashed and sealed");
        let landed = client.get(&place).await;
        assert_eq!((landed.status.as_u16(), &*landed.header("location")), (303, "/done"));
        assert_eq!(me(&client).await["email"], "jane@example.com");
        assert_eq!(client.get(&place).await.code(), "invalid_state", "once");
    }

    async fn cookie_decides_after_the_post(world: &World, { "fake.form_post": true }) {
        let (client, attacker) = (world.client(), world.client());
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        assert_eq!(attacker.get(&place).await.code(), "invalid_state");
        assert_eq!(me(&attacker).await, Value::Null);
        assert_eq!(client.get(&place).await.header("location"), "/done", "it was not consumed");
        // An attacker's response in the victim's browser has another state.
        let form = authorized(world, &attacker).await;
        let victim = world.client();
        authorized(world, &victim).await;
        assert_eq!(victim.get(&posted(world, &form).await).await.code(), "invalid_state");
    }

    async fn first_post_counts(world: &World, { "fake.form_post": true }) {
        let client = world.client();
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        let mut second = form.clone();
        second.insert("code".to_owned(), "another".to_owned());
        assert_eq!(posted(world, &second).await, place, "303 like any other");
        second.remove("code");
        second.insert("error".to_owned(), "access_denied".to_owned());
        assert_eq!(posted(world, &second).await, place);
        assert_eq!(client.get(&place).await.header("location"), "/done");
        assert_eq!(posted(world, &form).await, place, "it is over");
        for state in ["", "x", "afl_x", "a\r\nSet-Cookie: a=b", "a&code=b#c"] {
            let form = HashMap::from([("state".to_owned(), state.to_owned())]);
            assert_eq!(posted(world, &form).await, format!("{CALLBACK}?state="), "{state}");
        }
        assert_eq!(posted(world, &HashMap::new()).await, format!("{CALLBACK}?state="));
        let nothing = client.get(&format!("{CALLBACK}?state=")).await;
        assert_eq!(nothing.code(), "invalid_state");
    }

    async fn codes_are_taken_by_post_alone(world: &World, { "fake.form_post": true }) {
        let client = world.client();
        let form = authorized(world, &client).await;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        assert_eq!(client.get(&format!("{CALLBACK}?{query}")).await.code(), "invalid_state");
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        assert_eq!(client.get(&format!("{place}&iss=x")).await.code(), "invalid_state");
        let form = authorized(world, &client).await;
        let early = client.get(&format!("{CALLBACK}?state={}", form["state"])).await;
        assert_eq!(early.code(), "invalid_state", "before the post");
        assert_eq!(world.idp.requests("token"), 0);
        assert_eq!(me(&client).await, Value::Null);
    }

    /// D2, OA-08: the state after the post is that of a query.
    async fn posted_response_is_bound_to_its_provider_and_time(
        world: &World, { "fake.form_post": true }
    ) {
        let client = world.client();
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        let elsewhere = client.get(&place.replace("/fake/", "/other/")).await;
        assert_eq!(elsewhere.code(), "invalid_state");
        let client = world.client();
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        assert_eq!(client.get(&format!("{place}x")).await.code(), "invalid_state", "altered");
        assert_eq!((world.idp.requests("token"), world.other.requests("token")), (0, 0));
        assert_eq!(client.get(&place).await.header("location"), "/done", "it was not consumed");
        for post_first in [true, false] {
            let client = world.client();
            let form = authorized(world, &client).await;
            if post_first {
                posted(world, &form).await;
            }
            world.bed.advance(600).await;
            let place = posted(world, &form).await;
            assert_eq!(client.get(&place).await.code(), "invalid_state", "{post_first}: expired");
        }
        assert_eq!(world.idp.requests("token"), 1);
    }

    /// D3
    async fn concurrent_loads_after_a_post_sign_in_once(world: &World, { "fake.form_post": true }) {
        let client = world.client();
        let form = authorized(world, &client).await;
        let place = posted(world, &form).await;
        let mut loads = JoinSet::new();
        for _ in 0..6 {
            let (copy, place) = (world.client(), place.clone());
            for (name, value) in client.cookies() {
                copy.set_cookie(&name, &value);
            }
            loads.spawn(async move { copy.get(&place).await.status.as_u16() });
        }
        let mut statuses = loads.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 400, 400, 400, 400, 400]);
        assert_eq!(world.idp.requests("token"), 1);
    }

    async fn errors_and_issuers_of_a_post_are_those_of_a_query(
        world: &World, { "fake.form_post": true }
    ) {
        for (name, value, code) in [
            ("error", "access_denied", "provider_denied"),
            ("error", "user_cancelled_authorize", "provider_denied"),
            ("error", "server_error", "provider_error"),
            ("iss", "https://evil.example", "invalid_state"),
        ] {
            let client = world.client();
            let mut form = authorized(world, &client).await;
            form.insert(name.to_owned(), value.to_owned());
            if name == "error" {
                form.remove("code");
            }
            let place = posted(world, &form).await;
            assert_eq!(client.get(&place).await.code(), code, "{name}={value}");
        }
        let client = world.client();
        let mut form = authorized(world, &client).await;
        form.remove("code");
        assert_eq!(client.get(&posted(world, &form).await).await.code(), "invalid_state");
        world.idp.fault(Fault::CallbackIssuerMissing);
        let form = authorized(world, &client).await;
        let missing = client.get(&posted(world, &form).await).await;
        assert_eq!(missing.code(), "invalid_state", "the provider promised iss");
    }

    async fn name_of_the_form_names_new_users_only(world: &World, { "fake.form_post": true }) {
        let sign_in = async |user: &str| {
            let client = world.client();
            let mut form = authorized(world, &client).await;
            form.insert("user".to_owned(), user.to_owned());
            form.insert("id_token".to_owned(), "not.read.ever".to_owned());
            let place = posted(world, &form).await;
            assert_eq!(client.get(&place).await.header("location"), "/done");
            me(&client).await
        };
        let name = |first: &str, last: &str| {
            json!({ "name": { "firstName": first, "lastName": last }, "email": "evil@example.com" })
                .to_string()
        };
        let jane = sign_in(&name("Mallory", "")).await;
        assert_eq!(jane["display_name"], "Jane Doe", "the ID token has a name");
        world.idp.claim("name", Value::Null);
        for (subject, user, expected) in [
            ("2", name("Ada", "Lovelace"), json!("Ada Lovelace")),
            ("3", name("A\u{7}da\r\n", ""), json!("Ada")),
            ("4", "no JSON".to_owned(), Value::Null),
            ("5", "{}".to_owned(), Value::Null),
            ("6", name(&"a".repeat(300), ""), json!("a".repeat(200))),
        ] {
            world.idp.claim("sub", subject);
            world.idp.claim("email", format!("user{subject}@example.com"));
            let user = sign_in(&user).await;
            assert_eq!(user["display_name"], expected, "{subject}");
            assert_eq!(user["email"], format!("user{subject}@example.com"));
        }
        world.idp.claim("sub", "2");
        assert_eq!(sign_in(&name("Mallory", "")).await["display_name"], "Ada Lovelace");
    }

    async fn identity_is_linked_by_a_post(world: &World, { "fake.form_post": true }) {
        let client = world.bed.browser("ada@example.com").await;
        let begun = client.post("/auth/oauth/fake/link", json!({ "redirect_to": "/done" })).await;
        let url = world.idp.authorize(begun.json()["authorization_url"].as_str().unwrap());
        let query = url.split_once('?').unwrap().1;
        let form = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let place = posted(world, &form).await;
        assert_eq!(client.get(&place).await.header("location"), "/done");
        let linked = client.get("/auth/identities").await.json()["identities"].clone();
        assert_eq!(linked.as_array().unwrap().len(), 1);
    }

    async fn bodies_of_posts_are_bounded_forms(world: &World, { "fake.form_post": true }) {
        let long = vec![b'a'; 16 * 1024 + 1];
        for (headers, body, status) in [
            ([FORM], long, 413),
            ([("content-type", "application/json")], b"{}".to_vec(), 415),
            ([FORM], b"state=a&state=b".to_vec(), 400),
            ([FORM], b"code=%FF\xff".to_vec(), 400),
        ] {
            let answer = world.client().send(Method::POST, CALLBACK, &headers, &body).await;
            assert_eq!(answer.status, status);
        }
        assert_eq!(world.client().send(Method::PUT, CALLBACK, &[FORM], b"").await.status, 405);
    }

    async fn flows_without_the_option_reject_posts(world: &World) {
        let form = HashMap::from([("state".to_owned(), "x".to_owned())]);
        let refused = post(world, &form).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (405, "method_not_allowed"));
        let start = world.client().get("/auth/oauth/fake/start").await;
        assert!(!start.header("location").contains("response_mode"));
    }
}

#[tokio::test]
async fn apple_needs_a_key_and_posts_its_response() {
    let store = SqliteStore::memory().await.unwrap();
    let build = |flow: Oidc| {
        let auth =
            Auth::builder(store.clone()).origin("https://app.example.com").flow(flow).build();
        auth.map(drop).map_err(|error| error.to_string())
    };
    let invalid = build(Oidc::preset(&APPLE, "com.example.app").apple_key("TEAM", "KEY", "no key"));
    assert!(invalid.unwrap_err().contains(".p8"));
    let key = apple_key();
    assert_eq!(
        build(Oidc::preset(&APPLE, "com.example.app").apple_key("TEAM", "KEY", &key)),
        Ok(())
    );
    let shown =
        format!("{:?}", Oidc::preset(&APPLE, "com.example.app").apple_key("TEAM", "KEY", &key));
    assert!(!shown.contains("PRIVATE") && !shown.contains("KEY"), "{shown}");
}

/// Returns a private key in PEM.
fn apple_key() -> String {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

#[tokio::test]
async fn secret_of_apple_is_sent_in_the_body() {
    let idp = FakeIdp::start("com.example.app", "unused").await;
    let key = apple_key();
    let flow = Oidc::new("apple", idp.issuer(), "com.example.app").apple_key("TEAM", "KEY", key);
    let store = SqliteStore::memory().await.unwrap();
    let auth = Auth::builder(store).origin(ORIGIN).flow(flow).build().unwrap();
    let app =
        TestApp::serve(axum::Router::new().nest("/auth", auth.router()).layer(auth.layer())).await;
    let client = app.client();
    let start = client.get("/auth/oauth/apple/start").await;
    client.get(&path_of(&idp.authorize(&start.header("location")))).await;
    assert_eq!(idp.client_auth(), "client_secret_post");
    let secret = idp.client_secret();
    let claims = URL_SAFE_NO_PAD.decode(secret.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("TEAM"), &json!("com.example.app")));
    assert_eq!(claims["aud"], idp.issuer());
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
}
