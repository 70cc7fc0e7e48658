//! Passkeys with user verification as a preference: the flag of each response decides.

use authlayer::testing::{PasskeyFault, TestClient, TestResponse, VirtualAuthenticator};
use http::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, delete, enroll, error, factors},
    codes::{handle, last_code},
    passkeys::{ORIGIN, begin, enter, finish, register, step_up},
    support::{Bed, PASSWORD, id_of, on_every_store, on_managed_stores, sign_in},
};

const ADA: &str = "ada@example.com";

fn plain_key() -> VirtualAuthenticator {
    let mut key = VirtualAuthenticator::new(ORIGIN);
    key.fault(PasskeyFault::NotVerified);
    key
}

async fn prove(
    client: &TestClient,
    pending: &TestResponse,
    key: &mut VirtualAuthenticator,
) -> TestResponse {
    let begun = begin(client, "verify", &json!({ "challenge": handle(pending) })).await;
    let credential = key.authenticate(&begun["options"]);
    finish(client, "verify", &begun, &credential).await
}

async fn user_verified(client: &TestClient) -> Value {
    client.get("/auth/passkeys").await.json()["passkeys"][0]["user_verified"].clone()
}

/// A user with a passkey that verified the user when it was registered.
async fn with_key(bed: &Bed) -> (TestClient, VirtualAuthenticator) {
    let ada = bed.browser(ADA).await;
    let mut key = VirtualAuthenticator::new(ORIGIN);
    let done = register(&ada, &mut key).await;
    assert_eq!(done.status, 201, "{}", done.json());
    (ada, key)
}

