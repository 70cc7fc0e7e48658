//! The account of the signed-in user: facts, profile, events, and the disclosure of its data.

use std::time::Duration;

use authlayer::{
    EventKind, SessionId, UserId,
    services::NewEvent,
    store::EventQuery,
    testing::{TestClient, TestResponse},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    authenticator::{answer, enroll},
    codes::handle,
    passkeys::with_key,
    support::{Bed, PASSWORD, id_of, on_every_store, on_managed_stores, sign_in, sign_up},
};

const ADA: &str = "ada@example.com";

async fn edit(client: &TestClient, patch: &Value) -> TestResponse {
    client.json(Method::PATCH, "/auth/account", patch).await
}

async fn members(client: &TestClient, patch: &Value) -> Value {
    let rejected = edit(client, patch).await;
    let error = (rejected.status.as_u16(), rejected.code());
    assert_eq!(error, (422, "invalid_request".to_owned()), "{patch}");
    rejected.json()["members"].clone()
}

/// Waits until all events are written.
async fn write_events(bed: &Bed) {
    bed.bed.auth.shutdown(Duration::from_secs(60)).await;
}

fn kinds(page: &Value) -> Vec<&str> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| event["kind"].as_str().unwrap()).collect()
}

on_every_store! {
    async fn account_has_the_numbers_of_credentials(bed: &Bed) {
        let (ada, _) = with_key(bed, ADA).await;
        let user = ada.get("/auth/session").await.json()["user"].clone();
        let account = ada.get("/auth/account").await;
        assert_eq!(account.status, 200);
        let expected = json!({
            "user": user, "has_password": true, "two_step": false, "passkeys": 1,
            "security_keys": 0, "totp": 0, "recovery_codes_left": 0, "identities": 0,
        });
        assert_eq!(account.json(), expected);
        let bob = bed.browser("bob@example.com").await;
        enroll(bed, &bob).await;
        let account = bob.get("/auth/account").await.json();
        for (name, value) in [("two_step", json!(true)), ("totp", json!(1)), ("recovery_codes_left", json!(10))] {
            assert_eq!(account[name], value, "{name}");
        }
        let guest = bed.client();
        assert_eq!(guest.get("/auth/account").await.status, 401);
        guest.post("/auth/anonymous", &json!({})).await;
        assert_eq!(guest.get("/auth/account").await.json()["has_password"], json!(false));
    }
}

