//! The rules of credentials, and of what hangs on a user.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, password_of, seen_device, session, sign_up};
use crate::{
    crypto::digest::{Digest, Domain},
    model::{ApiKey, KeyOwner, SessionId, UserId},
    store::{Credential, CredentialKind, Opening, Renewal, Store},
};

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

pub(super) async fn a_session_begins_in_the_place_of_one_that_stands(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let [old, new, late] = [1, 2, 3].map(|byte| session(byte, &user.id));
    store.insert(&old, &Opening::default()).await.expect("insert");
    let opening = Opening { instead_of: Some(old.session.id), ..Opening::default() };
    assert!(store.insert(&new, &opening).await.expect("insert"));
    assert!(store.find(old.session.id).await.expect("find").is_none());
    assert!(store.find(new.session.id).await.expect("find").is_some());
    assert!(!store.insert(&late, &opening).await.expect("insert"), "it has ended");
    assert!(store.find(late.session.id).await.expect("find").is_none());
}

pub(super) async fn nothing_is_renewed_by_a_session_that_has_ended(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let [acting, other] = [1, 2].map(|byte| session(byte, &user.id));
    store.insert(&acting, &Opening::default()).await.expect("insert");
    store.insert(&other, &Opening::default()).await.expect("insert");
    let new = Credential { data: json!({ "hash": "new" }), ..password_of(&user.id) };
    let renew = async |keep: SessionId| {
        let password = Some(&new);
        let change =
            Renewal { user: &user.id, password, spend: None, everything: false, keep: Some(keep) };
        store.renew_security(&change, at(1)).await.expect("renew")
    };
    let hash = async || {
        let found = store.find_settled(CredentialKind::Password, user.id.as_str()).await;
        found.expect("find").expect("there").data
    };
    assert!(!renew(SessionId::from_bytes([9; 16])).await);
    assert_eq!(hash().await, json!({ "hash": "old" }));
    assert!(store.find(other.session.id).await.expect("find").is_some());
    assert!(renew(acting.session.id).await);
    assert_eq!(hash().await, json!({ "hash": "new" }));
    assert!(store.find(other.session.id).await.expect("find").is_none());
    assert!(store.find(acting.session.id).await.expect("find").is_some());
}

pub(super) async fn what_had_no_proof_takes_its_keys_along(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let key = |byte: u8, owner: KeyOwner| ApiKey {
        id: SessionId::from_bytes([byte; 16]),
        owner,
        name: "planted".to_owned(),
        hint: "aak_".to_owned(),
        scopes: Vec::new(),
        created_at: at(0),
        expires_at: Some(at(1000)),
        last_used_at: None,
    };
    for (byte, owner) in
        [(1, KeyOwner::User(user.id.clone())), (2, KeyOwner::Service("s".to_owned()))]
    {
        let kept =
            store.insert_key(&key(byte, owner), &Digest::of(Domain::ACCESS, &[byte]), 9).await;
        assert!(kept.expect("insert"));
    }
    let of_ada = async || store.list_keys(Some(&user.id)).await.expect("list").len();
    for (everything, left) in [(false, 1), (true, 0)] {
        let user: &UserId = &user.id;
        let change = Renewal { user, password: None, spend: None, everything, keep: None };
        assert!(store.renew_security(&change, at(1)).await.expect("renew"));
        assert_eq!(of_ada().await, left);
    }
    assert_eq!(store.list_keys(None).await.expect("list").len(), 1, "of a service");
}
