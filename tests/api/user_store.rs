//! A user store of the application that is slow, fails or is canceled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authlayer::{
    Claims, ClaimsSource, Email, ErrorKind, User, UserDirectory, UserId, UserStatus, UserStorage,
    store::StoreError,
    users::{CachePolicy, CreateOutcome},
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    custom_store::{Held, over},
    interleaved::{posted, rows},
    places::Directory,
    providers::World,
    support::{Bed, On, PASSWORD, id_of, sign_in, sign_up, until, uuid},
};

const BOTH: [On; 2] = [On::Sqlite, On::Postgres];

/// A resolver that returns the same ID for a user each time, and whose functions can be blocked.
#[derive(Clone, Default)]
struct HeldDirectory {
    directory: Directory,
    holds_provision: Arc<AtomicBool>,
    hangs_find: Arc<AtomicBool>,
    entered: Arc<Notify>,
    opened: Arc<Notify>,
}

impl UserDirectory for HeldDirectory {
    async fn find(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        if self.hangs_find.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        UserDirectory::find(&self.directory, id).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        UserDirectory::find_by_email(&self.directory, email).await
    }

    async fn provision(&self, wanted: &User) -> Result<CreateOutcome, StoreError> {
        if self.holds_provision.swap(false, Ordering::SeqCst) {
            self.entered.notify_one();
            self.opened.notified().await;
        }
        let email = wanted.email.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut user = wanted.clone();
        user.id = uuid(&email);
        self.directory.provision(&user).await
    }
}

async fn over_directory(on: On, held: &HeldDirectory) -> Bed {
    // Nothing is cached, so that the hung call is made.
    let rules = CachePolicy::default().fresh(Duration::ZERO);
    Bed::over(on, json!({}), async |_, _| UserStorage::external_with(held.clone(), rules)).await
}

/// Time for the server to notice that a client has closed its connection.
async fn disconnected() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// The browser disconnects while the user is created for a sign-up by a provider.
async fn abandon_sign_up_by_a_provider(world: &World, entered: &Notify, opened: &Notify) {
    let browser = world.client();
    let callback = world.to_callback(&browser, "").await;
    let abandoned = {
        let browser = browser.clone();
        tokio::spawn(async move { browser.get(&callback).await })
    };
    entered.notified().await;
    abandoned.abort();
    disconnected().await;
    opened.notify_one();
    let found = "auth_credentials WHERE kind = 'identity'";
    until("the sign-up", async || rows(&world.bed, found).await == 1).await;
    disconnected().await;
    let again = world.sign_in(&world.client()).await;
    assert_eq!(again.status, 303, "{}", again.json());
    assert!(!again.header("location").contains("error"), "{}", again.header("location"));
    assert_eq!(rows(&world.bed, found).await, 1);
}

#[tokio::test]
async fn abandoned_sign_up_by_a_provider_is_completed_in_a_custom_store() {
    for on in BOTH {
        let held = Held::new();
        let none = json!({});
        let make = async |on, config| {
            Bed::over(on, config, async |_, _| UserStorage::custom(held.clone())).await
        };
        let world = World::over(on, &none, make).await;
        held.holds_create.store(true, Ordering::SeqCst);
        abandon_sign_up_by_a_provider(&world, &held.entered, &held.opened).await;
    }
}

#[tokio::test]
async fn abandoned_sign_up_by_a_provider_is_completed_with_external_users() {
    for on in BOTH {
        let held = HeldDirectory::default();
        let none = json!({});
        let make = async |on, config| {
            Bed::over(on, config, async |_, _| UserStorage::external(held.clone())).await
        };
        let world = World::over(on, &none, make).await;
        held.holds_provision.store(true, Ordering::SeqCst);
        abandon_sign_up_by_a_provider(&world, &held.entered, &held.opened).await;
    }
}

/// The client disconnects after the user was created and before the password is stored.
#[tokio::test]
async fn abandoned_sign_up_with_a_password_is_completed() {
    for on in BOTH {
        let held = Held::new();
        let bed = &over(on, &held).await;
        held.is_closed.store(true, Ordering::SeqCst);
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let abandoned = posted(&bed.client(), "/auth/sign-up", body);
        held.entered.notified().await;
        abandoned.abort();
        disconnected().await;
        held.opened.notify_one();
        disconnected().await;
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200, "{on:?}");
    }
}

#[tokio::test]
async fn abandoned_deletion_is_completed() {
    for on in BOTH {
        let held = Held::new();
        let bed = &over(on, &held).await;
        let id = UserId::new(id_of(&bed.browser("ada@example.com").await).await);
        held.holds_delete.store(true, Ordering::SeqCst);
        let users = bed.bed.auth.users().clone();
        let abandoned = tokio::spawn(async move { users.delete(&id).await });
        held.entered.notified().await;
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        held.opened.notify_one();
        until("the deletion", async || rows(bed, "auth_credentials").await == 0).await;
        assert_eq!(rows(bed, "auth_sessions").await, 0, "{on:?}");
    }
}

/// A call for one user that hangs delays no change of another user.
#[tokio::test]
async fn hung_call_blocks_no_other_user() {
    let held = Held::new();
    let bed = &over(On::Sqlite, &held).await;
    let add = |name: &str| {
        let user = User::new(uuid(name), jiff::Timestamp::UNIX_EPOCH);
        held.memory.users.lock().unwrap().insert(user.id.clone(), user.clone());
        user.id
    };
    let (users, ada) = (bed.bed.auth.users().clone(), add("ada"));
    held.holds_update.store(true, Ordering::SeqCst);
    let hung = tokio::spawn(async move { users.disable(&ada).await });
    held.entered.notified().await;
    for number in 0..400 {
        let id = add(&number.to_string());
        let disabled = bed.bed.auth.users().disable(&id);
        tokio::time::timeout(Duration::from_secs(3), disabled).await.unwrap().unwrap();
    }
    hung.abort();
}

