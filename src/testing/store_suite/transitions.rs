//! Rules for transitions, in every storage mode.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{
    fixtures::{at, session},
    users::World,
};
use crate::{
    model::{User, UserStatus},
    store::{
        AccountWrites, Applied, EditOutcome, EndSessions, InsertOptions, Remove, Requirement,
        SessionWrite, Unmet,
    },
};

/// A transition writes the user and the credentials in full or not at all.
pub(super) async fn transition_writes_all_or_nothing(world: World) {
    let user = world.sign_up("ada@example.com").await;
    let old = world.password(&user.id).await.expect("there");
    let apply = async |requires: Vec<Requirement>| {
        let write = |own: &User| {
            let after = User { email_verified_at: Some(at(7)), ..own.clone() };
            Some(AccountWrites {
                requires: requires.clone(),
                remove: Remove::AllBut { credentials: Vec::new(), keys: Vec::new() },
                end: EndSessions::All,
                ..AccountWrites::new(after)
            })
        };
        world.users.apply(&user.id, &write).await.expect("apply")
    };
    let unmet = apply(vec![Requirement::NoPassword]).await;
    assert!(matches!(unmet, Applied::Unmet(Unmet::Password)), "{unmet:?}");
    assert!(world.find(&user.id).await.expect("there").email_verified_at.is_none());
    assert!(world.password(&user.id).await.is_some());
    let stands = Requirement::Credential(old.id, Some(old.updated_at));
    let done = apply(vec![stands]).await;
    assert!(matches!(done, Applied::Done(_)), "{done:?}");
    assert!(world.find(&user.id).await.expect("there").email_verified_at.is_some());
    assert!(world.password(&user.id).await.is_none());
}

fn ban(user: &mut User) -> bool {
    user.status = UserStatus::Disabled;
    true
}

/// A ban and concurrent edits of the same user are all applied, in any order.
pub(super) async fn concurrent_ban_and_edits_are_all_applied(world: World) {
    for round in 0..6 {
        let user = world.sign_up(&format!("ada-{round}@example.com")).await;
        let mut edits = JoinSet::new();
        for number in 0..9 {
            let (users, id) = (Arc::clone(&world.users), user.id.clone());
            edits.spawn(async move {
                let verify = |user: &mut User| {
                    user.email_verified_at = Some(at(5));
                    true
                };
                let edited = match number {
                    4 => users.edit_user(&id, &ban, None).await,
                    _ => users.edit_user(&id, &verify, None).await,
                };
                edited.expect("edit")
            });
        }
        for edited in edits.join_all().await {
            assert!(matches!(edited, EditOutcome::Done(_)), "{edited:?}");
        }
        let found = world.find(&user.id).await.expect("there");
        assert_eq!(found.status, UserStatus::Disabled, "round {round}");
        assert!(found.email_verified_at.is_some(), "round {round}");
    }
}

/// A ban and concurrent new sessions of the same user leave no session, in any order.
pub(super) async fn concurrent_ban_and_new_session_leave_no_session(world: World) {
    for round in 0..8 {
        let user = world.sign_up(&format!("ada-{round}@example.com")).await;
        let (first, second) = (session(2 * round, &user.id), session(2 * round + 1, &user.id));
        let begin = |own: &User| {
            own.is_active().then(|| AccountWrites {
                session: Some(SessionWrite::Insert(Box::new(first.clone()), None)),
                ..AccountWrites::new(own.clone())
            })
        };
        let insert = async {
            // If users are in another store, the caller fetches the user again after the insert.
            if world.users.is_transactional() {
                world.ours.insert(&second, &InsertOptions::default()).await.expect("insert");
            }
        };
        let (banned, begun, ()) = tokio::join!(
            world.users.edit_user(&user.id, &ban, None),
            world.users.apply(&user.id, &begin),
            insert,
        );
        assert!(matches!(banned.expect("ban"), EditOutcome::Done(_)));
        begun.expect("apply");
        for row in [&first, &second] {
            let left = world.ours.find(row.session.id).await.expect("find");
            assert!(left.is_none(), "round {round} left a session of a disabled user");
        }
    }
}
