//! Two concurrent requests in a controlled order: neither must restore what the other revokes.

use std::sync::atomic::{AtomicBool, Ordering};

use authlayer::{
    User, UserId, UserStorage, UserTable,
    testing::{TestClient, TestResponse, VirtualAuthenticator},
};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    account::{email_of, link, moved, undo},
    codes::{handle, last_code, verified_user},
    gate::{Gate, TableLock},
    live::{open, ticket},
    passkeys::{ORIGIN, begin, finish},
    places::Directory,
    providers::{World, path_of, with_providers},
    support::{Bed, On, PASSWORD, id_of, on_every_store, sign_in, sign_up, until, uuid},
};

pub(crate) const OTHER: &str = "plum zq8 xw2v";
const ON_POSTGRES: [On; 3] = [On::Postgres, On::PostgresMapped, On::PostgresCustom];

pub(crate) fn posted(
    client: &TestClient,
    path: &'static str,
    body: Value,
) -> JoinHandle<TestResponse> {
    let client = client.clone();
    tokio::spawn(async move { client.post(path, &body).await })
}

pub(crate) async fn reset_token(bed: &Bed, email: &str) -> String {
    bed.client().post("/auth/password/forgot", json!({ "email": email })).await;
    link(bed, email, "reset_link").await.unwrap()
}

