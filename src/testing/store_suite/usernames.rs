//! Rules for usernames.

use super::{
    fixtures::create,
    users::{World, user_with},
};
use crate::{
    model::{User, Username},
    store::{CreateUserOutcome, EditOutcome},
};

/// For stores that find users by the skeleton of a username; our tables do if there are usernames.
pub(super) async fn usernames_that_look_alike_are_taken(world: World) {
    let (Ok(ada), Ok(alike)) = (Username::parse("ada"), Username::parse("\u{430}da")) else {
        return;
    };
    let named = |id: &str, name: &Username| {
        let mut user = user_with(id, &format!("{id}@example.com"));
        user.username = Some(name.to_string());
        user
    };
    let create = async |user: User| create(&*world.users, &user, None).await;
    let CreateUserOutcome::Created(first) = create(named("1", &ada)).await else { panic!() };
    let Ok(Some(found)) = world.users.find_user_by_skeleton(&alike).await else { return };
    assert_eq!(found.id, first.id);
    let found = async |name| world.users.find_user_by_username(name).await.expect("find");
    assert_eq!(found(&ada).await.map(|user| user.id), Some(first.id));
    assert!(found(&alike).await.is_none(), "found by the skeleton");
    let again = create(named("2", &alike)).await;
    assert!(matches!(again, CreateUserOutcome::UsernameTaken), "{again:?}");
    let second = world.sign_up("eve@example.com").await;
    let rename = |user: &mut User| {
        user.username = Some(alike.to_string());
        true
    };
    let renamed = world.users.edit_user(&second.id, &rename, None).await.expect("edit");
    assert!(matches!(renamed, EditOutcome::Taken | EditOutcome::NotKept(_)), "{renamed:?}");
}
