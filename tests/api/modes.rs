//! Five storage modes, one behaviour.

use std::{sync::Arc, time::Duration};

use authlayer::{
    Claims, PgStore, SqliteStore, User, UserId, UserPatch, UserTable, Users, store::Store,
    testing::user_store_suite, users::CacheRules,
};
use serde_json::json;

use crate::{
    places::{self, Book, Directory, Memory, accounts, members},
    support::{Bed, Database, On, PASSWORD, id_of, sign_in, sign_up, uuid},
};

/// The modes, with two sorts of tables.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Managed,
    ManagedCore,
    Mapped,
    MappedLittle,
    Custom,
    External,
}

async fn users(mode: Mode, on: On, database: &Database, store: &impl Store) -> Users {
    let is_sqlite = on.is_sqlite();
    match mode {
        Mode::Managed => Users::managed(),
        Mode::ManagedCore => Users::managed_core(Book::default()),
        Mode::Mapped => {
            let sql = if is_sqlite { places::ACCOUNTS_SQLITE } else { places::ACCOUNTS_POSTGRES };
            database.run(sql).await;
            Users::mapped(store, accounts()).await.unwrap()
        }
        Mode::MappedLittle => {
            let sql = if is_sqlite { places::MEMBERS_SQLITE } else { places::MEMBERS_POSTGRES };
            database.run(sql).await;
            Users::mapped(store, members()).await.unwrap()
        }
        Mode::Custom => Users::custom(Memory::default()),
        Mode::External => Users::external(Directory::default()),
    }
}

async fn every_rule(mode: Mode) {
    for on in [On::Sqlite, On::SqliteOne, On::Postgres, On::PostgresOne] {
        for (name, rule) in user_store_suite() {
            println!("{mode:?} on {on:?}: {name}");
            let database = Database::fresh(on).await;
            let url = database.url();
            let one = matches!(on, On::SqliteOne | On::PostgresOne);
            if let Some(path) = url.strip_prefix("sqlite:") {
                let store = SqliteStore::open_with(path, if one { 0 } else { 4 }).await.unwrap();
                let users = users(mode, on, &database, &store).await;
                rule(std::sync::Arc::new(store.clone()), users).await;
                store.close().await;
            } else {
                let store = PgStore::connect_with(&url, if one { 1 } else { 5 }).await.unwrap();
                let users = users(mode, on, &database, &store).await;
                rule(std::sync::Arc::new(store.clone()), users).await;
                store.close().await;
            }
            database.remove().await;
        }
    }
}

macro_rules! every_mode {
    ($($name:ident: $mode:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            every_rule(Mode::$mode).await;
        }
    )*};
}

every_mode! {
    managed_passes_the_suite: Managed;
    managed_core_passes_the_suite: ManagedCore;
    mapped_passes_the_suite: Mapped;
    a_little_table_passes_the_suite: MappedLittle;
    custom_passes_the_suite: Custom;
    external_passes_the_suite: External;
}

/// What is wrong with a table is said at build, by name.
#[tokio::test]
async fn a_table_that_cannot_stand_is_an_error_that_says_why() {
    let good = "id TEXT PRIMARY KEY, email TEXT UNIQUE, born TIMESTAMP";
    for (on, cases) in
        [(On::Sqlite, "INTEGER PRIMARY KEY"), (On::Postgres, "BIGSERIAL PRIMARY KEY")]
    {
        let table = || UserTable::new("t");
        let wrong: Vec<(String, UserTable, &str)> = vec![
            (good.into(), UserTable::new("absent"), "there is no table absent"),
            (good.into(), table().email("mail"), "t.mail does not exist"),
            (good.into(), table().extra("plan"), "t.plan does not exist"),
            (
                good.into(),
                table().display_name("born"),
                "t.born is a time, and display_name wants text",
            ),
            (
                good.into(),
                table().email_verified_at("email"),
                "t.email is text, and email_verified_at wants a time or an integer",
            ),
            (good.into(), table().active("born"), "t.born is a time, and status wants a boolean"),
            (good.into(), table().roles("born"), "t.born is a time, and roles wants JSON"),
            (
                "id TEXT PRIMARY KEY, email TEXT".into(),
                table(),
                "t.email needs a unique index of its own",
            ),
            (
                "id TEXT PRIMARY KEY, email TEXT, x TEXT, UNIQUE (email, x)".into(),
                table(),
                "t.email needs a unique index",
            ),
            ("id TEXT, email TEXT UNIQUE".into(), table(), "t.id has to be unique"),
            (
                format!("id {cases}, email TEXT UNIQUE, plan TEXT NOT NULL"),
                table(),
                "t.plan must have a value and has no default",
            ),
            (
                "id INTEGER UNIQUE, email TEXT UNIQUE".into(),
                table(),
                "t.id has to be given by the database",
            ),
            (good.into(), table().email("email\" = email --"), "is no name"),
            (good.into(), table().id("id; DROP TABLE t"), "is no name"),
            (good.into(), table().extra("x'y"), "is no name"),
            (good.into(), UserTable::new("t\"; --"), "is no name"),
            (good.into(), UserTable::new("auth_users"), "auth_users is a table of this crate"),
            (
                good.into(),
                UserTable::new("auth_sessions"),
                "auth_sessions is a table of this crate",
            ),
        ];
        for (columns, table, message) in wrong {
            let database = Database::fresh(on).await;
            let said = error_of(&database, &columns, table, "").await;
            assert!(said.contains(message), "{on:?}: {said:?} does not say {message:?}");
            database.remove().await;
        }
        let database = Database::fresh(on).await;
        let row = "INSERT INTO t (id, email) VALUES ('1', 'Ada@Example.com')";
        let said = error_of(&database, good, table(), row).await;
        assert!(said.contains("t has addresses with capitals"), "{said}");
        database.remove().await;
        let database = Database::fresh(on).await;
        let row = format!("CREATE UNIQUE INDEX i ON t (lower(email)); {row}");
        let said = error_of(&database, "id TEXT PRIMARY KEY, email TEXT", table(), &row).await;
        assert_eq!(said, "");
        database.remove().await;
    }
}