pub(crate) async fn rows(bed: &Bed, sql: &str) -> i64 {
    bed.text(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {sql}")).await.parse().unwrap()
}

/// An attacker has changed the email address to m1, and requests a second change while the owner
/// undoes the first one. In either order, no undo link of the second change is valid afterwards.
#[tokio::test]
async fn concurrent_email_change_leaves_no_undo_link_after_an_undo() {
    for on in ON_POSTGRES {
        for (table, condition) in
            [("auth_challenges", "NEW.kind = 'email_change'"), ("auth_limits", "true")]
        {
            let bed = &Bed::new(on, json!({ "verify_email": true })).await;
            let thief = verified_user(bed, "ada@example.com").await;
            moved(bed, &thief, "m1@example.com").await;
            let owner = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
            let mut gate = Gate::before(&bed.database, "INSERT", table, condition).await;
            let change = json!({ "new_email": "m2@example.com" });
            let change = posted(&thief, "/auth/email/change", change);
            gate.reached().await;
            let undone = posted(&bed.client(), "/auth/email/undo", json!({ "token": owner }));
            gate.open_after(&undone).await;
            assert_eq!(undone.await.unwrap().status, 200, "{on:?} {table}");
            change.await.unwrap();
            if let Some(own) = link(bed, "m1@example.com", "notice_email_change_requested").await {
                assert_eq!(undo(bed, &own).await.code(), "invalid_token", "{on:?} {table}");
            }
            assert!(email_of(bed, "ada@example.com").await.is_some(), "{on:?} {table}");
            assert!(email_of(bed, "m1@example.com").await.is_none());
            assert_eq!(rows(bed, "auth_challenges WHERE kind = 'email_undo'").await, 0);
        }
    }
}

/// If the password is changed on the same session while a provider is linked, the client with the
/// previous tokens gets no new tokens.
#[tokio::test]
async fn link_issues_no_tokens_after_a_concurrent_password_change() {
    for on in ON_POSTGRES {
        let world = World::new(on, &json!({})).await;
        let ada = world.bed.browser("ada@example.com").await;
        let owner = world.client();
        for name in ["auth", "auth-refresh"] {
            owner.set_cookie(name, &ada.cookie(name).unwrap());
        }
        let begun = ada.post("/auth/oauth/fake/link", json!({ "redirect_to": "/done" })).await;
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        let callback = path_of(&world.idp.authorize(&url));
        let mut gate =
            Gate::before(&world.bed.database, "DELETE", "auth_challenges", "OLD.kind = 'oauth'")
                .await;
        let copy = ada.clone();
        let linked = tokio::spawn(async move { copy.get(&callback).await });
        gate.reached().await;
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let changed = posted(&owner, "/auth/password/change", change);
        gate.open_after(&changed).await;
        assert_eq!(changed.await.unwrap().status, 200);
        linked.await.unwrap();
        assert_eq!(ada.get("/me").await.status, 401, "{on:?}");
        assert_eq!(owner.get("/me").await.status, 200);
        assert_eq!(owner.get("/auth/identities").await.json()["identities"], json!([]));
    }
}

/// A device is not remembered if all sessions are revoked in the meantime.
#[tokio::test]
async fn device_is_not_remembered_after_all_sessions_are_revoked() {
    for on in ON_POSTGRES {
        let bed = &Bed::new(on, json!({ "sign_in_code": true })).await;
        let ada = bed.browser("ada@example.com").await;
        let thief = bed.client();
        let challenge = handle(&sign_in(&thief, "ada@example.com", PASSWORD).await);
        let code = last_code(bed, "ada@example.com").await;
        let condition = "NEW.kind = 'device'";
        let mut gate = Gate::before(&bed.database, "INSERT", "auth_challenges", condition).await;
        let body = json!({ "challenge": challenge, "code": code, "remember": true });
        let verified = posted(&thief, "/auth/verify", body);
        gate.reached().await;
        let ended = tokio::spawn(async move {
            ada.send(Method::DELETE, "/auth/sessions?scope=all", &[], b"").await
        });
        gate.open_after(&ended).await;
        assert_eq!(ended.await.unwrap().status, 200);
        verified.await.unwrap();
        assert_eq!(rows(bed, "auth_challenges WHERE kind = 'device'").await, 0, "{on:?}");
    }
}

/// A session that is revoked after its request was authenticated does not delete the account.
#[tokio::test]
async fn revoked_session_cannot_delete_the_account() {
    for on in ON_POSTGRES {
        let bed = &Bed::new(on, json!({})).await;
        let thief = bed.browser("ada@example.com").await;
        let owner = bed.client();
        assert_eq!(sign_in(&owner, "ada@example.com", PASSWORD).await.status, 200);
        // The session is fetched before the credentials, which determine the required factor.
        let mut lock = TableLock::of(&bed.database, "auth_credentials").await;
        let deleted = tokio::spawn(async move {
            thief.send(Method::DELETE, "/auth/account", &[], b"").await.status
        });
        lock.reached().await;
        let ended = owner.send(Method::DELETE, "/auth/sessions?scope=all", &[], b"").await;
        lock.open().await;
        assert_eq!((ended.status.as_u16(), deleted.await.unwrap().as_u16()), (200, 401), "{on:?}");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
    }
}

/// A reset link that is created while its user is deleted does not remain in the database.
#[tokio::test]
async fn challenge_created_during_a_user_deletion_is_deleted() {
    for on in ON_POSTGRES {
        let bed = &Bed::new(on, json!({})).await;
        let ada = bed.browser("ada@example.com").await;
        let id = UserId::new(id_of(&ada).await);
        let mut gate =
            Gate::before(&bed.database, "INSERT", "auth_challenges", "NEW.kind = 'reset'").await;
        let forgot = json!({ "email": "ada@example.com" });
        let forgot = posted(&bed.client(), "/auth/password/forgot", forgot);
        gate.reached().await;
        let users = bed.bed.auth.users().clone();
        let deleted = tokio::spawn(async move { users.delete(&id).await });
        gate.open_after(&deleted).await;
        deleted.await.unwrap().unwrap();
        assert_eq!(forgot.await.unwrap().status, 202);
        // With a custom store the owner is fetched again after the response.
        let challenges = "auth_challenges WHERE user_id IS NOT NULL";
        until("the deletion of the link", async || rows(bed, challenges).await == 0).await;
    }
}

/// A mapped table without a status column; the status is stored in `auth_standing`.
async fn over_a_minimal_table() -> Bed {
    Bed::over(On::Postgres, json!({}), async |store, database| {
        let table = "CREATE TABLE members (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE)";
        database.run(table).await;
        store.mapped(UserTable::new("members")).await.unwrap()
    })
    .await
}

/// A concurrent sign-in and ban leave no session, in either order, when the ban is lifted.
#[tokio::test]
async fn sign_in_during_a_ban_leaves_no_session() {
    for place in ["managed", "mapped", "beside", "custom"] {
        let ban = match place {
            "managed" => ("UPDATE", "auth_users"),
            "mapped" => ("UPDATE", "accounts"),
            "beside" => ("INSERT", "auth_standing"),
            _ => ("DELETE", "auth_sessions"),
        };
        for (event, table) in [ban, ("INSERT", "auth_sessions")] {
            let bed = &match place {
                "managed" => Bed::new(On::Postgres, json!({})).await,
                "mapped" => Bed::new(On::PostgresMapped, json!({})).await,
                "beside" => over_a_minimal_table().await,
                _ => Bed::new(On::PostgresCustom, json!({})).await,
            };
            let id = UserId::new(id_of(&bed.browser("ada@example.com").await).await);
            let mut gate = Gate::before(&bed.database, event, table, "true").await;
            let (users, banned) = (bed.bed.auth.users().clone(), id.clone());
            let ban = async move { users.disable(&banned).await.map(drop) };
            let late = bed.client();
            let body = json!({ "email": "ada@example.com", "password": PASSWORD });
            if event == "INSERT" && table == "auth_sessions" {
                let signed_in = posted(&late, "/auth/sign-in", body);
                gate.reached().await;
                let ban = tokio::spawn(ban);
                gate.open_after(&ban).await;
                ban.await.unwrap().unwrap();
                signed_in.await.unwrap();
            } else {
                let ban = tokio::spawn(ban);
                gate.reached().await;
                let signed_in = posted(&late, "/auth/sign-in", body);
                gate.open_after(&signed_in).await;
                ban.await.unwrap().unwrap();
                assert_eq!(signed_in.await.unwrap().status, 401, "{place} {table}");
            }
            bed.bed.auth.users().enable(&id).await.unwrap();
            assert_eq!(late.get("/me").await.status, 401, "{place} {table}");
            assert_eq!(rows(bed, "auth_sessions").await, 0, "{place} {table}");
        }
    }
}

/// A ban by another process between the read and the write of an edit remains in effect.
#[tokio::test(flavor = "multi_thread")]
async fn edit_of_an_external_user_does_not_lift_a_concurrent_ban() {
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory::default();
        let bed =
            Bed::over(on, json!({}), async |_, _| UserStorage::external(directory.clone())).await;
        let other = Bed::joined(&bed, on, UserStorage::external(directory.clone())).await;
        let mut ada = User::new(uuid("ada"), jiff::Timestamp::UNIX_EPOCH);
        ada.email = Some("ada@example.com".parse().unwrap());
        directory.memory.users.lock().unwrap().insert(ada.id.clone(), ada.clone());
        let (here, there) = (bed.bed.auth.users(), other.bed.auth.users());
        let is_first = AtomicBool::new(true);
        let runtime = tokio::runtime::Handle::current();
        let edited = here
            .edit(&ada.id, |user| {
                if is_first.swap(false, Ordering::SeqCst) {
                    tokio::task::block_in_place(|| runtime.block_on(there.disable(&ada.id)))
                        .unwrap();
                }
                user.email_verified_at = Some(jiff::Timestamp::UNIX_EPOCH);
            })
            .await
            .unwrap();
        assert!(!edited.is_active(), "{on:?}");
        let found = there.find(&ada.id).await.unwrap().unwrap();
        assert!(!found.is_active() && found.email_verified_at.is_some(), "{on:?}");
    }
}

