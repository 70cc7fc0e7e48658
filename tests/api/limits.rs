//! Limits: what is counted, by what, and what it never holds up.

use authlayer::{
    EventKind,
    testing::{Answer, Client},
};
use serde_json::json;

use crate::{
    codes::{handle, kinds, last_code, mails, proved, verify, wrong},
    support::{Bed, PASSWORD, on_every_store, sign_in, sign_up, uuid},
};

/// A client of a network of its own, behind the proxy of the test.
fn from(bed: &Bed, ip: &str) -> Client {
    bed.client().with("x-forwarded-for", ip)
}

async fn forgot(client: &Client, email: &str) -> Answer {
    client.post("/auth/password/forgot", &json!({ "email": email })).await
}

/// A browser that is remembered after a sign-in with a code.
async fn remembered(bed: &Bed, email: &str) -> Client {
    let browser = bed.client();
    let challenge = handle(&sign_in(&browser, email, PASSWORD).await);
    let code = last_code(bed, email).await;
    let body = json!({ "challenge": challenge, "code": code, "remember": true });
    assert_eq!(browser.post("/auth/verify", &body).await.status, 200);
    browser
}

on_every_store! {
    /// Wrong codes of sign-ups that strangers begin do not spend the owner's sign-in codes.
    async fn wrong_codes_are_counted_by_purpose(bed: &Bed, { "verify_email": true, "sign_in_code": true, "code_interval_s": 0 }) {
        proved(bed, "ada@example.com").await;
        for _ in 0..4 {
            let stranger = bed.client();
            let challenge = handle(&sign_up(&stranger, "ada@example.com").await);
            for _ in 0..5 {
                assert_eq!(verify(&stranger, &challenge, "x").await.code(), "invalid_code");
            }
        }
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        assert_eq!(verify(&bed.client(), &challenge, "x").await.code(), "too_many_attempts");
        let owner = bed.client();
        let challenge = handle(&sign_in(&owner, "ada@example.com", PASSWORD).await);
        assert_eq!(verify(&owner, &challenge, &last_code(bed, "ada@example.com").await).await.status, 200);
    }

    /// Mails that strangers cause do not spend the owner's sign-in codes, and a right password
    /// answers like one for which there is a mail.
    async fn mails_are_counted_by_purpose(bed: &Bed, { "verify_email": true, "sign_in_code": true, "code_interval_s": 0 }) {
        proved(bed, "ada@example.com").await;
        for _ in 0..12 {
            assert_eq!(sign_up(&bed.client(), "ada@example.com").await.status, 202);
            assert_eq!(forgot(&bed.client(), "ada@example.com").await.status, 202);
        }
        assert_eq!(kinds(bed, "ada@example.com").await.iter().filter(|kind| *kind == "already_registered").count(), 9);
        let owner = bed.client();
        let challenge = handle(&sign_in(&owner, "ada@example.com", PASSWORD).await);
        assert_eq!(verify(&owner, &challenge, &last_code(bed, "ada@example.com").await).await.status, 200);
    }

    /// Three mails at once, then one a minute; each code works with its own handle.
    async fn a_second_try_within_the_minute_gets_a_code_that_works(bed: &Bed, { "sign_in_code": true }) {
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
    async fn a_code_is_read_without_spaces_and_hyphens(bed: &Bed, { "verify_email": true, "code_interval_s": 0 }) {
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

    /// Thirty sign-ups an hour for a network, counted before anything is judged or hashed.
    async fn sign_ups_are_limited_by_network_before_any_hash(bed: &Bed, { "trusted_proxies": ["127.0.0.1"] }) {
        let client = from(bed, "203.0.113.7:51234");
        for number in 0..30 {
            let body = json!({ "email": format!("ada{number}@example.com"), "password": "short" });
            assert_eq!(client.post("/auth/sign-up", &body).await.code(), "weak_password");
        }
        let refused = sign_up(&client, "no address").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), "3600");
        assert_eq!(client.post("/auth/anonymous", &json!({})).await.status, 429);
        assert_eq!(bed.hashes().await, 0);
        assert_eq!(sign_up(&from(bed, "203.0.113.8"), "ada@example.com").await.status, 201);
        bed.advance(3600).await;
        assert_eq!(client.post("/auth/anonymous", &json!({})).await.status, 201);
    }

    /// Behind a proxy that is not named, no network is counted.
    async fn networks_behind_an_unnamed_proxy_are_not_counted(bed: &Bed, { "origin": "https://app.example.com" }) {
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
    async fn metadata_of_a_sign_up_is_bounded(bed: &Bed) {
        for (length, status) in [(8 * 1024 - 8, 201), (8 * 1024 - 7, 422)] {
            let body = json!({ "email": format!("ada{length}@example.com"), "password": PASSWORD, "user_metadata": { "a": "x".repeat(length) } });
            let answer = bed.client().post("/auth/sign-up", &body).await;
            assert_eq!(answer.status, status, "{length}");
            if status == 422 {
                assert_eq!(answer.json()["members"], json!(["user_metadata"]));
            }
        }
    }

    /// Sign-ups for which no mail can be sent keep a bounded number of rows.
    async fn sign_ups_without_a_mail_keep_few_rows(bed: &Bed, { "verify_email": true, "trusted_proxies": ["127.0.0.1"] }) {
        for number in 0..40 {
            let client = from(bed, &format!("203.0.113.{number}"));
            assert_eq!(sign_up(&client, "ada@example.com").await.status, 202);
        }
        assert_eq!(mails(bed, "ada@example.com").await.len(), 3);
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_challenges").await, "13");
    }

    /// Others' failures hold up neither a remembered device nor a signed-in user, and do not
    /// become fewer when these succeed.
    async fn a_known_device_and_a_session_are_not_held_up(bed: &Bed, { "sign_in_code": true }) {
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

    /// A device has a counter of its own, and one of another account has none here.
    async fn a_device_has_failures_of_its_own(bed: &Bed, { "sign_in_code": true }) {
        for email in ["ada@example.com", "eve@example.com"] {
            bed.browser(email).await;
        }
        let (known, eve) = (remembered(bed, "ada@example.com").await, remembered(bed, "eve@example.com").await);
        for _ in 0..5 {
            assert_eq!(sign_in(&known, "ada@example.com", "wrong guess").await.status, 401);
        }
        assert_eq!(sign_in(&known, "ada@example.com", PASSWORD).await.status, 429);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 202, "others are not held up");
        for _ in 0..5 {
            assert_eq!(sign_in(&eve, "ada@example.com", "wrong guess").await.status, 401);
        }
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 429, "counted as a stranger's");
    }

    /// PW-09, PW-10: after a hundred failures in a row the password rests for a day, and the
    /// owner is told once.
    async fn a_hundred_failures_pause_the_password_for_a_day(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let known = remembered(bed, "ada@example.com").await;
        for _ in 0..100 {
            assert_eq!(sign_in(&bed.client(), "ada@example.com", "wrong guess").await.status, 401);
            bed.advance(900).await;
        }
        let refused = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!((refused.code(), refused.header("retry-after")), ("too_many_attempts".to_owned(), "85500".to_owned()));
        assert_eq!(bed.bed.watch.count(EventKind::AccountLocked), 1);
        let told = kinds(bed, "ada@example.com").await;
        assert_eq!(told.iter().filter(|kind| *kind == "notice_locked").count(), 1);
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
    async fn a_wrong_password_for_a_foreign_hash_costs_one_of_ours_too(bed: &Bed) {
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

    /// The start of a sign-in by a provider counts as a ceremony of the network.
    async fn starts_at_a_provider_are_limited(bed: &Bed, { "github": { "client_id": "a", "client_secret": "b", "web_url": "http://127.0.0.1:9", "api_url": "http://127.0.0.1:9" } }) {
        for number in 0..300 {
            let answer = bed.client().get("/auth/oauth/github/start").await;
            assert_eq!(answer.status, 303, "{number}");
        }
        let refused = bed.client().get("/auth/oauth/github/start").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (429, "rate_limited".to_owned()));
        assert_eq!(refused.header("retry-after"), "3600");
    }

    /// An anonymous user who asks again is the same one, on the same session.
    async fn an_anonymous_session_is_answered_again(bed: &Bed) {
        let client = bed.client();
        let first = client.post("/auth/anonymous", &json!({})).await.json();
        let second = client.post("/auth/anonymous", &json!({})).await;
        assert_eq!((second.status.as_u16(), &second.json()["status"]), (201, &json!("complete")));
        assert_eq!(second.json()["user"]["id"], first["user"]["id"]);
        assert_eq!(second.json()["session"]["id"], first["session"]["id"]);
        assert!(second.set_cookies().is_empty());
        let native = bed.client().post("/auth/anonymous", &json!({ "transport": "bearer" })).await.json();
        let token = native["tokens"]["access_token"].as_str().unwrap();
        let again = bed.client().bearer(token).post("/auth/anonymous", &json!({ "transport": "bearer" })).await;
        assert_eq!((again.status.as_u16(), &again.json()["user"]["id"]), (201, &native["user"]["id"]));
        assert_eq!(again.json()["session"]["id"], native["session"]["id"]);
        let token = again.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(bed.client().bearer(&token).get("/me").await.status, 200);
        let person = bed.browser("ada@example.com").await;
        assert_eq!(person.post("/auth/anonymous", &json!({})).await.code(), "forbidden");
    }

    async fn no_anonymous_user_is_made_where_sign_up_is_off(bed: &Bed, { "sign_up": false }) {
        let answer = bed.client().post("/auth/anonymous", &json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
    }
}
