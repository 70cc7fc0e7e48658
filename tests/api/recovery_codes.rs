//! Recovery codes: each replaces a lost app once.

use authlayer::{
    EventKind,
    testing::{TestClient, VirtualAuthenticator},
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    authenticator::{Authenticator, answer, delete, enroll, error, factors, finish, start},
    codes::{handle, kinds},
    passkeys::{self, ORIGIN, begin, register},
    security_keys::{add, plain_key},
    support::{Bed, PASSWORD, on_every_store, sign_in},
};

const ADA: &str = "ada@example.com";

fn codes_of(body: &Value, member: &str) -> Vec<String> {
    let codes = body[member].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

/// A user with an app and its recovery codes.
async fn with_codes(bed: &Bed) -> (TestClient, Authenticator, Vec<String>, String) {
    let ada = bed.browser(ADA).await;
    let (app, done) = enroll(bed, &ada).await;
    let path = format!("/auth/totp/{}", done["totp"]["id"].as_str().unwrap());
    (ada, app, codes_of(&done, "recovery_codes"), path)
}

async fn by_code(bed: &Bed, code: &str) -> (TestClient, authlayer::testing::TestResponse) {
    let browser = bed.client();
    let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
    let done = answer(&browser, &challenge, "recovery_code", code).await;
    (browser, done)
}

on_every_store! {
    async fn each_code_signs_in_once_as_people_write_it(bed: &Bed) {
        let (ada, _, codes, _) = with_codes(bed).await;
        assert_eq!(codes.len(), 10);
        for code in &codes {
            assert!(code.len() == 11 && code.as_bytes()[5] == b'-', "{code}");
        }
        let written = codes[0].to_ascii_uppercase().replace('-', " ").replace('0', "O");
        let (_, done) = by_code(bed, &written.replace('1', "l")).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(factors(&done), ["password", "recovery_code"]);
        let (_, again) = by_code(bed, &codes[0]).await;
        assert_eq!(error(&again), (401, "invalid_code".to_owned()));
        let left = ada.get("/auth/recovery-codes").await.json();
        assert_eq!(left["left"], json!(9));
        assert!(left["created_at"].is_string());
        assert!(kinds(bed, ADA).await.contains(&"notice_recovery_code_used".to_owned()));
        assert_eq!(bed.bed.watch.count(EventKind::RecoveryCodeUsed), 1);
        let dump = bed.dump().await;
        for code in &codes {
            for text in [code.clone(), code.replace('-', "")] {
                assert!(!dump.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
            }
        }
    }

    /// OT-18: of simultaneous answers with one code, one begins a session, at one pending sign-in
    /// and at several.
    async fn one_code_at_several_sign_ins_succeeds_once(bed: &Bed, { "limits": false }) {
        let (_, _, codes, _) = with_codes(bed).await;
        let mut pending = Vec::new();
        for _ in 0..8 {
            pending.push(handle(&sign_in(&bed.client(), ADA, PASSWORD).await));
        }
        let all = (0..32).map(|at| {
            let (challenge, code) = (&pending[at % pending.len()], &codes[0]);
            async move {
                answer(&bed.client(), challenge, "recovery_code", code).await.status.as_u16()
            }
        });
        let statuses = join_all(all).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    }

    async fn codes_are_offered_while_one_is_left(bed: &Bed) {
        let (_, _, codes, _) = with_codes(bed).await;
        for code in &codes {
            assert_eq!(by_code(bed, code).await.1.status, 200);
        }
        let pending = sign_in(&bed.client(), ADA, PASSWORD).await;
        assert_eq!(pending.json()["methods"], json!(["totp"]));
    }

    async fn new_codes_replace_the_earlier_ones(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let none = ada.post("/auth/recovery-codes", json!({})).await;
        assert_eq!(error(&none), (409, "no_second_factor".to_owned()));
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        let none = ada.post("/auth/recovery-codes", json!({})).await;
        assert_eq!(error(&none), (409, "no_second_factor".to_owned()), "with passkeys alone");
        let (_, done) = enroll(bed, &ada).await;
        let old = codes_of(&done, "recovery_codes");
        let made = ada.post("/auth/recovery-codes", json!({})).await;
        assert_eq!(made.status, 200, "{}", made.json());
        let new = codes_of(&made.json(), "codes");
        assert_eq!(new.len(), 10);
        assert_eq!(by_code(bed, &old[0]).await.1.code(), "invalid_code");
        assert_eq!(by_code(bed, &new[0]).await.1.status, 200);
        bed.advance(600).await;
        assert_eq!(ada.post("/auth/recovery-codes", json!({})).await.code(), "step_up_required");
        assert_eq!(bed.client().get("/auth/recovery-codes").await.status, 401);
    }

    /// Attempts have their own counter, behind the first factor.
    async fn wrong_codes_are_counted_per_account_and_use_up_nothing_else(bed: &Bed) {
        let (ada, app, codes, _) = with_codes(bed).await;
        let browser = bed.client();
        for _ in 0..4 {
            let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
            for _ in 0..5 {
                let wrong = answer(&browser, &challenge, "recovery_code", "00000-00000").await;
                assert_eq!(error(&wrong), (401, "invalid_code".to_owned()));
            }
        }
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        let limited = answer(&browser, &challenge, "recovery_code", &codes[0]).await;
        assert_eq!(error(&limited), (429, "too_many_attempts".to_owned()));
        let by_app = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(by_app.status, 200, "{}", by_app.json());
        let body = json!({ "code": app.next(bed).await });
        assert_eq!(ada.post("/auth/totp/verify", &body).await.status, 200);
        assert_eq!(bed.client().post("/auth/sign-in", json!({ "email": ADA, "password": "wrong" })).await.status, 401);
        bed.advance(3600).await;
        assert_eq!(by_code(bed, &codes[0]).await.1.status, 200);
    }

    /// A code stands for one lost app: its session removes one and enrolls one, and nothing else.
    async fn session_of_a_code_replaces_one_app(bed: &Bed) {
        let (ada, app, codes, path) = with_codes(bed).await;
        let (_, second) = enroll(bed, &ada).await;
        let other = format!("/auth/totp/{}", second["totp"]["id"].as_str().unwrap());
        let (phone, done) = by_code(bed, &codes[0]).await;
        assert_eq!(done.status, 200);
        for (method, route) in [
            (http::Method::POST, "/auth/recovery-codes"),
            (http::Method::POST, "/auth/passkeys/register/start"),
            (http::Method::POST, "/auth/email/change"),
            (http::Method::DELETE, "/auth/account"),
        ] {
            let refused = phone.json(method, route, &json!({ "new_email": "x@example.com" })).await;
            assert_eq!(error(&refused), (403, "step_up_required".to_owned()), "{route}");
        }
        assert_eq!(phone.get("/fresh").await.status, 403);
        assert_eq!(delete(&phone, &path).await.status, 204);
        let refused = delete(&phone, &other).await;
        assert_eq!(error(&refused), (403, "step_up_required".to_owned()));
        assert_eq!(refused.json()["methods"], json!(["totp"]));
        let (started, new) = start(&phone).await;
        let (again, newer) = start(&phone).await;
        assert_eq!(finish(&phone, &started, &new.code(bed)).await.status, 201);
        let twice = finish(&phone, &again, &newer.code(bed)).await;
        assert_eq!(error(&twice), (403, "step_up_required".to_owned()));
        assert_eq!(twice.json()["methods"], json!(["totp"]));
        assert_eq!(phone.get("/fresh").await.status, 403, "the new app was not verified");
        let proved = phone.post("/auth/totp/verify", json!({ "code": new.next(bed).await })).await;
        assert_eq!(proved.status, 200, "{}", proved.json());
        assert_eq!(phone.get("/fresh").await.status, 200);
        assert!(!app.base32.is_empty());
    }

    /// A code stands for one factor, also at simultaneous requests about an app and a security key.
    async fn session_of_a_code_replaces_factors_of_one_kind(bed: &Bed) {
        let (ada, _, codes, app) = with_codes(bed).await;
        let mut lost = plain_key();
        let key = add(&ada, &mut lost).await.json()["id"].as_str().unwrap().to_owned();
        let key = format!("/auth/passkeys/{key}");
        let (phone, done) = by_code(bed, &codes[0]).await;
        assert_eq!(done.status, 200);
        let (started, new) = start(&phone).await;
        let begun = begin(&phone, "register", &json!({ "second_factor": true })).await;
        let credential = plain_key().register(&begun["options"]);
        let (code, clients) = (new.code(bed), [(); 4].map(|()| phone.clone()));
        let (app_gone, key_gone, app_added, key_added) = futures_util::join!(
            delete(&clients[0], &app),
            delete(&clients[1], &key),
            finish(&clients[2], &started, &code),
            passkeys::finish(&clients[3], "register", &begun, &credential),
        );
        let of_apps = [app_gone.status == 204, app_added.status == 201];
        let of_keys = [key_gone.status == 204, key_added.status == 201];
        let changed = (of_apps.contains(&true), of_keys.contains(&true));
        assert!(matches!(changed, (true, false) | (false, true)), "{of_apps:?} {of_keys:?}");
    }

    async fn session_of_a_code_is_limited_in_time_and_to_users_without_passkeys(bed: &Bed) {
        let (ada, _, codes, path) = with_codes(bed).await;
        let (phone, _) = by_code(bed, &codes[0]).await;
        bed.advance(600).await;
        assert_eq!(error(&delete(&phone, &path).await), (403, "step_up_required".to_owned()));
        let (tablet, _) = by_code(bed, &codes[1]).await;
        assert_eq!(ada.post("/auth/password/verify", json!({ "password": PASSWORD })).await.status, 200);
        assert_eq!(error(&delete(&ada, &path).await), (403, "step_up_required".to_owned()));
        // Removing the last app leaves the password as the strongest factor, which the session
        // verified before its recovery code.
        assert_eq!(delete(&tablet, &path).await.status, 204);
        assert_eq!(tablet.get("/fresh").await.status, 403);
        assert_eq!(tablet.post("/auth/passkeys/register/start", json!({})).await.status, 403);
        assert_eq!(tablet.post("/auth/password/verify", json!({ "password": PASSWORD })).await.status, 200);
        assert_eq!(tablet.get("/fresh").await.status, 200);
    }

    async fn code_opens_nothing_for_a_user_with_a_passkey(bed: &Bed) {
        let (ada, _, codes, path) = with_codes(bed).await;
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        let (phone, done) = by_code(bed, &codes[0]).await;
        assert_eq!(done.status, 200);
        let refused = delete(&phone, &path).await;
        assert_eq!(error(&refused), (403, "step_up_required".to_owned()));
        assert_eq!(refused.json()["methods"], json!(["passkey"]));
        assert_eq!(phone.post("/auth/totp/register/start", json!({})).await.status, 403);
    }
}
