//! The rules of users and credentials.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::fixtures::{at, password_of, seen_device, session, sign_up, user_with};
use crate::{
    model::{Status, User, UserId},
    store::{Creation, CredentialKind, Opening, Store},
};

pub(super) async fn a_user_comes_back_as_it_went(store: Arc<dyn Store>) {
    let user = full_user();
    assert_eq!(store.create_user(&user, None).await.expect("create"), Creation::Created);
    let by_id = store.find_user(&user.id).await.expect("find").expect("there");
    assert_eq!(format!("{by_id:?}"), format!("{user:?}"));
    let email = user.email.clone().expect("set");
    let by_email = store.find_user_by_email(&email).await.expect("find").expect("there");
    assert_eq!(by_email.id, user.id);
    assert!(store.find_user(&UserId::new("nobody")).await.expect("find").is_none());
}

pub(super) async fn sixteen_sign_ups_make_one_user(store: Arc<dyn Store>) {
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

pub(super) async fn a_taken_name_is_told_from_a_taken_address(store: Arc<dyn Store>) {
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

pub(super) async fn a_ban_ends_all_sessions_for_good(store: Arc<dyn Store>) {
    // A11, SE-08
    let mut user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    assert!(store.insert(&row, &Opening::default()).await.expect("insert"));
    for status in [Status::Disabled, Status::Active] {
        user.status = status;
        assert!(store.update_user(&user).await.expect("update"));
        assert!(store.find(row.session.id).await.expect("find").is_none(), "{status:?}");
    }
}

pub(super) async fn a_deleted_user_leaves_nothing(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    store.insert(&row, &Opening::default()).await.expect("insert");
    assert!(store.delete_user(&user.id).await.expect("delete"));
    assert!(!store.delete_user(&user.id).await.expect("delete"));
    assert!(store.find_user(&user.id).await.expect("find").is_none());
    assert!(store.find(row.session.id).await.expect("find").is_none());
    let credential = store.find_credential(CredentialKind::Password, user.id.as_str()).await;
    assert!(credential.expect("find").is_none());
    assert!(!store.update_user(&user).await.expect("update"), "an update made a user");
}

pub(super) async fn a_note_made_meanwhile_does_not_outlive_its_user(store: Arc<dyn Store>) {
    for round in 0..24_u8 {
        let user = sign_up(&store, &format!("ada-{round}@example.com")).await;
        let row = session(round, &user.id);
        assert!(store.insert(&row, &Opening::default()).await.expect("insert"));
        let note = seen_device(round, &user.id);
        let (late, deleting) = (note.clone(), Arc::clone(&store));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { deleting.delete_user(&user.id).await.map(drop) });
        let noting = Arc::clone(&store);
        tasks.spawn(async move { noting.see(&late, row.session.id).await.map(drop) });
        for outcome in tasks.join_all().await {
            outcome.expect("both work");
        }
        let left = store.find_challenge(&note.id, at(0)).await.expect("find");
        assert!(left.is_none(), "round {round}");
    }
}

pub(super) async fn a_credential_is_replaced_only_if_it_is_as_expected(store: Arc<dyn Store>) {
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
