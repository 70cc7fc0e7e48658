//! Sessions that are bound to a key of a program (DPoP, RFC 9449).

use authlayer::{
    EventKind,
    clock::Clock,
    testing::{DeviceFault, TestClient, TestResponse, VirtualDevice},
};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    codes::{handle, last_code},
    support::{Bed, PASSWORD, on_every_store},
};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends a body with a proof.
async fn post(client: &TestClient, path: &str, proof: &str, body: &Value) -> TestResponse {
    let headers = [JSON, ("dpop", proof)];
    client.send(Method::POST, path, &headers, body.to_string().as_bytes()).await
}

/// Requests a path with a token and a proof.
pub(crate) async fn get(bed: &Bed, path: &str, token: &str, proof: &str) -> TestResponse {
    let line = format!("DPoP {token}");
    let headers = [("authorization", line.as_str()), ("dpop", proof)];
    bed.client().send(Method::GET, path, &headers, b"").await
}

fn now(bed: &Bed) -> i64 {
    bed.bed.clock.now().as_second()
}

/// The claims of a proof for a path.
fn claims(bed: &Bed, method: &str, path: &str) -> Value {
    claims_at(bed.bed.clock.now(), method, path)
}

pub(crate) fn claims_at(now: Timestamp, method: &str, path: &str) -> Value {
    json!({
        "jti": crate::support::unique(),
        "htm": method,
        "htu": format!("http://localhost:3000{path}"),
        "iat": now.as_second(),
    })
}

pub(crate) fn proof(device: &VirtualDevice, claims: &Value) -> String {
    device.sign(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": device.jwk() }), claims)
}

pub(crate) fn proof_of(bed: &Bed, device: &VirtualDevice, path: &str) -> String {
    proof(device, &claims(bed, "POST", path))
}

/// A proof with the hash of an access token.
pub(crate) fn with_token(bed: &Bed, device: &VirtualDevice, path: &str, token: &str) -> String {
    let mut claims = claims(bed, "GET", path);
    claims["ath"] = json!(hash(token));
    proof(device, &claims)
}

fn hash(token: &str) -> String {
    use base64::Engine;
    use sha2::Digest;
    let digest = sha2::Sha256::digest(token);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

fn body(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD, "transport": "bearer" })
}

