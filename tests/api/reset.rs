//! Password reset and password change.

use authlayer::testing::{TestClient, TestResponse};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    codes::{handle, kinds, last_code, mails, verify},
    support::{Bed, PASSWORD, on_every_store, sign_in},
};

const NEW: &str = "wq3 tulip okapi";

pub(crate) async fn forgot(bed: &Bed, email: &str) -> TestResponse {
    bed.client().post("/auth/password/forgot", json!({ "email": email })).await
}

async fn link(bed: &Bed, email: &str) -> String {
    mails(bed, email).await.last().unwrap()["link"].as_str().unwrap().to_owned()
}

pub(crate) async fn token(bed: &Bed, email: &str) -> String {
    link(bed, email).await.split("#token=").nth(1).unwrap().to_owned()
}

async fn reset(client: &TestClient, token: &str, password: &str) -> TestResponse {
    client.post("/auth/password/reset", json!({ "token": token, "new_password": password })).await
}

on_every_store! {
    /// Revokes all sessions, and all links and codes that could create one.
    async fn revoke_everything_revokes_sessions_and_links(bed: &Bed) {
        let browsers = [bed.browser("ada@example.com").await, bed.browser("bob@example.com").await];
        forgot(bed, "ada@example.com").await;
        let token = token(bed, "ada@example.com").await;
        assert_eq!(bed.bed.auth.sessions().revoke_everything().await.unwrap(), 2);
        for browser in &browsers {
            assert_eq!(browser.get("/auth/session").await.status, 401);
            assert_eq!(browser.post("/auth/refresh", json!({})).await.status, 401);
        }
        let refused = reset(&bed.client(), &token, NEW).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "invalid_token"));
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(bed.bed.auth.sessions().revoke_everything().await.unwrap(), 1);
        assert_eq!(bed.bed.auth.sessions().revoke_everything().await.unwrap(), 0);
        let revoked = bed.bed.watch.all().into_iter();
        let revoked = revoked.filter(|event| event.detail.get("reason") == Some(&json!("everything")));
        assert_eq!(revoked.count(), 3);
    }
}

async fn change(client: &TestClient, current: &str, new: &str) -> TestResponse {
    client
        .post("/auth/password/change", json!({ "current_password": current, "new_password": new }))
        .await
}

/// Waits until this many writes were made in the background.
async fn noted(bed: &Bed, notes: u64) {
    while bed.bed.store.statements().background < notes {
        tokio::task::yield_now().await;
    }
}

