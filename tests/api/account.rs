//! Account transitions: email changes and their undo, claims, and the sessions and challenges that
//! they revoke.

use authlayer::testing::TestClient;
use serde_json::{Value, json};

use crate::{
    codes::{handle, kinds, last_code, mails, verified_user, verify},
    passkeys::{enter, with_key},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up},
};

const OTHER: &str = "plum zq8 xw2v";

pub(crate) async fn change_email(client: &TestClient, to: &str) -> String {
    handle(&client.post("/auth/email/change", json!({ "new_email": to })).await)
}

/// The token of the newest link of a kind to an address.
pub(crate) async fn link(bed: &Bed, to: &str, kind: &str) -> Option<String> {
    let mails = mails(bed, to).await;
    let mail = mails.iter().rfind(|mail| mail["kind"] == kind)?;
    Some(mail["link"].as_str()?.split("#token=").nth(1)?.to_owned())
}

pub(crate) async fn undo(bed: &Bed, token: &str) -> authlayer::testing::TestResponse {
    bed.client().post("/auth/email/undo", json!({ "token": token })).await
}

pub(crate) async fn moved(bed: &Bed, client: &TestClient, to: &str) {
    let challenge = change_email(client, to).await;
    assert_eq!(verify(client, &challenge, &last_code(bed, to).await).await.status, 200);
}

pub(crate) async fn email_of(bed: &Bed, email: &str) -> Option<String> {
    let found = bed.bed.auth.users().find_by_email(email).await.unwrap();
    found.map(|user| user.id.to_string())
}

