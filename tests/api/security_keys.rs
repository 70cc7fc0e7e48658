//! Security keys: second factors without user verification.

use authlayer::{
    EventKind,
    testing::{PasskeyFault, TestClient, TestResponse, VirtualAuthenticator},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, delete, enroll, error, factors, start},
    codes::{handle, kinds},
    passkeys::{ORIGIN, begin, enter, finish, register, step_up},
    support::{PASSWORD, on_every_store, sign_in},
};

const ADA: &str = "ada@example.com";

/// A key that verifies no user.
pub(crate) fn plain_key() -> VirtualAuthenticator {
    let mut key = VirtualAuthenticator::new(ORIGIN);
    key.fault(PasskeyFault::NotVerified);
    key
}

pub(crate) async fn add(client: &TestClient, key: &mut VirtualAuthenticator) -> TestResponse {
    let begun = begin(client, "register", &json!({ "second_factor": true })).await;
    let credential = key.register(&begun["options"]);
    finish(client, "register", &begun, &credential).await
}

async fn prove(
    client: &TestClient,
    pending: &TestResponse,
    key: &mut VirtualAuthenticator,
) -> TestResponse {
    let body = json!({ "challenge": pending.json()["challenge"] });
    let begun = begin(client, "verify", &body).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "verify", &begun, &credential).await
}

async fn listed(client: &TestClient) -> Vec<Value> {
    client.get("/auth/passkeys").await.json()["passkeys"].as_array().unwrap().clone()
}

