//! Rules for the keys that sign tokens for other services.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixtures::at;
use crate::store::{Store, StoredSigningKey};

fn key(number: u32, id: &str, starts: i64) -> StoredSigningKey {
    let sealed = format!("sealed {id}");
    StoredSigningKey { number, id: id.to_owned(), sealed, created_at: at(0), starts_at: at(starts) }
}

async fn numbers(store: &Arc<dyn Store>) -> Vec<u32> {
    let all = store.list_signing_keys().await.expect("list");
    all.iter().map(|key| key.number).collect()
}

pub(super) async fn concurrent_signing_keys_of_one_number_are_inserted_once(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for id in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let own = key(1, &id.to_string(), 10);
            store.insert_signing_key(&own).await.expect("insert").then_some(own)
        });
    }
    let inserted: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(inserted.len(), 1);
    assert_eq!(store.list_signing_keys().await.expect("list"), inserted);
}

pub(super) async fn signing_key_is_changed_only_if_unchanged(store: Arc<dyn Store>) {
    store.insert_signing_key(&key(2, "b", 20)).await.expect("insert");
    store.insert_signing_key(&key(1, "a", 10)).await.expect("insert");
    assert!(!store.reschedule_signing_key(2, at(10), at(30)).await.expect("reschedule"));
    assert!(store.reschedule_signing_key(2, at(20), at(30)).await.expect("reschedule"));
    assert!(!store.reseal_signing_key(2, "sealed a", "again").await.expect("reseal"));
    assert!(store.reseal_signing_key(2, "sealed b", "again").await.expect("reseal"));
    let changed = StoredSigningKey { sealed: "again".to_owned(), ..key(2, "b", 30) };
    let all = store.list_signing_keys().await.expect("list");
    assert_eq!(all, [key(1, "a", 10), changed]);
}

pub(super) async fn replaced_signing_keys_are_swept(store: Arc<dyn Store>) {
    store.sweep_signing_keys(at(0)).await.expect("sweep");
    for (number, starts) in [(1, 10), (2, 20), (3, 30)] {
        store.insert_signing_key(&key(number, "a", starts)).await.expect("insert");
    }
    store.sweep_signing_keys(at(19)).await.expect("sweep");
    assert_eq!(numbers(&store).await, [1, 2, 3]);
    store.sweep_signing_keys(at(20)).await.expect("sweep");
    assert_eq!(numbers(&store).await, [2, 3]);
    store.sweep_signing_keys(at(99)).await.expect("sweep");
    assert_eq!(numbers(&store).await, [3]);
    store.delete_signing_keys().await.expect("delete");
    assert!(numbers(&store).await.is_empty());
}