/// An edit of another field does not store the status that the resolver returned.
#[tokio::test]
async fn edit_of_an_external_user_does_not_store_the_resolver_status() {
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory::default();
        let rules = authlayer::users::CachePolicy::default().fresh(std::time::Duration::ZERO);
        let bed = Bed::over(on, json!({}), async |_, _| {
            UserStorage::external_with(directory.clone(), rules)
        })
        .await;
        let mut ada = User::new(uuid("ada"), jiff::Timestamp::UNIX_EPOCH);
        ada.email = Some("ada@example.com".parse().unwrap());
        ada.status = authlayer::UserStatus::Disabled;
        directory.memory.users.lock().unwrap().insert(ada.id.clone(), ada.clone());
        let users = bed.bed.auth.users().clone();
        let verify = |user: &mut User| user.email_verified_at = Some(jiff::Timestamp::UNIX_EPOCH);
        users.edit(&ada.id, verify).await.unwrap();
        directory.memory.users.lock().unwrap().get_mut(&ada.id).unwrap().status =
            authlayer::UserStatus::Active;
        let found = users.find(&ada.id).await.unwrap().unwrap();
        assert!(found.is_active() && found.email_verified_at.is_some(), "{on:?}");
    }
}

/// A ban is stored here also while the resolver says the same, and outlives a deletion.
#[tokio::test]
async fn ban_of_an_external_user_is_stored_whatever_the_resolver_says() {
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory::default();
        let rules = authlayer::users::CachePolicy::default().fresh(std::time::Duration::ZERO);
        let bed = Bed::over(on, json!({}), async |_, _| {
            UserStorage::external_with(directory.clone(), rules)
        })
        .await;
        let mut ada = User::new(uuid("ada"), jiff::Timestamp::UNIX_EPOCH);
        ada.email = Some("ada@example.com".parse().unwrap());
        ada.status = authlayer::UserStatus::Disabled;
        let everyone = &directory.memory.users;
        everyone.lock().unwrap().insert(ada.id.clone(), ada.clone());
        let users = bed.bed.auth.users();
        users.disable(&ada.id).await.unwrap();
        everyone.lock().unwrap().get_mut(&ada.id).unwrap().status = authlayer::UserStatus::Active;
        assert!(!users.find(&ada.id).await.unwrap().unwrap().is_active(), "{on:?}");
        users.delete(&ada.id).await.unwrap();
        assert!(!users.find(&ada.id).await.unwrap().unwrap().is_active(), "{on:?}");
        users.enable(&ada.id).await.unwrap();
        assert!(users.find(&ada.id).await.unwrap().unwrap().is_active(), "{on:?}");
    }
}

