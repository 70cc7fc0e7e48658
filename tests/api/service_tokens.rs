//! Tokens for other services, verified by another implementation, and the keys that sign them.

use std::collections::BTreeSet;

use authlayer::{Auth, SealingKey, ServiceTokens, SqliteStore, UserStorage, testing::TestClient};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use http::Method;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::{
    admin::administrator,
    authenticator::{answer, enroll},
    codes::handle,
    device_grant::program,
    support::{Bed, On, PASSWORD, id_of, on_every_store, on_managed_stores, sign_in, tests_on},
};

const ADA: &str = "ada@example.com";
const REPORTS: &str = "https://reports.example.com";
const OLD: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
const DAY: u64 = 24 * 3600;

async fn keys(bed: &Bed) -> Vec<Value> {
    let set = bed.client().get("/auth/jwks.json").await;
    assert_eq!(set.status, 200, "{}", set.json());
    set.json()["keys"].as_array().unwrap().clone()
}

async fn kids(bed: &Bed) -> Vec<String> {
    keys(bed).await.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn issue(client: &TestClient) -> String {
    let issued = client.post("/auth/tokens", json!({ "audience": REPORTS })).await;
    assert_eq!(issued.status, 200, "{}", issued.json());
    assert_eq!(issued.header("cache-control"), "no-store");
    let body = issued.json();
    assert_eq!(body, json!({ "token": body["token"], "expires_in": 60 }));
    body["token"].as_str().unwrap().to_owned()
}

/// Signs a user in and returns the id of the key that signs.
async fn kid_after_sign_in(bed: &Bed) -> String {
    let client = bed.client();
    assert_eq!(sign_in(&client, ADA, PASSWORD).await.status, 200);
    let (header, _) = verified(&issue(&client).await, &keys(bed).await);
    header["kid"].as_str().unwrap().to_owned()
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Verifies a token with a key set, and returns its header and claims.
fn verified(token: &str, keys: &[Value]) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{token}") };
    let (message, header) = (format!("{header}.{claims}"), decoded(header));
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("a published key");
    let half = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], half("x"), half("y")].concat();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    key.verify(message.as_bytes(), &signature).expect("a valid signature");
    (header, decoded(claims))
}

/// Another process on the database, with these sealing keys and the clock `seconds` later.
async fn node(bed: &Bed, on: On, keys: &[&str], seconds: u64) -> Bed {
    let config = json!({ "sealing_keys": keys, "tokens": { "audiences": [REPORTS] } });
    let node = Bed::joined_with(bed, on, UserStorage::managed(), config).await;
    node.advance(seconds).await;
    node
}

