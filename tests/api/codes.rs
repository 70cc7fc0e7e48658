//! Email codes: verification of an email address, second factor, remembered devices.

use authlayer::testing::{TestClient, TestResponse};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up, uuid};

/// Returns the messages to an email address, oldest first.
pub(crate) async fn mails(bed: &Bed, to: &str) -> Vec<Value> {
    let path = format!("/testbed/mail?to={to}");
    bed.client().get(&path).await.json()["messages"].as_array().unwrap().clone()
}

pub(crate) async fn kinds(bed: &Bed, to: &str) -> Vec<String> {
    let mails = mails(bed, to).await;
    mails.iter().map(|mail| mail["kind"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn last_code(bed: &Bed, to: &str) -> String {
    let mails = mails(bed, to).await;
    let mut codes = mails.iter().rev().filter_map(|mail| mail["code"].as_str());
    codes.next().expect("a code").to_owned()
}

pub(crate) fn handle(answer: &TestResponse) -> String {
    assert_eq!(answer.status, 202, "{}", answer.json());
    answer.json()["challenge"].as_str().unwrap().to_owned()
}

pub(crate) async fn verify(client: &TestClient, challenge: &str, code: &str) -> TestResponse {
    client.post("/auth/verify", json!({ "challenge": challenge, "code": code })).await
}

pub(crate) fn wrong(code: &str) -> String {
    code.chars().map(|c| if c == '9' { '0' } else { char::from(c as u8 + 1) }).collect()
}

/// Signs up a user with a verified email address in a new browser.
pub(crate) async fn verified_user(bed: &Bed, email: &str) -> TestClient {
    let client = bed.client();
    let challenge = handle(&sign_up(&client, email).await);
    let answer = verify(&client, &challenge, &last_code(bed, email).await).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    client
}

on_every_store! {
    /// SE-13, F26: no user exists before the verification, and the pending challenge does not
    /// authenticate.
    async fn sign_up_creates_the_user_after_email_verification(bed: &Bed, { "verify_email": true }) {
        let client = bed.client();
        let pending = sign_up(&client, "ada@example.com").await;
        let challenge = handle(&pending);
        assert_eq!(pending.json()["methods"], json!(["email_code"]));
        assert!(pending.set_cookies().is_empty());
        assert_eq!(kinds(bed, "ada@example.com").await, ["sign_up_code"]);
        assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.code(), "invalid_credentials");
        for token in [challenge.clone(), challenge.replace("ach_", "aat_")] {
            assert_eq!(bed.client().bearer(&token).get("/me").await.status, 401);
            let browser = bed.client();
            browser.set_cookie("auth", &token);
            assert_eq!(browser.get("/me").await.status, 401);
        }
        let code = last_code(bed, "ada@example.com").await;
        let answer = verify(&client, &challenge, &code).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(answer.json()["user"]["email_verified"], true);
        let methods: Vec<_> = answer.json()["session"]["factors"].as_array().unwrap().iter()
            .map(|factor| factor["method"].clone()).collect();
        assert_eq!(methods, ["password", "email_code"]);
        assert_eq!(client.get("/me").await.json()["email"], "ada@example.com");
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200, "verified once");
    }

    /// B1, B6, PW-14, OT-08: the same response, work and number of messages; the owner is notified.
    async fn sign_up_response_does_not_reveal_a_registered_email(bed: &Bed, { "verify_email": true }) {
        verified_user(bed, "ada@example.com").await;
        bed.advance(60).await;
        let (statements, hashes) = (bed.statements().await, bed.hashes().await);
        let free = sign_up(&bed.client(), "new@example.com").await;
        let cost = bed.statements().await - statements;
        let taken = sign_up(&bed.client(), "ada@example.com").await;
        assert_eq!(bed.statements().await - statements, cost * 2);
        assert_eq!(bed.hashes().await - hashes, 2);
        let shape = |answer: &TestResponse| {
            let body = answer.json();
            let mut headers = answer.headers.clone();
            headers.remove("date");
            let length = body["challenge"].as_str().unwrap().len();
            (answer.status, headers, length, body["methods"].clone(), body["expires_at"].clone(), body["resend_at"].clone())
        };
        assert_eq!(shape(&free), shape(&taken));
        assert_eq!(kinds(bed, "ada@example.com").await, ["sign_up_code", "already_registered"]);
        bed.advance(60).await;
        let before = bed.statements().await;
        let again = async |first: &TestResponse| {
            let body = json!({ "challenge": handle(first) });
            shape(&bed.client().post("/auth/verify/resend", &body).await)
        };
        let resent = again(&free).await;
        let cost = bed.statements().await - before;
        assert_eq!(resent, again(&taken).await);
        assert_eq!(bed.statements().await - before, cost * 2);
        assert_eq!(kinds(bed, "ada@example.com").await.len(), 3);
        let challenge = handle(&taken);
        for _ in 0..5 {
            assert_eq!(verify(&bed.client(), &challenge, "000000").await.code(), "invalid_code");
        }
        assert_eq!(verify(&bed.client(), &challenge, "000000").await.code(), "challenge_expired");
    }

    /// F1, OT-04: after five attempts the code is invalid.
    async fn code_allows_five_attempts(bed: &Bed, { "verify_email": true }) {
        let client = bed.client();
        let challenge = handle(&sign_up(&client, "ada@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        for odd in [wrong(&code), String::new(), format!("{code}0"), "١٢٣٤٥٦".to_owned(), "9".repeat(5000)] {
            assert_eq!(verify(&client, &challenge, &odd).await.code(), "invalid_code", "{odd}");
        }
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
    }

    /// F2, OT-04: an attempt is counted before the code is compared, also with concurrent requests.
    async fn concurrent_wrong_codes_get_five_attempts(bed: &Bed, { "verify_email": true, "limits": false }) {
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        let wrong = wrong(&last_code(bed, "ada@example.com").await);
        let mut burst = JoinSet::new();
        for _ in 0..50 {
            let (client, challenge, wrong) = (bed.client(), challenge.clone(), wrong.clone());
            burst.spawn(async move { verify(&client, &challenge, &wrong).await.code() });
        }
        let codes = burst.join_all().await;
        assert_eq!(codes.iter().filter(|code| *code == "invalid_code").count(), 5);
        assert_eq!(codes.iter().filter(|code| *code == "challenge_expired").count(), 45);
    }

    /// F3, OT-03, F27
    async fn concurrent_correct_codes_succeed_once(bed: &Bed, { "verify_email": true, "code_attempts": 10 }) {
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        let mut burst = JoinSet::new();
        for _ in 0..32 {
            let (client, challenge, code) = (bed.client(), challenge.clone(), code.clone());
            burst.spawn(async move { verify(&client, &challenge, &code).await.status.as_u16() });
        }
        let statuses = burst.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| *status < 500), "{statuses:?}");
    }

    /// F14, OT-02
    async fn code_expires(bed: &Bed, { "verify_email": true, "compare_clocks": false }) {
        let one = handle(&sign_up(&bed.client(), "ada@example.com").await);
        let two = handle(&sign_up(&bed.client(), "bob@example.com").await);
        bed.advance(599).await;
        let code = last_code(bed, "ada@example.com").await;
        assert_eq!(verify(&bed.client(), &one, &code).await.status, 200);
        bed.advance(1).await;
        let code = last_code(bed, "bob@example.com").await;
        assert_eq!(verify(&bed.client(), &two, &code).await.code(), "challenge_expired");
        bed.advance(3600).await;
        assert!(bed.bed.auth.sweep().await.unwrap() > 0);
    }

    /// OT-05: a new code replaces the old one, attempts remain counted, one message a minute.
    async fn code_can_be_resent_once_a_minute(bed: &Bed, { "verify_email": true }) {
        let client = bed.client();
        let challenge = handle(&sign_up(&client, "ada@example.com").await);
        let first = last_code(bed, "ada@example.com").await;
        for _ in 0..4 {
            verify(&client, &challenge, &wrong(&first)).await;
        }
        let again = async || client.post("/auth/verify/resend", json!({ "challenge": challenge })).await;
        let early = again().await;
        assert_eq!(handle(&early), challenge);
        assert_eq!(early.json()["resend_at"], "2026-01-01T00:01:00Z");
        assert_eq!(mails(bed, "ada@example.com").await.len(), 1);
        bed.advance(60).await;
        assert_eq!(handle(&again().await), challenge);
        assert_eq!(mails(bed, "ada@example.com").await.len(), 2);
        let second = last_code(bed, "ada@example.com").await;
        if first != second {
            assert_eq!(verify(&client, &challenge, &first).await.code(), "invalid_code");
        }
        let last = verify(&client, &challenge, &second).await;
        assert!(first == second || last.code() == "challenge_expired", "four wrong codes before it and one after");
    }

    /// F13, OT-06: a code is bound to its challenge, its token and its purpose.
    async fn code_is_bound_to_its_challenge_and_purpose(bed: &Bed, { "verify_email": true }) {
        let ada = handle(&sign_up(&bed.client(), "ada@example.com").await);
        let bob = handle(&sign_up(&bed.client(), "bob@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        if code != last_code(bed, "bob@example.com").await {
            assert_eq!(verify(&bed.client(), &bob, &code).await.code(), "invalid_code");
        }
        for odd in ["", "ach_", "x", &ada.to_uppercase(), &ada.replace("ach_", "alk_")] {
            assert_eq!(verify(&bed.client(), odd, &code).await.code(), "challenge_expired", "{odd}");
        }
        assert_eq!(verify(&bed.client(), &ada, &code).await.status, 200);
    }

    /// F4: wrong codes are limited per account and hour, however many codes are requested.
    async fn wrong_codes_are_rate_limited_by_account(bed: &Bed, { "verify_email": true, "code_interval_s": 0 }) {
        let mut seen = Vec::new();
        for _ in 0..6 {
            let client = bed.client();
            let challenge = handle(&sign_up(&client, "ada@example.com").await);
            for _ in 0..4 {
                seen.push(verify(&client, &challenge, "x").await.code());
            }
        }
        assert!(seen[..20].iter().all(|code| code == "invalid_code"), "{seen:?}");
        assert!(seen[20..].iter().all(|code| code == "too_many_attempts"), "{seen:?}");
    }

    /// A code is required after the password, except on a remembered device.
    async fn remembered_device_skips_the_code(bed: &Bed, { "sign_in_code": true }) {
        let browser = bed.browser("ada@example.com").await;
        browser.post("/auth/sign-out", json!({})).await;
        let challenge = handle(&sign_in(&browser, "ada@example.com", PASSWORD).await);
        assert_eq!(kinds(bed, "ada@example.com").await, ["sign_in_code"]);
        let body = json!({ "challenge": challenge, "code": last_code(bed, "ada@example.com").await, "remember": true });
        assert_eq!(browser.post("/auth/verify", &body).await.status, 200);
        assert!(browser.cookie("auth-device").is_some());
        assert_eq!(sign_in(&browser, "ada@example.com", PASSWORD).await.status, 200);
        bed.advance(60).await;
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 202, "another device");
        bed.browser("eve@example.com").await;
        let eve = bed.client();
        eve.set_cookie("auth-device", &browser.cookie("auth-device").unwrap());
        assert_eq!(sign_in(&eve, "eve@example.com", PASSWORD).await.status, 202, "another user");
        let all = browser.send(http::Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!(all.status, 200);
        bed.advance(60).await;
        assert_eq!(sign_in(&browser, "ada@example.com", PASSWORD).await.status, 202, "forgotten");
    }

    /// The statement that remembers a device is counted as one of the request.
    async fn remembering_a_device_costs_one_statement(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let mut costs = Vec::new();
        // The first code also verifies the email address.
        for remember in [false, false, true] {
            let client = bed.client();
            let challenge = handle(&sign_in(&client, "ada@example.com", PASSWORD).await);
            let body = json!({ "challenge": challenge, "code": last_code(bed, "ada@example.com").await, "remember": remember });
            let before = bed.statements().await;
            assert_eq!(client.post("/auth/verify", &body).await.status, 200);
            costs.push(bed.statements().await - before);
            bed.advance(60).await;
        }
        assert_eq!(costs[2], costs[1] + 1);
    }

    async fn native_device_is_remembered_by_its_token(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let body = |device: Option<&str>| json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "bearer", "device_token": device });
        let client = bed.client();
        let challenge = handle(&client.post("/auth/sign-in", &body(None)).await);
        let code = last_code(bed, "ada@example.com").await;
        let answer = client.post("/auth/verify", json!({ "challenge": challenge, "code": code, "remember": true })).await;
        let device = answer.json()["device_token"].as_str().unwrap().to_owned();
        assert!(answer.json()["tokens"]["access_token"].is_string() && answer.set_cookies().is_empty());
        assert_eq!(client.post("/auth/sign-in", &body(Some(&device))).await.status, 200);
        bed.advance(30 * 86_400).await;
        assert_eq!(client.post("/auth/sign-in", &body(Some(&device))).await.status, 202);
    }

    /// C1, PW-15: the user who verifies the email address gets the account; all other sessions and
    /// credentials are removed.
    async fn verified_sign_up_claims_an_unverified_account(bed: &Bed, { "verify_email": true }) {
        let mut thief = authlayer::User::new(uuid("planted"), "2026-01-01T00:00:00Z".parse().unwrap());
        thief.email = Some(authlayer::Email::parse("victim@example.com").unwrap());
        let passwords = bed.bed.auth.service::<authlayer::Password>().unwrap();
        let planted = sign_up(&bed.client(), "thief@example.com").await;
        assert_eq!(planted.status, 202);
        passwords.import(&thief, "$pbkdf2-sha256$i=600000,l=32$c2FsdHNhbHRzYWx0c2FsdA$qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo").await.unwrap();
        let issued = bed.bed.auth.sessions().create(&thief, authlayer::Factor::Password, authlayer::Transport::Bearer, authlayer::model::ClientInfo::default()).await.unwrap();
        let inside = bed.client().bearer(issued.access.expose());
        assert_eq!(inside.get("/me").await.status, 200);
        let victim = verified_user(bed, "victim@example.com").await;
        assert_eq!(victim.get("/me").await.json()["id"], uuid("planted").as_str());
        assert_eq!(inside.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "victim@example.com", PASSWORD).await.status, 200);
    }

    /// F24, OT-07: a dump contains no code, challenge token or device token.
    async fn database_dump_contains_no_challenge_token_or_code(bed: &Bed, { "verify_email": true }) {
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        let dump = String::from_utf8_lossy(&bed.dump().await).into_owned();
        assert!(!dump.contains(&challenge[4..26]));
        let quoted = format!("\"{code}\"");
        assert!(!dump.contains(&quoted));
    }

    /// OT-17, OT-16, F21
    async fn email_change_requires_verification_and_the_same_session(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, "ada@example.com").await;
        let phone = bed.client();
        assert_eq!(sign_in(&phone, "ada@example.com", PASSWORD).await.status, 200);
        let change = json!({ "new_email": "new@example.com" });
        let challenge = handle(&ada.post("/auth/email/change", &change).await);
        let code = last_code(bed, "new@example.com").await;
        assert_eq!(verify(&bed.client(), &challenge, &code).await.code(), "unauthenticated");
        assert_eq!(verify(&phone, &challenge, &code).await.code(), "unauthenticated", "another session");
    }

    async fn email_change_can_be_undone(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, "ada@example.com").await;
        let phone = bed.client();
        assert_eq!(sign_in(&phone, "ada@example.com", PASSWORD).await.status, 200);
        let old = ada.cookie("auth").unwrap();
        let session = ada.get("/auth/session").await.json()["session"]["id"].clone();
        let change = json!({ "new_email": "new@example.com" });
        let challenge = handle(&ada.post("/auth/email/change", &change).await);
        let code = last_code(bed, "new@example.com").await;
        let done = verify(&ada, &challenge, &code).await;
        assert_eq!((done.status.as_u16(), &done.json()["user"]["email"]), (200, &json!("new@example.com")));
        assert_ne!(ada.cookie("auth").unwrap(), old, "SE-04");
        assert_eq!(done.json()["session"]["id"], session, "new tokens, the same session");
        assert_eq!(ada.get("/me").await.json()["email"], "new@example.com");
        assert_eq!(phone.get("/me").await.status, 401, "SE-09");
        let notice = mails(bed, "ada@example.com").await.pop().unwrap();
        assert_eq!(notice["kind"], "notice_email_changed");
        let token = notice["link"].as_str().unwrap().split("#token=").nth(1).unwrap().to_owned();
        let undo = async || bed.client().post("/auth/email/undo", json!({ "token": token })).await;
        let undone = undo().await;
        assert_eq!(undone.status, 200);
        assert_eq!(undo().await.code(), "invalid_token");
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401);
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": "plum zq8 xw2v" });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "plum zq8 xw2v").await.status, 200);
        assert_eq!(sign_in(&bed.client(), "new@example.com", "plum zq8 xw2v").await.status, 401);
    }

    /// F21: of two users who verify the same email address, one gets it.
    async fn email_change_is_rejected_if_the_email_was_taken_meanwhile(bed: &Bed) {
        let (ada, bob) = (bed.browser("ada@example.com").await, bed.browser("bob@example.com").await);
        let change = json!({ "new_email": "new@example.com" });
        let first = handle(&ada.post("/auth/email/change", &change).await);
        let code = last_code(bed, "new@example.com").await;
        bed.advance(60).await;
        let second = handle(&bob.post("/auth/email/change", &change).await);
        let other = last_code(bed, "new@example.com").await;
        assert_eq!(verify(&ada, &first, &code).await.status, 200);
        assert_eq!(verify(&bob, &second, &other).await.code(), "email_taken");
        assert_eq!(bob.get("/me").await.json()["email"], "bob@example.com");
    }

    /// SE-11, OT-09: an email code is not a recent authentication.
    async fn stale_session_cannot_change_the_email_or_delete_the_account(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.advance(600).await;
        let change = json!({ "new_email": "new@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.code(), "step_up_required");
        let gone = ada.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!((gone.status.as_u16(), gone.code()), (403, "step_up_required".to_owned()));
        assert_eq!(ada.get("/fresh").await.code(), "step_up_required");
        sign_in(&ada, "ada@example.com", PASSWORD).await;
        let id = id_of(&ada).await;
        let gone = ada.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204);
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(sign_in(&ada, "ada@example.com", PASSWORD).await.code(), "invalid_credentials");
        let text = String::from_utf8_lossy(&bed.dump().await).into_owned();
        if !text.starts_with("SQLite") {
            assert!(!text.contains(&id), "no row of the user is left");
        }
    }
}
