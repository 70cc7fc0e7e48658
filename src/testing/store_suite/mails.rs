//! Rules for messages that are not delivered yet.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;

use super::fixtures::{at, sign_up};
use crate::{
    crypto::digest::{Digest, Domain},
    model::{Email, User, UserId},
    store::{
        AccountWrites, Applied, Challenge, ChallengeKind, EndSessions, Requirement, Store,
        StoredMail,
    },
};

fn mail(id: &str, user: &UserId, due_at: Timestamp) -> StoredMail {
    StoredMail {
        id: id.to_owned(),
        user_id: Some(user.clone()),
        content: json!({ "to": "ada@example.com", "name": "t\u{e9}st" }),
        link: None,
        attempts: 0,
        created_at: at(0),
        due_at,
    }
}

fn digest(byte: u8) -> Digest {
    Digest::hash(Domain::DEVICE, &[byte])
}

async fn link(store: &Arc<dyn Store>, user: &User, kind: ChallengeKind) -> Challenge {
    let challenge = Challenge {
        id: digest(1),
        kind,
        user_id: Some(user.id.clone()),
        address: Email::parse("ada@example.com").ok(),
        code: None,
        tries: 3,
        data: json!({ "of": "first" }),
        created_at: at(0),
        expires_at: at(100),
    };
    assert!(store.insert_challenge(&challenge).await.expect("insert"));
    challenge
}

async fn find(store: &Arc<dyn Store>, id: Digest, now: i64) -> Option<Challenge> {
    store.find_challenge(&id, at(now)).await.expect("find")
}

async fn claimed(store: &Arc<dyn Store>, now: i64, until: i64) -> Vec<StoredMail> {
    store.claim_mails(at(now), at(until), 100).await.expect("claim")
}

pub(super) async fn due_message_is_claimed_once(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    for number in 0..40 {
        let own = mail(&format!("mail-{number}"), &user.id, at(10));
        store.insert_mail(&own).await.expect("insert");
        store.insert_mail(&own).await.expect("an insert of the same message");
    }
    assert!(claimed(&store, 9, 50).await.is_empty());
    let mut claims = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        claims.spawn(async move {
            let mut own = Vec::new();
            loop {
                let batch = store.claim_mails(at(10), at(50), 3).await.expect("claim");
                if batch.is_empty() {
                    return own;
                }
                own.extend(batch);
            }
        });
    }
    let all = claims.join_all().await.concat();
    // A claim skips what another one has locked, so that a claim after all of them may find more.
    let rest = claimed(&store, 10, 50).await;
    let mut ids: Vec<_> = all.iter().chain(&rest).map(|own| own.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), all.len() + rest.len()), (40, 40));
    let own = all.first().or(rest.first()).expect("a message").clone();
    assert_eq!((own.attempts, own.due_at, own.created_at), (1, at(50), at(0)));
    assert_eq!(own.content, json!({ "to": "ada@example.com", "name": "t\u{e9}st" }));
    assert!(!store.reschedule_mail(&own.id, at(10), at(60)).await.expect("reschedule"));
    assert!(store.reschedule_mail(&own.id, at(50), at(60)).await.expect("reschedule"));
    assert_eq!(claimed(&store, 59, 90).await.len(), 39);
    store.remove_mail(&own.id).await.expect("remove");
    assert!(claimed(&store, 60, 90).await.is_empty());
    assert!(!store.reschedule_mail(&own.id, at(60), at(70)).await.expect("reschedule"));
}

pub(super) async fn message_of_a_transition_is_stored_with_it(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let apply = async |id: &str, requires: Vec<Requirement>| {
        let write = |own: &User| {
            Some(AccountWrites {
                requires: requires.clone(),
                mails: vec![mail(id, &own.id, at(10))],
                ..AccountWrites::new(own.clone())
            })
        };
        store.apply(&user.id, &write).await.expect("apply")
    };
    let unmet = apply("rolled back", vec![Requirement::NoPassword]).await;
    assert!(matches!(unmet, Applied::Unmet(_)), "{unmet:?}");
    assert!(claimed(&store, 10, 20).await.is_empty());
    let done = apply("committed", Vec::new()).await;
    assert!(matches!(done, Applied::Done(_)), "{done:?}");
    let stored = claimed(&store, 10, 20).await;
    assert_eq!(stored.iter().map(|own| own.id.as_str()).collect::<Vec<_>>(), ["committed"]);
    assert!(store.delete_user(&user.id).await.expect("delete"));
    assert!(claimed(&store, 30, 40).await.is_empty(), "the deletion of the user deletes it");
}

