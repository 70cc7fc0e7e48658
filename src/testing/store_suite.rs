//! What every store must do, as rules with names.

use std::{future::Future, pin::Pin, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use crate::{
    crypto::digest::Digest,
    model::{Client, Email, Factor, Proof, Session, SessionId, Status, Transport, User, UserId},
    store::{Creation, Credential, CredentialKind, SessionRow, Store},
};

/// A rule: its name, and the test that wants a fresh and empty store.
pub type StoreRule = (&'static str, fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>);

/// Every rule. A store passes when none of them panics.
///
/// Run each on a store of its own: `for (name, rule) in store_rules() { rule(fresh()).await }`.
pub fn store_rules() -> Vec<StoreRule> {
    macro_rules! rules {
        ($($name:ident)*) => { vec![$((stringify!($name), |store| Box::pin($name(store)))),*] };
    }
    rules! {
        a_session_comes_back_as_it_went
        an_unknown_session_is_none
        a_session_of_a_user_who_is_not_ours_has_no_user
        a_use_is_noted_once_in_the_interval
        a_late_note_does_not_revive_a_session
        of_eight_rotations_one_is_made
        a_rotation_does_not_revive_a_session
        a_confirmation_is_of_its_generation
        a_session_ends_once
        all_sessions_of_a_user_end_and_no_others
        a_disabled_user_gets_no_session
        a_ban_and_a_sign_in_never_leave_a_session
        a_user_comes_back_as_it_went
        sixteen_sign_ups_make_one_user
        a_taken_name_is_told_from_a_taken_address
        a_ban_ends_all_sessions_for_good
        a_deleted_user_leaves_nothing
        a_credential_is_replaced_only_if_it_is_as_expected
    }
}

async fn a_session_comes_back_as_it_went(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    assert!(store.insert(&row).await.expect("insert"));
    let found = store.find(row.session.id).await.expect("find").expect("it is there");
    assert_eq!(format!("{:?}", found.row), format!("{row:?}"));
    assert!(found.row.refresh_hash.matches(&row.refresh_hash));
    assert!(found.row.access_hash.matches(&row.access_hash));
    assert!(found.row.lineage_hash.matches(&row.lineage_hash));
    assert_eq!(found.user.expect("ours").id, user.id);
}

async fn an_unknown_session_is_none(store: Arc<dyn Store>) {
    assert!(store.find(SessionId::from_bytes([9; 16])).await.expect("find").is_none());
}

async fn a_session_of_a_user_who_is_not_ours_has_no_user(store: Arc<dyn Store>) {
    let row = session(1, &UserId::new("theirs"));
    assert!(store.insert(&row).await.expect("insert"));
    assert!(store.find(row.session.id).await.expect("find").expect("there").user.is_none());
}

async fn a_use_is_noted_once_in_the_interval(store: Arc<dyn Store>) {
    let row = session(1, &UserId::new("u"));
    store.insert(&row).await.expect("insert");
    let id = row.session.id;
    store.touch(id, at(600), at(300)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(600));
    store.touch(id, at(700), at(400)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(600), "too soon");
    store.touch(id, at(900), at(600)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(900));
}

async fn a_late_note_does_not_revive_a_session(store: Arc<dyn Store>) {
    // SE-15
    let row = session(1, &UserId::new("u"));
    store.insert(&row).await.expect("insert");
    assert!(store.delete(row.session.id).await.expect("delete"));
    store.touch(row.session.id, at(600), at(300)).await.expect("touch");
    assert!(store.find(row.session.id).await.expect("find").is_none());
}

async fn of_eight_rotations_one_is_made(store: Arc<dyn Store>) {
    // RT-03
    let from = session(1, &UserId::new("u"));
    store.insert(&from).await.expect("insert");
    let mut tries = JoinSet::new();
    for byte in 0..8 {
        let (store, from) = (Arc::clone(&store), from.clone());
        let to = SessionRow { salt: [byte + 10; 32], generation: 7, ..from.clone() };
        tries.spawn(async move { (byte, store.rotate(&from, &to).await.expect("rotate")) });
    }
    let tries = tries.join_all().await;
    let winners: Vec<_> = tries.iter().filter(|(_, won)| *won).collect();
    assert_eq!(winners.len(), 1);
    let row = store.find(from.session.id).await.expect("find").expect("there").row;
    assert_eq!((row.generation, row.salt), (7, [winners[0].0 + 10; 32]));
}

async fn a_rotation_does_not_revive_a_session(store: Arc<dyn Store>) {
    // RT-07
    let from = session(1, &UserId::new("u"));
    store.insert(&from).await.expect("insert");
    store.delete(from.session.id).await.expect("delete");
    let to = SessionRow { salt: [9; 32], ..from.clone() };
    assert!(!store.rotate(&from, &to).await.expect("rotate"));
    assert!(store.find(from.session.id).await.expect("find").is_none());
}

async fn a_confirmation_is_of_its_generation(store: Arc<dyn Store>) {
    let row = session(1, &UserId::new("u"));
    let id = row.session.id;
    store.insert(&row).await.expect("insert");
    for (generation, second, confirmed) in
        [(7, 20, None), (u32::MAX, 30, Some(at(30))), (u32::MAX, 40, Some(at(30)))]
    {
        store.confirm(id, generation, at(second)).await.expect("confirm");
        let found = store.find(id).await.expect("find").expect("there");
        assert_eq!(found.row.confirmed_at, confirmed);
    }
}

async fn a_session_ends_once(store: Arc<dyn Store>) {
    let row = session(1, &UserId::new("u"));
    store.insert(&row).await.expect("insert");
    let mut ends = JoinSet::new();
    for _ in 0..8 {
        let (store, id) = (Arc::clone(&store), row.session.id);
        ends.spawn(async move { store.delete(id).await.expect("delete") });
    }
    assert_eq!(ends.join_all().await.into_iter().filter(|ended| *ended).count(), 1);
}

async fn all_sessions_of_a_user_end_and_no_others(store: Arc<dyn Store>) {
    for (byte, user) in [(1, "ada"), (2, "ada"), (3, "bob")] {
        store.insert(&session(byte, &UserId::new(user))).await.expect("insert");
    }
    assert_eq!(store.delete_of_user(&UserId::new("ada")).await.expect("delete"), 2);
    assert!(store.find(SessionId::from_bytes([3; 16])).await.expect("find").is_some());
}

async fn a_disabled_user_gets_no_session(store: Arc<dyn Store>) {
    let mut user = sign_up(&store, "ada@example.com").await;
    user.status = Status::Disabled;
    assert!(store.update_user(&user).await.expect("update"));
    assert!(!store.insert(&session(1, &user.id)).await.expect("insert"));
    assert!(store.find(SessionId::from_bytes([1; 16])).await.expect("find").is_none());
}

async fn a_ban_and_a_sign_in_never_leave_a_session(store: Arc<dyn Store>) {
    // SE-08
    for round in 0..24 {
        let mut user = sign_up(&store, &format!("u{round}@example.com")).await;
        user.status = Status::Disabled;
        let row = session(round, &user.id);
        let (banned, begun) = tokio::join!(store.update_user(&user), store.insert(&row));
        assert!(banned.expect("update"));
        begun.expect("insert");
        let left = store.find(row.session.id).await.expect("find");
        assert!(left.is_none(), "round {round} left a session to a disabled user");
    }
}

async fn a_user_comes_back_as_it_went(store: Arc<dyn Store>) {
    let user = full_user();
    assert_eq!(store.create_user(&user, None).await.expect("create"), Creation::Created);
    let by_id = store.find_user(&user.id).await.expect("find").expect("there");
    assert_eq!(format!("{by_id:?}"), format!("{user:?}"));
    let email = user.email.clone().expect("set");
    let by_email = store.find_user_by_email(&email).await.expect("find").expect("there");
    assert_eq!(by_email.id, user.id);
    assert!(store.find_user(&UserId::new("nobody")).await.expect("find").is_none());
}

async fn sixteen_sign_ups_make_one_user(store: Arc<dyn Store>) {
    // CR-07, CR-08
    let mut tries = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        tries.spawn(async move {
            let user = user_with(&format!("user-{number}"), "ada@example.com");
            let outcome = store.create_user(&user, Some(&password_of(&user.id))).await;
            (user.id, outcome.expect("create"))
        });
    }
    let tries = tries.join_all().await;
    let winners: Vec<_> =
        tries.iter().filter(|(_, outcome)| *outcome == Creation::Created).collect();
    assert_eq!(winners.len(), 1);
    for (id, outcome) in &tries {
        let credential = store.find_credential(CredentialKind::Password, id.as_str()).await;
        let exists = credential.expect("find").is_some();
        assert_eq!(exists, *outcome == Creation::Created, "a credential without its user");
    }
}

async fn a_taken_name_is_told_from_a_taken_address(store: Arc<dyn Store>) {
    let named = |id: &str, email: &str| {
        let mut user = user_with(id, email);
        user.username = Some("ada".to_owned());
        user
    };
    let create = async |user: User| store.create_user(&user, None).await.expect("create");
    assert_eq!(create(named("1", "ada@example.com")).await, Creation::Created);
    assert_eq!(create(named("2", "eve@example.com")).await, Creation::UsernameTaken);
    assert_eq!(create(user_with("3", "ada@example.com")).await, Creation::EmailTaken);
}

async fn a_ban_ends_all_sessions_for_good(store: Arc<dyn Store>) {
    // A11, SE-08
    let mut user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    assert!(store.insert(&row).await.expect("insert"));
    for status in [Status::Disabled, Status::Active] {
        user.status = status;
        assert!(store.update_user(&user).await.expect("update"));
        assert!(store.find(row.session.id).await.expect("find").is_none(), "{status:?}");
    }
}

async fn a_deleted_user_leaves_nothing(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    store.insert(&row).await.expect("insert");
    assert!(store.delete_user(&user.id).await.expect("delete"));
    assert!(!store.delete_user(&user.id).await.expect("delete"));
    assert!(store.find_user(&user.id).await.expect("find").is_none());
    assert!(store.find(row.session.id).await.expect("find").is_none());
    let credential = store.find_credential(CredentialKind::Password, user.id.as_str()).await;
    assert!(credential.expect("find").is_none());
    assert!(!store.update_user(&user).await.expect("update"), "an update made a user");
}

async fn a_credential_is_replaced_only_if_it_is_as_expected(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let old = password_of(&user.id);
    let new = json!({ "hash": "new" });
    let replaced = store.replace_credential(&old.id, &old.data, &new, at(5)).await;
    assert!(replaced.expect("replace"));
    let again = store.replace_credential(&old.id, &old.data, &json!({}), at(6)).await;
    assert!(!again.expect("replace"));
    let found = store.find_credential(CredentialKind::Password, user.id.as_str()).await;
    let found = found.expect("find").expect("there");
    assert_eq!((found.data, found.updated_at), (new, at(5)));
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second) + SignedDuration::from_millis(7)
}

