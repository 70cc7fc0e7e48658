//! Security notices contain the time, the origin and the change.

use authlayer::testing::{TestClient, VirtualAuthenticator};
use http::Method;
use serde_json::{Value, json};

use crate::{
    codes::{handle, last_code, mails, verify},
    passkeys::register,
    providers::with_providers,
    support::{Bed, PASSWORD, on_every_store, sign_up},
};

const DEVICE: &str = "Test/1 <b> (Linux) Firefox/1";

/// Returns a client with a user agent.
fn device(bed: &Bed) -> TestClient {
    bed.client().with("user-agent", DEVICE)
}

/// Signs up a user with a verified email address in a browser with a user agent.
async fn verified_user(bed: &Bed, email: &str) -> TestClient {
    let client = device(bed);
    let challenge = handle(&sign_up(&client, email).await);
    let answer = verify(&client, &challenge, &last_code(bed, email).await).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    client
}

fn token_of(mail: &Value) -> String {
    mail["link"].as_str().unwrap().split("#token=").nth(1).unwrap().to_owned()
}

/// Returns the newest notice of a kind.
async fn notice(bed: &Bed, to: &str, kind: &str) -> Value {
    let mails = mails(bed, to).await;
    let found = mails.iter().rfind(|mail| mail["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {mails:?}")).clone()
}

fn assert_contains(mail: &Value, what: &str) {
    let about = &mail["about"];
    assert_eq!(about["at"], "2026-01-01T00:00:00Z", "{mail}");
    assert_eq!(about["ip"], "127.0.0.1", "{mail}");
    assert_eq!(about["user_agent"], DEVICE, "{mail}");
    let html = mail["html"].as_str().unwrap();
    assert!(html.contains("Device: Firefox on Linux"), "{html}");
    assert!(
        !html.contains("Test/1") && !mail["text"].as_str().unwrap().contains("Test/1"),
        "{mail}"
    );
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("Device: Firefox on Linux"), "{text}");
    assert!(text.contains("When: 2026-01-01 00:00 UTC"), "{text}");
    assert!(text.contains("Network address: 127.0.0.1"), "{text}");
    assert!(text.contains(what), "{text}");
}