async fn error_of(database: &Database, columns: &str, table: UserTable, more: &str) -> String {
    let url = database.url();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let store = SqliteStore::open(path).await.unwrap();
        database.run(&format!("CREATE TABLE t ({columns}); {more}")).await;
        let outcome = Users::mapped(&store, table).await;
        store.close().await;
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    } else {
        let store = PgStore::connect_with(&url, 1).await.unwrap();
        database.run(&format!("CREATE TABLE t ({columns}); {more}")).await;
        let outcome = Users::mapped(&store, table).await;
        store.close().await;
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }
}

#[derive(Debug, serde::Deserialize)]
struct Plan {
    plan: String,
    seats: u32,
}

async fn over_accounts(on: On) -> Bed {
    Bed::over(on, json!({}), async |store, database| {
        database
            .run(if on.is_sqlite() { places::ACCOUNTS_SQLITE } else { places::ACCOUNTS_POSTGRES })
            .await;
        store.mapped(accounts().profile::<Plan>()).await
    })
    .await
}

/// The row is the user: what the application writes there holds with the next request.
#[tokio::test]
async fn what_the_application_says_of_its_users_holds_at_once() {
    for on in [On::Sqlite, On::Postgres] {
        let bed = over_accounts(on).await;
        let ada = bed.browser("ada@example.com").await;
        let before = bed.statements().await;
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(bed.statements().await - before, 1, "session and user in one");
        assert_eq!(ada.get("/admin").await.status, 403);
        let roles = if on.is_sqlite() { "'[\"admin\"]'" } else { "'{admin}'" };
        bed.run(&format!("UPDATE accounts SET roles = {roles}")).await;
        assert_eq!(ada.get("/admin").await.status, 200);
        bed.run("UPDATE accounts SET state = 'banned'").await;
        assert_eq!(ada.get("/me").await.status, 401);
        let again = bed.client();
        assert_eq!(
            sign_in(&again, "ada@example.com", PASSWORD).await.code(),
            "invalid_credentials"
        );
        bed.run("UPDATE accounts SET state = 'enabled'").await;
        assert_eq!(ada.get("/me").await.status, 200);
        bed.run("DELETE FROM accounts").await;
        assert_eq!(ada.get("/me").await.status, 401);
        let bob = bed.browser("bob@example.com").await;
        assert_eq!(ada.get("/me").await.status, 401);
        assert_eq!(bob.get("/me").await.status, 200);
        bed.remove().await;
    }
}

/// Sign-up leaves the application's defaults alone, and its further columns have a type.
#[tokio::test]
async fn a_row_has_the_defaults_and_the_type_of_the_application() {
    for on in [On::Sqlite, On::Postgres] {
        let bed = over_accounts(on).await;
        bed.browser("ada@example.com").await;
        let users = bed.bed.auth.users();
        let ada = users.find_by_email("ada@example.com").await.unwrap().unwrap();
        assert_eq!((&ada.extra["plan"], &ada.extra["seats"]), (&json!("free"), &json!(3)));
        assert_ne!(ada.created_at, jiff::Timestamp::UNIX_EPOCH);
        bed.run("UPDATE accounts SET plan = 'pro', seats = 50").await;
        let ada = users.find(&ada.id).await.unwrap().unwrap();
        let plan = ada.profile::<Plan>().unwrap();
        assert_eq!((plan.plan.as_str(), plan.seats), ("pro", 50));
        bed.remove().await;
    }
}

