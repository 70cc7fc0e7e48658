//! Forward authentication: a proxy asks whether it may forward a request.

use authlayer::{
    Auth, ForwardAuth, Rule, SqliteStore, Subject,
    testing::{TestClient, TestResponse},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, id_of, on_every_store};

const OWN: (&str, &str) = ("origin", "http://localhost:3000");
const FOREIGN: (&str, &str) = ("origin", "https://evil.example");

async fn ask(client: &TestClient, rule: &str, headers: &[(&str, &str)]) -> TestResponse {
    client.send(Method::GET, &format!("/auth/forward-auth{rule}"), headers, b"").await
}

fn subject(answer: &TestResponse) -> Value {
    let text = URL_SAFE_NO_PAD.decode(answer.header("x-auth-subject")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[track_caller]
fn assert_refused(answer: &TestResponse, status: u16, code: &str, about: &str) {
    assert_eq!(
        (answer.status.as_u16(), &*answer.header("x-auth-error")),
        (status, code),
        "{about}"
    );
    assert!(answer.body.is_empty(), "{about}");
    assert_eq!(answer.header("x-auth-subject"), "", "{about}");
    assert!(answer.set_cookies().is_empty(), "{about}");
    assert_eq!(!answer.header("www-authenticate").is_empty(), status == 401, "{about}");
}

on_every_store! {
    async fn answers_are_those_of_a_guard(
        bed: &Bed, { "forward_auth": { "rules": { "staff": { "role": "admin" } } } }
    ) {
        let ada = bed.browser("ada@example.com").await;
        let id = id_of(&ada).await;
        let passed = ask(&ada, "", &[]).await;
        assert_eq!(passed.status, 200);
        assert!(passed.body.is_empty());
        assert_eq!(passed.header("cache-control"), "no-store");
        let subject = subject(&passed);
        assert_eq!((&subject["kind"], &subject["id"]), (&json!("user"), &json!(id)));
        let _readable: Subject = serde_json::from_value(subject).unwrap();

        assert_refused(&ask(&ada, "/staff", &[]).await, 403, "forbidden", "no role");
        bed.change(&id, json!({ "roles": ["admin"] })).await;
        let passed = ask(&ada, "/staff", &[]).await;
        assert_eq!((passed.status.as_u16(), self::subject(&passed)["roles"].clone()), (200, json!(["admin"])));

        let nobody = bed.client();
        let html = ("accept", "text/html");
        assert_refused(&ask(&nobody, "", &[html]).await, 401, "unauthenticated", "no redirect");
        let forged = ("x-auth-subject", passed.header("x-auth-subject"));
        let forged = ask(&nobody, "", &[(forged.0, &forged.1)]).await;
        assert_refused(&forged, 401, "unauthenticated", "a header of the request");
        let refused = bed.client().bearer("aat_x").get("/auth/forward-auth").await;
        assert_refused(&refused, 401, "unauthenticated", "a bad token");
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        let unknown = ask(&ada, "/unknown", &[]).await;
        assert_eq!(unknown.status, 404);
        assert_eq!(ada.post("/auth/forward-auth", json!({})).await.status, 405);

        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_refused(&ask(&ada, "", &[]).await, 401, "unauthenticated", "disabled");
    }

    async fn api_keys_pass_by_a_scope_of_the_rule(
        bed: &Bed,
        { "forward_auth": { "rules": { "read": { "scope": "read" }, "staff": { "role": "admin" } } } }
    ) {
        let ada = bed.browser("ada@example.com").await;
        let change = json!({ "roles": ["admin"], "scopes": ["read", "write"] });
        bed.change(&id_of(&ada).await, change).await;
        let made = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": ["read"] })).await.json();
        let program = bed.client().bearer(made["key"].as_str().unwrap());
        let passed = ask(&program, "/read", &[]).await;
        assert_eq!(passed.status, 200);
        let subject = subject(&passed);
        assert_eq!((&subject["scopes"], &subject["roles"]), (&json!(["read"]), &json!([])));
        for rule in ["", "/staff"] {
            assert_refused(&ask(&program, rule, &[]).await, 403, "forbidden", rule);
        }
    }

    async fn no_session_is_refreshed(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.advance(901).await;
        let expired = ask(&ada, "", &[]).await;
        assert_refused(&expired, 401, "unauthenticated", "the access cookie has expired");
        assert_eq!(ada.get("/me").await.status, 200, "the refresh cookie is still good");
        assert_eq!(ask(&ada, "", &[]).await.status, 200);
    }

    /// The peer is no trusted proxy, so the method of the request is not known.
    async fn cookies_from_other_sites_are_rejected_without_a_trusted_proxy(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let get = ("x-forwarded-method", "GET");
        let (cross, same) = (("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin"));
        let sibling = ("sec-fetch-site", "same-site");
        let (navigate, socket) = (("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "websocket"));
        let upgrade = ("upgrade", "websocket");
        for (headers, passes) in [
            (vec![], true),
            (vec![OWN], true),
            (vec![OWN, cross], true),
            (vec![same], true),
            (vec![FOREIGN], false),
            (vec![FOREIGN, get], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "null"), same], false),
            (vec![OWN, OWN], false),
            (vec![cross], false),
            (vec![cross, navigate], true),
            (vec![sibling], false),
            (vec![sibling, navigate], true),
            (vec![cross, navigate, get], true),
            (vec![cross, navigate, FOREIGN], false),
            (vec![cross, socket], false),
            (vec![upgrade], true),
            (vec![upgrade, FOREIGN], false),
            (vec![upgrade, cross, navigate], false),
            (vec![upgrade, OWN], true),
        ] {
            let answer = ask(&ada, "", &headers).await;
            if passes {
                assert_eq!(answer.status, 200, "{headers:?}");
            } else {
                assert_refused(&answer, 403, "cross_origin", &format!("{headers:?}"));
            }
        }
        // A bearer token is not sent by a browser on its own.
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer" });
        let tokens = bed.client().post("/auth/sign-in", &body).await.json();
        let program = bed.client().bearer(tokens["tokens"]["access_token"].as_str().unwrap());
        assert_eq!(ask(&program, "", &[FOREIGN]).await.status, 200);
    }

    async fn trusted_proxy_states_the_method(bed: &Bed, { "trusted_proxies": ["127.0.0.0/8"] }) {
        let ada = bed.browser("ada@example.com").await;
        let method = |method| ("x-forwarded-method", method);
        let cross = ("sec-fetch-site", "cross-site");
        let navigate = ("sec-fetch-mode", "navigate");
        let upgrade = ("upgrade", "WebSocket");
        for (headers, passes) in [
            (vec![method("GET"), FOREIGN], true),
            (vec![method("HEAD"), FOREIGN, cross], true),
            (vec![method("GET"), ("origin", "null")], true),
            (vec![method("GET"), cross], true),
            (vec![method("GET"), FOREIGN, upgrade], false),
            (vec![method("GET"), FOREIGN, ("sec-fetch-mode", "websocket")], false),
            (vec![method("POST"), FOREIGN], false),
            (vec![method("POST"), OWN], true),
            (vec![method("POST"), cross, navigate], false),
            (vec![method("POST")], true),
            (vec![method("get"), FOREIGN], false),
            (vec![method(""), FOREIGN], false),
            (vec![method("GET"), method("GET"), FOREIGN], false),
            (vec![method("PROPFIND"), FOREIGN], false),
            (vec![method("OPTIONS"), FOREIGN], false),
            (vec![FOREIGN], false),
            (vec![cross], false),
            (vec![cross, navigate], true),
        ] {
            let answer = ask(&ada, "", &headers).await;
            if passes {
                assert_eq!(answer.status, 200, "{headers:?}");
            } else {
                assert_refused(&answer, 403, "cross_origin", &format!("{headers:?}"));
            }
        }
    }
}

#[tokio::test]
async fn names_of_rules_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let build = |name: &str| {
        let flow = ForwardAuth::new().rule(name, Rule::role("admin"));
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow).build();
        auth.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(build("staff-1_a"), Ok(()));
    for name in ["", "Staff", "a/b", "{rule}", &"a".repeat(65)] {
        assert!(build(name).unwrap_err().contains("must be 1 to 64"), "{name}");
    }
}