/// The stores with users in a table whose rows can be locked.
const LOCKABLE: [(On, &str); 2] = [(On::Postgres, "auth_users"), (On::PostgresMapped, "accounts")];

/// A step-up by a provider requires the identity when the tokens are replaced: here it is unlinked
/// after it was found.
#[tokio::test]
async fn provider_step_up_fails_if_the_identity_is_unlinked_concurrently() {
    for (on, users) in LOCKABLE {
        let world = World::new(on, &json!({ "fake.max_age_s": 300 })).await;
        let ada = world.bed.browser("ada@example.com").await;
        assert_eq!(world.link(&ada).await.status, 303);
        let phone = world.client();
        assert_eq!(sign_in(&phone, "ada@example.com", PASSWORD).await.status, 200);
        let listed = phone.get("/auth/identities").await.json();
        let path = format!("/auth/identities/{}", listed["identities"][0]["id"].as_str().unwrap());
        let begun = ada.post("/auth/oauth/fake/step-up", json!({ "redirect_to": "/done" })).await;
        let url = begun.json()["authorization_url"].as_str().unwrap().to_owned();
        let callback = path_of(&world.idp.authorize(&url));
        let mut lock = TableLock::of_rows(&world.bed.database, users).await;
        let unlinked =
            tokio::spawn(async move { phone.send(Method::DELETE, &path, &[], b"").await.status });
        lock.reached().await;
        let own = ada.clone();
        let stepped = tokio::spawn(async move { own.get(&callback).await });
        lock.reached_by(2).await;
        lock.open().await;
        assert_eq!(unlinked.await.unwrap(), 204);
        assert_eq!(stepped.await.unwrap().code(), "invalid_state", "{on:?}");
        let session = ada.get("/auth/session").await.json();
        let factors = session["session"]["factors"].to_string();
        assert!(!factors.contains("provider"), "{on:?}: {factors}");
    }
}

/// A step-up by a code requires the email address when the tokens are replaced.
#[tokio::test]
async fn email_step_up_fails_if_the_email_is_changed_concurrently() {
    for (on, users) in LOCKABLE {
        let bed = &Bed::new(on, json!({ "verify_email": true })).await;
        let ada = verified_user(bed, "ada@example.com").await;
        let id = UserId::new(id_of(&ada).await);
        let challenge = handle(&ada.post("/auth/email/verify", json!({})).await);
        let code = last_code(bed, "ada@example.com").await;
        let mut lock = TableLock::of_rows(&bed.database, users).await;
        let service = bed.bed.auth.users().clone();
        let edited = tokio::spawn(async move {
            let email = Some("new@example.com".parse().unwrap());
            service.edit(&id, |user| user.email.clone_from(&email)).await.map(drop)
        });
        lock.reached().await;
        let body = json!({ "challenge": challenge, "code": code });
        let stepped = posted(&ada, "/auth/verify", body);
        lock.reached_by(2).await;
        lock.open().await;
        edited.await.unwrap().unwrap();
        assert_eq!(stepped.await.unwrap().code(), "challenge_expired", "{on:?}");
    }
}

/// A password change succeeds while a sign-in hashes the same password again.
#[tokio::test]
async fn password_change_succeeds_during_a_rehash() {
    for (on, users) in LOCKABLE {
        let bed = &Bed::new(on, json!({})).await;
        let user = crate::sign_in::imported(bed).await;
        let (sessions, device) = (bed.bed.auth.sessions(), authlayer::model::ClientInfo::default());
        let (factor, transport) = (authlayer::Factor::Password, authlayer::Transport::Bearer);
        let begun = sessions.create(&user, factor, transport, device).await.unwrap();
        let ada = bed.client().bearer(begun.access.expose());
        bed.advance(60).await;
        let mut lock = TableLock::of_rows(&bed.database, users).await;
        let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
        let changed = posted(&ada, "/auth/password/change", change);
        lock.reached().await;
        let late = bed.client();
        let body = json!({ "email": "old@example.com", "password": PASSWORD });
        let signed_in = posted(&late, "/auth/sign-in", body);
        lock.reached_by(2).await;
        assert_eq!(bed.bed.watch.count(authlayer::EventKind::PasswordRehashed), 1);
        lock.open().await;
        let changed = changed.await.unwrap();
        assert_eq!(changed.status, 200, "{on:?}: {}", changed.json());
        assert_eq!(signed_in.await.unwrap().status, 401, "{on:?}: by the previous password");
        assert_eq!(late.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "old@example.com", OTHER).await.status, 200);
    }
}