on_managed_stores! {
    async fn profile_is_a_merge_patch(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let patch = json!({
            "display_name": "Ada", "avatar_url": "https://cdn.example.com/a.png",
            "locale": "en-GB", "user_metadata": { "theme": { "dark": true, "size": 2 }, "locale": "de" },
        });
        let edited = edit(&ada, &patch).await;
        assert_eq!(edited.status, 200, "{}", edited.json());
        let user = edited.json();
        assert_eq!((&user["display_name"], &user["avatar_url"]), (&json!("Ada"), &json!("https://cdn.example.com/a.png")));
        assert_eq!(user["user_metadata"], json!({ "theme": { "dark": true, "size": 2 }, "locale": "en-GB" }));
        assert_eq!(ada.get("/auth/session").await.json()["user"], user);
        let patch = json!({ "display_name": "", "user_metadata": { "theme": { "size": null } }, "locale": null });
        let user = edit(&ada, &patch).await.json();
        assert_eq!(user["display_name"], Value::Null);
        assert_eq!(user["avatar_url"], "https://cdn.example.com/a.png");
        assert_eq!(user["user_metadata"], json!({ "theme": { "dark": true } }));
        let user = edit(&ada, &json!({ "user_metadata": null, "avatar_url": null })).await.json();
        assert_eq!((&user["user_metadata"], &user["avatar_url"]), (&json!({}), &Value::Null));
        assert_eq!(bed.bed.watch.count(EventKind::AccountUpdated), 3);
        assert_eq!(edit(&ada, &json!({})).await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::AccountUpdated), 3);
    }

    async fn invalid_members_of_a_profile_are_named(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let before = ada.get("/auth/account").await.json();
        for (patch, expected) in [
            (json!({ "display_name": "a\nb" }), json!(["display_name"])),
            (json!({ "display_name": "a".repeat(201) }), json!(["display_name"])),
            (json!({ "display_name": 1 }), json!(["display_name"])),
            (json!({ "avatar_url": "http://example.com/a.png" }), json!(["avatar_url"])),
            (json!({ "avatar_url": "javascript:alert(1)" }), json!(["avatar_url"])),
            (json!({ "avatar_url": format!("https://example.com/{}", "a".repeat(2048)) }), json!(["avatar_url"])),
            (json!({ "locale": "not a tag" }), json!(["locale"])),
            (json!({ "locale": format!("en-{}", "abcdefgh-".repeat(4)) }), json!(["locale"])),
            (json!({ "user_metadata": { "locale": 1 } }), json!(["user_metadata"])),
            (json!({ "user_metadata": [] }), json!(["user_metadata"])),
            (json!({ "user_metadata": { "a": "b".repeat(8192) } }), json!(["user_metadata"])),
            (json!({ "username": "ada" }), json!(["username"])),
            (json!({ "display_name": "Ada", "email": "eve@example.com", "roles": ["admin"] }), json!(["email", "roles"])),
        ] {
            assert_eq!(members(&ada, &patch).await, expected, "{patch}");
        }
        assert_eq!(ada.get("/auth/account").await.json(), before);
        let half = json!({ "user_metadata": { "a": "b".repeat(5000) } });
        assert_eq!(edit(&ada, &half).await.status, 200);
        let other = json!({ "user_metadata": { "c": "d".repeat(5000) } });
        assert_eq!(members(&ada, &other).await, json!(["user_metadata"]), "together they are too long");
        assert_eq!(edit(&bed.client(), &json!({})).await.status, 401);
    }

    async fn events_of_the_user_are_paged(bed: &Bed, { "keep_events": true, "limits": false }) {
        let ada = bed.browser(ADA).await;
        bed.browser("bob@example.com").await;
        assert_eq!(ada.post("/auth/refresh", &json!({})).await.status, 200);
        for _ in 0..60 {
            assert_eq!(edit(&ada, &json!({ "display_name": "Ada" })).await.status, 200);
        }
        write_events(bed).await;
        let first = ada.get("/auth/account/events").await;
        assert_eq!(first.status, 200, "{}", first.json());
        let first = first.json();
        assert_eq!(kinds(&first), vec!["account_updated"; 50]);
        let event = first["events"][0].as_object().unwrap();
        assert!(event.contains_key("session_id") && event.contains_key("ip"), "{event:?}");
        assert!(!event.contains_key("user_id") && !event.contains_key("id"), "{event:?}");
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = ada.get(&format!("/auth/account/events?cursor={cursor}")).await.json();
        let rest = kinds(&second);
        assert_eq!(rest.iter().filter(|kind| **kind == "account_updated").count(), 10);
        assert!(rest.contains(&"signed_up") || rest.contains(&"signed_in"), "{rest:?}");
        assert!(!rest.contains(&"refreshed"), "{rest:?}");
        assert_eq!(second["next_cursor"], Value::Null);
        for query in ["?cursor=", "?cursor=x", "?cursor=a&cursor=b"] {
            let rejected = ada.get(&format!("/auth/account/events{query}")).await;
            assert_eq!((rejected.status.as_u16(), rejected.code()), (400, "invalid_request".to_owned()), "{query}");
        }
        assert_eq!(bed.client().get("/auth/account/events").await.status, 401);
    }

    /// Each event of a request has its client, whichever part records it.
    async fn events_have_the_client_of_their_request(bed: &Bed) {
        let ada = bed.client().with("user-agent", "Browser/1 \t\u{e9}");
        assert_eq!(sign_up(&ada, ADA).await.status, 201);
        assert_eq!(sign_in(&ada, ADA, "wrong guess").await.status, 401);
        let body = json!({ "current_password": PASSWORD, "new_password": "another good password" });
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 200);
        let shown = ada.get("/auth/account/events").await.json();
        assert!(kinds(&shown).contains(&"password_changed"), "written before they are shown: {shown}");
        for event in shown["events"].as_array().unwrap() {
            assert_eq!(event["user_agent"], "Browser/1 é", "{event}");
            assert_eq!(event["ip"], "127.0.0.1", "{event}");
        }
        assert_eq!(ada.post("/auth/sign-out", json!({})).await.status, 204);
        let all = bed.client().get("/testbed/events").await.json();
        let found = kinds(&all);
        for kind in ["signed_up", "signed_in", "sign_in_failed", "password_changed", "refreshed", "signed_out"] {
            assert!(found.contains(&kind), "{kind} of {found:?}");
        }
        for event in all["events"].as_array().unwrap() {
            assert_eq!((&event["user_agent"], &event["ip"]), (&json!("Browser/1 é"), &json!("127.0.0.1")), "{event}");
        }
    }

    /// An act of an administrator is shown without the administrator and their client.
    async fn events_of_an_administrator_are_shown_without_who_acted(bed: &Bed) {
        let ada = bed.browser(ADA).await;
        let (id, admin) = (UserId::new(id_of(&ada).await), UserId::new("root"));
        let mut request = http::Request::builder().header("user-agent", "Admin").body(()).unwrap();
        let peer = std::net::SocketAddr::from(([203, 0, 113, 9], 443));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        let client = bed.bed.auth.client(&request.into_parts().0).unwrap();
        let session = SessionId::from_bytes([7; 16]);
        let services = bed.bed.auth.services();
        let event = NewEvent::new(EventKind::UserDisabled).user(&id).session(session).client(&client);
        services.record(event.clone().actor(&admin)).unwrap();
        services.record(event.actor(&id)).unwrap();
        let shown = ada.get("/auth/account/events").await.json();
        let own: Vec<_> = shown["events"].as_array().unwrap().iter().filter(|own| own["kind"] == "user_disabled").collect();
        let at = &own[0]["at"];
        assert_eq!(own[1], &json!({ "kind": "user_disabled", "at": at, "by": "administrator", "detail": {} }));
        assert_eq!(own[0], &json!({
            "kind": "user_disabled", "at": at, "session_id": session, "ip": "203.0.113.9",
            "user_agent": "Admin", "detail": {},
        }));
        let all = bed.client().get("/testbed/events").await.json();
        let events = all["events"].as_array().unwrap();
        assert!(events.iter().any(|own| own["actor_id"] == "root" && own["ip"] == "203.0.113.9"));
        let stored = bed.bed.auth.audit_log().unwrap().query(&EventQuery::default(), 10).await.unwrap();
        let acted = stored.iter().find(|own| own.event.actor_id == Some(admin.clone())).unwrap();
        assert_eq!(acted.event.user_agent.as_deref(), Some("Admin"));
    }

    async fn events_without_an_audit_log_are_not_found(bed: &Bed, { "keep_events": false }) {
        let ada = bed.browser(ADA).await;
        assert_eq!(ada.get("/auth/account/events").await.code(), "not_found");
    }
}

