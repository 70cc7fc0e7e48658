//! Rules for limits and lists of sessions.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixtures::{at, at_most, begun_at, session, sign_up};
use crate::{
    model::{User, UserId},
    store::{AccountWrites, Applied, InsertOptions, SessionLimit, SessionWrite, Store},
};

pub(super) async fn session_limit_revokes_the_oldest_session(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    // SE-16
    for byte in 1..=5 {
        let row = begun_at(byte, "ada", i64::from(byte));
        assert!(store.insert(&row, &at_most(2)).await.expect("insert"));
    }
    let listed = store.list(&UserId::new("ada"), at(100)).await.expect("list");
    let ids: Vec<_> = listed.iter().map(|session| session.id.as_bytes()[0]).collect();
    assert_eq!(ids, [5, 4]);
}

pub(super) async fn sessions_are_listed_in_pages_of_a_hundred(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let user = UserId::new("ada");
    // Several sessions per second, in the order of their ids.
    for byte in 0..=204_u8 {
        let row = begun_at(byte, "ada", i64::from(byte / 3));
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    }
    let mut page = store.list(&user, at(100)).await.expect("list");
    let mut seen = Vec::new();
    while let Some(last) = page.last() {
        seen.push(page.len());
        let next = store.list_after(last, at(100)).await.expect("list");
        assert!(next.iter().all(|session| !page.iter().any(|own| own.id == session.id)));
        page = next;
    }
    assert_eq!(seen, [100, 100, 5]);
}

pub(super) async fn session_limit_reports_the_revoked_sessions(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let begin = async |byte: u8, limit: u32| {
        let limit = SessionLimit::new(limit);
        let opening = InsertOptions { at_most: Some(limit.clone()), using: None };
        let row = begun_at(byte, user.id.as_str(), i64::from(byte));
        assert!(store.insert(&row, &opening).await.expect("insert"));
        limit.take_ended().iter().map(|id| id.as_bytes()[0]).collect::<Vec<_>>()
    };
    for byte in 1..=40 {
        assert!(begin(byte, 40).await.is_empty());
    }
    assert_eq!(begin(41, 40).await, [1]);
    let mut ended = begin(42, 38).await;
    ended.sort_unstable();
    assert_eq!(ended, [2, 3, 4]);
    let mut ended = begin(43, 2).await;
    ended.sort_unstable();
    assert_eq!(ended, (5..=41).collect::<Vec<u8>>());
    // The limit does not count expired sessions.
    let (later, limit) = (at(2000), SessionLimit::new(1));
    let mut row = session(44, &user.id);
    row.session.created_at = later;
    row.session.refresh_expires_at = at(3000);
    let opening = InsertOptions { at_most: Some(limit.clone()), using: None };
    assert!(store.insert(&row, &opening).await.expect("insert"));
    assert!(limit.take_ended().is_empty());
}

/// A transition that creates a session enforces the limit too.
pub(super) async fn transition_revokes_the_oldest_session(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    for byte in 1..=40 {
        let row = begun_at(byte, user.id.as_str(), i64::from(byte));
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    }
    for (byte, limit, ended) in [(41, 42, vec![]), (42, 41, vec![1]), (43, 41, vec![2])] {
        let limit = SessionLimit::new(limit);
        let row = Box::new(begun_at(byte, user.id.as_str(), i64::from(byte)));
        let write = SessionWrite::Insert(row, Some(limit.clone()));
        let writes = |user: &User| {
            let session = Some(write.clone());
            Some(AccountWrites { session, ..AccountWrites::new(user.clone()) })
        };
        let applied = store.apply(&user.id, &writes).await.expect("apply");
        assert!(matches!(applied, Applied::Done(_)), "{applied:?}");
        let ids: Vec<_> = limit.take_ended().iter().map(|id| id.as_bytes()[0]).collect();
        assert_eq!(ids, ended);
    }
}

pub(super) async fn large_session_limit_is_exact_under_concurrency(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let other = store.without_users();
    for (store, id, from) in [(&store, user.id.clone(), 0), (&other, UserId::new("elsewhere"), 100)]
    {
        let mut sign_ins = JoinSet::new();
        for byte in 1..=60_u8 {
            let store = Arc::clone(store);
            let row = begun_at(from + byte, id.as_str(), i64::from(byte));
            let limit = SessionLimit::new(50);
            let opening = InsertOptions { at_most: Some(limit.clone()), using: None };
            if byte <= 30 {
                assert!(store.insert(&row, &opening).await.expect("insert"));
                continue;
            }
            sign_ins.spawn(async move {
                assert!(store.insert(&row, &opening).await.expect("insert"));
                limit.take_ended().len()
            });
        }
        let ended = sign_ins.join_all().await.into_iter().sum::<usize>();
        assert_eq!((store.list(&id, at(100)).await.expect("list").len(), ended), (50, 10));
    }
}

pub(super) async fn session_limit_is_exact_under_concurrency(store: Arc<dyn Store>) {
    // SE-16
    let user = sign_up(&store, "ada@example.com").await;
    let mut sign_ins = JoinSet::new();
    for byte in 1..=16 {
        let (store, row) = (Arc::clone(&store), session(byte, &user.id));
        sign_ins.spawn(async move { store.insert(&row, &at_most(3)).await.expect("insert") });
    }
    assert!(sign_ins.join_all().await.into_iter().all(|begun| begun));
    assert_eq!(store.list(&user.id, at(100)).await.expect("list").len(), 3);
}
