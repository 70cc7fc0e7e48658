//! The rules of transitions, wherever users live.

use super::{fixtures::at, users::World};
use crate::{
    model::User,
    store::{AccountWrites, Applied, EndSessions, Remove, Requirement, Unmet},
};

/// A transition writes the user and what signs the user in, both or neither.
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