on_every_store! {
    async fn token_of_an_impersonation_names_the_administrator(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        let ada = administrator(bed, ADA).await;
        let (own, eve) = (id_of(&ada).await, bed.browser("eve@example.com").await);
        let id = id_of(&eve).await;
        let path = format!("/auth/admin/users/{id}/impersonate");
        assert_eq!(ada.post(&path, json!({ "reason": "Ticket 4711" })).await.status, 200);
        let (_, claims) = verified(&issue(&ada).await, &keys(bed).await);
        assert_eq!((&claims["sub"], &claims["act"]), (&json!(id), &json!({ "sub": own })));
        assert_eq!(claims["amr"], json!([]), "the user verified nothing");
        let (_, claims) = verified(&issue(&eve).await, &keys(bed).await);
        assert!(claims.get("act").is_none(), "{claims}");
    }

    async fn token_of_a_program_names_it(
        bed: &Bed, {
            "tokens": { "audiences": [REPORTS] },
            "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }, { "id": "tv", "name": "TV" }] },
            "pages": true
        }
    ) {
        let ada = bed.browser(ADA).await;
        let (program, _) = program(bed, &ada).await;
        let (_, claims) = verified(&issue(&program).await, &keys(bed).await);
        assert_eq!((&claims["client_id"], &claims["amr"]), (&json!("cli"), &json!([])));
        let (_, claims) = verified(&issue(&ada).await, &keys(bed).await);
        assert_eq!(claims["client_id"], claims["iss"], "the application");
    }

    async fn token_is_verified_with_the_published_key(
        bed: &Bed, { "tokens": { "audiences": ["other", REPORTS] } }
    ) {
        let client = bed.browser(ADA).await;
        let id = id_of(&client).await;
        bed.change(&id, json!({ "roles": ["admin"], "scopes": ["read", "write"] })).await;
        bed.advance(100).await;
        let session = client.get("/auth/session").await.json()["session"].clone();
        let second = |at: &Value| {
            at.as_str().unwrap().parse::<authlayer::jiff::Timestamp>().unwrap().as_second()
        };
        let auth_time = second(&session["factors"][0]["at"]);
        let token = issue(&client).await;
        let all = keys(bed).await;
        assert_eq!(all.len(), 1);
        let (header, claims) = verified(&token, &all);
        assert_eq!(header, json!({ "alg": "ES256", "typ": "at+jwt", "kid": all[0]["kid"] }));
        assert_eq!(claims, json!({
            "iss": "http://localhost:3000", "sub": id, "aud": REPORTS,
            "iat": auth_time + 100, "exp": auth_time + 160, "jti": claims["jti"],
            "sid": session["id"], "client_id": "http://localhost:3000",
            "roles": ["admin"], "scope": "read write", "auth_time": auth_time, "amr": ["pwd"],
        }));
        let (_, other) = verified(&issue(&client).await, &keys(bed).await);
        assert!(claims["jti"].is_string() && other["jti"] != claims["jti"]);
    }

    async fn methods_of_two_factors_are_in_the_token(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        let (app, _) = enroll(bed, &bed.browser(ADA).await).await;
        let client = bed.client();
        let challenge = handle(&sign_in(&client, ADA, PASSWORD).await);
        assert_eq!(answer(&client, &challenge, "totp", &app.next(bed).await).await.status, 200);
        let (_, claims) = verified(&issue(&client).await, &keys(bed).await);
        assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
        assert_eq!((&claims["roles"], &claims["scope"]), (&json!([]), &json!("")));
    }

    async fn key_set_is_public_and_cacheable(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        let set = bed.client().get("/auth/jwks.json").await;
        assert_eq!(set.header("cache-control"), "public, max-age=300");
        assert_eq!(set.header("content-type"), "application/json");
        assert!(set.set_cookies().is_empty());
        let body = set.json();
        let key = body["keys"][0].as_object().unwrap();
        let names: BTreeSet<_> = key.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["alg", "crv", "kid", "kty", "use", "x", "y"]));
        for (name, value) in [("kty", "EC"), ("crv", "P-256"), ("use", "sig"), ("alg", "ES256")] {
            assert_eq!(key[name], value);
        }
        let head = bed.client().send(Method::HEAD, "/auth/jwks.json", &[], b"").await;
        assert_eq!(head.status, 200);
        let post = bed.client().post("/auth/jwks.json", json!({})).await;
        assert_eq!((post.status.as_u16(), &*post.header("cache-control")), (405, "no-store"));
    }

    async fn other_audiences_are_rejected(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        let client = bed.browser(ADA).await;
        for body in [
            json!({ "audience": "https://other.example.com" }),
            json!({ "audience": format!("{REPORTS}/") }),
            json!({ "audience": "" }),
            json!({ "audience": [REPORTS] }),
            json!({ "audience": null }),
            json!({}),
        ] {
            let refused = client.post("/auth/tokens", &body).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (422, "invalid_request"));
            assert_eq!(refused.json()["members"], json!(["audience"]), "{body}");
        }
    }

    async fn only_sessions_get_tokens(bed: &Bed, { "tokens": { "audiences": [REPORTS] } }) {
        let client = bed.browser(ADA).await;
        let body = json!({ "audience": REPORTS });
        let key = json!({ "name": "backup", "scopes": [] });
        let key = client.post("/auth/api-keys", &key).await.json()["key"].clone();
        let program = bed.client().bearer(key.as_str().unwrap());
        let refused = program.post("/auth/tokens", &body).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "forbidden"));
        assert_eq!(refused.json()["missing"], json!(["session"]));
        let refused = bed.client().post("/auth/tokens", &body).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (401, "unauthenticated"));
        client.post("/auth/sign-out", json!({})).await;
        assert_eq!(client.post("/auth/tokens", &body).await.status, 401);
    }

    /// A token for a service is none of this application.
    async fn tokens_authenticate_no_request_here(
        bed: &Bed,
        { "tokens": { "audiences": [REPORTS] }, "introspection": [{ "id": "gateway", "secret": "s" }] }
    ) {
        let token = issue(&bed.browser(ADA).await).await;
        for path in ["/me", "/auth/session", "/auth/forward-auth"] {
            let refused = bed.client().bearer(&token).get(path).await;
            assert_eq!(refused.status, 401, "{path}");
            assert!(refused.header("www-authenticate").contains("invalid_token"), "{path}");
        }
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("gateway:s"));
        let headers =
            [("authorization", &*basic), ("content-type", "application/x-www-form-urlencoded")];
        let body = format!("token={token}");
        let info = bed.client().send(Method::POST, "/auth/introspect", &headers, body.as_bytes()).await;
        assert_eq!((info.status.as_u16(), info.json()), (200, json!({ "active": false })));
    }

    async fn keys_rotate_every_thirty_days(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] }, "compare_clocks": false }
    ) {
        bed.browser(ADA).await;
        let first = kids(bed).await;
        assert_eq!(first.len(), 1);
        assert_eq!(kid_after_sign_in(bed).await, first[0], "the first key signs at once");
        bed.advance(29 * DAY - 1).await;
        assert_eq!(kids(bed).await, first);
        bed.advance(1).await;
        let both = kids(bed).await;
        assert_eq!((both.len(), &both[0]), (2, &first[0]), "published a day before it signs");
        bed.advance(DAY - 1).await;
        assert_eq!(kid_after_sign_in(bed).await, first[0]);
        bed.advance(1).await;
        assert_eq!(kid_after_sign_in(bed).await, both[1]);
        assert_eq!(kids(bed).await, both);
        bed.advance(DAY - 1).await;
        assert_eq!(kids(bed).await, both);
        bed.advance(1).await;
        assert_eq!(kids(bed).await, both[1..], "retained for a day");
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_signing_keys";
        assert_eq!(bed.text(count).await, "3");
        bed.advance(3601).await;
        assert_eq!(bed.client().post("/testbed/sweep", json!({})).await.status, 200);
        assert_eq!(bed.text(count).await, "2");
        assert_eq!(kids(bed).await, both[1..]);
    }

    async fn clock_that_was_set_back_finds_the_key(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        bed.browser(ADA).await;
        let first = kids(bed).await;
        let back = json!({ "advance_ms": -3_600_000 });
        assert_eq!(bed.client().post("/testbed/clock", &back).await.status, 200);
        assert_eq!(kids(bed).await, first);
        assert_eq!(kid_after_sign_in(bed).await, first[0]);
    }

    /// A sealed key is bound to its id, and a row that was not sealed here is no key.
    async fn foreign_rows_are_not_published(bed: &Bed, { "tokens": { "audiences": [REPORTS] } }) {
        bed.browser(ADA).await;
        let first = kids(bed).await;
        let soon = 1_767_225_600_000_u64 + 3_600_000;
        bed.run(&format!(
            "INSERT INTO auth_signing_keys (number, id, sealed, created_at, starts_at) \
             SELECT 3, 'foreign', sealed, created_at, {soon} FROM auth_signing_keys WHERE number = 1"
        ))
        .await;
        bed.advance(61).await;
        assert_eq!(kids(bed).await, first);
        assert_eq!(kid_after_sign_in(bed).await, first[0]);
        bed.run("UPDATE auth_signing_keys SET sealed = (SELECT other.sealed FROM auth_signing_keys other \
                 WHERE other.number = 2) WHERE number = 1").await;
        bed.advance(61).await;
        let set = bed.client().get("/auth/jwks.json").await;
        assert_eq!((set.status.as_u16(), &*set.code()), (503, "unavailable"));
        assert_eq!(set.header("cache-control"), "no-store");
    }

    async fn replaced_keys_are_not_published(bed: &Bed, { "tokens": { "audiences": [REPORTS] } }) {
        bed.browser(ADA).await;
        let first = kids(bed).await;
        bed.bed.auth.service::<ServiceTokens>().unwrap().replace_keys().await.unwrap();
        let second = kids(bed).await;
        assert_eq!(second.len(), 1);
        assert_ne!(second, first);
        assert_eq!(kid_after_sign_in(bed).await, second[0], "the first key signs at once");
    }

    async fn routes_do_not_exist_without_the_flow(bed: &Bed) {
        let client = bed.browser(ADA).await;
        let refused = client.post("/auth/tokens", json!({ "audience": REPORTS })).await;
        assert_eq!(refused.status, 404);
        assert_eq!(client.get("/auth/jwks.json").await.status, 404);
    }
}

