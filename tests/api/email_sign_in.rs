//! Sign-in by email alone: one message with a code and a link.

use authlayer::{
    EventKind,
    testing::{TestClient, TestResponse, VirtualAuthenticator},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    authenticator::{answer, enroll},
    codes::{handle, kinds, last_code, mails, verify, wrong},
    passkeys::{ORIGIN, begin, finish},
    support::{Bed, PASSWORD, id_of, on_every_store, on_managed_stores, sign_in, sign_up},
};

const ADA: &str = "ada@example.com";
const PATH: &str = "/auth/email-sign-in";

pub(crate) async fn start(client: &TestClient, email: &str) -> TestResponse {
    client.post(PATH, &json!({ "email": email })).await
}

async fn link(bed: &Bed, email: &str) -> String {
    let mails = mails(bed, email).await;
    let mut links = mails.iter().rev().filter_map(|mail| mail["link"].as_str());
    links.next().expect("a link").to_owned()
}

pub(crate) async fn token(bed: &Bed, email: &str) -> String {
    link(bed, email).await.split("#token=").nth(1).unwrap().to_owned()
}

pub(crate) async fn follow(client: &TestClient, token: &str) -> TestResponse {
    client.post("/auth/email-sign-in/link", &json!({ "token": token })).await
}

async fn confirm(client: &TestClient, token: &str) -> TestResponse {
    let body = json!({ "token": token, "confirm": true });
    client.post("/auth/email-sign-in/link", &body).await
}

fn refusal(answer: &TestResponse) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

fn invalid() -> (u16, String) {
    (401, "invalid_token".to_owned())
}

fn methods(answer: &TestResponse) -> Vec<Value> {
    let body = answer.json();
    let factors = body["session"]["factors"].as_array().unwrap();
    factors.iter().map(|factor| factor["method"].clone()).collect()
}

fn mail_cookies(client: &TestClient) -> usize {
    client.cookies().iter().filter(|(name, _)| name.starts_with("auth-mail-")).count()
}

