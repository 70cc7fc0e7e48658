//! Rules for sessions that are bound to keys.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, session};
use crate::{
    model::{BindingKind, SessionBinding, SessionId, Transport, UserId},
    store::{InsertOptions, SessionRow, Store},
};

pub(super) async fn session_is_bound_once(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let mut row = session(1, &UserId::new("u"));
    row.session.transport = Transport::Cookie;
    let id = row.session.id;
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    let mut tries = JoinSet::new();
    for byte in 0..8 {
        let (store, key) = (Arc::clone(&store), format!("key {byte}"));
        tries.spawn(async move {
            let binding = SessionBinding::device(key.clone(), json!({ "kty": "EC" }));
            (store.bind(id, &binding).await.expect("bind"), key)
        });
    }
    let tries = tries.join_all().await;
    let winners: Vec<_> = tries.iter().filter(|(won, _)| *won).collect();
    assert_eq!(winners.len(), 1);
    let bound = store.find(id).await.expect("find").expect("there").row;
    let binding = bound.session.binding().expect("a key");
    assert_eq!(binding.thumbprint(), winners[0].1);
    assert_eq!(binding.jwk(), Some(&json!({ "kty": "EC" })));
    assert_eq!(bound.session.transport, Transport::Cookie);
    let access = store.find_access(id).await.expect("find").expect("there").row;
    assert_eq!(access.session.bound(), Some(BindingKind::Device));
    // A refresh that read the session before is not applied.
    let to = SessionRow { salt: [9; 32], ..row.clone() };
    assert!(!store.rotate(&row, &to).await.expect("rotate"));
    let next = bound.challenges.with("challenge", at(1));
    assert!(store.set_challenges(id, &bound.challenges, &next).await.expect("set"));
    assert!(!store.set_challenges(id, &bound.challenges, &next).await.expect("set"));
    assert!(store.note_mismatch(id, at(1)).await.expect("note"));
    assert!(!store.note_mismatch(id, at(2)).await.expect("note"));
    let found = store.find(id).await.expect("find").expect("there").row;
    assert_eq!(found.challenges, next);
    let to = SessionRow {
        salt: [9; 32],
        challenges: next.spend("challenge", "next", at(2), true),
        ..found.clone()
    };
    assert!(store.rotate(&found, &to).await.expect("rotate"));
    let rotated = store.find(id).await.expect("find").expect("there").row;
    assert_eq!(rotated.challenges, to.challenges);
    assert_eq!(rotated.session.binding(), found.session.binding());
    assert!(
        !store
            .bind(SessionId::from_bytes([9; 16]), &SessionBinding::device(String::new(), json!({})))
            .await
            .expect("bind")
    );
}

pub(super) async fn session_begins_with_a_key(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let mut row = session(1, &UserId::new("u"));
    row.session.binding = SessionBinding::read(BindingKind::Dpop, r#"{"jkt":"key"}"#);
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    let found = store.find(row.session.id).await.expect("find").expect("there").row;
    assert_eq!(format!("{found:?}"), format!("{row:?}"));
    let to = SessionRow { salt: [9; 32], ..row.clone() };
    assert!(store.rotate(&row, &to).await.expect("rotate"));
}
