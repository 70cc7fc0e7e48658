//! Sessions that are bound to a key: what a thief can do, the algorithms of proofs, and the cost.

use authlayer::{EventKind, clock::Clock, testing::VirtualDevice};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use crate::{
    device_bound::{Bound, RESPONSE, challenge_of, offered, refresh, register},
    dpop::{claims_at, get, proof_of, with_token},
    support::{Bed, On, PASSWORD, on_every_store, on_managed_stores, sign_in, sign_up, tests_on},
};

const ADA: &str = "ada@example.com";

/// A key of an algorithm that the virtual device does not have.
enum Key {
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    fn ed25519() -> Self {
        let bytes = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(bytes.as_ref()).unwrap())
    }

    /// A key of 2048 bits.
    fn rsa() -> Self {
        let text = include_str!("../vectors/rsa-2048.txt").replace('\n', "");
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        Self::Rsa(RsaKeyPair::from_der(&bytes).unwrap())
    }

    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref()) })
            }
            Self::Rsa(key) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = key.public_key().into();
                json!({ "kty": "RSA", "n": text(&n), "e": text(&e) })
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = match self {
            Self::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A1, A2, A4 with stolen cookies: with and without the windows in which a refresh is repeated.
async fn stolen_cookies_end_with_the_access_cookie(on: On, config: Value) {
    let bed = Bed::new(on, config).await;
    for stolen in [&["auth"][..], &["auth-refresh"], &["auth", "auth-refresh"]] {
        let email = format!("{}@example.com", stolen.join("."));
        let bound = Bound::new(&bed, &email).await;
        assert!(bound.is_valid().await, "{stolen:?}: the first access cookie may be valid longer");
        let thief = bed.client();
        for name in stolen {
            thief.set_cookie(name, &bound.browser.cookie(name).unwrap());
        }
        let has_access = stolen.contains(&"auth");
        let is_usable = async || {
            let answer = thief.get("/me").await;
            assert!(answer.set_cookies().is_empty(), "{stolen:?}");
            answer.status == 200
        };
        assert_eq!(is_usable().await, has_access, "{stolen:?}");
        // The thief refreshes first, on every path, also with a key of its own.
        let challenge = bound.challenge().await;
        let own = VirtualDevice::new();
        let attempts = async || {
            assert_eq!(thief.post("/auth/refresh", json!({})).await.status, 401, "{stolen:?}");
            for proof in [None, Some(own.proof(&challenge))] {
                let answer = refresh(&thief, &bound.id, proof.as_deref()).await;
                assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (403, 0));
            }
            assert_eq!(register(&thief, &own.registration(&challenge)).await.status, 403);
        };
        attempts().await;
        bed.advance(599).await;
        assert_eq!(is_usable().await, has_access, "{stolen:?}");
        bed.advance(1).await;
        assert!(!is_usable().await, "{stolen:?}: ten minutes later");
        attempts().await;
        // The browser refreshes, and the thief presents the tokens of before.
        for _ in 0..2 {
            assert!(bound.is_valid().await, "{stolen:?}: the owner is still signed in");
            bed.advance(60).await;
            attempts().await;
        }
        assert!(!is_usable().await, "{stolen:?}");
        assert!(bound.is_valid().await, "{stolen:?}");
        assert_eq!(bound.browser.get("/bound").await.status, 200, "{stolen:?}");
    }
    assert_eq!(bed.bed.watch.count(EventKind::RefreshReused), 0);
    bed.remove().await;
}

mod stolen_cookies {
    use super::*;

    async fn on(on: On) {
        for strict in [false, true] {
            let mut config = json!({ "device_bound": true });
            if strict {
                config["grace_ms"] = json!(0);
                config["lost_answer_ms"] = json!(0);
            }
            stolen_cookies_end_with_the_access_cookie(on, config).await;
        }
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres, postgres_with_one_connection: PostgresOne] }
}

