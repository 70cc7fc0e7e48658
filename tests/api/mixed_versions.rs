//! Rows of a newer version: unknown values verify nothing and break nothing.

use authlayer::{
    EventKind, UserStatus,
    store::{EventQuery, EventStore, SessionStore},
    testing::{FakeIdp, TestClient, TestResponse, VirtualAuthenticator},
};
use http::Method;
use serde_json::json;

use crate::{
    codes::{handle, last_code, verify},
    passkeys::{ORIGIN, begin, finish, with_key},
    providers::{SECRET, path_of},
    step_up::by_mail,
    support::{Bed, On, PASSWORD, id_of, on_managed_stores, sign_in, sign_up},
    testbed::Store,
};

async fn delete(client: &TestClient, path: &str) -> TestResponse {
    client.send(Method::DELETE, path, &[], b"").await
}

/// Inserts a credential of an unknown kind for a user.
async fn insert_smart_card(bed: &Bed, user: &str) {
    bed.run(&format!(
        "INSERT INTO auth_credentials (id, user_id, kind, lookup, data, created_at, updated_at)
        VALUES ('card', '{user}', 'smart_card', 'serial 7', '[\"a list\"]', 0, 0)"
    ))
    .await;
}

/// The application's status column has a value that is neither of the two configured ones.
#[tokio::test]
async fn other_values_of_a_mapped_status_are_preserved() {
    for on in [On::SqliteMapped, On::PostgresMapped] {
        let bed = Bed::new(on, json!({ "cache_ms": 0 })).await;
        let ada = bed.browser("ada@example.com").await;
        let id = authlayer::UserId::new(id_of(&ada).await);
        if !on.is_sqlite() {
            bed.run("ALTER TYPE standing ADD VALUE 'paused'").await;
        }
        bed.run("UPDATE accounts SET state = 'paused'").await;
        assert_eq!(ada.get("/me").await.status, 401);
        let users = bed.bed.auth.users();
        assert_eq!(users.find(&id).await.unwrap().unwrap().status, UserStatus::Other);
        users.edit(&id, |user| user.display_name = Some("Ada".to_owned())).await.unwrap();
        assert_eq!(bed.text("SELECT CAST(state AS TEXT) FROM accounts").await, "paused");
        assert_eq!(bed.text("SELECT full_name FROM accounts").await, "Ada");
        users.disable(&id).await.unwrap();
        assert_eq!(bed.text("SELECT CAST(state AS TEXT) FROM accounts").await, "banned");
        users.enable(&id).await.unwrap();
        assert_eq!(bed.text("SELECT CAST(state AS TEXT) FROM accounts").await, "enabled");
        bed.remove().await;
    }
}

#[tokio::test]
async fn unknown_credential_lets_an_identity_be_unlinked() {
    let idp = FakeIdp::start("client", SECRET).await;
    let config = json!({ "oidc": [{
        "id": "fake", "issuer": idp.issuer(), "client_id": "client", "client_secret": SECRET,
    }] });
    for on in [On::Sqlite, On::Postgres] {
        let bed = Bed::new(on, config.clone()).await;
        idp.clock(bed.bed.clock.clone());
        let jane = bed.client();
        let start = jane.get("/auth/oauth/fake/start").await;
        let done = jane.get(&path_of(&idp.authorize(&start.header("location")))).await;
        assert_eq!(done.status, 303);
        assert_eq!(by_mail(&bed, &jane, "jane@example.com").await.status, 200);
        let listed = jane.get("/auth/identities").await.json();
        let path = format!("/auth/identities/{}", listed["identities"][0]["id"].as_str().unwrap());
        assert_eq!(delete(&jane, &path).await.code(), "last_credential");
        insert_smart_card(&bed, &id_of(&jane).await).await;
        assert_eq!(jane.get("/auth/identities").await.json()["identities"], listed["identities"]);
        assert_eq!(delete(&jane, &path).await.status, 204);
        bed.remove().await;
    }
}

async fn sessions(client: &TestClient) -> Vec<serde_json::Value> {
    let answer = client.get("/auth/sessions").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["sessions"].as_array().unwrap().clone()
}

