//! Rules of the application for new passwords, and the minimum length of a password alone.

use authlayer::{
    Auth, Password, PasswordReset,
    crypto::password::PasswordPolicy,
    testing::{TestApp, TestClient, TestResponse, VirtualAuthenticator},
};
use axum::Router;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, delete, enroll, error},
    codes::{handle, mails},
    passkeys::{ORIGIN, register},
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in, tests_on},
    testbed::Store,
};

const ADA: &str = "ada@example.com";
/// Twelve characters.
const SHORT: &str = "zq8 xw2v plu";
/// Fifteen characters.
const LONG: &str = "zq8 xw2v plum b";

async fn sign_up(client: &TestClient, password: &str) -> TestResponse {
    let body = json!({ "email": ADA, "password": password, "display_name": "Lovelace" });
    client.post("/auth/sign-up", &body).await
}

async fn change(client: &TestClient, current: &str, new: &str) -> TestResponse {
    let body = json!({ "current_password": current, "new_password": new });
    client.post("/auth/password/change", &body).await
}

async fn reset(bed: &Bed, password: &str) -> TestResponse {
    let client = bed.client();
    assert_eq!(client.post("/auth/password/forgot", json!({ "email": ADA })).await.status, 202);
    let mails = mails(bed, ADA).await;
    let link = mails.iter().rev().find_map(|mail| mail["link"].as_str()).unwrap();
    let token = link.split("#token=").nth(1).unwrap();
    client.post("/auth/password/reset", json!({ "token": token, "new_password": password })).await
}

fn is_weak(answer: &TestResponse, reasons: &[&str], min_length: usize) {
    assert_eq!(error(answer), (422, "weak_password".to_owned()));
    let body = answer.json();
    assert_eq!((&body["reasons"], &body["min_length"]), (&json!(reasons), &json!(min_length)));
}

on_every_store! {
    async fn password_without_second_factor_has_another_minimum_length(bed: &Bed, { "min_length_alone": 15 }) {
        let ada = bed.client();
        is_weak(&sign_up(&ada, SHORT).await, &["too_short"], 15);
        is_weak(&sign_up(&ada, "1234567").await, &["too_short"], 15);
        assert_eq!(sign_up(&ada, LONG).await.status, 201);
        is_weak(&change(&ada, LONG, SHORT).await, &["too_short"], 15);
        assert_eq!(change(&ada, LONG, &format!("{LONG}!")).await.status, 200);
        assert_eq!(sign_in(&bed.client(), ADA, &format!("{LONG}!")).await.status, 200);
        is_weak(&reset(bed, SHORT).await, &["too_short"], 15);
        assert_eq!(reset(bed, LONG).await.status, 204);
        let ada = bed.client();
        assert_eq!(sign_in(&ada, ADA, LONG).await.status, 200);
        let (app, done) = enroll(bed, &ada).await;
        is_weak(&change(&ada, LONG, "1234567").await, &["too_short"], 8);
        assert_eq!(change(&ada, LONG, SHORT).await.status, 200);
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, SHORT).await);
        let entered = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(entered.status, 200, "{}", entered.json());
        assert_eq!(reset(bed, &format!("{SHORT}!")).await.status, 204, "the app protects it");
        let challenge = handle(&sign_in(&browser, ADA, &format!("{SHORT}!")).await);
        let entered = answer(&browser, &challenge, "totp", &app.next(bed).await).await;
        assert_eq!(entered.status, 200, "{}", entered.json());
        let path = format!("/auth/totp/{}", done["totp"]["id"].as_str().unwrap());
        assert_eq!(delete(&browser, &path).await.status, 204);
        assert_eq!(sign_in(&bed.client(), ADA, &format!("{SHORT}!")).await.status, 200, "it remains");
        is_weak(&change(&browser, &format!("{SHORT}!"), SHORT).await, &["too_short"], 15);
    }

    /// A passkey is a second factor if the application requires one.
    async fn demand_of_the_application_counts_as_a_second_factor(bed: &Bed, { "min_length_alone": 15, "two_step_required_role": "admin" }) {
        let ada = bed.client();
        assert_eq!(sign_up(&ada, LONG).await.status, 201);
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        is_weak(&change(&ada, LONG, SHORT).await, &["too_short"], 15);
        bed.change(&id_of(&ada).await, json!({ "roles": ["admin"] })).await;
        assert_eq!(change(&ada, LONG, SHORT).await.status, 200);
    }
}

async fn rule(on: On) {
    let bed = Bed::new(on, json!({})).await;
    let builder = match Store::open(&bed.database.url(), 5).await.unwrap() {
        Store::Sqlite(store) => Auth::builder(store),
        Store::Postgres(store) => Auth::builder(store),
    };
    let password = Password::new()
        .policy(PasswordPolicy::new().require_number(true))
        .rule(|password, about| {
            assert!(about.email.is_some_and(|email| email.as_str() == ADA));
            assert!(about.username.is_none());
            let name = about.display_name.unwrap_or_default();
            if password.contains(&name[..4]) { Err("contains_name") } else { Ok(()) }
        })
        .rule(|password, _| if password.contains('#') { Err("has_hash") } else { Ok(()) });
    let builder = builder.origin(ORIGIN).clock(bed.bed.clock.clone()).max_clock_skew(None);
    let builder = builder.mailer(bed.bed.mailbox.clone()).flow(password);
    let auth = builder.flow(PasswordReset::new()).build().unwrap();
    let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
    let app = TestApp::serve(app).await;
    let ada = app.client();
    let rejected = async |password: &str| sign_up(&ada, password).await;
    is_weak(&rejected("9 is a Love number").await, &["contains_name"], 8);
    is_weak(&rejected("9 is a Love #").await, &["contains_name", "has_hash"], 8);
    is_weak(&rejected("a Love #").await, &["missing_number", "contains_name", "has_hash"], 8);
    is_weak(&rejected(&"#".repeat(129)).await, &["too_long"], 8);
    assert_eq!(sign_up(&ada, PASSWORD).await.status, 201);
    is_weak(&change(&ada, PASSWORD, "zq8 xw2v #").await, &["has_hash"], 8);
    assert_eq!(change(&ada, PASSWORD, "zq8 xw2v p").await.status, 200);
    let body: Value = json!({ "email": ADA });
    assert_eq!(ada.post("/auth/password/forgot", &body).await.status, 202);
    auth.shutdown(std::time::Duration::from_secs(60)).await;
    let mails = bed.bed.mailbox.all();
    let link = mails.iter().rev().find_map(|mail| mail.link.clone()).unwrap();
    let token = link.split("#token=").nth(1).unwrap();
    let body = json!({ "token": token, "new_password": "zq8 xw2v #" });
    is_weak(&ada.post("/auth/password/reset", &body).await, &["has_hash"], 8);
    let body = json!({ "token": token, "new_password": PASSWORD });
    assert_eq!(ada.post("/auth/password/reset", &body).await.status, 204);
    drop((app, auth));
    bed.remove().await;
}

mod rules_of_the_application_have_their_own_reasons {
    use super::{rule as on, tests_on};
    tests_on! { [sqlite: Sqlite, postgres: Postgres] }
}
