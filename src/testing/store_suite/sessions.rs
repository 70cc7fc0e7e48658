//! Rules for sessions.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, ban, begun_at, password_of, seen, session, sign_up, user_with};
use crate::{
    model::{SessionId, UserId},
    store::{
        AccessTokenRow, CredentialUpdate, InsertOptions, SessionLimit, SessionRow, Store,
        UserOrigin,
    },
};

pub(super) async fn session_round_trips(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    let found = store.find(row.session.id).await.expect("find").expect("it is there");
    assert_eq!(format!("{:?}", found.row), format!("{row:?}"));
    assert!(found.row.refresh_hash.ct_eq(&row.refresh_hash));
    assert!(found.row.access_hash.ct_eq(&row.access_hash));
    assert!(found.row.lineage_hash.ct_eq(&row.lineage_hash));
    assert_eq!(found.user.expect("ours").id, user.id);
    let access = store.find_access(row.session.id).await.expect("find").expect("it is there");
    assert_eq!(format!("{:?}", access.row), format!("{:?}", AccessTokenRow::from(row.clone())));
    assert!(access.row.access_hash.ct_eq(&row.access_hash));
    assert_eq!(access.user.expect("ours").id, user.id);
}

pub(super) async fn session_and_user_round_trip_with_any_text(store: Arc<dyn Store>) {
    let odd = [
        "\"quoted\" and \\back\\slashed",
        "[1]",
        "{\"a\":null}",
        "null",
        "7",
        "",
        " \t\r\n\u{1f}\u{7f}",
        "caf\u{e9} \u{1f980} \u{2028}",
    ];
    for (byte, text) in (1..).zip(odd) {
        let mut user = user_with(&format!("u{byte}"), &format!("u{byte}@example.com"));
        user.display_name = Some(text.to_owned());
        user.roles = vec![text.to_owned()];
        user.user_metadata.insert(text.to_owned(), json!([text, null, 1.5]));
        store.create_user(&user, None, UserOrigin::SignUp.into()).await.expect("create");
        let mut row = session(byte, &user.id);
        row.session.client.user_agent = Some(text.to_owned());
        row.session.client.ip = None;
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
        let id = row.session.id;
        let access = store.find_access(id).await.expect("find").expect("it is there");
        let mut many = store.find_many(&[id]).await.expect("find");
        let many = many.pop().expect("it is there").expect("it can be read");
        assert_eq!(format!("{:?}", many.row), format!("{row:?}"));
        assert_eq!(format!("{:?}", access.row), format!("{:?}", AccessTokenRow::from(row)));
        for found in [access.user.expect("ours"), many.user.expect("ours")] {
            assert_eq!(found.display_name.as_deref(), Some(text));
            assert_eq!(found.roles, user.roles);
            assert_eq!(found.user_metadata, user.user_metadata);
        }
    }
}

pub(super) async fn unknown_session_returns_none(store: Arc<dyn Store>) {
    assert!(store.find(SessionId::from_bytes([9; 16])).await.expect("find").is_none());
}

pub(super) async fn session_of_an_external_user_has_no_user(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let row = session(1, &UserId::new("theirs"));
    assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    assert!(store.find(row.session.id).await.expect("find").expect("there").user.is_none());
}

pub(super) async fn last_use_is_recorded_once_per_interval(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let row = session(1, &UserId::new("u"));
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    let id = row.session.id;
    store.touch(&[id], at(600), at(300)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(600));
    store.touch(&[id], at(700), at(400)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(600), "too soon");
    store.touch(&[id], at(900), at(600)).await.expect("touch");
    assert_eq!(seen(&store, id).await, at(900));
}

pub(super) async fn last_uses_are_recorded_in_a_batch(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let rows = [1, 2, 3].map(|byte| session(byte, &UserId::new("u")));
    for row in &rows {
        store.insert(row, &InsertOptions::default()).await.expect("insert");
    }
    let [one, two, three] = rows.map(|row| row.session.id);
    store.touch(&[one], at(900), at(600)).await.expect("touch");
    let gone = SessionId::from_bytes([9; 16]);
    store.touch(&[one, gone, two], at(1000), at(700)).await.expect("touch");
    store.touch(&[], at(2000), at(1700)).await.expect("touch");
    assert_eq!(seen(&store, one).await, at(900), "noted a short while before");
    assert_eq!(seen(&store, two).await, at(1000));
    assert!(seen(&store, three).await < at(900), "not named");
}

