//! Administration over HTTP: authorization, users, sessions, factors, invitations and events.

use authlayer::{
    EventKind, UserId,
    testing::{TestClient, TestResponse},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, enroll},
    codes::{handle, kinds, mails},
    passkeys::with_key,
    reset,
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in},
};

pub(crate) const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const NEW: &str = "wq3 tulip okapi";

/// Signs up a user, and makes them an administrator.
pub(crate) async fn administrator(bed: &Bed, email: &str) -> TestClient {
    let client = bed.browser(email).await;
    bed.change(&id_of(&client).await, json!({ "roles": ["admin"] })).await;
    client
}

pub(crate) async fn patch(admin: &TestClient, id: &str, body: Value) -> TestResponse {
    admin.json(Method::PATCH, &format!("/auth/admin/users/{id}"), &body).await
}

pub(crate) async fn create(admin: &TestClient, body: Value) -> Value {
    let made = admin.post("/auth/admin/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.json());
    made.json()
}

pub(crate) fn code(answer: &TestResponse) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

pub(crate) fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The members of a user in the routes of administration.
const MEMBERS: [&str; 22] = [
    "app_metadata",
    "attributes",
    "avatar_url",
    "created_at",
    "display_name",
    "email",
    "email_verified",
    "has_password",
    "id",
    "identities",
    "is_anonymous",
    "last_seen_at",
    "passkeys",
    "recovery_codes_left",
    "roles",
    "scopes",
    "security_keys",
    "status",
    "tenant_id",
    "totp",
    "two_step",
    "updated_at",
];

on_every_store! {
    async fn usernames_are_changed(bed: &Bed, { "usernames": true }) {
        let ada = administrator(bed, ADA).await;
        assert_eq!(patch(&ada, &id_of(&ada).await, json!({ "username": "ada" })).await.status, 200);
        let bob = id_of(&bed.browser(BOB).await).await;
        let renamed = patch(&ada, &bob, json!({ "username": "Bob" })).await;
        assert_eq!(renamed.json()["username"], "bob", "{}", renamed.json());
        let found = ada.get("/auth/admin/users?query=BO").await.json();
        assert_eq!(found["users"][0]["id"], json!(bob), "{found}");
        let taken = patch(&ada, &bob, json!({ "username": "Ada", "display_name": "X" })).await;
        assert_eq!(code(&taken), expect(409, "username_taken"));
        let invalid = patch(&ada, &bob, json!({ "username": "a b", "display_name": "X" })).await;
        assert_eq!(code(&invalid), expect(422, "invalid_request"));
        assert_eq!(invalid.json()["members"], json!(["username"]));
        assert_eq!(ada.get(&format!("/auth/admin/users/{bob}")).await.json()["display_name"], json!(null));
        let cleared = patch(&ada, &bob, json!({ "username": null })).await;
        assert_eq!(cleared.json()["username"], json!(null));
    }

    /// The refusals of every route are tested in `routes.rs`.
    async fn only_users_who_pass_the_rule_administer(bed: &Bed) {
        let (ada, bob) = (administrator(bed, ADA).await, bed.browser(BOB).await);
        let users = "/auth/admin/users";
        assert_eq!(ada.get(users).await.status, 200);
        let refused = bob.get(users).await;
        assert_eq!(code(&refused), expect(403, "forbidden"));
        assert_eq!(refused.json()["missing"], json!(["role:admin"]));
        assert_eq!(code(&bed.client().get(users).await), expect(401, "unauthenticated"));
        // A key of an administrator, also with every scope.
        let body = json!({ "name": "x", "scopes": [] });
        let key = ada.post("/auth/api-keys", &body).await.json();
        let program = bed.client().bearer(text(&key["key"]));
        for (method, path) in [(Method::GET, users), (Method::POST, users)] {
            let refused = program.json(method, path, json!({})).await;
            assert_eq!(code(&refused), expect(403, "forbidden"));
            assert_eq!(refused.json()["missing"], json!(["session"]));
        }
        // Writes require recent authentication; the response to a user without the role names only the role.
        bed.advance(600).await;
        assert_eq!(ada.get(users).await.status, 200);
        let stale = ada.post(users, json!({ "email": "x" })).await;
        assert_eq!(code(&stale), expect(403, "step_up_required"));
        assert_eq!(stale.json()["methods"], json!(["password"]));
        assert_eq!(stale.json()["required"], json!({ "within_seconds": 600 }));
        assert_eq!(code(&bob.post(users, json!({ "email": "x" })).await), expect(403, "forbidden"));
        // The role is required at once.
        bed.change(&id_of(&ada).await, json!({ "roles": [] })).await;
        assert_eq!(code(&ada.get(users).await), expect(403, "forbidden"));
    }

    async fn users_are_created_read_changed_and_deleted(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let before = mails(bed, BOB).await.len();
        let made = create(&ada, json!({ "email": "Bob@Example.com", "password": PASSWORD,
            "display_name": "Bob", "roles": ["editor"], "scopes": ["read"], "email_verified": true,
            "id": "x", "status": "disabled" })).await;
        let names: Vec<_> = made.as_object().unwrap().keys().cloned().collect();
        for member in MEMBERS {
            assert!(names.iter().any(|name| name == member), "{member}: {names:?}");
        }
        let id = text(&made["id"]).to_owned();
        assert_ne!(id, "x");
        for (member, expected) in [
            ("email", json!(BOB)), ("email_verified", json!(true)), ("display_name", json!("Bob")),
            ("roles", json!(["editor"])), ("scopes", json!(["read"])), ("status", json!("active")),
            ("has_password", json!(true)), ("passkeys", json!(0)), ("totp", json!(0)),
            ("identities", json!([])), ("app_metadata", json!({})), ("last_seen_at", Value::Null),
        ] {
            assert_eq!(made[member], expected, "{member}");
        }
        assert_eq!(mails(bed, BOB).await.len(), before, "without an invitation nothing is mailed");
        let path = format!("/auth/admin/users/{id}");
        assert_eq!(ada.get(&path).await.json(), made);
        let bob = bed.client();
        assert_eq!(sign_in(&bob, BOB, PASSWORD).await.status, 200);
        assert!(ada.get(&path).await.json()["last_seen_at"].is_string());

        let taken = ada.post("/auth/admin/users", json!({ "email": "BOB@example.com" })).await;
        assert_eq!(code(&taken), expect(409, "email_taken"));
        for (body, status, error, members) in [
            (json!({}), 422, "invalid_request", json!(["email"])),
            (json!({ "email": "no address" }), 422, "invalid_email", Value::Null),
            (json!({ "email": "c@example.com", "password": "short" }), 422, "weak_password", Value::Null),
            (json!({ "email": "c@example.com", "roles": "admin" }), 422, "invalid_request", json!(["roles"])),
            (json!({ "email": "c@example.com", "roles": ["a\0"] }), 422, "invalid_request", json!(["roles"])),
            (json!({ "email": "c@example.com", "invite": true, "password": PASSWORD }), 422,
                "invalid_request", json!(["invite", "password"])),
        ] {
            let refused = ada.post("/auth/admin/users", &body).await;
            assert_eq!(code(&refused), expect(status, error), "{body}");
            assert_eq!(refused.json().get("members").cloned().unwrap_or_default(), members, "{body}");
        }
        assert_eq!(ada.delete(&path).await.status, 204);
        assert_eq!(bob.get("/me").await.status, 401);
        for gone in [ada.get(&path).await, ada.delete(&path).await, patch(&ada, &id, json!({})).await,
            ada.get("/auth/admin/users/%00").await] {
            assert_eq!(code(&gone), expect(404, "not_found"));
        }
    }

    async fn merge_patch_changes_all_members_or_none(bed: &Bed) {
        let (ada, bob) = (administrator(bed, ADA).await, bed.browser(BOB).await);
        let id = id_of(&bob).await;
        let changed = patch(&ada, &id, json!({ "display_name": "Bob", "roles": ["editor"],
            "tenant_id": "acme", "attributes": { "level": 3, "deep": { "a": 1, "b": 2 } },
            "app_metadata": { "plan": "pro" }, "user_metadata": { "theme": "dark" } })).await;
        assert_eq!(changed.status, 200, "{}", changed.json());
        let changed = patch(&ada, &id, json!({ "display_name": null, "tenant_id": null,
            "roles": null, "scopes": ["read"], "attributes": { "deep": { "a": null } },
            "email_verified": true })).await.json();
        for (member, expected) in [
            ("display_name", Value::Null), ("tenant_id", Value::Null), ("roles", json!([])),
            ("scopes", json!(["read"])), ("attributes", json!({ "level": 3, "deep": { "b": 2 } })),
            ("app_metadata", json!({ "plan": "pro" })), ("email_verified", json!(true)),
        ] {
            assert_eq!(changed[member], expected, "{member}");
        }
        assert_eq!(bob.get("/me").await.status, 200, "a verified address ends no session");
        for (body, members) in [
            (json!({ "id": "x", "roles": ["admin"] }), json!(["id"])),
            (json!({ "status": null, "email_verified": null, "email": null }),
                json!(["email", "email_verified", "status"])),
            (json!({ "status": "other" }), json!(["status"])),
            (json!({ "roles": [1], "display_name": "x\n" }), json!(["display_name", "roles"])),
            (json!({ "username": "bob" }), json!(["username"])),
            (json!({ "password": "x", "phone": "1" }), json!(["password", "phone"])),
        ] {
            let refused = patch(&ada, &id, body.clone()).await;
            assert_eq!(code(&refused), expect(422, "invalid_request"), "{body}");
            assert_eq!(refused.json()["members"], members, "{body}");
        }
        let taken = patch(&ada, &id, json!({ "email": ADA, "display_name": "Eve" })).await;
        assert_eq!(code(&taken), expect(409, "email_taken"));
        let bad = patch(&ada, &id, json!({ "email": "no address", "display_name": "Eve" })).await;
        assert_eq!(code(&bad), expect(422, "invalid_email"));
        let now = ada.get(&format!("/auth/admin/users/{id}")).await.json();
        assert_eq!((&now["display_name"], &now["roles"]), (&Value::Null, &json!([])));
    }

    async fn disabled_user_has_no_sessions_and_can_be_enabled(bed: &Bed) {
        let (ada, bob) = (administrator(bed, ADA).await, bed.browser(BOB).await);
        let id = id_of(&bob).await;
        let disabled = patch(&ada, &id, json!({ "status": "disabled" })).await;
        assert_eq!(disabled.json()["status"], "disabled");
        assert_eq!(bob.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), BOB, PASSWORD).await.status, 401);
        let list = ada.get("/auth/admin/users?status=disabled").await.json();
        let ids: Vec<_> = list["users"].as_array().unwrap().iter().map(|own| &own["id"]).collect();
        assert_eq!(ids, [&json!(id)]);
        let before = mails(bed, BOB).await.len();
        let sent = ada.post(&format!("/auth/admin/users/{id}/password-reset"), json!({})).await;
        assert_eq!((sent.status.as_u16(), sent.json()), (202, json!({})));
        assert_eq!(mails(bed, BOB).await.len(), before, "a disabled user gets no link");
        assert_eq!(patch(&ada, &id, json!({ "status": "active" })).await.status, 200);
        assert_eq!(bob.get("/me").await.status, 401, "the sessions do not come back");
        assert_eq!(sign_in(&bed.client(), BOB, PASSWORD).await.status, 200);
    }

    async fn new_address_ends_links_and_tells_the_former_one(bed: &Bed) {
        let (ada, bob) = (administrator(bed, ADA).await, bed.browser(BOB).await);
        let id = id_of(&bob).await;
        reset::forgot(bed, BOB).await;
        let link = reset::token(bed, BOB).await;
        let moved = patch(&ada, &id, json!({ "email": "Robert@example.com" })).await;
        assert_eq!(moved.status, 200, "{}", moved.json());
        assert_eq!(moved.json()["email"], "robert@example.com");
        assert_eq!(moved.json()["email_verified"], false);
        assert_eq!(bob.get("/me").await.json()["email"], "robert@example.com", "no session ends");
        let told = mails(bed, BOB).await.pop().unwrap();
        assert_eq!(told["kind"], "notice_email_changed");
        assert_eq!(told.get("link"), None, "an act of an administrator cannot be undone: {told}");
        assert!(!text(&told["text"]).contains("revert"), "{told}");
        let body = json!({ "token": link, "new_password": NEW });
        let refused = bed.client().post("/auth/password/reset", &body).await;
        assert_eq!(code(&refused), expect(401, "invalid_token"));
        assert_eq!(sign_in(&bed.client(), "robert@example.com", PASSWORD).await.status, 200);
    }

    async fn sessions_are_listed_and_revoked(bed: &Bed) {
        let (ada, bob) = (administrator(bed, ADA).await, bed.browser(BOB).await);
        let (second, third) = (bed.client(), bed.client());
        for client in [&second, &third] {
            assert_eq!(sign_in(client, BOB, PASSWORD).await.status, 200);
        }
        let id = id_of(&bob).await;
        let path = format!("/auth/admin/users/{id}/sessions");
        let list = ada.get(&path).await.json()["sessions"].clone();
        let all = list.as_array().unwrap();
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|own| own["current"] == false && own["transport"] == "cookie"));
        let own = second.get("/auth/session").await.json()["session"]["id"].clone();
        let one = format!("{path}/{}", text(&own));
        let other = format!("/auth/admin/users/{}/sessions/{}", id_of(&ada).await, text(&own));
        assert_eq!(code(&ada.delete(&other).await), expect(404, "not_found"), "of another user");
        assert_eq!(ada.delete(&one).await.status, 204);
        assert_eq!(code(&ada.delete(&one).await), expect(404, "not_found"));
        assert_eq!(code(&ada.delete(&format!("{path}/x")).await), expect(404, "not_found"));
        assert_eq!(second.get("/me").await.status, 401);
        let revoked = ada.delete(&path).await;
        assert_eq!((revoked.status.as_u16(), revoked.json()), (200, json!({ "revoked": 2 })));
        for client in [&bob, &third] {
            assert_eq!(client.get("/me").await.status, 401);
        }
        assert_eq!(bed.bed.watch.count(EventKind::SessionsRevokedByAdministrator), 2);
        assert_eq!(code(&ada.get("/auth/admin/users/none/sessions").await), expect(404, "not_found"));
    }

    async fn factor_is_removed_with_the_sessions_that_it_began(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let (bob, _key) = with_key(bed, BOB).await;
        let (app, _) = enroll(bed, &bob).await;
        let id = id_of(&bob).await;
        let by_app = bed.client();
        let pending = sign_in(&by_app, BOB, PASSWORD).await;
        let done = answer(&by_app, &handle(&pending), "totp", &app.next(bed).await).await;
        assert_eq!(done.status, 200, "{}", done.json());
        let path = format!("/auth/admin/users/{id}/factors");
        let mut factors = ada.get(&path).await.json()["factors"].as_array().unwrap().clone();
        factors.sort_by_key(|own| text(&own["kind"]).to_owned());
        let named: Vec<_> = factors.iter().map(|own| (text(&own["kind"]), text(&own["name"]))).collect();
        assert_eq!(named, [("passkey", "My key"), ("totp", "Phone")]);
        assert!(factors.iter().all(|own| own["created_at"].is_string()), "{factors:?}");
        let view = ada.get(&format!("/auth/admin/users/{id}")).await.json();
        assert_eq!((&view["passkeys"], &view["totp"], &view["two_step"]), (&json!(1), &json!(1), &json!(true)));
        let removed = ada.delete(&format!("{path}/{}", text(&factors[1]["id"]))).await;
        assert_eq!(removed.status, 204, "{}", removed.json());
        assert_eq!(by_app.get("/me").await.status, 401, "the app was verified on this session");
        let told = kinds(bed, BOB).await;
        assert_eq!(told.last().map(String::as_str), Some("notice_factor_removed"));
        let again = ada.delete(&format!("{path}/{}", text(&factors[1]["id"]))).await;
        assert_eq!(code(&again), expect(404, "not_found"));
        // The password of a user is no factor in this list, and the last passkey can be removed.
        let removed = ada.delete(&format!("{path}/{}", text(&factors[0]["id"]))).await;
        assert_eq!(removed.status, 204);
        assert_eq!(ada.get(&path).await.json()["factors"], json!([]));
        assert_eq!(sign_in(&bed.client(), BOB, PASSWORD).await.status, 200, "no second factor is left");
        let events = bed.bed.watch.all().into_iter();
        let events = events.filter(|own| own.kind == EventKind::FactorRemovedByAdministrator);
        let removed: Vec<_> = events.map(|own| own.detail["factor"].clone()).collect();
        assert_eq!(removed, [json!("totp"), json!("passkey")]);
    }

    /// F19: an invitation is a link of `/password/reset` for seven days, and proves the address.
    async fn invitation_sets_the_first_password_once(bed: &Bed, { "sign_up": false }) {
        let auth = &bed.bed.auth;
        let email = authlayer::Email::parse(ADA).unwrap();
        let new = authlayer::NewUser::with_email(email).role("admin");
        auth.users().create_with_password(new, PASSWORD).await.unwrap();
        let ada = bed.client();
        assert_eq!(sign_in(&ada, ADA, PASSWORD).await.status, 200);
        let made = create(&ada, json!({ "email": BOB, "invite": true, "roles": ["editor"] })).await;
        assert_eq!((&made["has_password"], &made["email_verified"]), (&json!(false), &json!(false)));
        let letter = mails(bed, BOB).await.pop().unwrap();
        assert_eq!(letter["kind"], "invitation");
        let first = reset::token(bed, BOB).await;
        // A newer invitation replaces it.
        let path = format!("/auth/admin/users/{}/password-reset", text(&made["id"]));
        assert_eq!(ada.post(&path, json!({})).await.status, 202);
        assert_eq!(mails(bed, BOB).await.pop().unwrap()["kind"], "invitation");
        let link = reset::token(bed, BOB).await;
        bed.advance(7 * 24 * 3600 - 1).await;
        let use_link = async |token: &str| {
            let body = json!({ "token": token, "new_password": NEW });
            bed.client().post("/auth/password/reset", &body).await
        };
        assert_eq!(code(&use_link(&first).await), expect(401, "invalid_token"));
        assert_eq!(use_link(&link).await.status, 204);
        assert_eq!(code(&use_link(&link).await), expect(401, "invalid_token"));
        let bob = bed.client();
        let signed_in = sign_in(&bob, BOB, NEW).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.json());
        let user = &signed_in.json()["user"];
        assert_eq!((&user["email_verified"], &user["roles"]), (&json!(true), &json!(["editor"])));
        // With a password, the link is an ordinary one.
        sign_in(&ada, ADA, PASSWORD).await;
        assert_eq!(ada.post(&path, json!({})).await.status, 202);
        assert_eq!(mails(bed, BOB).await.pop().unwrap()["kind"], "reset_link");
    }

    async fn invitation_expires_after_seven_days(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let made = create(&ada, json!({ "email": BOB, "invite": true })).await;
        let link = reset::token(bed, BOB).await;
        bed.advance(7 * 24 * 3600).await;
        bed.bed.auth.sweep().await.unwrap();
        let body = json!({ "token": link, "new_password": NEW });
        let late = bed.client().post("/auth/password/reset", &body).await;
        assert_eq!(code(&late), expect(401, "invalid_token"));
        // The user is still invited, and gets a new link.
        assert_eq!(sign_in(&ada, ADA, PASSWORD).await.status, 200);
        let path = format!("/auth/admin/users/{}/password-reset", text(&made["id"]));
        assert_eq!(ada.post(&path, json!({})).await.status, 202);
        assert_eq!(mails(bed, BOB).await.pop().unwrap()["kind"], "invitation");
        let body = json!({ "token": reset::token(bed, BOB).await, "new_password": NEW });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
    }

    async fn every_act_is_an_event_of_the_administrator(bed: &Bed) {
        let ada = administrator(bed, ADA).await;
        let admin = UserId::new(id_of(&ada).await);
        let made = create(&ada, json!({ "email": BOB, "invite": true })).await;
        let id = text(&made["id"]).to_owned();
        let path = format!("/auth/admin/users/{id}");
        patch(&ada, &id, json!({ "roles": ["editor"], "display_name": "Bob" })).await;
        patch(&ada, &id, json!({ "status": "disabled" })).await;
        patch(&ada, &id, json!({ "status": "active" })).await;
        ada.post(&format!("{path}/password-reset"), json!({})).await;
        ada.delete(&format!("{path}/sessions")).await;
        ada.get(&path).await;
        ada.delete(&path).await;
        let events = bed.bed.watch.all().into_iter();
        let acts = events.filter(|event| event.actor_id.as_ref() == Some(&admin));
        let acts: Vec<_> = acts.collect();
        assert!(acts.iter().all(|event| event.user_id.as_ref().is_some_and(|own| own.as_str() == id)));
        assert!(acts.iter().all(|event| event.ip.is_none() && event.user_agent.is_none()));
        let names: Vec<_> = acts.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(names, ["user_created", "user_invited", "user_updated", "roles_changed",
            "user_disabled", "user_enabled", "password_reset_requested",
            "sessions_revoked_by_administrator", "user_deleted"]);
    }
}