/// The id of one who was deleted behind our back comes without keys to whoever gets it next.
#[tokio::test]
async fn an_id_that_comes_again_has_no_keys() {
    let bed = Bed::over(On::Sqlite, json!({}), async |store, database| {
        database.run(places::MEMBERS_SQLITE).await;
        store.mapped(members()).await
    })
    .await;
    let ada = bed.browser("ada@example.com").await;
    let (_, token, _) = bed.native("eve@example.com").await;
    assert_eq!(id_of(&ada).await, "1");
    bed.run("DELETE FROM members").await;
    let bob = bed.client();
    let body = json!({ "email": "bob@example.com", "password": "another zq8 xw2v" });
    assert_eq!(bob.post("/auth/sign-up", &body).await.status, 201);
    assert_eq!(id_of(&bob).await, "1", "SQLite gives it again");
    assert_eq!(ada.get("/me").await.status, 401);
    assert_eq!(bed.client().bearer(&token).get("/me").await.status, 401);
    assert_eq!(sign_in(&bed.client(), "bob@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&bed.client(), "bob@example.com", "another zq8 xw2v").await.status, 200);
    bed.remove().await;
}

/// A table with next to nothing: what security wants to know is kept on our side.
#[tokio::test]
async fn a_little_table_serves_every_flow() {
    for on in [On::Sqlite, On::Postgres] {
        let config = json!({ "verify_email": true });
        let bed = Bed::over(on, config, async |store, database| {
            database
                .run(if on.is_sqlite() { places::MEMBERS_SQLITE } else { places::MEMBERS_POSTGRES })
                .await;
            store.mapped(members()).await
        })
        .await;
        let ada = bed.client();
        let begun = sign_up(&ada, "ada@example.com").await;
        let mail = bed.client().get("/testbed/mail?to=ada@example.com").await.json();
        let code = mail["messages"][0]["code"].as_str().unwrap().to_owned();
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        assert_eq!(ada.post("/auth/verify", &body).await.status, 200);
        let user = ada.get("/me").await.json();
        assert_eq!(
            (&user["email_verified"], &user["display_name"]),
            (&json!(true), &json!("somebody"))
        );
        let before = bed.statements().await;
        assert_eq!(ada.get("/me").await.status, 200);
        assert_eq!(bed.statements().await - before, 1);
        let id = id_of(&ada).await;
        bed.change(&id, json!({ "status": "disabled" })).await;
        assert_eq!(ada.get("/me").await.status, 401);
        let users = bed.bed.auth.users();
        let refused = users.patch(&id_user(&id), &patch(json!({ "roles": ["admin"] }))).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.members(), [("member", json!("roles"))], "there is no place for roles");
        bed.remove().await;
    }
}

/// What users may do is the application's to say, and silence is not "nothing".
#[tokio::test]
async fn claims_come_from_the_application_or_nobody_gets_in() {
    for on in [On::Sqlite, On::Postgres] {
        let book = Book::default();
        let bed = Bed::over(on, json!({}), async |_, _| Users::managed_core(book.clone())).await;
        let ada = bed.browser("ada@example.com").await;
        assert_eq!(ada.get("/admin").await.status, 403);
        let claims = Claims { roles: vec!["admin".to_owned()], ..Claims::default() };
        let id = id_user(&id_of(&ada).await);
        book.claims.lock().unwrap().insert(id.clone(), claims);
        assert_eq!(ada.get("/admin").await.status, 200);
        *book.is_down.lock().unwrap() = true;
        for path in ["/me", "/maybe", "/admin"] {
            assert_eq!(ada.get(path).await.code(), "unavailable", "{path}");
        }
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 503);
        assert_eq!(ada.get("/public").await.status, 200);
        *book.is_down.lock().unwrap() = false;
        assert_eq!(ada.get("/me").await.status, 200);
        let change = patch(json!({ "roles": [] }));
        let refused = bed.bed.auth.users().patch(&id, &change).await.unwrap_err();
        assert_eq!(refused.members(), [("member", json!("roles"))]);

        book.asked.lock().unwrap().clear();
        let all = (0..16).map(|_| {
            let ada = ada.clone();
            tokio::spawn(async move { ada.get("/me").await.status })
        });
        for one in all.collect::<Vec<_>>() {
            assert_eq!(one.await.unwrap(), 200);
        }
        let questions = book.asked.lock().unwrap().len();
        assert!(questions < 16, "{questions} questions for sixteen requests at once");
        bed.remove().await;
    }
}

