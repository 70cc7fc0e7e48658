//! Rate limits: what they count, by which key, and which requests they never reject.

use authlayer::{
    EventKind,
    testing::{TestClient, TestResponse},
};
use serde_json::json;

use crate::{
    codes::{handle, kinds, last_code, mails, verified_user, verify, wrong},
    support::{Bed, PASSWORD, on_every_store, sign_in, sign_up, uuid},
};

/// Returns a client with its own network behind the proxy of the test.
fn from(bed: &Bed, ip: &str) -> TestClient {
    bed.client().with("x-forwarded-for", ip)
}

async fn forgot(client: &TestClient, email: &str) -> TestResponse {
    client.post("/auth/password/forgot", json!({ "email": email })).await
}

/// Returns a browser that is remembered after a sign-in with a code.
async fn remembered(bed: &Bed, email: &str) -> TestClient {
    let browser = bed.client();
    let challenge = handle(&sign_in(&browser, email, PASSWORD).await);
    let code = last_code(bed, email).await;
    let body = json!({ "challenge": challenge, "code": code, "remember": true });
    assert_eq!(browser.post("/auth/verify", &body).await.status, 200);
    browser
}

on_every_store! {
    /// Wrong codes for sign-ups by other clients do not use up the sign-in codes of the owner.
    async fn wrong_codes_are_counted_by_purpose(bed: &Bed, { "verify_email": true, "sign_in_code": true, "code_interval_s": 0 }) {
        verified_user(bed, "ada@example.com").await;
        for _ in 0..4 {
            let other_client = bed.client();
            let challenge = handle(&sign_up(&other_client, "ada@example.com").await);
            for _ in 0..5 {
                assert_eq!(verify(&other_client, &challenge, "x").await.code(), "invalid_code");
            }
        }
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        assert_eq!(verify(&bed.client(), &challenge, "x").await.code(), "too_many_attempts");
        let owner = bed.client();
        let challenge = handle(&sign_in(&owner, "ada@example.com", PASSWORD).await);
        assert_eq!(verify(&owner, &challenge, &last_code(bed, "ada@example.com").await).await.status, 200);
    }

    /// Emails caused by other clients do not use up the sign-in codes of the owner, and a correct
    /// password returns the same response whether or not an email is sent.
    async fn emails_are_counted_by_purpose(bed: &Bed, { "verify_email": true, "sign_in_code": true, "code_interval_s": 0 }) {
        verified_user(bed, "ada@example.com").await;
        for _ in 0..12 {
            assert_eq!(sign_up(&bed.client(), "ada@example.com").await.status, 202);
            assert_eq!(forgot(&bed.client(), "ada@example.com").await.status, 202);
        }
        assert_eq!(kinds(bed, "ada@example.com").await.iter().filter(|kind| *kind == "already_registered").count(), 9);
        let owner = bed.client();
        let challenge = handle(&sign_in(&owner, "ada@example.com", PASSWORD).await);
        assert_eq!(verify(&owner, &challenge, &last_code(bed, "ada@example.com").await).await.status, 200);
    }

    /// Three emails at once, then one a minute; each code is valid with its own challenge.
    async fn second_attempt_within_a_minute_gets_a_valid_code(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let mut pending = Vec::new();
        for _ in 0..4 {
            pending.push(sign_in(&bed.client(), "ada@example.com", PASSWORD).await);
        }
        let codes: Vec<_> = mails(bed, "ada@example.com").await.iter()
            .map(|mail| mail["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(codes.len(), 3);
        for (pending, code) in pending.iter().zip(&codes) {
            assert_eq!(verify(&bed.client(), &handle(pending), code).await.status, 200);
        }
        assert_eq!(pending[3].json()["resend_at"], "2026-01-01T00:01:00Z");
        let body = json!({ "challenge": handle(&pending[3]) });
        bed.advance(60).await;
        assert_eq!(bed.client().post("/auth/verify/resend", &body).await.status, 202);
        let code = last_code(bed, "ada@example.com").await;
        assert_eq!(verify(&bed.client(), &handle(&pending[3]), &code).await.status, 200);
    }

    /// Spaces, hyphens and line ends in a code are ignored and cost no attempt.
    async fn spaces_and_hyphens_in_a_code_are_ignored(bed: &Bed, { "verify_email": true, "code_interval_s": 0 }) {
        for (number, between, after) in [(0, " ", ""), (1, "-", ""), (2, "", " \r\n"), (3, "\u{a0}", "\t"), (4, "\u{2013}", "")] {
            let email = format!("ada{number}@example.com");
            let challenge = handle(&sign_up(&bed.client(), &email).await);
            let code = last_code(bed, &email).await;
            for _ in 0..4 {
                verify(&bed.client(), &challenge, &wrong(&code)).await;
            }
            let written = format!(" {}{between}{}{after}", &code[..3], &code[3..]);
            assert_eq!(verify(&bed.client(), &challenge, &written).await.status, 200, "{written:?}");
        }
    }

    /// Thirty sign-ups an hour for a network, counted before validation and hashing.
    async fn sign_ups_are_rate_limited_by_network_before_hashing(bed: &Bed, { "trusted_proxies": ["127.0.0.1"] }) {
        let client = from(bed, "203.0.113.7:51234");
        for number in 0..30 {
            let body = json!({ "email": format!("ada{number}@example.com"), "password": "short" });
            assert_eq!(client.post("/auth/sign-up", &body).await.code(), "weak_password");
        }
        let refused = sign_up(&client, "no address").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), "3600");
        assert_eq!(client.post("/auth/anonymous", json!({})).await.status, 429);
        assert_eq!(bed.hashes().await, 0);
        assert_eq!(sign_up(&from(bed, "203.0.113.8"), "ada@example.com").await.status, 201);
        bed.advance(3600).await;
        assert_eq!(client.post("/auth/anonymous", json!({})).await.status, 201);
    }

    /// Behind a proxy that is not configured, no network is counted.
    async fn networks_behind_an_unconfigured_proxy_are_not_counted(bed: &Bed, { "origin": "https://app.example.com" }) {
        for number in 0..101 {
            let answer = sign_in(&bed.client(), &format!("nobody{number}@example.com"), "wrong guess").await;
            assert_eq!(answer.status, 401, "{number}");
        }
        for number in 0..31 {
            let body = json!({ "email": format!("ada{number}@example.com"), "password": "short" });
            assert_eq!(bed.client().post("/auth/sign-up", &body).await.status, 422, "{number}");
        }
    }

    /// Metadata of at most 8 KiB as JSON.
    async fn sign_up_metadata_is_limited_in_size(bed: &Bed) {
        for (length, status) in [(8 * 1024 - 8, 201), (8 * 1024 - 7, 422)] {
            let body = json!({ "email": format!("ada{length}@example.com"), "password": PASSWORD, "user_metadata": { "a": "x".repeat(length) } });
            let answer = bed.client().post("/auth/sign-up", &body).await;
            assert_eq!(answer.status, status, "{length}");
            if status == 422 {
                assert_eq!(answer.json()["members"], json!(["user_metadata"]));
            }
        }
    }

    /// Sign-ups whose email cannot be sent store a bounded number of rows.
    async fn sign_ups_without_an_email_store_few_rows(bed: &Bed, { "verify_email": true, "trusted_proxies": ["127.0.0.1"] }) {
        for number in 0..40 {
            let client = from(bed, &format!("203.0.113.{number}"));
            assert_eq!(sign_up(&client, "ada@example.com").await.status, 202);
        }
        assert_eq!(mails(bed, "ada@example.com").await.len(), 3);
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_challenges").await, "13");
    }

    /// Failures of other clients reject neither a remembered device nor a signed-in user, and their
    /// counter is not reset when these succeed.
    async fn remembered_devices_and_sessions_are_not_rate_limited(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let known = remembered(bed, "ada@example.com").await;
        for _ in 0..6 {
            sign_in(&bed.client(), "ada@example.com", "wrong guess").await;
        }
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 429);
        assert_eq!(sign_in(&known, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 429, "still counted");
        let body = json!({ "current_password": PASSWORD, "new_password": "another good password" });
        assert_eq!(known.post("/auth/password/change", &body).await.status, 200);
    }

    /// A remembered device has its own counter, but not for other accounts.
    async fn remembered_device_has_its_own_failure_counter(bed: &Bed, { "sign_in_code": true }) {
        for email in ["ada@example.com", "eve@example.com"] {
            bed.browser(email).await;
        }
        let (known, eve) = (remembered(bed, "ada@example.com").await, remembered(bed, "eve@example.com").await);
        for _ in 0..5 {
            assert_eq!(sign_in(&known, "ada@example.com", "wrong guess").await.status, 401);
        }
        assert_eq!(sign_in(&known, "ada@example.com", PASSWORD).await.status, 429);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 202, "other devices are not rate limited");
        for _ in 0..5 {
            assert_eq!(sign_in(&eve, "ada@example.com", "wrong guess").await.status, 401);
        }
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 429, "counted as an unknown device");
    }

    /// PW-09, PW-10: after a hundred failures in a row the password is locked for a day, and the
    /// owner is notified once.
    async fn hundred_failures_lock_the_password_for_a_day(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let known = remembered(bed, "ada@example.com").await;
        for _ in 0..100 {
            assert_eq!(sign_in(&bed.client(), "ada@example.com", "wrong guess").await.status, 401);
            bed.advance(900).await;
        }
        let refused = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!((refused.code(), refused.header("retry-after")), ("too_many_attempts".to_owned(), "85500".to_owned()));
        assert_eq!(bed.bed.watch.count(EventKind::AccountLocked), 1);
        let sent = kinds(bed, "ada@example.com").await;
        assert_eq!(sent.iter().filter(|kind| *kind == "notice_locked").count(), 1);
        assert!(mails(bed, "ada@example.com").await.last().unwrap()["link"].is_null());
        assert_eq!(sign_in(&known, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(forgot(&bed.client(), "ada@example.com").await.status, 202);
        let link = mails(bed, "ada@example.com").await.last().unwrap()["link"].as_str().unwrap().to_owned();
        let body = json!({ "token": link.split_once("token=").unwrap().1, "new_password": "another good password" });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "another good password").await.status, 202);
    }

    /// HA-15: a wrong password for a hash of another scheme costs a hash of current parameters
    /// as well.
    async fn wrong_password_for_an_imported_hash_also_costs_a_current_hash(bed: &Bed) {
        let mut user = authlayer::User::new(uuid("imported"), "2026-01-01T00:00:00Z".parse().unwrap());
        user.email = Some(authlayer::Email::parse("ada@example.com").unwrap());
        let passwords = bed.bed.auth.service::<authlayer::Password>().unwrap();
        passwords.import(&user, "$pbkdf2-sha256$i=1000,l=32$c2FsdHNhbHRzYWx0c2FsdA$qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo").await.unwrap();
        for (email, cost) in [("ada@example.com", 2), ("nobody@example.com", 1)] {
            let before = bed.hashes().await;
            assert_eq!(sign_in(&bed.client(), email, "wrong guess").await.status, 401);
            assert_eq!(bed.hashes().await - before, cost, "{email}");
        }
    }

    /// The start of a provider sign-in counts as a ceremony of the network.
    async fn provider_sign_in_starts_are_rate_limited(bed: &Bed, { "github": { "client_id": "a", "client_secret": "b", "web_url": "http://127.0.0.1:9", "api_url": "http://127.0.0.1:9" } }) {
        for number in 0..300 {
            let answer = bed.client().get("/auth/oauth/github/start").await;
            assert_eq!(answer.status, 303, "{number}");
        }
        let refused = bed.client().get("/auth/oauth/github/start").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), "3600");
    }

    /// Limits are checked after everything that a request may be rejected for, and such requests do
    /// not count.
    async fn rejected_starts_of_ceremonies_are_not_counted(bed: &Bed, { "trusted_proxies": ["127.0.0.1"], "github": { "client_id": "a", "client_secret": "b", "web_url": "http://127.0.0.1:9", "api_url": "http://127.0.0.1:9" } }) {
        let ada = bed.browser("ada@example.com").await.with("x-forwarded-for", "203.0.113.7");
        let (native, ..) = bed.native("bob@example.com").await;
        let native = native.with("x-forwarded-for", "203.0.113.7");
        let (far, none) = (json!({ "redirect_to": "https://evil.example" }), json!({}));
        let rejected = async || {
            let start = ada.get("/auth/oauth/github/start?redirect_to=//evil.example").await;
            assert_eq!((start.status.as_u16(), start.code()), (400, "invalid_redirect".to_owned()));
            for (client, path, body, status, code) in [
                (&ada, "oauth/github/link", &far, 400, "invalid_redirect"),
                (&native, "oauth/github/link", &none, 422, "transport_disabled"),
                (&ada, "oauth/github/link", &json!({ "redirect_to": 1 }), 422, "invalid_request"),
                (&ada, "oauth/github/step-up", &none, 404, "not_found"),
                (&ada, "passkeys/verify/start", &none, 404, "no_passkey"),
                (&ada, "passkeys/sign-in/start", &json!({ "email": 1 }), 422, "invalid_request"),
                (&ada, "passkeys/register/start", &json!({ "second_factor": 1 }), 422, "invalid_request"),
            ] {
                let answer = client.post(&format!("/auth/{path}"), body).await;
                assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{path}");
            }
        };
        for _ in 0..3 {
            rejected().await;
        }
        for number in 0..300 {
            let answer = ada.post("/auth/passkeys/sign-in/start", &none).await;
            assert_eq!(answer.status, 200, "{number}");
        }
        for path in ["oauth/github/link", "passkeys/sign-in/start", "passkeys/register/start"] {
            let answer = ada.post(&format!("/auth/{path}"), &none).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (429, "rate_limited".to_owned()), "{path}");
        }
        rejected().await;
    }

    /// A second request of an anonymous user returns the same user and session.
    async fn repeated_anonymous_sign_in_returns_the_same_session(bed: &Bed) {
        let client = bed.client();
        let first = client.post("/auth/anonymous", json!({})).await.json();
        let second = client.post("/auth/anonymous", json!({})).await;
        assert_eq!((second.status.as_u16(), &second.json()["status"]), (201, &json!("complete")));
        assert_eq!(second.json()["user"]["id"], first["user"]["id"]);
        assert_eq!(second.json()["session"]["id"], first["session"]["id"]);
        assert!(second.set_cookies().is_empty());
        let native = bed.client().post("/auth/anonymous", json!({ "transport": "bearer" })).await.json();
        let token = native["tokens"]["access_token"].as_str().unwrap();
        let again = bed.client().bearer(token).post("/auth/anonymous", json!({ "transport": "bearer" })).await;
        assert_eq!((again.status.as_u16(), &again.json()["user"]["id"]), (201, &native["user"]["id"]));
        assert_eq!(again.json()["session"]["id"], native["session"]["id"]);
        let token = again.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(bed.client().bearer(&token).get("/me").await.status, 200);
        let person = bed.browser("ada@example.com").await;
        assert_eq!(person.post("/auth/anonymous", json!({})).await.code(), "forbidden");
    }

    async fn disabled_sign_up_creates_no_anonymous_user(bed: &Bed, { "sign_up": false }) {
        let answer = bed.client().post("/auth/anonymous", json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
    }
}