pub(super) async fn copied_link_is_valid_beside_the_first(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    for (kind, life, tries) in [
        (ChallengeKind::Reset, (at(40), at(140)), 3),
        (ChallengeKind::EmailUndo, (at(0), at(100)), 3),
        (ChallengeKind::Recovery, (at(0), at(100)), 0),
    ] {
        let first = link(&store, &user, kind).await;
        let copy =
            async |own, to, now| store.copy_link(&user.id, &own, &to, at(now)).await.expect("copy");
        assert!(!copy(digest(9), digest(2), 40).await, "there is no such link");
        assert!(copy(first.id, digest(2), 40).await);
        let own = find(&store, digest(2), 50).await.expect("the copy");
        assert_eq!((own.kind, own.tries, own.data), (kind, tries, first.data.clone()));
        assert_eq!((own.user_id, own.address), (first.user_id.clone(), first.address.clone()));
        assert_eq!((own.created_at, own.expires_at), life);
        assert_eq!(own.code.is_some(), kind == ChallengeKind::Recovery);
        assert!(find(&store, first.id, 50).await.is_some(), "the first is valid too");
        assert!(!copy(first.id, digest(3), 100).await, "the first has expired");
        for id in [digest(1), digest(2)] {
            store.take_challenge(&id, None, at(50)).await.expect("take");
        }
    }
}

pub(super) async fn copied_link_does_not_outlive_a_revocation(store: Arc<dyn Store>) {
    for round in 0..24 {
        let user = sign_up(&store, &format!("ada-{round}@example.com")).await;
        let first = link(&store, &user, ChallengeKind::Reset).await;
        let end = |own: &User| {
            Some(AccountWrites {
                end: EndSessions::All,
                end_challenges: true,
                ..AccountWrites::new(own.clone())
            })
        };
        let second = digest(2);
        let (copied, ended) = tokio::join!(
            store.copy_link(&user.id, &first.id, &second, at(40)),
            store.apply(&user.id, &end),
        );
        copied.expect("copy");
        assert!(matches!(ended.expect("apply"), Applied::Done(_)));
        for id in [digest(1), digest(2)] {
            assert!(find(&store, id, 50).await.is_none(), "round {round}");
        }
    }
}

pub(super) async fn replaced_link_replaces_the_first(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    let first = link(&store, &user, ChallengeKind::Reset).await;
    let own = StoredMail { link: Some(first.id), ..mail("mail", &user.id, at(10)) };
    store.insert_mail(&own).await.expect("insert");
    let replace = async |link, new, now| {
        store.replace_link("mail", &link, &new, at(now)).await.expect("replace")
    };
    assert!(replace(first.id, digest(2), 40).await);
    assert!(!replace(first.id, digest(3), 40).await, "it was replaced before");
    assert!(find(&store, first.id, 50).await.is_none());
    let new = find(&store, digest(2), 139).await.expect("the new link");
    assert_eq!((new.created_at, new.expires_at, new.tries), (at(40), at(140), 3));
    let stored = claimed(&store, 50, 60).await;
    let links: Vec<_> = stored.iter().map(|own| own.link.map(Digest::to_base64)).collect();
    assert_eq!(links, [Some(digest(2).to_base64())]);
    assert!(!replace(digest(2), digest(3), 140).await, "it has expired");
}

pub(super) async fn abandoned_messages_are_swept(store: Arc<dyn Store>) {
    let user = sign_up(&store, "ada@example.com").await;
    for (id, due_at) in [("old", at(10)), ("new", at(20))] {
        store.insert_mail(&mail(id, &user.id, due_at)).await.expect("insert");
    }
    assert_eq!(store.sweep_mails(at(20), 100).await.expect("sweep"), 1);
    let left = claimed(&store, 30, 40).await;
    assert_eq!(left.iter().map(|own| own.id.as_str()).collect::<Vec<_>>(), ["new"]);
}