/// A store that keeps passwords too: we keep no hash.
#[tokio::test]
async fn an_application_may_keep_passwords_itself() {
    for on in [On::Sqlite, On::Postgres] {
        let memory = Memory { passwords: Some(Arc::default()), ..Memory::default() };
        let bed = Bed::over(on, json!({}), async |_, _| Users::custom(memory.clone())).await;
        let ada = bed.browser("ada@example.com").await;
        let hash =
            memory.passwords.as_ref().unwrap().lock().unwrap().values().next().cloned().unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let dump = String::from_utf8_lossy(&bed.dump().await).into_owned();
        assert!(!dump.contains("argon2id"), "no hash on our side");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "wrong password").await.status, 401);
        let body = json!({ "current_password": PASSWORD, "new_password": "a new zq8 xw2v" });
        assert_eq!(ada.post("/auth/password/change", &body).await.status, 200);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.status, 401);
        assert_eq!(sign_in(&bed.client(), "ada@example.com", "a new zq8 xw2v").await.status, 200);
        *memory.is_down.lock().unwrap() = true;
        assert_eq!(ada.get("/me").await.code(), "unavailable");
        *memory.is_down.lock().unwrap() = false;
        memory.users.lock().unwrap().clear();
        assert_eq!(ada.get("/me").await.status, 401, "gone there");
        bed.remove().await;
    }
}

/// Users elsewhere: nobody new without room for them, and rules for when nobody answers.
#[tokio::test]
async fn users_who_live_elsewhere_are_read_and_no_more() {
    for on in [On::Sqlite, On::Postgres] {
        let directory = Directory { takes_newcomers: false, ..Directory::default() };
        let rules =
            CacheRules { fresh: Duration::ZERO, stale: Duration::from_secs(600), users: 10 };
        let bed =
            Bed::over(on, json!({}), async |_, _| Users::external_with(directory.clone(), rules))
                .await;
        assert_eq!(sign_up(&bed.client(), "ada@example.com").await.code(), "sign_up_disabled");
        let mut ada = User::new(uuid("ada"), jiff::Timestamp::UNIX_EPOCH);
        ada.email = Some("ada@example.com".parse().unwrap());
        directory.memory.users.lock().unwrap().insert(ada.id.clone(), ada.clone());
        assert_eq!(sign_up(&bed.client(), "ada@example.com").await.code(), "email_taken");

        // A first password by a link, which proves the address too.
        let asked = bed
            .client()
            .post("/auth/password/forgot", &json!({ "email": "ada@example.com" }))
            .await;
        assert!(asked.status.is_success(), "{}", asked.json());
        let mail = bed.client().get("/testbed/mail?to=ada@example.com").await.json();
        let link = mail["messages"][0]["link"].as_str().unwrap().to_owned();
        let token = link.split("token=").nth(1).unwrap();
        let body = json!({ "token": token, "new_password": PASSWORD });
        assert_eq!(bed.client().post("/auth/password/reset", &body).await.status, 204);
        let client = bed.client();
        assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
        assert_eq!(client.get("/me").await.json()["email_verified"], true, "kept on our side");

        let body = json!({ "new_email": "eve@example.com" });
        let begun = client.post("/auth/email/change", &body).await;
        let mail = bed.client().get("/testbed/mail?to=eve@example.com").await.json();
        let code = mail["messages"][0]["code"].as_str().unwrap().to_owned();
        let body = json!({ "challenge": begun.json()["challenge"], "code": code });
        assert_eq!(
            client.post("/auth/verify", &body).await.code(),
            "forbidden",
            "not ours to change"
        );

        *directory.memory.is_down.lock().unwrap() = true;
        assert_eq!(client.get("/me").await.status, 200, "an old answer stands in");
        assert_eq!(sign_in(&bed.client(), "ada@example.com", PASSWORD).await.code(), "unavailable");
        bed.bed.auth.users().disable(&ada.id).await.unwrap();
        assert_eq!(client.get("/me").await.status, 401, "a ban is ours and holds at once");
        *directory.memory.is_down.lock().unwrap() = false;
        bed.bed.auth.users().enable(&ada.id).await.unwrap();
        let client = bed.client();
        assert_eq!(sign_in(&client, "ada@example.com", PASSWORD).await.status, 200);
        directory.memory.users.lock().unwrap().clear();
        assert_eq!(client.get("/me").await.status, 401, "gone there");
        bed.remove().await;
    }
}

fn id_user(id: &str) -> UserId {
    UserId::new(id)
}

fn patch(members: serde_json::Value) -> UserPatch {
    serde_json::from_value(members).unwrap()
}