on_every_store! {
    async fn notices_contain_time_origin_and_change(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, "ada@example.com").await;
        let key = ada.post("/auth/api-keys", json!({ "name": "backup", "scopes": [] })).await;
        assert_eq!(key.status, 201, "{}", key.json());
        assert_contains(&notice(bed, "ada@example.com", "notice_api_key_created").await, "backup");
        let path = format!("/auth/api-keys/{}", key.json()["id"].as_str().unwrap());
        assert_eq!(ada.send(Method::DELETE, &path, &[], b"").await.status, 204);
        assert_contains(&notice(bed, "ada@example.com", "notice_api_key_revoked").await, "backup");
        let change = json!({ "new_email": "new@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.status, 202);
        let requested = notice(bed, "ada@example.com", "notice_email_change_requested").await;
        assert_contains(&requested, "new@example.com");
        assert_contains(&notice(bed, "new@example.com", "email_change_code").await, "confirm this address");
        let change = json!({ "current_password": PASSWORD, "new_password": "plum zq8 xw2v" });
        assert_eq!(ada.post("/auth/password/change", &change).await.status, 200);
        assert_contains(&notice(bed, "ada@example.com", "notice_password_changed").await, "password");
        let gone = ada.send(Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204);
        assert_contains(&notice(bed, "ada@example.com", "notice_account_deleted").await, "deleted");
    }

    async fn undo_lists_remaining_credentials_with_their_time(bed: &Bed, { "verify_email": true }) {
        let ada = verified_user(bed, "ada@example.com").await;
        let key = ada.post("/auth/api-keys", json!({ "name": "backup", "scopes": [] })).await;
        assert_eq!(key.status, 201);
        let change = json!({ "new_email": "new@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.status, 202);
        let requested = notice(bed, "ada@example.com", "notice_email_change_requested").await;
        let token = token_of(&requested);
        let undone = device(bed).post("/auth/email/undo", json!({ "token": token })).await;
        assert_eq!(undone.status, 200);
        let back = notice(bed, "ada@example.com", "notice_email_change_undone").await;
        assert_contains(&back, "reverted");
        let items = back["about"]["items"].as_array().unwrap().clone();
        assert_eq!(items, [json!([{ "api_key": "backup" }, "2026-01-01T00:00:00Z"])]);
        assert!(back["text"].as_str().unwrap().contains("API key \"backup\", since 2026-01-01"));
        let other = notice(bed, "new@example.com", "notice_email_change_undone").await;
        assert_eq!(other["about"]["items"], json!([]));
        assert_contains(&other, "reverted");
    }

    async fn codes_and_reset_links_name_the_requesting_client(bed: &Bed, { "verify_email": true }) {
        verified_user(bed, "ada@example.com").await;
        assert_contains(&notice(bed, "ada@example.com", "sign_up_code").await, "finish signing up");
        let forgot = device(bed);
        let email = json!({ "email": "ada@example.com" });
        assert_eq!(forgot.post("/auth/password/forgot", &email).await.status, 202);
        let link = notice(bed, "ada@example.com", "reset_link").await;
        assert_contains(&link, "set a new password");
        let reset = json!({ "token": token_of(&link), "new_password": "plum zq8 xw2v" });
        assert_eq!(forgot.post("/auth/password/reset", &reset).await.status, 204);
        assert_contains(&notice(bed, "ada@example.com", "notice_password_changed").await, "password");
    }

    async fn notices_name_the_passkey(bed: &Bed) {
        let ada = device(bed);
        assert_eq!(sign_up(&ada, "ada@example.com").await.status, 201);
        let made = register(&ada, &mut VirtualAuthenticator::new(crate::providers::ORIGIN)).await;
        assert_eq!(made.status, 201, "{}", made.json());
        let added = notice(bed, "ada@example.com", "notice_factor_added").await;
        assert_contains(&added, "What: passkey \"My key\"");
        let path = format!("/auth/passkeys/{}", made.json()["id"].as_str().unwrap());
        assert_eq!(ada.send(Method::DELETE, &path, &[], b"").await.status, 204);
        let removed = notice(bed, "ada@example.com", "notice_factor_removed").await;
        assert_contains(&removed, "What: passkey \"My key\"");
    }

    async fn messages_name_the_client_that_caused_them(
        bed: &Bed,
        { "verify_email": true, "sign_in_code": true, "change_code": true }
    ) {
        let browser = crate::codes::verified_user(bed, "ada@example.com").await;
        bed.advance(60).await;
        let thief = browser.with("user-agent", "Stolen/1.0\t<b> Safari/1 iPhone");
        let post = async |path: &str, body: Value| {
            let answer = thief.post(path, &body).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.json());
            answer.json()
        };
        let code = async |to: &str, begun: &Value| {
            let code = last_code(bed, to).await;
            post("/auth/verify", json!({ "challenge": begun["challenge"], "code": code })).await
        };
        let mut key = VirtualAuthenticator::new(crate::providers::ORIGIN);
        let made = register(&thief, &mut key).await.json();
        let path = format!("/auth/passkeys/{}", made["id"].as_str().unwrap());
        assert_eq!(thief.send(Method::DELETE, &path, &[], b"").await.status, 204);
        let made = post("/auth/api-keys", json!({ "name": "backup", "scopes": [] })).await;
        let path = format!("/auth/api-keys/{}", made["id"].as_str().unwrap());
        assert_eq!(thief.send(Method::DELETE, &path, &[], b"").await.status, 204);
        let begun = post("/auth/email/verify", json!({})).await;
        bed.advance(60).await;
        post("/auth/verify/resend", json!({ "challenge": begun["challenge"] })).await;
        code("ada@example.com", &begun).await;
        let change = json!({ "current_password": PASSWORD, "new_password": "plum zq8 xw2v" });
        let begun = post("/auth/password/change", change).await;
        code("ada@example.com", &begun).await;
        let begun = post("/auth/email/change", json!({ "new_email": "new@example.com" })).await;
        code("new@example.com", &begun).await;
        let changed = notice(bed, "ada@example.com", "notice_email_changed").await;
        post("/auth/email/undo", json!({ "token": token_of(&changed) })).await;
        post("/auth/password/forgot", json!({ "email": "ada@example.com" })).await;
        let link = notice(bed, "ada@example.com", "reset_link").await;
        let reset = json!({ "token": token_of(&link), "new_password": PASSWORD });
        assert_eq!(thief.post("/auth/password/reset", &reset).await.status, 204);
        post("/auth/sign-up", json!({ "email": "ada@example.com", "password": PASSWORD })).await;
        let begun = post("/auth/sign-in", json!({ "email": "ada@example.com", "password": PASSWORD })).await;
        code("ada@example.com", &begun).await;
        assert_eq!(thief.send(Method::DELETE, "/auth/account", &[], b"").await.status, 204);

        let mut all = mails(bed, "ada@example.com").await;
        all.extend(mails(bed, "new@example.com").await);
        let caused: Vec<&Value> = all.iter().filter(|mail| mail["kind"] != "sign_up_code").collect();
        for mail in &caused {
            assert_eq!(mail["about"]["user_agent"], "Stolen/1.0<b> Safari/1 iPhone", "{mail}");
            assert_eq!(mail["about"]["ip"], "127.0.0.1", "{mail}");
            assert!(mail["text"].as_str().unwrap().contains("Device: Safari on iPhone\n"), "{mail}");
            assert!(mail["html"].as_str().unwrap().contains("Device: Safari on iPhone"), "{mail}");
        }
        let mut kinds: Vec<&str> = caused.iter().map(|mail| mail["kind"].as_str().unwrap()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in [
            "already_registered", "change_code", "email_change_code", "notice_account_deleted",
            "notice_api_key_created", "notice_api_key_revoked", "notice_email_change_requested",
            "notice_email_change_undone", "notice_email_changed", "notice_factor_added",
            "notice_factor_removed", "notice_password_changed", "reset_link", "sign_in_code",
            "step_up_code",
        ] {
            assert!(kinds.contains(&kind), "no {kind}: {kinds:?}");
        }
    }
}

with_providers! {
    async fn notices_name_the_provider(world: &World) {
        let ada = device(&world.bed);
        assert_eq!(sign_up(&ada, "ada@example.com").await.status, 201);
        assert_eq!(world.link(&ada).await.status, 303);
        let linked = notice(&world.bed, "ada@example.com", "notice_identity_linked").await;
        assert_contains(&linked, "What: fake");
        let identities = ada.get("/auth/identities").await.json();
        let id = identities["identities"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/auth/identities/{id}");
        assert_eq!(ada.send(Method::DELETE, &path, &[], b"").await.status, 204);
        let removed = notice(&world.bed, "ada@example.com", "notice_factor_removed").await;
        assert_contains(&removed, "What: sign-in by fake");
    }

    async fn link_notice_at_sign_in_contains_the_origin(world: &World, { "auto_link_verified_email": true, "verify_email": true }) {
        verified_user(&world.bed, "jane@example.com").await;
        assert_eq!(world.sign_in(&device(&world.bed)).await.status, 303);
        let linked = notice(&world.bed, "jane@example.com", "notice_identity_linked").await;
        assert_contains(&linked, "What: fake");
    }
}
