//! Rules for credentials and other rows of a user.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, password_of, seen_device, session, sign_up};
use crate::{
    crypto::digest::{Digest, Domain},
    model::{ApiKey, ApiKeyId, KeyOwner, SessionId, User},
    store::{
        AccountWrites, Applied, Challenge, Credential, CredentialKind, EndSessions, InsertOptions,
        NewKey, Remove, Requirement, SessionWrite, Store, Unmet,
    },
};

pub(super) async fn concurrent_insert_does_not_outlive_its_user(store: Arc<dyn Store>) {
    for round in 0..24_u8 {
        let user = sign_up(&store, &format!("ada-{round}@example.com")).await;
        let row = session(round, &user.id);
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
        let note = seen_device(round, &user.id);
        let (late, deleting) = (note.clone(), Arc::clone(&store));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { deleting.delete_user(&user.id).await.map(drop) });
        let noting = Arc::clone(&store);
        tasks.spawn(async move { noting.insert_of_session(&late, row.session.id).await.map(drop) });
        for outcome in tasks.join_all().await {
            outcome.expect("both work");
        }
        let left = store.find_challenge(&note.id, at(0)).await.expect("find");
        assert!(left.is_none(), "round {round}");
    }
}

pub(super) async fn credential_is_replaced_only_if_unchanged(store: Arc<dyn Store>) {
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

pub(super) async fn renewal_keeps_the_session_and_happens_once(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let mut old = session(1, &user.id);
    old.generation = 3;
    store.insert(&old, &InsertOptions::default()).await.expect("insert");
    let mut new = old.clone();
    new.generation = old.generation + 1;
    new.session.renewals = 1;
    new.access_hash = Digest::hash(Domain::ACCESS, &[9]);
    let renew = |own: &User| {
        let (from, to) = (Box::new(old.clone()), Box::new(new.clone()));
        let session = Some(SessionWrite::Renew { from, to });
        Some(AccountWrites { session, ..AccountWrites::new(own.clone()) })
    };
    let applied = store.apply(&user.id, &renew).await.expect("apply");
    assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
    let found = store.find(old.session.id).await.expect("find").expect("there").row;
    assert!(found.access_hash.ct_eq(&Digest::hash(Domain::ACCESS, &[9])));
    assert_eq!(found.session.renewals, 1);
    let again = store.apply(&user.id, &renew).await.expect("apply");
    assert!(matches!(again, Applied::Unmet(Unmet::Session)), "{again:?}");
}

pub(super) async fn transition_of_a_revoked_session_writes_nothing(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let [acting, other] = [1, 2].map(|byte| session(byte, &user.id));
    store.insert(&acting, &InsertOptions::default()).await.expect("insert");
    store.insert(&other, &InsertOptions::default()).await.expect("insert");
    let new = Credential { data: json!({ "hash": "new" }), ..password_of(&user.id) };
    let change = async |keep: SessionId| {
        let write = |own: &User| {
            Some(AccountWrites {
                requires: vec![Requirement::Session(keep, 0)],
                password: Some(new.clone()),
                end: EndSessions::Others(keep),
                ..AccountWrites::new(own.clone())
            })
        };
        store.apply(&user.id, &write).await.expect("apply")
    };
    let hash = async || {
        let found = store.find_settled(CredentialKind::Password, user.id.as_str()).await;
        found.expect("find").expect("there").data
    };
    let ended = change(SessionId::from_bytes([9; 16])).await;
    assert!(matches!(ended, Applied::Unmet(Unmet::Session)), "{ended:?}");
    assert_eq!(hash().await, json!({ "hash": "old" }));
    assert!(store.find(other.session.id).await.expect("find").is_some());
    assert!(matches!(change(acting.session.id).await, Applied::Done(_)));
    assert_eq!(hash().await, json!({ "hash": "new" }));
    assert!(store.find(other.session.id).await.expect("find").is_none());
    assert!(store.find(acting.session.id).await.expect("find").is_some());
}

pub(super) async fn removal_of_all_but_some_credentials_deletes_api_keys(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let key = |byte: u8, owner: KeyOwner| ApiKey {
        id: ApiKeyId::from_bytes([byte; 16]),
        owner,
        name: "planted".to_owned(),
        hint: "aak_".to_owned(),
        scopes: Vec::new(),
        created_at: at(0),
        expires_at: Some(at(1000)),
        last_used_at: None,
    };
    let service = key(2, KeyOwner::Service("s".to_owned()));
    assert!(store.insert_key(&service, &Digest::hash(Domain::ACCESS, &[2])).await.expect("insert"));
    let own = NewKey {
        key: key(1, KeyOwner::User(user.id.clone())),
        hash: Digest::hash(Domain::ACCESS, &[1]),
        at_most: 1,
    };
    let add = |own: NewKey| {
        let store = Arc::clone(&store);
        let id = user.id.clone();
        async move {
            let write = |user: &User| {
                Some(AccountWrites { key: Some(own.clone()), ..AccountWrites::new(user.clone()) })
            };
            store.apply(&id, &write).await.expect("apply")
        }
    };
    assert!(matches!(add(own.clone()).await, Applied::Done(_)));
    let second = NewKey {
        key: key(3, own.key.owner.clone()),
        hash: Digest::hash(Domain::ACCESS, &[3]),
        at_most: 1,
    };
    assert!(matches!(add(second).await, Applied::Unmet(Unmet::Limit)));
    let of_ada = async || store.list_keys(Some(&user.id)).await.expect("list").len();
    for (keys, left) in [(vec![own.key.id.to_string()], 1), (Vec::new(), 0)] {
        let write = |own: &User| {
            let remove = Remove::AllBut { credentials: Vec::new(), keys: keys.clone() };
            Some(AccountWrites { remove, ..AccountWrites::new(own.clone()) })
        };
        assert!(matches!(store.apply(&user.id, &write).await, Ok(Applied::Done(_))));
        assert_eq!(of_ada().await, left);
    }
    assert_eq!(store.list_keys(None).await.expect("list").len(), 1, "of a service");
    assert!(store.list_credentials(&user.id).await.expect("list").is_empty());
}

pub(super) async fn rows_of_a_deleted_user_are_not_inserted(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    assert!(store.delete_user(&user.id).await.expect("delete"));
    let row = session(1, &user.id);
    assert!(!store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    assert!(!store.insert_credential(&password_of(&user.id)).await.expect("insert"));
    let challenge = seen_device(1, &user.id);
    assert!(!store.insert_challenge(&challenge).await.expect("insert"));
    assert!(!store.put_challenge(&challenge).await.expect("put"));
    assert!(!store.has_begun(&user.id).await.expect("read"));
    assert!(store.list_credentials(&user.id).await.expect("list").is_empty());
}

pub(super) async fn challenge_is_replaced_even_if_expired(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let first = seen_device(1, &user.id);
    assert!(store.put_challenge(&first).await.expect("put"));
    assert!(!store.insert_challenge(&first).await.expect("insert"));
    let second = Challenge {
        tries: 3,
        data: json!({ "of": "second" }),
        created_at: at(9500),
        expires_at: at(9999),
        ..first.clone()
    };
    assert!(store.put_challenge(&second).await.expect("put"));
    let found = store.find_challenge(&first.id, at(9600)).await.expect("find").expect("there");
    assert_eq!((found.tries, found.data), (3, second.data));
    assert_eq!((found.created_at, found.expires_at), (at(9500), at(9999)));
}

pub(super) async fn concurrent_inserts_and_deletion_leave_no_rows(store: Arc<dyn Store>) {
    for round in 0..24_u8 {
        let user = sign_up(&store, &format!("ada-{round}@example.com")).await;
        let (row, password) = (session(round, &user.id), password_of(&user.id));
        let passkey = Credential {
            id: format!("passkey-{round}"),
            kind: CredentialKind::Passkey,
            lookup: format!("passkey-{round}"),
            ..password
        };
        let challenge = seen_device(round, &user.id);
        let opening = InsertOptions::default();
        let (deleted, begun, added, kept) = tokio::join!(
            store.delete_user(&user.id),
            store.insert(&row, &opening),
            store.insert_credential(&passkey),
            store.insert_challenge(&challenge),
        );
        assert!(deleted.expect("delete"));
        for inserted in [begun, added, kept] {
            inserted.expect("insert");
        }
        assert!(store.find(row.session.id).await.expect("find").is_none(), "round {round}");
        assert!(store.list_credentials(&user.id).await.expect("list").is_empty(), "round {round}");
        let left = store.find_challenge(&challenge.id, at(0)).await.expect("find");
        assert!(left.is_none(), "round {round}");
    }
}
