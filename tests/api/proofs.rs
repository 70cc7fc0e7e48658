//! Proofs of possession (DPoP) at every sign-in method and every step-up, and in handlers of the
//! application.

use authlayer::{
    Auth, AuthError, Client as AuthClient, Dpop, JsonBody, Password, SignInOptions, SignInOutcome,
    SqliteStore,
    clock::Clock,
    flow::PasswordService,
    testing::{ManualClock, TestClient, TestResponse, VirtualAuthenticator, VirtualDevice},
};
use axum::{Extension, Router, routing::post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    authenticator::{Authenticator, enroll},
    codes::{handle, last_code},
    device_grant::{self, DEVICE_CODE},
    dpop::{claims_at, get, proof, proof_of, with_token},
    email_sign_in, id_tokens,
    passkeys::{ORIGIN, begin, register, step_up},
    providers::World,
    support::{Bed, On, PASSWORD, tests_on, unique},
};

const ADA: &str = "ada@example.com";
/// A user with a passkey and an authenticator app.
const JANE: &str = "jane@example.com";

/// Every request that verifies a factor and returns bearer tokens.
const METHODS: &[&str] = &[
    "sign_up",
    "sign_up_of_an_anonymous_user",
    "passkey_sign_up",
    "password",
    "email_code",
    "email_link",
    "exchange",
    "id_token",
    "passkey",
    "app",
    "passkey_as_second_factor",
    "device_grant",
    "step_up_by_password",
    "step_up_by_passkey",
    "password_change",
];

/// The last request of a method.
struct Last {
    client: TestClient,
    path: &'static str,
    body: Value,
}

impl Last {
    async fn send(&self, bed: &Bed, proof: Option<&str>) -> TestResponse {
        let client = self.client.clone();
        let client = proof.into_iter().fold(client, |client, own| client.with("dpop", own));
        if self.path != "/auth/token" {
            return client.post(self.path, &self.body).await;
        }
        // The interval between requests of a program.
        bed.advance(5).await;
        let form = self.body.as_object().unwrap().iter();
        let form: Vec<_> = form.map(|(name, own)| (name.as_str(), own.as_str().unwrap())).collect();
        client.post_form(self.path, &form).await
    }
}

struct Setup {
    world: World,
    ada: TestClient,
    key: VirtualAuthenticator,
    app: Authenticator,
    device: VirtualDevice,
}

impl Setup {
    async fn new(on: On) -> Self {
        let config = json!({
            "dpop": true, "limits": false, "fake.id_token_audiences": ["app"],
            "device_grant": { "clients": [{ "id": "cli", "name": "Notes" }],
                "verification_uri": "https://app.example.com/device" },
        });
        let world = World::new(on, &config).await;
        let ada = world.bed.browser(ADA).await;
        assert_eq!(world.link(&ada).await.status, 303);
        let (jane, mut key) = (world.bed.browser(JANE).await, VirtualAuthenticator::new(ORIGIN));
        assert_eq!(register(&jane, &mut key).await.status, 201);
        assert_eq!(step_up(&jane, &mut key).await.status, 200);
        let (app, _) = enroll(&world.bed, &jane).await;
        Self { world, ada, key, app, device: VirtualDevice::new() }
    }

    /// Sends a request before the last one of a method, with a proof if that has one.
    async fn first(&self, path: &str, body: &Value, has_proof: bool) -> Value {
        let mut client = self.world.client();
        if has_proof {
            client = client.with("dpop", proof_of(&self.world.bed, &self.device, path));
        }
        let answer = client.post(path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.json());
        answer.json()
    }

    fn bearer(&self, answer: &Value) -> TestClient {
        self.world.client().bearer(answer["tokens"]["access_token"].as_str().unwrap())
    }

    async fn passkey(&mut self, what: &str, client: &TestClient, body: &Value) -> Value {
        let begun = begin(client, what, body).await;
        let credential = match what {
            "sign-up" => self.key.register(&begun["options"]),
            _ => self.key.authenticate(&begun["options"]),
        };
        json!({ "challenge": begun["challenge"], "credential": credential, "transport": "bearer" })
    }

