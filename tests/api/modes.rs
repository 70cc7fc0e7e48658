//! Five storage modes, one behaviour.

use authlayer::{PgStore, SqliteStore, UserTable, Users, store::Store, testing::user_store_suite};

use crate::{
    places::{self, Book, Directory, Memory, accounts, members},
    support::{Database, On},
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
            let said = error_of(&database, &columns, table).await;
            assert!(said.contains(message), "{on:?}: {said:?} does not say {message:?}");
            database.remove().await;
        }
    }
}

async fn error_of(database: &Database, columns: &str, table: UserTable) -> String {
    let url = database.url();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let store = SqliteStore::open(path).await.unwrap();
        database.run(&format!("CREATE TABLE t ({columns})")).await;
        let outcome = Users::mapped(&store, table).await;
        store.close().await;
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    } else {
        let store = PgStore::connect_with(&url, 1).await.unwrap();
        database.run(&format!("CREATE TABLE t ({columns})")).await;
        let outcome = Users::mapped(&store, table).await;
        store.close().await;
        outcome.map(|_| String::new()).unwrap_or_else(|error| error.to_string())
    }
}