fn tokens(answer: &TestResponse) -> (String, String) {
    assert!(answer.status.is_success(), "{}", answer.json());
    let tokens = answer.json()["tokens"].clone();
    assert_eq!(tokens["token_type"], "DPoP");
    let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

async fn sign_up(bed: &Bed, device: &VirtualDevice, email: &str) -> (String, String) {
    let proof = proof_of(bed, device, "/auth/sign-up");
    tokens(&post(&bed.client(), "/auth/sign-up", &proof, &body(email)).await)
}

fn refused(answer: &TestResponse, status: u16, code: &str, name: &str) {
    assert_eq!((answer.status.as_u16(), &*answer.code()), (status, code), "{name}");
}

on_every_store! {
    async fn reuse_with_a_valid_proof_ends_the_session(
        bed: &Bed, { "dpop": true, "lost_answer_ms": 0 }
    ) {
        let device = VirtualDevice::new();
        let (_, old) = sign_up(bed, &device, "ada@example.com").await;
        let path = "/auth/refresh";
        let body = |token: &str| json!({ "refresh_token": token });
        let first = post(&bed.client(), path, &proof_of(bed, &device, path), &body(&old)).await;
        let (access, next) = tokens(&first);
        bed.advance(60).await;
        let none = bed.client().post(path, body(&old)).await;
        refused(&none, 401, "device_proof_required", "without a proof");
        let answer = get(bed, "/me", &access, &with_token(bed, &device, "/me", &access)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
        let reused = post(&bed.client(), path, &proof_of(bed, &device, path), &body(&old)).await;
        refused(&reused, 401, "invalid_refresh_token", "reuse");
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 1);
        let ended = post(&bed.client(), path, &proof_of(bed, &device, path), &body(&next)).await;
        refused(&ended, 401, "invalid_refresh_token", "ended");
    }

    async fn token_for_a_service_names_the_key(
        bed: &Bed, { "dpop": true, "tokens": { "audiences": ["https://reports.example.com"] } }
    ) {
        use base64::Engine;
        let device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let mut signed = claims(bed, "POST", "/auth/tokens");
        signed["ath"] = json!(hash(&access));
        let client = bed.client().with("authorization", format!("DPoP {access}"));
        let body = json!({ "audience": "https://reports.example.com" });
        let issued = post(&client, "/auth/tokens", &proof(&device, &signed), &body).await.json();
        let token = issued["token"].as_str().unwrap_or_else(|| panic!("{issued}"));
        let part = token.split('.').nth(1).unwrap();
        let part = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        let own: Value = serde_json::from_slice(&part).unwrap();
        let jwk = device.jwk();
        // RFC 7638
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        assert_eq!(own["cnf"], json!({ "jkt": hash(&members) }));
    }

    async fn forwarded_hosts_and_nonces_are_ignored(bed: &Bed, { "dpop": true }) {
        let device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let line = format!("DPoP {access}");
        for (htu, status) in [("http://localhost:3000/me", 200), ("https://evil.example/me", 401)] {
            let mut signed = claims(bed, "GET", "/me");
            signed["ath"] = json!(hash(&access));
            signed["htu"] = json!(htu);
            signed["nonce"] = json!("x");
            let signed = proof(&device, &signed);
            let headers = [
                ("authorization", &*line),
                ("dpop", &*signed),
                ("forwarded", "host=evil.example;proto=https"),
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-proto", "https"),
            ];
            let answer = bed.client().send(Method::GET, "/me", &headers, b"").await;
            assert_eq!(answer.status, status, "{htu}");
            assert!(answer.headers.get("dpop-nonce").is_none());
        }
    }

    async fn proxy_states_the_request_of_a_proof(
        bed: &Bed, { "dpop": true, "trusted_proxies": ["127.0.0.0/8"] }
    ) {
        let device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let line = format!("DPoP {access}");
        for (method, uri, status) in [
            ("GET", "/app?x=1", 200), ("POST", "/app", 401), ("GET", "/other", 401), ("GET", "", 401),
        ] {
            let signed = with_token(bed, &device, "/app", &access);
            let headers = [
                ("authorization", &*line), ("dpop", &*signed),
                ("x-forwarded-method", method), ("x-forwarded-uri", uri),
            ];
            let answer = bed.client().send(Method::GET, "/auth/forward-auth", &headers, b"").await;
            assert_eq!(answer.status, status, "{method} {uri}");
        }
    }

    async fn bound_token_is_rejected_without_a_trusted_proxy(bed: &Bed, { "dpop": true }) {
        let device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let line = format!("DPoP {access}");
        for path in ["/app", "/auth/forward-auth"] {
            let signed = with_token(bed, &device, path, &access);
            let headers = [
                ("authorization", &*line), ("dpop", &*signed),
                ("x-forwarded-method", "GET"), ("x-forwarded-uri", "/app"),
            ];
            let answer = bed.client().send(Method::GET, "/auth/forward-auth", &headers, b"").await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }

    async fn tokens_are_usable_only_with_proofs_of_the_key(bed: &Bed, { "dpop": true }) {
        let device = VirtualDevice::new();
        let (access, refresh) = sign_up(bed, &device, "ada@example.com").await;
        let answer = get(bed, "/me", &access, &with_token(bed, &device, "/me", &access)).await;
        assert_eq!(answer.status, 200);
        let path = "/auth/session?x=1";
        let signed = with_token(bed, &device, "/auth/session", &access);
        let session = get(bed, path, &access, &signed).await.json()["session"].clone();
        assert_eq!((&session["bound"], &session["transport"]), (&json!("dpop"), &json!("bearer")));
        let again = get(bed, path, &access, &signed).await;
        refused(&again, 401, "invalid_dpop_proof", "used before");
        assert!(again.header("www-authenticate").starts_with("DPoP error=\"invalid_dpop_proof\""));
        let bearer = bed.client().bearer(&access).get("/me").await;
        refused(&bearer, 401, "unauthenticated", "as a bearer token");
        assert!(bearer.header("www-authenticate").starts_with("DPoP error=\"invalid_token\""));
        assert_eq!(bed.client().bearer(&access).get("/maybe").await.status, 401);
        let planted = bed.client();
        planted.set_cookie("auth", &access);
        assert_eq!(planted.get("/me").await.status, 401, "as a cookie");
        let line = format!("dpop {access}");
        let bare = bed.client().with("authorization", line).get("/me").await;
        refused(&bare, 401, "device_proof_required", "without a proof");
        assert!(bare.header("www-authenticate").starts_with("DPoP"));
        let (_, other, _) = bed.native("bob@example.com").await;
        let unbound = get(bed, "/me", &other, &with_token(bed, &device, "/me", &other)).await;
        refused(&unbound, 401, "unauthenticated", "an unbound token");
        // A refresh.
        let body = json!({ "refresh_token": refresh });
        let none = bed.client().post("/auth/refresh", &body).await;
        refused(&none, 401, "device_proof_required", "a refresh without a proof");
        let thief = VirtualDevice::new();
        let theirs = proof_of(bed, &thief, "/auth/refresh");
        let answer = post(&bed.client(), "/auth/refresh", &theirs, &body).await;
        refused(&answer, 401, "invalid_dpop_proof", "another key");
        let own = proof_of(bed, &device, "/auth/refresh");
        let (access, refresh) = tokens(&post(&bed.client(), "/auth/refresh", &own, &body).await);
        let body = json!({ "refresh_token": refresh });
        let answer = post(&bed.client(), "/auth/refresh", &own, &body).await;
        refused(&answer, 401, "invalid_dpop_proof", "a proof that was used");
        let answer = get(bed, "/me", &access, &with_token(bed, &device, "/me", &access)).await;
        assert_eq!(answer.status, 200, "the session lives on");
        assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    }

    async fn proofs_that_are_not_of_the_request_are_rejected(bed: &Bed, { "dpop": true }) {
        let mut device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let good = || {
            let mut claims = claims(bed, "GET", "/me");
            claims["ath"] = json!(hash(&access));
            claims
        };
        for (name, value) in [
            ("htm", json!("POST")),
            ("htm", Value::Null),
            ("htu", json!("http://localhost:3000/maybe")),
            ("htu", json!("http://evil.example/me")),
            ("htu", Value::Null),
            ("iat", json!(now(bed) - 61)),
            ("iat", json!(now(bed) + 61)),
            ("iat", json!("now")),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("ath", json!(hash("other"))),
            ("ath", Value::Null),
        ] {
            let mut wrong = good();
            wrong[name] = value;
            let answer = get(bed, "/me", &access, &proof(&device, &wrong)).await;
            refused(&answer, 401, "invalid_dpop_proof", name);
            // Only a proof that was right is remembered.
            if name != "jti" {
                let mut right = good();
                right["jti"] = wrong["jti"].clone();
                let answer = get(bed, "/me", &access, &proof(&device, &right)).await;
                assert_eq!(answer.status, 200, "{name}");
            }
        }
        for fault in [
            DeviceFault::AlgorithmNone,
            DeviceFault::AlgorithmOther,
            DeviceFault::KeyOther,
            DeviceFault::TypeMissing,
            DeviceFault::TypeOther,
            DeviceFault::KeyShort,
            DeviceFault::KeyPrivate,
            DeviceFault::KeyElsewhere,
            DeviceFault::Critical,
            DeviceFault::SignatureDer,
        ] {
            device.fault(fault);
            let answer = get(bed, "/me", &access, &proof(&device, &good())).await;
            refused(&answer, 401, "invalid_dpop_proof", &format!("{fault:?}"));
        }
        device.fault(None);
        let line = format!("DPoP {access}");
        let (one, two) = (proof(&device, &good()), proof(&device, &good()));
        let headers = [("authorization", &*line), ("dpop", &*one), ("dpop", &*two)];
        let answer = bed.client().send(Method::GET, "/me", &headers, b"").await;
        refused(&answer, 401, "invalid_dpop_proof", "two proofs");
        for edge in [-60, 60] {
            let mut claims = good();
            claims["iat"] = json!(now(bed) + edge);
            assert_eq!(get(bed, "/me", &access, &proof(&device, &claims)).await.status, 200);
        }
        let mut claims = good();
        claims["htu"] = json!("HTTP://LOCALHOST:3000/%6de?query#fragment");
        assert_eq!(get(bed, "/me", &access, &proof(&device, &claims)).await.status, 200);
    }

    async fn broken_proof_begins_nothing(bed: &Bed, { "dpop": true, "sign_in_code": true }) {
        let device = VirtualDevice::new();
        let users = async || bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_sessions").await;
        let client = bed.client();
        let wrong = proof_of(bed, &device, "/auth/sign-in");
        let answer = post(&client, "/auth/sign-up", &wrong, &body("ada@example.com")).await;
        refused(&answer, 400, "invalid_dpop_proof", "of another path");
        assert_eq!(users().await, "0");
        let cookies = json!({ "email": "eve@example.com", "password": PASSWORD });
        let answer = post(&client, "/auth/sign-up", "broken", &cookies).await;
        assert_eq!(answer.status, 201, "cookies ignore proofs: {}", answer.json());
        let (_, refresh) = sign_up(bed, &device, "ada@example.com").await;
        // A pending sign-in is completed with the key that began it.
        let begin = proof_of(bed, &device, "/auth/sign-in");
        let pending = post(&client, "/auth/sign-in", &begin, &body("ada@example.com")).await;
        let challenge = handle(&pending);
        let code = last_code(bed, "ada@example.com").await;
        let answer = json!({ "challenge": challenge, "code": code });
        let path = "/auth/verify";
        let theirs = proof_of(bed, &VirtualDevice::new(), path);
        refused(&post(&client, path, &theirs, &answer).await, 400, "invalid_dpop_proof", "other");
        refused(&client.post(path, &answer).await, 400, "invalid_dpop_proof", "none");
        refused(&post(&client, path, "x", &answer).await, 400, "invalid_dpop_proof", "broken");
        tokens(&post(&client, path, &proof_of(bed, &device, path), &answer).await);
        let body = json!({ "refresh_token": refresh });
        let answer = post(&client, "/auth/refresh", "broken", &body).await;
        refused(&answer, 401, "invalid_dpop_proof", "a refresh");
    }

    async fn step_up_binds_a_bearer_session(bed: &Bed, { "dpop": true }) {
        let (_, access, refresh) = bed.native("ada@example.com").await;
        let device = VirtualDevice::new();
        // A refresh of an unbound session ignores proofs.
        let body = json!({ "refresh_token": refresh });
        let ignored = post(&bed.client(), "/auth/refresh", "broken", &body).await;
        assert_eq!(ignored.json()["tokens"]["token_type"], "Bearer");
        let client = bed.client().bearer(&access);
        let password = json!({ "password": PASSWORD });
        let path = "/auth/password/verify";
        refused(&post(&client, path, "x", &password).await, 400, "invalid_dpop_proof", "broken");
        let bound = post(&client, path, &proof_of(bed, &device, path), &password).await;
        let (access, refresh) = tokens(&bound);
        assert_eq!(bound.json()["session"]["bound"], "dpop");
        let answer = get(bed, "/me", &access, &with_token(bed, &device, "/me", &access)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(bed.client().bearer(&access).get("/me").await.status, 401);
        let signed = with_token(bed, &device, "/bound", &access);
        assert_eq!(get(bed, "/bound", &access, &signed).await.status, 200);
        // Any token signs out, without a proof.
        let body = json!({ "refresh_token": refresh });
        assert_eq!(bed.client().post("/auth/sign-out", &body).await.status, 204);
        let answer = get(bed, "/me", &access, &with_token(bed, &device, "/me", &access)).await;
        refused(&answer, 401, "unauthenticated", "signed out");
    }

    async fn proof_of_a_sign_in_is_used_once(bed: &Bed, { "dpop": true }) {
        let device = VirtualDevice::new();
        let signed = proof_of(bed, &device, "/auth/sign-up");
        let client = bed.client();
        tokens(&post(&client, "/auth/sign-up", &signed, &body("ada@example.com")).await);
        let again = post(&client, "/auth/sign-up", &signed, &body("bob@example.com")).await;
        refused(&again, 400, "invalid_dpop_proof", "used before");
    }

    async fn introspection_names_the_key(
        bed: &Bed, { "dpop": true, "introspection": [{ "id": "gateway", "secret": "secret" }] }
    ) {
        let device = VirtualDevice::new();
        let (access, _) = sign_up(bed, &device, "ada@example.com").await;
        let form = format!("token={access}");
        let headers = [
            ("authorization", "Basic Z2F0ZXdheTpzZWNyZXQ="),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let path = "/auth/introspect";
        let answer = bed.client().send(Method::POST, path, &headers, form.as_bytes()).await.json();
        assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("DPoP")));
        assert_eq!(answer["cnf"]["jkt"].as_str().map(str::len), Some(43));
    }
}
