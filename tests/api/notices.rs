//! Security notices: each says when, from where and what.

use serde_json::{Value, json};

use crate::{
    codes::{mails, proved},
    support::{Bed, PASSWORD, on_every_store},
};

/// The newest notice of a kind.
async fn notice(bed: &Bed, to: &str, kind: &str) -> Value {
    let mails = mails(bed, to).await;
    let found = mails.iter().rfind(|mail| mail["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}: {mails:?}")).clone()
}

fn says(mail: &Value, what: &str) {
    let about = &mail["about"];
    assert_eq!(about["at"], "2026-01-01T00:00:00Z", "{mail}");
    assert_eq!(about["ip"], "127.0.0.1", "{mail}");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("When: 2026-01-01 00:00 UTC"), "{text}");
    assert!(text.contains("Network address: 127.0.0.1"), "{text}");
    assert!(text.contains(what), "{text}");
}

on_every_store! {
    async fn notices_say_when_from_where_and_what(bed: &Bed, { "verify_email": true }) {
        let ada = proved(bed, "ada@example.com").await;
        let key = ada.post("/auth/api-keys", &json!({ "name": "backup", "scopes": [] })).await;
        assert_eq!(key.status, 201, "{}", key.json());
        says(&notice(bed, "ada@example.com", "notice_api_key_created").await, "backup");
        let path = format!("/auth/api-keys/{}", key.json()["id"].as_str().unwrap());
        assert_eq!(ada.send(http::Method::DELETE, &path, &[], b"").await.status, 204);
        let revoked = notice(bed, "ada@example.com", "notice_api_key_revoked").await;
        assert_eq!(revoked["about"]["what"], "backup");
        let change = json!({ "new_email": "new@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.status, 202);
        let requested = notice(bed, "ada@example.com", "notice_email_change_requested").await;
        says(&requested, "new@example.com");
        says(&notice(bed, "new@example.com", "email_change_code").await, "confirm this address");
        let change = json!({ "current_password": PASSWORD, "new_password": "plum zq8 xw2v" });
        assert_eq!(ada.post("/auth/password/change", &change).await.status, 200);
        says(&notice(bed, "ada@example.com", "notice_password_changed").await, "password");
        let gone = ada.send(http::Method::DELETE, "/auth/account", &[], b"").await;
        assert_eq!(gone.status, 204);
        says(&notice(bed, "ada@example.com", "notice_account_deleted").await, "deleted");
    }

    async fn undo_lists_what_stays_with_its_time(bed: &Bed, { "verify_email": true }) {
        let ada = proved(bed, "ada@example.com").await;
        let key = ada.post("/auth/api-keys", &json!({ "name": "backup", "scopes": [] })).await;
        assert_eq!(key.status, 201);
        let change = json!({ "new_email": "new@example.com" });
        assert_eq!(ada.post("/auth/email/change", &change).await.status, 202);
        let requested = notice(bed, "ada@example.com", "notice_email_change_requested").await;
        let token = requested["link"].as_str().unwrap().split("#token=").nth(1).unwrap();
        let undone = bed.client().post("/auth/email/undo", &json!({ "token": token })).await;
        assert_eq!(undone.status, 200);
        let back = notice(bed, "ada@example.com", "notice_email_change_undone").await;
        let items = back["about"]["items"].as_array().unwrap().clone();
        assert_eq!(items, [json!(["API key \"backup\"", "2026-01-01T00:00:00Z"])]);
        assert!(back["text"].as_str().unwrap().contains("API key \"backup\", since 2026-01-01"));
        let other = notice(bed, "new@example.com", "notice_email_change_undone").await;
        assert_eq!(other["about"]["items"], json!([]));
    }
}
