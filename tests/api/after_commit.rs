//! Statements that fail before, in and after the transaction that makes a change.

use authlayer::EventKind;
use http::Method;
use serde_json::{Value, json};

use crate::{
    account::{link, moved, undo},
    codes::{handle, kinds, last_code, verified_user},
    interleaved::{OTHER, reset_token, rows},
    providers::{me, with_providers},
    support::{Bed, PASSWORD, id_of, on_every_store, sign_in, sign_up},
};

/// Makes `event` fail on the rows of `table` that match `condition`.
async fn fail(bed: &Bed, event: &str, table: &str, condition: &str) {
    let trigger = format!("CREATE TRIGGER fault BEFORE {event} ON {table}");
    bed.run(&match bed.database {
        crate::support::Database::File(_) => {
            format!("{trigger} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'fault'); END")
        }
        crate::support::Database::Schema { .. } => format!(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'fault'; END $$;
            {trigger} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION fault()"
        ),
    })
    .await;
}

async fn mend(bed: &Bed, table: &str) {
    bed.run(
        match bed.database {
            crate::support::Database::File(_) => "DROP TRIGGER fault".to_owned(),
            crate::support::Database::Schema { .. } => {
                format!("DROP TRIGGER fault ON {table}; DROP FUNCTION fault()")
            }
        }
        .as_str(),
    )
    .await;
}

/// Makes the deletion of the password failure counter fail. The counter has two failures, which
/// no other counter has.
async fn fail_to_forget_failures(bed: &Bed) {
    for _ in 0..2 {
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "a wrong guess").await.status, 401);
    }
    fail(bed, "DELETE", "auth_limits", "OLD.count = 2").await;
}