on_every_store! {
    async fn preferences_are_in_the_options(bed: &Bed, { "user_verification": "preferred", "resident_key": "preferred" }) {
        let (ada, _) = with_key(bed).await;
        let registration = begin(&ada, "register", &json!({})).await["options"].clone();
        let selection = &registration["authenticatorSelection"];
        assert_eq!(selection["userVerification"], json!("preferred"));
        assert_eq!(selection["residentKey"], json!("preferred"));
        assert_eq!(selection["requireResidentKey"], json!(false));
        assert!(!registration["extensions"].to_string().contains("credentialProtection"));
        let body = json!({ "email": "bob@example.com" });
        let sign_up = begin(&bed.client(), "sign-up", &body).await["options"].clone();
        assert_eq!(sign_up["authenticatorSelection"]["userVerification"], json!("preferred"));
        let sign_in = begin(&bed.client(), "sign-in", &json!({})).await;
        assert_eq!(sign_in["options"]["userVerification"], json!("preferred"));
        let step_up = begin(&ada, "verify", &json!({})).await;
        assert_eq!(step_up["options"]["userVerification"], json!("preferred"));
    }

    async fn flag_of_the_response_decides_about_the_factor(bed: &Bed, { "user_verification": "preferred" }) {
        let (ada, mut key) = with_key(bed).await;
        assert_eq!(user_verified(&ada).await, json!(true));
        let browser = bed.client();
        assert_eq!(factors(&enter(&browser, &mut key).await), ["passkey"]);
        assert_eq!(browser.get("/strong").await.status, 200);
        key.fault(PasskeyFault::NotVerified);
        let done = enter(&browser, &mut key).await;
        assert_eq!((done.status.as_u16(), factors(&done)), (200, vec!["security_key".to_owned()]));
        assert_eq!(browser.get("/fresh").await.status, 200);
        assert_eq!(error(&browser.get("/strong").await), (403, "step_up_required".to_owned()));
        assert_eq!(user_verified(&ada).await, json!(false));
        key.fault(None);
        let stepped = step_up(&browser, &mut key).await;
        assert_eq!(factors(&stepped), ["security_key", "passkey"]);
        assert_eq!(browser.get("/strong").await.status, 200);
        assert_eq!(user_verified(&ada).await, json!(true));
    }

    async fn registration_and_sign_up_without_user_verification_prove_one_factor(bed: &Bed, { "user_verification": "preferred" }) {
        let ada = bed.browser(ADA).await;
        let mut key = plain_key();
        let done = register(&ada, &mut key).await;
        assert_eq!((done.status.as_u16(), &done.json()["user_verified"]), (201, &json!(false)));
        assert_eq!(ada.get("/fresh").await.status, 200);
        assert_eq!(ada.get("/strong").await.status, 403);
        assert_eq!(factors(&enter(&bed.client(), &mut key).await), ["security_key"]);
        let (browser, mut key) = (bed.client(), plain_key());
        let begun = begin(&browser, "sign-up", &json!({ "email": "bob@example.com" })).await;
        let credential = key.register(&begun["options"]);
        let done = finish(&browser, "sign-up", &begun, &credential).await;
        assert_eq!((done.status.as_u16(), factors(&done)), (201, vec!["security_key".to_owned()]));
    }

    /// The passkey that was used without user verification adds nothing without it.
    async fn sign_in_of_a_user_with_two_step_is_pending_without_user_verification(bed: &Bed, { "user_verification": "preferred" }) {
        let (ada, mut key) = with_key(bed).await;
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        let on = json!({ "enabled": true });
        assert_eq!(ada.json(Method::PUT, "/auth/account/two-step", &on).await.status, 200);
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
        key.fault(PasskeyFault::NotVerified);
        let browser = bed.client();
        let pending = enter(&browser, &mut key).await;
        assert_eq!((pending.status.as_u16(), &pending.json()["methods"]), (202, &json!(["passkey"])));
        assert_eq!(browser.get("/me").await.status, 401);
        let begun = begin(&browser, "verify", &json!({ "challenge": handle(&pending) })).await;
        assert_eq!(begun["options"]["userVerification"], json!("required"));
        let again = prove(&browser, &pending, &mut key).await;
        assert_eq!(error(&again), (401, "invalid_passkey".to_owned()));
        key.fault(None);
        let done = prove(&browser, &pending, &mut key).await;
        assert_eq!(factors(&done), ["security_key", "passkey"]);
    }

    /// The session of the sign-up names its passkey, as every session that a passkey began.
    async fn removal_of_a_passkey_ends_the_session_of_its_sign_up(bed: &Bed, { "user_verification": "preferred" }) {
        for (email, mut key) in [(ADA, VirtualAuthenticator::new(ORIGIN)), ("bob@example.com", plain_key())] {
            let phone = bed.client();
            let begun = begin(&phone, "sign-up", &json!({ "email": email })).await;
            let credential = key.register(&begun["options"]);
            assert_eq!(finish(&phone, "sign-up", &begun, &credential).await.status, 201);
            let laptop = bed.client();
            assert_eq!(enter(&laptop, &mut key).await.status, 200);
            let first = laptop.get("/auth/passkeys").await.json()["passkeys"][0]["id"].clone();
            let second = register(&laptop, &mut VirtualAuthenticator::new(ORIGIN)).await;
            assert_eq!(second.status, 201, "{}", second.json());
            let path = |id: &Value| format!("/auth/passkeys/{}", id.as_str().unwrap());
            assert_eq!(delete(&laptop, &path(&first)).await.status, 204);
            assert_eq!(phone.get("/me").await.status, 401);
            assert_eq!(laptop.get("/me").await.status, 200);
        }
    }

    /// A user whose passkeys verify nothing could not complete a sign-in with them.
    async fn passkeys_without_user_verification_do_not_turn_two_step_on(bed: &Bed, { "user_verification": "preferred" }) {
        let ada = bed.browser(ADA).await;
        let mut keys = [plain_key(), plain_key()];
        for key in &mut keys {
            assert_eq!(register(&ada, key).await.status, 201);
        }
        let on = json!({ "enabled": true });
        let turn_on = async || ada.json(Method::PUT, "/auth/account/two-step", &on).await;
        let expected = (409, "no_second_factor".to_owned());
        assert_eq!(error(&turn_on().await), expected);
        keys[0].fault(None);
        assert_eq!(step_up(&ada, &mut keys[0]).await.status, 200);
        assert_eq!(error(&turn_on().await), expected, "one of them verified the user");
        keys[1].fault(None);
        assert_eq!(step_up(&ada, &mut keys[1]).await.status, 200);
        assert_eq!(turn_on().await.json(), json!({ "two_step": true }));
    }

    /// The authenticator of the user cannot verify the user.
    async fn passkeys_are_managed_with_a_passkey_without_user_verification(bed: &Bed, { "user_verification": "preferred", "require_passkey_to_manage": true }) {
        let ada = bed.browser(ADA).await;
        let mut key = plain_key();
        assert_eq!(register(&ada, &mut key).await.status, 201);
        bed.advance(600).await;
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        let added = register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await;
        assert_eq!(added.status, 201, "{}", added.json());
        let id = added.json()["id"].as_str().unwrap().to_owned();
        bed.advance(600).await;
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(delete(&ada, &format!("/auth/passkeys/{id}")).await.status, 204);
    }

    async fn passkeys_are_managed_only_with_a_passkey(bed: &Bed, { "require_passkey_to_manage": true }) {
        let (ada, mut key) = with_key(bed).await;
        let begun = begin(&ada, "register", &json!({ "second_factor": true })).await;
        let mut security_key = plain_key();
        let credential = security_key.register(&begun["options"]);
        assert_eq!(finish(&ada, "register", &begun, &credential).await.status, 201);
        bed.advance(600).await;
        assert_eq!(step_up(&ada, &mut security_key).await.status, 200);
        let refused = ada.post("/auth/passkeys/register/start", json!({})).await;
        assert_eq!(error(&refused), (403, "step_up_required".to_owned()));
        assert_eq!(refused.json()["methods"], json!(["passkey"]));
        assert_eq!(step_up(&ada, &mut key).await.status, 200);
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
    }

    async fn app_completes_a_sign_in_without_user_verification(bed: &Bed, { "user_verification": "preferred" }) {
        let (ada, mut key) = with_key(bed).await;
        let (app, _) = enroll(bed, &ada).await;
        key.fault(PasskeyFault::NotVerified);
        let browser = bed.client();
        let pending = enter(&browser, &mut key).await;
        assert_eq!(pending.json()["methods"], json!(["passkey", "totp", "recovery_code"]));
        let done = answer(&browser, &handle(&pending), "totp", &app.next(bed).await).await;
        assert_eq!(factors(&done), ["security_key", "totp"]);
        let pending = sign_in(&browser, ADA, PASSWORD).await;
        let done = prove(&browser, &pending, &mut key).await;
        assert_eq!(factors(&done), ["password", "security_key"]);
    }
}

