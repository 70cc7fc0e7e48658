//! Hooks in the transactions that create users, and changes of users before they are created.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    AnonymousUsers, Auth, AuthError, AuthHook, Email, EmailCodes, EmailSignIn, EventKind,
    HookError, Oidc, Passkeys, Password, PgStore, RateLimits, SqliteStore, User, UserStatus,
    UserStorage,
    hook::SignUpDraft,
    sqlx::{self, Database as _, PgConnection, Postgres, Sqlite, SqliteConnection},
    store::{
        CreateUserOutcome, CreatedUser, Db, Migration, MigrationKind, SqlStore, Store,
        UserCreatedHook,
    },
    testing::{
        EventRecorder, FakeIdp, Mailbox, ManualClock, TestApp, TestClient, TestResponse,
        VirtualAuthenticator,
    },
};
use axum::Router;
use serde_json::json;

use crate::{
    passkeys::{ORIGIN, begin},
    places::{ACCOUNTS_POSTGRES, ACCOUNTS_SQLITE, Directory, Memory, accounts},
    providers::path_of,
    support::{Database, On, PASSWORD, sign_in, until, uuid},
};

const WORKSPACES: &str = "CREATE TABLE workspaces (owner_id TEXT PRIMARY KEY,
    origin TEXT NOT NULL, company TEXT, roles TEXT NOT NULL, runs BIGINT NOT NULL,
    number BIGINT NOT NULL)";
const INSERT: &str = "INSERT INTO workspaces (owner_id, origin, company, roles, runs, number)
    VALUES ($1, $2, $3, $4, 1, (SELECT COALESCE(MAX(number), 0) + 1 FROM workspaces))
    ON CONFLICT (owner_id) DO UPDATE SET origin = $2, company = $3, roles = $4,
        runs = workspaces.runs + 1, number = excluded.number";

#[derive(Clone, Copy, Debug)]
enum Failure {
    Rejection,
    Statement,
    /// The hook returns `Ok` after a statement failed.
    IgnoredStatement,
}

/// Writes a row for each user, and fails on demand.
#[derive(Clone, Default)]
struct Workspaces(Arc<Mutex<Option<Failure>>>);

impl Workspaces {
    fn fail(&self, failure: Option<Failure>) {
        *self.0.lock().unwrap() = failure;
    }
}

macro_rules! workspaces_in {
    ($db:ty, $connection:ty) => {
        impl UserCreatedHook<$db> for Workspaces {
            async fn user_created(
                &self,
                conn: &mut $connection,
                created: &CreatedUser,
            ) -> Result<(), HookError> {
                sqlx::query(INSERT)
                    .bind(created.user().id.as_str())
                    .bind(format!("{:?}", created.origin()))
                    .bind(created.kept::<String>("company"))
                    .bind(created.user().roles.join(" "))
                    .execute(&mut *conn)
                    .await?;
                let failure = *self.0.lock().unwrap();
                let wrong = sqlx::query("INSERT INTO nowhere VALUES (1)");
                match failure {
                    None => Ok(()),
                    Some(Failure::Rejection) => Err(HookError::reject("No workspace")),
                    Some(Failure::Statement) => {
                        wrong.execute(conn).await?;
                        Ok(())
                    }
                    Some(Failure::IgnoredStatement) => {
                        assert!(wrong.execute(conn).await.is_err());
                        Ok(())
                    }
                }
            }
        }
    };
}

workspaces_in!(Sqlite, SqliteConnection);
workspaces_in!(Postgres, PgConnection);

/// Stores the company of a sign-up, and sets a default role.
struct Company;

impl AuthHook for Company {
    async fn before_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
        if let Some(company) = sign_up.member::<String>("company") {
            sign_up.keep("company", &company);
        }
        sign_up.user_mut().roles.push("member".to_owned());
        Ok(())
    }
}

/// An application with two configurations on one store.
struct World<'a> {
    database: &'a Database,
    table: &'static str,
    hook: Workspaces,
    clock: ManualClock,
    mailbox: Mailbox,
    watch: EventRecorder,
    idp: FakeIdp,
    auth: Auth,
    app: TestApp,
    /// Verifies email addresses at sign-up.
    verifying: TestApp,
}

fn serve(auth: &Auth) -> Router {
    Router::new().nest("/auth", auth.router()).layer(auth.layer())
}

