//! A custom user store that stores passwords: consistency between two stores.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use authlayer::{
    Email, Factor, Transport, User, UserId, UserStatus, UserStorage,
    crypto::password::{NormalizedPassword, PasswordHasher, PasswordHashing},
    model::ClientInfo as Device,
    store::StoreError,
    testing::VirtualAuthenticator,
    users::{CreateOutcome, UpdateOutcome, UserStore},
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    account::{link, moved, undo},
    codes::kinds,
    interleaved::{OTHER, posted, reset_token, rows},
    passkeys::{ORIGIN, register},
    places::Memory,
    support::{Bed, On, PASSWORD, id_of, sign_in, sign_up, uuid},
};

/// A custom user store with passwords, whose password functions can be blocked or fail.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) memory: Memory,
    pub(crate) is_closed: Arc<AtomicBool>,
    /// Which password comparison is blocked before it is made, counted down.
    blocks_check: Arc<AtomicU32>,
    fails: Arc<AtomicBool>,
    /// Which call of `find` returns no user, counted down; none at zero.
    hides: Arc<AtomicU32>,
    /// Whether calls of `find` return an error.
    fails_find: Arc<AtomicBool>,
    /// Whether calls of `find` never return.
    pub(crate) hangs_find: Arc<AtomicBool>,
    /// Whether the next call of `create` waits before it creates the user.
    pub(crate) holds_create: Arc<AtomicBool>,
    /// Whether the next update waits after it was made.
    pub(crate) holds_update: Arc<AtomicBool>,
    /// Whether the next deletion waits after it was made.
    pub(crate) holds_delete: Arc<AtomicBool>,
    /// Whether it says which users have a password.
    tells: Arc<AtomicBool>,
    pub(crate) entered: Arc<Notify>,
    pub(crate) opened: Arc<Notify>,
}

impl Held {
    pub(crate) fn new() -> Self {
        let memory = Memory { passwords: Some(Arc::default()), ..Memory::default() };
        Self { memory, ..Self::default() }
    }

    async fn pass(&self, holds: &AtomicBool) {
        if holds.swap(false, Ordering::SeqCst) {
            self.entered.notify_one();
            self.opened.notified().await;
        }
    }
}

impl UserStore for Held {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let before =
            self.hides.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if before == Ok(1) {
            return Ok(None);
        }
        if self.hangs_find.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.fails_find.load(Ordering::SeqCst) {
            return Err(StoreError::new("the user was not read"));
        }
        UserStore::find(&self.memory, id).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        UserStore::find_by_email(&self.memory, email).await
    }

    async fn create(&self, user: &User) -> Result<CreateOutcome, StoreError> {
        self.pass(&self.holds_create).await;
        self.memory.create(user).await
    }

    async fn update(&self, before: &User, after: &User) -> Result<UpdateOutcome, StoreError> {
        let updated = self.memory.update(before, after).await;
        self.pass(&self.holds_update).await;
        updated
    }

    async fn delete(&self, id: &UserId) -> Result<bool, StoreError> {
        let deleted = self.memory.delete(id).await;
        self.pass(&self.holds_delete).await;
        deleted
    }

    fn keeps_passwords(&self) -> bool {
        true
    }

    async fn has_password(&self, user: &User) -> Result<Option<bool>, StoreError> {
        match self.tells.load(Ordering::SeqCst) {
            true => self.memory.has_password(user).await,
            false => Ok(None),
        }
    }

    async fn verify_password(&self, user: &User, password: &str) -> Result<bool, StoreError> {
        let before = self
            .blocks_check
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if before == Ok(1) {
            self.entered.notify_one();
            self.opened.notified().await;
        }
        let matches = self.memory.verify_password(user, password).await;
        self.pass(&self.is_closed).await;
        matches
    }

    async fn set_password(&self, user: &UserId, hash: &str) -> Result<(), StoreError> {
        self.pass(&self.is_closed).await;
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err(StoreError::new("the password was not stored"));
        }
        self.memory.set_password(user, hash).await
    }
}

pub(crate) async fn over(on: On, held: &Held) -> Bed {
    Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await
}

