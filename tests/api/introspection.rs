//! Token introspection by other services (RFC 7662).

use authlayer::{
    Auth, Introspection, ProtectedResource, SqliteStore,
    testing::{TestClient, TestResponse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

use crate::{
    passkeys::with_key,
    support::{Bed, PASSWORD, id_of, on_every_store, sign_up},
};

/// Sends a form as a service with these headers.
async fn send(bed: &Bed, headers: &[(&str, &str)], body: &str) -> TestResponse {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let headers = [headers, &[form]].concat();
    bed.client().send(Method::POST, "/auth/introspect", &headers, body.as_bytes()).await
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

async fn introspect(bed: &Bed, token: &str) -> Value {
    let line = basic("gateway", "s%3Ae%25+c");
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
    let answer = send(bed, &[("authorization", &line)], &body).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.set_cookies().is_empty());
    answer.json()
}

/// Signs a user in with bearer tokens, and returns the body of the response.
async fn bearer(client: &TestClient, email: &str) -> Value {
    let body = json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
    client.post("/auth/sign-in", &body).await.json()
}

fn token(body: &Value, name: &str) -> String {
    body["tokens"][name].as_str().unwrap().to_owned()
}

on_every_store! {
    async fn active_tokens_are_described(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let client = bed.client();
        assert_eq!(sign_up(&client, "ada@example.com").await.status, 201);
        let id = id_of(&client).await;
        bed.change(&id, json!({ "roles": ["admin"], "scopes": ["read", "write"] })).await;
        let signed_in = bearer(&bed.client(), "ada@example.com").await;
        let info = introspect(bed, &token(&signed_in, "access_token")).await;
        let second = |at: &Value| {
            at.as_str().unwrap().parse::<authlayer::jiff::Timestamp>().unwrap().as_second()
        };
        let session = &signed_in["session"];
        assert_eq!(info, json!({
            "active": true, "sub": id, "sid": session["id"], "scope": "read write",
            "roles": ["admin"], "exp": second(&session["access_expires_at"]),
            "iat": second(&session["created_at"]), "token_type": "Bearer",
            "auth_time": second(&session["factors"][0]["at"]), "amr": ["pwd"],
        }));
        // A cookie holds an access token as well.
        let cookie = client.cookie("auth").unwrap();
        assert_eq!(introspect(bed, &cookie).await["sub"], json!(id));
    }

    /// A registration verifies nothing.
    async fn registered_passkey_is_no_method(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let (ada, _key) = with_key(bed, "ada@example.com").await;
        let info = introspect(bed, &ada.cookie("auth").unwrap()).await;
        assert_eq!(info["amr"], json!(["pwd"]), "{info}");
    }

    async fn other_tokens_are_inactive(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let inactive = json!({ "active": false });
        let client = bed.browser("ada@example.com").await;
        let program = bed.client();
        let signed_in = bearer(&program, "ada@example.com").await;
        let access = token(&signed_in, "access_token");
        let refresh = token(&signed_in, "refresh_token");
        let mut forged = access.clone();
        forged.replace_range(forged.len() - 1.., if forged.ends_with('a') { "b" } else { "a" });
        for other in ["", "x", "aat_", "aak_x", &refresh, &forged] {
            assert_eq!(introspect(bed, other).await, inactive, "{other}");
        }
        assert_eq!(introspect(bed, &access).await["active"], true);
        let ended = program.bearer(&access).post("/auth/sign-out", json!({})).await;
        assert_eq!(ended.status, 204);
        assert_eq!(introspect(bed, &access).await, inactive, "signed out");

        let access = token(&bearer(&bed.client(), "ada@example.com").await, "access_token");
        bed.advance(901).await;
        assert_eq!(introspect(bed, &access).await, inactive, "expired");
        let access = token(&bearer(&bed.client(), "ada@example.com").await, "access_token");
        let id = introspect(bed, &access).await["sub"].as_str().unwrap().to_owned();
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(introspect(bed, &access).await, inactive, "disabled");
        drop(client);
    }

    /// The token of the generation before stays good until its own expiry.
    async fn rotated_token_has_its_own_expiry(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let client = bed.client();
        sign_up(&client, "ada@example.com").await;
        let first = bearer(&bed.client(), "ada@example.com").await;
        bed.advance(100).await;
        let body = json!({ "refresh_token": token(&first, "refresh_token") });
        let second = bed.client().post("/auth/refresh", &body).await.json();
        let exp = async |of: &Value| introspect(bed, &token(of, "access_token")).await["exp"].as_i64();
        let (old, new) = (exp(&first).await.unwrap(), exp(&second).await.unwrap());
        assert_eq!(new - old, 100);
    }

    async fn api_keys_have_scopes_and_no_roles(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let ada = bed.browser("ada@example.com").await;
        let id = id_of(&ada).await;
        bed.change(&id, json!({ "roles": ["admin"], "scopes": ["read", "write"] })).await;
        let body = json!({ "name": "backup", "scopes": ["read"], "expires_in": 600 });
        let made = ada.post("/auth/api-keys", &body).await.json();
        let key = made["key"].as_str().unwrap();
        let info = introspect(bed, key).await;
        assert_eq!((&info["active"], &info["sub"]), (&json!(true), &json!(id)));
        assert_eq!((&info["scope"], &info["roles"]), (&json!("read"), &json!([])));
        assert_eq!(info["exp"].as_i64().unwrap() - info["iat"].as_i64().unwrap(), 600);
        for name in ["sid", "auth_time", "amr"] {
            assert!(info.get(name).is_none(), "{name}");
        }
        bed.change(&id, json!({ "scopes": [] })).await;
        assert_eq!(introspect(bed, key).await["scope"], "", "the user has the scope no longer");
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(introspect(bed, key).await, json!({ "active": false }));
    }

    async fn only_services_with_their_secret_may_ask(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let client = bed.browser("ada@example.com").await;
        let good = basic("gateway", "s%3Ae%25+c");
        for lines in [
            vec![],
            vec![basic("gateway", "wrong")],
            vec![basic("gateway", "")],
            vec![basic("other", "s%3Ae%25+c")],
            vec![basic("", "")],
            vec!["Basic !".to_owned()],
            vec!["Bearer x".to_owned()],
            vec![good.clone(), good.clone()],
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("authorization", &**line)).collect();
            // The body is not interpreted before the service is known.
            for body in ["token=x", "token=a&token=b", ""] {
                let refused = send(bed, &headers, body).await;
                assert_eq!(refused.status, 401, "{lines:?}");
                assert_eq!(refused.json(), json!({ "error": "invalid_client" }));
                assert_eq!(refused.header("www-authenticate"), "Basic");
                assert_eq!(refused.header("cache-control"), "no-store");
            }
        }
        let access = client.cookie("auth").unwrap();
        let by_cookie = client.send(
            Method::POST, "/auth/introspect",
            &[("content-type", "application/x-www-form-urlencoded")],
            format!("token={access}").as_bytes(),
        ).await;
        assert_eq!(by_cookie.status, 401, "a session may not ask");
        let kinds = bed.client().get("/testbed/events").await.json();
        let is_refusal = |event: &&Value| event["kind"] == "introspection_refused";
        assert_eq!(kinds["events"].as_array().unwrap().iter().filter(is_refusal).count(), 25);
    }

    async fn malformed_requests_get_oauth_errors(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        let good = basic("gateway", "s%3Ae%25+c");
        let line = [("authorization", &*good)];
        for body in ["", "other=x", "token=a&token=b", "token=a&x=1&x=2"] {
            let refused = send(bed, &line, body).await;
            assert_eq!(refused.status, 400, "{body}");
            assert_eq!(refused.json(), json!({ "error": "invalid_request" }), "{body}");
        }
        let in_query = bed.client().send(
            Method::POST, "/auth/introspect?token=x",
            &[line[0], ("content-type", "application/x-www-form-urlencoded")], b"",
        ).await;
        assert_eq!(in_query.status, 400, "query parameters do not count");
        let json = bed.client().send(
            Method::POST, "/auth/introspect", &[line[0], ("content-type", "application/json")], b"{}",
        ).await;
        assert_eq!((json.status.as_u16(), json.json()), (415, json!({ "error": "invalid_request" })));
        let long = format!("token={}", "a".repeat(16 * 1024));
        let long = send(bed, &[], &long).await;
        assert_eq!((long.status.as_u16(), long.json()), (413, json!({ "error": "invalid_request" })));
        let get = bed.client().get("/auth/introspect").await;
        assert_eq!((get.status.as_u16(), &*get.code()), (405, "method_not_allowed"));
        let elsewhere = [line[0], ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        assert_eq!(send(bed, &elsewhere, "token=x").await.status, 200, "no cookie is read");
    }

    async fn wrong_secrets_are_limited_by_network(
        bed: &Bed, { "introspection": [{ "id": "gateway", "secret": "s:e% c" }] }
    ) {
        for _ in 0..100 {
            assert_eq!(send(bed, &[], "token=x").await.status, 401);
        }
        let limited = send(bed, &[], "token=x").await;
        assert_eq!((limited.status.as_u16(), limited.json()), (429, json!({ "error": "slow_down" })));
        assert!(!limited.header("retry-after").is_empty());
        assert_eq!(introspect(bed, "x").await, json!({ "active": false }), "the right secret passes");
    }

    async fn route_does_not_exist_without_the_flow(bed: &Bed) {
        assert_eq!(send(bed, &[], "token=x").await.status, 404);
    }
}

on_every_store! {
    async fn clients_learn_where_to_get_a_token(
        bed: &Bed,
        { "protected_resource": { "resource": "http://localhost:3000/mcp",
            "authorization_servers": ["http://localhost:3000"] } }
    ) {
        let client = bed.client();
        let path = "/.well-known/oauth-protected-resource/mcp";
        let document = client.get(path).await;
        assert_eq!(document.status, 200);
        assert_eq!(document.header("content-type"), "application/json");
        assert_eq!(document.json(), json!({
            "resource": "http://localhost:3000/mcp",
            "authorization_servers": ["http://localhost:3000"],
            "bearer_methods_supported": ["header"],
        }));
        assert_eq!(client.get("/.well-known/oauth-protected-resource").await.status, 404);
        let url = format!("http://localhost:3000{path}");
        let refused = client.get("/me").await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.header("www-authenticate"), format!("Bearer resource_metadata=\"{url}\""));
        let refused = bed.client().bearer("aat_x").get("/me").await;
        assert_eq!(
            refused.header("www-authenticate"),
            format!("Bearer error=\"invalid_token\", resource_metadata=\"{url}\"")
        );
        assert_eq!(bed.browser("ada@example.com").await.get("/me").await.status, 200);
    }

    async fn guards_name_no_metadata_by_default(bed: &Bed) {
        assert_eq!(bed.client().get("/me").await.header("www-authenticate"), "Bearer");
        let path = "/.well-known/oauth-protected-resource";
        assert_eq!(bed.client().get(path).await.status, 404);
    }
}

#[tokio::test]
async fn resources_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let good = || ProtectedResource::new("https://api.example.com/mcp");
    let server = "https://app.example.com";
    for (flow, says) in [
        (good(), ".authorization_server("),
        (ProtectedResource::new("/mcp").authorization_server(server), "must be an https URL"),
        (good().authorization_server("http://app.example.com"), "must be an https URL"),
    ] {
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow).build();
        let error = auth.map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn clients_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    for (flow, says) in [
        (Introspection::new(), ".client(id, secret)"),
        (Introspection::new().client("", "secret"), "empty"),
        (Introspection::new().client("id", ""), "empty"),
        (Introspection::new().client("id", "a").client("id", "b"), "one id"),
    ] {
        let auth = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow).build();
        let error = auth.map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let shown = format!("{:?}", Introspection::new().client("gateway", "s3cret"));
    assert!(shown.contains("gateway") && !shown.contains("s3cret"), "{shown}");
}
