//! Creating and listing users without HTTP.

use authlayer::{
    Auth, Email, NewUser, PgStore, SqliteStore, User, UserId, UserStatus,
    users::{UserPage, UserQuery},
};

use crate::support::{Database, On};

async fn auth_on(database: &Database) -> Auth {
    let url = database.url();
    let builder = match url.strip_prefix("sqlite:") {
        Some(path) => Auth::builder(SqliteStore::open(path).await.unwrap()),
        None => Auth::builder(PgStore::connect_with(&url, 2).await.unwrap()),
    };
    builder.origin("http://localhost:3000").build().unwrap()
}

fn names(page: &UserPage) -> Vec<&str> {
    page.users.iter().filter_map(|user| user.display_name.as_deref()).collect()
}

#[tokio::test]
async fn created_users_have_distinct_ids_and_the_given_fields() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = auth_on(&database).await;
        let email = Email::parse("ada@example.com").unwrap();
        let new = NewUser::with_email(email.clone()).display_name("Ada").role("admin");
        let ada = auth.users().create(new).await.unwrap();
        let kiosk = auth.users().create(NewUser::new()).await.unwrap();
        assert_ne!(ada.id, kiosk.id);
        let found = auth.users().find_by_email("ada@example.com").await.unwrap().unwrap();
        assert_eq!(
            (&found.id, &found.email, found.has_role("admin")),
            (&ada.id, &Some(email), true)
        );
        assert_eq!((found.email_verified_at, found.created_at), (None, ada.created_at));
        assert!(found.created_at > authlayer::jiff::Timestamp::UNIX_EPOCH);
        drop(auth);
        database.remove().await;
    }
}

#[tokio::test]
async fn pages_list_every_matching_user_once() {
    for on in [On::Sqlite, On::Postgres] {
        let database = Database::fresh(on).await;
        let auth = auth_on(&database).await;
        let users = auth.users();
        for number in 0..7 {
            let role = if number % 2 == 0 { "even" } else { "odd" };
            let new = NewUser::new().display_name(format!("User {number}")).role(role);
            users.create(new).await.unwrap();
        }
        let first = users.list(&UserQuery::new().role("even").limit(3)).await.unwrap();
        assert_eq!(names(&first).len(), 3, "{on:?}");
        let mut seen: Vec<String> = names(&first).iter().map(ToString::to_string).collect();
        let mut cursor = first.next_cursor;
        while cursor.is_some() {
            let query = UserQuery::new().role("even").limit(3).cursor(cursor);
            let page = users.list(&query).await.unwrap();
            seen.extend(names(&page).iter().map(ToString::to_string));
            cursor = page.next_cursor;
        }
        seen.sort_unstable();
        assert_eq!(seen, ["User 0", "User 2", "User 4", "User 6"], "{on:?}");

        let all = users.list(&UserQuery::new()).await.unwrap();
        let key = |user: &User| (user.created_at, user.id.as_str().to_owned());
        assert!(all.users.is_sorted_by(|one, next| key(one) > key(next)), "the newest first");
        assert_eq!(all.users.len(), 7);
        let id: UserId = all.users.iter().find(|user| user.has_role("even")).unwrap().id.clone();
        users.disable(&id).await.unwrap();
        let disabled = users.list(&UserQuery::new().status(UserStatus::Disabled)).await.unwrap();
        assert_eq!(disabled.users.iter().map(|user| &user.id).collect::<Vec<_>>(), [&id]);
        let found = users.list(&UserQuery::new().search("User 3")).await.unwrap();
        assert_eq!(names(&found), ["User 3"]);
        let inside = users.list(&UserQuery::new().search("3")).await.unwrap();
        assert!(inside.users.is_empty(), "a text in the middle does not match: {inside:?}");
        for (query, count) in [
            (UserQuery::new(), 7),
            (UserQuery::new().role("even"), 4),
            (UserQuery::new().status(UserStatus::Disabled), 1),
            (UserQuery::new().search("User").role("odd").status(UserStatus::Active), 3),
            (UserQuery::new().search("User 7"), 0),
            (UserQuery::new().search("User\0"), 0),
        ] {
            assert_eq!(users.count(&query).await.unwrap(), count, "{on:?} {query:?}");
        }
        drop(auth);
        database.remove().await;
    }
}
