//! The command `authlayer`, as a program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use authlayer::{
    Auth, Email, NewUser, Password, PasswordReset, PgStore, RateLimits, SqliteStore, User,
    crypto::password::{Argon2Params, PasswordHashing},
    store::Store,
    testing::{Mailbox, TestApp},
};
use axum::Router;
use serde_json::{Value, json};

use crate::{
    places::{ACCOUNTS_POSTGRES, ACCOUNTS_SQLITE, accounts},
    support::{Database, On, PASSWORD, sign_in, sign_up, unique, until},
    testbed,
};

const BINARY: &str = env!("CARGO_BIN_EXE_authlayer");
const NEW_PASSWORD: &str = "kv7 otter lamp";
const ORIGIN: &str = "https://app.example.com";

/// The result of a command.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Returns the only document of the output.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }

    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn command(database: &str, args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env("DATABASE_URL", database).stdin(Stdio::null());
    for name in ["AUTHLAYER_ORIGIN", "AUTHLAYER_ADMIN_ROLE", "SMTP_URL"] {
        command.env_remove(name);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for a program. No output has a password or a character that a terminal interprets.
fn ended(child: Child) -> Ran {
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(ended.stdout), text(ended.stderr));
    let ran = Ran { code: ended.status.code().unwrap(), out, err };
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains(PASSWORD) && !text.contains(NEW_PASSWORD), "{text}");
        let is_plain =
            |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..'\u{202f}').contains(&c));
        assert!(text.chars().all(is_plain), "{text:?}");
    }
    ran
}

fn run(database: &str, args: &[&str]) -> Ran {
    ended(command(database, args).spawn().unwrap())
}

/// Runs a command with text on standard input.
fn run_with(database: &str, args: &[&str], input: &str) -> Ran {
    let mut child = command(database, args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    ended(child)
}

/// An application on a database, with the clock of the machine.
struct World {
    database: Database,
    url: String,
    auth: Auth,
    app: TestApp,
}

impl World {
    async fn new(on: On) -> Self {
        let database = Database::fresh(on).await;
        let url = database.url();
        let auth = match &database {
            Database::File(path) => auth(SqliteStore::open(path).await.unwrap()),
            Database::Schema { .. } => auth(PgStore::connect_with(&url, 3).await.unwrap()),
        };
        let app = Router::new().nest("/auth", auth.router()).layer(auth.layer());
        Self { database, url, auth, app: TestApp::serve(app).await }
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(&self.url, args)
    }

    /// Runs a command that succeeds.
    fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.out, ran.err);
        ran
    }

    /// Runs a command that fails, and returns its exit code and the code of the error.
    fn error(&self, args: &[&str]) -> (i32, String) {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.out, "", "{args:?}");
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        (ran.code, error["error"]["code"].as_str().unwrap().to_owned())
    }

    async fn create(&self, email: &str, change: impl FnOnce(NewUser) -> NewUser) -> User {
        let new = NewUser::with_email(Email::parse(email).unwrap());
        self.auth.users().create(change(new)).await.unwrap()
    }

    async fn remove(self) {
        self.auth.shutdown(Duration::from_secs(5)).await;
        drop((self.auth, self.app));
        self.database.remove().await;
    }
}

fn auth(store: impl Store) -> Auth {
    let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
    Auth::builder(store)
        .origin("http://localhost:3000")
        .rate_limits(RateLimits::disabled())
        .audit_log(Duration::from_secs(3600))
        .flow(Password::new().insecure_scheme(cheap))
        .build()
        .unwrap()
}