fn user_with(id: &str, email: &str) -> User {
    let email = Email::parse(email).expect("an address");
    User { email: Some(email), ..User::new(UserId::new(id), at(0)) }
}

fn full_user() -> User {
    let object = |value: Value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    User {
        email_verified_at: Some(at(1)),
        phone: Some("+491701234567".to_owned()),
        phone_verified_at: Some(at(2)),
        username: Some("ada".to_owned()),
        display_name: Some("Ada \u{1f469}\u{200d}\u{1f4bb} L\u{f6}velace".to_owned()),
        avatar_url: Some("https://example.com/a.png".to_owned()),
        tenant_id: Some("t1".to_owned()),
        is_anonymous: true,
        roles: vec!["admin".to_owned(), "ops".to_owned()],
        scopes: vec!["files:write".to_owned()],
        attributes: object(json!({ "level": 3, "deep": { "list": [1, null, "x'y\"z"] } })),
        status: Status::Disabled,
        user_metadata: object(json!({ "theme": "dark" })),
        app_metadata: object(json!({ "plan": "pro" })),
        updated_at: at(3),
        ..user_with("full", "ada@example.com")
    }
}

async fn sign_up(store: &Arc<dyn Store>, email: &str) -> User {
    let user = user_with(email, email);
    let outcome = store.create_user(&user, Some(&password_of(&user.id))).await;
    assert_eq!(outcome.expect("create"), Creation::Created);
    user
}