    /// Does everything but the last request of a method.
    async fn last(&mut self, method: &str, has_proof: bool) -> Last {
        let mut client = self.world.client();
        let email = format!("{}@example.com", unique());
        let account =
            |email: &str| json!({ "email": email, "password": PASSWORD, "transport": "bearer" });
        let (path, body) = match method {
            "sign_up" => ("/auth/sign-up", account(&email)),
            "sign_up_of_an_anonymous_user" => {
                let transport = json!({ "transport": "bearer" });
                client = self.bearer(&self.first("/auth/anonymous", &transport, false).await);
                ("/auth/sign-up", account(&email))
            }
            "passkey_sign_up" => {
                let mut other = VirtualAuthenticator::new(ORIGIN);
                std::mem::swap(&mut other, &mut self.key);
                let body = self.passkey("sign-up", &client, &json!({ "email": email })).await;
                self.key = other;
                ("/auth/passkeys/sign-up/finish", body)
            }
            "password" => ("/auth/sign-in", account(ADA)),
            "email_code" => {
                let body = json!({ "email": email, "transport": "bearer" });
                let pending = self.first("/auth/email-sign-in", &body, has_proof).await;
                let code = last_code(&self.world.bed, &email).await;
                ("/auth/verify", json!({ "challenge": pending["challenge"], "code": code }))
            }
            "email_link" => {
                let body = json!({ "email": email, "transport": "bearer" });
                self.first("/auth/email-sign-in", &body, has_proof).await;
                let token = email_sign_in::token(&self.world.bed, &email).await;
                let body = json!({ "token": token, "confirm": true, "transport": "bearer" });
                ("/auth/email-sign-in/link", body)
            }
            "exchange" => {
                // RFC 7636, appendix B.
                let query = "?transport=bearer&redirect_to=myapp://callback\
                    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
                let callback = self.world.to_callback(&client, query).await;
                let target = client.get(&callback).await.header("location");
                let code = target.strip_prefix("myapp://callback?code=").expect("a code");
                let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
                ("/auth/oauth/exchange", json!({ "code": code, "code_verifier": verifier }))
            }
            "id_token" => {
                let nonce = id_tokens::nonce(&self.world).await;
                let token = self.world.idp.id_token(&nonce);
                let body = json!({ "id_token": token, "nonce": nonce, "transport": "bearer" });
                ("/auth/oauth/fake/id-token", body)
            }
            "passkey" => {
                let body = self.passkey("sign-in", &client, &json!({})).await;
                ("/auth/passkeys/sign-in/finish", body)
            }
            "app" | "passkey_as_second_factor" => {
                let pending = self.first("/auth/sign-in", &account(JANE), has_proof).await;
                let challenge = json!({ "challenge": pending["challenge"] });
                if method == "app" {
                    let code = self.app.next(&self.world.bed).await;
                    let mut body = challenge;
                    body["method"] = json!("totp");
                    body["code"] = json!(code);
                    ("/auth/verify", body)
                } else {
                    let mut body = self.passkey("verify", &client, &challenge).await;
                    body.as_object_mut().unwrap().remove("transport");
                    ("/auth/passkeys/verify/finish", body)
                }
            }
            "device_grant" => {
                let asked = device_grant::start(&self.world.bed).await;
                device_grant::approve(&self.ada, &asked).await;
                let code = asked.device_code;
                let body =
                    json!({ "grant_type": DEVICE_CODE, "client_id": "cli", "device_code": code });
                ("/auth/token", body)
            }
            "step_up_by_password" => {
                client = self.bearer(&self.first("/auth/sign-in", &account(ADA), false).await);
                ("/auth/password/verify", json!({ "password": PASSWORD }))
            }
            "step_up_by_passkey" => {
                let path = "/auth/passkeys/sign-in/finish";
                let body = self.passkey("sign-in", &client, &json!({})).await;
                client = self.bearer(&self.first(path, &body, false).await);
                let mut body = self.passkey("verify", &client, &json!({})).await;
                body.as_object_mut().unwrap().remove("transport");
                ("/auth/passkeys/verify/finish", body)
            }
            "password_change" => {
                client = self.bearer(&self.first("/auth/sign-up", &account(&email), false).await);
                let new = "another xw2v plum";
                let body = json!({ "current_password": PASSWORD, "new_password": new });
                ("/auth/password/change", body)
            }
            other => panic!("{other} has no requests"),
        };
        Last { client, path, body }
    }

    /// Checks that a response has tokens which are usable only with proofs.
    async fn assert_bound(&self, answer: &TestResponse, method: &str) {
        let bed = &self.world.bed;
        let body = answer.json();
        assert!(answer.status.is_success(), "{method}: {body}");
        let tokens = if method == "device_grant" { &body } else { &body["tokens"] };
        assert_eq!(tokens["token_type"], "DPoP", "{method}");
        let access = tokens["access_token"].as_str().unwrap();
        let signed = with_token(bed, &self.device, "/auth/session", access);
        let session = get(bed, "/auth/session", access, &signed).await.json();
        assert_eq!(session["session"]["bound"], "dpop", "{method}");
        let bearer = bed.client().bearer(access).get("/me").await;
        assert_eq!(bearer.status, 401, "{method}");
        if method != "device_grant" {
            let body = json!({ "refresh_token": tokens["refresh_token"] });
            let refused = bed.client().post("/auth/refresh", &body).await;
            assert_eq!(refused.code(), "device_proof_required", "{method}");
        }
    }
}

/// A rejected proof begins nothing, and consumes no challenge.
fn assert_rejected(answer: &TestResponse, about: &str) {
    let body = answer.json();
    let code = body.get("error").unwrap_or(&body["code"]);
    assert_eq!((answer.status.as_u16(), code), (400, &json!("invalid_dpop_proof")), "{about}");
    assert!(answer.set_cookies().is_empty(), "{about}");
}

mod every_method_binds_its_session_to_the_key_of_a_proof {
    use super::*;