/// Two requests for one more message count as one message.
#[tokio::test]
async fn concurrent_resends_count_as_one_message() {
    for on in ON_POSTGRES {
        let bed = &Bed::new(on, json!({ "verify_email": true })).await;
        let challenge = handle(&sign_up(&bed.client(), "ada@example.com").await);
        bed.advance(60).await;
        let mut gate = Gate::before(&bed.database, "UPDATE", "auth_challenges", "true").await;
        let body = json!({ "challenge": challenge });
        let first = posted(&bed.client(), "/auth/verify/resend", body.clone());
        gate.reached().await;
        let second = posted(&bed.client(), "/auth/verify/resend", body);
        gate.open_after(&second).await;
        for answer in [first.await.unwrap(), second.await.unwrap()] {
            assert_eq!(handle(&answer), challenge);
            assert_eq!(answer.json()["resend_at"], "2026-01-01T00:02:00Z", "{on:?}");
        }
        // Three messages are allowed at once, and one was sent since.
        for _ in 0..3 {
            handle(&sign_up(&bed.client(), "ada@example.com").await);
        }
        assert_eq!(crate::codes::mails(bed, "ada@example.com").await.len(), 4, "{on:?}");
    }
}

/// A statement that the database rolls back to resolve a deadlock is retried.
#[tokio::test]
async fn deadlock_outside_a_transition_is_retried() {
    for (event, table) in [("DELETE", "auth_sessions"), ("UPDATE", "auth_sessions")] {
        let bed = &Bed::new(On::Postgres, json!({})).await;
        let ada = bed.browser("ada@example.com").await;
        bed.run(&format!(
            "CREATE SEQUENCE times;
            CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('times') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = '40P01'; END IF;
                IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER deadlock BEFORE {event} ON {table} FOR EACH ROW
                EXECUTE FUNCTION deadlock()"
        ))
        .await;
        let path = if event == "DELETE" { "/auth/sign-out" } else { "/auth/refresh" };
        let answer = ada.post(path, json!({})).await;
        assert!(answer.status.is_success(), "{event}: {}", answer.json());
    }
}

on_every_store! {
    /// A ticket of replaced tokens opens no connection.
    async fn ticket_of_replaced_tokens_is_rejected(bed: &Bed) {
        let ada = bed.browser("ada@example.com").await;
        let copy = bed.client();
        copy.set_cookie("auth", &ada.cookie("auth").unwrap());
        let path = ticket(&copy).await;
        let step_up = json!({ "password": PASSWORD });
        assert_eq!(ada.post("/auth/password/verify", &step_up).await.status, 200);
        assert_eq!(open(bed.app.address(), &path, &[]).await.unwrap_err(), 401);
        let path = ticket(&ada).await;
        assert!(open(bed.app.address(), &path, &[]).await.is_ok());
    }

    /// The anonymous user of a passkey sign-up has signed up with a password in the meantime.
    async fn passkey_sign_up_is_rejected_after_the_anonymous_user_signed_up(bed: &Bed) {
        let anybody = bed.client();
        assert_eq!(anybody.post("/auth/anonymous", json!({})).await.status, 201);
        let who = json!({ "email": "grace@example.com" });
        let begun = begin(&anybody, "sign-up", &who).await;
        let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
        assert_eq!(sign_up(&anybody, "ada@example.com").await.status, 201);
        let mut key = VirtualAuthenticator::new(ORIGIN);
        assert_eq!(crate::passkeys::register(&anybody, &mut key).await.status, 201);
        let late = finish(&bed.client(), "sign-up", &begun, &credential).await;
        assert_eq!((late.status.as_u16(), late.code()), (422, "invalid_passkey".to_owned()));
        assert_eq!(anybody.get("/me").await.status, 200);
        assert_eq!(anybody.get("/auth/passkeys").await.json()["passkeys"].as_array().unwrap().len(), 1);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
    }
}

with_providers! {
    async fn identity_id_with_a_nul_character_is_not_found(world: &World) {
        let ada = world.bed.browser("ada@example.com").await;
        let gone = ada.send(Method::DELETE, "/auth/identities/%00", &[], b"").await;
        assert_eq!((gone.status.as_u16(), gone.code()), (404, "not_found".to_owned()));
    }
}