on_every_store! {
    /// C5, OT-13, F16, A10, SE-09: all sessions are revoked, none is created, the link works once.
    async fn reset_sets_a_password_and_revokes_all_sessions(bed: &Bed) {
        let (native, _, refresh) = bed.native("ada@example.com").await;
        assert_eq!(forgot(bed, "Ada@Example.com").await.status, 202);
        let token = token(bed, "ada@example.com").await;
        let answer = reset(&bed.client(), &token, NEW).await;
        assert_eq!(answer.status, 204, "{}", answer.json());
        assert!(answer.set_cookies().is_empty());
        assert_eq!(native.get("/me").await.status, 401);
        let body = json!({ "refresh_token": refresh });
        assert_eq!(bed.client().post("/auth/refresh", &body).await.status, 401, "RT-07");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 200);
        assert_eq!(reset(&bed.client(), &token, "another one 77").await.code(), "invalid_token");
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_password_changed".to_owned()));
    }

    /// B4, OT-08, OT-15: the same response and work; nothing changes; one message a minute.
    async fn reset_request_reveals_and_changes_nothing(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let before = bed.statements().await;
        let known = forgot(bed, "ada@example.com").await;
        let cost = bed.statements().await - before;
        let unknown = forgot(bed, "nobody@example.com").await;
        assert_eq!(bed.statements().await - before, cost * 2);
        let shape = |answer: &TestResponse| {
            let mut headers = answer.headers.clone();
            headers.remove("date");
            (answer.status, headers, answer.body.clone())
        };
        assert_eq!(shape(&known), shape(&unknown));
        for _ in 0..3 {
            assert_eq!(forgot(bed, "ada@example.com").await.status, 202);
        }
        assert_eq!(kinds(bed, "ada@example.com").await, ["reset_link"; 3], "three at once");
        assert!(kinds(bed, "nobody@example.com").await.is_empty());
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(forgot(bed, "not an address").await.code(), "invalid_email");
    }

    /// F17
    async fn rejected_password_leaves_the_reset_link_valid(bed: &Bed) {
        bed.browser("ada@example.com").await;
        forgot(bed, "ada@example.com").await;
        let token = token(bed, "ada@example.com").await;
        let weak = reset(&bed.client(), &token, "short").await;
        assert_eq!((weak.status.as_u16(), weak.code()), (422, "weak_password".to_owned()));
        assert_eq!(reset(&bed.client(), &token, NEW).await.status, 204);
    }

    /// F3, OT-11
    async fn concurrent_resets_succeed_once(bed: &Bed) {
        bed.browser("ada@example.com").await;
        forgot(bed, "ada@example.com").await;
        let token = token(bed, "ada@example.com").await;
        let mut burst = JoinSet::new();
        for number in 0..16 {
            let (client, token) = (bed.client(), token.clone());
            burst.spawn(async move {
                reset(&client, &token, &format!("wq3 tulip {number:04}")).await.status.as_u16()
            });
        }
        let statuses = burst.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [204, 401].contains(status)), "{statuses:?}");
    }

    /// F14, OT-10, F22, and links of disabled users
    async fn reset_link_expires_and_a_get_request_does_not_consume_it(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let id = crate::support::id_of(&ada).await;
        forgot(bed, "ada@example.com").await;
        let first = token(bed, "ada@example.com").await;
        for _ in 0..3 {
            assert_eq!(bed.client().get("/auth/password/reset").await.status, 405);
        }
        bed.advance(1800).await;
        assert_eq!(reset(&bed.client(), &first, NEW).await.code(), "invalid_token");
        forgot(bed, "ada@example.com").await;
        let second = token(bed, "ada@example.com").await;
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(reset(&bed.client(), &second, NEW).await.code(), "invalid_token");
        for odd in ["", "alk_", "x", &second.replace("alk_", "ach_")] {
            assert_eq!(reset(&bed.client(), odd, NEW).await.code(), "invalid_token", "{odd}");
        }
    }

    /// E3, OT-12: the link contains the configured origin, not the host of the request.
    async fn forged_host_does_not_appear_in_the_link(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let client = bed.client().with("x-forwarded-host", "evil.example").with("forwarded", "host=evil.example").with("x-forwarded-proto", "http");
        client.post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
        assert!(link(bed, "ada@example.com").await.starts_with("http://localhost:3000/reset-password#token=alk_"));
    }

    /// B8: at most one message, to the stored email address.
    async fn malformed_email_addresses_send_no_message(bed: &Bed) {
        bed.browser("ada@example.com").await;
        for email in [json!(["ada@example.com", "eve@example.com"]), json!("ada@example.com,eve@example.com"), json!("ada@example.com\r\nBcc: eve@example.com"), json!("<ada@example.com>"), json!("ada@example.com ")] {
            let answer = bed.client().post("/auth/password/forgot", json!({ "email": email })).await;
            assert_eq!(answer.status, 422, "{email}");
        }
        assert!(bed.bed.mailbox.all().is_empty());
    }

    /// PW-07, PW-08, SE-09, A10, RT-07
    async fn password_change_revokes_other_sessions_and_rotates_this_one(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let phone = bed.client();
        assert_eq!(sign_in(&phone, "ada@example.com", PASSWORD).await.status, 200);
        forgot(bed, "ada@example.com").await;
        let token = token(bed, "ada@example.com").await;
        let old = ada.cookie("auth").unwrap();
        let refused = change(&ada, "not the password", NEW).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "wrong_password".to_owned()));
        assert_eq!(change(&ada, PASSWORD, "short").await.code(), "weak_password");
        assert_eq!(change(&ada, PASSWORD, NEW).await.status, 200);
        assert_ne!(ada.cookie("auth").unwrap(), old);
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(phone.get("/me").await.status, 401);
        ada.set_cookie("auth", &old);
        ada.forget_cookie("auth-refresh");
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(reset(&bed.client(), &token, "another one 77").await.code(), "invalid_token", "F16");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 200);
    }

    async fn password_change_can_require_a_code(bed: &Bed, { "change_code": true }) {
        let ada = bed.browser("ada@example.com").await;
        let challenge = handle(&change(&ada, PASSWORD, NEW).await);
        let code = last_code(bed, "ada@example.com").await;
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 401, "not yet");
        let other_client = verify(&bed.client(), &challenge, &code).await;
        assert_eq!(other_client.code(), "unauthenticated");
        assert_eq!(verify(&ada, &challenge, &code).await.status, 200);
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 200);
    }

    /// C5: credentials of an unverified account are removed.
    async fn reset_verifies_the_email_address(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(ada.get("/me").await.json()["email_verified"], false);
        forgot(bed, "ada@example.com").await;
        reset(&bed.client(), &token(bed, "ada@example.com").await, NEW).await;
        let signed_in = sign_in(&bed.client(), "ada@example.com", NEW).await;
        assert_eq!(signed_in.json()["user"]["email_verified"], true);
    }

    /// PW-09, PW-11, LG-02, HTTP "Limits": after five failures the delay doubles with each failure.
    async fn failed_passwords_are_delayed_exponentially(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let hashes = bed.hashes().await;
        let mut burst = JoinSet::new();
        for _ in 0..30 {
            let client = bed.client();
            burst.spawn(async move { sign_in(&client, "ada@example.com", "wrong guess").await });
        }
        let answers = burst.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
        assert_eq!(bed.hashes().await - hashes, 5, "rejected before hashing");
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!((refused.code(), refused.header("retry-after")), ("too_many_attempts".to_owned(), "1".to_owned()));
        assert_eq!(refused.json()["retry_after"], 1);
        for wait in [1, 2, 4, 8] {
            let early = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
            assert_eq!((early.status.as_u16(), early.json()["retry_after"].as_u64()), (429, Some(wait)), "EH-08");
            bed.advance(wait).await;
            assert_eq!(sign_in(&bed.client(), "ada@example.com", "wrong guess").await.status, 401);
        }
        bed.advance(16).await;
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "wrong guess").await.status, 401, "forgotten");
    }

    /// PW-12, F7: unregistered and registered email addresses have the same limit.
    async fn unregistered_email_has_the_same_rate_limit(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let mut seen = Vec::new();
        for email in ["ada@example.com", "nobody@example.com", "no address"] {
            let mut answers = Vec::new();
            for _ in 0..7 {
                let answer = sign_in(&bed.client(), email, "wrong guess").await;
                answers.push((answer.status, answer.body));
            }
            seen.push(answers);
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0], seen[2]);
    }

    /// PW-10, F8: a reset is possible while the password is locked, and unlocks it.
    async fn password_lock_does_not_block_a_reset(bed: &Bed) {
        bed.browser("ada@example.com").await;
        for _ in 0..6 {
            sign_in(&bed.client(), "ada@example.com", "wrong guess").await;
        }
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 429);
        forgot(bed, "ada@example.com").await;
        assert_eq!(reset(&bed.client(), &token(bed, "ada@example.com").await, NEW).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 200);
    }

    /// F9, F11, HTTP "Limits": a hundred failures an hour per network.
    async fn failures_are_limited_by_network_despite_forged_headers(bed: &Bed) {
        for number in 0..101 {
            let client = bed.client().with("x-forwarded-for", format!("198.51.100.{number}"));
            let answer = sign_in(&client, &format!("nobody{number}@example.com"), "wrong guess").await;
            assert_eq!(answer.status, if number < 100 { 401 } else { 429 }, "{number}");
        }
        bed.advance(3600).await;
        assert_eq!(sign_in(&bed.client(), "nobody@example.com", "wrong guess").await.status, 401, "F12");
    }

    /// HTTP "Limits": ten messages an hour to an email address.
    async fn messages_to_an_email_address_are_limited(bed: &Bed) {
        bed.browser("ada@example.com").await;
        for _ in 0..10 {
            assert_eq!(forgot(bed, "ada@example.com").await.status, 202);
            bed.advance(60).await;
        }
        let answer = forgot(bed, "ada@example.com").await;
        assert_eq!((answer.status.as_u16(), answer.json()), (202, json!({})), "the same response");
        assert_eq!(mails(bed, "ada@example.com").await.len(), 10);
        bed.advance(3000).await;
        forgot(bed, "ada@example.com").await;
        assert_eq!(mails(bed, "ada@example.com").await.len(), 11);
    }

    /// HTTP "Limits": sixty messages an hour from a network.
    async fn messages_from_a_network_are_limited(bed: &Bed) {
        for number in 0..60 {
            assert_eq!(forgot(bed, &format!("nobody{number}@example.com")).await.status, 202);
        }
        let refused = forgot(bed, "ada@example.com").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), "3600");
    }

    /// OT-14, F19: a reset does not bypass the second factor.
    async fn reset_does_not_bypass_the_code(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        forgot(bed, "ada@example.com").await;
        assert_eq!(reset(&bed.client(), &token(bed, "ada@example.com").await, NEW).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", NEW).await.status, 202);
    }

    /// E6, E7: a cross-site request sends no email and changes nothing.
    async fn cross_site_request_sends_no_message(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        for (path, body) in [
            ("/auth/password/forgot", json!({ "email": "ada@example.com" })),
            ("/auth/password/reset", json!({ "token": "alk_x", "new_password": NEW })),
            ("/auth/verify/resend", json!({ "challenge": "ach_x" })),
            ("/auth/email/change", json!({ "new_email": "eve@example.com" })),
        ] {
            for client in [bed.client(), ada.clone()] {
                let answer = client.with("sec-fetch-site", "cross-site").post(path, &body).await;
                assert_eq!((answer.status.as_u16(), answer.code()), (403, "cross_origin".to_owned()), "{path}");
            }
            assert_eq!(ada.get(path).await.status, 405, "{path}");
        }
        assert!(bed.bed.mailbox.all().is_empty());
        assert_eq!(ada.get("/me").await.status, 200);
    }

    /// OT-20
    async fn well_known_change_password_redirects_to_the_page(bed: &Bed) {
        let answer = bed.client().get("/.well-known/change-password").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/settings/password".to_owned()));
        assert_eq!(bed.client().get("/.well-known/other").await.status, 404);
    }

    /// OT-16, LG-06
    async fn new_device_is_notified_once(bed: &Bed) {
        let laptop = bed.client().with("user-agent", "Laptop");
        crate::support::sign_up(&laptop, "ada@example.com").await;
        noted(bed, 1).await;
        for (before, agent) in (1..).zip(["Laptop", "Phone", "Phone"]) {
            let client = bed.client().with("user-agent", agent);
            assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
            noted(bed, before + 1).await;
        }
        while mails(bed, "ada@example.com").await.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(kinds(bed, "ada@example.com").await, ["notice_new_device"]);
    }
}
