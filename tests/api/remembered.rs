//! Remembered devices: `/devices`, and what forgets them.

use authlayer::{EventKind, testing::TestClient};
use serde_json::{Value, json};

use crate::{
    authenticator::{Authenticator, delete, enroll, error},
    codes::{handle, kinds, last_code, verified_user, verify},
    email_sign_in,
    interleaved::OTHER,
    support::{Bed, PASSWORD, on_every_store, sign_in},
};

const ADA: &str = "ada@example.com";

async fn devices(client: &TestClient) -> Vec<Value> {
    let answer = client.get("/auth/devices").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["devices"].as_array().unwrap().clone()
}

/// Signs in with an app, and remembers the device.
async fn remembered(bed: &Bed, app: &Authenticator) -> TestClient {
    let browser = bed.client().with("user-agent", "Remembered/1.0");
    let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
    let code = app.next(bed).await;
    let body = json!({ "challenge": challenge, "method": "totp", "code": code, "remember": true });
    let done = browser.post("/auth/verify", &body).await;
    assert_eq!(done.status, 200, "{}", done.json());
    browser
}

on_every_store! {
    async fn remembered_device_counts_for_passwords_until_they_change(bed: &Bed, { "verify_email": true, "code_interval_s": 0 }) {
        let ada = verified_user(bed, ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let phone = remembered(bed, &app).await;
        let device = phone.cookie("auth-device").unwrap();
        let browser = bed.client();
        browser.set_cookie("auth-device", &device);
        let challenge = handle(&email_sign_in::start(&browser, ADA).await);
        let pending = verify(&browser, &challenge, &last_code(bed, ADA).await).await;
        assert_eq!(pending.status, 202, "{}", pending.json());
        assert_eq!(pending.json()["methods"], json!(["totp", "recovery_code"]));
        assert_eq!(browser.get("/me").await.status, 401);
        assert_eq!(sign_in(&browser, ADA, PASSWORD).await.status, 200, "by password");
        let body = json!({ "current_password": PASSWORD, "new_password": OTHER });
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        let late = bed.client();
        late.set_cookie("auth-device", &device);
        assert_eq!(sign_in(&late, ADA, OTHER).await.status, 202, "the password changed");
    }

    async fn remembered_device_is_listed_and_forgotten(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        assert_eq!(devices(&ada).await, Vec::<Value>::new());
        let phone = remembered(bed, &app).await;
        let listed = devices(&phone).await;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["user_agent"], json!("Remembered/1.0"));
        assert_eq!(listed[0]["current"], json!(true));
        assert_eq!(devices(&ada).await[0]["current"], json!(false));
        for member in ["id", "ip", "created_at", "last_used_at", "expires_at"] {
            assert!(listed[0][member].is_string(), "{member}");
        }
        bed.advance(60).await;
        let again = sign_in(&phone, ADA, PASSWORD).await;
        assert_eq!(again.status, 200, "the device replaces the second factor");
        let used = devices(&phone).await;
        assert_eq!((used.len(), &used[0]["current"]), (1, &json!(true)));
        assert_ne!(used[0]["last_used_at"], listed[0]["last_used_at"]);
        let path = format!("/auth/devices/{}", listed[0]["id"].as_str().unwrap());
        let eve = bed.browser("eve@example.com").await;
        assert_eq!(error(&delete(&eve, &path).await), (404, "not_found".to_owned()));
        assert_eq!(delete(&bed.client(), &path).await.status, 401);
        assert_eq!(delete(&ada, &path).await.status, 204);
        assert_eq!(delete(&ada, &path).await.status, 404);
        assert_eq!(sign_in(&phone, ADA, PASSWORD).await.status, 202);
        assert_eq!(bed.bed.watch.count(EventKind::DeviceRemembered), 1);
        assert_eq!(bed.bed.watch.count(EventKind::DeviceForgotten), 1);
        assert!(kinds(bed, ADA).await.contains(&"notice_device_forgotten".to_owned()));
        let (one, two) = (remembered(bed, &app).await, remembered(bed, &app).await);
        assert_eq!(delete(&ada, "/auth/devices").await.json(), json!({ "forgotten": 2 }));
        for device in [one, two] {
            assert_eq!(sign_in(&device, ADA, PASSWORD).await.status, 202);
        }
    }

    async fn removal_of_a_second_factor_forgets_devices(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (app, _) = enroll(bed, &ada).await;
        let (_, second) = enroll(bed, &ada).await;
        let phone = remembered(bed, &app).await;
        let path = format!("/auth/totp/{}", second["totp"]["id"].as_str().unwrap());
        assert_eq!(delete(&ada, &path).await.status, 204);
        assert_eq!(devices(&ada).await, Vec::<Value>::new());
        assert_eq!(sign_in(&phone, ADA, PASSWORD).await.status, 202);
    }

    async fn device_of_an_email_code_is_listed_too(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser(ADA).await;
        let phone = bed.client();
        let challenge = handle(&sign_in(&phone, ADA, PASSWORD).await);
        let code = last_code(bed, ADA).await;
        let body = json!({ "challenge": challenge, "code": code, "remember": true });
        assert_eq!(phone.post("/auth/verify", &body).await.status, 200);
        assert_eq!(devices(&ada).await.len(), 1);
        assert_eq!(sign_in(&phone, ADA, PASSWORD).await.status, 200);
    }
}
