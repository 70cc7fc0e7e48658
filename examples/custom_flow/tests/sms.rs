//! The flow over SQLite, as an application tests it.

use std::sync::{Arc, Mutex};

use authlayer::{
    Auth, Password, SqliteStore, User,
    mail::DeliveryError,
    services::{CodeDelivery, CodeMessage},
    testing::{TestApp, TestClient},
};
use authlayer_sms::SmsSignIn;
use axum::Router;
use serde_json::{Value, json};

const PHONE: &str = "+4915112345678";
const PASSWORD: &str = "correct horse battery";

/// A delivery that stores the codes for the test.
#[derive(Clone, Default)]
struct Phones(Arc<Mutex<Vec<(String, String)>>>);

impl CodeDelivery for Phones {
    async fn deliver(&self, message: CodeMessage<'_>) -> Result<(), DeliveryError> {
        self.0.lock().unwrap().push((message.to.to_owned(), message.code.to_owned()));
        Ok(())
    }
}

struct Fixture {
    auth: Auth,
    app: TestApp,
    phones: Phones,
}

impl Fixture {
    async fn new() -> Self {
        let phones = Phones::default();
        let auth = Auth::builder(SqliteStore::memory().await.unwrap())
            .origin("http://localhost:3000")
            .flow(Password::new())
            .flow(SmsSignIn(phones.clone()))
            .build()
            .unwrap();
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { auth, app: TestApp::serve(app).await, phones }
    }

    /// Signs a user up with a password and assigns a phone number to the user.
    async fn user(&self) -> (TestClient, User) {
        let browser = self.app.client();
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        assert_eq!(browser.post("/auth/sign-up", &body).await.status, 201);
        let ada = self.auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
        let sms = self.auth.service::<SmsSignIn<Phones>>().unwrap();
        sms.assign(&ada.id, PHONE).await.unwrap();
        (browser, ada)
    }

    async fn code(&self) -> String {
        self.auth.shutdown(std::time::Duration::from_secs(10)).await;
        self.phones.0.lock().unwrap().pop().expect("a code").1
    }
}

fn answer(pending: &Value, code: &str) -> Value {
    json!({ "challenge": pending["challenge"], "code": code })
}

#[tokio::test]
async fn code_signs_in_once() {
    let fixture = Fixture::new().await;
    fixture.user().await;
    let phone = fixture.app.client();
    let pending = phone.post("/auth/sms/sign-in", json!({ "phone": PHONE })).await;
    assert_eq!((pending.status.as_u16(), &pending.json()["methods"]), (202, &json!(["sms"])));
    let code = fixture.code().await;
    let right = answer(&pending.json(), &code);
    let wrong = answer(&pending.json(), "000000");
    assert_eq!(phone.post("/auth/verify", &wrong).await.code(), "invalid_code");
    let signed_in = phone.post("/auth/verify", &right).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json());
    assert_eq!(signed_in.json()["session"]["factors"][0]["method"], "sms");
    assert_eq!(phone.get("/auth/session").await.status, 200);
    assert_eq!(phone.post("/auth/verify", &right).await.code(), "challenge_expired");
}

#[tokio::test]
async fn unknown_number_gets_the_same_response_and_no_code() {
    let fixture = Fixture::new().await;
    let body = json!({ "phone": "+4915100000000" });
    let pending = fixture.app.client().post("/auth/sms/sign-in", &body).await;
    assert_eq!(pending.status, 202);
    fixture.auth.shutdown(std::time::Duration::from_secs(10)).await;
    assert!(fixture.phones.0.lock().unwrap().is_empty());
    let invalid = json!({ "phone": "nobody" });
    let refused = fixture.app.client().post("/auth/sms/sign-in", &invalid).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (422, "invalid_phone"));
    let wrong = fixture.app.client().post("/auth/sms/sign-in", json!({ "phone": 7 })).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["members"]), (422, &json!(["phone"])));
}

#[tokio::test]
async fn phone_is_the_second_factor_of_a_password() {
    let fixture = Fixture::new().await;
    fixture.user().await;
    let browser = fixture.app.client();
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let pending = browser.post("/auth/sign-in", &body).await;
    assert_eq!((pending.status.as_u16(), &pending.json()["methods"]), (202, &json!(["sms"])));
    assert_eq!(browser.get("/auth/session").await.status, 401);
    let select = json!({ "challenge": pending.json()["challenge"], "method": "sms" });
    assert_eq!(browser.post("/auth/verify/resend", &select).await.status, 202);
    let code = fixture.code().await;
    let done = browser.post("/auth/verify", &answer(&pending.json(), &code)).await;
    assert_eq!(done.status, 200, "{}", done.json());
    let factors = done.json()["session"]["factors"].clone();
    assert_eq!((&factors[0]["method"], &factors[1]["method"]), (&json!("password"), &json!("sms")));
}

#[tokio::test]
async fn enrollment_requires_recent_authentication_on_the_same_session() {
    let fixture = Fixture::new().await;
    let anyone = fixture.app.client();
    let body = json!({ "phone": "+4915100000001" });
    assert_eq!(anyone.post("/auth/sms/phones", &body).await.status, 401);
    let sign_up = json!({ "email": "bob@example.com", "password": PASSWORD });
    let bob = fixture.app.client();
    assert_eq!(bob.post("/auth/sign-up", &sign_up).await.status, 201);
    let pending = bob.post("/auth/sms/phones", &body).await;
    assert_eq!(pending.status, 202, "{}", pending.json());
    let right = answer(&pending.json(), &fixture.code().await);
    assert_eq!(anyone.post("/auth/sms/phones/verify", &right).await.code(), "unauthenticated");
    let added = bob.post("/auth/sms/phones/verify", &right).await;
    assert_eq!(added.status, 201, "{}", String::from_utf8_lossy(&added.body));
}
