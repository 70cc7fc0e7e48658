//! The cost of requests in statements and hashes.

use serde_json::json;

use crate::{
    authenticator::{self, answer, enroll},
    codes::{handle, last_code},
    support::{PASSWORD, id_of, on_managed_stores, on_stores, sign_in},
};

on_managed_stores! {
    async fn cached_session_and_public_route_cost_no_statement(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        for (path, cost) in [("/public", 0), ("/me", 1), ("/auth/nowhere", 0)] {
            let before = bed.statements().await;
            browser.get(path).await;
            assert_eq!(bed.statements().await - before, cost, "{path}");
        }
        for path in ["/me", "/maybe", "/auth/session"] {
            bed.until_served_from_cache(&browser, path).await;
        }
        let before = bed.statements().await;
        bed.client().get("/me").await;
        bed.client().bearer("aat_malformed").get("/me").await;
        assert_eq!(bed.statements().await, before);
    }

    async fn without_a_cache_each_request_costs_one_statement(bed: &Bed, { "cache_ms": 0 }) {
        let browser = bed.browser("ada@example.com").await;
        for (path, cost) in [("/public", 0), ("/me", 1), ("/me", 1), ("/auth/session", 1)] {
            let before = bed.statements().await;
            browser.get(path).await;
            assert_eq!(bed.statements().await - before, cost, "{path}");
        }
    }

    /// Rejections are not cached: the token may become valid.
    async fn rejected_tokens_are_not_cached(bed: &Bed) {
        let (client, token, _) = bed.native("ada@example.com").await;
        client.post("/auth/sign-out", json!({})).await;
        let before = bed.statements().await;
        for _ in 0..3 {
            assert_eq!(bed.client().bearer(&token).get("/me").await.status, 401);
        }
        assert_eq!(bed.statements().await - before, 3);
    }

    /// A guard that requires recent authentication bypasses the cache for session and credentials.
    async fn guard_of_recent_authentication_bypasses_the_cache(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        bed.until_served_from_cache(&browser, "/me").await;
        let before = bed.statements().await;
        assert_eq!(browser.get("/fresh").await.status, 200);
        assert_eq!(bed.statements().await - before, 2);
    }

    /// Two counters before and two after, the user, the password twice, the session.
    async fn sign_in_costs_eight_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let (statements, hashes) = (bed.statements().await, bed.hashes().await);
        sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!((bed.statements().await - statements, bed.hashes().await - hashes), (8, 1));
    }

    /// The sign-in until the challenge, and its answer.
    async fn sign_in_with_an_app_costs_two_statements_more_than_with_an_email_code(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("bob@example.com").await;
        let ada = bed.browser("ada@example.com").await;
        let (app, _) = enroll(bed, &ada).await;
        let mut costs = Vec::new();
        for (email, method) in [("bob@example.com", "email_code"), ("ada@example.com", "totp")] {
            let browser = bed.client();
            let before = bed.statements().await;
            let pending = sign_in(&browser, email, PASSWORD).await;
            let cost = bed.statements().await - before;
            let code = match method {
                "totp" => app.next(bed).await,
                _ => last_code(bed, email).await,
            };
            let (before, hashes) = (bed.statements().await, bed.hashes().await);
            let done = answer(&browser, &handle(&pending), method, &code).await;
            assert_eq!((done.status.as_u16(), bed.hashes().await - hashes), (200, 0), "{method}");
            costs.push((cost, bed.statements().await - before));
        }
        let total = |at: usize| costs[at].0 + costs[at].1;
        assert!(total(1) <= total(0) + 2, "email code {:?}, app {:?}", costs[0], costs[1]);
    }

    /// Statements and hashes of each step of an authenticator app and of recovery codes.
    async fn steps_of_an_app_cost_a_fixed_number_of_statements(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let browser = bed.client();
        let mut costs = Vec::new();
        let mut before = (bed.statements().await, bed.hashes().await);
        let mut step = async |name: &'static str| {
            let now = (bed.statements().await, bed.hashes().await);
            costs.push((name, now.0 - before.0, now.1 - before.1));
            before = now;
        };
        let (started, app) = authenticator::start(&ada).await;
        step("start of the enrollment").await;
        let done = authenticator::finish(&ada, &started, &app.code(bed)).await.json();
        step("enrollment").await;
        let body = json!({ "code": app.next(bed).await });
        assert_eq!(ada.post("/auth/totp/verify", &body).await.status, 200);
        step("step-up").await;
        let challenge = handle(&sign_in(&browser, "ada@example.com", PASSWORD).await);
        step("password").await;
        assert_eq!(answer(&browser, &challenge, "totp", &app.next(bed).await).await.status, 200);
        step("app").await;
        let challenge = handle(&sign_in(&bed.client(), "ada@example.com", PASSWORD).await);
        step("password").await;
        let code = done["recovery_codes"][0].as_str().unwrap();
        assert_eq!(answer(&browser, &challenge, "recovery_code", code).await.status, 200);
        step("recovery code").await;
        assert_eq!(ada.post("/auth/recovery-codes", json!({})).await.status, 200);
        step("new recovery codes").await;
        let path = format!("/auth/totp/{}", done["totp"]["id"].as_str().unwrap());
        assert_eq!(authenticator::delete(&ada, &path).await.status, 204);
        step("removal").await;
        let expected = [
            ("start of the enrollment", 3, 0),
            ("enrollment", 8, 0),
            ("step-up", 9, 0),
            ("password", 8, 1),
            ("app", 13, 0),
            ("password", 8, 1),
            ("recovery code", 15, 0),
            ("new recovery codes", 5, 0),
            ("removal", 7, 0),
        ];
        assert_eq!(costs, expected);
    }

    /// The challenge is read once to select what verifies the answer.
    async fn method_that_is_not_offered_costs_one_statement(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        enroll(bed, &ada).await;
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, "ada@example.com", PASSWORD).await);
        for path in ["verify", "verify/resend"] {
            let before = bed.statements().await;
            let body = json!({ "challenge": challenge, "method": "email_code", "code": "000000" });
            let refused = browser.post(&format!("/auth/{path}"), &body).await;
            assert_eq!(refused.status, 422, "{path}");
            assert_eq!(bed.statements().await - before, 1, "{path}");
        }
    }

    async fn sign_up_costs_four_statements_and_one_hash(bed: &Bed) {
        bed.browser("ada@example.com").await;
        assert_eq!((bed.statements().await, bed.hashes().await), (4, 1));
        let body = json!({ "email": "nobody@example.com", "password": "wrong password" });
        bed.client().post("/auth/sign-in", &body).await;
        assert_eq!((bed.statements().await, bed.hashes().await), (8, 2), "as for a registered user");
    }
}