on_every_store! {
    async fn undo_reverts_later_email_changes_and_revokes_their_links(bed: &Bed, { "verify_email": true }) {
        let thief = verified_user(bed, "ada@example.com").await;
        moved(bed, &thief, "m1@example.com").await;
        moved(bed, &thief, "m2@example.com").await;
        let owner = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
        let requested = link(bed, "ada@example.com", "notice_email_change_requested").await.unwrap();
        let later = [
            link(bed, "m1@example.com", "notice_email_changed").await.unwrap(),
            link(bed, "m1@example.com", "notice_email_change_requested").await.unwrap(),
        ];
        let undone = undo(bed, &owner).await;
        assert_eq!(undone.status, 200, "{}", undone.json());
        assert!(undone.json()["expires_at"].is_string());
        for token in later.iter().chain([&requested, &owner]) {
            assert_eq!(undo(bed, token).await.code(), "invalid_token");
        }
        assert!(email_of(bed, "ada@example.com").await.is_some());
        assert!(email_of(bed, "m2@example.com").await.is_none());
        assert_eq!(thief.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401);
        let recipients = ["ada@example.com", "m2@example.com"];
        for address in recipients {
            let kinds = kinds(bed, address).await;
            assert_eq!(kinds.last().unwrap(), "notice_email_change_undone", "{address}");
        }
    }

    async fn undo_from_a_later_email_keeps_the_earlier_undo_link_valid(bed: &Bed, { "verify_email": true }) {
        let thief = verified_user(bed, "ada@example.com").await;
        moved(bed, &thief, "m1@example.com").await;
        moved(bed, &thief, "m2@example.com").await;
        let owner = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
        let later = link(bed, "m1@example.com", "notice_email_changed").await.unwrap();
        assert_eq!(undo(bed, &later).await.status, 200);
        assert!(email_of(bed, "m1@example.com").await.is_some());
        let undone = undo(bed, &owner).await;
        assert_eq!(undone.status, 200);
        assert!(email_of(bed, "ada@example.com").await.is_some());
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
    }

    async fn undo_of_a_pending_change_cancels_it_and_removes_new_credentials(bed: &Bed, { "verify_email": true }) {
        let thief = verified_user(bed, "ada@example.com").await;
        let kept = thief.post("/auth/api-keys", json!({ "name": "before", "scopes": [] })).await;
        assert_eq!(kept.status, 201, "{}", kept.json());
        let challenge = change_email(&thief, "m1@example.com").await;
        let planted = thief.post("/auth/api-keys", json!({ "name": "since", "scopes": [] })).await;
        assert_eq!(planted.status, 201);
        let code = last_code(bed, "m1@example.com").await;
        let token = link(bed, "ada@example.com", "notice_email_change_requested").await.unwrap();
        let undone = undo(bed, &token).await;
        assert_eq!(undone.status, 200);
        assert_eq!(verify(&thief, &challenge, &code).await.status, 401);
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        let owner = bed.client();
        assert_eq!(sign_in(&owner, "ada@example.com", OTHER).await.status, 200);
        let keys = owner.get("/auth/api-keys").await.json()["api_keys"].clone();
        let names: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
        assert_eq!(names, ["before"]);
    }

    async fn undo_removes_the_email_from_an_unverified_user(bed: &Bed) {
        let id = crate::support::uuid("owner");
        let mut owner = authlayer::User::new(id, "2026-01-01T00:00:00Z".parse().unwrap());
        owner.email = Some(authlayer::Email::parse("ada@example.com").unwrap());
        owner.email_verified_at = Some(owner.created_at);
        let owner = bed.bed.auth.users().create(&owner).await.unwrap();
        let issued = bed.bed.auth.sessions().create(
            &owner,
            authlayer::Factor::Password,
            authlayer::Transport::Bearer,
            authlayer::model::ClientInfo::default(),
        );
        let issued = issued.await.unwrap();
        let client = bed.client().bearer(issued.access.expose());
        let challenge = change_email(&client, "new@example.com").await;
        let code = last_code(bed, "new@example.com").await;
        assert_eq!(verify(&client, &challenge, &code).await.status, 200);
        let squatter = bed.browser("ada@example.com").await;
        let squatted = id_of(&squatter).await;
        let token = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
        assert_eq!(undo(bed, &token).await.status, 200);
        assert_eq!(squatter.get("/me").await.status, 401);
        assert_eq!(email_of(bed, "ada@example.com").await, Some(owner.id.to_string()));
        let held = bed.bed.auth.users().find(&authlayer::UserId::new(&squatted)).await.unwrap();
        assert_eq!(held.unwrap().email, None);
    }

    async fn unverified_former_email_receives_no_undo_link(bed: &Bed) {
        let squatter = bed.browser("victim@example.com").await;
        moved(bed, &squatter, "m1@example.com").await;
        assert!(kinds(bed, "victim@example.com").await.iter().all(|kind| !kind.contains("email_chang")));
    }

    async fn concurrent_reset_and_email_change_apply_exactly_one(bed: &Bed, { "verify_email": true }) {
        for round in 0..8 {
            let address = format!("ada{round}@example.com");
            let new = format!("new{round}@example.com");
            let client = verified_user(bed, &address).await;
            let challenge = change_email(&client, &new).await;
            let code = last_code(bed, &new).await;
            bed.client().post("/auth/password/forgot", json!({ "email": address })).await;
            let token = link(bed, &address, "reset_link").await.unwrap();
            let reset = json!({ "token": token, "new_password": OTHER });
            let anybody = bed.client();
            let (reset, changed) = tokio::join!(
                anybody.post("/auth/password/reset", &reset),
                verify(&client, &challenge, &code),
            );
            let (reset, changed) = (reset.status == 204, changed.status == 200);
            assert!(reset != changed, "round {round}: reset {reset}, changed {changed}");
            let stands = if reset { &address } else { &new };
            let password = if reset { OTHER } else { PASSWORD };
            assert_eq!(sign_in(&bed.client(), stands, password).await.status, 200, "round {round}");
        }
    }

    /// The password and the mailbox together verify the same user.
    async fn code_after_the_password_does_not_claim_the_account(bed: &Bed, { "sign_in_code": true }) {
        let laptop = bed.browser("ada@example.com").await;
        let key = laptop.post("/auth/api-keys", json!({ "name": "mine", "scopes": [] })).await;
        assert_eq!(key.status, 201);
        let phone = bed.client();
        let challenge = handle(&sign_in(&phone, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        let done = verify(&phone, &challenge, &code).await;
        assert_eq!((done.status.as_u16(), &done.json()["user"]["email_verified"]), (200, &json!(true)));
        assert_eq!(laptop.get("/me").await.status, 200);
        let keys = phone.get("/auth/api-keys").await.json()["api_keys"].clone();
        assert_eq!(keys.as_array().unwrap().len(), 1);
    }

    /// A claim by a reset link deletes everything that earlier sessions of the account wrote.
    async fn claim_by_reset_deletes_unverified_credentials_and_data(bed: &Bed) {
        let body = json!({
            "email": "victim@example.com", "password": PASSWORD, "display_name": "Planted",
            "user_metadata": { "planted": true },
        });
        let thief = bed.client();
        assert_eq!(thief.post("/auth/sign-up", &body).await.status, 201);
        let id = id_of(&thief).await;
        bed.change(&id, json!({ "roles": ["admin"], "scopes": ["read"] })).await;
        let key = thief.post("/auth/api-keys", json!({ "name": "planted", "scopes": [] })).await;
        assert_eq!(key.status, 201);
        bed.client().post("/auth/password/forgot", json!({ "email": "victim@example.com" })).await;
        let token = link(bed, "victim@example.com", "reset_link").await.unwrap();
        let reset = json!({ "token": token, "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        assert_eq!(thief.get("/me").await.status, 401);
        let victim = bed.client();
        assert_eq!(sign_in(&victim, "victim@example.com", OTHER).await.status, 200);
        let me = victim.get("/me").await.json();
        assert_eq!((&me["roles"], &me["scopes"]), (&json!([]), &json!([])));
        assert_eq!((&me["display_name"], &me["user_metadata"]), (&Value::Null, &json!({})));
        let keys = victim.get("/auth/api-keys").await.json()["api_keys"].clone();
        assert_eq!(keys, json!([]));
    }

    async fn claim_of_an_unused_account_keeps_its_roles(bed: &Bed) {
        let id = crate::support::uuid("imported");
        let mut user = authlayer::User::new(id, "2026-01-01T00:00:00Z".parse().unwrap());
        user.email = Some(authlayer::Email::parse("ada@example.com").unwrap());
        user.roles = vec!["staff".to_owned()];
        user.display_name = Some("Ada".to_owned());
        let made = bed.bed.auth.users().create(&user).await.unwrap();
        bed.client().post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
        let token = link(bed, "ada@example.com", "reset_link").await.unwrap();
        let reset = json!({ "token": token, "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        let ada = bed.client();
        assert_eq!(sign_in(&ada, "ada@example.com", OTHER).await.status, 200);
        let me = ada.get("/me").await.json();
        assert_eq!((&me["roles"], &me["display_name"]), (&json!(made.roles), &json!(made.display_name)));
    }

    async fn revoking_all_sessions_revokes_pending_sign_ins(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser("ada@example.com").await;
        let thief = bed.client();
        let challenge = handle(&sign_in(&thief, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        let all = ada.send(http::Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!((all.status.as_u16(), all.json()), (200, json!({ "revoked": 1 })));
        assert_eq!(verify(&thief, &challenge, &code).await.code(), "challenge_expired");
    }

    async fn password_change_revokes_pending_sign_ins(bed: &Bed, { "sign_in_code": true }) {
        let ada = bed.browser("ada@example.com").await;
        let thief = bed.client();
        let challenge = handle(&sign_in(&thief, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
        assert_eq!(ada.post("/auth/password/change", &change).await.status, 200);
        assert_eq!(verify(&thief, &challenge, &code).await.code(), "challenge_expired");
    }

    async fn revoking_all_sessions_revokes_reset_links(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        bed.client().post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
        let token = link(bed, "ada@example.com", "reset_link").await.unwrap();
        let all = ada.send(http::Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        assert_eq!(all.status, 200);
        let reset = json!({ "token": token, "new_password": OTHER });
        let late = bed.client().post("/auth/password/reset", &reset).await;
        assert_eq!(late.code(), "invalid_token");
    }

    async fn refresh_tokens_of_any_generation_sign_their_session_out(bed: &Bed) {
        for renews in [false, true] {
            for age in 0..4 {
                let email = format!("ada-{renews}-{age}@example.com");
                let (_, mut access, first) = bed.native(&email).await;
                let mut newest = first.clone();
                for step in 0..age {
                    let tokens = if renews && step == 1 {
                        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
                        bed.client().bearer(&access).post("/auth/password/change", &change).await
                    } else {
                        let body = json!({ "refresh_token": newest });
                        bed.client().post("/auth/refresh", &body).await
                    };
                    assert_eq!(tokens.status, 200, "{}", tokens.json());
                    let token = |name: &str| tokens.json()["tokens"][name].as_str().unwrap().to_owned();
                    (access, newest) = (token("access_token"), token("refresh_token"));
                }
                assert_eq!(bed.client().bearer(&access).get("/me").await.status, 200);
                let out = bed.client().post("/auth/sign-out", json!({ "refresh_token": first })).await;
                assert_eq!(out.status, 204);
                let after = bed.client().bearer(&access).get("/me").await;
                assert_eq!(after.status, 401, "renews {renews}, age {age}");
            }
        }
    }

    async fn tokens_from_before_a_password_change_are_rejected_but_are_no_theft(bed: &Bed) {
        let (client, access, refresh) = bed.native("ada@example.com").await;
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let changed = client.post("/auth/password/change", &change).await;
        assert_eq!(changed.status, 200);
        let newest = changed.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        assert_eq!(bed.client().bearer(&access).get("/me").await.status, 401);
        let refreshed = bed.client().post("/auth/refresh", json!({ "refresh_token": refresh })).await;
        assert_eq!(refreshed.code(), "invalid_refresh_token");
        assert_eq!(bed.client().bearer(&newest).get("/me").await.status, 200);
    }

    /// A sign-in that replaces a session revokes it by the refresh cookie alone, also when the
    /// browser holds the previous refresh token.
    async fn sign_in_revokes_the_previous_session_by_its_refresh_cookie(bed: &Bed) {
        let browser = bed.browser("ada@example.com").await;
        let old = browser.cookie("auth-refresh").unwrap();
        assert_eq!(browser.post("/auth/refresh", json!({})).await.status, 200);
        let access = browser.cookie("auth").unwrap();
        let other = bed.client();
        other.set_cookie("auth-refresh", &old);
        assert_eq!(sign_up(&other, "bob@example.com").await.status, 201);
        let probe = bed.client();
        probe.set_cookie("auth", &access);
        assert_eq!(probe.get("/me").await.status, 401);
    }

    /// A pending sign-up creates no user if sign-up was disabled before its verification.
    async fn pending_sign_up_is_rejected_after_sign_up_is_disabled(bed: &Bed, { "verify_email": true }) {
        let client = bed.client();
        let challenge = handle(&sign_up(&client, "ada@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        let config = json!({ "verify_email": true, "sign_up": false });
        let config = serde_json::from_value(config).unwrap();
        let (store, clock) = (bed.bed.store.clone(), bed.bed.clock.clone());
        let closed = crate::testbed::Testbed::over(store, authlayer::UserStorage::managed(), config, clock);
        let app = authlayer::testing::TestApp::serve(closed.unwrap().router()).await;
        let done = verify(&app.client(), &challenge, &code).await;
        assert_eq!((done.status.as_u16(), done.code()), (403, "sign_up_disabled".to_owned()));
        assert_eq!(email_of(bed, "ada@example.com").await, None);
    }

    /// Every transition locks the user first, so two of them cannot deadlock.
    async fn concurrent_reset_and_codes_do_not_deadlock(bed: &Bed, { "sign_in_code": true, "limits": false }) {
        for round in 0..6 {
            let address = format!("ada{round}@example.com");
            bed.browser(&address).await;
            bed.client().post("/auth/password/forgot", json!({ "email": address })).await;
            let token = link(bed, &address, "reset_link").await.unwrap();
            let mut pending = Vec::new();
            for _ in 0..3 {
                let client = bed.client();
                let challenge = handle(&sign_in(&client, &address, PASSWORD).await);
                pending.push((client, challenge, last_code(bed, &address).await));
                bed.advance(60).await;
            }
            let reset = json!({ "token": token, "new_password": OTHER });
            let anybody = bed.client();
            let [one, two, three] = &pending[..] else { unreachable!() };
            let (reset, one, two, three) = tokio::join!(
                anybody.post("/auth/password/reset", &reset),
                verify(&one.0, &one.1, &one.2),
                verify(&two.0, &two.1, &two.2),
                verify(&three.0, &three.1, &three.2),
            );
            for answer in [reset, one, two, three] {
                assert!(answer.status.as_u16() < 500, "round {round}: {}", answer.json());
            }
        }
    }
}

/// A passkey and a code verify these two credentials; an existing password belongs to another
/// person and is removed.
#[tokio::test]
async fn claim_by_passkey_keeps_the_passkey_and_removes_the_password() {
    for on in [crate::support::On::Sqlite, crate::support::On::Postgres] {
        let bed = &Bed::new(on, json!({})).await;
        let (ada, mut key) = with_key(bed, "ada@example.com").await;
        let planted = ada.post("/auth/api-keys", json!({ "name": "planted", "scopes": [] })).await;
        assert_eq!(planted.status, 201);
        let config = serde_json::from_value(json!({ "verify_email": true })).unwrap();
        let (store, clock) = (bed.bed.store.clone(), bed.bed.clock.clone());
        let strict =
            crate::testbed::Testbed::over(store, authlayer::UserStorage::managed(), config, clock);
        let app = authlayer::testing::TestApp::serve(strict.unwrap().router()).await;
        let browser = app.client();
        let challenge = handle(&enter(&browser, &mut key).await);
        let mail = browser.get("/testbed/mail?to=ada@example.com").await.json();
        let code = mail["messages"][0]["code"].as_str().unwrap().to_owned();
        let done = verify(&browser, &challenge, &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(done.json()["user"]["email_verified"], true);
        let passkeys = browser.get("/auth/passkeys").await.json()["passkeys"].clone();
        assert_eq!(passkeys.as_array().unwrap().len(), 1);
        assert_eq!(browser.get("/auth/api-keys").await.json()["api_keys"], json!([]));
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(sign_in(&app.client(), "ada@example.com", PASSWORD).await.status, 401);
        assert_eq!(enter(&app.client(), &mut key).await.status, 200);
    }
}