/// Creates a user in the custom store, and a session by an email code.
async fn created_by_the_application(
    bed: &Bed,
    held: &Held,
) -> (authlayer::testing::TestClient, UserId) {
    let mut ada = User::new(uuid("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
    ada.email = Some("ada@example.com".parse().unwrap());
    ada.email_verified_at = Some(ada.created_at);
    held.memory.users.lock().unwrap().insert(ada.id.clone(), ada.clone());
    let sessions = bed.bed.auth.sessions();
    let begun = sessions.create(&ada, Factor::EmailCode, Transport::Bearer, Device::default());
    let begun = begun.await.unwrap();
    (bed.client().bearer(begun.access.expose()), ada.id)
}

#[tokio::test]
async fn session_is_deleted_if_its_user_cannot_be_fetched() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = over(on, &held).await;
        let (_, ada) = created_by_the_application(&bed, &held).await;
        let ada = bed.bed.auth.users().find(&ada).await.unwrap().unwrap();
        *held.memory.is_down.lock().unwrap() = true;
        let sessions = bed.bed.auth.sessions();
        let begun = sessions.create(&ada, Factor::Password, Transport::Bearer, Device::default());
        assert_eq!(begun.await.unwrap_err().kind(), authlayer::ErrorKind::Unavailable);
        *held.memory.is_down.lock().unwrap() = false;
        assert_eq!(sessions.list(&ada.id).await.unwrap().len(), 1, "{on:?}");
        bed.remove().await;
    }
}

/// A sign-in with the previous password while a custom store sets the new one leaves no session.
#[tokio::test]
async fn reset_in_a_custom_store_revokes_a_concurrent_sign_in() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await;
        bed.browser("ada@example.com").await;
        let token = reset_token(bed, "ada@example.com").await;
        held.is_closed.store(true, Ordering::SeqCst);
        let reset = json!({ "token": token, "new_password": OTHER });
        let reset = posted(&bed.client(), "/auth/password/reset", reset);
        held.entered.notified().await;
        let thief = bed.client();
        assert_eq!(sign_in(&thief, "ada@example.com", PASSWORD).await.status, 200);
        held.opened.notify_one();
        assert_eq!(reset.await.unwrap().status, 204);
        assert_eq!(thief.get("/me").await.status, 401, "{on:?}");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
    }
}

/// A sign-in is rejected if its password was verified before a reset. This includes users without
/// a credential in our database.
#[tokio::test]
async fn sign_in_verified_before_a_reset_is_rejected() {
    for on in [On::Sqlite, On::Postgres] {
        for has_signed_in in [true, false] {
            let held = Held::new();
            let bed =
                &Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await;
            bed.browser("ada@example.com").await;
            if !has_signed_in {
                bed.run("DELETE FROM auth_credentials").await;
            }
            let token = reset_token(bed, "ada@example.com").await;
            held.is_closed.store(true, Ordering::SeqCst);
            let thief = bed.client();
            let body = json!({ "email": "ada@example.com", "password": PASSWORD });
            let late = posted(&thief, "/auth/sign-in", body);
            held.entered.notified().await;
            let reset = json!({ "token": token, "new_password": OTHER });
            assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
            held.opened.notify_one();
            let late = late.await.unwrap();
            assert_eq!(late.status, 401, "{on:?} {has_signed_in}: {}", late.json());
            assert_eq!(thief.get("/me").await.status, 401);
        }
    }
}

/// The first verification of a password of the application stores a credential for it, and
/// verifies once more. In between and after, the password is changed or that credential is deleted.
#[tokio::test]
async fn first_sign_in_with_a_previous_password_is_rejected() {
    for on in [On::Sqlite, On::Postgres] {
        for is_reset in [true, false] {
            let held = Held::new();
            let bed =
                &Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await;
            bed.browser("ada@example.com").await;
            let token = reset_token(bed, "ada@example.com").await;
            bed.run("DELETE FROM auth_credentials").await;
            bed.advance(60).await;
            held.is_closed.store(true, Ordering::SeqCst);
            let thief = bed.client();
            let body = json!({ "email": "ada@example.com", "password": PASSWORD });
            let late = posted(&thief, "/auth/sign-in", body);
            held.entered.notified().await;
            // The second verification waits too, once its result is known.
            held.is_closed.store(true, Ordering::SeqCst);
            held.opened.notify_one();
            held.entered.notified().await;
            bed.advance(60).await;
            if is_reset {
                let reset = json!({ "token": token, "new_password": OTHER });
                assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
            } else {
                // As an undo of an email change does.
                bed.run("DELETE FROM auth_credentials").await;
            }
            held.opened.notify_one();
            let late = late.await.unwrap();
            assert_eq!(late.status, 401, "{on:?} {is_reset}: {}", late.json());
            assert_eq!(thief.get("/me").await.status, 401);
        }
    }
}