on_managed_stores! {
    /// A bound session costs one statement more at most, and an unbound one no statement more than
    /// without both options.
    async fn refresh_of_a_bound_session_costs_at_most_one_statement_more(
        bed: &Bed, { "device_bound": true, "dpop": true }
    ) {
        const REFRESH: u64 = 2;
        let path = "/auth/refresh";
        let mut before = bed.statements().await;
        let mut cost = async || {
            let now = bed.statements().await;
            let cost = now - before;
            before = bed.statements().await;
            cost
        };
        let unbound = bed.browser("eve@example.com").await;
        cost().await;
        assert_eq!(unbound.post(path, json!({})).await.status, 200);
        assert_eq!(cost().await, REFRESH, "an unbound browser");
        assert_eq!(sign_in(&bed.client(), "eve@example.com", PASSWORD).await.status, 200);
        assert_eq!(cost().await, 8, "a sign-in, which offers the registration");
        let (_, _, token) = bed.native("bob@example.com").await;
        cost().await;
        let answer = bed.client().post(path, json!({ "refresh_token": token })).await;
        assert_eq!(answer.status, 200);
        assert_eq!(cost().await, REFRESH, "an unbound program");

        let bound = Bound::new(bed, ADA).await;
        let challenge = bound.challenge().await;
        cost().await;
        let refreshed = bound.prove(&challenge).await;
        assert_eq!(refreshed.status, 200);
        let used = cost().await;
        assert!(used <= REFRESH + 1, "a bound browser: {used}");
        let next = challenge_of(&refreshed, &bound.id).unwrap();
        assert_eq!(bound.prove(&next).await.status, 200);
        let used = cost().await;
        assert!(used <= REFRESH + 1, "a bound browser, again: {used}");

        let device = VirtualDevice::new();
        let body = json!({ "email": "jane@example.com", "password": PASSWORD, "transport": "bearer" });
        let client = bed.client().with("dpop", proof_of(bed, &device, "/auth/sign-up"));
        let tokens = client.post("/auth/sign-up", &body).await.json()["tokens"].clone();
        cost().await;
        let client = bed.client().with("dpop", proof_of(bed, &device, path));
        let body = json!({ "refresh_token": tokens["refresh_token"] });
        assert_eq!(client.post(path, &body).await.status, 200);
        let used = cost().await;
        assert!(used <= REFRESH + 1, "a bound program: {used}");
    }
}