/// Returns every string in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

on_every_store! {
    async fn disclosure_has_all_data_and_no_secret(bed: &Bed, { "keep_events": true }) {
        let (ada, _) = with_key(bed, ADA).await;
        let (app, done) = enroll(bed, &ada).await;
        let key = ada.post("/auth/api-keys", &json!({ "name": "ci", "scopes": [] })).await;
        assert_eq!(key.status, 201, "{}", key.json());
        let browser = bed.client();
        let challenge = handle(&sign_in(&browser, ADA, PASSWORD).await);
        let code = app.next(bed).await;
        let body = json!({ "challenge": challenge, "method": "totp", "code": code, "remember": true });
        assert_eq!(browser.post("/auth/verify", &body).await.status, 200);
        let codes = done["recovery_codes"].as_array().unwrap();
        let second = bed.client();
        let challenge = handle(&sign_in(&second, ADA, PASSWORD).await);
        let used = answer(&second, &challenge, "recovery_code", codes[0].as_str().unwrap()).await;
        assert_eq!(used.status, 200, "{}", used.json());
        write_events(bed).await;

        let id = UserId::new(id_of(&ada).await);
        let all = bed.bed.auth.users().disclose(&id).await.unwrap();
        assert_eq!(all["user"]["email"], ADA);
        assert!(all["user"]["app_metadata"].is_object(), "{all}");
        let count = |name: &str| all[name].as_array().unwrap().len();
        assert_eq!((count("sessions"), count("api_keys"), count("devices"), count("identities")), (3, 1, 1, 0));
        assert!(count("events") > 5, "{all}");
        let mut kinds = Vec::from_iter(all["credentials"].as_array().unwrap().iter().map(|own| own["kind"].as_str().unwrap()));
        kinds.sort_unstable();
        assert_eq!(kinds, ["passkey", "password", "recovery_codes", "totp"]);
        let codes_left = all["credentials"].as_array().unwrap().iter().find(|own| own["kind"] == "recovery_codes");
        assert_eq!(codes_left.unwrap()["left"], json!(9));

        let text = all.to_string();
        for column in ["nonce", "salt", "lineage_hash", "refresh_hash", "access_hash"] {
            let value = bed.text(&format!("SELECT {column} FROM auth_sessions ORDER BY id LIMIT 1")).await;
            assert!(value.len() >= 20 && !text.contains(&value), "{column}");
        }
        let hash = bed.text("SELECT hash FROM auth_api_keys").await;
        assert!(!text.contains(&hash), "hash of the API key");
        assert!(!text.contains(key.json()["key"].as_str().unwrap()), "API key");
        let device = bed.text("SELECT id FROM auth_challenges WHERE kind = 'device'").await;
        assert!(!text.contains(&device), "hash of the device token");
        assert!(!text.contains(&app.base32), "secret of the app");
        let data = bed.text("SELECT data FROM auth_credentials WHERE kind = 'recovery_codes'").await;
        let data: Value = serde_json::from_str(&data).unwrap();
        assert!(data["hashes"].as_array().is_some_and(|all| all.len() == 9), "{data}");
        for secret in texts(&data["hashes"]).iter().chain(&texts(&data["salt"])).chain(&texts(&done["recovery_codes"])) {
            assert!(!text.contains(secret), "recovery code");
        }
        for part in ["$argon2", "\"hash", "\"secret", "aat_", "art_", "\"last_step"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
        let unknown = bed.bed.auth.users().disclose(&crate::support::uuid("unknown")).await;
        assert_eq!(unknown.unwrap_err().kind(), authlayer::ErrorKind::NotFound);
    }
}
