//! `POST /sign-up`.

use authlayer::EventKind;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    codes::last_code,
    support::{PASSWORD, on_every_store, sign_in, sign_up},
};

on_every_store! {
    /// The main use case: sign up, request a guarded route, sign out, sign in again.
    async fn new_user_signs_up_and_reaches_a_guarded_route(bed: &Bed) {
        let client = bed.client();
        assert_eq!(client.get("/me").await.status, 401);
        let body = json!({
            "email": "Ada@Example.com", "password": PASSWORD, "display_name": "Ada",
            "user_metadata": { "theme": "dark" },
        });
        let answer = client.post("/auth/sign-up", &body).await;
        assert_eq!(answer.status, 201);
        let complete = answer.json();
        assert_eq!(complete["status"], "complete");
        assert_eq!(complete["user"]["email"], "ada@example.com");
        assert_eq!(complete["user"]["display_name"], "Ada");
        assert_eq!(complete["user"]["user_metadata"]["theme"], "dark");
        assert_eq!(complete["user"]["email_verified"], false);
        assert_eq!(complete["user"]["status"], "active");
        assert_eq!(complete["session"]["current"], true);
        assert_eq!(complete["session"]["transport"], "cookie");
        assert_eq!(complete["session"]["factors"][0]["method"], "password");
        assert_eq!(complete["session"]["ip"], "127.0.0.1");
        assert!(complete.get("tokens").is_none());

        let me = client.get("/me").await;
        assert_eq!((me.status.as_u16(), me.json()), (200, complete["user"].clone()));
        assert_eq!(client.post("/note", json!({})).await.status, 200);
        assert_eq!(client.post("/auth/sign-out", json!({})).await.status, 204);
        assert_eq!(client.get("/me").await.status, 401);
        assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(client.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::SignedUp), 1);
        assert_eq!(bed.bed.watch.count(EventKind::SignedIn), 2);
        assert_eq!(bed.bed.watch.count(EventKind::SignedOut), 1);
    }

    /// The metadata waits in a challenge, and JSON of PostgreSQL cannot have NUL.
    async fn metadata_of_a_pending_sign_up_may_have_any_text(bed: &Bed, { "verify_email": true }) {
        let client = bed.client();
        let metadata = json!({ "tags": ["\u{0}", "\\u0000", "\u{1}"] });
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "user_metadata": metadata });
        let pending = client.post("/auth/sign-up", &body).await;
        assert_eq!(pending.status, 202, "{}", pending.json());
        let code = last_code(bed, "ada@example.com").await;
        let challenge = pending.json()["challenge"].clone();
        let body = json!({ "challenge": challenge, "code": code });
        let done = client.post("/auth/verify", body).await;
        assert_eq!(done.json()["user"]["user_metadata"], metadata, "{}", done.json());
    }

    /// CR-07, CR-08
    async fn concurrent_sign_ups_create_one_user(bed: &Bed) {
        let mut burst = JoinSet::new();
        for _ in 0..16 {
            let client = bed.client();
            burst.spawn(async move { sign_up(&client, "ada@example.com").await.status.as_u16() });
        }
        let mut statuses = burst.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[0], 201);
        assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    }

    /// B11, PW-16
    async fn registered_email_is_rejected_in_any_case(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let before = bed.hashes().await;
        let answer = sign_up(&bed.client(), "ADA@example.COM").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (409, "email_taken".to_owned()));
        assert!(answer.set_cookies().is_empty());
        assert_eq!(bed.hashes().await - before, 1, "the same work as for an unregistered email");
    }

    /// B8, OT-19
    async fn malformed_email_addresses_are_rejected(bed: &Bed) {
        for email in [
            "", "victim", "a,b@x.example", "<a@b>", "a@b.example ", "\"e@att\"@vic.example",
            "a@b.example\r\nBcc: c@d.example", "\u{131}@x.example", "a@x.example\u{0}",
        ] {
            let answer = sign_up(&bed.client(), email).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "invalid_email".to_owned()));
        }
        let list = json!({ "email": ["victim@x.example", "me@x.example"], "password": PASSWORD });
        let answer = bed.client().post("/auth/sign-up", &list).await;
        assert_eq!((answer.status.as_u16(), answer.json()["members"].clone()), (422, json!(["email"])));
        assert_eq!(bed.statements().await, 9, "one statement per parsed request, for the rate limit");
    }

    /// B12, PW-01, PW-02, PW-05, DS-01
    async fn weak_password_is_rejected_with_all_reasons(bed: &Bed) {
        let long = "x".repeat(129);
        let huge = "x".repeat(10_000);
        for (password, reasons) in [
            ("1234567", json!(["too_short"])),
            ("password1", json!(["common"])),
            ("i am lovelace", json!(["contains_identifier"])),
            ("love", json!(["too_short"])),
            (long.as_str(), json!(["too_long"])),
            (huge.as_str(), json!(["too_long"])),
        ] {
            let body = json!({ "email": "lovelace@example.com", "password": password });
            let answer = bed.client().post("/auth/sign-up", &body).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (422, "weak_password".to_owned()));
            assert_eq!(answer.json()["reasons"], reasons);
            assert_eq!(answer.json()["min_length"], 8);
        }
        assert_eq!(bed.hashes().await, 0);
        assert_eq!(bed.statements().await, 6, "one statement per request, for the rate limit");
    }

    /// B12, PW-02, PW-04
    async fn every_character_of_a_password_is_significant(bed: &Bed) {
        let nfc = " caf\u{e9}\0 \u{1f600} ".to_owned() + &"x".repeat(80);
        let body = json!({ "email": "ada@example.com", "password": nfc });
        assert_eq!(bed.client().post("/auth/sign-up", &body).await.status, 201);
        let nfd = nfc.replace('\u{e9}', "e\u{301}");
        let last = nfc[..nfc.len() - 1].to_owned() + "y";
        for (password, status) in [
            (nfc.as_str(), 200), (nfd.as_str(), 200), (nfc.trim(), 401), (last.as_str(), 401),
        ] {
            assert_eq!(sign_in(&bed.client(), "ada@example.com", password).await.status, status);
        }
    }

    /// SE-12
    async fn sign_up_body_cannot_set_protected_fields(bed: &Bed) {
        let body = json!({
            "email": "ada@example.com", "password": PASSWORD, "id": "mine", "roles": ["admin"],
            "scopes": ["all"], "status": "disabled", "email_verified": true, "is_anonymous": true,
            "attributes": { "level": 9 }, "app_metadata": { "plan": "pro" }, "tenant_id": "t",
        });
        let answer = bed.client().post("/auth/sign-up", &body).await;
        let user = &answer.json()["user"];
        assert_eq!(answer.status, 201);
        assert_ne!(user["id"], "mine");
        assert_eq!(user["roles"], json!([]));
        assert_eq!(user["scopes"], json!([]));
        assert_eq!(user["attributes"], json!({}));
        assert_eq!(user["status"], "active");
        assert_eq!(user["email_verified"], false);
        assert!(user["tenant_id"].is_null() && user.get("app_metadata").is_none());
    }

    /// User metadata is stored unchanged on both engines.
    async fn user_metadata_is_stored_unchanged(bed: &Bed) {
        let said = json!({ "nul": "\u{0}", "deep": [{ "\u{1f600}": -0.5 }], "quote": "'\"\\" });
        let body = json!({ "email": "ada@example.com", "password": PASSWORD, "user_metadata": said });
        let client = bed.client();
        assert_eq!(client.post("/auth/sign-up", &body).await.status, 201);
        assert_eq!(client.get("/me").await.json()["user_metadata"], said);
    }

    /// B14
    async fn sign_up_can_be_disabled(bed: &Bed, { "sign_up": false }) {
        let answer = sign_up(&bed.client(), "ada@example.com").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, "sign_up_disabled".to_owned()));
        assert_eq!((bed.statements().await, bed.hashes().await), (0, 0));
    }
}