on_managed_stores! {
    async fn demand_of_the_application_counts_without_user_verification(bed: &Bed, { "user_verification": "preferred", "two_step_required_role": "admin" }) {
        let (ada, mut key) = with_key(bed).await;
        bed.change(&id_of(&ada).await, json!({ "roles": ["admin"] })).await;
        key.fault(PasskeyFault::NotVerified);
        let browser = bed.client();
        let pending = enter(&browser, &mut key).await;
        assert_eq!((pending.status.as_u16(), &pending.json()["methods"]), (202, &json!(["passkey"])));
        key.fault(None);
        assert_eq!(prove(&browser, &pending, &mut key).await.status, 200);
        assert_eq!(browser.get("/admin").await.status, 200);
    }

    async fn code_at_each_sign_in_is_asked_without_user_verification(bed: &Bed, { "user_verification": "preferred", "sign_in_code": true }) {
        let (_, mut key) = with_key(bed).await;
        assert_eq!(enter(&bed.client(), &mut key).await.status, 200);
        key.fault(PasskeyFault::NotVerified);
        let browser = bed.client();
        let pending = enter(&browser, &mut key).await;
        assert_eq!(pending.json()["methods"], json!(["passkey", "email_code"]));
        let code = last_code(bed, ADA).await;
        let done = answer(&browser, &handle(&pending), "email_code", &code).await;
        assert_eq!(factors(&done), ["security_key", "email_code"]);
    }
}