/// A password that is changed during the first verification keeps its credential.
#[tokio::test]
async fn first_sign_in_does_not_delete_the_credential_of_a_new_password() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await;
        let id = UserId::new(id_of(&bed.browser("ada@example.com").await).await);
        // A reset of an account with a verified email address keeps the ID of the credential.
        let verify = |user: &mut User| user.email_verified_at = Some(user.created_at);
        bed.bed.auth.users().edit(&id, verify).await.unwrap();
        let token = reset_token(bed, "ada@example.com").await;
        bed.run("DELETE FROM auth_credentials").await;
        bed.advance(60).await;
        held.blocks_check.store(2, Ordering::SeqCst);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let late = posted(&bed.client(), "/auth/sign-in", body);
        held.entered.notified().await;
        bed.advance(60).await;
        let reset = json!({ "token": token, "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        held.opened.notify_one();
        assert_eq!(late.await.unwrap().status, 401);
        assert_eq!(rows(bed, "auth_credentials").await, 1, "{on:?}");
    }
}

/// If a custom store fails to set a password, the link remains valid and no session is revoked.
#[tokio::test]
async fn reset_that_fails_in_a_custom_store_can_be_retried() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &Bed::over(on, json!({}), async |_, _| UserStorage::custom(held.clone())).await;
        let ada = bed.browser("ada@example.com").await;
        let token = reset_token(bed, "ada@example.com").await;
        let reset = json!({ "token": token, "new_password": OTHER });
        held.fails.store(true, Ordering::SeqCst);
        let failed = bed.client().post("/auth/password/reset", &reset).await;
        assert_eq!(failed.code(), "unavailable");
        assert_eq!(ada.get("/me").await.status, 200);
        let again = bed.client().post("/auth/password/reset", &reset).await;
        assert_eq!(again.status, 204, "{on:?}: {}", again.json());
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
        let once = bed.client().post("/auth/password/reset", &reset).await;
        assert_eq!(once.code(), "invalid_token");
    }
}

/// An undo of an email change disables the password, also one in a custom store.
#[tokio::test]
async fn undo_disables_the_password_of_a_custom_store() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let thief = bed.browser("ada@example.com").await;
        let id = UserId::new(id_of(&thief).await);
        let verify = |user: &mut User| user.email_verified_at = Some(user.created_at);
        bed.bed.auth.users().edit(&id, verify).await.unwrap();
        moved(bed, &thief, "m1@example.com").await;
        let token = link(bed, "ada@example.com", "notice_email_changed").await.unwrap();
        let undone = undo(bed, &token).await;
        assert_eq!(undone.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401, "{on:?}");
        let reset = json!({ "token": undone.json()["reset_token"], "new_password": OTHER });
        assert_eq!(bed.client().post("/auth/password/reset", &reset).await.status, 204);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
    }
}

/// A password that is set while its session is revoked is reported to the user.
#[tokio::test]
async fn password_set_during_a_revocation_is_reported() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let (thief, id) = created_by_the_application(bed, &held).await;
        held.is_closed.store(true, Ordering::SeqCst);
        let set = posted(&thief, "/auth/password/set", json!({ "new_password": OTHER }));
        held.entered.notified().await;
        bed.bed.auth.sessions().revoke_all(&id, None).await.unwrap();
        held.opened.notify_one();
        let set = set.await.unwrap();
        assert_eq!(
            (set.status.as_u16(), set.code()),
            (401, "unauthenticated".to_owned()),
            "{on:?}"
        );
        assert_eq!(thief.get("/me").await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
        let sent = kinds(bed, "ada@example.com").await;
        assert!(sent.iter().any(|kind| kind == "notice_password_changed"), "{on:?}: {sent:?}");
    }
}

/// If a custom store cannot confirm that the user is still active, the session gets no new tokens.
#[tokio::test]
async fn session_of_an_unconfirmed_user_is_not_renewed() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let (ada, id) = created_by_the_application(bed, &held).await;
        held.is_closed.store(true, Ordering::SeqCst);
        let set = posted(&ada, "/auth/password/set", json!({ "new_password": OTHER }));
        held.entered.notified().await;
        let set_status = |status: UserStatus| {
            held.memory.users.lock().unwrap().get_mut(&id).unwrap().status = status;
        };
        set_status(UserStatus::Disabled);
        held.fails_find.store(true, Ordering::SeqCst);
        held.opened.notify_one();
        assert_eq!(set.await.unwrap().status, 401, "{on:?}");
        held.fails_find.store(false, Ordering::SeqCst);
        set_status(UserStatus::Active);
        assert_eq!(rows(bed, "auth_sessions").await, 0, "{on:?}");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", OTHER).await.status, 200);
        let sent = kinds(bed, "ada@example.com").await;
        assert!(sent.iter().any(|kind| kind == "notice_password_changed"), "{on:?}: {sent:?}");
    }
}

