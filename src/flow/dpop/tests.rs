//! The number of verifications of a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::{Router, routing::get};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::service;
use crate::{
    Auth, AuthUser, ConfigError, Flow, Password, RequireUser, SqliteStore,
    clock::Clock,
    registry::Registry,
    services::{DpopProof, DpopProofs, DpopRequest, SeenProofs},
    testing::{ManualClock, TestClient, VirtualDevice},
};

const ORIGIN: &str = "http://localhost:3000";

static VERIFIED: AtomicUsize = AtomicUsize::new(0);

fn counted() -> usize {
    VERIFIED.swap(0, Ordering::Relaxed)
}

fn verify(request: &DpopRequest<'_>) -> Option<DpopProof> {
    VERIFIED.fetch_add(1, Ordering::Relaxed);
    service::verify(request)
}

/// The flow, which counts.
struct Counting;

impl Flow for Counting {
    type Service = ();

    fn name(&self) -> &str {
        "dpop"
    }

    fn register(self, registry: &mut Registry) -> Result<(), ConfigError> {
        registry.offer(DpopProofs { verify, seen: SeenProofs::default() });
        Ok(())
    }
}

struct Program {
    client: TestClient,
    clock: ManualClock,
    device: VirtualDevice,
    count: AtomicUsize,
}

impl Program {
    fn with_proof(&self, method: &str, path: &str, token: Option<&str>) -> TestClient {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let hash = |token| URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        let claims = json!({
            "jti": number.to_string(), "htm": method, "htu": format!("{ORIGIN}{path}"),
            "iat": self.clock.now().as_second(), "ath": token.map(hash),
        });
        let client = self.client.clone();
        let client = token
            .into_iter()
            .fold(client, |client, token| client.with("authorization", format!("DPoP {token}")));
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.device.jwk() });
        client.with("dpop", self.device.sign(header, &claims))
    }
}

#[tokio::test]
async fn proof_is_verified_once_and_only_if_it_is_needed() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin(ORIGIN)
        .clock(clock.clone())
        .flow(Password::new())
        .flow(Counting)
        .build()
        .unwrap();
    let guarded = Router::new()
        .route("/me", get(async |user: AuthUser| user.id.to_string()))
        .route_layer(RequireUser::new())
        .layer(auth.layer());
    let app = Router::new()
        .route("/", get(async || "public"))
        .nest("/app", guarded)
        .nest("/auth", auth.router())
        .layer(auth.layer());
    let client = TestClient::new(app);
    let program = Program { client, clock, device: VirtualDevice::new(), count: 0.into() };
    let account =
        json!({ "email": "ada@example.com", "password": "zq8 xw2v plum", "transport": "bearer" });

    let path = "/auth/sign-up";
    let answer = program.with_proof("POST", path, None).post(path, &account).await.json();
    assert_eq!((&answer["tokens"]["token_type"], counted()), (&json!("DPoP"), 1), "{answer}");
    let text = |answer: &Value, name: &str| answer["tokens"][name].as_str().unwrap().to_owned();
    let access = text(&answer, "access_token");
    let (path, token) = ("/app/me", Some(&*access));
    assert_eq!(program.with_proof("GET", path, token).get(path).await.status, 200);
    assert_eq!(counted(), 1, "two layers, a guard and an extractor");
    let (path, body) = ("/auth/password/verify", json!({ "password": "zq8 xw2v plum" }));
    let answer = program.with_proof("POST", path, token).post(path, &body).await;
    assert_eq!((answer.status.as_u16(), counted()), (200, 1), "a step-up");
    let path = "/auth/refresh";
    let body = json!({ "refresh_token": text(&answer.json(), "refresh_token") });
    let answer = program.with_proof("POST", path, None).post(path, &body).await;
    assert_eq!((answer.status.as_u16(), counted()), (200, 1), "a refresh");

    assert_eq!(program.with_proof("GET", "/", None).get("/").await.status, 200);
    let cookies = json!({ "email": "bob@example.com", "password": "zq8 xw2v plum" });
    let path = "/auth/sign-up";
    assert_eq!(program.with_proof("POST", path, None).post(path, &cookies).await.status, 201);
    assert_eq!(program.client.post("/auth/sign-in", &account).await.status, 200);
    assert_eq!(counted(), 0, "a public route, a session in cookies, and no proof");
}