impl<'a> World<'a> {
    async fn new<DB: Db>(store: SqlStore<DB>, database: &'a Database, is_mapped: bool) -> Self
    where
        SqlStore<DB>: Store,
        Workspaces: UserCreatedHook<DB>,
    {
        database.run(WORKSPACES).await;
        let hook = Workspaces::default();
        let store = store.on_user_created(hook.clone());
        if is_mapped {
            let is_sqlite = DB::NAME == Sqlite::NAME;
            database.run(if is_sqlite { ACCOUNTS_SQLITE } else { ACCOUNTS_POSTGRES }).await;
        }
        let (mailbox, watch) = (Mailbox::default(), EventRecorder::default());
        let idp = FakeIdp::start("client", "secret").await;
        let clock = ManualClock::running();
        idp.clock(clock.clone());
        let build = async |verifies: bool| {
            let users = match is_mapped {
                true => UserStorage::mapped(&store, accounts()).await.unwrap(),
                false => UserStorage::managed(),
            };
            Auth::builder(store.clone())
                .origin(ORIGIN)
                .users(users)
                .clock(clock.clone())
                .max_clock_skew(None)
                .hook(Company)
                .mailer(mailbox.clone())
                .event_sink(watch.clone())
                .rate_limits(RateLimits::disabled())
                .flow(Password::new())
                .flow(AnonymousUsers::new())
                .flow(EmailCodes::new().verify_email_on_sign_up(verifies))
                .flow(EmailSignIn::new().allow_sign_up(true))
                .flow(Passkeys::new("Test").allow_sign_up(true))
                .flow(
                    Oidc::new("fake", idp.issuer(), "client")
                        .client_secret("secret")
                        .allow_sign_up(true),
                )
                .build()
                .unwrap()
        };
        let auth = build(false).await;
        let app = TestApp::serve(serve(&auth)).await;
        let verifying = TestApp::serve(serve(&build(true).await)).await;
        let table = if is_mapped { "accounts" } else { "auth_users" };
        Self { database, table, hook, clock, mailbox, watch, idp, auth, app, verifying }
    }

    /// The number of users, and how many times a hook has committed.
    async fn counts(&self) -> (i64, i64) {
        let users = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {}", self.table);
        let runs = "SELECT CAST(COALESCE(SUM(runs), 0) AS TEXT) FROM workspaces";
        let number = async |sql: &str| self.database.text(sql).await.parse().unwrap();
        (number(&users).await, number(runs).await)
    }

    /// The number of users for whom no hook has run.
    async fn without_hook(&self) -> String {
        let id = if self.table == "accounts" { "account_id" } else { "id" };
        let sql = format!(
            "SELECT CAST(COUNT(*) AS TEXT) FROM {} WHERE CAST({id} AS TEXT) NOT IN
            (SELECT owner_id FROM workspaces)",
            self.table
        );
        self.database.text(&sql).await
    }

    /// The row that a hook wrote last.
    async fn last_row(&self) -> String {
        let sql = "SELECT origin || ' ' || COALESCE(company, '-') || ' ' || roles || ' '
            || CAST(runs AS TEXT) FROM workspaces ORDER BY number DESC LIMIT 1";
        self.database.text(sql).await
    }

    /// The origins in the events of created users.
    fn created(&self) -> Vec<String> {
        let created = self.watch.all().into_iter();
        let created = created.filter(|event| event.kind == EventKind::UserCreated);
        created.map(|event| event.detail["origin"].as_str().unwrap().to_owned()).collect()
    }

    async fn code(&self, email: &str, before: usize) -> String {
        let address = Email::parse(email).unwrap();
        until("the delivery", async || self.mailbox.to(address.as_str()).len() > before).await;
        self.mailbox.to(address.as_str()).last().unwrap().code.clone().unwrap()
    }
}

type Ended = Result<(), String>;

fn ended(answer: &TestResponse) -> Ended {
    match answer.status.is_success() || answer.status.is_redirection() {
        true => Ok(()),
        false => Err(answer.code()),
    }
}

fn failed(error: &AuthError) -> String {
    error.kind().code().to_owned()
}

async fn sign_up(client: &TestClient, email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": PASSWORD, "company": "Acme" });
    client.post("/auth/sign-up", &body).await
}

/// Signs up with verification, with `failure` from the verification on.
async fn sign_up_by_code(world: &World<'_>, email: &str, failure: Option<Failure>) -> Ended {
    world.clock.advance(Duration::from_secs(60));
    let client = world.verifying.client();
    let before = world.mailbox.to(email).len();
    let challenge = sign_up(&client, email).await.json()["challenge"].clone();
    let code = world.code(email, before).await;
    world.hook.fail(failure);
    ended(&client.post("/auth/verify", &json!({ "challenge": challenge, "code": code })).await)
}

/// Runs a path that creates a user, with `failure` in its last request.
async fn run(world: &World<'_>, path: &str, failure: Option<Failure>) -> Ended {
    let (client, hook) = (world.app.client(), &world.hook);
    let new_user = |name: &str| {
        let mut user = User::new(uuid(name), "2026-01-01T00:00:00Z".parse().unwrap());
        user.email = Some(Email::parse(&format!("{name}@example.com")).unwrap());
        user
    };
    match path {
        "password" => {
            hook.fail(failure);
            ended(&sign_up(&client, "password@example.com").await)
        }
        "code" => sign_up_by_code(world, "code@example.com", failure).await,
        "anonymous" => {
            hook.fail(failure);
            ended(&client.post("/auth/anonymous", &json!({ "company": "Guests" })).await)
        }
        "upgrade" => {
            ended(&client.post("/auth/anonymous", &json!({})).await).unwrap();
            hook.fail(failure);
            ended(&sign_up(&client, "upgrade@example.com").await)
        }
        "passkey" => {
            let first = json!({ "email": "key@example.com", "company": "Keys" });
            let begun = begin(&client, "sign-up", &first).await;
            let credential = VirtualAuthenticator::new(ORIGIN).register(&begun["options"]);
            hook.fail(failure);
            let body = json!({
                "challenge": begun["challenge"], "credential": credential, "company": "Late",
            });
            ended(&client.post("/auth/passkeys/sign-up/finish", &body).await)
        }
        "email" => {
            world.clock.advance(Duration::from_secs(60));
            let (email, before) = ("mail@example.com", world.mailbox.to("mail@example.com").len());
            let first = json!({ "email": email, "company": "Mail" });
            let begun = client.post("/auth/email-sign-in", &first).await.json();
            let code = world.code(email, before).await;
            hook.fail(failure);
            let body = json!({ "challenge": begun["challenge"], "code": code, "company": "Late" });
            ended(&client.post("/auth/verify", &body).await)
        }
        "provider" => {
            let start = client.get("/auth/oauth/fake/start").await;
            let callback = path_of(&world.idp.authorize(&start.header("location")));
            hook.fail(failure);
            ended(&client.get(&callback).await)
        }
        "administration" => {
            hook.fail(failure);
            let made = world.auth.users().create(&new_user("admin")).await;
            made.map(drop).map_err(|error| failed(&error))
        }
        "import" => {
            hook.fail(failure);
            let line = format!("{}\n", json!({ "email": "import@example.com" }));
            let done = world.auth.users().import(line.as_bytes(), |_| {}).await.unwrap();
            if done.users == 1 { Ok(()) } else { Err("refused".to_owned()) }
        }
        "hash" => {
            hook.fail(failure);
            let hash = "$pbkdf2-sha256$i=600000,l=32$c2FsdHNhbHRzYWx0c2FsdA$\
                qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo";
            let passwords = world.auth.service::<Password>().unwrap();
            match passwords.import(&new_user("hash"), hash).await {
                Ok(CreateUserOutcome::Created(_)) => Ok(()),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(failed(&error)),
            }
        }
        "claim" => sign_up_by_code(world, "claim@example.com", failure).await,
        _ => panic!("{path}"),
    }
}

/// Each path with the row of the hook (origin, company, roles, runs), and with the origins in the
/// events of created users. The first request of an upgrade creates an anonymous user, and an
/// import records no events.
const PATHS: [(&str, &str, &[&str]); 11] = [
    ("password", "SignUp Acme member 1", &["sign_up"]),
    ("code", "SignUp Acme member 1", &["sign_up"]),
    ("anonymous", "Anonymous Guests member 1", &["anonymous"]),
    ("upgrade", "AnonymousUpgrade Acme member 2", &["anonymous"]),
    ("passkey", "SignUp Keys member 1", &["sign_up"]),
    ("email", "SignUp Mail member 1", &["sign_up"]),
    ("provider", "SignUp - member 1", &["sign_up"]),
    ("administration", "Administration - member 1", &["administration"]),
    ("import", "Import -  1", &[]),
    ("hash", "Import -  1", &["import"]),
    ("claim", "Claim Acme member 2", &[]),
];

async fn every_path(world: World<'_>, is_postgres: bool) {
    for (path, row, origins) in PATHS {
        if path == "claim" {
            sign_up(&world.app.client(), "claim@example.com").await;
        }
        let mut failures =
            vec![(Failure::Rejection, "forbidden"), (Failure::Statement, "unavailable")];
        if is_postgres {
            failures.push((Failure::IgnoredStatement, "unavailable"));
        }
        for (failure, code) in failures {
            let (users, runs) = world.counts().await;
            let created = world.created().len();
            let ended = run(&world, path, Some(failure)).await;
            world.hook.fail(None);
            let code = if path == "import" { "refused" } else { code };
            assert_eq!(ended, Err(code.to_owned()), "{path} {failure:?}");
            // The first request of an upgrade creates an anonymous user.
            let more = i64::from(path == "upgrade");
            assert_eq!(world.counts().await, (users + more, runs + more), "{path} {failure:?}");
            let created = world.created().len() - created;
            assert_eq!(created, usize::from(path == "upgrade"), "{path} {failure:?}");
        }
        let before = world.created().len();
        assert_eq!(run(&world, path, None).await, Ok(()), "{path}");
        assert_eq!(world.last_row().await, row, "{path}");
        assert_eq!(&world.created()[before..], origins, "{path}");
        assert_eq!(world.without_hook().await, "0", "{path}");
    }
    for email in ["password@example.com", "code@example.com", "claim@example.com"] {
        let signed_in = sign_in(&world.app.client(), email, PASSWORD).await;
        assert_eq!(signed_in.status, 200, "{email}");
        assert_eq!(signed_in.json()["user"]["roles"], json!(["member"]), "{email}");
    }
}

#[tokio::test]
async fn user_created_hook_runs_on_every_path_and_rolls_back() {
    for is_mapped in [false, true] {
        for on in [On::Sqlite, On::Postgres] {
            let database = Database::fresh(on).await;
            let url = database.url();
            match url.strip_prefix("sqlite:") {
                Some(path) => {
                    let store = SqliteStore::open(path).await.unwrap();
                    every_path(World::new(store, &database, is_mapped).await, false).await;
                }
                None => {
                    let store = PgStore::connect_with(&url, 2).await.unwrap();
                    every_path(World::new(store, &database, is_mapped).await, true).await;
                }
            }
            database.remove().await;
        }
    }
}

/// An `async fn` is a hook; several run in order.
#[tokio::test]
async fn user_created_async_functions_are_hooks_and_run_in_order() {
    async fn first(conn: &mut SqliteConnection, created: &CreatedUser) -> Result<(), HookError> {
        let id = created.user().id.as_str();
        sqlx::query("INSERT INTO log VALUES ($1, 'first')").bind(id).execute(conn).await?;
        Ok(())
    }
    async fn second(conn: &mut SqliteConnection, _: &CreatedUser) -> Result<(), HookError> {
        sqlx::query("UPDATE log SET entry = entry || ' second'").execute(conn).await?;
        Ok(())
    }
    let store = SqliteStore::memory().await.unwrap().on_user_created(first).on_user_created(second);
    let tables = [Migration::new(
        "0001_log",
        MigrationKind::Transaction,
        "CREATE TABLE log (user_id TEXT REFERENCES auth_users (id), entry TEXT)",
    )];
    store.migrate("app", &tables).await.unwrap();
    let pool = store.pool().clone();
    let auth = Auth::builder(store).origin(ORIGIN).flow(Password::new()).build().unwrap();
    let user = User::new(uuid("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
    auth.users().create(&user).await.unwrap();
    let entry = sqlx::query_scalar::<_, String>("SELECT entry FROM log WHERE user_id = $1");
    let entry = entry.bind(user.id.as_str()).fetch_one(&pool).await.unwrap();
    assert_eq!(entry, "first second");
}

#[tokio::test]
async fn user_created_hook_that_would_not_run_fails_to_build() {
    async fn hook(_: &mut SqliteConnection, _: &CreatedUser) -> Result<(), HookError> {
        Ok(())
    }
    let store = || async { SqliteStore::memory().await.unwrap() };
    let build = |store: SqliteStore, users: UserStorage| {
        Auth::builder(store).origin(ORIGIN).users(users).flow(Password::new()).build()
    };
    for (users, name) in [
        (UserStorage::custom(Memory::default()), "custom"),
        (UserStorage::external(Directory::default()), "external"),
    ] {
        let error = build(store().await.on_user_created(hook), users).unwrap_err().to_string();
        assert!(error.contains("on_user_created") && error.contains(name), "{error}");
    }
    let plain = store().await;
    sqlx::raw_sql(ACCOUNTS_SQLITE).execute(plain.pool()).await.unwrap();
    let users = UserStorage::mapped(&plain, accounts()).await.unwrap();
    let error = build(plain.clone().on_user_created(hook), users).unwrap_err().to_string();
    assert!(error.contains("after `UserStorage::mapped`"), "{error}");
    let hooked = plain.on_user_created(hook);
    let users = UserStorage::mapped(&hooked, accounts()).await.unwrap();
    build(hooked, users).unwrap();
}

/// A hook that changes what the sign-up verifies is an error of the application.
#[tokio::test]
async fn user_created_with_a_changed_identity_is_rejected() {
    struct Changes(&'static str);

    impl AuthHook for Changes {
        async fn before_sign_up(&self, sign_up: &mut SignUpDraft<'_>) -> Result<(), HookError> {
            let user = sign_up.user_mut();
            match self.0 {
                "id" => user.id = uuid("other"),
                "email" => user.email = Some(Email::parse("other@example.com").unwrap()),
                "email_verified_at" => user.email_verified_at = Some(user.created_at),
                "status" => user.status = UserStatus::Disabled,
                "is_anonymous" => user.is_anonymous = true,
                "tenant_id" => user.tenant_id = Some("acme".to_owned()),
                field => panic!("{field}"),
            }
            Ok(())
        }
    }

    for field in ["id", "email", "email_verified_at", "status", "is_anonymous", "tenant_id"] {
        let store = SqliteStore::memory().await.unwrap();
        let auth = Auth::builder(store)
            .origin(ORIGIN)
            .rate_limits(RateLimits::disabled())
            .hook(Changes(field))
            .flow(Password::new())
            .build()
            .unwrap();
        let app = TestApp::serve(serve(&auth)).await;
        let answer = sign_up(&app.client(), "ada@example.com").await;
        if field == "tenant_id" {
            assert_eq!(answer.json()["user"]["tenant_id"], "acme");
            continue;
        }
        assert_eq!(answer.status, 500, "{field}");
        assert!(auth.users().find_by_email("ada@example.com").await.unwrap().is_none());
    }
}

/// A transaction that PostgreSQL ends to resolve a conflict is repeated with its hook.
#[tokio::test]
async fn user_created_hook_runs_again_when_its_transaction_is_repeated() {
    struct FailsOnce(Arc<Mutex<u32>>);

    impl UserCreatedHook<Postgres> for FailsOnce {
        async fn user_created(
            &self,
            conn: &mut PgConnection,
            _: &CreatedUser,
        ) -> Result<(), HookError> {
            let run = {
                let mut runs = self.0.lock().unwrap();
                *runs += 1;
                *runs
            };
            if run == 1 {
                let sql = "DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$";
                sqlx::raw_sql(sql).execute(conn).await?;
            }
            Ok(())
        }
    }

    let database = Database::fresh(On::Postgres).await;
    let runs = Arc::new(Mutex::new(0));
    let store = PgStore::connect_with(&database.url(), 1).await.unwrap();
    let store = store.on_user_created(FailsOnce(Arc::clone(&runs)));
    let auth = Auth::builder(store).origin(ORIGIN).flow(Password::new()).build().unwrap();
    let user = User::new(uuid("ada"), "2026-01-01T00:00:00Z".parse().unwrap());
    auth.users().create(&user).await.unwrap();
    assert_eq!(*runs.lock().unwrap(), 2);
    assert!(auth.users().find(&user.id).await.unwrap().is_some());
    drop(auth);
    database.remove().await;
}