/// Runs tests on a file and on a schema of PostgreSQL.
macro_rules! on_both {
    ($($name:ident),*) => {$(
        mod $name {
            use crate::support::On;

            #[tokio::test]
            async fn sqlite() {
                super::$name(On::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$name(On::Postgres).await;
            }
        }
    )*};
}

on_both!(
    users_are_administered,
    hostile_text_is_escaped,
    last_administrator_remains,
    database_is_migrated_by_migrate_only,
    follow_prints_new_events,
    export_is_imported_and_an_import_resumed,
    killed_import_is_resumed_without_duplicates,
    doctor_reports_what_to_do,
    messages_are_left_to_the_application,
    users_of_the_application_are_rejected
);

async fn users_are_administered(on: On) {
    let world = World::new(on).await;
    let create = ["users", "create", "ada@example.com", "--name", "Ada", "--role", "admin"];
    let created = run_with(
        &world.url,
        &[&create[..], &["--verified", "--password-stdin", "--json"]].concat(),
        &format!("{PASSWORD}\n"),
    );
    assert_eq!(created.code, 0, "{}", created.err);
    let ada = created.json();
    let id = ada["id"].as_str().unwrap();
    assert_eq!((&ada["has_password"], &ada["email_verified"]), (&json!(true), &json!(true)));
    assert_eq!(world.error(&create), (1, "email_taken".to_owned()));
    let weak =
        run_with(&world.url, &["users", "create", "b@example.com", "--password-stdin"], "123\n");
    assert_eq!(weak.code, 1);
    assert!(weak.err.contains("too_short"), "{}", weak.err);

    // The running application sees every change.
    let browser = world.app.client();
    assert_eq!(sign_in(&browser, "ada@example.com", PASSWORD).await.status, 200);
    let sessions = world.ok(&["sessions", "list", "ada@example.com", "--json"]).lines();
    assert_eq!(sessions.len(), 1);
    let session = sessions[0]["id"].as_str().unwrap();
    assert_eq!(sessions[0]["factors"][0]["method"], "password");
    assert!(world.ok(&["sessions", "list", id]).out.contains("LAST SEEN"));
    let revoke = ["sessions", "revoke", id, session];
    assert_eq!(world.error(&revoke), (2, "usage".to_owned()), "not confirmed");
    assert_eq!(world.ok(&[&revoke[..], &["--yes", "--json"]].concat()).json()["revoked"], 1);
    assert_eq!(world.error(&[&revoke[..], &["--yes"]].concat()), (1, "not_found".to_owned()));
    until("the session ends", async || browser.get("/auth/session").await.status == 401).await;

    let other = sign_in(&world.app.client(), "ada@example.com", "wrong").await;
    assert_eq!(other.status, 401);
    let failed = async || {
        let shown = world.ok(&["users", "show", "ada@example.com"]).out;
        shown.contains("sign_in_failed") && shown.contains("password            true")
    };
    until("the failure is shown", failed).await;

    let roles = world.ok(&["users", "roles", id, "--add", "editor", "--remove", "admin"]);
    assert_eq!(roles.out, "editor\n");
    let disabled = world.ok(&["users", "disable", id, "--yes", "--json"]).json();
    assert_eq!(disabled["status"], "disabled");
    assert_eq!(sign_in(&world.app.client(), "ada@example.com", PASSWORD).await.status, 401);
    let listed = world.ok(&["users", "list", "--status", "disabled", "--search", "ada@"]);
    assert!(listed.out.starts_with("ID ") && listed.out.lines().count() == 2, "{}", listed.out);
    world.ok(&["users", "enable", id]);
    let set = ["users", "set-password", id, "--password-stdin"];
    assert_eq!(run_with(&world.url, &set, &format!("{NEW_PASSWORD}\n")).code, 0);
    assert_eq!(sign_in(&world.app.client(), "ada@example.com", NEW_PASSWORD).await.status, 200);

    assert_eq!(world.ok(&["factors", "list", id]).out, "");
    let remove = ["factors", "remove", id, "unknown", "--yes"];
    assert_eq!(world.error(&remove), (1, "not_found".to_owned()));
    assert_eq!(world.error(&["users", "delete", id]), (2, "usage".to_owned()));
    assert_eq!(world.ok(&["users", "delete", id, "--yes", "--json"]).json()["deleted"], id);
    assert_eq!(world.error(&["users", "show", id]), (1, "not_found".to_owned()));
    let events = world.ok(&["events", "--user", id, "--json", "--limit", "1000"]).lines();
    let kinds: Vec<_> = events.iter().map(|own| own["kind"].as_str().unwrap()).collect();
    for kind in [
        "user_created",
        "signed_in",
        "session_revoked",
        "roles_changed",
        "user_disabled",
        "user_enabled",
        "password_changed",
        "user_deleted",
    ] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    world.remove().await;
}

async fn hostile_text_is_escaped(on: On) {
    let world = World::new(on).await;
    let names = ["\u{1b}]0;owned\u{7}", "\u{202e}nimda", "two\nlines\r", "\u{9b}31m李李"];
    for (number, name) in names.iter().enumerate() {
        world.create(&format!("user-{number}@example.com"), |own| own.display_name(*name)).await;
    }
    let listed = world.ok(&["users", "list"]);
    assert_eq!(listed.out.lines().count(), names.len() + 1, "{}", listed.out);
    for escaped in ["\\u{1b}]0;owned\\u{7}", "\\u{202e}nimda", "two\\nlines\\r", "\\u{9b}31m李李"]
    {
        assert!(listed.out.contains(escaped), "{}", listed.out);
    }
    let json = world.ok(&["users", "list", "--json"]);
    let mut read: Vec<_> = json.lines().iter().map(|own| own["display_name"].clone()).collect();
    read.reverse();
    assert_eq!(json!(read), json!(names), "JSON has the text as it is stored");
    let unknown = world.run(&["users", "show", "\u{1b}[31m\u{202e}"]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("no user has the id"), "{}", unknown.err);
    assert_eq!(world.run(&["users", "\u{1b}[31m"]).code, 2, "an error of the arguments");
    // The reader of a pipe that ends early is no failure.
    let mut child = command(&world.url, &["users", "list"]).spawn().unwrap();
    drop(child.stdout.take());
    let closed = ended(child);
    assert_eq!((closed.code, closed.err.as_str()), (0, ""));
    world.remove().await;
}

async fn last_administrator_remains(on: On) {
    let world = World::new(on).await;
    let ada = world.create("ada@example.com", |own| own.role("admin")).await;
    let bob = world.create("bob@example.com", |own| own).await;
    let last = (1, "last_admin".to_owned());
    let role = ["--admin-role", "admin", "--yes"];
    for act in [
        &["users", "disable", "ada@example.com"][..],
        &["users", "delete", "ada@example.com"],
        &["users", "roles", "ada@example.com", "--remove", "admin"],
    ] {
        assert_eq!(world.error(&[act, &role].concat()), last, "{act:?}");
        let by_ada = ["--as", "ada@example.com"];
        assert_eq!(world.error(&[act, &role, &by_ada].concat()), last, "{act:?}");
    }
    let by_bob = ["users", "disable", "ada@example.com", "--as", "bob@example.com"];
    assert_eq!(world.error(&[&by_bob[..], &role].concat()), (1, "forbidden".to_owned()));
    let act = ["users", "roles", bob.id.as_str(), "--add", "admin", "--as", "ada@example.com"];
    world.ok(&[&act[..], &role].concat());
    let events = world.ok(&["events", "--kind", "roles_changed", "--json"]).lines();
    assert_eq!(events[0]["actor_id"], ada.id.as_str());
    world
        .ok(&[&["users", "disable", "ada@example.com", "--as", "bob@example.com"][..], &role]
            .concat());
    // Without the role, nothing is known about administrators.
    world.ok(&["users", "delete", bob.id.as_str(), "--yes"]);
    world.remove().await;
}

async fn database_is_migrated_by_migrate_only(on: On) {
    let database = Database::fresh(on).await;
    let url = database.url();
    let exists = || match &database {
        Database::File(path) => path.exists(),
        Database::Schema { .. } => true,
    };
    let before = exists();
    let listed = run(&url, &["users", "list", "--json"]);
    assert_eq!(listed.code, 3);
    assert_eq!(exists(), before, "no file is created");
    if on == On::Postgres {
        assert!(listed.err.contains("migrations_pending"), "{}", listed.err);
        let check = run(&url, &["migrate", "--check", "--json"]);
        assert_eq!(check.code, 1);
        assert!(check.json()["pending"].as_array().unwrap().len() > 10);
        // The script is that of all migrations, and can be run.
        let script = run(&url, &["migrate", "--print"]);
        database.run(&script.out).await;
    } else {
        assert_eq!(run(&url, &["migrate", "--check"]).code, 3, "there is no file");
        assert!(run(&url, &["migrate"]).out.starts_with("applied 0001_core\n"));
    }
    let current = run(&url, &["migrate", "--json"]);
    assert_eq!((current.code, current.json()), (0, json!({ "applied": [] })));
    assert_eq!(run(&url, &["migrate", "--check"]).out, "no migration is pending\n");
    assert_eq!(run(&url, &["users", "list"]).code, 0);
    // The migrations that an older database lacks, which have their own script.
    for index in ["newest", "inactive", "email_id", "display_name", "username_lower"] {
        database.run(&format!("DROP INDEX auth_users_{index}")).await;
    }
    database.run("DELETE FROM auth_migrations WHERE name = '0018_user_search'").await;
    let old = run(&url, &["users", "list"]);
    assert_eq!(old.code, 3);
    assert!(
        old.err.contains("0018_user_search") && old.err.contains("authlayer migrate"),
        "{}",
        old.err
    );
    let script = run(&url, &["migrate", "--print"]).out;
    assert!(script.contains("0018_user_search") && !script.contains("0001_core"), "{script}");
    assert_eq!(script.contains("CONCURRENTLY"), on == On::Postgres, "{script}");
    assert_eq!(run(&url, &["migrate"]).out, "applied 0018_user_search\n");
    // A newer database.
    database
        .run(
            "INSERT INTO auth_migrations (name, checksum, applied_at, oldest_version)
            VALUES ('9999_future', 'x', 0, '99.0.0')",
        )
        .await;
    for args in [&["users", "list"][..], &["migrate"], &["migrate", "--check"]] {
        let newer = run(&url, args);
        assert_eq!(newer.code, 3, "{args:?}");
        assert!(newer.err.contains("upgrade authlayer"), "{}", newer.err);
    }
    database.remove().await;
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

async fn follow_prints_new_events(on: On) {
    let world = World::new(on).await;
    let ada = world.create("ada@example.com", |own| own).await;
    let stored = async || world.ok(&["events", "--json"]).out.contains("user_created");
    until("the first event is stored", stored).await;
    let mut child = command(&world.url, &["events", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["kind"], "user_created");
    for act in ["disable", "enable"] {
        world.ok(&["users", act, ada.id.as_str(), "--yes"]);
        let event = next();
        assert_eq!(
            (&event["kind"], &event["user_id"]),
            (&json!(format!("user_{act}d")), &json!(ada.id))
        );
    }
    interrupt(&child);
    assert_eq!(ended(child).code, 0);
    assert!(lines.next().is_none(), "each event is printed once");
    world.remove().await;
}

async fn export_is_imported_and_an_import_resumed(on: On) {
    let (from, to) = (World::new(on).await, World::new(on).await);
    assert_eq!(sign_up(&from.app.client(), "ada@example.com").await.status, 201);
    let mut file = from.ok(&["export"]).out;
    let path = std::env::temp_dir().join(unique());
    let name = path.to_str().unwrap();
    assert_eq!(from.ok(&["export", "--output", name, "--json"]).json()["users"], 1);
    assert_eq!(from.error(&["export", "--output", name]), (1, "io".to_owned()), "never replaced");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), file);
    for number in 0..700 {
        let (id, email) = (format!("user-{number}"), format!("user-{number}@example.com"));
        file += &format!("{}\n", json!({ "id": id, "email": email }));
    }
    // An import is interrupted after the first batch.
    let import = ["import", "--from", "authlayer", "-", "--json"];
    let mut child = command(&to.url, &import).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let part: String = file.split_inclusive('\n').take(600).collect();
    input.write_all(part.as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let progress: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(progress, json!({ "lines": 500, "users": 500, "skipped": 0, "rejected": 0 }));
    interrupt(&child);
    let mut child = child;
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
    assert!(
        err.contains("stopped after line 500") && err.contains("Run the same command"),
        "{err}"
    );
    // It continues with the same file, and rejects only invalid lines.
    file += "{\"email\": \"\u{1b}[31m\"}\n";
    std::fs::write(&path, &file).unwrap();
    let ran = to.run(&["import", "--from", "authlayer", name, "--json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let done = ran.lines().pop().unwrap();
    let counted = (&done["users"], &done["skipped"], &done["rejected"]);
    assert_eq!(counted, (&json!(201), &json!(500), &json!(1)));
    assert_eq!(done["refusals"][0]["line"], 702);
    let text = to.run(&["import", "--from", "authlayer", name]);
    assert!(
        text.out.ends_with("imported 0 users of 702 lines, 701 existed, 1 lines were rejected\n")
    );
    assert_eq!(sign_in(&to.app.client(), "ada@example.com", PASSWORD).await.status, 200);
    assert_eq!(to.ok(&["users", "list", "--all", "--json"]).lines().len(), 701);
    // Files of other systems, with the parameters that their hashes need.
    let fixture =
        |name: &str| format!("{}/tests/vectors/import/{name}", env!("CARGO_MANIFEST_DIR"));
    let devise = fixture("devise.jsonl");
    let done = to.run(&["import", "--from", "devise", "--peppered", &devise, "--json"]).lines();
    assert!(done.last().unwrap()["users"].as_u64().unwrap() > 0);
    let django = fixture("django.jsonl");
    for (imported, skipped) in [(true, false), (false, true)] {
        let done = to.run(&["import", "--from", "django", &django, "--json"]).lines();
        let count = |name: &str| done.last().unwrap()[name].as_u64().unwrap() > 0;
        assert_eq!((count("users"), count("skipped")), (imported, skipped));
    }
    std::fs::remove_file(&path).unwrap();
    from.remove().await;
    to.remove().await;
}

async fn killed_import_is_resumed_without_duplicates(on: On) {
    let to = World::new(on).await;
    let line = |number: u32| {
        format!("{}\n", json!({ "id": number, "email": format!("user-{number}@example.com") }))
    };
    let args = ["import", "--from", "laravel", "-", "--json"];
    let mut child = command(&to.url, &args).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all((0..1100).map(line).collect::<String>().as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(input);
    let stored = to.ok(&["users", "list", "--all", "--json"]).lines().len();
    assert!(stored == 500 || stored == 1000, "whole batches: {stored}");

    let path = std::env::temp_dir().join(unique());
    std::fs::write(&path, (0..1100).map(line).collect::<String>()).unwrap();
    let name = path.to_str().unwrap();
    let done = to.ok(&["import", "--from", "laravel", name, "--json"]).lines().pop().unwrap();
    assert_eq!((&done["users"], &done["skipped"]), (&json!(1100 - stored), &json!(stored)));
    assert_eq!(to.ok(&["users", "list", "--all", "--json"]).lines().len(), 1100);
    std::fs::remove_file(&path).unwrap();
    to.remove().await;
}

fn check<'a>(document: &'a Value, name: &str) -> &'a Value {
    let checks = document["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {document}"))
}

async fn doctor_reports_what_to_do(on: On) {
    let empty = Database::fresh(on).await;
    let ran = run(&empty.url(), &["doctor", "--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.json()["ok"], false);
    empty.remove().await;
    let world = World::new(on).await;
    let ran = world.ok(&["doctor", "--json", "--origin", ORIGIN]);
    let found = ran.json();
    let names: &[&str] = match on {
        On::Sqlite => {
            &["migrations", "version", "journal", "integrity", "changes", "origin", "cookies"]
        }
        _ => &["migrations", "version", "pooler", "clock", "changes", "origin", "cookies"],
    };
    for name in names {
        assert_eq!(check(&found, name)["status"], "ok", "{name}: {found}");
    }
    assert_eq!(check(&found, "mail")["status"], "skipped");
    let bad = world.run(&["doctor", "--json", "--origin", "http://app.example.com"]);
    assert_eq!((bad.code, &check(&bad.json(), "origin")["status"]), (1, &json!("failed")));
    // Nothing listens there.
    let smtp = ["--smtp", "smtp+plain://ada:secret-word@127.0.0.1:1?from=a@example.com"];
    let mail = world.run(&[&["doctor"][..], &smtp].concat());
    assert_eq!(mail.code, 1);
    assert!(mail.out.contains("failed  mail"), "{}", mail.out);
    assert!(!format!("{}{}", mail.out, mail.err).contains("secret-word"));
    if let Database::Schema { name } = &world.database {
        // A role that cannot change users.
        let role = unique();
        let run_sql = async |sql: String| world.database.run(&sql).await;
        run_sql(format!("CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {name} TO {role};")).await;
        run_sql(format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {role}"
        ))
        .await;
        run_sql(format!("REVOKE UPDATE ON {name}.auth_users FROM {role}")).await;
        let url = world.url.replacen("postgres@", &format!("{role}@"), 1);
        assert_ne!(url, world.url, "the URL of the tests has the role postgres");
        let ran = run(&url, &["doctor", "--json"]);
        run_sql(format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
        let found = ran.json();
        let role = check(&found, "role");
        assert_eq!((ran.code, &role["status"]), (1, &json!("failed")));
        assert!(role["found"].as_str().unwrap().contains("auth_users UPDATE"), "{role}");
    }
    world.remove().await;
}

async fn messages_are_left_to_the_application(on: On) {
    let world = World::new(on).await;
    let invite = ["users", "invite", "ada@example.com"];
    assert_eq!(world.error(&invite), (2, "usage".to_owned()), "links need an origin");
    let page = ["--origin", ORIGIN, "--reset-page", "/welcome"];
    let invited = world.ok(&[&invite[..], &page].concat());
    assert!(invited.err.contains("the application delivers it"), "{}", invited.err);
    let mailbox = Mailbox::default();
    let deliver = |builder: authlayer::AuthBuilder| {
        let builder = builder.origin(ORIGIN).mailer(mailbox.clone());
        builder.flow(Password::new()).flow(PasswordReset::new()).build().unwrap()
    };
    let delivering = match &world.database {
        Database::File(path) => deliver(Auth::builder(SqliteStore::open(path).await.unwrap())),
        Database::Schema { .. } => {
            deliver(Auth::builder(PgStore::connect(&world.url).await.unwrap()))
        }
    };
    until("the message is delivered", async || !mailbox.all().is_empty()).await;
    let messages = mailbox.all();
    assert_eq!((messages.len(), messages[0].to.as_str()), (1, "ada@example.com"));
    let link = messages[0].link.clone().unwrap();
    assert!(link.starts_with("https://app.example.com/welcome#"), "{link}");
    delivering.shutdown(Duration::from_secs(5)).await;
    world.remove().await;
}

async fn users_of_the_application_are_rejected(on: On) {
    let database = Database::fresh(on).await;
    database.run(if on.is_sqlite() { ACCOUNTS_SQLITE } else { ACCOUNTS_POSTGRES }).await;
    let store = testbed::Store::open(&database.url(), 2).await.unwrap();
    let users = store.mapped(accounts()).await.unwrap();
    let builder = match store.clone() {
        testbed::Store::Sqlite(store) => Auth::builder(store),
        testbed::Store::Postgres(store) => Auth::builder(store),
    };
    let auth = builder.origin(ORIGIN).users(users).flow(Password::new()).build().unwrap();
    let new = NewUser::with_email(Email::parse("ada@example.com").unwrap());
    auth.users().create_with_password(new, PASSWORD).await.unwrap();
    let listed = run(&database.url(), &["users", "list", "--json"]);
    assert_eq!(listed.code, 1);
    assert!(
        listed.err.contains("other_users") && listed.err.contains("admin_cli"),
        "{}",
        listed.err
    );
    assert_eq!(run(&database.url(), &["events"]).code, 0, "events are of all users");
    store.close().await;
    drop(auth);
    database.remove().await;
}

#[test]
fn arguments_are_checked_and_urls_never_printed() {
    for (args, code) in [
        (&["users", "list", "--database", "mysql://root:hunter2@localhost/app"][..], 2),
        (&["users", "list", "--database", "postgres://ada:hunter2@127.0.0.1:1/app"], 3),
        (&["users", "list", "--smtp", "http://ada:hunter2@localhost"], 3),
        (&["migrate", "--check", "--print"], 2),
        (&["sessions", "revoke", "ada@example.com"], 2),
        (&["events", "--kind", "unknown"], 2),
        (&["import", "--from", "unknown", "file"], 2),
        (&["import", "--from", "django", "--rounds", "8", "/dev/null"], 2),
        (&["import", "--from", "django", "--peppered", "/dev/null"], 2),
        (&["unknown"], 2),
        (&["--version"], 0),
    ] {
        let ran = run("postgres://ada:hunter2@127.0.0.1:1/app", args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(!format!("{}{}", ran.out, ran.err).contains("hunter2"), "{args:?}");
    }
    let mut none = command("", &["users", "list"]);
    let ran = ended(none.env_remove("DATABASE_URL").spawn().unwrap());
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("set DATABASE_URL"), "{}", ran.err);
    let ran = run("", &["calibrate", "--target", "1", "--json"]);
    let found = ran.json();
    assert_eq!((&found["m_kib"], &found["meets_target"]), (&json!(19_456), &json!(false)));
    assert!(found["rust"].as_str().unwrap().contains("argon2id_with(Argon2Params {"));
}

#[test]
fn every_command_has_an_example_a_page_and_completions() {
    let directory = std::env::temp_dir().join(unique());
    let name = directory.to_str().unwrap();
    assert_eq!(run("", &["man", name]).code, 0);
    let mut count = 0;
    for page in std::fs::read_dir(&directory).unwrap() {
        let path = page.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // A name such as `authlayer-users-set-password` is that of a command of `users`.
        let words = name.strip_prefix("authlayer").unwrap().trim_start_matches('-').to_owned();
        let mut args: Vec<&str> = words.splitn(2, '-').filter(|word| !word.is_empty()).collect();
        if args.first() == Some(&"help") || args.last().is_some_and(|word| word.starts_with("help"))
        {
            continue;
        }
        args.push("--help");
        let help = run("", &args);
        assert_eq!(help.code, 0, "{name}");
        assert!(help.out.contains("Example:\n"), "{name}: {}", help.out);
        assert!(std::fs::read_to_string(&path).unwrap().contains("Example:"), "{name}");
        count += 1;
    }
    assert!(count > 20, "{count}");
    std::fs::remove_dir_all(&directory).unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run("", &["completions", shell]);
        assert_eq!(ran.code, 0, "{shell}");
        assert!(ran.out.contains("set-password"), "{shell}");
    }
}

/// Returns the words of an output. Ids, times and measured numbers differ between two runs.
fn words(text: &str) -> Vec<String> {
    let normal = |word: &str| {
        let is_id = word.len() >= 36 && word.matches('-').count() == 4;
        let is_time = word.starts_with("20") && word.matches('-').count() == 2
            || word.ends_with('Z') && word.contains(':');
        match word {
            _ if is_id => "ID".to_owned(),
            _ if is_time => "TIME".to_owned(),
            _ => word.to_owned(),
        }
    };
    text.split_whitespace().map(normal).collect()
}

/// Runs the commands of the guide in their order, and compares their output.
#[tokio::test]
async fn examples_of_the_guide_run() {
    let guide = include_str!("../../guide/operations.md");
    let directory = std::env::temp_dir().join(unique());
    std::fs::create_dir(&directory).unwrap();
    let path = std::env::join_paths(
        std::iter::once(Path::new(BINARY).parent().unwrap().to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let mut count = 0;
    for block in guide.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for example in block.split("$ ").skip(1) {
            let (line, expected) = example.split_once('\n').unwrap();
            let ran = Command::new("sh")
                .args(["-c", line])
                .current_dir(&directory)
                .env("PATH", &path)
                .env("DATABASE_URL", "sqlite:app.db")
                .env_remove("AUTHLAYER_ORIGIN")
                .env_remove("AUTHLAYER_ADMIN_ROLE")
                .env_remove("SMTP_URL")
                .output()
                .unwrap();
            let shown = [ran.stdout, ran.stderr].concat();
            let shown = String::from_utf8(shown).unwrap();
            assert!(ran.status.success(), "{line}: {shown}");
            if !expected.contains('…') {
                assert_eq!(words(&shown), words(expected), "{line}\n{shown}");
            }
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
    std::fs::remove_dir_all(&directory).unwrap();
}
