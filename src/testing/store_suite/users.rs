//! Rules for users, in every storage mode.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::fixtures::{at, create, password_of, session, user_with as user_of};
use crate::{
    model::{Email, User, UserId, UserStatus},
    store::{
        AccountStore, CreateUserOutcome, Credential, CredentialKind, EditOutcome, InsertOptions,
        Store,
    },
    users::UserStorage,
};

/// A store, and the port to its users.
#[derive(Clone)]
pub(super) struct World {
    pub(super) ours: Arc<dyn Store>,
    pub(super) users: Arc<dyn AccountStore>,
}

impl World {
    pub(super) fn new(store: Arc<dyn Store>, users: UserStorage) -> Self {
        let (ours, users) = users.over(store, false).expect("no hooks");
        Self { ours, users }
    }

    pub(super) async fn sign_up(&self, email: &str) -> User {
        let user = user_with(email, email);
        match create(&*self.users, &user, Some(&password_of(&user.id))).await {
            CreateUserOutcome::Created(made) => *made,
            other => panic!("{email} could not sign up: {other:?}"),
        }
    }

    pub(super) async fn find(&self, id: &UserId) -> Option<User> {
        self.users.find_user(id).await.expect("find")
    }

    pub(super) async fn password(&self, id: &UserId) -> Option<Credential> {
        let kind = CredentialKind::Password;
        self.ours.find_credential(kind, id.as_str()).await.expect("find")
    }
}

/// Returns a UUID, the form of new ids; a table may not accept other ids.
fn id(name: &str) -> UserId {
    let mixed = |all: u128, byte: u8| all.wrapping_mul(0x0100_0000_01b3).wrapping_add(byte.into());
    UserId::new(uuid::Uuid::from_u128(name.bytes().fold(7, mixed)).to_string())
}

pub(super) fn user_with(name: &str, email: &str) -> User {
    user_of(id(name).as_str(), email)
}

fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

pub(super) async fn user_round_trips(world: World) {
    let wanted = full_user();
    let made = match create(&*world.users, &wanted, None).await {
        CreateUserOutcome::Created(made) => *made,
        other => panic!("{other:?}"),
    };
    let by_id = world.find(&made.id).await.expect("there");
    assert_eq!(format!("{by_id:?}"), format!("{made:?}"));
    let by_email = world.users.find_user_by_email(&email("ada@example.com")).await;
    assert_eq!(by_email.expect("find").expect("there").id, made.id);
    assert!(world.find(&UserId::new("nobody")).await.is_none());
    assert!(world.find(&UserId::new("")).await.is_none());
    // Stored fields are those that were given; fields for security are always stored.
    assert_eq!((&made.email, made.status), (&wanted.email, wanted.status));
    assert!(made.is_anonymous && made.email_verified_at.is_some());
    for (wanted, own) in [
        (&wanted.display_name, &made.display_name),
        (&wanted.username, &made.username),
        (&wanted.phone, &made.phone),
        (&wanted.avatar_url, &made.avatar_url),
    ] {
        assert!(own.is_none() || own == wanted, "{own:?}");
    }
    for (wanted, own) in
        [(&wanted.attributes, &made.attributes), (&wanted.user_metadata, &made.user_metadata)]
    {
        assert!(own.is_empty() || own == wanted, "{own:?}");
    }
}