on_every_store! {
    async fn security_key_is_registered_without_user_verification(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let begun = begin(&ada, "register", &json!({ "second_factor": true })).await;
        let selection = &begun["options"]["authenticatorSelection"];
        assert_eq!(selection["userVerification"], json!("discouraged"));
        assert_eq!(selection["residentKey"], json!("discouraged"));
        assert_eq!(selection["requireResidentKey"], json!(false));
        assert!(!begun["options"]["extensions"].to_string().contains("credentialProtection"));
        let mut key = plain_key();
        let done = add(&ada, &mut key).await;
        assert_eq!(done.status, 201, "{}", done.json());
        assert_eq!(done.json()["user_verified"], json!(false));
        assert!(done.json().get("recovery_codes").is_none());
        assert_eq!(listed(&ada).await[0]["user_verified"], json!(false));
        assert_eq!(bed.bed.watch.count(EventKind::SecurityKeyAdded), 1);
        assert!(kinds(bed, ADA).await.contains(&"notice_factor_added".to_owned()));
        let again = begin(&ada, "register", &json!({})).await;
        assert_eq!(again["options"]["excludeCredentials"].as_array().unwrap().len(), 1);
        assert_eq!(again["options"]["authenticatorSelection"]["userVerification"], json!("required"));
        let taken = finish(&ada, "register", &again, &key.register(&again["options"])).await;
        assert!([409, 422].contains(&taken.status.as_u16()), "{}", taken.json());
        for body in [json!({ "second_factor": 1 }), json!({ "second_factor": "yes" })] {
            assert_eq!(ada.post("/auth/passkeys/register/start", &body).await.status, 422);
        }
        assert_eq!(register(&ada, &mut plain_key()).await.status, 422, "a passkey verifies the user");
    }

    async fn security_key_is_a_second_factor_and_never_signs_in(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser(ADA).await;
        let mut key = plain_key();
        assert_eq!(add(&ada, &mut key).await.status, 201);
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["security_key"]));
        let text = answer(&browser, &handle(&pending), "security_key", "000000").await;
        assert_eq!(error(&text), (422, "invalid_request".to_owned()));
        let body = json!({ "challenge": pending.json()["challenge"] });
        let begun = begin(&browser, "verify", &body).await;
        assert_eq!(begun["options"]["userVerification"], json!("discouraged"));
        let done = prove(&browser, &pending, &mut key).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(factors(&done), ["password", "security_key"]);
        for fault in [Some(PasskeyFault::NotVerified), None] {
            key.fault(fault);
            let alone = enter(&bed.client(), &mut key).await;
            assert_eq!(error(&alone), (401, "invalid_passkey".to_owned()));
        }
        let verified = sign_in(&browser, ADA, PASSWORD).await;
        let done = prove(&browser, &verified, &mut key).await;
        assert_eq!(factors(&done), ["password", "security_key"], "whatever the flag says later");
        bed.advance(600).await;
        let stale = ada.get("/fresh").await;
        assert_eq!(stale.json()["methods"], json!(["security_key"]));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(ada.get("/strong").await.status, 403, "it is no passkey");
    }

    async fn removal_of_the_last_security_key_requires_it_and_is_notified(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let mut key = plain_key();
        let added = add(&ada, &mut key).await.json();
        let path = format!("/auth/passkeys/{}", added["id"].as_str().unwrap());
        bed.advance(600).await;
        assert_eq!(ada.post("/auth/password/verify", json!({ "password": PASSWORD })).await.status, 200);
        let refused = delete(&ada, &path).await;
        assert_eq!(error(&refused), (403, "step_up_required".to_owned()));
        assert_eq!(refused.json()["methods"], json!(["security_key"]));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        let begun = bed.client();
        let pending = sign_in(&begun, ADA, PASSWORD).await;
        assert_eq!(prove(&begun, &pending, &mut key).await.status, 200);
        assert_eq!(delete(&ada, &path).await.status, 204);
        assert_eq!(begun.get("/me").await.status, 401, "it began with the key");
        assert_eq!(ada.get("/me").await.status, 200);
        assert!(kinds(bed, ADA).await.contains(&"notice_factor_removed".to_owned()));
        assert_eq!(bed.bed.watch.count(EventKind::SecurityKeyRemoved), 1);
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 200, "two-step is off");
    }

    /// F27, G1: of simultaneous answers with one assertion, one begins a session.
    async fn one_assertion_succeeds_once(bed: &Bed, { "limits": false }) {
        let ada = bed.browser(ADA).await;
        for factor in ["security_key", "passkey"] {
            let mut key = if factor == "passkey" { VirtualAuthenticator::new(ORIGIN) } else { plain_key() };
            let added = if factor == "passkey" { register(&ada, &mut key).await } else { add(&ada, &mut key).await };
            assert_eq!(added.status, 201, "{}", added.json());
            let pending = sign_in(&bed.client(), ADA, PASSWORD).await;
            let body = json!({ "challenge": pending.json()["challenge"] });
            let begun = begin(&bed.client(), "verify", &body).await;
            let credential = key.authenticate(&begun["options"]);
            let all = (0..32).map(|_| async {
                let browser = bed.client();
                finish(&browser, "verify", &begun, &credential).await.status.as_u16()
            });
            let statuses = join_all(all).await;
            assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{factor}: {statuses:?}");
            assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{factor}: {statuses:?}");
        }
    }

    async fn passkey_without_user_verification_counts_as_a_security_key(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let mut passkey = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(register(&ada, &mut passkey).await.status, 201);
        let mut key = plain_key();
        assert_eq!(add(&ada, &mut key).await.status, 201);
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["passkey", "security_key"]));
        let body = json!({ "challenge": pending.json()["challenge"] });
        let begun = begin(&browser, "verify", &body).await;
        assert_eq!(begun["options"]["userVerification"], json!("preferred"));
        assert_eq!(begun["options"]["allowCredentials"].as_array().unwrap().len(), 2);
        assert_eq!(factors(&prove(&browser, &pending, &mut passkey).await), ["password", "passkey"]);
        passkey.fault(PasskeyFault::NotVerified);
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        let unverified = prove(&browser, &pending, &mut passkey).await;
        assert!(
            unverified.status == 401 || factors(&unverified) == ["password", "security_key"],
            "{}",
            unverified.json()
        );
        assert_eq!(enter(&bed.client(), &mut passkey).await.status, 401);
    }

    async fn removal_of_a_security_key_ends_its_sessions(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let mut key = plain_key();
        assert_eq!(add(&ada, &mut key).await.status, 201);
        let browser = bed.client();
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        assert_eq!(prove(&browser, &pending, &mut key).await.status, 200);
        let made = ada.post("/auth/recovery-codes", json!({})).await;
        assert_eq!(made.status, 200, "there is something to recover");
        let path = format!("/auth/passkeys/{}", listed(&ada).await[0]["id"].as_str().unwrap());
        assert_eq!(delete(&ada, &path).await.status, 204);
        assert_eq!(browser.get("/me").await.status, 401);
        assert_eq!(ada.get("/auth/recovery-codes").await.json()["left"], json!(0));
        assert_eq!(bed.bed.watch.count(EventKind::SecurityKeyRemoved), 1);
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 200);
    }

    /// A recovery code replaces a lost key by a key, and not by an app.
    async fn recovery_code_replaces_a_security_key(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        assert_eq!(add(&ada, &mut plain_key()).await.status, 201);
        let made = ada.post("/auth/recovery-codes", json!({})).await.json();
        let code = made["codes"][0].as_str().unwrap();
        let phone = bed.client();
        let pending = sign_in(&phone, ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["security_key", "recovery_code"]));
        assert_eq!(answer(&phone, &handle(&pending), "recovery_code", code).await.status, 200);
        let passkey = phone.post("/auth/passkeys/register/start", json!({})).await;
        assert_eq!(error(&passkey), (403, "step_up_required".to_owned()));
        let path = format!("/auth/passkeys/{}", listed(&phone).await[0]["id"].as_str().unwrap());
        assert_eq!(delete(&phone, &path).await.status, 204);
        let (started, app) = start(&phone).await;
        let refused = crate::authenticator::finish(&phone, &started, &app.code(bed)).await;
        assert_eq!(error(&refused), (403, "step_up_required".to_owned()), "another kind");
        let mut key = plain_key();
        assert_eq!(add(&phone, &mut key).await.status, 201);
        assert_eq!(phone.get("/fresh").await.status, 403, "the new key was not verified");
        assert_eq!(step_up(&phone, &mut key).await.status, 200);
        assert_eq!(phone.get("/fresh").await.status, 200);
        enroll(bed, &phone).await;
    }
}
