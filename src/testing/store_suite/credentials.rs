//! The rules of credentials, and of what hangs on a user.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, password_of, seen_device, session, sign_up};
use crate::store::{CredentialKind, Opening, Store};

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