on_every_store! {
    async fn browser_may_have_an_rsa_key_but_no_edwards_key(bed: &Bed, { "device_bound": true }) {
        let browser = bed.client();
        let challenge = offered(&sign_up(&browser, ADA).await).unwrap();
        let header = |key: &Key, alg: &str| json!({ "typ": "dbsc+jwt", "alg": alg, "jwk": key.jwk() });
        let claims = json!({ "jti": challenge });
        let ed = Key::ed25519();
        for alg in ["EdDSA", "Ed25519"] {
            let refused = register(&browser, &ed.sign(&header(&ed, alg), &claims)).await;
            assert_eq!((refused.status.as_u16(), &*refused.code()), (403, "invalid_device_proof"));
        }
        let rsa = Key::rsa();
        let bound = register(&browser, &rsa.sign(&header(&rsa, "RS256"), &claims)).await;
        assert_eq!(bound.status, 200, "{}", bound.json());
        let id = bound.json()["session_identifier"].as_str().unwrap().to_owned();
        let challenge = challenge_of(&refresh(&browser, &id, None).await, &id).unwrap();
        let claims = json!({ "jti": challenge });
        let proof = rsa.sign(&json!({ "typ": "dbsc+jwt", "alg": "RS256" }), &claims);
        assert_eq!(refresh(&browser, &id, Some(&proof)).await.status, 200);
    }

    /// Names and places of keys in the header are ignored, and nothing is fetched.
    async fn kid_and_urls_of_keys_are_ignored(bed: &Bed, { "device_bound": true, "dpop": true }) {
        let with_names = |mut header: Value| {
            header["kid"] = json!("../../dev/null");
            header["jku"] = json!("https://keys.example.com/jwks.json");
            header["x5u"] = json!("https://keys.example.com/chain.pem");
            header
        };
        let (browser, device) = (bed.client(), VirtualDevice::new());
        let challenge = offered(&sign_up(&browser, ADA).await).unwrap();
        let header = json!({ "typ": "dbsc+jwt", "alg": "ES256", "jwk": device.jwk() });
        let proof = device.sign(with_names(header), &json!({ "jti": challenge }));
        let bound = register(&browser, &proof).await;
        assert_eq!(bound.status, 200, "{}", bound.json());
        let id = bound.json()["session_identifier"].as_str().unwrap().to_owned();
        let challenge = challenge_of(&refresh(&browser, &id, None).await, &id).unwrap();
        let header = with_names(json!({ "typ": "dbsc+jwt", "alg": "ES256" }));
        let proof = device.sign(header, &json!({ "jti": challenge }));
        assert_eq!(refresh(&browser, &id, Some(&proof)).await.status, 200);
        // The key of a program is the one in the header of its proof.
        let header = with_names(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": device.jwk() }));
        let claims = claims_at(bed.bed.clock.now(), "POST", "/auth/sign-in");
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
        let client = bed.client().with("dpop", device.sign(header, &claims));
        let tokens = client.post("/auth/sign-in", &body).await.json()["tokens"].clone();
        assert_eq!(tokens["token_type"], "DPoP");
        let access = tokens["access_token"].as_str().unwrap();
        let signed = with_token(bed, &device, "/me", access);
        assert_eq!(get(bed, "/me", access, &signed).await.status, 200);
    }

    async fn programs_may_have_keys_of_every_supported_kind(bed: &Bed, { "dpop": true }) {
        bed.browser(ADA).await;
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
        // RFC 9864 names EdDSA by its curve.
        for (key, alg) in [
            (Key::ed25519(), "EdDSA"), (Key::ed25519(), "Ed25519"), (Key::rsa(), "RS256"),
        ] {
            let header = |alg: &str| json!({ "typ": "dpop+jwt", "alg": alg, "jwk": key.jwk() });
            let claims = |method: &str, path: &str| claims_at(bed.bed.clock.now(), method, path);
            let sign_in = async |alg: &str| {
                let proof = key.sign(&header(alg), &claims("POST", "/auth/sign-in"));
                bed.client().with("dpop", proof).post("/auth/sign-in", &body).await
            };
            for other in ["ES256", "RS512", "PS256", "Ed448", "HS256"] {
                assert_eq!(sign_in(other).await.code(), "invalid_dpop_proof", "{alg}: {other}");
            }
            let answer = sign_in(alg).await.json();
            assert_eq!(answer["tokens"]["token_type"], "DPoP", "{alg}: {answer}");
            let refresh = json!({ "refresh_token": answer["tokens"]["refresh_token"] });
            let path = "/auth/refresh";
            let proof = key.sign(&header(alg), &claims("POST", path));
            let answer = bed.client().with("dpop", proof).post(path, &refresh).await;
            assert_eq!(answer.status, 200, "{alg}");
        }
    }

    async fn list_of_sessions_names_bound_ones(bed: &Bed, { "device_bound": true, "pages": true }) {
        let bound = Bound::new(bed, ADA).await;
        let list = bound.browser.get("/auth/sessions").await.json();
        assert_eq!(list["sessions"][0]["bound"], "device");
        let html = async |client: &authlayer::testing::TestClient| {
            let answer = client.get("/account/security?lang=en").await;
            assert_eq!(answer.status, 200);
            String::from_utf8(answer.body.to_vec()).unwrap()
        };
        assert!(html(&bound.browser).await.contains("bound to this device"));
        let other = bed.client();
        assert_eq!(sign_in(&other, ADA, PASSWORD).await.status, 200);
        let shown = html(&other).await;
        assert!(shown.contains("bound to its device") && !shown.contains("bound to this device"));
        let german = other.get("/account/security?lang=de").await;
        assert!(String::from_utf8(german.body.to_vec()).unwrap().contains("an das Gerät gebunden"));
    }

    /// Both forms of the header, and no other: the signature is of the part before the parameters.
    async fn registration_is_read_bare_and_quoted(bed: &Bed, { "device_bound": true }) {
        for (email, quote) in [(ADA, false), ("bob@example.com", true)] {
            let browser = bed.client();
            let challenge = offered(&sign_up(&browser, email).await).unwrap();
            let proof = VirtualDevice::new().registration(&challenge);
            let line = if quote { format!("\"{proof}\"") } else { proof };
            let headers = [(RESPONSE, &*line)];
            let answer = browser.send(Method::POST, "/auth/device/register", &headers, b"").await;
            assert_eq!(answer.status, 200, "{line}");
        }
    }
}