on_managed_stores! {
    async fn unknown_factor_verifies_nothing(bed: &Bed, { "cache_ms": 0 }) {
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(ada.get("/fresh").await.status, 200);
        for factors in [
            r#"[{"method":"hologram","at":"2026-01-01T00:00:00Z","serial":7}]"#,
            r#"[{"method":"password","at":"2026-01-01T00:00:00Z","basis":"hearsay"}]"#,
        ] {
            bed.run(&format!("UPDATE auth_sessions SET factors = '{factors}'")).await;
            assert_eq!(ada.get("/me").await.status, 200, "{factors}");
            assert_eq!(ada.get("/auth/session").await.json()["session"]["factors"][0]["method"], "other");
            assert_eq!(sessions(&ada).await.len(), 1);
            assert_eq!(ada.get("/fresh").await.code(), "step_up_required", "{factors}");
            assert_eq!(ada.get("/strong").await.code(), "step_up_required", "{factors}");
            let register = ada.post("/auth/passkeys/register/start", json!({})).await;
            assert_eq!(register.code(), "step_up_required");
            assert_eq!(register.json()["methods"], json!(["password"]));
            assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 200);
        }
        let proof = ada.post("/auth/password/verify", json!({ "password": PASSWORD })).await;
        assert_eq!(proof.status, 200, "{}", proof.json());
        assert_eq!(ada.get("/fresh").await.status, 200);
    }

    async fn unknown_transport_authenticates_no_request(bed: &Bed, { "cache_ms": 0 }) {
        let (native, access, refresh) = bed.native("ada@example.com").await;
        let ada = bed.client();
        assert_eq!(sign_in(&ada, "ada@example.com", PASSWORD).await.status, 200);
        bed.run("UPDATE auth_sessions SET transport = 'bound_bearer' WHERE transport = 'bearer'").await;
        assert_eq!(native.get("/me").await.status, 401);
        assert_eq!(bed.client().bearer(&access).get("/auth/sessions").await.status, 401);
        let body = json!({ "refresh_token": refresh });
        assert_eq!(bed.client().post("/auth/refresh", &body).await.status, 401);
        let listed = sessions(&ada).await;
        assert_eq!(listed.len(), 2, "the newer version accepts it");
        let other = listed.iter().find(|session| session["current"] != true).unwrap();
        let path = format!("/auth/sessions/{}", other["id"].as_str().unwrap());
        assert_eq!(delete(&ada, &path).await.status, 204);
        assert_eq!(sessions(&ada).await.len(), 1);
        let asked = json!({ "email": "ada@example.com", "password": PASSWORD, "transport": "other" });
        assert_eq!(bed.client().post("/auth/sign-in", &asked).await.status, 422);
    }

    async fn unknown_status_is_not_active_and_is_preserved(bed: &Bed, { "cache_ms": 0 }) {
        let ada = bed.browser("ada@example.com").await;
        let id = authlayer::UserId::new(id_of(&ada).await);
        bed.run("UPDATE auth_users SET status = 'suspended'").await;
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(ada.post("/auth/refresh", json!({})).await.status, 401);
        let refused = sign_in(&bed.client(), "ada@example.com", PASSWORD).await;
        assert_eq!(refused.code(), "invalid_credentials");
        let users = bed.bed.auth.users();
        assert_eq!(users.find(&id).await.unwrap().unwrap().status, UserStatus::Other);
        users.edit(&id, |user| user.display_name = Some("Ada".to_owned())).await.unwrap();
        assert_eq!(bed.text("SELECT status FROM auth_users").await, "suspended");
        assert_eq!(bed.text("SELECT display_name FROM auth_users").await, "Ada");
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_sessions").await, "1");
        users.enable(&id).await.unwrap();
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
    }

    async fn unknown_credential_counts_as_a_sign_in_method(bed: &Bed) {
        let (grace, mut key) = (bed.client(), VirtualAuthenticator::new(ORIGIN));
        let begun = begin(&grace, "sign-up", &json!({ "email": "grace@example.com" })).await;
        let credential = key.register(&begun["options"]);
        assert_eq!(finish(&grace, "sign-up", &begun, &credential).await.status, 201);
        let id = grace.get("/auth/passkeys").await.json()["passkeys"][0]["id"].clone();
        let path = format!("/auth/passkeys/{}", id.as_str().unwrap());
        assert_eq!(delete(&grace, &path).await.code(), "last_credential");
        insert_smart_card(bed, &id_of(&grace).await).await;
        assert_eq!(grace.get("/auth/passkeys").await.json()["passkeys"].as_array().unwrap().len(), 1);
        assert_eq!(delete(&grace, &path).await.status, 204);
        assert_eq!(grace.get("/me").await.status, 200);
    }

    async fn unknown_credential_does_not_affect_others(bed: &Bed) {
        let (ada, _key) = with_key(bed, "ada@example.com").await;
        insert_smart_card(bed, &id_of(&ada).await).await;
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(ada.get("/fresh").await.status, 200);
        let change = json!({ "current_password": PASSWORD, "new_password": "another good phrase" });
        assert_eq!(ada.post("/auth/password/change", &change).await.status, 200);
        let mut file = Vec::new();
        assert_eq!(bed.bed.auth.users().export(&mut file).await.unwrap(), 1);
        let text = String::from_utf8(file).unwrap();
        assert!(text.contains("\"passkey\"") && !text.contains("serial 7"), "{text}");
    }

    /// The version that created the challenge can still use it.
    async fn unknown_challenge_is_left_to_the_version_that_created_it(bed: &Bed, { "verify_email": true, "compare_clocks": false }) {
        let ada = bed.client();
        let challenge = handle(&sign_up(&ada, "ada@example.com").await);
        let code = last_code(bed, "ada@example.com").await;
        bed.run("UPDATE auth_challenges SET kind = 'carrier_pigeon'").await;
        let left = async || bed.text("SELECT kind || ' ' || CAST(tries AS TEXT) FROM auth_challenges").await;
        let before = left().await;
        assert_eq!(verify(&ada, &challenge, &code).await.code(), "challenge_expired");
        let resent = ada.post("/auth/verify/resend", json!({ "challenge": challenge })).await;
        assert_eq!(resent.code(), "challenge_expired");
        assert_eq!(left().await, before);
        bed.advance(7 * 24 * 3600).await;
        bed.bed.auth.sweep().await.unwrap();
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_challenges").await, "0");
    }

    async fn unknown_values_are_swept(bed: &Bed, { "cache_ms": 0, "compare_clocks": false }) {
        bed.browser("bob@example.com").await;
        bed.run("UPDATE auth_sessions SET id = 'an id of another form'").await;
        bed.browser("ada@example.com").await;
        bed.run("UPDATE auth_sessions SET transport = 'bound_bearer', factors = '[{\"method\":\"hologram\",\"at\":\"2026-01-01T00:00:00Z\"}]'").await;
        bed.advance(400 * 24 * 3600).await;
        bed.bed.auth.sweep().await.unwrap();
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_sessions").await, "0");
    }

    async fn unknown_event_is_listed_with_its_name(bed: &Bed) {
        bed.run("INSERT INTO auth_events (id, at, kind, detail) VALUES ('1', 0, 'moon_phase', '{}')").await;
        let query = EventQuery::default();
        let events = match &bed.bed.store {
            Store::Sqlite(store) => store.list_events(&query, 10).await,
            Store::Postgres(store) => store.list_events(&query, 10).await,
        };
        let event = events.unwrap().pop().unwrap().event;
        assert_eq!(event.kind, EventKind::Other);
        assert_eq!(event.detail["kind"], "moon_phase");
    }

    async fn unreadable_session_fails_alone(bed: &Bed) {
        let (ada, bob) = (bed.browser("ada@example.com").await, bed.browser("bob@example.com").await);
        let id = async |client: &TestClient| -> authlayer::SessionId {
            let listed = sessions(client).await;
            listed[0]["id"].as_str().unwrap().parse().unwrap()
        };
        let (of_ada, of_bob) = (id(&ada).await, id(&bob).await);
        bed.run(&format!("UPDATE auth_sessions SET nonce = 'newer form' WHERE id = '{of_ada}'")).await;
        let ids = [of_ada, of_bob];
        let found = match &bed.bed.store {
            Store::Sqlite(store) => store.find_many(&ids).await,
            Store::Postgres(store) => store.find_many(&ids).await,
        };
        let (good, bad): (Vec<_>, Vec<_>) = found.unwrap().into_iter().partition(Result::is_ok);
        assert_eq!(good.len(), 1);
        assert_eq!(good[0].as_ref().unwrap().row.session.id, of_bob);
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].as_ref().unwrap_err().id, of_ada);
    }

    async fn unreadable_user_of_a_watched_session_fails_alone(bed: &Bed) {
        let (ada, bob) = (bed.browser("ada@example.com").await, bed.browser("bob@example.com").await);
        let id = async |client: &TestClient| -> authlayer::SessionId {
            let listed = sessions(client).await;
            listed[0]["id"].as_str().unwrap().parse().unwrap()
        };
        let (of_ada, of_bob, user) = (id(&ada).await, id(&bob).await, id_of(&ada).await);
        bed.run(&format!("UPDATE auth_users SET scopes = 'x' WHERE id = '{user}'")).await;
        let ids = [of_ada, of_bob];
        let found = match &bed.bed.store {
            Store::Sqlite(store) => store.find_watched(&ids).await,
            Store::Postgres(store) => store.find_watched(&ids).await,
        };
        let (good, bad): (Vec<_>, Vec<_>) = found.unwrap().into_iter().partition(Result::is_ok);
        assert_eq!(good.len(), 1);
        assert_eq!(good[0].as_ref().unwrap().row.id, of_bob);
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].as_ref().unwrap_err().id, of_ada);
    }

    async fn unreadable_session_does_not_hide_the_others(bed: &Bed, { "cache_ms": 0 }) {
        let ada = bed.browser("ada@example.com").await;
        for _ in 0..2 {
            assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        }
        let listed = sessions(&ada).await;
        assert_eq!(listed.len(), 3);
        let others: Vec<_> = listed.iter().filter(|session| session["current"] != true).collect();
        let [one, other] = [0, 1].map(|number| others[number]["id"].as_str().unwrap());
        // A list needs neither the nonce nor the salt of a session.
        bed.run(&format!("UPDATE auth_sessions SET nonce = 'newer form' WHERE id = '{one}'")).await;
        assert_eq!(sessions(&ada).await.len(), 3);
        assert_eq!(delete(&ada, &format!("/auth/sessions/{one}")).await.status, 204);
        bed.run(&format!("UPDATE auth_sessions SET factors = 'newer form' WHERE id = '{other}'")).await;
        assert_eq!(sessions(&ada).await.len(), 1);
        assert_eq!(delete(&ada, "/auth/sessions?scope=others").await.status, 200);
        assert_eq!(bed.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_sessions").await, "1");
    }
}
