//! An authenticator app for tests.

use authlayer::{
    clock::Clock,
    testing::{TestClient, TestResponse},
};
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Value, json};

use crate::support::Bed;

/// An app that was enrolled with a secret.
#[derive(Clone)]
pub(crate) struct Authenticator {
    pub(crate) base32: String,
    secret: Vec<u8>,
}

impl Authenticator {
    pub(crate) fn new(base32: &str) -> Self {
        let secret = data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap();
        assert_eq!(secret.len(), 20);
        Self { base32: base32.to_owned(), secret }
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// Returns the code of a second (RFC 6238).
    pub(crate) fn code_at(&self, second: i64) -> String {
        let step = u64::try_from(second / 30).unwrap();
        let mac = Hmac::<sha1::Sha1>::new_from_slice(&self.secret).unwrap();
        let tag = mac.chain_update(step.to_be_bytes()).finalize().into_bytes();
        let at = usize::from(tag[19] & 15);
        let word = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }

    /// Returns the code of now.
    pub(crate) fn code(&self, bed: &Bed) -> String {
        self.code_at(second_of(bed))
    }

    /// Returns a code that was not used, of the next period.
    pub(crate) async fn next(&self, bed: &Bed) -> String {
        bed.advance(30).await;
        self.code(bed)
    }
}

pub(crate) fn second_of(bed: &Bed) -> i64 {
    bed.bed.clock.now().as_second()
}

/// Starts an enrollment.
pub(crate) async fn start(client: &TestClient) -> (Value, Authenticator) {
    let started = client.post("/auth/totp/register/start", json!({})).await;
    assert_eq!(started.status, 200, "{}", started.json());
    let app = Authenticator::new(started.json()["secret"].as_str().unwrap());
    (started.json(), app)
}

pub(crate) async fn finish(client: &TestClient, started: &Value, code: &str) -> TestResponse {
    let body = json!({ "challenge": started["challenge"], "code": code, "name": "Phone" });
    client.post("/auth/totp/register/finish", &body).await
}

/// Enrolls an app, and returns it with the body of the response.
pub(crate) async fn enroll(bed: &Bed, client: &TestClient) -> (Authenticator, Value) {
    let (started, app) = start(client).await;
    let done = finish(client, &started, &app.code(bed)).await;
    assert_eq!(done.status, 201, "{}", done.json());
    (app, done.json())
}

/// Answers a pending sign-in by a method.
pub(crate) async fn answer(
    client: &TestClient,
    challenge: &str,
    method: &str,
    code: &str,
) -> TestResponse {
    let body = json!({ "challenge": challenge, "method": method, "code": code });
    client.post("/auth/verify", &body).await
}

pub(crate) async fn delete(client: &TestClient, path: &str) -> TestResponse {
    client.send(Method::DELETE, path, &[], b"").await
}

pub(crate) fn error(answer: &TestResponse) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

/// Returns the factors of the session of a response.
pub(crate) fn factors(answer: &TestResponse) -> Vec<String> {
    let factors = answer.json()["session"]["factors"].clone();
    let name = |factor: &Value| factor["method"].as_str().unwrap().to_owned();
    factors.as_array().unwrap_or(&Vec::new()).iter().map(name).collect()
}