pub(super) async fn concurrent_sign_ups_create_one_user(world: World) {
    // CR-07, CR-08
    let mut tries = JoinSet::new();
    for number in 0..16 {
        let users = Arc::clone(&world.users);
        tries.spawn(async move {
            let user = user_with(&format!("user-{number}"), "ada@example.com");
            create(&*users, &user, Some(&password_of(&user.id))).await
        });
    }
    let mut winners = Vec::new();
    for outcome in tries.join_all().await {
        match outcome {
            CreateUserOutcome::Created(user) => winners.push(user),
            CreateUserOutcome::EmailTaken => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert!(world.password(&winners[0].id).await.is_some());
    for number in 0..16 {
        let id = id(&format!("user-{number}"));
        let own = id == winners[0].id;
        assert_eq!(world.password(&id).await.is_some(), own, "a credential without its user");
    }
}

pub(super) async fn taken_user_name_and_taken_email_are_distinguished(world: World) {
    let named = |id: &str, email: &str| {
        let mut user = user_with(id, email);
        user.username = Some("ada".to_owned());
        user
    };
    let create = async |user: User| create(&*world.users, &user, None).await;
    let CreateUserOutcome::Created(first) = create(named("1", "ada@example.com")).await else {
        panic!()
    };
    if first.username.is_some() {
        let again = create(named("2", "eve@example.com")).await;
        assert!(matches!(again, CreateUserOutcome::UsernameTaken), "{again:?}");
    }
    let again = create(user_with("3", "ada@example.com")).await;
    assert!(matches!(again, CreateUserOutcome::EmailTaken), "{again:?}");
}

pub(super) async fn ban_revokes_all_sessions_permanently(world: World) {
    // A11, SE-08
    let user = world.sign_up("ada@example.com").await;
    let row = session(1, &user.id);
    assert!(world.ours.insert(&row, &InsertOptions::default()).await.expect("insert"));
    for status in [UserStatus::Disabled, UserStatus::Active] {
        let edit = |user: &mut User| {
            user.status = status;
            true
        };
        let edited = world.users.edit_user(&user.id, &edit, None).await.expect("edit");
        assert!(matches!(edited, EditOutcome::Done(_)), "{edited:?}");
        assert_eq!(world.find(&user.id).await.expect("there").status, status);
        assert!(world.ours.find(row.session.id).await.expect("find").is_none(), "{status:?}");
    }
}

pub(super) async fn deleted_user_leaves_no_rows(world: World) {
    let user = world.sign_up("ada@example.com").await;
    let row = session(1, &user.id);
    assert!(world.ours.insert(&row, &InsertOptions::default()).await.expect("insert"));
    assert!(world.password(&user.id).await.is_some());
    assert!(world.users.delete_user(&user.id).await.expect("delete"));
    assert!(world.ours.find(row.session.id).await.expect("find").is_none());
    assert!(world.password(&user.id).await.is_none());
    // Users in an external system are not deleted.
    if world.find(&user.id).await.is_none() {
        assert!(!world.users.delete_user(&user.id).await.expect("delete"));
        let edited = world.users.edit_user(&user.id, &|_| true, None).await.expect("edit");
        assert!(matches!(edited, EditOutcome::Unknown), "an edit made a user");
    }
}

pub(super) async fn edit_succeeds_or_names_the_unsupported_field(world: World) {
    let user = world.sign_up("ada@example.com").await;
    let edit = |user: &mut User| {
        user.display_name = Some("Ada".to_owned());
        true
    };
    match world.users.edit_user(&user.id, &edit, None).await.expect("edit") {
        EditOutcome::Done(edited) => {
            assert_eq!(edited.display_name.as_deref(), Some("Ada"));
            let found = world.find(&user.id).await.expect("there");
            assert_eq!(found.display_name.as_deref(), Some("Ada"));
        }
        EditOutcome::NotKept("display_name") => {
            let found = world.find(&user.id).await.expect("there");
            assert_ne!(found.display_name.as_deref(), Some("Ada"));
        }
        other => panic!("{other:?}"),
    }
    let edited = world.users.edit_user(&user.id, &|_| false, None).await.expect("edit");
    assert!(matches!(edited, EditOutcome::Refused), "{edited:?}");
}

pub(super) async fn concurrent_edits_are_all_applied(world: World) {
    let user = world.sign_up("ada@example.com").await;
    let mut edits = JoinSet::new();
    for number in 0..8 {
        let (users, id) = (Arc::clone(&world.users), user.id.clone());
        edits.spawn(async move {
            let edit = |user: &mut User| {
                user.user_metadata.insert(format!("n{number}"), json!(number));
                true
            };
            users.edit_user(&id, &edit, None).await.expect("edit")
        });
    }
    let outcomes = edits.join_all().await;
    let kept = outcomes.iter().filter(|edited| matches!(edited, EditOutcome::Done(_))).count();
    let refused =
        outcomes.iter().filter(|edited| matches!(edited, EditOutcome::NotKept(_))).count();
    assert!(kept == 8 || refused == 8, "{outcomes:?}");
    let found = world.find(&user.id).await.expect("there");
    assert!(refused == 8 || found.user_metadata.len() == 8, "{:?}", found.user_metadata);
}

pub(super) async fn email_verification_is_stored(world: World) {
    let user = world.sign_up("ada@example.com").await;
    assert!(user.email_verified_at.is_none());
    let prove = |user: &mut User| {
        user.email_verified_at = Some(at(5));
        true
    };
    let edited = world.users.edit_user(&user.id, &prove, None).await.expect("edit");
    assert!(matches!(edited, EditOutcome::Done(_)), "{edited:?}");
    assert!(world.find(&user.id).await.expect("there").email_verified_at.is_some());
}

pub(super) async fn email_changes_only_from_its_expected_value(world: World) {
    let ada = world.sign_up("ada@example.com").await;
    world.sign_up("bob@example.com").await;
    let change = async |from: &str, to: &str| {
        let (from, to) = (email(from), email(to));
        let edit = |user: &mut User| {
            let same = user.email.as_ref() == Some(&from);
            user.email = Some(to.clone());
            user.email_verified_at = Some(at(9));
            same
        };
        world.users.edit_user(&ada.id, &edit, None).await.expect("change")
    };
    match change("ada@example.com", "eve@example.com").await {
        EditOutcome::NotKept("email") => return,
        outcome => assert!(matches!(outcome, EditOutcome::Done(_)), "{outcome:?}"),
    }
    let changed = world.find(&ada.id).await.expect("there");
    assert_eq!(changed.email, Some(email("eve@example.com")));
    assert!(changed.email_verified_at.is_some());
    let gone = world.users.find_user_by_email(&email("ada@example.com")).await;
    assert!(gone.expect("find").is_none());
    let stale = change("ada@example.com", "new@example.com").await;
    assert!(matches!(stale, EditOutcome::Refused), "{stale:?}");
    let taken = change("eve@example.com", "bob@example.com").await;
    assert!(matches!(taken, EditOutcome::Taken), "{taken:?}");
}

pub(super) async fn anonymous_user_is_registered_once(world: World) {
    let nobody = User { is_anonymous: true, ..User::new(id("anonymous"), at(0)) };
    let made = match create(&*world.users, &nobody, None).await {
        CreateUserOutcome::Created(made) => *made,
        // Every user requires an email address.
        CreateUserOutcome::Refused => return,
        other => panic!("{other:?}"),
    };
    assert!(made.is_anonymous && made.email.is_none());
    let mut upgrades = JoinSet::new();
    for number in 0..8 {
        let (users, id) = (Arc::clone(&world.users), made.id.clone());
        upgrades.spawn(async move {
            let address = email(&format!("ada-{number}@example.com"));
            let edit = |user: &mut User| {
                let was = std::mem::replace(&mut user.is_anonymous, false);
                user.email = Some(address.clone());
                was
            };
            let password = Credential { id: format!("p{number}"), ..password_of(&id) };
            users.edit_user(&id, &edit, Some(&password)).await.expect("edit")
        });
    }
    let outcomes = upgrades.join_all().await;
    let done = outcomes.iter().filter(|edited| matches!(edited, EditOutcome::Done(_))).count();
    let refused =
        outcomes.iter().filter(|edited| matches!(edited, EditOutcome::NotKept(_))).count();
    assert!(done == 1 || refused == 8, "{outcomes:?}");
    assert_eq!(world.password(&made.id).await.is_some(), done == 1);
}

pub(super) async fn users_are_listed_in_pages(world: World) {
    let Ok(none) = world.users.list_users(None, 2).await else { return };
    assert!(none.is_empty());
    let mut wanted = Vec::new();
    for number in 0..5 {
        wanted.push(world.sign_up(&format!("user-{number}@example.com")).await.id);
    }
    let mut seen = Vec::new();
    loop {
        let page = world.users.list_users(seen.last(), 2).await.expect("list");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|user| user.id));
    }
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
}

fn full_user() -> User {
    let object = |value: Value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    User {
        email_verified_at: Some(at(1)),
        phone: Some("+491701234567".to_owned()),
        phone_verified_at: Some(at(2)),
        username: Some("ada".to_owned()),
        display_name: Some("Ada \u{1f469}\u{200d}\u{1f4bb} L\u{f6}velace".to_owned()),
        avatar_url: Some("https://example.com/a.png".to_owned()),
        tenant_id: Some("t1".to_owned()),
        is_anonymous: true,
        roles: vec!["admin".to_owned(), "ops".to_owned()],
        scopes: vec!["files:write".to_owned()],
        attributes: object(json!({ "level": 3, "deep": { "list": [1, null, "x'y\"z"] } })),
        status: UserStatus::Disabled,
        user_metadata: object(json!({ "theme": "dark" })),
        app_metadata: object(json!({ "plan": "pro" })),
        updated_at: at(3),
        ..user_with("full", "ada@example.com")
    }
}
