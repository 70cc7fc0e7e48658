//! Rules for tags of sessions.

use std::sync::Arc;

use super::fixtures::{at, session};
use crate::{
    model::{Factor, FactorProof, UserId},
    store::{InsertOptions, SessionTag, Store},
};

pub(super) async fn tags_revoke_only_the_sessions_that_have_all_of_them(store: Arc<dyn Store>) {
    // The users of these sessions are in another store.
    let store = store.without_users();
    let user = UserId::new("u");
    let tag = |name: &str| SessionTag::new("kiosk", name);
    let began: [&[&str]; 6] = [&["a", "1"], &["a", "2"], &["b", "3"], &["b"], &["c", "1"], &[]];
    for (byte, tags) in (1..).zip(began) {
        let mut row = session(byte, &user);
        row.tags = tags.iter().map(|name| tag(name)).collect();
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
        let found = store.find(row.session.id).await.expect("find").expect("the session");
        assert_eq!(found.row.tags, row.tags);
    }
    let end = async |tags: &[&str]| {
        let tags: Vec<_> = tags.iter().map(|name| tag(name)).collect();
        store.delete_tagged(&tags).await.expect("delete")
    };
    assert_eq!(end(&[]).await, 0, "no tags");
    assert_eq!(end(&["b", "1"]).await, 0, "of different sessions");
    assert_eq!(end(&["a", "1"]).await, 1);
    assert_eq!(end(&["a", "1"]).await, 0, "once");
    assert_eq!(end(&["2"]).await, 1);
    assert_eq!(end(&["b"]).await, 2);
    let left = store.list(&user, at(0)).await.expect("list");
    assert_eq!(left.len(), 2, "with another tag, and with none");
    // A tag goes with its session, so a new one with the same id has none.
    let gone = session(1, &user);
    assert!(store.insert(&gone, &InsertOptions::default()).await.expect("insert"));
    assert_eq!(end(&["a"]).await, 0);
}

pub(super) async fn credential_is_a_tag_of_the_sessions_it_was_verified_on(store: Arc<dyn Store>) {
    let store = store.without_users();
    let (user, other) = (UserId::new("u"), UserId::new("v"));
    let proof = |id: &str| FactorProof::new(Factor::Totp, at(0)).by(id);
    for (byte, user, id) in [(1, &user, "app"), (2, &user, "key"), (3, &other, "app")] {
        let mut row = session(byte, user);
        row.session.factors.push(proof(id));
        assert!(store.insert(&row, &InsertOptions::default()).await.expect("insert"));
    }
    let app = SessionTag::of_credential(&user, "app");
    // An explicit tag counts as well, of whichever user.
    let mut approved = session(4, &other);
    approved.tags = vec![app.clone(), SessionTag::new("programs", "tv")];
    assert!(store.insert(&approved, &InsertOptions::default()).await.expect("insert"));
    let both = [app.clone(), SessionTag::new("programs", "phone")];
    assert_eq!(store.delete_tagged(&both).await.expect("delete"), 0);
    let both = [SessionTag::new("programs", "tv"), app.clone()];
    assert_eq!(store.delete_tagged(&both).await.expect("delete"), 1);
    assert_eq!(store.delete_tagged(&[app]).await.expect("delete"), 1);
    assert_eq!(store.list(&user, at(0)).await.expect("list").len(), 1);
    assert_eq!(store.list(&other, at(0)).await.expect("list").len(), 1);
}