on_stores! {
    [
        sqlite: Sqlite, sqlite_with_one_connection: SqliteOne,
        postgres: Postgres, postgres_with_one_connection: PostgresOne,
        sqlite_mapped: SqliteMapped, postgres_mapped: PostgresMapped
    ]

    /// The key is fetched together with its user.
    async fn request_with_api_key_costs_one_statement(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.change(&id_of(&ada).await, json!({ "scopes": ["notes:read"] })).await;
        let body = json!({ "name": "notes", "scopes": ["notes:read"] });
        let key = ada.post("/auth/api-keys", &body).await.json()["key"].clone();
        let program = bed.client().bearer(key.as_str().unwrap());
        for _ in 0..2 {
            let before = bed.statements().await;
            assert_eq!(program.get("/key").await.status, 200);
            assert_eq!(bed.statements().await - before, 1);
        }
    }
}

/// The status of an external user in our tables is fetched together with the session.
#[tokio::test]
async fn request_of_an_external_user_costs_one_statement() {
    use crate::{
        places::Directory,
        support::{Bed, On},
    };
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory::default();
        let config = json!({ "cache_ms": 0 });
        let users = async |_: &_, _: &_| authlayer::UserStorage::external(directory.clone());
        let bed = Bed::over(on, config, users).await;
        let ada = bed.browser("ada@example.com").await;
        for _ in 0..2 {
            let before = bed.statements().await;
            assert_eq!(ada.get("/me").await.status, 200);
            assert_eq!(bed.statements().await - before, 1, "{on:?}");
        }
        let id = ada.get("/me").await.json()["id"].as_str().unwrap().to_owned();
        let key = ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await.json();
        let program = bed.client().bearer(key["key"].as_str().unwrap());
        let before = bed.statements().await;
        assert_eq!(program.get("/who").await.status, 200, "{on:?}");
        assert_eq!(
            bed.statements().await - before,
            1,
            "{on:?}: the key with the status of its user"
        );
        bed.bed.auth.users().disable(&authlayer::UserId::new(id)).await.unwrap();
        assert_eq!(ada.get("/me").await.status, 401, "{on:?}");
        assert_eq!(program.get("/who").await.status, 401, "{on:?}");
        bed.remove().await;
    }
}