/// If the store fails to find the user in any one call, no credential is deleted.
#[tokio::test]
async fn user_missing_during_a_transition_loses_no_credential() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(register(&ada, &mut VirtualAuthenticator::new(ORIGIN)).await.status, 201);
        let before = rows(bed, "auth_credentials").await;
        for call in 1..10 {
            held.hides.store(call, Ordering::SeqCst);
            ada.post("/auth/api-keys", json!({ "name": "x", "scopes": [] })).await;
            held.hides.store(0, Ordering::SeqCst);
            assert_eq!(rows(bed, "auth_credentials").await, before, "{on:?}, call {call}");
        }
        assert_eq!(ada.get("/me").await.status, 200);
    }
}

/// A ban is completed if the caller is canceled after the custom store was written.
#[tokio::test]
async fn canceled_transition_is_completed() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let id = UserId::new(id_of(&bed.browser("ada@example.com").await).await);
        held.holds_update.store(true, Ordering::SeqCst);
        let users = bed.bed.auth.users().clone();
        let ban = tokio::spawn(async move { users.disable(&id).await });
        held.entered.notified().await;
        ban.abort();
        assert!(ban.await.unwrap_err().is_cancelled());
        held.opened.notify_one();
        for _ in 0..2_000 {
            if rows(bed, "auth_sessions").await == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(rows(bed, "auth_sessions").await, 0, "{on:?}");
    }
}

/// A password that the application set counts as a credential after its first use.
#[tokio::test]
async fn password_set_by_the_application_is_not_a_first_password() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        bed.browser("ada@example.com").await;
        bed.run("DELETE FROM auth_credentials").await;
        let ada = bed.client();
        assert_eq!(sign_in(&ada, "ada@example.com", PASSWORD).await.status, 200);
        let set = ada.post("/auth/password/set", json!({ "new_password": OTHER })).await;
        assert_eq!(set.code(), "password_exists", "{on:?}");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
    }
}

/// The password of an anonymous user who signs up is stored in the custom store.
#[tokio::test]
async fn anonymous_sign_up_stores_its_password_in_the_custom_store() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let ada = bed.client();
        assert_eq!(ada.post("/auth/anonymous", json!({})).await.status, 201);
        assert_eq!(sign_up(&ada, "ada@example.com").await.status, 201);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200, "{on:?}");
        assert!(!String::from_utf8_lossy(&bed.dump().await).contains("argon2id"));
    }
}

/// A password that the application stored is one before its first use here, if the store says so.
#[tokio::test]
async fn has_password_is_what_the_store_says() {
    for on in [On::Sqlite, On::Postgres] {
        let held = Held::new();
        // `/identities` exists with a provider.
        let github = json!({ "client_id": "a", "client_secret": "b" });
        let users = async |_: &_, _: &_| UserStorage::custom(held.clone());
        let bed = Bed::over(on, json!({ "github": github }), users).await;
        let (ada, id) = created_by_the_application(&bed, &held).await;
        let says = async |expected: bool| {
            for path in ["/auth/account", "/auth/identities"] {
                let body = ada.get(path).await.json();
                assert_eq!(body["has_password"], json!(expected), "{path} {on:?}");
            }
        };
        says(false).await;
        let hasher = PasswordHasher::new(PasswordHashing::argon2id()).unwrap();
        let text = NormalizedPassword::parse_existing(PASSWORD).unwrap();
        held.memory.set_password(&id, &hasher.hash(&text).unwrap()).await.unwrap();
        says(false).await;
        held.tells.store(true, Ordering::SeqCst);
        says(true).await;
        bed.advance(600).await;
        assert_eq!(ada.get("/fresh").await.json()["methods"], json!(["password"]));
        let stepped = ada.post("/auth/password/verify", json!({ "password": PASSWORD })).await;
        assert_eq!(stepped.status, 200, "{}", stepped.json());
        let token = stepped.json()["tokens"]["access_token"].as_str().unwrap().to_owned();
        let ada = bed.client().bearer(&token);
        let set = ada.post("/auth/password/set", json!({ "new_password": OTHER })).await;
        assert_eq!((set.status.as_u16(), set.code()), (409, "password_exists".to_owned()));
        held.memory.passwords.as_ref().unwrap().lock().unwrap().clear();
        assert_eq!(ada.get("/auth/account").await.json()["has_password"], json!(false));
        held.tells.store(false, Ordering::SeqCst);
        let known = ada.get("/auth/account").await.json()["has_password"].clone();
        assert_eq!(known, json!(true), "it was used here");
        bed.remove().await;
    }
}