pub(super) async fn late_last_use_does_not_restore_a_session(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    // SE-15
    let row = session(1, &UserId::new("u"));
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    assert!(store.delete(row.session.id).await.expect("delete"));
    store.touch(&[row.session.id], at(600), at(300)).await.expect("touch");
    assert!(store.find(row.session.id).await.expect("find").is_none());
}

pub(super) async fn concurrent_rotations_succeed_once(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    // RT-03
    let from = session(1, &UserId::new("u"));
    store.insert(&from, &InsertOptions::default()).await.expect("insert");
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

pub(super) async fn rotation_does_not_restore_a_session(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    // RT-07
    let from = session(1, &UserId::new("u"));
    store.insert(&from, &InsertOptions::default()).await.expect("insert");
    store.delete(from.session.id).await.expect("delete");
    let to = SessionRow { salt: [9; 32], ..from.clone() };
    assert!(!store.rotate(&from, &to).await.expect("rotate"));
    assert!(store.find(from.session.id).await.expect("find").is_none());
}

pub(super) async fn confirmation_applies_only_to_its_generation(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let row = session(1, &UserId::new("u"));
    let id = row.session.id;
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    for (generation, second, confirmed) in
        [(7, 20, None), (u32::MAX, 30, Some(at(30))), (u32::MAX, 40, Some(at(30)))]
    {
        store.confirm(id, generation, at(second)).await.expect("confirm");
        let found = store.find(id).await.expect("find").expect("there");
        assert_eq!(found.row.confirmed_at, confirmed);
    }
}

pub(super) async fn sessions_are_listed_newest_first(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    for (byte, user, begun) in [(1, "ada", 10), (2, "ada", 30), (3, "bob", 40), (4, "ada", 20)] {
        store
            .insert(&begun_at(byte, user, begun), &InsertOptions::default())
            .await
            .expect("insert");
    }
    let listed = store.list(&UserId::new("ada"), at(100)).await.expect("list");
    let ids: Vec<_> = listed.iter().map(|session| session.id.as_bytes()[0]).collect();
    assert_eq!(ids, [2, 4, 1]);
    assert!(store.list(&UserId::new("ada"), at(2000)).await.expect("list").is_empty(), "ended");
    let (id, bob) = (SessionId::from_bytes([3; 16]), UserId::new("bob"));
    assert!(!store.delete_owned(id, &UserId::new("ada")).await.expect("delete"), "not hers");
    assert!(store.delete_owned(id, &bob).await.expect("delete"));
    let kept = SessionId::from_bytes([4; 16]);
    let ended = store.delete_of_user(&UserId::new("ada"), Some(kept)).await;
    assert_eq!(ended.expect("delete"), 2);
    assert!(store.find(kept).await.expect("find").is_some());
}

/// Returns a use of the password of `user` that changes the hash to `hash`.
fn using(user: &UserId, hash: &str) -> InsertOptions {
    let used = CredentialUpdate {
        credential: password_of(user).id,
        expected: json!({ "hash": "old" }),
        data: json!({ "hash": hash }),
        at: at(9),
    };
    InsertOptions { at_most: Some(SessionLimit::new(9)), using: Some(used) }
}

pub(super) async fn credential_use_and_its_session_are_written_atomically(store: Arc<dyn Store>) {
    // PK-20
    let user = sign_up(&store, "ada@example.com").await;
    let row = session(1, &user.id);
    let kept = async || {
        let all = store.list_credentials(&user.id).await.expect("list");
        all.into_iter().map(|own| (own.data["hash"].clone(), own.last_used_at)).collect::<Vec<_>>()
    };
    assert!(store.insert(&row, &using(&user.id, "new")).await.expect("insert"));
    assert_eq!(kept().await, [(json!("new"), Some(at(9)))]);

    let stale = session(2, &user.id);
    assert!(!store.insert(&stale, &using(&user.id, "newer")).await.expect("insert"));
    assert!(store.find(stale.session.id).await.expect("find").is_none(), "used before");

    let bob = sign_up(&store, "bob@example.com").await;
    let mut fault = using(&bob.id, "new");
    fault.at_most = None;
    let same = session(1, &bob.id);
    assert!(store.insert(&same, &fault).await.is_err(), "the id of an existing session");
    let own = store.list_credentials(&bob.id).await.expect("list");
    assert_eq!((own[0].data["hash"].clone(), own[0].last_used_at), (json!("old"), None));
}

pub(super) async fn concurrent_credential_uses_create_one_session(store: Arc<dyn Store>) {
    // PK-19, PK-20
    let user = sign_up(&store, "ada@example.com").await;
    let mut sign_ins = JoinSet::new();
    for byte in 1..=8 {
        let (store, row) = (Arc::clone(&store), session(byte, &user.id));
        let opening = using(&user.id, &byte.to_string());
        sign_ins.spawn(async move { store.insert(&row, &opening).await.expect("insert") });
    }
    let begun = sign_ins.join_all().await.into_iter().filter(|begun| *begun).count();
    let listed = store.list(&user.id, at(100)).await.expect("list").len();
    assert_eq!((begun, listed), (1, 1));
}

pub(super) async fn only_expired_rows_are_swept(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    // DS-04
    for byte in 1..=5 {
        let mut row = begun_at(byte, "ada", 0);
        row.session.refresh_expires_at = at(i64::from(byte) * 100);
        store.insert(&row, &InsertOptions::default()).await.expect("insert");
    }
    assert_eq!(store.sweep(at(300), 2).await.expect("sweep"), 2);
    assert_eq!(store.sweep(at(300), 2).await.expect("sweep"), 1);
    assert_eq!(store.sweep(at(300), 2).await.expect("sweep"), 0);
    assert_eq!(store.list(&UserId::new("ada"), at(0)).await.expect("list").len(), 2);
}

pub(super) async fn session_is_revoked_once(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let row = session(1, &UserId::new("u"));
    store.insert(&row, &InsertOptions::default()).await.expect("insert");
    let mut ends = JoinSet::new();
    for _ in 0..8 {
        let (store, id) = (Arc::clone(&store), row.session.id);
        ends.spawn(async move { store.delete(id).await.expect("delete") });
    }
    assert_eq!(ends.join_all().await.into_iter().filter(|ended| *ended).count(), 1);
}

pub(super) async fn revoking_sessions_of_a_user_affects_no_others(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    for (byte, user) in [(1, "ada"), (2, "ada"), (3, "bob")] {
        let row = session(byte, &UserId::new(user));
        store.insert(&row, &InsertOptions::default()).await.expect("insert");
    }
    assert_eq!(store.delete_of_user(&UserId::new("ada"), None).await.expect("delete"), 2);
    assert!(store.find(SessionId::from_bytes([3; 16])).await.expect("find").is_some());
}

pub(super) async fn disabled_user_gets_no_session(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    ban(&store, &user.id).await;
    assert!(!store.insert(&session(1, &user.id), &InsertOptions::default()).await.expect("insert"));
    assert!(store.find(SessionId::from_bytes([1; 16])).await.expect("find").is_none());
}

pub(super) async fn concurrent_ban_and_sign_in_leave_no_session(store: Arc<dyn Store>) {
    // SE-08
    for round in 0..24 {
        let user = sign_up(&store, &format!("u{round}@example.com")).await;
        let row = session(round, &user.id);
        let opening = InsertOptions::default();
        let ((), begun) = tokio::join!(ban(&store, &user.id), store.insert(&row, &opening));
        begun.expect("insert");
        let left = store.find(row.session.id).await.expect("find");
        assert!(left.is_none(), "round {round} left a session to a disabled user");
    }
}