fn password_of(user: &UserId) -> Credential {
    Credential {
        id: format!("credential of {user}"),
        user_id: user.clone(),
        kind: CredentialKind::Password,
        lookup: user.as_str().to_owned(),
        data: json!({ "hash": "old" }),
        created_at: at(0),
        updated_at: at(0),
        last_used_at: None,
    }
}

fn session(byte: u8, user: &UserId) -> SessionRow {
    let id = SessionId::from_bytes([byte; 16]);
    let session = Session {
        expires_at: at(4000),
        access_expires_at: at(1000),
        refresh_expires_at: at(2000),
        factors: vec![Proof { method: Factor::Password, at: at(0) }],
        client: Client { ip: Some("::1".to_owned()), user_agent: Some("t\u{e9}st".to_owned()) },
        ..Session::new(id, user.clone(), Transport::Bearer, at(0))
    };
    SessionRow {
        session,
        nonce: [1; 32],
        salt: [2; 32],
        generation: u32::MAX,
        lineage_hash: Digest::of(b"lineage"),
        refresh_hash: Digest::of(b"refresh"),
        access_hash: Digest::of(b"access"),
        previous_access: Some((Digest::of(b"previous"), at(500))),
        rotated_at: Some(at(10)),
        confirmed_at: None,
    }
}

async fn seen(store: &Arc<dyn Store>, id: SessionId) -> Timestamp {
    let found = store.find(id).await.expect("find").expect("there");
    found.row.session.last_seen_at
}
