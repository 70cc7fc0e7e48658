//! Programs that must not compile, each with a part of the compiler's message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::Value;

/// The name of a misuse, the program, and parts of the message, of which an empty list means that
/// the program compiles.
const PROGRAMS: &[(&str, &str, &[&str])] = &[
    (
        "store_without_await",
        "use authlayer::{Auth, SqliteStore};
         pub fn go() { let _ = Auth::builder(SqliteStore::open(\"app.db\")); }",
        &["is not a store", "SqliteStore::open(\"app.db\").await?"],
    ),
    (
        "pool_as_store",
        "use authlayer::{Auth, sqlx::SqlitePool};
         pub fn go(pool: SqlitePool) { let _ = Auth::builder(pool); }",
        &["`Pool<Sqlite>` is not a store"],
    ),
    (
        "provider_as_flow",
        "use authlayer::{Auth, Provider, store::Store};
         pub fn go(store: impl Store, strava: impl Provider) { let _ = Auth::builder(store).flow(strava); }",
        &["is not a flow", "wrap a `Provider` in `OAuth::new(…)`"],
    ),
    (
        "service_as_flow",
        "use authlayer::{Auth, flow::PasswordService};
         pub fn go(auth: &Auth) { let _ = auth.service::<PasswordService>(); }",
        &["`PasswordService` is not a flow"],
    ),
    (
        "pending_sign_in_forgotten",
        "use authlayer::SignInOutcome;
         pub fn go(outcome: SignInOutcome) { match outcome { SignInOutcome::Complete(_) => {} } }",
        &["E0004", "Pending(_)` not covered"],
    ),
    (
        "outcome_dropped",
        "#![deny(unused_must_use)]
         use authlayer::{AuthError, Client, flow::PasswordService};
         pub async fn go(password: PasswordService, client: Client) -> Result<(), AuthError> {
             password.sign_in(&client, \"ada\", \"secret\").await?;
             Ok(())
         }",
        &["unused `SignInOutcome` that must be used", "a pending sign-in has no session"],
    ),
    (
        "unchecked_redirect",
        "use authlayer::SignedIn;
         pub fn go(signed_in: SignedIn, next: String) { let _ = signed_in.redirect_to(next); }",
        &["String` is not a checked redirect target", "with_return_to"],
    ),
    (
        "unchecked_redirect_by_reference",
        "use authlayer::SignedIn;
         pub fn go(signed_in: SignedIn, next: String) { let _ = signed_in.redirect_to(next.as_str()); }",
        &["borrowed value does not live long enough", "'static"],
    ),
    (
        "user_of_a_pending_challenge",
        "use authlayer::{PendingChallenge, User};
         pub fn go(pending: PendingChallenge) -> User { pending.user().clone() }",
        &["no method named `user` found for struct `PendingChallenge`"],
    ),
    (
        "peeked_challenge_as_evidence",
        "use authlayer::{AuthError, Factor, services::VerifiedFactor};
         pub fn go(peeked: String) -> Result<VerifiedFactor, AuthError> {
             VerifiedFactor::challenge(Factor::EmailLink, peeked)
         }",
        &["mismatched types", "expected `Consumed<_>`, found `String`"],
    ),
    (
        "evidence_used_twice",
        "use authlayer::{AuthError, Client, services::{SignIn, VerifiedFactor}};
         pub async fn go(door: SignIn, client: Client, factor: VerifiedFactor) -> Result<(), AuthError> {
             let _first = door.complete(&client, factor).await?;
             let _second = door.complete(&client, factor).await?;
             Ok(())
         }",
        &["E0382", "use of moved value: `factor`"],
    ),
    (
        "stale_session_enrolls",
        "use authlayer::{AuthError, AuthUser, services::Credentials};
         pub async fn go(keys: Credentials<()>, user: AuthUser) -> Result<(), AuthError> {
             keys.add(&user, \"key\", ()).await.map(drop)
         }",
        &["mismatched types", "expected `&FreshUser`, found `&AuthUser`"],
    ),
    (
        "attempt_dropped",
        "#![deny(unused_must_use)]
         use authlayer::{AuthError, Client, services::Limiter};
         pub async fn go(limiter: Limiter, client: Client) -> Result<(), AuthError> {
             limiter.attempt(&client, \"ada\").await?;
             Ok(())
         }",
        &["unused `Attempt` that must be used", "stays counted as a failure"],
    ),
    (
        "new_account_of_a_peeked_challenge",
        "use authlayer::{Factor, NewUser, services::NewAccount};
         pub fn go(peeked: String) -> NewAccount {
             NewAccount::new(NewUser::new()).challenge(Factor::EmailLink, peeked)
         }",
        &["mismatched types", "expected `Consumed<_>`, found `String`"],
    ),
    (
        "step_up_by_a_consumed_challenge_alone",
        "use authlayer::{AuthError, AuthUser, Client, services::{Consumed, SignIn}};
         pub async fn go(door: SignIn, client: Client, user: AuthUser, code: Consumed<()>) -> Result<(), AuthError> {
             door.step_up(&client, &user, code).await.map(drop)
         }",
        &["mismatched types", "expected `VerifiedFactor`, found `Consumed<()>`"],
    ),
    (
        "hook_of_another_database",
        "use authlayer::{HookError, SqliteStore, sqlx::PgConnection, store::CreatedUser};
         async fn hook(_: &mut PgConnection, _: &CreatedUser) -> Result<(), HookError> { Ok(()) }
         pub fn go(store: SqliteStore) { let _ = store.on_user_created(hook); }",
        &["SqliteConnection", "PgConnection"],
    ),
    (
        "rule_without_an_implementation",
        "use authlayer::Authorized;
         pub struct Editor;
         pub async fn edit(user: Authorized<Editor>) -> String { user.id.to_string() }",
        &["`Editor` is not an access rule", "fn rule() -> Rule"],
    ),
    (
        "body_without_deserialize",
        "use authlayer::JsonBody;
         pub struct Body { pub name: String }
         pub async fn go(JsonBody(body): JsonBody<Body>) -> String { body.name }",
        &["the trait bound `Body: serde::de::DeserializeOwned` is not satisfied"],
    ),
    (
        "type_that_is_no_second_factor",
        "use authlayer::Registry;
         pub struct Gesture;
         pub fn go(registry: &mut Registry) { registry.second_factor(Gesture); }",
        &["`Gesture` is not a second factor"],
    ),
    (
        "type_that_is_no_provider",
        "use authlayer::OAuth;
         pub struct Strava;
         pub fn go() { let _ = OAuth::new(Strava); }",
        &["`Strava` is not an OAuth provider"],
    ),
    (
        "guard_across_an_await",
        "use std::sync::Mutex;
         use authlayer::{DeliveryError, Mailer, Message};
         pub struct Mail(Mutex<Vec<Message>>);
         impl Mailer for Mail {
             async fn send(&self, message: Message) -> Result<(), DeliveryError> {
                 let mut all = self.0.lock().unwrap();
                 std::future::ready(()).await;
                 all.push(message);
                 Ok(())
             }
         }",
        &["future cannot be sent between threads safely", "MutexGuard"],
    ),
    (
        "malformed_factor_name",
        "use authlayer::Factor;
         pub const GESTURE: Factor = Factor::custom(\"My Gesture\");",
        &["a factor name is lower-case letters, digits and `_`"],
    ),
    (
        "correct_program",
        "use authlayer::{Auth, AuthError, Client, Factor, SignInOutcome, UserId, services::VerifiedFactor};
         const LDAP: Factor = Factor::custom(\"ldap\");
         pub async fn go(auth: &Auth, client: &Client, user: &UserId) -> Result<SignInOutcome, AuthError> {
             auth.services().sign_in().complete(client, VerifiedFactor::asserted(user, LDAP)).await
         }",
        &[],
    ),
];

/// Returns the library that this test was built with. Cargo has built it, and prints its path.
fn library() -> PathBuf {
    // Variables of this test would make build scripts run again.
    let own = std::env::vars().map(|(name, _)| name).filter(|name| {
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_"].iter().any(|own| name.starts_with(own))
    });
    let mut cargo = Command::new(env!("CARGO"));
    for name in own {
        cargo.env_remove(name);
    }
    let output = cargo
        .args(["test", "--no-run", "--all-features", "--test", "misuse"])
        .args(["--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut libraries = messages.filter(|message| {
        message["target"]["name"] == "authlayer" && message["target"]["kind"][0] == "lib"
    });
    let library = libraries.next().unwrap_or_else(|| {
        panic!("cargo built no library: {}", String::from_utf8_lossy(&output.stderr))
    });
    let files = library["filenames"].as_array().unwrap().iter().filter_map(Value::as_str);
    let file = files.map(PathBuf::from).find(|file| file.extension().is_some_and(|e| e == "rlib"));
    file.unwrap()
}

/// Compiles a program and returns the messages of the compiler, or `None` if it compiles.
fn compile(library: &Path, folder: &Path, name: &str, program: &str) -> Option<String> {
    let source = folder.join(format!("{name}.rs"));
    fs::write(&source, program).unwrap();
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let dependencies = library.parent().unwrap();
    let output = Command::new(compiler)
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"])
        .arg("--out-dir")
        .arg(folder)
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("-L")
        .arg(format!("dependency={}", dependencies.join("deps").display()))
        .arg("--extern")
        .arg(format!("authlayer={}", library.display()))
        .arg(&source)
        .output()
        .unwrap();
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
}

#[test]
fn misuses_do_not_compile_and_say_what_to_write() {
    let library = library();
    let folder = std::env::temp_dir().join(format!("authlayer-misuse-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let half = PROGRAMS.len().div_ceil(2);
    let wrong: Vec<String> = thread::scope(|scope| {
        let parts = PROGRAMS.chunks(half).map(|programs| {
            scope.spawn(|| {
                let problems =
                    programs.iter().filter_map(|(name, program, expected)| {
                        match compile(&library, &folder, name, program) {
                            None if expected.is_empty() => None,
                            None => Some(format!("{name} compiles")),
                            Some(text) => {
                                let missing = |part: &&&str| !text.contains(**part);
                                let part = expected.iter().find(missing);
                                match (part, expected.is_empty()) {
                                    (None, false) => None,
                                    _ => Some(format!("{name} does not say {part:?}:\n{text}")),
                                }
                            }
                        }
                    });
                problems.collect::<Vec<_>>()
            })
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    fs::remove_dir_all(&folder).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