/// A call that does not return results in 503, and further changes of the user are possible.
#[tokio::test]
async fn hung_call_returns_503() {
    for on in BOTH {
        let held = Held::new();
        let users = UserStorage::custom(held.clone()).timeout(Duration::from_millis(500));
        let users = std::sync::Mutex::new(Some(users));
        let bed = Bed::over(on, json!({}), async |_, _| users.lock().unwrap().take().unwrap());
        let bed = &bed.await;
        let ada = bed.browser("ada@example.com").await;
        let id = UserId::new(id_of(&ada).await);
        let auth = &bed.bed.auth;
        held.hangs_find.store(true, Ordering::SeqCst);
        let (change, me) = tokio::join!(auth.users().disable(&id), ada.get("/me"));
        assert_eq!(change.unwrap_err().kind(), ErrorKind::Unavailable, "{on:?}");
        assert_eq!((me.status.as_u16(), me.code()), (503, "unavailable".to_owned()), "{on:?}");
        held.hangs_find.store(false, Ordering::SeqCst);
        held.holds_update.store(true, Ordering::SeqCst);
        let change = auth.users().disable(&id).await;
        assert_eq!(change.unwrap_err().kind(), ErrorKind::Unavailable, "{on:?}");
        auth.users().enable(&id).await.unwrap();
    }
}

/// A claims source that does not return once is called again for the next request.
#[tokio::test]
async fn hung_claims_source_returns_503() {
    struct Hung(AtomicBool);

    impl ClaimsSource for Hung {
        async fn claims(&self, _: &UserId) -> Result<Claims, StoreError> {
            if self.0.swap(false, Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            Ok(Claims::default())
        }
    }

    for on in BOTH {
        let hung = UserStorage::managed_with_claims(Hung(AtomicBool::new(true)));
        let users = std::sync::Mutex::new(Some(hung.timeout(Duration::from_millis(500))));
        let bed = Bed::over(on, json!({}), async |_, _| users.lock().unwrap().take().unwrap());
        let bed = bed.await;
        assert_eq!(sign_up(&bed.client(), "ada@example.com").await.code(), "unavailable", "{on:?}");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200, "{on:?}");
    }
}

/// A claims source with one user per call gets the calls of a batch at the same time, and an error
/// for one of the users fails the batch.
#[tokio::test]
async fn claims_of_a_batch_are_fetched_concurrently() {
    struct Meeting(tokio::sync::Barrier);

    impl ClaimsSource for Meeting {
        async fn claims(&self, user: &UserId) -> Result<Claims, StoreError> {
            self.0.wait().await;
            match user.as_str() {
                "eve" => Err(StoreError::new("no claims")),
                name => Ok(Claims::new().role(format!("role of {name}"))),
            }
        }
    }

    let [ada, bob, eve] = ["ada", "bob", "eve"].map(UserId::new);
    let source = Meeting(tokio::sync::Barrier::new(2));
    let all = source.claims_batch(&[ada.clone(), bob.clone()]).await.unwrap();
    assert_eq!(
        (&all[&ada].roles[0], &all[&bob].roles[0]),
        (&"role of ada".into(), &"role of bob".into())
    );
    assert!(source.claims_batch(&[ada, eve]).await.is_err());
    assert!(source.claims_batch(&[]).await.unwrap().is_empty());
}

/// A ban outlives the deletion of the user, and the sign-up that creates the same user again.
#[tokio::test]
async fn ban_of_an_external_user_outlives_a_new_sign_up() {
    for on in BOTH {
        let held = HeldDirectory::default();
        let bed = &over_directory(on, &held).await;
        let id = UserId::new(id_of(&bed.browser("ada@example.com").await).await);
        let users = bed.bed.auth.users();
        users.disable(&id).await.unwrap();
        users.delete(&id).await.unwrap();
        held.directory.memory.users.lock().unwrap().remove(&id);
        let again = bed.client();
        assert!(!sign_up(&again, "ada@example.com").await.status.is_success(), "{on:?}");
        assert_eq!(again.get("/me").await.status, 401, "{on:?}");
        let found = users.find(&id).await.unwrap().unwrap();
        assert_eq!(found.status, UserStatus::Disabled, "{on:?}");
        assert_eq!(sign_in(&again, "ada@example.com", PASSWORD).await.status, 401, "{on:?}");
    }
}

/// The user store is not called by ID before the response, so that neither a failed nor a hung
/// call reveals whether an email address is registered.
async fn forgot_costs_the_same(bed: &Bed, hangs: &AtomicBool) {
    let mut costs = Vec::new();
    for email in ["nobody@example.com", "ada@example.com"] {
        hangs.store(true, Ordering::SeqCst);
        let before = bed.statements().await;
        let forgot = posted(&bed.client(), "/auth/password/forgot", json!({ "email": email }));
        let forgot = tokio::time::timeout(Duration::from_secs(3), forgot).await;
        assert_eq!(forgot.expect(email).unwrap().status, 202);
        costs.push(bed.statements().await - before);
        hangs.store(false, Ordering::SeqCst);
    }
    assert_eq!(costs[0], costs[1], "unregistered and registered");
}

#[tokio::test]
async fn forgot_costs_the_same_for_unregistered_and_registered_users() {
    for on in BOTH {
        let held = Held::new();
        let bed = over(on, &held).await;
        bed.browser("ada@example.com").await;
        forgot_costs_the_same(&bed, &held.hangs_find).await;
        let held = HeldDirectory::default();
        let bed = over_directory(on, &held).await;
        bed.browser("ada@example.com").await;
        forgot_costs_the_same(&bed, &held.hangs_find).await;
    }
}