on_managed_stores! {
    async fn published_keys_cost_one_statement_a_minute(
        bed: &Bed, { "tokens": { "audiences": [REPORTS] } }
    ) {
        let first = kids(bed).await;
        let before = bed.statements().await;
        assert_eq!(kids(bed).await, first);
        assert_eq!(bed.statements().await, before);
        bed.advance(60).await;
        assert_eq!(kids(bed).await, first);
        assert_eq!(bed.statements().await, before + 1);
    }
}

mod instances_that_start_together_publish_one_key {
    use super::*;

    async fn on(on: On) {
        let bed = Bed::new(on, json!({})).await;
        bed.browser(ADA).await;
        let nodes = join_all((0..8).map(|_| node(&bed, on, &[OLD], 0))).await;
        let mut clients = Vec::new();
        for node in &nodes {
            let client = node.client();
            assert_eq!(sign_in(&client, ADA, PASSWORD).await.status, 200);
            clients.push(client);
        }
        let (sets, tokens) =
            tokio::join!(join_all(nodes.iter().map(kids)), join_all(clients.iter().map(issue)));
        assert!(sets.iter().all(|set| *set == sets[0] && set.len() == 1), "{sets:?}");
        let all = keys(&nodes[0]).await;
        tokens.iter().for_each(|token| drop(verified(token, &all)));
        // The next key is created at once by all of them too.
        join_all(nodes.iter().map(|node| node.advance(30 * DAY))).await;
        let sets = join_all(nodes.iter().map(kids)).await;
        assert!(sets.iter().all(|set| *set == sets[0] && set.len() == 2), "{sets:?}");
        let count = "SELECT CAST(COUNT(*) AS TEXT) FROM auth_signing_keys";
        assert_eq!(bed.text(count).await, "3");
        for node in nodes {
            node.bed.store.close().await;
        }
        bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres, postgres_with_one_connection: PostgresOne] }
}