on_every_store! {
    async fn password_change_succeeds_if_its_counter_fails(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        fail_to_forget_failures(bed).await;
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let changed = ada.post("/auth/password/change", &change).await;
        assert_eq!(changed.status, 200, "{}", changed.json());
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::PasswordChanged), 1);
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_password_changed".to_owned()));
    }

    async fn password_reset_succeeds_if_its_counter_fails(bed: &Bed) {
        bed.browser("ada@example.com").await;
        let token = reset_token(bed, "ada@example.com").await;
        fail_to_forget_failures(bed).await;
        let reset = json!({ "token": token, "new_password": OTHER });
        let done = bed.client().post("/auth/password/reset", &reset).await;
        assert_eq!(done.status, 204, "{}", done.json());
        assert_eq!(bed.bed.watch.count(EventKind::PasswordReset), 1);
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_password_changed".to_owned()));
    }

    async fn sign_in_succeeds_if_the_device_cannot_be_remembered(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let ada = bed.client();
        let challenge = handle(&sign_in(&ada, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        fail(bed, "INSERT", "auth_challenges", "NEW.kind = 'device'").await;
        let body = json!({ "challenge": challenge, "code": code, "remember": true });
        let done = ada.post("/auth/verify", &body).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(ada.get("/me").await.status, 200);
        assert!(ada.cookie("auth-device").is_none());
    }

    async fn right_code_succeeds_if_its_counter_fails(bed: &Bed, { "sign_in_code": true }) {
        bed.browser("ada@example.com").await;
        let ada = bed.client();
        let challenge = handle(&sign_in(&ada, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        fail(bed, "UPDATE", "auth_limits", "NEW.count < OLD.count").await;
        let done = crate::codes::verify(&ada, &challenge, &code).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_eq!(ada.get("/me").await.status, 200);
    }

    async fn sign_in_succeeds_if_the_previous_session_cannot_be_revoked(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let before = ada.cookie("auth").unwrap();
        fail(bed, "DELETE", "auth_sessions", "1 = 1").await;
        let done = sign_in(&ada, "ada@example.com", PASSWORD).await;
        assert_eq!(done.status, 200, "{}", done.json());
        assert_ne!(ada.cookie("auth").unwrap(), before);
        assert_eq!(ada.get("/me").await.status, 200);
    }

    /// The message lists the remaining credentials; here one row of them cannot be read.
    async fn email_undo_returns_its_token_if_the_credentials_cannot_be_read(bed: &Bed, { "verify_email": true }) {
        let thief = verified_user(bed, "ada@example.com").await;
        let key = thief.post("/auth/api-keys", json!({ "name": "key", "scopes": [] })).await;
        assert_eq!(key.status, 201, "{}", key.json());
        moved(bed, &thief, "m1@example.com").await;
        let owner = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
        bed.run("UPDATE auth_api_keys SET scopes = '{'").await;
        let undone = undo(bed, &owner).await;
        assert_eq!(undone.status, 200, "{}", undone.json());
        for address in ["ada@example.com", "m1@example.com"] {
            let kinds = kinds(bed, address).await;
            assert_eq!(kinds.last().unwrap(), "notice_email_change_undone", "{address}");
        }
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
    }

    /// The anonymous session is revoked in the transaction that registers the user.
    async fn anonymous_session_never_becomes_a_session_of_the_registered_user(bed: &Bed) {
        let ada = bed.client();
        assert_eq!(ada.post("/auth/anonymous", json!({})).await.status, 201);
        let (id, token) = (id_of(&ada).await, ada.cookie("auth").unwrap());
        fail(bed, "INSERT", "auth_sessions", "1 = 1").await;
        assert_eq!(sign_up(&ada, "ada@example.com").await.code(), "unavailable");
        mend(bed, "auth_sessions").await;
        let known = bed.client().bearer(&token).get("/me").await;
        let (status, user) = (known.status.as_u16(), known.json());
        assert!(status == 401 || user["is_anonymous"] == true, "{status}: {user}");
        assert_eq!(sign_up(&ada, "ada@example.com").await.status, 201);
        assert_eq!(id_of(&ada).await, id);
        assert_eq!(bed.client().bearer(&token).get("/me").await.status, 401);
    }
}

with_providers! {
    async fn identity_is_unlinked_together_with_its_sessions(world: &World) {
        let bed = &world.bed;
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
        let by_provider = [world.client(), world.client()];
        for client in &by_provider {
            assert_eq!(world.sign_in(client).await.status, 303);
        }
        let listed = ada.get("/auth/identities").await.json();
        let path = format!("/auth/identities/{}", listed["identities"][0]["id"].as_str().unwrap());
        fail(bed, "DELETE", "auth_sessions", "1 = 1").await;
        let failed = ada.send(Method::DELETE, &path, &[], b"").await;
        assert_eq!(failed.code(), "unavailable");
        assert_eq!(rows(bed, "auth_credentials WHERE kind = 'identity'").await, 1);
        mend(bed, "auth_sessions").await;
        assert_eq!(ada.send(Method::DELETE, &path, &[], b"").await.status, 204);
        for client in &by_provider {
            assert_eq!(me(client).await, Value::Null);
        }
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(bed.bed.watch.count(EventKind::SessionRevoked), 1);
    }

    /// Without the provider and the subject, every other session is revoked.
    async fn unreadable_identity_is_unlinked_with_all_other_sessions(world: &World) {
        let bed = &world.bed;
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
        let by_provider = world.client();
        assert_eq!(world.sign_in(&by_provider).await.status, 303);
        let listed = ada.get("/auth/identities").await.json();
        let path = format!("/auth/identities/{}", listed["identities"][0]["id"].as_str().unwrap());
        bed.run("UPDATE auth_credentials SET data = '[\"a list\"]' WHERE kind = 'identity'").await;
        assert_eq!(ada.send(Method::DELETE, &path, &[], b"").await.status, 204);
        assert_eq!(me(&by_provider).await, Value::Null);
        assert_eq!(ada.get("/me").await.status, 200);
        assert!(kinds(bed, "ada@example.com").await.contains(&"notice_factor_removed".to_owned()));
    }
}