on_every_store! {
    async fn code_signs_in_and_invalidates_the_link(bed: &Bed) {
        let known = id_of(&bed.browser(ADA).await).await;
        let client = bed.client();
        let pending = start(&client, "Ada@Example.com").await;
        let challenge = handle(&pending);
        assert_eq!(pending.json()["methods"], json!(["email_code"]));
        assert_eq!(pending.json()["expires_at"], "2026-01-01T00:10:00Z");
        assert_eq!(kinds(bed, ADA).await, ["sign_in_link"]);
        assert_eq!(client.get("/me").await.status, 401, "a challenge is no session");
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        assert_eq!(verify(&client, &challenge, &wrong(&code)).await.code(), "invalid_code");
        assert_eq!(mail_cookies(&client), 1);
        let done = verify(&client, &challenge, &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(mail_cookies(&client), 0);
        assert_eq!((done.json()["user"]["id"].clone(), methods(&done)), (json!(known), vec![json!("email_code")]));
        assert_eq!(client.get("/me").await.json()["email_verified"], true);
        assert_eq!(refusal(&follow(&client, &token).await), invalid());
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
    }

    /// A challenge by email offers no other method, and a rejected one is no attempt.
    async fn method_that_is_not_offered_is_rejected(bed: &Bed, { "code_interval_s": 0 }) {
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        for method in ["totp", "recovery_code", "passkey", ""] {
            let body = json!({ "challenge": challenge, "code": "000000", "method": method });
            for path in ["/auth/verify", "/auth/verify/resend"] {
                for _ in 0..3 {
                    let refused = client.post(path, &body).await;
                    assert_eq!(refusal(&refused), (422, "invalid_request".to_owned()), "{path} {method}");
                    assert_eq!(refused.json()["members"], json!(["method"]));
                }
            }
        }
        assert_eq!(kinds(bed, ADA).await.len(), 1, "nothing was sent again");
        let body = json!({ "challenge": challenge, "method": "email_code" });
        assert_eq!(client.post("/auth/verify/resend", &body).await.status, 202);
        let body = json!({ "challenge": challenge, "code": last_code(bed, ADA).await, "method": "email_code" });
        assert_eq!(client.post("/auth/verify", &body).await.status, 200);
    }

    /// F22: only `POST` consumes a link.
    async fn link_signs_in_the_same_browser_and_invalidates_the_code(bed: &Bed) {
        bed.browser(ADA).await;
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        assert_eq!(link(bed, ADA).await, format!("http://localhost:3000/sign-in-link#token={token}"));
        for method in [http::Method::GET, http::Method::HEAD] {
            let path = format!("/auth/email-sign-in/link?token={token}");
            assert_eq!(client.json(method, &path, &json!({})).await.status, 405);
        }
        let done = follow(&client, &token).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(methods(&done), [json!("email_link")]);
        assert_eq!(client.get("/me").await.json()["email"], ADA);
        assert_eq!(refusal(&follow(&client, &token).await), invalid());
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
    }

    /// Login CSRF: a link of an attacker does not sign a victim in with one click.
    async fn link_requires_confirmation_in_another_browser(bed: &Bed) {
        bed.browser(ADA).await;
        let owner = bed.client();
        start(&owner, ADA).await;
        let (token, elsewhere) = (token(bed, ADA).await, bed.client());
        for _ in 0..6 {
            let asked = follow(&elsewhere, &token).await;
            assert_eq!(refusal(&asked), (409, "confirm_required".to_owned()));
            assert_eq!(asked.json()["address"], "a•••@example.com");
            assert!(asked.set_cookies().is_empty());
        }
        let stranger = bed.client();
        start(&stranger, "bob@example.com").await;
        let ((name, _), (_, secret)) = (owner.cookies().remove(0), stranger.cookies().remove(0));
        elsewhere.set_cookie(&name, &secret);
        assert_eq!(follow(&elsewhere, &token).await.code(), "confirm_required");
        let cross = bed.client().with("origin", "https://evil.example");
        assert_eq!(confirm(&cross, &token).await.code(), "cross_origin");
        let done = confirm(&elsewhere, &token).await;
        assert_eq!((done.status.as_u16(), methods(&done)), (200, vec![json!("email_link")]));
        assert_eq!(elsewhere.get("/me").await.json()["email"], ADA);
        assert_eq!(refusal(&confirm(&owner, &token).await), invalid());
    }

    async fn link_requires_confirmation_over_the_session_of_another_user(bed: &Bed) {
        bed.browser(ADA).await;
        let bob = bed.browser("bob@example.com").await;
        start(&bob, ADA).await;
        let token = token(bed, ADA).await;
        assert_eq!(refusal(&follow(&bob, &token).await), (409, "confirm_required".to_owned()));
        assert_eq!(bob.get("/me").await.json()["email"], "bob@example.com");
        assert_eq!(confirm(&bob, &token).await.status, 200);
        assert_eq!(bob.get("/me").await.json()["email"], ADA);
        // The own session needs no confirmation.
        start(&bob, ADA).await;
        assert_eq!(follow(&bob, &super::token(bed, ADA).await).await.status, 200);
    }

    async fn bearer_request_sets_no_cookie_and_its_link_requires_confirmation(bed: &Bed) {
        bed.browser(ADA).await;
        let client = bed.client();
        let body = json!({ "email": ADA, "transport": "bearer" });
        let asked = client.post(PATH, &body).await;
        assert!(asked.set_cookies().is_empty());
        let done = verify(&client, &handle(&asked), &last_code(bed, ADA).await).await;
        assert_eq!(done.status, 200);
        assert!(done.json()["tokens"]["access_token"].is_string() && done.set_cookies().is_empty());
        client.post(PATH, &body).await;
        let token = token(bed, ADA).await;
        let with = |confirm: bool| json!({ "token": token, "confirm": confirm, "transport": "cookie" });
        let path = "/auth/email-sign-in/link";
        assert_eq!(client.post(path, &with(false)).await.code(), "confirm_required");
        let done = client.post(path, &with(true)).await;
        assert_eq!((done.status.as_u16(), done.json()["tokens"].clone()), (200, Value::Null));
        assert_eq!(client.get("/me").await.status, 200);
    }

    async fn transport_of_an_unconfirmed_link_is_ignored(bed: &Bed) {
        let client = bed.client();
        start(&client, ADA).await;
        let body = json!({ "token": token(bed, ADA).await, "transport": "bearer" });
        let done = client.post("/auth/email-sign-in/link", &body).await;
        assert_eq!((done.status.as_u16(), done.json()["tokens"].clone()), (200, Value::Null));
    }

    async fn browser_has_at_most_five_cookies_of_links(bed: &Bed, { "limits": false, "code_interval_s": 0 }) {
        let client = bed.client();
        for _ in 0..7 {
            assert_eq!(start(&client, ADA).await.status, 202);
            bed.advance(1).await;
            assert!(mail_cookies(&client) <= 5);
        }
        assert_eq!(mail_cookies(&client), 5);
        assert_eq!(follow(&client, &token(bed, ADA).await).await.status, 200);
    }

    async fn unknown_address_becomes_a_verified_user(bed: &Bed) {
        let client = bed.client();
        let body = json!({ "email": ADA, "display_name": "Ada", "roles": ["admin"], "id": "x" });
        let challenge = handle(&client.post(PATH, &body).await);
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 401);
        let done = verify(&client, &challenge, &last_code(bed, ADA).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let user = &done.json()["user"];
        assert_eq!((&user["email"], &user["email_verified"]), (&json!(ADA), &json!(true)));
        assert_eq!((&user["display_name"], &user["roles"]), (&json!("Ada"), &json!([])));
        // The next request is for this user, by the link.
        start(&client, ADA).await;
        let again = follow(&client, &token(bed, ADA).await).await;
        assert_eq!((again.status.as_u16(), again.json()["user"]["id"].clone()), (200, user["id"].clone()));
    }

    async fn address_that_was_registered_meanwhile_is_taken_unless_it_is_unverified(bed: &Bed) {
        let client = bed.client();
        let challenges = [handle(&start(&client, ADA).await), handle(&start(&client, ADA).await)];
        let mails = mails(bed, ADA).await;
        let code = |n: usize| mails[n]["code"].as_str().unwrap();
        // Unverified: claimed.
        bed.browser(ADA).await;
        assert_eq!(verify(&bed.client(), &challenges[0], code(0)).await.status, 200);
        assert_eq!(sign_in(&bed.client(), ADA, PASSWORD).await.status, 401);
        // Verified: another account than that of the request.
        let taken = verify(&bed.client(), &challenges[1], code(1)).await;
        assert_eq!(refusal(&taken), (409, "email_taken".to_owned()));
    }

    /// C1, GHSA-qq9h-g4jm-xgf3
    async fn unverified_account_is_claimed(bed: &Bed) {
        for by_link in [false, true] {
            let email = if by_link { "bob@example.com" } else { ADA };
            let attacker = bed.browser(email).await;
            let (app, _) = enroll(bed, &attacker).await;
            let client = bed.client();
            let challenge = handle(&start(&client, email).await);
            let done = match by_link {
                true => follow(&client, &token(bed, email).await).await,
                false => verify(&client, &challenge, &last_code(bed, email).await).await,
            };
            assert_eq!(done.status, 200, "no factor of before is required: {}", done.json());
            assert_eq!(attacker.get("/me").await.status, 401);
            assert_eq!(sign_in(&bed.client(), email, PASSWORD).await.status, 401);
            assert_eq!(client.get("/auth/totp").await.json()["totp"], json!([]));
            assert_eq!(client.get("/me").await.json()["email_verified"], true);
            drop(app);
        }
        let claimed = bed.bed.watch.all().into_iter();
        assert_eq!(claimed.filter(|event| event.kind == EventKind::AccountClaimed).count(), 2);
    }

    async fn second_factor_is_required_and_the_redirect_target_is_kept(bed: &Bed) {
        let browser = bed.client();
        let challenge = handle(&start(&browser, ADA).await);
        verify(&browser, &challenge, &last_code(bed, ADA).await).await;
        let (app, _) = enroll(bed, &browser).await;
        for by_link in [false, true] {
            bed.advance(60).await;
            let client = bed.client();
            let body = json!({ "email": ADA, "redirect_to": "/inbox?a=b" });
            let challenge = handle(&client.post(PATH, &body).await);
            let asked = match by_link {
                true => follow(&client, &token(bed, ADA).await).await,
                false => verify(&client, &challenge, &last_code(bed, ADA).await).await,
            };
            let second = handle(&asked);
            assert_eq!(asked.json()["methods"], json!(["totp", "recovery_code"]), "no second email code");
            assert_eq!(mail_cookies(&client), 0);
            assert_eq!(client.get("/me").await.status, 401);
            assert_ne!(second, challenge);
            let done = answer(&client, &second, "totp", &app.next(bed).await).await;
            assert_eq!(done.status, 200, "{}", done.json());
            let first = if by_link { "email_link" } else { "email_code" };
            assert_eq!(methods(&done), [json!(first), json!("totp")]);
            assert_eq!(done.json()["redirect_to"], "/inbox?a=b");
        }
    }

    async fn redirect_target_is_kept_for_a_passkey_as_second_factor(bed: &Bed) {
        let browser = bed.client();
        let challenge = handle(&start(&browser, ADA).await);
        verify(&browser, &challenge, &last_code(bed, ADA).await).await;
        let mut key = VirtualAuthenticator::new(ORIGIN);
        let added = begin(&browser, "register", &json!({ "second_factor": true })).await;
        let credential = key.register(&added["options"]);
        assert_eq!(finish(&browser, "register", &added, &credential).await.status, 201);
        for redirect_to in [json!("/inbox?a=b"), Value::Null] {
            bed.advance(60).await;
            let client = bed.client();
            let body = match redirect_to.is_null() {
                true => json!({ "email": ADA }),
                false => json!({ "email": ADA, "redirect_to": redirect_to }),
            };
            let challenge = handle(&client.post(PATH, &body).await);
            let asked = verify(&client, &challenge, &last_code(bed, ADA).await).await;
            assert_eq!(asked.json()["methods"], json!(["security_key"]));
            let body = json!({ "challenge": handle(&asked) });
            let begun = begin(&client, "verify", &body).await;
            let credential = key.authenticate(&begun["options"]);
            let done = finish(&client, "verify", &begun, &credential).await;
            assert_eq!(done.status, 200, "{}", done.json());
            assert_eq!(done.json()["redirect_to"], redirect_to);
            assert_eq!(client.get("/me").await.status, 200);
        }
    }

    async fn cookie_of_another_request_remains(bed: &Bed) {
        let client = bed.client();
        start(&client, ADA).await;
        bed.advance(60).await;
        start(&client, ADA).await;
        assert_eq!(mail_cookies(&client), 2);
        assert_eq!(follow(&client, &token(bed, ADA).await).await.status, 200);
        assert_eq!(mail_cookies(&client), 1);
    }

    async fn no_second_email_code_is_required(bed: &Bed, { "sign_in_code": true }) {
        for _ in 0..2 {
            let client = bed.client();
            start(&client, ADA).await;
            assert_eq!(follow(&client, &token(bed, ADA).await).await.status, 200);
        }
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        assert_eq!(verify(&client, &challenge, &last_code(bed, ADA).await).await.status, 200);
    }

    async fn redirect_target_is_checked_and_returned(bed: &Bed) {
        let client = bed.client();
        for bad in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            let body = json!({ "email": ADA, "redirect_to": bad });
            assert_eq!(refusal(&client.post(PATH, &body).await), (400, "invalid_redirect".to_owned()), "{bad}");
        }
        assert!(kinds(bed, ADA).await.is_empty());
        let asked = client.post(PATH, &json!({ "email": ADA, "redirect_to": "/inbox" })).await;
        let done = verify(&bed.client(), &handle(&asked), &last_code(bed, ADA).await).await;
        assert_eq!(done.json()["redirect_to"], "/inbox");
        client.post(PATH, &json!({ "email": ADA, "redirect_to": "/other" })).await;
        let done = confirm(&bed.client(), &token(bed, ADA).await).await;
        assert_eq!(done.json()["redirect_to"], "/other");
        start(&client, ADA).await;
        let done = follow(&client, &token(bed, ADA).await).await;
        assert_eq!(done.json().get("redirect_to"), None);
    }

    async fn malformed_requests_are_rejected(bed: &Bed) {
        let client = bed.client();
        for bad in ["", "ada", "ada@", "a@b@c", " ada@example.com", "ada@example.com\r\nbcc: x@y.z"] {
            assert_eq!(refusal(&start(&client, bad).await), (422, "invalid_email".to_owned()), "{bad}");
        }
        for (body, name) in [
            (json!({}), "email"),
            (json!({ "email": 7 }), "email"),
            (json!({ "email": ADA, "display_name": "a\nb" }), "display_name"),
            (json!({ "email": ADA, "transport": "pigeon" }), "transport"),
        ] {
            let refused = client.post(PATH, &body).await;
            assert_eq!(refusal(&refused), (422, "invalid_request".to_owned()));
            assert_eq!(refused.json()["members"], json!([name]));
        }
        for bad in ["", "alk_", "x", "ach_AAAA"] {
            assert_eq!(refusal(&follow(&client, bad).await), invalid(), "{bad}");
            assert_eq!(refusal(&confirm(&client, bad).await), invalid(), "{bad}");
        }
        assert!(client.cookies().is_empty());
    }

    /// F3
    async fn concurrent_correct_codes_and_links_succeed_once(bed: &Bed) {
        let owner = bed.client();
        let challenge = handle(&start(&owner, ADA).await);
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        let mut burst = JoinSet::new();
        for n in 0..16 {
            let (client, challenge, code, token) =
                (bed.client(), challenge.clone(), code.clone(), token.clone());
            burst.spawn(async move {
                match n % 4 {
                    0 => verify(&client, &challenge, &code).await.status.as_u16(),
                    _ => confirm(&client, &token).await.status.as_u16(),
                }
            });
        }
        let statuses = burst.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    }

    async fn link_is_valid_after_the_attempts_of_the_code_are_used_up(bed: &Bed) {
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let code = last_code(bed, ADA).await;
        for _ in 0..5 {
            assert_eq!(verify(&bed.client(), &challenge, &wrong(&code)).await.code(), "invalid_code");
        }
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
        assert_eq!(follow(&client, &token(bed, ADA).await).await.status, 200);
    }

    async fn code_and_link_expire_after_ten_minutes(bed: &Bed) {
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        bed.advance(599).await;
        assert_eq!(follow(&bed.client(), &token).await.code(), "confirm_required");
        bed.advance(1).await;
        assert_eq!(refusal(&confirm(&client, &token).await), invalid());
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
    }

    async fn resent_message_replaces_code_and_link(bed: &Bed) {
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let first = token(bed, ADA).await;
        bed.advance(60).await;
        let again = client.post("/auth/verify/resend", &json!({ "challenge": challenge })).await;
        assert_eq!(handle(&again), challenge);
        assert_eq!(kinds(bed, ADA).await, ["sign_in_link", "sign_in_link"]);
        let second = token(bed, ADA).await;
        assert_ne!(first, second);
        assert_eq!(refusal(&follow(&client, &first).await), invalid());
        assert_eq!(follow(&client, &second).await.status, 200, "the browser of the request");
    }

    async fn newer_request_does_not_invalidate_older_ones(bed: &Bed) {
        let client = bed.client();
        start(&client, ADA).await;
        let first = token(bed, ADA).await;
        start(&client, ADA).await;
        assert_eq!(follow(&client, &token(bed, ADA).await).await.status, 200);
        // Requested before the user existed, whose address is now verified.
        let taken = confirm(&bed.client(), &first).await;
        assert_eq!(refusal(&taken), (409, "email_taken".to_owned()));
        start(&client, ADA).await;
        let third = token(bed, ADA).await;
        bed.advance(60).await;
        start(&client, ADA).await;
        assert_eq!(follow(&client, &third).await.status, 200);
    }

    async fn request_ends_with_a_change_of_the_account(bed: &Bed) {
        let browser = bed.browser(ADA).await;
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        let body = json!({ "current_password": PASSWORD, "new_password": "wq3 tulip okapi" });
        assert_eq!(browser.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(refusal(&follow(&client, &token).await), invalid());
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
    }

    async fn disabled_user_cannot_sign_in(bed: &Bed) {
        let id = id_of(&bed.browser(ADA).await).await;
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        let (code, token) = (last_code(bed, ADA).await, token(bed, ADA).await);
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(refusal(&confirm(&client, &token).await), invalid());
        assert_eq!(verify(&client, &challenge, &code).await.code(), "challenge_expired");
        let before = kinds(bed, ADA).await.len();
        assert_eq!(start(&client, ADA).await.status, 202);
        assert_eq!(kinds(bed, ADA).await.len(), before);
    }

    async fn unknown_address_gets_no_message_if_sign_up_is_disabled(bed: &Bed, { "sign_up": false }) {
        let client = bed.client();
        let challenge = handle(&start(&client, ADA).await);
        assert!(kinds(bed, ADA).await.is_empty());
        assert_eq!(mail_cookies(&client), 1);
        for _ in 0..5 {
            assert_eq!(verify(&client, &challenge, "000000").await.code(), "invalid_code");
        }
        assert_eq!(verify(&client, &challenge, "000000").await.code(), "challenge_expired");
    }

    async fn anonymous_user_keeps_the_id(bed: &Bed) {
        let client = bed.client();
        client.post("/auth/anonymous", &json!({})).await;
        let id = id_of(&client).await;
        start(&client, ADA).await;
        let done = follow(&client, &token(bed, ADA).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!((id_of(&client).await, client.get("/me").await.json()["is_anonymous"].clone()), (id, json!(false)));
        // An existing account takes over.
        let other = bed.client();
        other.post("/auth/anonymous", &json!({})).await;
        start(&other, ADA).await;
        assert_eq!(follow(&other, &token(bed, ADA).await).await.status, 200);
        assert_eq!(other.get("/me").await.json()["email"], ADA);
    }

    async fn limit_of_an_address_is_silent(bed: &Bed) {
        let client = bed.client();
        for _ in 0..3 {
            assert_eq!(start(&client, ADA).await.json()["resend_at"], "2026-01-01T00:01:00Z");
        }
        let late = start(&client, ADA).await;
        assert_eq!(late.status, 202);
        assert_eq!(kinds(bed, ADA).await.len(), 3);
        assert_eq!(sign_up(&client, ADA).await.status, 201, "other purposes have other counters");
    }

    async fn network_is_limited(bed: &Bed, { "trusted_proxies": ["127.0.0.1"] }) {
        let client = bed.client().with("x-forwarded-for", "203.0.113.7");
        for n in 0..60 {
            let email = if n % 2 == 0 { format!("u{n}@example.com") } else { "bad".to_owned() };
            assert_ne!(start(&client, &email).await.status, 429, "{n}");
        }
        assert_eq!(refusal(&start(&client, ADA).await), (429, "rate_limited".to_owned()));
        assert_eq!(start(&client, "bad").await.status, 429);
        let other = bed.client().with("x-forwarded-for", "203.0.113.8");
        assert_eq!(start(&other, ADA).await.status, 202);
    }
}

on_managed_stores! {
    /// The response and the work do not disclose whether an address is registered.
    async fn response_does_not_reveal_a_registered_email(bed: &Bed) {
        bed.browser(ADA).await;
        let id = id_of(&bed.browser("off@example.com").await).await;
        bed.change(&id, json!({ "status": "disabled" })).await;
        let shape = |answer: &TestResponse| {
            let body = answer.json();
            let mut headers = answer.headers.clone();
            headers.remove("date");
            let cookies: Vec<_> = headers.get_all("set-cookie").iter()
                .map(|line| (line.len(), line.to_str().unwrap()[..18].to_owned())).collect();
            headers.remove("set-cookie");
            let length = body["challenge"].as_str().unwrap().len();
            (answer.status, headers, cookies, length, body["methods"].clone(), body["expires_at"].clone(), body["resend_at"].clone())
        };
        let mut seen = Vec::new();
        for email in [ADA, "off@example.com", "new@example.com"] {
            let before = bed.statements().await;
            let client = bed.client();
            let first = start(&client, email).await;
            let asked = bed.statements().await;
            let challenge = handle(&first);
            let early = client.post("/auth/verify/resend", &json!({ "challenge": challenge })).await;
            let wrong = verify(&client, &challenge, "x").await;
            let costs = (asked - before, bed.statements().await - asked);
            seen.push((shape(&first), shape(&early), refusal(&wrong), costs));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0], seen[2]);
    }
}