mod keys_are_sealed_again_with_the_newest_key {
    use super::*;

    async fn on(on: On) {
        let config = json!({ "sealing_keys": [OLD], "tokens": { "audiences": [REPORTS] } });
        let bed = Bed::new(on, config).await;
        bed.browser(ADA).await;
        let first = kids(&bed).await;
        let sealed = async || {
            let by = ["1", "2"].map(|number| {
                format!("SELECT sealed FROM auth_signing_keys WHERE number = {number}")
            });
            [bed.text(&by[0]).await, bed.text(&by[1]).await]
        };
        let before = sealed().await;
        let both = node(&bed, on, &[NEW, OLD], 0).await;
        assert_eq!(kids(&both).await, first, "a key of before is read");
        let after = sealed().await;
        assert!(before.iter().zip(&after).all(|(before, after)| before != after));
        assert_eq!(kid_after_sign_in(&both).await, first[0]);
        let new = node(&bed, on, &[NEW], 0).await;
        assert_eq!(kid_after_sign_in(&new).await, first[0]);
        assert_eq!(sealed().await, after);
        let old = node(&bed, on, &[OLD], 0).await;
        let client = old.client();
        assert_eq!(sign_in(&client, ADA, PASSWORD).await.status, 200);
        let refused = client.post("/auth/tokens", json!({ "audience": REPORTS })).await;
        assert_eq!((refused.status.as_u16(), &*refused.code()), (503, "unavailable"));
        assert_eq!(old.client().get("/auth/jwks.json").await.status, 503);
        for node in [both, new, old] {
            node.bed.store.close().await;
        }
        bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres] }
}

#[tokio::test]
async fn options_are_checked_at_build() {
    let store = SqliteStore::memory().await.unwrap();
    let key = || SealingKey::from_bytes([7; 32]);
    let build = |flow: ServiceTokens, keys: Option<SealingKey>| {
        let builder = Auth::builder(store.clone()).origin("http://localhost:3000").flow(flow);
        let builder = keys.into_iter().fold(builder, |builder, key| builder.sealing_keys([key]));
        builder.build().map(drop)
    };
    for (flow, keys, says) in [
        (ServiceTokens::new(), Some(key()), ".audience("),
        (ServiceTokens::new().audience(""), Some(key()), "empty"),
        (ServiceTokens::new().audience(REPORTS), None, "AuthBuilder::sealing_keys"),
    ] {
        let error = build(flow, keys).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    build(ServiceTokens::new().audience(REPORTS), Some(key())).unwrap();
}

/// A program that the application no longer allows gets no token in the name of the application.
mod removed_program_gets_no_token {
    use super::*;

    async fn on(on: On) {
        let config = json!({
            "tokens": { "audiences": [REPORTS] }, "pages": true,
            "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }] }
        });
        let bed = Bed::new(on, config).await;
        let ada = bed.browser(ADA).await;
        let (own, refresh) = program(&bed, &ada).await;
        let token = own.post("/auth/tokens", json!({ "audience": REPORTS })).await;
        assert_eq!(token.status, 200, "{}", token.json());
        let config = json!({ "tokens": { "audiences": [REPORTS] } });
        let node = Bed::joined_with(&bed, on, UserStorage::managed(), config).await;
        let body = json!({ "refresh_token": refresh });
        let refreshed = node.client().post("/auth/refresh", body).await.json();
        let access = refreshed["tokens"]["access_token"].as_str().unwrap();
        let refused =
            node.client().bearer(access).post("/auth/tokens", json!({ "audience": REPORTS })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "forbidden".to_owned()));
        node.bed.store.close().await;
        bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres] }
}