    async fn on(on: On) {
        let mut setup = Setup::new(on).await;
        for method in METHODS {
            let last = setup.last(method, true).await;
            let bed = &setup.world.bed;
            assert_rejected(&last.send(bed, Some("broken")).await, method);
            let theirs = proof_of(bed, &setup.device, "/auth/other");
            assert_rejected(&last.send(bed, Some(&theirs)).await, method);
            let own = proof_of(bed, &setup.device, last.path);
            setup.assert_bound(&last.send(bed, Some(&own)).await, method).await;

            let last = setup.last(method, true).await;
            let bed = &setup.world.bed;
            // Another session, which is not bound, so its challenge can be completed.
            let replayed = last.send(bed, Some(&own)).await;
            assert_rejected(&replayed, &format!("{method}: used before"));
            let last = if *method == "id_token" { setup.last(method, true).await } else { last };
            let bed = &setup.world.bed;
            let next = proof_of(bed, &setup.device, last.path);
            setup.assert_bound(&last.send(bed, Some(&next)).await, method).await;

            let last = setup.last(method, false).await;
            let answer = last.send(&setup.world.bed, None).await;
            let body = answer.json();
            let tokens = if *method == "device_grant" { &body } else { &body["tokens"] };
            assert_eq!(tokens["token_type"], "Bearer", "{method}: {body}");
        }
        setup.world.bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, sqlite_with_one_connection: SqliteOne, postgres: Postgres] }
}

mod verified_sign_up_binds_its_session {
    use super::*;

    async fn on(on: On) {
        let bed = Bed::new(on, json!({ "dpop": true, "verify_email": true })).await;
        let (device, client) = (VirtualDevice::new(), bed.client());
        let body = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
        let path = "/auth/sign-up";
        let signed = client.clone().with("dpop", proof_of(&bed, &device, path));
        let challenge = handle(&signed.post(path, &body).await);
        let body = json!({ "challenge": challenge, "code": last_code(&bed, ADA).await });
        let path = "/auth/verify";
        let send = async |proof: String| client.clone().with("dpop", proof).post(path, &body).await;
        assert_rejected(&client.post(path, &body).await, "no proof");
        let other = proof_of(&bed, &VirtualDevice::new(), path);
        assert_rejected(&send(other).await, "another key");
        let answer = send(proof_of(&bed, &device, path)).await.json();
        assert_eq!(answer["tokens"]["token_type"], "DPoP", "{answer}");
        bed.remove().await;
    }

    tests_on! { [sqlite: Sqlite, postgres: Postgres] }
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
    #[serde(flatten)]
    options: SignInOptions,
}

async fn enter(
    client: AuthClient,
    Extension(passwords): Extension<PasswordService>,
    JsonBody(login): JsonBody<Login>,
) -> Result<SignInOutcome, AuthError> {
    let client = client.with_options(login.options);
    passwords.sign_in(&client, &login.email, &login.password).await
}

/// A handler of the application has the proof of its request, on a nested router within two layers.
#[tokio::test]
async fn handler_of_the_application_binds_the_session() {
    let clock = ManualClock::at("2026-01-01T00:00:00Z");
    let auth = Auth::builder(SqliteStore::memory().await.unwrap())
        .origin(ORIGIN)
        .clock(clock.clone())
        .flow(Password::new())
        .flow(Dpop::new())
        .build()
        .unwrap();
    let own = Router::new().route("/enter", post(enter)).layer(auth.layer());
    let app = Router::new()
        .nest("/app", own)
        .nest("/auth", auth.router())
        .layer(Extension(auth.service::<Password>().unwrap()))
        .layer(auth.layer());
    let (client, device) = (TestClient::new(app), VirtualDevice::new());
    let account = json!({ "email": ADA, "password": PASSWORD });
    assert_eq!(client.post("/auth/sign-up", &account).await.status, 201);
    let login = json!({ "email": ADA, "password": PASSWORD, "transport": "bearer" });
    let signed = |path: &str| proof(&device, &claims_at(clock.now(), "POST", path));
    let send = async |proof: &str, body: &Value| {
        let answer = client.clone().with("dpop", proof).post("/app/enter", body).await;
        (answer.status.as_u16(), answer.json())
    };
    let bearer = client.post("/app/enter", &login).await.json();
    assert_eq!(bearer["tokens"]["token_type"], "Bearer");
    let own = signed("/app/enter");
    let (status, bound) = send(&own, &login).await;
    assert_eq!((status, &bound["tokens"]["token_type"]), (200, &json!("DPoP")), "{bound}");
    assert_eq!(bound["session"]["bound"], "dpop");
    let refresh = json!({ "refresh_token": bound["tokens"]["refresh_token"] });
    assert_eq!(client.post("/auth/refresh", &refresh).await.code(), "device_proof_required");
    for proof in [own, signed("/enter"), "broken".to_owned()] {
        let (status, answer) = send(&proof, &login).await;
        assert_eq!((status, &answer["code"]), (400, &json!("invalid_dpop_proof")), "{proof}");
    }
    let (status, cookie) = send("broken", &account).await;
    assert_eq!((status, &cookie["session"]["bound"]), (200, &Value::Null), "cookies ignore proofs");
}
